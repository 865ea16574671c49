//! The API of the audit.

use super::{json_response, views};
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use audit::Report;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use engine::views::Views;
use serde::Deserialize;
use std::sync::Arc;
use types::{ServiceId, Time};

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

/// Audits the configuration in force. The schedules of a year are evaluated, so not on a thread of the server.
pub(crate) async fn audited(views: &Views, only: Option<ServiceId>, at: Time) -> Result<Report, Problem> {
    let Some(acceptance) = views.acceptance.clone() else {
        let hint = "It is there as soon as mainstay has read its configuration.";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "There is no audit yet.", hint));
    };
    if let Some(service) = only.as_ref().filter(|service| !acceptance.config().services.contains_key(service))
    {
        let hint = "`mainstay status` lists the services.";
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no service `{service}`"), hint));
    }
    let work = move || {
        let report = acceptance.report(at);
        match &only {
            Some(service) => report.of_service(acceptance.config(), service),
            None => report,
        }
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        let hint =
            "This is a bug of mainstay; please report it. `mainstay audit --text-alone` audits the file.";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The audit failed.", hint)
    })
}
