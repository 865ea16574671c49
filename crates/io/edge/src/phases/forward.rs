//! Phase forward: the request is sent to servers of the pool until one answers.

pub(crate) mod attempt;
pub(crate) mod http2_call;
pub(crate) mod replay;
pub(crate) mod round_trip;

use super::admit::Deadlines;
use crate::client::CLIENT;
use crate::connection::Connection;
use crate::exchange::Admitted;
use crate::forward_error::ForwardError;
use crate::forwarded;
use crate::outgoing_headers::OutgoingHeaders;
use crate::pool::Held;
use crate::telemetry::OpenRecord;
use crate::telemetry::id::{TRACESTATE, TRACESTATE_BYTES_MAX};
use crate::thread::{PoolConnections, Thread};
use crate::ticks::ticks;
use crate::tunnel;
use crate::upstream::h1::codec::Framing;
use attempt::{Attempt, UpstreamRequest, UpstreamResponse};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use replay::ReplayableBody;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use traffic::{Outcome, Tick};

/// The most attempts for one request.
const ATTEMPTS_MAX: u32 = 3;

/// The result of forwarding, and the `Sec-WebSocket-Accept` that a WebSocket upgrade must be answered with.
type Forwarded = (Result<Relayed, ForwardError>, Option<HeaderValue>);

/// Sends the request to servers.
pub(crate) async fn forward(
    (thread, connection): (&Rc<Thread>, &Rc<Connection>),
    parts: &Parts,
    admitted: &mut Admitted,
    (is_empty, deadlines): (bool, &Deadlines),
    servers: &PoolConnections,
    held: (Held, Tick),
    interim: &dyn Fn(StatusCode, &HeaderMap),
) -> Forwarded {
    let own = outgoing_headers(thread.outgoing_headers(), connection, parts, admitted);
    let tunnels = admitted.options.upgrade.is_some();
    let framing = match admitted.length {
        Some(0) if is_empty && !tells_length(&parts.method) => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    };
    let limits = &admitted.view.shared.edge.limits;
    let body = admitted.body.take().map(ReplayableBody::new);
    let request = UpstreamRequest {
        thread,
        parts,
        host: &admitted.host,
        options: &admitted.options,
        framing: if tunnels { Framing::None } else { framing },
        from_proxy: admitted.forwarded.by.is_some(),
        own: &own,
        room: limits.body_bytes,
        wait: ticks(limits.body_timeout),
        deadline: deadlines.deadline,
        timeout: ticks(deadlines.timeout),
        grpc: deadlines.grpc,
        interim,
    };
    let relayed = relay(&request, servers, held, body, &mut admitted.record).await;
    let upgrade = admitted.options.upgrade.as_ref();
    let accept = upgrade.filter(|to| tunnel::is_websocket(to)).and_then(|_| {
        let own = || own.iter().find(|(name, _)| *name == KEY).map(|(_, key)| key);
        tunnel::accept(parts.headers.get(KEY).map(HeaderValue::as_bytes).or_else(own)?)
    });
    thread.keep_outgoing_headers(own);
    (relayed, accept)
}

/// Headers that the edge itself sends to the server.
fn outgoing_headers(
    mut own: OutgoingHeaders,
    connection: &Connection,
    parts: &Parts,
    admitted: &Admitted,
) -> OutgoingHeaders {
    let (ids, client) = (&admitted.record.ids, &admitted.cleared.client);
    let address = admitted.cleared.is_forwarded.then_some(client.address);
    forwarded::fields(&mut own, &admitted.forwarded, connection, address, &admitted.host, &parts.headers);
    own.put("traceparent", |out| out.extend_from_slice(&ids.outward()));
    // The `tracestate` of a client belongs to its own trace, not to one that begins here.
    let state = ids.continued().then(|| parts.headers.get(TRACESTATE)).flatten();
    if let Some(state) = state.filter(|state| state.len() <= TRACESTATE_BYTES_MAX) {
        own.put("tracestate", |out| out.extend_from_slice(state.as_bytes()));
    }
    own.put("x-request-id", |out| out.extend_from_slice(&ids.trace.digits()));
    let tokens = &admitted.view.shared.client_tokens;
    own.put(CLIENT, |out| connection.client_header(tokens, client, out));
    if parts.extensions.get::<hyper::ext::Protocol>().is_some() && !parts.headers.contains_key(KEY) {
        // HTTP/2 has none (RFC 8441 section 5.1), HTTP/1.1 requires one.
        own.put("sec-websocket-key", |out| out.extend_from_slice(tunnel::key().as_bytes()));
    }
    own
}

const KEY: HeaderName = header::SEC_WEBSOCKET_KEY;

/// Whether a request without content declares that, as servers expect of these methods (RFC 9110 section 8.6).
fn tells_length(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// The response of a server, and the permit for it.
pub(crate) struct Relayed {
    pub(crate) response: UpstreamResponse,
    pub(crate) held: Held,
    /// Start of the server's response time; `None` where the server waited for the body instead.
    pub(crate) from: Option<Tick>,
}

impl Relayed {
    pub(crate) fn status(&self) -> StatusCode {
        match &self.response {
            UpstreamResponse::Answer(head, _) | UpstreamResponse::Switched(head, _) => head.status,
            UpstreamResponse::Http2(head, _) => head.status(),
        }
    }

    /// The outcome of its permit.
    pub(crate) fn outcome(&self, now: Tick) -> Outcome {
        match self.from {
            Some(from) => Outcome::Answered { latency: now.since(from), status: self.status().as_u16() },
            None => Outcome::Unsent,
        }
    }
}

/// Tries servers until one answers or the pool allows no further attempt.
async fn relay(
    request: &UpstreamRequest<'_>,
    servers: &PoolConnections,
    (held, mut from): (Held, Tick),
    mut body: Option<ReplayableBody>,
    record: &mut OpenRecord,
) -> Result<Relayed, ForwardError> {
    let mut attempts = 0;
    let mut held = RefCell::new(held);
    loop {
        let Some(at) = held.get_mut().server() else { return Err(ForwardError::Closed) };
        record.server = Some(at);
        let server = servers.of(at, &request.thread.ticks);
        attempts += 1;
        let attempt = Attempt { at, from, held: &held, sent: Cell::new(None) };
        let asked = request.send(&servers.pool, &server, &attempt, body, record);
        let answered = match request.grpc {
            None => asked.await,
            Some(grpc) => Box::pin(yielding(asked, &held, grpc.yields, request.thread)).await,
        };
        let failed = match answered {
            Ok(response) => {
                // The time that a body takes is its client's.
                let sent = attempt.sent.get();
                let held = held.into_inner();
                return Ok(Relayed { response, from: sent.or((!held.yielded()).then_some(from)), held });
            }
            Err(failed) => failed,
        };
        if failed.error.breaks() {
            servers.pool.broke(at, &request_name(request.parts));
        }
        let repeatable = failed.error.elsewhere()
            && attempts < ATTEMPTS_MAX
            && (!failed.sent || request.parts.method.is_idempotent());
        let outcome = match failed.error {
            // The call's own deadline is the client's choice, and says nothing about the server.
            ForwardError::Late if request.grpc.is_some_and(|grpc| grpc.own) => Outcome::Left,
            _ => failed.error.outcome(),
        };
        let rest = match failed.body {
            Ok(rest) if repeatable => rest,
            _ => {
                held.into_inner().done(request.thread.tick(), outcome);
                return Err(failed.error);
            }
        };
        match held.into_inner().retry(outcome) {
            Some(next) => {
                from = request.thread.tick();
                record.retry(at, failed.error.failure(), from.0);
                held = RefCell::new(next);
                body = rest;
            }
            None => return Err(failed.error),
        }
    }
}

/// Most characters of a path in the name of a request.
const PATH_MAX: usize = 60;

/// The name of a request, without its query: `GET /login`.
fn request_name(parts: &Parts) -> String {
    let path: String = parts.uri.path().chars().take(PATH_MAX).collect();
    format!("{} {path}", parts.method)
}

/// Waits for the response to a gRPC call, from the tick `due` on without a place in the pool: a stream may have its
/// first message after hours, and its time is no measure of its server.
async fn yielding<T>(asked: impl Future<Output = T>, held: &RefCell<Held>, due: u32, thread: &Thread) -> T {
    let (mut asked, alarm) = (std::pin::pin!(asked), thread.ticks.alarm());
    poll_fn(|cx| {
        let polled = asked.as_mut().poll(cx);
        if polled.is_pending() && held.borrow().server().is_some() {
            if thread.ticks.now() >= due {
                held.borrow_mut().release(thread.tick());
            } else {
                alarm.set(due, cx);
            }
        }
        polled
    })
    .await
}
