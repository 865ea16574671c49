//! The API of jobs that report by heartbeats: `GET /api/v1/heartbeats`. Pings are in [`crate::pings`].

use super::{json_response, views};
use crate::problem::JsonResult;
use crate::state::WebState;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/heartbeats", get(list))
}

/// Lists the jobs by name.
async fn list(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    let views = views(&state, &headers)?;
    json_response(&json!({ "heartbeats": views.now.heartbeats, "timezone": views.now.timezone }))
}
