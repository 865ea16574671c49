//! The answer that a request gets: a server's, or the edge's own, as seen and as told to the visitor.

use super::Relayed;
use crate::body::{Body, End};
use crate::head::{self, Has, Host};
use crate::line::{Busy, Line};
use crate::refuse::{self, Refusal};
use crate::seeing::{self, Open, Verdict};
use crate::thread::{Near, Thread};
use crate::upstream::h1::exchange::Answer;
use crate::upstream::relay::Got;
use crate::upstream::trouble::Trouble;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::SizeHint;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use traffic::{Outcome, Route, Shed, ShedWhy};
use types::config;

/// Bytes of an answer from which on its server's place is free with its head.
const LONG_BYTES: u64 = 64 * 1024;

/// A request that is to be answered.
pub(super) struct Visit<'a> {
    pub(super) thread: &'a Rc<Thread>,
    pub(super) line: &'a Rc<Line>,
    pub(super) form: Form,
}

/// What a response of the edge's own looks like, by who reads it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Form {
    /// RFC 9457.
    #[default]
    Problem,
    Page,
    /// A gRPC call, with its content type: its client sees no status but gRPC's own.
    Grpc(HeaderValue),
}

impl Form {
    pub(super) fn of(parts: &Parts, has: Has) -> Self {
        if parts.method == Method::POST
            && let Some(kind) = parts.headers.get(header::CONTENT_TYPE)
            && kind.as_bytes().starts_with(b"application/grpc")
        {
            return Self::Grpc(kind.clone());
        }
        if has.accept && head::wants_page(&parts.headers) { Self::Page } else { Self::Problem }
    }
}

impl Visit<'_> {
    fn end(&self, open: Box<Open>, busy: Busy) -> End {
        self.line.waits.set(false);
        End { thread: Rc::clone(self.thread), open: Some(open), reading: None, _busy: busy }
    }

    pub(super) fn refuse(&self, refusal: Refusal, open: Box<Open>, busy: Busy) -> Response<Body> {
        let digits = open.ids.trace.digits();
        let id = std::str::from_utf8(&digits).unwrap_or_default();
        let mut response = refuse::response(refusal, id, &self.form, self.thread.map(), self.end(open, busy));
        if refusal.close && !self.line.http2.get() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn retry_after(&self, response: &mut Response<Body>, wait: Duration) {
        refuse::retry_after(response.headers_mut(), wait);
        if matches!(self.form, Form::Grpc(_)) {
            refuse::pushback(response.headers_mut(), wait);
        }
    }

    pub(super) fn malformed(&self, refusal: Refusal, mut open: Box<Open>, busy: Busy) -> Response<Body> {
        open.answered_here(Verdict::Malformed, refusal.status.as_u16(), refusal.why, self.thread.tick().0);
        self.refuse(refusal, open, busy)
    }

    pub(super) fn redirect_to_https(
        &self,
        near: &Near,
        host: &Host,
        parts: &Parts,
        mut open: Box<Open>,
        busy: Busy,
    ) -> Response<Body> {
        let name = host.name();
        let status = StatusCode::PERMANENT_REDIRECT;
        open.answered_here(Verdict::Redirected, status.as_u16(), "", self.thread.tick().0);
        let port = https_port(&near.view.edge, host.port());
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let to = if port == 443 {
            format!("https://{name}{path}")
        } else {
            format!("https://{name}:{port}{path}")
        };
        let mut response = Response::new(Body::whole(bytes::Bytes::new(), self.end(open, busy)));
        *response.status_mut() = status;
        if let Ok(to) = HeaderValue::try_from(to) {
            response.headers_mut().insert(header::LOCATION, to);
        }
        response
    }

    /// The answer to a load balancer that asks whether the edge itself serves. It is not seen as a request.
    pub(super) fn health(&self, busy: Busy) -> Response<Body> {
        self.line.waits.set(false);
        let end = End { thread: Rc::clone(self.thread), open: None, reading: None, _busy: busy };
        let (status, text) = if self.thread.shared.draining() {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
        } else {
            (StatusCode::OK, "ok\n")
        };
        let mut response = Response::new(Body::whole(bytes::Bytes::from_static(text.as_bytes()), end));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    pub(super) fn limited(
        &self,
        refused: &traffic::Refusal,
        mut open: Box<Open>,
        busy: Busy,
    ) -> Response<Body> {
        open.refused(refused, self.thread.tick().0);
        let refusal = if refused.limit.denies() { refuse::DENIED } else { refuse::TOO_MANY };
        let mut response = self.refuse(refusal, open, busy);
        if let Some(wait) = refused.retry_after {
            self.retry_after(&mut response, wait);
        }
        if let Some(quota) = &refused.quota {
            refuse::quota(response.headers_mut(), quota);
        }
        response
    }

    pub(super) fn shed(&self, shed: &Shed, mut open: Box<Open>, busy: Busy) -> Response<Body> {
        let refusal = if shed.why == ShedWhy::NoServer { refuse::NO_SERVER } else { refuse::BUSY };
        open.shed(shed, refusal.status.as_u16(), self.thread.tick().0);
        let mut response = self.refuse(refusal, open, busy);
        self.retry_after(&mut response, shed.retry_after);
        response
    }

    pub(super) fn failed(
        &self,
        trouble: &Trouble,
        route: &Route,
        mut open: Box<Open>,
        busy: Busy,
    ) -> Response<Body> {
        let refusal = match trouble {
            Trouble::Certificate { .. } => refuse::CERTIFICATE,
            Trouble::Late | Trouble::Stalled | Trouble::ConnectTime => refuse::LATE,
            Trouble::TooLarge => refuse::TOO_LARGE,
            Trouble::Visitor => refuse::BROKE_OFF,
            Trouble::Slow => refuse::SLOW,
            _ => refuse::BAD_GATEWAY,
        };
        let why = trouble.to_string();
        if matches!(trouble, Trouble::TooLarge | Trouble::Visitor | Trouble::Slow) {
            return self.malformed(refusal, open, busy);
        }
        open.failed(trouble.failure(), refusal.status.as_u16(), &why, self.thread.tick().0);
        if self.thread.may_warn() {
            tracing::warn!(request = %open.ids.trace, pool = %route.pool, server = ?open.server, "{why}");
        }
        self.refuse(refusal, open, busy)
    }

    /// A server's response. `upgrade` is there where a switch of protocols was asked for; in it the `Sec-WebSocket-Accept` that it
    /// must come with, where that is known (RFC 6455 section 4.2.2).
    pub(super) fn answer(
        &self,
        relayed: Relayed,
        upgrade: Option<Option<HeaderValue>>,
        mut open: Box<Open>,
        busy: Busy,
    ) -> Response<Body> {
        let now = self.thread.tick();
        let tick = now.0;
        let from = relayed.from;
        let digits = open.ids.trace.digits();
        let outcome = |status: StatusCode| match from {
            Some(from) => Outcome::Answered { latency: now.since(from), status: status.as_u16() },
            None => Outcome::Unsent,
        };
        let mut response = match relayed.got {
            Got::Answer(head, answer) => {
                seen(&mut open, head.status, &head.headers, tick);
                let mut end = self.end(open, busy);
                match answer {
                    // All of it has come: the server is free, whoever still reads.
                    Answer::Whole(_) => relayed.held.done(now, outcome(head.status)),
                    Answer::Rest(ref download) if streams(&head.headers, &download.size_hint()) => {
                        relayed.held.done(now, outcome(head.status));
                    }
                    Answer::Rest(_) => {
                        end.reading = Some(self.thread.reads(relayed.held, outcome(head.status)));
                    }
                }
                let mut response = Response::new(Body::answer(answer, end));
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                if let Some(reason) = head.reason
                    && let Ok(reason) = hyper::ext::ReasonPhrase::try_from(reason)
                {
                    response.extensions_mut().insert(reason);
                }
                response
            }
            Got::Http2(answer, download) => {
                let (head, ()) = answer.into_parts();
                seen(&mut open, head.status, &head.headers, tick);
                let mut end = self.end(open, busy);
                if download.ended() || streams(&head.headers, &download.size_hint()) {
                    relayed.held.done(now, outcome(head.status));
                } else {
                    end.reading = Some(self.thread.reads(relayed.held, outcome(head.status)));
                }
                let mut response = Response::new(Body::http2(download, end));
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                response
            }
            Got::Switched(head, conn) => {
                relayed.held.done(now, outcome(head.status));
                let (Some(to), Some(accept)) = (head.upgrade, upgrade) else {
                    open.failed(seeing::Failure::Garbage, 502, "switched protocols unasked", tick);
                    return self.refuse(refuse::BAD_GATEWAY, open, busy);
                };
                if accept
                    .is_some_and(|accept| head.headers.get(header::SEC_WEBSOCKET_ACCEPT) != Some(&accept))
                {
                    let why = "the server's Sec-WebSocket-Accept is not the one for this key";
                    open.failed(seeing::Failure::Garbage, 502, why, tick);
                    return self.refuse(refuse::BAD_GATEWAY, open, busy);
                }
                seen(&mut open, head.status, &head.headers, tick);
                let mut response = Response::new(Body::whole(bytes::Bytes::new(), self.end(open, busy)));
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                if self.line.http2.get() {
                    response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
                } else {
                    response.headers_mut().insert(header::UPGRADE, to);
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                }
                self.line.tunnel.replace(Some(conn));
                response
            }
        };
        if let Ok(mut id) = HeaderValue::from_bytes(&digits) {
            // No other answer has it: HTTP/2 need not keep it (see `relay::STEADY`).
            id.set_sensitive(true);
            response.headers_mut().insert(refuse::REQUEST_ID, id);
        }
        response
    }
}

/// Whether an answer's body is no work for its server: what is long comes as fast as it is taken, and a stream comes when something
/// happens. Then its place is free with the head.
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

/// The port of HTTPS as the client sees it. One that names the very port that the edge listens on has nothing before it that
/// maps ports; else the edge cannot know, and it is the usual one.
fn https_port(edge: &config::Edge, asked: Option<u16>) -> u16 {
    let is_ours = asked.is_some_and(|port| port != 80 && edge.listen.iter().any(|at| at.port() == port));
    let listened = edge.listen_tls.first().filter(|_| is_ours).map(std::net::SocketAddr::port);
    edge.https_port.or(listened).unwrap_or(443)
}

fn seen(open: &mut Open, status: StatusCode, headers: &HeaderMap, tick: u64) {
    // The time of day matters only where a server tells of a limit.
    let unix = if matches!(status.as_u16(), 429 | 503) {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    } else {
        0
    };
    open.answered(status, headers, tick, unix);
    open.count();
}
