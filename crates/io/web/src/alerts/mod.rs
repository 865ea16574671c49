//! Alerts that other systems hand in over HTTP.
//!
//! | module | holds |
//! |---|---|
//! | `alertmanager` | `POST /api/v1/sources/NAME/api/v2/alerts`, as Prometheus sends alerts to its Alertmanager, and the webhook of Alertmanager |
//! | `grafana` | signatures of Grafana's webhook: `POST /api/v1/sources/NAME/grafana` |
//! | `pagerduty` | `POST /v2/enqueue`: events in the format of PagerDuty |
//! | `api_v2` | what clients of Alertmanager's API read: status, alerts |
//! | `silences` | what clients of Alertmanager's API set: silences |
//! | `client_request` | what these have in common: errors, matchers, ids |
//! | `report` | what the formats have in common: labels, texts, keys |
//!
//! A format is a pure function from a body to reports. They are answered 2xx only after what they change is on disk; reports that are
//! repeated change nothing. Beside `intake`, which takes changes, because they share router, limits and errors.

mod alertmanager;
mod api_v2;
mod client_request;
mod grafana;
mod pagerduty;
mod report;
mod silences;
#[cfg(test)]
mod tests;

use crate::alert_sources::AlertSource;
use crate::clock::now;
use crate::intake;
use crate::problem::{JsonProblem, Problem};
use crate::state::WebState;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use types::config::AlertFormat;
use types::external::AlertReport;
use types::{Actor, Command};

/// Maximum size of a report, in bytes: 256 alerts with long annotations. Of PagerDuty's format the maximum is [`EVENT_MAX`].
const REPORT_MAX: usize = 8 << 20;
/// Maximum size of an event of PagerDuty, in bytes.
const EVENT_MAX: usize = 512 << 10;
/// Reports of one command: as many as Prometheus sends in a request. Each may open an alert, an incident and a page.
const REPORTS_AT_ONCE: usize = 256;
/// Waits before a report of Grafana is tried again, which itself tries again only after minutes.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(5)];

pub(crate) fn routes() -> Router<Arc<WebState>> {
    let prefixed = Router::new()
        .route("/api/v2/alerts", get(api_v2::alerts).post(post_alerts))
        .route("/api/v2/alerts/groups", get(api_v2::groups))
        .route("/api/v2/status", get(api_v2::status))
        .route("/api/v2/silences", get(silences::list).post(silences::post))
        .route("/api/v2/silence/{id}", get(silences::get).delete(silences::delete))
        .route("/api/v2/receivers", get(api_v2::receivers))
        .route("/-/healthy", get(api_v2::healthy))
        .route("/-/ready", get(api_v2::healthy))
        .route("/alertmanager", post(webhook))
        .route("/grafana", post(grafana_webhook).put(grafana_webhook))
        .layer(DefaultBodyLimit::max(REPORT_MAX));
    let event = post(pagerduty_event).layer(DefaultBodyLimit::max(EVENT_MAX));
    Router::new().nest("/api/v1/sources/{source}", prefixed).route("/v2/enqueue", event)
}

/// The same for a wrong name and a wrong secret: it does not say which sources there are.
fn unknown_source() -> Problem {
    let hint = "Compare its name and secret with [source.NAME] of the configuration.";
    Problem::new(StatusCode::UNAUTHORIZED, "no source has this name and secret", hint)
}

/// The source with a name, if the request has its secret.
fn admitted(
    state: &WebState,
    name: &str,
    format: AlertFormat,
    headers: &HeaderMap,
) -> Result<AlertSource, Problem> {
    let source = state.alert_sources().by_name(name).filter(|source| source.admits(format, headers));
    source.ok_or_else(unknown_source)
}

/// The body of a request, which is read only after its secret was compared.
async fn body_of(request: Request, state: &Arc<WebState>) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let hint = "A report may have 8 MiB, an event in the format of PagerDuty 512 KiB.";
        Problem::new(rejection.status(), rejection.body_text(), hint)
    })
}

async fn record(state: &WebState, source: &AlertSource, reports: Vec<AlertReport>) -> Result<(), Problem> {
    state.alert_sources().count(&source.name)?;
    // What follows from one command is appended to the journal at once, and that is limited.
    for part in reports.chunks(REPORTS_AT_ONCE) {
        let by = Actor::token(format!("source.{}", source.name));
        let command = Command::ReportAlerts { source: source.name.clone(), reports: part.to_vec() };
        state.send_unseen(by, command).await?;
    }
    Ok(())
}

async fn post_alerts(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    request: Request,
) -> Result<StatusCode, JsonProblem> {
    let source = admitted(&state, &source, AlertFormat::Alertmanager, request.headers())?;
    let body = body_of(request, &state).await?;
    let alertmanager::Read { reports, wrong } = alertmanager::posted(&body, now())?;
    record(&state, &source, reports).await?;
    match wrong {
        None => Ok(StatusCode::OK),
        Some(why) => {
            let hint = "The other alerts of the request are recorded.";
            Err(Problem::new(StatusCode::BAD_REQUEST, why, hint).into())
        }
    }
}

async fn webhook(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    request: Request,
) -> Result<StatusCode, JsonProblem> {
    let source = admitted(&state, &source, AlertFormat::Alertmanager, request.headers())?;
    let body = body_of(request, &state).await?;
    record(&state, &source, alertmanager::webhook(&body)?).await?;
    Ok(StatusCode::OK)
}

async fn grafana_webhook(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    request: Request,
) -> Result<StatusCode, JsonProblem> {
    let headers = request.headers().clone();
    let is_signed = grafana::is_signed(&headers);
    let source = match state.alert_sources().by_name(&source) {
        Some(source) if is_signed || source.admits(AlertFormat::Grafana, &headers) => source,
        _ => return Err(unknown_source().into()),
    };
    let body = body_of(request, &state).await?;
    if is_signed && !grafana::verify(&source, &headers, &body, now()) {
        return Err(unknown_source().into());
    }
    let reports = alertmanager::webhook(&body)?;
    for wait in RETRIES {
        match record(&state, &source, reports.clone()).await {
            Err(busy) if busy.status == StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(wait).await,
            done => return Ok(done.map(|()| StatusCode::OK)?),
        }
    }
    record(&state, &source, reports).await?;
    Ok(StatusCode::OK)
}

async fn pagerduty_event(State(state): State<Arc<WebState>>, request: Request) -> Response<Body> {
    let done = async {
        let (routing_key, report) = pagerduty::read(&body_of(request, &state).await?)?;
        let key = report.key.clone();
        let source = state.alert_sources().by_secret(AlertFormat::Pagerduty, routing_key.as_bytes());
        record(&state, &source.ok_or_else(unknown_source)?, vec![report]).await?;
        Ok(key)
    };
    match done.await {
        Ok(key) => {
            let body = json!({ "status": "success", "message": "Event processed", "dedup_key": key });
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Err(problem) => intake::pagerduty_refusal(&problem),
    }
}
