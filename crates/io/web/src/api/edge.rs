//! The API of the edge: traffic, denials and traces.

use super::json_response;
use super::traffic::TrafficBody;
use crate::auth::{ByBody, WriteRequest, may_read};
use crate::command::denial_in;
use crate::params::{denial_duration, denial_id, deny_what};
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use engine::views::Traffic;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use types::{Command, ServiceId, Trace};

/// Maximum number of traces in a list.
pub const TRACES_MAX: usize = 100;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/api/v1/edge", get(edge))
        .route("/api/v1/denials", get(denials))
        .route("/api/v1/deny", post(deny))
        .route("/api/v1/denials/{denial}/lift", post(lift))
}

/// Routes that need only the edge.
pub(crate) fn trace_routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/trace/{id}", get(trace)).route("/api/v1/traces", get(traces))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyBody {
    by: String,
    what: String,
    service: Option<String>,
    for_seconds: u64,
    #[serde(default)]
    everybody: bool,
}

async fn edge(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    may_read(&state, &headers)?;
    json_response(&TrafficBody::new(&*traffic(&state)?))
}

/// Lists the denials of the team that have not lapsed, without those of the configuration.
async fn denials(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    may_read(&state, &headers)?;
    Ok(Json(json!({ "denials": traffic(&state)?.denials })))
}

async fn deny(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let DenyBody { by, what, service, for_seconds, everybody } = request.json()?;
    let what = deny_what(&what)?;
    let lasting = denial_duration(for_seconds)?;
    let service = service.map(ServiceId);
    let shown = (what.to_string(), service.clone());
    let events = state.send(request.actor(&by)?, Command::Deny { what, service, lasting, everybody }).await?;
    let denial = denial_in(events);
    Ok(Json(json!({
        "done": "deny",
        "denial": denial.as_ref().map(|denial| denial.id),
        "what": shown.0,
        "service": shown.1,
        "for_seconds": for_seconds,
        "until": denial.map(|denial| denial.until),
    })))
}

async fn lift(
    State(state): State<Arc<WebState>>,
    Path(denial): Path<String>,
    request: WriteRequest,
) -> JsonResult {
    let ByBody { by } = request.json()?;
    let denial = denial_id(&denial)?;
    state.send(request.actor(&by)?, Command::Lift { denial }).await?;
    Ok(Json(json!({ "done": "lift", "denial": denial })))
}

async fn trace(
    State(state): State<Arc<WebState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> JsonResult<Trace> {
    may_read(&state, &headers)?;
    has_edge(&state)?;
    Ok(Json(state.trace(&id)?))
}

/// Lists refused, failed and slow requests, newest first.
async fn traces(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult<Vec<Trace>> {
    may_read(&state, &headers)?;
    has_edge(&state)?;
    Ok(Json(state.edge().recent(TRACES_MAX)))
}

/// Checks that an edge is configured: without one, "no request with this id" would mislead.
fn has_edge(state: &WebState) -> Result<(), Problem> {
    if state.is_only_edge() || state.views().is_none() { Ok(()) } else { traffic(state).map(drop) }
}

pub(super) fn traffic(state: &WebState) -> Result<Arc<Traffic>, Problem> {
    state.traffic().ok_or_else(|| match state.views() {
        Some(_) => {
            let hint = "The edge is optional: see [edge] in the reference of the configuration.";
            Problem::new(StatusCode::NOT_FOUND, "The configuration has no edge.", hint)
        }
        None => {
            let hint = "Try again in a few seconds.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "No traffic figures yet.", hint)
        }
    })
}
