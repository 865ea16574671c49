//! One attempt at one server: the request goes out, the head of the answer comes back.

use super::connect::connect;
use super::h1::codec::{self, Framing, Head};
use super::h1::conn::Conn;
use super::h1::exchange::{Answer, Exchange, Upload};
use super::h2::{self, Call, Download};
use super::home::Home;
use super::replay::Replay;
use super::sending::Sending;
use super::trouble::Trouble;
use crate::fields::passes;
use crate::head::{Host, Wishes};
use crate::own::Own;
use crate::pool::{Held, Pool};
use crate::seeing::{Open, Phase};
use crate::thread::Thread;
use ::h2::RecvStream;
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

/// Ticks for which an answer is waited for though the server is down: it may have been about to come.
const DOWN_TICKS: u32 = 10;
/// How often one server is asked once more for a request that it did not process.
const AGAIN_MAX: u32 = 2;
/// Ticks for which a `100 Continue` is waited for before the body is sent anyway (RFC 9110 section 10.1.1).
const CONTINUE_TICKS: u32 = 10;

/// Fields of the edge's own that are often the same. HTTP/2 keeps no others for the next request (RFC 7541 section 6.2.3): what differs
/// every time would drive everything else from a small table, and each look-up compares it with all that it was before.
const STEADY: [&str; 3] = ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// What is asked of whichever server.
pub(crate) struct Ask<'a> {
    pub(crate) thread: &'a Rc<Thread>,
    pub(crate) parts: &'a Parts,
    pub(crate) host: &'a Host,
    pub(crate) wishes: &'a Wishes,
    pub(crate) framing: Framing,
    /// Whether it comes from a declared hop, whose word on the client is taken.
    pub(crate) hop: bool,
    /// Fields of the edge's own.
    pub(crate) own: &'a Own,
    /// Bytes that the body may have.
    pub(crate) room: u64,
    /// Ticks for which a body may stand still, either way.
    pub(crate) wait: u32,
    /// The tick at which the answer's head must be there.
    pub(crate) deadline: u32,
    /// Ticks that a server has for it.
    pub(crate) span: u32,
    /// What holds for a gRPC call besides.
    pub(crate) grpc: Option<Grpc>,
    /// Is called with each interim answer (1xx except 101).
    pub(crate) interim: &'a dyn Fn(StatusCode, &HeaderMap),
}

/// A gRPC call: both sides may be silent for as long as its deadline allows.
#[derive(Clone, Copy)]
pub(crate) struct Grpc {
    /// Whether the deadline is its own. Else `span` counts from the end of the request.
    pub(crate) own: bool,
    /// The tick at which it gives its place in the pool back.
    pub(crate) yields: u32,
}

/// What came back.
pub(crate) enum Got {
    /// A head and what follows it.
    Answer(Head, Answer),
    /// The same by HTTP/2.
    Http2(Response<()>, Box<Download>),
    /// A 101, and the connection that speaks something else now.
    Switched(Head, Box<Conn>),
}

/// Nothing did.
pub(crate) struct Miss {
    pub(crate) trouble: Trouble,
    /// The request's body, to be sent once more; `Err` where part of it is gone.
    pub(crate) body: Result<Option<Replay>, ()>,
    /// Whether the server may have begun to work on it.
    pub(crate) sent: bool,
}

/// One server's turn to answer.
pub(crate) struct Turn<'a> {
    pub(crate) at: SocketAddr,
    /// Since when it is asked.
    pub(crate) from: Tick,
    pub(crate) held: &'a RefCell<Held>,
    /// When it had all of the request's body.
    pub(crate) sent: Cell<Option<Tick>>,
}

/// Since when an answer is waited for.
#[derive(Clone, Copy)]
struct Watch {
    /// Whether the server was down before: then it is asked because nobody else is there.
    was_down: bool,
    since: u32,
}

impl Watch {
    /// When to look next, instead of `due`: all are woken when a server is found down, and look again until another one has room.
    fn next(self, home: &Home, now: u32, due: u32) -> u32 {
        if !home.is_down() || self.was_down {
            return due;
        }
        let first = self.since + DOWN_TICKS;
        due.min(if first > now { first } else { now + DOWN_TICKS })
    }
}

impl Ask<'_> {
    /// Asks one server.
    pub(crate) async fn at(
        &self,
        pool: &Pool,
        home: &Rc<Home>,
        turn: &Turn<'_>,
        body: Option<Replay>,
        open: &mut Open,
    ) -> Result<Got, Miss> {
        if pool.protocol == Protocol::Http2 && self.wishes.upgrade.is_none() {
            return Box::pin(self.http2(pool, home, turn, body, open)).await;
        }
        self.http1(pool, home, turn, body, open).await
    }

    async fn http1(
        &self,
        pool: &Pool,
        home: &Rc<Home>,
        turn: &Turn<'_>,
        mut body: Option<Replay>,
        open: &mut Open,
    ) -> Result<Got, Miss> {
        let thread = self.thread;
        let mut fresh = false;
        loop {
            let idle = if fresh { None } else { home.take() };
            let mut conn = match idle {
                Some(conn) => {
                    open.stamp(Phase::Connected, turn.from.0);
                    conn
                }
                None => match Box::pin(connect(pool, turn.at)).await {
                    Ok(stream) => {
                        open.stamp(Phase::Connected, thread.tick().0);
                        Box::new(Conn::new(stream))
                    }
                    Err(trouble) => return Err(Miss { trouble, body: Ok(body), sent: false }),
                },
            };
            write_head(
                &mut conn.head,
                self.parts,
                (self.host, self.hop),
                self.wishes,
                self.framing,
                self.own,
            );
            let upload = body.take().map(|body| {
                let mut upload =
                    Upload::new(body, self.framing == Framing::Chunked, self.room, thread.ticks.now());
                upload.hold = self.wishes.expects.then(|| thread.ticks.now() + CONTINUE_TICKS);
                upload
            });
            let mut exchange = Exchange::new(conn, Rc::clone(home), upload);
            let mut map = thread.map();
            match self.head(home, turn, &mut exchange, &mut map).await {
                Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    return Ok(Got::Switched(head, exchange.into_conn()));
                }
                Ok(head) => {
                    let answer = exchange.into_download(&head, &thread.ticks, self.wait);
                    return Ok(Got::Answer(head, answer));
                }
                Err(trouble) => {
                    thread.keep_map(map);
                    let stale = exchange.reused()
                        && !exchange.begun
                        && !fresh
                        && matches!(trouble, Trouble::Closed | Trouble::Reset(_));
                    let unsent = exchange.unsent();
                    let may = stale && (unsent || self.parts.method.is_idempotent());
                    match exchange.into_body() {
                        Ok(rest) if may => {
                            body = rest;
                            fresh = true;
                        }
                        body => return Err(Miss { trouble, body, sent: !unsent }),
                    }
                }
            }
        }
    }

    /// Whether an answer is waited for no longer, because the server was found down meanwhile and another one will be asked. A
    /// request that may not be repeated, or that no other server has room for, is better off here: the server may be about to
    /// answer.
    fn given_up(&self, home: &Home, turn: &Turn<'_>, watch: Watch, repeatable: impl Fn() -> bool) -> bool {
        home.is_down()
            && !watch.was_down
            && self.thread.ticks.now() >= watch.since + DOWN_TICKS
            && repeatable()
            && turn.held.borrow().may_retry()
    }

    async fn head(
        &self,
        home: &Home,
        turn: &Turn<'_>,
        exchange: &mut Exchange,
        map: &mut HeaderMap,
    ) -> Result<Head, Trouble> {
        let ticks = &self.thread.ticks;
        let alarm = ticks.alarm();
        let watch = Watch { was_down: home.is_down(), since: ticks.now() };
        let mut sending = exchange.came().map(|came| Sending::new(came, ticks.now(), self.wait));
        let is_idempotent = self.parts.method.is_idempotent();
        let mut due = self.deadline;
        poll_fn(|cx| {
            let polled = exchange.poll_head(cx, ticks, &self.parts.method, map, self.interim);
            if polled.is_pending() {
                let now = ticks.now();
                let repeatable = || (is_idempotent || exchange.unsent()) && exchange.is_kept();
                if self.given_up(home, turn, watch, repeatable) {
                    return Poll::Ready(Err(Trouble::ServerDown));
                }
                if let Some(moved) = exchange.moved() {
                    if exchange.hold().is_none() && now >= moved + self.wait {
                        return Poll::Ready(Err(Trouble::Slow));
                    }
                    // A long body takes its time; the server's begins when it has all of it.
                    due = due.max(moved + self.span);
                }
                let next = match self.sending(turn, &mut sending, exchange, &mut due) {
                    Ok(next) => next,
                    Err(trouble) => return Poll::Ready(Err(trouble)),
                };
                if now >= due {
                    return Poll::Ready(Err(late(exchange.starved())));
                }
                let other = exchange.hold().or_else(|| exchange.moved().map(|moved| moved + self.wait));
                let other = other.filter(|other| *other > now).unwrap_or(due).min(due).min(next);
                alarm.set(watch.next(home, now, other), cx);
            }
            polled
        })
        .await
    }

    async fn http2(
        &self,
        pool: &Pool,
        home: &Rc<Home>,
        turn: &Turn<'_>,
        mut body: Option<Replay>,
        open: &mut Open,
    ) -> Result<Got, Miss> {
        let at = turn.at;
        open.stamp(Phase::Connected, turn.from.0);
        let mut again = 0;
        loop {
            let lease = match home.http2.lease(pool, at, self.deadline).await {
                Ok((lease, opened)) => {
                    if opened {
                        open.stamp(Phase::Connected, self.thread.tick().0);
                    }
                    lease
                }
                Err(trouble) => return Err(Miss { trouble, body: Ok(body), sent: false }),
            };
            let Some(head) = self.http2_head(pool, at) else {
                let trouble = Trouble::Http2("no request".into());
                return Err(Miss { trouble, body: Ok(body), sent: false });
            };
            let ticks = &self.thread.ticks;
            let hold = self.wishes.expects.then(|| ticks.now() + CONTINUE_TICKS);
            let mut call = match h2::ask(lease, head, &mut body, self.room, (hold, ticks.now())) {
                Ok(call) => call,
                // The connection ended while it was chosen.
                Err(Trouble::Refused | Trouble::Closed) if again < AGAIN_MAX => {
                    again += 1;
                    continue;
                }
                Err(trouble) => return Err(Miss { trouble, body: Ok(body), sent: false }),
            };
            let trouble = match self.http2_answer(home, turn, &mut call).await {
                Ok(answer) => {
                    let (head, stream) = answer.into_parts();
                    let head = Response::from_parts(head, ());
                    let download = call.into_download(&head, stream);
                    return Ok(Got::Http2(head, Box::new(download)));
                }
                Err(trouble) => trouble,
            };
            let unprocessed = matches!(trouble, Trouble::Refused);
            let stale = matches!(trouble, Trouble::Closed)
                && call.reused()
                && again == 0
                && self.parts.method.is_idempotent();
            match call.into_body() {
                Ok(rest) if stale || unprocessed && again < AGAIN_MAX => {
                    body = rest;
                    again += 1;
                }
                body => return Err(Miss { trouble, body, sent: !unprocessed }),
            }
        }
    }

    /// Waits for the answer's head.
    async fn http2_answer(
        &self,
        home: &Home,
        turn: &Turn<'_>,
        call: &mut Call,
    ) -> Result<Response<RecvStream>, Trouble> {
        let ticks = &self.thread.ticks;
        let alarm = ticks.alarm();
        let watch = Watch { was_down: home.is_down(), since: ticks.now() };
        let is_idempotent = self.parts.method.is_idempotent();
        // A gRPC call may be silent for as long as its deadline allows.
        let came = call.came().filter(|_| self.grpc.is_none());
        let mut sending = came.map(|came| Sending::new(came, ticks.now(), self.wait));
        let mut last = self.deadline;
        poll_fn(|cx| {
            let polled = call.poll_head(cx, ticks, self.interim);
            if polled.is_pending() {
                if self.given_up(home, turn, watch, || is_idempotent && call.is_kept()) {
                    return Poll::Ready(Err(Trouble::ServerDown));
                }
                let (now, moved) = (ticks.now(), call.moved().filter(|_| self.grpc.is_none()));
                if moved.is_some_and(|moved| call.hold().is_none() && now >= moved + self.wait) {
                    return Poll::Ready(Err(Trouble::Slow));
                }
                let next = match self.sending(turn, &mut sending, call, &mut last) {
                    Ok(next) => next,
                    Err(trouble) => return Poll::Ready(Err(trouble)),
                };
                // As by HTTP/1.1: a long body takes its time.
                let due = match self.grpc {
                    Some(grpc) if !grpc.own => call.ended().map_or(self.deadline, |ended| ended + self.span),
                    _ => {
                        last = moved.map_or(last, |moved| last.max(moved + self.span));
                        last
                    }
                };
                if now >= due {
                    return Poll::Ready(Err(late(call.starved() && self.grpc.is_none())));
                }
                let other = call.hold().or_else(|| moved.map(|moved| moved + self.wait));
                let other = other.filter(|other| *other > now).unwrap_or(due).min(due).min(next);
                alarm.set(watch.next(home, now, other), cx);
            }
            polled
        })
        .await
    }

    fn http2_head(&self, pool: &Pool, at: SocketAddr) -> Option<Request<()>> {
        let host = || self.host.value.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        // What a visitor says by HTTP/2 is the same already (see `head::examine`).
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
            if passes(name, self.hop) {
                fields.append(name.clone(), value.clone());
            }
        }
        if let Framing::Length(length) = self.framing {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if self.wishes.expects && self.framing != Framing::None {
            fields.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        if self.wishes.trailers {
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

/// Whose fault it is that no answer came in time: a server cannot answer a request that does not come.
fn late(starved: bool) -> Trouble {
    if starved { Trouble::Slow } else { Trouble::Late }
}

/// The head of a request as a server gets it.
fn write_head(
    out: &mut Vec<u8>,
    parts: &Parts,
    (host, hop): (&Host, bool),
    wishes: &Wishes,
    framing: Framing,
    own: &Own,
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
    if wishes.expects && framing != Framing::None {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    if let Some(to) = &wishes.upgrade {
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
    use crate::head::{Has, examine};
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
        "mainstay-visitor",
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
            let has = Has::of(&parts.headers);
            let Ok((host, wishes)) = examine(&mut parts, has) else { return Ok(()) };
            let framing = [Framing::None, Framing::Length(5), Framing::Chunked][framing];
            let mut out = Vec::new();
            write_head(&mut out, &parts, (&host, false), &wishes, framing, &Own::default());
            let mut lines = [httparse::EMPTY_HEADER; 64];
            let mut read = httparse::Request::new(&mut lines);
            prop_assert_eq!(read.parse(&out), Ok(httparse::Status::Complete(out.len())), "{}", out.escape_ascii());
            let count = |name: &str| read.headers.iter().filter(|line| line.name == name).count();
            prop_assert_eq!(count("host"), 1);
            let framed = count("content-length") + count("transfer-encoding");
            prop_assert_eq!(framed, usize::from(framing != Framing::None));
            prop_assert!(count("connection") <= 1 && count("upgrade") == count("connection"));
            for gone in ["keep-alive", "te", "content_length", "transfer_encoding", "x-forwarded-for", "mainstay-visitor"] {
                prop_assert_eq!(count(gone), 0, "{}", gone);
            }
            prop_assert!(!out.windows(2).any(|two| (two[0] == b'\r') != (two[1] == b'\n')), "{}", out.escape_ascii());
        }
    }
}
