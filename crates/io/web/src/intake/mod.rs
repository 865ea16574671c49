//! Changes that other systems report over HTTP.
//!
//! | module | format |
//! |---|---|
//! | `own` | `POST /api/v1/changes`: JSON of mainstay |
//! | `pagerduty` | `POST /v2/change/enqueue`: change events in the format of PagerDuty |
//! | `github` | `POST /api/v1/sources/NAME/github`: webhooks `deployment` and `deployment_status` |
//! | `gitlab` | `POST /api/v1/sources/NAME/gitlab`: webhook for deployments |
//! | `fields` | fields of all formats: titles, links, times, checked |
//!
//! A format is a pure function from a body to a change. A report is answered 2xx only after the change is on disk; one that
//! is repeated changes nothing. It is part of this crate because it shares its router, limits and errors, and because
//! crates with sockets do not import each other.

mod fields;
mod github;
mod gitlab;
mod own;
mod pagerduty;
#[cfg(test)]
mod tests;

pub(crate) use fields::{link, time, title};
pub(crate) use pagerduty::refusal as pagerduty_refusal;

use crate::api::changes::ChangesBody;
use crate::api::{json_response, views};
use crate::auth::{OverControlSocket, actor, may_write};
use crate::bearer::bearer;
use crate::problem::{JsonResult, Problem};
use crate::sources::{ChangeSource, SourceService};
use crate::state::WebState;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use types::change::{NewChange, SERVICES_MAX};
use types::event::EventKind;
use types::{Actor, ChangeId, Command, ServiceId};

/// Maximum size of a report, in bytes: that of PagerDuty. Webhooks of code hosts have 10 to 40 KB.
const REPORT_MAX: usize = 512 << 10;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/api/v1/changes", get(list).post(own_report))
        .route("/v2/change/enqueue", post(pagerduty_report))
        .route("/api/v1/sources/{source}/github", post(github_report))
        .route("/api/v1/sources/{source}/gitlab", post(gitlab_report))
        .layer(DefaultBodyLimit::max(REPORT_MAX))
}

type Report = Result<Bytes, BytesRejection>;

/// A report as a format reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one lives for one request")]
enum Reported {
    /// A change. `names` are those by which its service may be known.
    Change { new: NewChange, names: Vec<String>, by: Option<String> },
    /// Nothing that changes a system: the reason.
    Ignored(&'static str),
}

/// Result of a report.
enum Taken {
    /// It is on disk; the number of the change, and `None` when it was there before.
    Recorded(Option<ChangeId>),
    Ignored(&'static str),
}

/// Lists the changes of the last days, newest first.
async fn list(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    json_response(&ChangesBody::new(&*views(&state, &headers)?))
}

async fn own_report(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    socket: Option<Extension<OverControlSocket>>,
    body: Report,
) -> JsonResult {
    let source = bearer(&headers).and_then(|token| state.sources().by_secret(token));
    if source.is_none() {
        may_write(&state, &headers)?;
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let reported = own::read(&body?, key)?;
    let taken = match source {
        Some(source) => from_source(&state, &source, reported).await?,
        None => from_team(&state, socket, reported).await?,
    };
    Ok(answer(taken))
}

async fn pagerduty_report(State(state): State<Arc<WebState>>, body: Report) -> Response<Body> {
    let done = async {
        let (routing_key, reported) = pagerduty::read(&body?)?;
        let source = state.sources().by_secret(routing_key.as_bytes()).ok_or_else(unknown_source)?;
        from_source(&state, &source, reported).await
    };
    match done.await {
        Ok(_) => {
            let body = json!({ "status": "success", "message": "Change event processed" });
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Err(problem) => pagerduty::refusal(&problem),
    }
}

async fn github_report(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Report,
) -> JsonResult {
    let body = body?;
    let source = state.sources().by_name(&source).ok_or_else(unknown_source)?;
    github::verify(&source, &headers, &body)?;
    Ok(answer(from_source(&state, &source, github::read(&headers, &body)?).await?))
}

async fn gitlab_report(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Report,
) -> JsonResult {
    let source = state.sources().by_name(&source).ok_or_else(unknown_source)?;
    gitlab::verify(&source, &headers)?;
    Ok(answer(from_source(&state, &source, gitlab::read(&headers, &body?)?).await?))
}

/// The same for a wrong name, token and signature: it does not tell which sources there are.
fn unknown_source() -> Problem {
    let hint = "Compare its name and secret with [source.NAME] of the configuration.";
    Problem::new(StatusCode::UNAUTHORIZED, "no source has this name and secret", hint)
}

/// Records a report of a source.
async fn from_source(state: &WebState, source: &ChangeSource, reported: Reported) -> Result<Taken, Problem> {
    state.sources().count(&source.name)?;
    let (mut new, names, by) = match reported {
        Reported::Change { new, names, by } => (new, names, by),
        Reported::Ignored(why) => return Ok(Taken::Ignored(why)),
    };
    new.source = Some(source.name.clone());
    new.services = match &source.service {
        SourceService::Fixed(service) => BTreeSet::from([service.clone()]),
        SourceService::ByName => known_services(state, names),
    };
    record(state, Actor::token(by.unwrap_or_else(|| source.name.clone())), new).await
}

/// Records a report of a person, or of a program with the API token. Services that do not exist are refused.
async fn from_team(
    state: &WebState,
    socket: Option<Extension<OverControlSocket>>,
    reported: Reported,
) -> Result<Taken, Problem> {
    let (mut new, names, by) = match reported {
        Reported::Change { new, names, by } => (new, names, by),
        Reported::Ignored(why) => return Ok(Taken::Ignored(why)),
    };
    let hint = "Give your name: \"by\": \"ana\".";
    let by = by.ok_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`by` is missing", hint))?;
    new.services = names.into_iter().take(SERVICES_MAX).map(ServiceId).collect();
    record(state, actor(socket, &by)?, new).await
}

/// The names that are services of the configuration.
fn known_services(state: &WebState, names: Vec<String>) -> BTreeSet<ServiceId> {
    let views = state.views();
    let is_known = |name: &String| {
        views.as_ref().is_some_and(|views| views.now.services.iter().any(|row| row.id == *name))
    };
    names.into_iter().filter(is_known).take(SERVICES_MAX).map(ServiceId).collect()
}

async fn record(state: &WebState, by: Actor, change: NewChange) -> Result<Taken, Problem> {
    let events = state.send(by, Command::RecordChange { change }).await?;
    let number = events.into_iter().find_map(|event| match event {
        EventKind::ChangeRecorded { change, .. } => Some(change.id),
        _ => None,
    });
    Ok(Taken::Recorded(number))
}

fn answer(taken: Taken) -> Json<Value> {
    Json(match taken {
        Taken::Recorded(change) => {
            json!({ "done": "change", "change": change, "is_known": change.is_none() })
        }
        Taken::Ignored(why) => json!({ "done": "ignored", "why": why }),
    })
}
