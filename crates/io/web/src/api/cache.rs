//! The API of the response cache: purges. They change memory only, and work also where only the edge runs.

use crate::auth::WriteRequest;
use crate::params::cached_path;
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use types::{Actor, ServiceId};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/cache/purge", post(purge))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurgeBody {
    by: String,
    service: String,
    path: Option<String>,
}

async fn purge(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let PurgeBody { by, service, path } = request.json()?;
    let by = request.actor(&by)?;
    let path = path.map(|path| cached_path(&path)).transpose()?;
    let service = ServiceId(service);
    let dropped = purged(&state, &by, &service, path.as_deref())?;
    Ok(Json(json!({ "done": "purge", "service": service, "path": path, "dropped": dropped })))
}

/// Drops the cached responses of a service, or of one path; returns their number.
pub(crate) fn purged(
    state: &WebState,
    by: &Actor,
    service: &ServiceId,
    path: Option<&str>,
) -> Result<u64, Problem> {
    let dropped = state.edge().purge(service, path).ok_or_else(|| {
        let detail = format!("no path of a service `{service}` is cached by a running edge");
        let hint = "See `cache` of [service.NAME.traffic] in the reference of the configuration.";
        Problem::new(StatusCode::NOT_FOUND, detail, hint)
    })?;
    tracing::info!(by = %by.id, %service, path, dropped, "cached responses were purged");
    Ok(dropped)
}
