//! Small honest pages: what went wrong, whether to come back, and the id to quote.

use super::body::Body;
use crate::exchange::ErrorFormat;
use crate::phases::record::Completion;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::time::Duration;
use traffic::Quota;

/// An error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// One sentence for the reader.
    pub(crate) why: &'static str,
    /// Whether the connection is closed after it.
    pub(crate) close: bool,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, why, close: false }
    }

    pub(crate) const fn and_close(mut self) -> Self {
        self.close = true;
        self
    }
}

pub(crate) const NO_SUCH_HOST: Refusal =
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, "This server has no site with this name.");
pub(crate) const NO_SERVER: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "This site is temporarily unavailable. Please try again in a moment.",
);
pub(crate) const BUSY: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "This site has more visitors than it can serve right now. Please try again in a moment; nothing is lost.",
);
pub(crate) const TOO_MANY: Refusal = Refusal::new(
    StatusCode::TOO_MANY_REQUESTS,
    "Too many requests in a short time. Please wait a little and try again.",
);
pub(crate) const DENIED: Refusal =
    Refusal::new(StatusCode::FORBIDDEN, "This site does not accept requests from your network at present.");
pub(crate) const HELD: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "This site lets visitors in step by step at the moment. Please try again after the time in Retry-After; nothing is lost.",
);
pub(crate) const LIMITED: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "Some features of this site are switched off at the moment. Please try again later.",
);
pub(crate) const BAD_GATEWAY: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "The server behind this site did not answer correctly. This is not your fault.",
);
pub(crate) const CERTIFICATE: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "The server behind this site has a wrong certificate, so your request was not sent to it. This is not your fault.",
);
pub(crate) const LATE: Refusal = Refusal::new(
    StatusCode::GATEWAY_TIMEOUT,
    "The server behind this site took too long to answer. This is not your fault.",
);
pub(crate) const TOO_LARGE: Refusal =
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The request is larger than this site accepts.").and_close();
pub(crate) const SLOW: Refusal =
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time.").and_close();
pub(crate) const BROKE_OFF: Refusal =
    Refusal::new(StatusCode::BAD_REQUEST, "The connection was closed before the request was complete.")
        .and_close();

pub(crate) const UNREADABLE: Refusal =
    Refusal::new(StatusCode::BAD_REQUEST, "The request is not valid HTTP.");
pub(crate) const TOO_LONG: Refusal = Refusal::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The address, headers and cookies of this request are longer than this site accepts. Deleting the cookies of this site may help.",
);

pub(crate) const NOT_IMPLEMENTED: Refusal = Refusal::new(
    StatusCode::NOT_IMPLEMENTED,
    "This server supports only websocket as a protocol inside HTTP/2.",
);
pub(crate) const TUNNELS: Refusal = Refusal::new(
    StatusCode::TOO_MANY_REQUESTS,
    "Your network has as many open connections and WebSockets as this site allows. Please close some first.",
);

pub(crate) const OTHER_REQUEST: Refusal = Refusal::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "The Idempotency-Key of this request belongs to another request. A retry does not help; each request needs a key of its own.",
);
pub(crate) const IN_FLIGHT: Refusal = Refusal::new(
    StatusCode::CONFLICT,
    "The first request with this Idempotency-Key has no answer yet. Please try again after the time in Retry-After.",
);
pub(crate) const TOO_MANY_KEYS: Refusal = Refusal::new(
    StatusCode::TOO_MANY_REQUESTS,
    "Your network has sent as many requests with an Idempotency-Key as this site remembers for one. Please try again later, when some are forgotten.",
);
pub(crate) const NO_KEYS: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "This site cannot make sure at present that the request takes effect once, so it was not accepted. Please try again in a moment.",
);

/// The response, as a page, as problem+json (RFC 9457), as an event stream or as gRPC has it. `wait`: the time after
/// which the client may come again. `headers` is an empty map: an old one saves an allocation.
pub(crate) fn response(
    (refusal, wait): (Refusal, Option<Duration>),
    id: &str,
    format: &ErrorFormat,
    mut headers: HeaderMap,
    completion: Completion,
) -> Response<Body> {
    let title = refusal.status.canonical_reason().unwrap_or("Error");
    let (kind, text, status) = match format {
        ErrorFormat::Page => (HTML, html(refusal, title, id), refusal.status),
        ErrorFormat::Events(origin) if is_temporary(refusal.status) => {
            (EVENTS, event_stream(&mut headers, origin.as_ref(), wait), StatusCode::OK)
        }
        ErrorFormat::Problem | ErrorFormat::Events(_) => (JSON, json(refusal, title, id), refusal.status),
        ErrorFormat::Grpc(kind) => {
            grpc(&mut headers, refusal);
            (kind.clone(), String::new(), StatusCode::OK)
        }
    };
    own((status, kind, text), id, headers, completion)
}

/// A response of the edge itself, which no cache stores.
pub(super) fn own(
    (status, kind, text): (StatusCode, HeaderValue, String),
    id: &str,
    mut headers: HeaderMap,
    completion: Completion,
) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from(text), completion));
    *response.status_mut() = status;
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    request_id(&mut headers, id.as_bytes());
    *response.headers_mut() = headers;
    response
}

/// Adds the id by which `mainstay trace` finds the request.
pub(crate) fn request_id(headers: &mut HeaderMap, id: &[u8]) {
    if let Ok(mut id) = HeaderValue::from_bytes(id) {
        // It differs in every response: HTTP/2 need not index it (see `attempt::STEADY`).
        id.set_sensitive(true);
        headers.insert(REQUEST_ID, id);
    }
}

/// Whether a client may come again soon.
fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// An event stream that ends immediately, and says when to reconnect. An `EventSource` gives up for ever after any
/// status other than 200 (HTML, section 9.2.3), and a page has to be loaded again. A page of another origin may read it,
/// or it would give up as well; there is nothing to read.
fn event_stream(headers: &mut HeaderMap, origin: Option<&HeaderValue>, wait: Option<Duration>) -> String {
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    let wait = wait.unwrap_or_else(|| RECONNECT.mul_f64(1.0 + fastrand::f64()));
    format!("retry: {}\n\n", wait.as_millis().max(1_000))
}

/// The least delay before an `EventSource` reconnects whose server failed.
const RECONNECT: Duration = Duration::from_secs(3);

/// A response without a message, whose trailers are its only fields (gRPC over HTTP/2, "Trailers-Only").
fn grpc(headers: &mut HeaderMap, refusal: Refusal) {
    headers.insert(GRPC_STATUS, HeaderValue::from(grpc_code(refusal.status)));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(refusal.why)) {
        headers.insert(GRPC_MESSAGE, message);
    }
}

/// The status code of gRPC: 14 retry, 8 less or later, 7 not at all.
fn grpc_code(status: StatusCode) -> u16 {
    match status {
        StatusCode::FORBIDDEN => 7,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => 8,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => 4,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => 14,
        StatusCode::MISDIRECTED_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => 12,
        _ => 13,
    }
}

/// Printable ASCII but for the percent sign stays as it is.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Delay before a gRPC client retries (gRFC A6).
pub(crate) fn pushback(headers: &mut HeaderMap, wait: Duration) {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    headers.insert(GRPC_PUSHBACK, HeaderValue::from(millis));
}

/// Returns an error page in place of hyper's bare response to an unreadable request. Status and date are hyper's.
pub(crate) fn page_for(bare: &[u8], refusal: Refusal, id: &str) -> Vec<u8> {
    let title = refusal.status.canonical_reason().unwrap_or("Error");
    let text = html(refusal, title, id);
    let mut out = Vec::with_capacity(bare.len() + text.len() + 256);
    for connection in bare.split_inclusive(|b| *b == b'\n') {
        if connection != b"\r\n"
            && !connection.starts_with(b"content-length:")
            && !connection.starts_with(b"connection:")
        {
            out.extend_from_slice(connection);
        }
    }
    let fields = [("content-type", HTML), ("cache-control", NO_STORE), ("connection", CLOSE)];
    for (name, value) in &fields {
        out.extend_from_slice(&[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    out.extend_from_slice(format!("x-request-id: {id}\r\ncontent-length: {}\r\n\r\n", text.len()).as_bytes());
    out.extend_from_slice(text.as_bytes());
    out
}

/// Whole seconds, at least one, for `Retry-After`.
pub(crate) fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_secs(wait)));
}

/// Whole seconds, rounded up, at least one.
pub(super) fn whole_secs(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_millis() > 0)).max(1)
}

/// A limit in its current state (draft-ietf-httpapi-ratelimit-headers).
pub(crate) fn quota(headers: &mut HeaderMap, quota: &Quota) {
    // Without `format!`: every refused request gets both, and formatting them costs as much as the verdict.
    let item = |first: &str, of: u32, second: &str, to: u32| {
        let (mut of_digits, mut to_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let parts = ["\"", quota.limit.as_str(), first, of_digits.format(of), second, to_digits.format(to)];
        HeaderValue::try_from(parts.concat())
    };
    let policy = item("\";q=", quota.burst, ";w=", quota.window_secs);
    let state = item("\";r=", quota.remaining, ";t=", quota.reset_secs);
    if let (Ok(policy), Ok(state)) = (policy, state) {
        headers.insert(POLICY, policy);
        headers.insert(STATE, state);
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn html(refusal: Refusal, title: &str, id: &str) -> String {
    let parts = [
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>",
        title,
        "</title><style>:root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}code{font-size:.85em;overflow-wrap:anywhere}</style><h1>",
        title,
        "</h1><p>",
        refusal.why,
        "</p><p>If you report this, please include this id: <code>",
        id,
        "</code></p></html>\n",
    ];
    parts.concat()
}

fn json(refusal: Refusal, title: &str, id: &str) -> String {
    let parts = [
        "{\"type\":\"about:blank\",\"title\":\"",
        title,
        "\",\"status\":",
        refusal.status.as_str(),
        ",\"detail\":\"",
        refusal.why,
        "\",\"instance\":\"urn:request:",
        id,
        "\"}\n",
    ];
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_messages_are_percent_encoded() {
        for (text, encoded) in
            [("Please wait.", "Please wait."), ("50 %\n", "50 %25%0A"), ("\u{e9}", "%C3%A9")]
        {
            assert_eq!(percent_encoded(text), encoded);
        }
    }

    #[test]
    fn refusals_have_the_codes_that_grpc_clients_act_on() {
        let codes = [
            (DENIED, 7),
            (TOO_MANY, 8),
            (BUSY, 14),
            (NO_SERVER, 14),
            (BAD_GATEWAY, 14),
            (LATE, 4),
            (TOO_LARGE, 8),
            (BROKE_OFF, 13),
        ];
        for (refusal, code) in codes {
            assert_eq!(grpc_code(refusal.status), code, "{refusal:?}");
        }
    }
}
