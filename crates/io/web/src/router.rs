//! Routes of the status page, the console and the API, and the responses to everything else.

use crate::cache::PAGE_POLICY;
use crate::problem::Problem;
use crate::state::WebState;
use crate::{alerts, api, callbacks, console, intake, metrics, pings, subscribe};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::middleware::map_response;
use std::sync::Arc;

/// Maximum size of a request body, in bytes.
pub const BODY_MAX: usize = 64 << 10;

/// Returns the router. [`crate::serve()`] is faster for the status page.
pub fn router(state: Arc<WebState>) -> Router {
    let routes =
        Router::new().merge(api::edge::trace_routes()).merge(api::cache::routes()).merge(metrics::routes());
    let routes = if state.is_only_edge() {
        routes.fallback(only_edge)
    } else {
        routes
            .merge(console::routes())
            .merge(callbacks::routes())
            .merge(api::routes())
            .merge(api::edge::routes())
            .merge(intake::routes())
            .merge(alerts::routes())
            .merge(api::valves::routes())
            .merge(subscribe::routes())
            .merge(pings::routes())
            .fallback(document)
    };
    routes
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(map_response(with_safe_headers))
        .with_state(state)
}

/// Responds with a rendered document, or with 404.
async fn document(State(state): State<Arc<WebState>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    if let Some(response) = state.cache().response(request.method(), path, request.headers()) {
        return response.map(Body::new);
    }
    if state.cache().documents().contains_key(path) {
        let mut response = method_not_allowed(request).await;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    if path == "/" {
        let hint = "It appears as soon as every probe has a result. Reload the page in a few seconds.";
        let detail = "The status page is not ready yet.";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail, hint).into_page(state.name());
    }
    let hint = "The status page is at /, its history at /history.";
    let problem = Problem::new(StatusCode::NOT_FOUND, "No page has this address.", hint);
    if path.starts_with("/api/") { problem.into_json() } else { problem.into_page(state.name()) }
}

/// Response of a process that runs only the edge.
async fn only_edge(State(state): State<Arc<WebState>>, request: Request) -> Response<Body> {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Only the edge runs here: it has traces and metrics, but no status page, console or commands.",
        "`mainstay run` without `--only edge` has all of them.",
    );
    if request.uri().path().starts_with("/api/") {
        problem.into_json()
    } else {
        problem.into_page(state.name())
    }
}

async fn method_not_allowed(request: Request) -> Response<Body> {
    let detail = format!("{} is not a method of this address.", request.method());
    let hint = "The header `allow` lists the methods.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail, hint).into_json()
}

/// Adds the headers of every response that is not a rendered document: no caching, framing, sniffing or referrer.
async fn with_safe_headers(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CACHE_CONTROL, "no-store");
    default(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    response
}
