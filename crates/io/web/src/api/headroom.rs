//! The API of headroom, and the scaling signal of a pool.

use super::edge::traffic;
use super::{json_response, views};
use crate::auth::may_read;
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use engine::views::Traffic;
use engine::views::scaling::{Scaling, Signal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::headroom::{UTILIZATION_MAX, UTILIZATION_TARGET, WithMore};
use types::{Headroom, Time};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/headroom", get(headroom)).route("/api/v1/scaling/{pool}", get(scaling))
}

#[derive(Deserialize)]
struct Parameters {
    /// What this many more servers would make of the daily peak, instead of the fewest that are enough.
    more: Option<u32>,
}

#[derive(Serialize)]
struct HeadroomBody {
    at: Time,
    target_ratio: f64,
    max_ratio: f64,
    resources: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    headroom: Headroom,
    /// Whether the daily peak is above the maximum, or the trend meets the knee.
    is_low: bool,
    /// Why the share at the daily peak is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    text: String,
}

async fn headroom(
    State(state): State<Arc<WebState>>,
    Query(Parameters { more }): Query<Parameters>,
    headers: HeaderMap,
) -> JsonResult {
    let views = views(&state, &headers)?;
    let row = |headroom: &Headroom| {
        let asked: Option<WithMore> = more.filter(|more| *more > 0).and_then(|more| headroom.with(more));
        let headroom = Headroom { with_more: asked.or(headroom.with_more), ..headroom.clone() };
        let unknown = headroom.unknown().map(|why| why.to_string());
        Row { is_low: headroom.is_low(), unknown, text: headroom.to_string(), headroom }
    };
    json_response(&HeadroomBody {
        at: views.now.at,
        target_ratio: UTILIZATION_TARGET,
        max_ratio: UTILIZATION_MAX,
        resources: views.headroom.iter().map(row).collect(),
    })
}

#[derive(Serialize)]
struct SignalBody<'a> {
    pool: &'a str,
    at: Option<Time>,
    #[serde(flatten)]
    signal: &'a Signal,
}

async fn scaling(
    State(state): State<Arc<WebState>>,
    Path(pool): Path<String>,
    headers: HeaderMap,
) -> JsonResult {
    may_read(&state, &headers)?;
    let traffic = traffic(&state)?;
    json_response(&SignalBody { pool: &pool, at: traffic.reported, signal: signal(&traffic, &pool)? })
}

/// The signal of a pool. While it is unknown this is an error and not 0, because an autoscaler would remove servers.
pub(super) fn signal<'a>(traffic: &'a Traffic, pool: &str) -> Result<&'a Signal, Problem> {
    let of_pool =
        traffic.pools.iter().find(|known| known.id == pool).and_then(|known| known.scaling.as_ref());
    match of_pool {
        Some(Scaling::Signal(signal)) => Ok(signal),
        Some(Scaling::Unknown(why)) => {
            let detail = format!("the scaling signal of pool `{pool}` is unknown: {why}");
            let hint = "It needs a load test of a service of the pool, and the edge's report of ten seconds: see docs/guides/scaling.md.";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail, hint))
        }
        None => {
            let detail = format!("the edge serves nothing from a pool `{pool}`");
            Err(Problem::new(StatusCode::NOT_FOUND, detail, "GET /api/v1/edge lists the pools."))
        }
    }
}
