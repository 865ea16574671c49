//! Change events in the format of PagerDuty's Events API v2: `POST /v2/change/enqueue`.

use super::Reported;
use super::fields::{json, key, kind, link, time, title, wrong};
use crate::problem::Problem;
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use types::change::NewChange;

#[derive(Deserialize)]
struct Event {
    routing_key: String,
    payload: Payload,
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Payload {
    summary: String,
    timestamp: Option<String>,
    source: Option<String>,
    #[serde(default)]
    custom_details: Value,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

/// Reads an event. Returns its routing key too, which identifies the source.
///
/// Change events have no name of their own. One with a timestamp is the same as another with the same body; a client that
/// sends it again sends the same bytes.
pub(super) fn read(body: &[u8]) -> Result<(String, Reported), Problem> {
    let event: Event = json(body)?;
    let Payload { summary, timestamp, source, custom_details } = event.payload;
    let title = title(&summary).ok_or_else(|| wrong("`payload.summary` is empty"))?;
    let at = timestamp.as_deref().map(|text| {
        time(text)
            .ok_or_else(|| wrong("`payload.timestamp` must be a time in ISO 8601: 2026-11-22T04:16:00Z"))
    });
    let at = at.transpose()?;
    let digest = at.map(|_| format!("sha256:{}", text::hex::encode(&Sha256::digest(body))));
    let named = custom_details.get("service").and_then(Value::as_str).map(str::to_owned);
    let new = NewChange {
        at,
        kind: kind(&title),
        title,
        link: event.links.iter().find_map(|given| link(&given.href)),
        key: digest.as_deref().and_then(key),
        ..NewChange::default()
    };
    let names = named.into_iter().chain(source).collect();
    Ok((event.routing_key, Reported::Change { new, names, by: None }))
}

/// A refusal as clients of PagerDuty expect it: 400 is final, 429 and 5xx are tried again.
pub(crate) fn refusal(problem: &Problem) -> Response<Body> {
    let is_retriable = problem.status == StatusCode::TOO_MANY_REQUESTS || problem.status.is_server_error();
    let status = if is_retriable { problem.status } else { StatusCode::BAD_REQUEST };
    let body = json!({ "status": "invalid event", "message": problem.detail, "errors": [problem.hint] });
    let mut response = (status, Json(body)).into_response();
    if is_retriable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    }
    response
}
