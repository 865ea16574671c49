//! The audit of the configuration in force, for the API and the console.

use crate::problem::Problem;
use audit::Report;
use axum::http::StatusCode;
use engine::views::Views;
use types::{ServiceId, Time};

/// Audits the configuration in force. The schedules of a year are evaluated, so not on a thread of the server.
pub(crate) async fn audited(views: &Views, only: Option<ServiceId>, at: Time) -> Result<Report, Problem> {
    let Some(acceptance) = views.acceptance.clone() else {
        let hint = "It is there as soon as mainstay has read its configuration.";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "There is no audit yet.", hint));
    };
    let work = move || match only {
        None => Ok(acceptance.report(at)),
        Some(service) => acceptance.report_on(&service, at).ok_or_else(|| {
            let hint = "`mainstay status` lists the services.";
            Problem::new(StatusCode::NOT_FOUND, format!("there is no service `{service}`"), hint)
        }),
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let hint =
            "This is a bug of mainstay; please report it. `mainstay audit --text-alone` audits the file.";
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The audit failed.", hint))
    })
}
