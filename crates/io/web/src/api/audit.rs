//! The API of the audit.

use super::{json_response, views};
use crate::audited::audited;
use crate::problem::JsonResult;
use crate::state::WebState;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;
use types::ServiceId;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/audit", get(report))
}

#[derive(Deserialize)]
struct Parameters {
    /// Only what concerns this service.
    service: Option<String>,
}

async fn report(
    State(state): State<Arc<WebState>>,
    Query(Parameters { service }): Query<Parameters>,
    headers: HeaderMap,
) -> JsonResult {
    let views = views(&state, &headers)?;
    json_response(&audited(&views, service.map(ServiceId), crate::clock::now()).await?)
}
