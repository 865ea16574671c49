//! One attempt at one server: the request is sent, the head of the response is received.

mod upload_monitor;

use super::http2_call::{self, Call, Download};
use super::replay::ReplayableBody;
use super::round_trip::{Answer, RoundTrip, Upload};
use crate::fields::passes;
use crate::forward_error::ForwardError;
use crate::grpc::GrpcDeadline;
use crate::head::{ConnectionOptions, Host};
use crate::outgoing_headers::OutgoingHeaders;
use crate::pool::{Held, Pool};
use crate::telemetry::{OpenRecord, Phase};
use crate::thread::Thread;
use crate::upstream::connect::connect;
use crate::upstream::h1::codec::{self, Framing, Head};
use crate::upstream::h1::conn::Conn;
use crate::upstream::server_connections::ServerConnections;
use h2::RecvStream;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use traffic::Tick;
use types::config::Protocol;
use upload_monitor::UploadMonitor;

/// Ticks for which a response is waited for though the server is down: it may have been about to come.
const DOWN_TICKS: u32 = 10;
/// Repetitions at one server of a request that it did not process.
const AGAIN_MAX: u32 = 2;
/// Ticks for which a `100 Continue` is waited for before the body is sent anyway (RFC 9110 section 10.1.1).
const CONTINUE_TICKS: u32 = 10;

/// Fields of the edge's own that are often the same. HTTP/2 keeps no others for the next request (RFC 7541 section
/// 6.2.3): what differs every time would drive everything else from a small table, and each look-up compares it with
/// all that it was before.
const STEADY: [&str; 3] = ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// A request to a server.
pub(crate) struct UpstreamRequest<'a> {
    pub(crate) thread: &'a Rc<Thread>,
    pub(crate) parts: &'a Parts,
    pub(crate) host: &'a Host,
    pub(crate) options: &'a ConnectionOptions,
    pub(crate) framing: Framing,
    /// Whether it comes from a trusted proxy.
    pub(crate) from_proxy: bool,
    /// Fields of the edge's own.
    pub(crate) own: &'a OutgoingHeaders,
    /// Bytes that the body may have.
    pub(crate) room: u64,
    /// Ticks for which a body may stall, either way.
    pub(crate) wait: u32,
    /// The tick at which the response's head must be there.
    pub(crate) deadline: u32,
    /// Ticks that a server has for it.
    pub(crate) timeout: u32,
    /// The deadline of a gRPC call.
    pub(crate) grpc: Option<GrpcDeadline>,
    /// Is called with each interim response (1xx except 101).
    pub(crate) interim: &'a dyn Fn(StatusCode, &HeaderMap),
}

/// The response of a server.
pub(crate) enum UpstreamResponse {
    /// A head and what follows it.
    Answer(Head, Answer),
    /// The same by HTTP/2.
    Http2(Response<()>, Box<Download>),
    /// A 101, and the connection that speaks something else now.
    Switched(Head, Box<Conn>),
}

/// An attempt without a response.
pub(crate) struct FailedAttempt {
    pub(crate) error: ForwardError,
    /// The request's body, to be sent once more; `Err` where part of it is gone.
    pub(crate) body: Result<Option<ReplayableBody>, ()>,
    /// Whether the server may have begun to work on it.
    pub(crate) sent: bool,
}

/// An attempt at one server.
pub(crate) struct Attempt<'a> {
    pub(crate) at: SocketAddr,
    /// Its start.
    pub(crate) from: Tick,
    pub(crate) held: &'a RefCell<Held>,
    /// The tick at which the server had all of the request's body.
    pub(crate) sent: Cell<Option<Tick>>,
}

/// State of a server while its response is awaited.
#[derive(Clone, Copy)]
struct Watch {
    /// Whether the server was down before: then it is tried because no other server is left.
    was_down: bool,
    since: u32,
}

impl Watch {
    /// Returns when to check next, at the latest at `due`: all requests are woken when a server is found down, and
    /// check again until another server has room.
    fn next(self, server: &ServerConnections, now: u32, due: u32) -> u32 {
        if !server.is_down() || self.was_down {
            return due;
        }
        let first = self.since + DOWN_TICKS;
        due.min(if first > now { first } else { now + DOWN_TICKS })
    }
}

impl UpstreamRequest<'_> {
    /// Asks one server.
    pub(crate) async fn send(
        &self,
        pool: &Pool,
        server: &Rc<ServerConnections>,
        attempt: &Attempt<'_>,
        body: Option<ReplayableBody>,
        record: &mut OpenRecord,
    ) -> Result<UpstreamResponse, FailedAttempt> {
        if pool.protocol == Protocol::Http2 && self.options.upgrade.is_none() {
            return Box::pin(self.http2(pool, server, attempt, body, record)).await;
        }
        self.http1(pool, server, attempt, body, record).await
    }

    async fn http1(
        &self,
        pool: &Pool,
        server: &Rc<ServerConnections>,
        attempt: &Attempt<'_>,
        mut body: Option<ReplayableBody>,
        record: &mut OpenRecord,
    ) -> Result<UpstreamResponse, FailedAttempt> {
        let thread = self.thread;
        let mut fresh = false;
        loop {
            let idle = if fresh { None } else { server.take() };
            let mut conn = match idle {
                Some(conn) => {
                    record.stamp(Phase::Connected, attempt.from.0);
                    conn
                }
                None => match Box::pin(connect(pool, attempt.at)).await {
                    Ok(stream) => {
                        record.stamp(Phase::Connected, thread.tick().0);
                        Box::new(Conn::new(stream))
                    }
                    Err(error) => return Err(FailedAttempt { error, body: Ok(body), sent: false }),
                },
            };
            write_head(
                &mut conn.head,
                self.parts,
                (self.host, self.from_proxy),
                self.options,
                self.framing,
                self.own,
            );
            let upload = body.take().map(|body| {
                let mut upload =
                    Upload::new(body, self.framing == Framing::Chunked, self.room, thread.ticks.now());
                upload.hold = self.options.expects.then(|| thread.ticks.now() + CONTINUE_TICKS);
                upload
            });
            let mut round_trip = RoundTrip::new(conn, Rc::clone(server), upload);
            let mut map = thread.map();
            match self.head(server, attempt, &mut round_trip, &mut map).await {
                Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    return Ok(UpstreamResponse::Switched(head, round_trip.into_conn()));
                }
                Ok(head) => {
                    let answer = round_trip.into_download(&head, &thread.ticks, self.wait);
                    return Ok(UpstreamResponse::Answer(head, answer));
                }
                Err(error) => {
                    thread.keep_map(map);
                    let stale = round_trip.reused()
                        && !round_trip.begun
                        && !fresh
                        && matches!(error, ForwardError::Closed | ForwardError::Reset(_));
                    let unsent = round_trip.unsent();
                    let may = stale && (unsent || self.parts.method.is_idempotent());
                    match round_trip.into_body() {
                        Ok(rest) if may => {
                            body = rest;
                            fresh = true;
                        }
                        body => return Err(FailedAttempt { error, body, sent: !unsent }),
                    }
                }
            }
        }
    }

    /// Whether waiting for the response ends, because the server was found down meanwhile and another one will be
    /// tried. A request that may not be repeated, or that no other server has room for, keeps waiting: the server
    /// may be about to answer.
    fn given_up(
        &self,
        server: &ServerConnections,
        attempt: &Attempt<'_>,
        watch: Watch,
        repeatable: impl Fn() -> bool,
    ) -> bool {
        server.is_down()
            && !watch.was_down
            && self.thread.ticks.now() >= watch.since + DOWN_TICKS
            && repeatable()
            && attempt.held.borrow().may_retry()
    }

    async fn head(
        &self,
        server: &ServerConnections,
        attempt: &Attempt<'_>,
        round_trip: &mut RoundTrip,
        map: &mut HeaderMap,
    ) -> Result<Head, ForwardError> {
        let ticks = &self.thread.ticks;
        let alarm = ticks.alarm();
        let watch = Watch { was_down: server.is_down(), since: ticks.now() };
        let mut monitor = round_trip.came().map(|came| UploadMonitor::new(came, ticks.now(), self.wait));
        let is_idempotent = self.parts.method.is_idempotent();
        let mut due = self.deadline;
        poll_fn(|cx| {
            let polled = round_trip.poll_head(cx, ticks, &self.parts.method, map, self.interim);
            if polled.is_pending() {
                let now = ticks.now();
                let repeatable = || (is_idempotent || round_trip.unsent()) && round_trip.is_kept();
                if self.given_up(server, attempt, watch, repeatable) {
                    return Poll::Ready(Err(ForwardError::ServerDown));
                }
                if let Some(moved) = round_trip.moved() {
                    if round_trip.hold().is_none() && now >= moved + self.wait {
                        return Poll::Ready(Err(ForwardError::Slow));
                    }
                    // A long body takes its time; the server's begins when it has all of it.
                    due = due.max(moved + self.timeout);
                }
                let next = match self.check_upload(attempt, &mut monitor, round_trip, &mut due) {
                    Ok(next) => next,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                if now >= due {
                    return Poll::Ready(Err(late(round_trip.starved())));
                }
                let other = round_trip.hold().or_else(|| round_trip.moved().map(|moved| moved + self.wait));
                let other = other.filter(|other| *other > now).unwrap_or(due).min(due).min(next);
                alarm.set(watch.next(server, now, other), cx);
            }
            polled
        })
        .await
    }

    async fn http2(
        &self,
        pool: &Pool,
        server: &Rc<ServerConnections>,
        attempt: &Attempt<'_>,
        mut body: Option<ReplayableBody>,
        record: &mut OpenRecord,
    ) -> Result<UpstreamResponse, FailedAttempt> {
        let at = attempt.at;
        record.stamp(Phase::Connected, attempt.from.0);
        let mut again = 0;
        loop {
            let lease = match server.http2.lease(pool, at, self.deadline).await {
                Ok((lease, opened)) => {
                    if opened {
                        record.stamp(Phase::Connected, self.thread.tick().0);
                    }
                    lease
                }
                Err(error) => return Err(FailedAttempt { error, body: Ok(body), sent: false }),
            };
            let Some(head) = self.http2_head(pool, at) else {
                let error = ForwardError::Http2("no request".into());
                return Err(FailedAttempt { error, body: Ok(body), sent: false });
            };
            let ticks = &self.thread.ticks;
            let hold = self.options.expects.then(|| ticks.now() + CONTINUE_TICKS);
            let mut call = match http2_call::ask(lease, head, &mut body, self.room, (hold, ticks.now())) {
                Ok(call) => call,
                // The connection ended while it was chosen.
                Err(ForwardError::Refused | ForwardError::Closed) if again < AGAIN_MAX => {
                    again += 1;
                    continue;
                }
                Err(error) => return Err(FailedAttempt { error, body: Ok(body), sent: false }),
            };
            let error = match self.http2_answer(server, attempt, &mut call).await {
                Ok(answer) => {
                    let (head, stream) = answer.into_parts();
                    let head = Response::from_parts(head, ());
                    let download = call.into_download(&head, stream);
                    return Ok(UpstreamResponse::Http2(head, Box::new(download)));
                }
                Err(error) => error,
            };
            let unprocessed = matches!(error, ForwardError::Refused);
            let stale = matches!(error, ForwardError::Closed)
                && call.reused()
                && again == 0
                && self.parts.method.is_idempotent();
            match call.into_body() {
                Ok(rest) if stale || unprocessed && again < AGAIN_MAX => {
                    body = rest;
                    again += 1;
                }
                body => return Err(FailedAttempt { error, body, sent: !unprocessed }),
            }
        }
    }

    /// Waits for the response's head.
    async fn http2_answer(
        &self,
        server: &ServerConnections,
        attempt: &Attempt<'_>,
        call: &mut Call,
    ) -> Result<Response<RecvStream>, ForwardError> {
        let ticks = &self.thread.ticks;
        let alarm = ticks.alarm();
        let watch = Watch { was_down: server.is_down(), since: ticks.now() };
        let is_idempotent = self.parts.method.is_idempotent();
        // A gRPC call may be silent for as long as its deadline allows.
        let came = call.came().filter(|_| self.grpc.is_none());
        let mut monitor = came.map(|came| UploadMonitor::new(came, ticks.now(), self.wait));
        let mut last = self.deadline;
        poll_fn(|cx| {
            let polled = call.poll_head(cx, ticks, self.interim);
            if polled.is_pending() {
                if self.given_up(server, attempt, watch, || is_idempotent && call.is_kept()) {
                    return Poll::Ready(Err(ForwardError::ServerDown));
                }
                let (now, moved) = (ticks.now(), call.moved().filter(|_| self.grpc.is_none()));
                if moved.is_some_and(|moved| call.hold().is_none() && now >= moved + self.wait) {
                    return Poll::Ready(Err(ForwardError::Slow));
                }
                let next = match self.check_upload(attempt, &mut monitor, call, &mut last) {
                    Ok(next) => next,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                // As by HTTP/1.1: a long body takes its time.
                let due = match self.grpc {
                    Some(grpc) if !grpc.own => {
                        call.ended().map_or(self.deadline, |ended| ended + self.timeout)
                    }
                    _ => {
                        last = moved.map_or(last, |moved| last.max(moved + self.timeout));
                        last
                    }
                };
                if now >= due {
                    return Poll::Ready(Err(late(call.starved() && self.grpc.is_none())));
                }
                let other = call.hold().or_else(|| moved.map(|moved| moved + self.wait));
                let other = other.filter(|other| *other > now).unwrap_or(due).min(due).min(next);
                alarm.set(watch.next(server, now, other), cx);
            }
            polled
        })
        .await
    }

    fn http2_head(&self, pool: &Pool, at: SocketAddr) -> Option<Request<()>> {
        let host = || self.host.value.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        // A client's HTTP/2 head has the same form already (see `head::examine`).
        let authority = self.parts.uri.authority().cloned().or_else(host);
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(if matches!(pool.tls, Ok(None)) { Scheme::HTTP } else { Scheme::HTTPS });
        uri.authority = authority.or_else(|| pool.authority(at));
        uri.path_and_query = self.parts.uri.path_and_query().cloned();
        let mut head = Request::new(());
        *head.method_mut() = self.parts.method.clone();
        *head.uri_mut() = Uri::from_parts(uri).ok()?;
        *head.version_mut() = Version::HTTP_2;
        let mut fields = HeaderMap::with_capacity(self.parts.headers.len() + self.own.len() + 2);
        for (name, value) in &self.parts.headers {
            if passes(name, self.from_proxy) {
                fields.append(name.clone(), value.clone());
            }
        }
        if let Framing::Length(length) = self.framing {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if self.options.expects && self.framing != Framing::None {
            fields.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        if self.options.trailers {
            fields.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        for (name, value) in self.own.shared() {
            if let Ok(mut value) = HeaderValue::from_maybe_shared(value) {
                value.set_sensitive(!STEADY.contains(&name));
                fields.append(HeaderName::from_static(name), value);
            }
        }
        *head.headers_mut() = fields;
        Some(head)
    }
}

/// Returns the error of a response that did not begin in time: the server's, or the client's whose request did not
/// arrive.
fn late(starved: bool) -> ForwardError {
    if starved { ForwardError::Slow } else { ForwardError::Late }
}

/// The head of a request as a server gets it.
fn write_head(
    out: &mut Vec<u8>,
    parts: &Parts,
    (host, hop): (&Host, bool),
    options: &ConnectionOptions,
    framing: Framing,
    own: &OutgoingHeaders,
) {
    let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    // A WebSocket by HTTP/2 is a CONNECT with a path (RFC 8441); by HTTP/1.1 it is a GET.
    let method = if parts.method == Method::CONNECT { &Method::GET } else { &parts.method };
    codec::request_line(out, method, target, host.value.as_bytes());
    for (name, value) in &parts.headers {
        if passes(name, hop) {
            codec::line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    codec::framing(out, framing);
    if options.expects && framing != Framing::None {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    if let Some(to) = &options.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        codec::line(out, b"upgrade", to.as_bytes());
    }
    for (name, value) in own.iter() {
        codec::line(out, name.as_bytes(), value);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{HeaderPresence, examine};
    use proptest::prelude::*;

    const NASTY: [&str; 14] = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "upgrade",
        "expect",
        "keep-alive",
        "content_length",
        "transfer_encoding",
        "x-forwarded-for",
        "mainstay-client",
        "cookie",
        "x-a",
    ];
    const WORDS: [&str; 10] = [
        "a.test",
        "close, x-a",
        "content-length",
        "chunked",
        "5",
        "upgrade, host",
        "websocket",
        "100-continue",
        "trailers",
        "a.test:80",
    ];

    proptest! {
        #[test]
        fn whatever_is_passed_on_is_read_in_one_way_only(
            host in 0..2usize,
            fields in prop::collection::vec((0..NASTY.len(), 0..WORDS.len() * 2, prop::collection::vec(any::<u8>(), 0..12)), 0..8),
            target in "(/[ -~]{0,12}|http://a.test/x|[*])",
            framing in 0..3usize,
        ) {
            let mut request = Request::builder().uri(target);
            if host == 1 {
                request = request.header("host", "a.test");
            }
            for (name, word, bytes) in fields {
                let value = WORDS.get(word).map_or(bytes, |word| word.as_bytes().to_vec());
                request = request.header(NASTY[name], value);
            }
            let Ok(request) = request.body(()) else { return Ok(()) };
            let mut parts = request.into_parts().0;
            let has = HeaderPresence::of(&parts.headers);
            let Ok((host, options)) = examine(&mut parts, has) else { return Ok(()) };
            let framing = [Framing::None, Framing::Length(5), Framing::Chunked][framing];
            let mut out = Vec::new();
            write_head(&mut out, &parts, (&host, false), &options, framing, &OutgoingHeaders::default());
            let mut lines = [httparse::EMPTY_HEADER; 64];
            let mut read = httparse::Request::new(&mut lines);
            prop_assert_eq!(read.parse(&out), Ok(httparse::Status::Complete(out.len())), "{}", out.escape_ascii());
            let count = |name: &str| read.headers.iter().filter(|connection| connection.name == name).count();
            prop_assert_eq!(count("host"), 1);
            let framed = count("content-length") + count("transfer-encoding");
            prop_assert_eq!(framed, usize::from(framing != Framing::None));
            prop_assert!(count("connection") <= 1 && count("upgrade") == count("connection"));
            for gone in ["keep-alive", "te", "content_length", "transfer_encoding", "x-forwarded-for", "mainstay-client"] {
                prop_assert_eq!(count(gone), 0, "{}", gone);
            }
            prop_assert!(!out.windows(2).any(|two| (two[0] == b'\r') != (two[1] == b'\n')), "{}", out.escape_ascii());
        }
    }
}
