//! A record as a span, in the JSON encoding of OTLP: ids in hexadecimal, numbers of 64 bits as text, enums as numbers.
//!
//! Attributes have the names of OpenTelemetry's semantic conventions for HTTP servers where there are any, and ours begin
//! with `mainstay.`.

use crate::seeing::names::Names;
use crate::seeing::record::{Phase, Seen};
use crate::seeing::{Zero, trace};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// SPAN_KIND_SERVER
const SERVER: u8 = 2;
/// STATUS_CODE_ERROR
const ERROR: u8 = 2;

/// One span.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    flags: u32,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Value>,
    events: Vec<Value>,
    status: Value,
}

/// The body of a request to the collector.
pub(super) fn request(batch: &[Seen], names: &Names, zero: Zero) -> Value {
    let spans: Vec<Span> = batch.iter().map(|seen| span(seen, names, zero)).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", "mainstay"), text("service.version", env!("CARGO_PKG_VERSION"))] },
        "scopeSpans": [{ "scope": { "name": "mainstay.edge" }, "spans": spans }],
    }] })
}

/// Spans that the collector says it did not take, from the body of its 200.
pub(super) fn rejected(answer: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        partial_success: Option<Partial>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Partial {
        rejected_spans: Option<Value>,
    }
    let rejected = serde_json::from_slice::<Answer>(answer).ok()?.partial_success?.rejected_spans?;
    let count = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok())?;
    (count > 0).then_some(count)
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn nanos(seen: &Seen, zero: Zero, after: u32) -> String {
    zero.time(seen.began.saturating_add(after.into())).as_nanosecond().to_string()
}

fn span(seen: &Seen, names: &Names, zero: Zero) -> Span {
    let (service, pool) = names.of_lane(seen.lane).map(|(service, pool)| (service.0, pool.0)).unzip();
    let failed = seen.broke() || seen.status >= 500;
    let why = trace::why(seen);
    let mut attributes = vec![
        text("http.request.method", seen.method.as_str()),
        text("url.path", seen.path.as_str()),
        text("server.address", seen.host.as_str()),
        text("client.address", &seen.client.to_string()),
        text("network.protocol.name", "http"),
        text("network.protocol.version", trace::protocol(seen).trim_start_matches("HTTP/")),
        text("mainstay.verdict", seen.verdict.as_str()),
        text("mainstay.visitor", trace::visitor(seen)),
        text("mainstay.class", seen.class.as_str()),
        number("http.request.body.size", seen.received),
        number("http.response.body.size", seen.sent),
        number("mainstay.retries", seen.retries.into()),
    ];
    if seen.status != 0 {
        attributes.push(number("http.response.status_code", seen.status.into()));
    }
    if failed {
        let kind =
            seen.failure.map_or_else(|| seen.status.to_string(), |failure| failure.as_str().to_owned());
        attributes.push(text("error.type", &kind));
    }
    let mut maybe =
        |key: &str, value: Option<String>| attributes.extend(value.map(|value| text(key, &value)));
    maybe("mainstay.limit", trace::limit(seen, service.as_deref()));
    maybe("mainstay.service", service);
    maybe("mainstay.pool", pool);
    maybe("mainstay.caller", seen.caller.and_then(|caller| names.of_caller(caller)).map(|caller| caller.0));
    maybe("mainstay.server", seen.server.map(|server| server.to_string()));
    maybe("mainstay.from", trace::origin(seen));
    maybe("mainstay.why", why.clone());
    let reached = Phase::ALL.iter().filter_map(|phase| Some((phase, seen.at(*phase)?)));
    let events = reached
        .clone()
        .filter(|(phase, _)| **phase != Phase::End)
        .map(|(phase, at)| json!({ "timeUnixNano": nanos(seen, zero, at), "name": phase.as_str() }))
        .collect();
    Span {
        trace_id: seen.ids.trace.to_string(),
        span_id: seen.ids.span.to_string(),
        parent_span_id: seen.ids.parent.map(|parent| parent.to_string()),
        flags: seen.ids.flags().into(),
        // Of low cardinality, as the conventions want where no route is known.
        name: seen.method.to_string(),
        kind: SERVER,
        start_time_unix_nano: nanos(seen, zero, 0),
        end_time_unix_nano: nanos(seen, zero, reached.map(|(_, at)| at).max().unwrap_or(0)),
        attributes,
        events,
        status: if failed { json!({ "code": ERROR, "message": why.unwrap_or_default() }) } else { json!({}) },
    }
}
