//! The audit of the configuration in force, for the API and the console.

use crate::problem::Problem;
use audit::Report;
use axum::http::StatusCode;
use engine::views::{Acceptance, Views};
use std::collections::BTreeSet;
use types::{Resource, ServiceId, Time};

/// Audits the configuration in force. The schedules of a year are evaluated, so not on a thread of the server.
pub(crate) async fn audited(views: &Views, only: Option<ServiceId>, at: Time) -> Result<Report, Problem> {
    let Some(acceptance) = views.acceptance.clone() else { return Err(no_audit()) };
    let work = move || match only {
        None => Ok(acceptance.report(at)),
        Some(service) => acceptance.report_on(&service, at).ok_or_else(|| no_service(&service.0)),
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let hint =
            "This is a bug of mainstay; please report it. `mainstay audit --text-alone` audits the file.";
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The audit failed.", hint))
    })
}

/// The resources that concern a service.
///
/// # Errors
/// When there is no such service.
pub(crate) fn concerned(acceptance: &Acceptance, service: &str) -> Result<BTreeSet<Resource>, Problem> {
    acceptance.concerned(&service.into()).ok_or_else(|| no_service(service))
}

/// Nothing was audited yet.
pub(crate) fn no_audit() -> Problem {
    let hint = "It is there as soon as mainstay has read its configuration.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "There is no audit yet.", hint)
}

fn no_service(service: &str) -> Problem {
    let hint = "`mainstay status` lists the services.";
    Problem::new(StatusCode::NOT_FOUND, format!("there is no service `{service}`"), hint)
}
