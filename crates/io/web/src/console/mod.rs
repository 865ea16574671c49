//! The pages of the team and their actions. Works without scripts.

mod actions;
mod audit;
pub(crate) mod bar;
pub(crate) mod chart;
pub mod edge;
pub(crate) mod frame;
pub mod graph;
pub mod graph_layout;
mod headroom;
mod heartbeats;
mod left_open;
mod load_chart;
mod load_tests;
mod maintenance;
mod maintenance_form;
pub mod now;
pub(crate) mod probe;
mod service;
mod sign_in;
pub mod trace;
pub(crate) mod trace_link;

use crate::audited::audited;
use crate::cache::digest;
use crate::clock::now as clock_now;
use crate::latency::Latency;
use crate::params::{known_probe, latency_range, trace_id};
use crate::problem::Problem;
use crate::session::Session;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect};
use axum::routing::get;
use engine::views::Views;
use serde::Deserialize;
use std::sync::Arc;
use types::Time;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/console", get(now_page))
        .route("/console/edge", get(edge_page))
        .route("/console/headroom", get(headroom_page))
        .route("/console/heartbeats", get(heartbeats_page))
        .route("/console/audit", get(audit_page))
        .route("/console/load", get(load_page))
        .route("/console/maintenance", get(maintenance_page))
        .route("/console/services/{service}", get(service_page))
        .route("/console/probes", get(probes_page))
        .route("/console/probe/{id}", get(probe_page))
        .route("/console/trace/{id}", get(trace_page))
        .route("/console/trace", get(find_trace))
        .merge(actions::routes())
        .merge(edge::routes())
        .merge(maintenance_form::routes())
        .merge(sign_in::routes())
}

async fn now_page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    page(&state, &headers, |views, session| Ok(now::page(&state, views, session, clock_now())))
}

async fn edge_page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    page(&state, &headers, |views, session| Ok(edge::page(&state, views, session, clock_now())))
}

async fn headroom_page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    page(&state, &headers, |views, session| Ok(headroom::page(&state, views, session)))
}

async fn heartbeats_page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    page(&state, &headers, |views, session| Ok(heartbeats::page(&state, views, session, clock_now())))
}

async fn audit_page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    let at = clock_now();
    // Audited only for a person who is signed in.
    let signed_in = state.sessions().session(&headers, at).is_some();
    let report = match state.views().filter(|_| signed_in) {
        Some(views) => audited(&views, None, at).await.map(Some),
        None => Ok(None),
    };
    page(&state, &headers, |views, session| {
        let report = report?.ok_or_else(no_results_yet)?;
        Ok(audit::page(&state, views, session, &report, at))
    })
}

async fn load_page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    page(&state, &headers, |views, session| Ok(load_tests::page(&state, views, session, clock_now())))
}

async fn maintenance_page(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    page(&state, &headers, |views, session| Ok(maintenance::page(&state, views, session, clock_now())))
}

async fn service_page(
    State(state): State<Arc<WebState>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let at = clock_now();
    let signed_in = state.sessions().session(&headers, at).is_some();
    let report = match state.views().filter(|_| signed_in) {
        Some(views) => audited(&views, Some(name.as_str().into()), at).await.map(Some),
        None => Ok(None),
    };
    page(&state, &headers, |views, session| {
        let report = report?.ok_or_else(no_results_yet)?;
        service::page(&state, views, session, (&name, &report), at)
    })
}

#[derive(Deserialize)]
struct ProbeList {
    #[serde(default)]
    service: String,
}

async fn probes_page(
    State(state): State<Arc<WebState>>,
    Query(ProbeList { service }): Query<ProbeList>,
    headers: HeaderMap,
) -> Response<Body> {
    page(&state, &headers, |views, session| Ok(probe::list(&state, views, session, &service)))
}

#[derive(Deserialize)]
struct ProbeParameters {
    #[serde(default)]
    range: String,
}

async fn probe_page(
    State(state): State<Arc<WebState>>,
    Path(id): Path<String>,
    Query(ProbeParameters { range }): Query<ProbeParameters>,
    headers: HeaderMap,
) -> Response<Body> {
    let at = clock_now();
    // Samples are read only for a person who is signed in.
    let signed_in = state.sessions().session(&headers, at).is_some();
    let views = state.views().filter(|_| signed_in);
    let latency = match views.as_deref().map(|views| known_probe(views, &id)) {
        Some(Ok(_)) => latency_of(&state, &id, &range, at).await.map(Some),
        Some(Err(problem)) => Err(problem),
        None => Ok(None),
    };
    page(&state, &headers, |views, session| {
        let latency = latency?.ok_or_else(no_results_yet)?;
        let probe = known_probe(views, &id)?;
        Ok(probe::page(&state, views, session, probe, &latency, at))
    })
}

async fn latency_of(state: &WebState, probe: &str, range: &str, at: Time) -> Result<Latency, Problem> {
    let (name, range) = (probe.to_owned(), latency_range(range)?);
    state.samples().read(move |samples| Latency::read(samples, &[&name], range, range.buckets(), at)).await
}

async fn trace_page(
    State(state): State<Arc<WebState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    page(&state, &headers, |views, session| {
        let trace = state.trace(&id)?;
        Ok(trace::page(&state, views, session, &trace, clock_now()))
    })
}

#[derive(Deserialize)]
struct FindTrace {
    #[serde(default)]
    id: String,
}

/// Redirects the form for a trace id to the page of that trace.
async fn find_trace(
    State(state): State<Arc<WebState>>,
    Query(FindTrace { id }): Query<FindTrace>,
) -> Response<Body> {
    match trace_id(&id) {
        Ok(id) => Redirect::to(&format!("/console/trace/{id}")).into_response(),
        Err(problem) => problem.into_page(state.name()),
    }
}

fn no_results_yet() -> Problem {
    let hint = "This page appears as soon as every probe has a result. Reload it in a few seconds.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "No probe results yet.", hint)
}

/// Responds with a page for a signed-in person, or with 304 when the browser has it.
fn page(
    state: &WebState,
    headers: &HeaderMap,
    render: impl FnOnce(&Views, &Session) -> Result<askama::Result<String>, Problem>,
) -> Response<Body> {
    let Some(session) = state.sessions().session(headers, clock_now()) else {
        return Redirect::to("/console/login").into_response();
    };
    let Some(views) = state.views() else {
        return no_results_yet().into_page(state.name());
    };
    let page = match render(&views, &session) {
        Ok(Ok(page)) => page,
        Ok(Err(_)) => {
            let hint = "This is a bug of mainstay. The command line still works: mainstay status.";
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be rendered.", hint)
                .into_page(state.name());
        }
        Err(problem) => return problem.into_page(state.name()),
    };
    let tag = format!("\"{}\"", digest(page.as_bytes()));
    let unchanged = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| tags.as_bytes() == tag.as_bytes());
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { Html(page).into_response() };
    // A browser may keep it, but must revalidate it.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
