//! What machines read and write of the edge, under `/api/v1`. Everything wants `Authorization: Bearer`.

use crate::api::{let_in, may_read, name, shown};
use crate::ask::denial_in;
use crate::problem::{Problem, from_json};
use crate::site::Site;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use engine::views::Traffic;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use text::trace_id;
use types::{DenialId, DenyTarget, Input, ServiceId, Trace};

/// The longest time for which traffic is denied at once. What is meant for longer belongs into the configuration.
pub const DENIED_MAX: Duration = Duration::from_secs(30 * 86_400);

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/edge", get(edge))
        .route("/api/v1/denials", get(denials))
        .route("/api/v1/deny", post(deny))
        .route("/api/v1/denials/{denial}/lift", post(lift))
}

/// What the edge remembers by itself, whoever else runs.
pub(crate) fn remembered() -> Router<Arc<Site>> {
    Router::new().route("/api/v1/trace/{id}", get(trace)).route("/api/v1/traces", get(traces))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    by: String,
    what: String,
    service: Option<String>,
    for_secs: u64,
    #[serde(default)]
    everybody: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: String,
}

async fn edge(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    match may_read(&site, &asked).and_then(|()| served(&site)) {
        Ok(traffic) => shown(&*traffic),
        Err(problem) => problem.into_json(),
    }
}

/// What the team denied and has not lapsed; what the configuration denies is not here.
async fn denials(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    match may_read(&site, &asked).and_then(|()| served(&site)) {
        Ok(traffic) => Json(json!({ "denials": traffic.denials })).into_response(),
        Err(problem) => problem.into_json(),
    }
}

async fn deny(
    State(site): State<Arc<Site>>,
    asked: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    let done = async {
        let_in(&site, &asked)?;
        let Deny { by, what, service, for_secs, everybody } = from_json(body)?;
        let what = origin(&what)?;
        let lasting = lasting(for_secs)?;
        let service = service.map(ServiceId);
        let shown = (what.to_string(), service.clone());
        let kind = site.ask(Input::Deny { what, service, lasting, by: name(&by)?, everybody }).await?;
        let denial = denial_in(kind);
        Ok::<_, Problem>(json!({
            "done": "deny",
            "denial": denial.as_ref().map(|denial| denial.id),
            "what": shown.0,
            "service": shown.1,
            "for_secs": for_secs,
            "until": denial.map(|denial| denial.until),
        }))
    };
    match done.await {
        Ok(done) => Json(done).into_response(),
        Err(problem) => problem.into_json(),
    }
}

async fn lift(
    State(site): State<Arc<Site>>,
    Path(denial): Path<String>,
    asked: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    let done = async {
        let_in(&site, &asked)?;
        let By { by } = from_json(body)?;
        let denial = denial_id(&denial)?;
        site.ask(Input::Lift { denial, by: name(&by)? }).await?;
        Ok::<_, Problem>(json!({ "done": "lift", "denial": denial }))
    };
    match done.await {
        Ok(done) => Json(done).into_response(),
        Err(problem) => problem.into_json(),
    }
}

async fn trace(State(site): State<Arc<Site>>, Path(id): Path<String>, asked: HeaderMap) -> Response<Body> {
    let found = may_read(&site, &asked).and_then(|()| traced_here(&site, &id));
    match found {
        Ok(trace) => Json(trace).into_response(),
        Err(problem) => problem.into_json(),
    }
}

/// Requests that were refused, failed or slow, newest first.
async fn traces(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    match may_read(&site, &asked).and_then(|()| has_edge(&site)) {
        Ok(()) => Json(site.edge().lately(TRACES_MAX)).into_response(),
        Err(problem) => problem.into_json(),
    }
}

/// Whether there is an edge that could remember anything: without one, "not remembered" would send people looking.
fn has_edge(site: &Site) -> Result<(), Problem> {
    if site.is_only_edge() || site.views().is_none() { Ok(()) } else { served(site).map(drop) }
}

fn traced_here(site: &Site, id: &str) -> Result<Trace, Problem> {
    has_edge(site)?;
    traced(site, id)
}

/// How the edge does.
fn served(site: &Site) -> Result<Arc<Traffic>, Problem> {
    site.traffic().ok_or_else(|| match site.views() {
        Some(_) => {
            let hint = "An edge serves visitors itself: see [edge] in the reference of the configuration.";
            Problem::new(StatusCode::NOT_FOUND, "The configuration has no edge.", hint)
        }
        None => {
            let hint = "Try again in a few seconds.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Nothing is known yet.", hint)
        }
    })
}

/// Most traces that are listed at once.
pub const TRACES_MAX: usize = 100;

/// The request with this id.
pub(crate) fn traced(site: &Site, id: &str) -> Result<Trace, Problem> {
    site.edge().trace(&traced_id(id)?).ok_or_else(|| {
        let hint = "Refused, failed and slow requests are remembered, and a sample of the others, until newer ones need the room.";
        Problem::new(StatusCode::NOT_FOUND, "The edge does not remember a request with this id.", hint)
    })
}

/// An id as people copy it: with capital letters, and the dashes that some programs put in.
pub(crate) fn traced_id(id: &str) -> Result<String, Problem> {
    if let Some(id) = trace_id::canonical(id) {
        return Ok(id);
    }
    let hint = "It stands on every error page and in the header `x-request-id` of every answer.";
    Err(Problem::new(StatusCode::NOT_FOUND, "The id of a request has 32 hexadecimal digits.", hint))
}

/// Where traffic comes from, as somebody typed it.
pub(crate) fn origin(what: &str) -> Result<DenyTarget, Problem> {
    what.parse().map_err(|wrong: types::traffic::InvalidDenyTarget| {
        let hint = "Name a country by its two letters, a network by its AS number, or an address or range.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, wrong.to_string(), hint)
    })
}

/// For how long traffic is denied.
pub(crate) fn lasting(secs: u64) -> Result<Duration, Problem> {
    Some(Duration::from_secs(secs)).filter(|span| !span.is_zero() && *span <= DENIED_MAX).ok_or_else(|| {
        let hint =
            "What is meant for longer belongs into the configuration: `deny` under [service.NAME.traffic].";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a denial lasts from a second to 30 days", hint)
    })
}

/// Reads `denial-7` and `7`.
pub(crate) fn denial_id(text: &str) -> Result<DenialId, Problem> {
    text.parse().map_err(|_| {
        let hint = "GET /api/v1/denials lists those in force.";
        Problem::new(StatusCode::NOT_FOUND, format!("`{text}` is not the number of a denial"), hint)
    })
}
