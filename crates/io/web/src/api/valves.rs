//! The API of valves: how many clients of a service are let in.

use super::edge::traffic;
use crate::auth::{WriteRequest, may_read};
use crate::params::valve_percent;
use crate::problem::JsonResult;
use crate::state::WebState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use engine::views::traffic::ServiceNow;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use types::{Command, ServiceId};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/valves", get(valves)).route("/api/v1/valve", post(set))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValveBody {
    by: String,
    service: String,
    percent: u64,
    #[serde(default)]
    limited: bool,
    #[serde(default)]
    ramp: bool,
}

/// Lists the valve of every service of the edge, also those that are fully open.
async fn valves(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    may_read(&state, &headers)?;
    let rows: Vec<Value> = traffic(&state)?.services.iter().map(row).collect();
    Ok(Json(json!({ "valves": rows })))
}

fn row(service: &ServiceNow) -> Value {
    let now = service.valve.as_ref();
    let valve = now.map(|now| &now.valve);
    json!({
        "service": service.id,
        "title": service.title,
        "percent": valve.map_or(100, |valve| valve.percent),
        "limited": valve.is_some_and(|valve| valve.limited),
        "ramp": valve.is_some_and(|valve| valve.ramps()),
        "since": valve.map(|valve| valve.since),
        "changed": valve.map(|valve| valve.changed),
        "by": valve.map(|valve| &valve.by),
        "obstacle": now.and_then(|now| now.obstacle.as_ref()).map(ToString::to_string),
    })
}

async fn set(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let ValveBody { by, service, percent, limited, ramp } = request.json()?;
    let (service, percent) = (ServiceId(service), valve_percent(percent)?);
    let done = json!({
        "done": "valve", "service": service, "percent": percent, "limited": limited, "ramp": ramp && percent < 100,
    });
    state.send(request.actor(&by)?, Command::Valve { service, percent, limited, ramp }).await?;
    Ok(Json(done))
}
