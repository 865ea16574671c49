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
