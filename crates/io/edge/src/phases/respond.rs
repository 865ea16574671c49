//! Phase respond: the response to the client, from a server or an error page of the edge.

pub(crate) mod body;
pub(crate) mod error_page;
mod event_stream;
mod waiting_page;

use super::admit::NotCleared;
use super::forward::Relayed;
use super::forward::attempt::UpstreamResponse;
use super::forward::round_trip::Answer;
use super::record::{self, Completion};
use crate::client::RecognizedClient;
use crate::connection::{Busy, Connection};
use crate::exchange::{Cleared, ErrorFormat};
use crate::forward_error::{ForwardError, Unanswered};
use crate::idempotency::StoredAnswer;
use crate::long_lived::{LongLived, Switched};
use crate::pool::Held;
use crate::telemetry::{self, OpenRecord, Verdict};
use crate::thread::{Thread, ThreadView};
use crate::tunnel;
use crate::upstream::h1::codec::Head;
use crate::upstream::h1::conn::Conn;
use body::Body;
use error_page::Refusal;
use event_stream::EventStream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::SizeHint;
use std::rc::Rc;
use std::time::Duration;
use traffic::{Outcome, Route, Shed, ShedWhy, Tick};

/// Length of a response from which on its server's place is given back with the head.
const LONG_BYTES: u64 = 64 * 1024;

/// The header of an answer that is sent again (draft-ietf-httpapi-idempotency-key-header-07 names none; this is the usual
/// one).
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that is to be answered.
pub(crate) struct Responder<'a> {
    pub(crate) thread: &'a Rc<Thread>,
    pub(crate) connection: &'a Rc<Connection>,
    pub(crate) format: ErrorFormat,
}

/// The reason for refusing a request before it is forwarded.
pub(crate) enum Refused {
    Malformed(Refusal),
    /// No service has its host.
    UnknownHost,
    /// Redirected to this URL with https.
    Redirect(String),
}

impl Responder<'_> {
    pub(crate) fn completion(&self, record: Box<OpenRecord>, busy: Busy) -> Completion {
        self.connection.waits.set(false);
        Completion { thread: Rc::clone(self.thread), record: Some(record), reading: None, _busy: busy }
    }

    pub(crate) fn refuse(&self, refusal: Refusal, record: Box<OpenRecord>, busy: Busy) -> Response<Body> {
        self.refuse_for(refusal, None, record, busy)
    }

    /// The same, with the time after which the client may come again, in the form that the client understands.
    fn refuse_for(
        &self,
        refusal: Refusal,
        wait: Option<Duration>,
        record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        let digits = record.ids.trace.digits();
        let id = std::str::from_utf8(&digits).unwrap_or_default();
        let mut response = error_page::response(
            (refusal, wait),
            id,
            &self.format,
            self.thread.map(),
            self.completion(record, busy),
        );
        if refusal.close && !self.connection.http2.get() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = wait {
            error_page::retry_after(response.headers_mut(), wait);
            if matches!(self.format, ErrorFormat::Grpc(_)) {
                error_page::pushback(response.headers_mut(), wait);
            }
        }
        response
    }

    /// The response to a request that is refused.
    pub(crate) fn refused(&self, why: Refused, mut record: Box<OpenRecord>, busy: Busy) -> Response<Body> {
        match why {
            Refused::Malformed(refusal) => self.malformed(refusal, record, busy),
            Refused::UnknownHost => {
                let refusal = error_page::NO_SUCH_HOST;
                record.unknown_host(refusal.status.as_u16(), self.thread.tick().0);
                self.refuse(refusal, record, busy)
            }
            Refused::Redirect(location) => self.redirect(location, record, busy),
        }
    }

    pub(crate) fn malformed(
        &self,
        refusal: Refusal,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        record.answered_here(Verdict::Malformed, refusal.status.as_u16(), refusal.why, self.thread.tick().0);
        self.refuse(refusal, record, busy)
    }

    /// The response to a request that is refused for a short time.
    pub(crate) fn wait(
        &self,
        refusal: Refusal,
        wait: Duration,
        verdict: Verdict,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        record.answered_here(verdict, refusal.status.as_u16(), refusal.why, self.thread.tick().0);
        self.refuse_for(refusal, Some(wait), record, busy)
    }

    /// The stored answer of the first request with an idempotency key.
    pub(crate) fn replayed(
        &self,
        answer: StoredAnswer,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        let why = "the answer to the first request with its idempotency key";
        record.answered_here(Verdict::Cached, answer.status.as_u16(), why, self.thread.tick().0);
        let digits = record.ids.trace.digits();
        let body = answer.body.unwrap_or_default();
        let mut response = Response::new(Body::whole(body, self.completion(record, busy)));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        error_page::request_id(response.headers_mut(), &digits);
        response
    }

    fn redirect(&self, location: String, mut record: Box<OpenRecord>, busy: Busy) -> Response<Body> {
        let status = StatusCode::PERMANENT_REDIRECT;
        record.answered_here(Verdict::Redirected, status.as_u16(), "", self.thread.tick().0);
        let mut response = Response::new(Body::whole(bytes::Bytes::new(), self.completion(record, busy)));
        *response.status_mut() = status;
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    /// Returns the response to a health check of the edge itself. It has no record.
    pub(crate) fn health(&self, busy: Busy) -> Response<Body> {
        self.connection.waits.set(false);
        let completion =
            Completion { thread: Rc::clone(self.thread), record: None, reading: None, _busy: busy };
        let (status, text) = if self.thread.shared.draining() {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
        } else {
            (StatusCode::OK, "ok\n")
        };
        let mut response = Response::new(Body::whole(bytes::Bytes::from_static(text.as_bytes()), completion));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The response to a request that a denial or limit refuses, or that the valve holds out.
    pub(crate) fn not_cleared(
        &self,
        why: &NotCleared,
        route: &Route,
        method: &Method,
        record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        match why {
            NotCleared::Refused(refusal) => self.limited(refusal, record, busy),
            NotCleared::Held(held) => {
                self.held(held, route.valve_text().unwrap_or_default(), method, record, busy)
            }
        }
    }

    fn limited(&self, refused: &traffic::Refusal, mut record: Box<OpenRecord>, busy: Busy) -> Response<Body> {
        record.refused(refused, self.thread.tick().0);
        let refusal = if refused.limit.denies() { error_page::DENIED } else { error_page::TOO_MANY };
        let mut response = self.refuse_for(refusal, refused.retry_after, record, busy);
        if let Some(quota) = &refused.quota {
            error_page::quota(response.headers_mut(), quota);
        }
        response
    }

    /// The response to a request that the valve holds out. People who open a page get one that asks again by itself.
    fn held(
        &self,
        held: &traffic::Held,
        valve: &str,
        method: &Method,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        let refusal = if held.limited { error_page::LIMITED } else { error_page::HELD };
        record.answered_here(Verdict::Held, refusal.status.as_u16(), valve, self.thread.tick().0);
        if *method == Method::GET && matches!(self.format, ErrorFormat::Page) {
            let digits = record.ids.trace.digits();
            let id = std::str::from_utf8(&digits).unwrap_or_default();
            return waiting_page::response(held, id, self.thread.map(), self.completion(record, busy));
        }
        self.refuse_for(refusal, Some(held.retry_after), record, busy)
    }

    pub(crate) fn shed(&self, shed: &Shed, mut record: Box<OpenRecord>, busy: Busy) -> Response<Body> {
        let refusal = if shed.why == ShedWhy::NoServer { error_page::NO_SERVER } else { error_page::BUSY };
        record.shed(shed, refusal.status.as_u16(), self.thread.tick().0);
        self.refuse_for(refusal, Some(shed.retry_after), record, busy)
    }

    pub(crate) fn failed(
        &self,
        trouble: &ForwardError,
        route: &Route,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        let refusal = match trouble {
            ForwardError::Certificate { .. } => error_page::CERTIFICATE,
            ForwardError::Late | ForwardError::Stalled | ForwardError::ConnectTime => error_page::LATE,
            ForwardError::TooLarge => error_page::TOO_LARGE,
            ForwardError::ClientClosed => error_page::BROKE_OFF,
            ForwardError::Slow => error_page::SLOW,
            _ => error_page::BAD_GATEWAY,
        };
        let why = trouble.to_string();
        if trouble.is_of_client() {
            return self.malformed(refusal, record, busy);
        }
        record.failed(trouble.failure(), refusal.status.as_u16(), &why, self.thread.tick().0);
        if self.thread.may_warn() {
            tracing::warn!(request = %record.ids.trace, pool = %route.pool, server = ?record.server, "{why}");
        }
        self.refuse(refusal, record, busy)
    }

    /// Returns a server's response. `upgrade` is set where a switch of protocols was requested; in it the
    /// `Sec-WebSocket-Accept` that the response must have, where that is known (RFC 6455 section 4.2.2).
    pub(crate) fn answer(
        &self,
        relayed: Relayed,
        upgrade: Option<Option<HeaderValue>>,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        let now = self.thread.tick();
        let digits = record.ids.trace.digits();
        let place = (relayed.outcome(now), relayed.held);
        let mut response = match relayed.response {
            UpstreamResponse::Answer(head, answer) => {
                record::response_head(&mut record, head.status, &head.headers, now.0);
                let mut completion = self.completion(record, busy);
                let rest = match &answer {
                    Answer::Whole(_) => None,
                    Answer::Rest(download) => Some(download.size_hint()),
                };
                let head_of = (head.status, &head.headers);
                let stream = self.give_back(place, now, head_of, rest, &mut completion);
                let mut response = Response::new(Body::answer(answer, completion).counted(stream));
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                if let Some(reason) = head.reason
                    && let Ok(reason) = hyper::ext::ReasonPhrase::try_from(reason)
                {
                    response.extensions_mut().insert(reason);
                }
                response
            }
            UpstreamResponse::Http2(answer, download) => {
                let (head, ()) = answer.into_parts();
                record::response_head(&mut record, head.status, &head.headers, now.0);
                let mut completion = self.completion(record, busy);
                let rest = (!download.ended()).then(|| download.size_hint());
                let head_of = (head.status, &head.headers);
                let stream = self.give_back(place, now, head_of, rest, &mut completion);
                let mut response = Response::new(Body::http2(download, completion).counted(stream));
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                response
            }
            UpstreamResponse::Switched(head, conn) => {
                let connection = self.long_lived(place, now);
                self.switched(head, (conn, connection), upgrade, (record, busy), now.0)
            }
        };
        error_page::request_id(response.headers_mut(), &digits);
        response
    }

    /// Returns the error page of a request without a response of a server.
    pub(crate) fn unanswered(
        &self,
        why: &Unanswered,
        route: &Route,
        record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        match why {
            Unanswered::Shed(shed) => self.shed(shed, record, busy),
            Unanswered::Failed(error) => self.failed(error, route, record, busy),
        }
    }

    /// Counts the long-lived connection that a server began.
    fn long_lived(&self, (outcome, held): (Outcome, Held), now: Tick) -> Option<LongLived> {
        let (pool, open, leaving) = held.opened(now, outcome)?;
        let within = leaving.map(|count| self.thread.drain_ticks(count));
        Some(LongLived::new(&self.thread.long_lived, (pool, open), within))
    }

    /// Gives the server's place back with the head, or else once the body is there. `rest`: the size of what has not
    /// been received of it. Returns the event stream, where one was asked for.
    fn give_back(
        &self,
        (outcome, held): (Outcome, Held),
        now: Tick,
        (status, headers): (StatusCode, &HeaderMap),
        rest: Option<SizeHint>,
        completion: &mut Completion,
    ) -> Option<Box<EventStream>> {
        match rest {
            Some(size) if !streams(headers, &size) => {
                completion.reading = Some(self.thread.reads(held, outcome));
            }
            Some(_) if held.is_open() && status == StatusCode::OK => {
                return self.long_lived((outcome, held), now).map(EventStream::new);
            }
            // All of it has been received, or it streams: the server is free, however slowly the client reads.
            _ => held.done(now, outcome),
        }
        None
    }

    /// The 101 of a server, or an error page where the client did not ask for it.
    fn switched(
        &self,
        head: Head,
        (conn, connection): (Box<Conn>, Option<LongLived>),
        upgrade: Option<Option<HeaderValue>>,
        (mut record, busy): (Box<OpenRecord>, Busy),
        tick: u64,
    ) -> Response<Body> {
        let (Some(to), Some(accept)) = (head.upgrade, upgrade) else {
            let why = "the server switched protocols without a request";
            record.failed(telemetry::Failure::Garbage, 502, why, tick);
            return self.refuse(error_page::BAD_GATEWAY, record, busy);
        };
        if accept.is_some_and(|accept| head.headers.get(header::SEC_WEBSOCKET_ACCEPT) != Some(&accept)) {
            let why = "the server's Sec-WebSocket-Accept is not the one for this key";
            record.failed(telemetry::Failure::Garbage, 502, why, tick);
            return self.refuse(error_page::BAD_GATEWAY, record, busy);
        }
        record::response_head(&mut record, head.status, &head.headers, tick);
        let is_websocket = tunnel::is_websocket(&to);
        let mut response = Response::new(Body::whole(bytes::Bytes::new(), self.completion(record, busy)));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        if self.connection.http2.get() {
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        } else {
            response.headers_mut().insert(header::UPGRADE, to);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        self.connection.tunnel.replace(Some(Box::new(Switched { conn, connection, is_websocket })));
        response
    }
}

/// Whether sending a response's body is no work for its server: a long body is sent as fast as the client reads,
/// and a stream when events occur. Then the server's place is given back with the head.
fn streams(headers: &HeaderMap, size: &SizeHint) -> bool {
    if let Some(length) = size.exact() {
        return length >= LONG_BYTES;
    }
    let begins = |kind: &HeaderValue, with: &[u8]| {
        kind.as_bytes().get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    };
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| begins(kind, b"text/event-stream") || begins(kind, b"application/grpc"))
}

/// Adds the edge's own headers: the cookie of a recognized client, and a limit that is nearly used up.
pub(crate) fn add_headers(
    view: &ThreadView,
    route: &Route,
    connection: &Connection,
    parts: &Parts,
    (cleared, shown): (&Cleared, Option<RecognizedClient>),
    response: &mut Response<Body>,
) {
    let status = response.status().as_u16();
    if let Some(lasting) = route.recognizes(parts.method.as_str(), parts.uri.path(), status) {
        let (service, tokens) = (route.number(), &view.shared.client_tokens);
        let client = shown.unwrap_or_else(|| tokens.recognize(service, cleared.client.address));
        if let Some(cookie) = tokens.cookie(service, client, lasting, connection.tls) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    // Only near the end of a limit: for all other responses it would be noise.
    if let Some(quota) = cleared.quota.as_ref().filter(|quota| quota.remaining <= quota.burst / 4)
        && !response.headers().contains_key("ratelimit")
    {
        error_page::quota(response.headers_mut(), quota);
    }
}
