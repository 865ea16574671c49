//! Phase admit: denials, valve, limits, load shedding, and a place at a server.

use super::identify::Identified;
use crate::client::Client;
use crate::connection::Connection;
use crate::connection_table::{ConnectionLimits, ConnectionSlot};
use crate::exchange::{Admitted, Cleared};
use crate::forward_error::ForwardError;
use crate::forwarded;
use crate::grpc::{self, GrpcDeadline};
use crate::head::{self, ConnectionOptions};
use crate::pool::Pool;
use crate::request_body::RequestBody;
use crate::telemetry::{OpenRecord, Phase};
use crate::thread::{Thread, ThreadView};
use crate::ticks::ticks;
use http::HeaderMap;
use http::request::Parts;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use traffic::{Arrival, Held, Route, Shed, ShedWhy, Tick};
use types::config::{EdgeLimits, Protocol};

/// A service whose pool the configuration does not have: `config` accepts none.
pub(crate) const NO_POOL: Shed = Shed { retry_after: Duration::from_secs(5), why: ShedWhy::NoServer };

/// A request that goes no further.
pub(crate) enum NotCleared {
    /// A denial or a limit refuses it.
    Refused(traffic::Refusal),
    /// The valve of the service holds it out.
    Held(Held),
}

/// Applies denials, the valve and limits.
pub(crate) fn check_limits(
    thread: &Thread,
    route: &Route,
    identified: &Identified<'_>,
    tick: Tick,
    record: &mut OpenRecord,
) -> Result<Cleared, NotCleared> {
    let verdict = route.judge(&identified.facts, &thread.shared.meters, tick, fastrand::u64(..));
    record.stamp(Phase::Judged, tick.0);
    match verdict {
        traffic::Verdict::Pass { class, client: number, quota } => {
            record.class = class;
            let client = Client {
                recognized: identified.recognized,
                is_new: identified.is_new,
                class,
                address: identified.facts.address,
            };
            let (is_forwarded, is_caller) = (identified.forwarded.is_some(), identified.is_caller());
            let subnet = traffic::subnet_number(client.address);
            Ok(Cleared { class, number, subnet, quota, client, is_forwarded, is_caller })
        }
        traffic::Verdict::Refuse(refusal) => {
            record.why = refusal.denial.and_then(|denial| route.denial(denial)).unwrap_or_default().into();
            Err(NotCleared::Refused(refusal))
        }
        traffic::Verdict::Hold(held) => Err(NotCleared::Held(held)),
    }
}

/// Whether a request that the pool refuses may be answered now. One whose body has not come yet is read first:
/// otherwise its connection would be closed.
pub(crate) fn may_answer_now(
    connection: &Connection,
    (parts, options): (&Parts, &ConnectionOptions),
    (is_empty, length): (bool, Option<u64>),
    came: usize,
) -> bool {
    let is_here = || length.is_some_and(|length| came as u64 >= head::length(parts) as u64 + length);
    is_empty || connection.http2.get() || options.expects || is_here()
}

/// A slot for a tunnel inside an HTTP/2 connection: it costs what a connection costs.
pub(crate) fn tunnel_slot(
    thread: &Thread,
    connection: &Connection,
    view: &ThreadView,
) -> Option<ConnectionSlot> {
    let (edge, from) = (&view.shared.edge, connection.peer.ip().to_canonical());
    let per_ip =
        (!forwarded::declared(&edge.trusted_proxies, from)).then_some(edge.limits.max_connections_per_ip);
    let limits = ConnectionLimits { total: edge.limits.max_connections, per_ip };
    let slot = thread.shared.connections.enter(from, limits, thread.ticks.now())?;
    slot.activity.busy();
    Some(slot)
}

/// Reads the part of a body that is read before a server is chosen. Returns the tick at which that was done.
pub(crate) async fn read_body(
    thread: &Rc<Thread>,
    admitted: &mut Admitted,
    protocol: Protocol,
) -> Result<Tick, ForwardError> {
    let tick = admitted.tick;
    match &mut admitted.body {
        None => Ok(tick),
        // Over HTTP/2 both sides may send concurrently, as in gRPC: such a body may wait for the response.
        Some(_) if protocol == Protocol::Http2 && admitted.announced.is_ok() => Ok(tick),
        // The server decides whether the body is sent at all (RFC 9110 section 10.1.1).
        Some(_) if admitted.options.expects => Ok(tick),
        Some(body) => read_before(thread, body, &admitted.view.shared.edge.limits, tick).await,
    }
}

/// Reads the part of a body that is read before a server is chosen. Returns the tick at which that was done: `tick`
/// where it was there already.
async fn read_before(
    thread: &Rc<Thread>,
    body: &mut RequestBody,
    limits: &EdgeLimits,
    tick: Tick,
) -> Result<Tick, ForwardError> {
    match poll_fn(|cx| Poll::Ready(body.poll_before(cx, limits.body_bytes))).await {
        Poll::Ready(read) => read.map(|()| tick),
        Poll::Pending => {
            let read = body.read_before(ticks(limits.body_timeout), limits.body_bytes);
            Box::pin(read).await.map(|()| thread.tick())
        }
    }
}

/// Deadlines of a request.
pub(crate) struct Deadlines {
    /// Time until the response's head.
    pub(crate) timeout: Duration,
    /// The tick at which the response's head must be there.
    pub(crate) deadline: u32,
    pub(crate) grpc: Option<GrpcDeadline>,
    pub(crate) arrival: Arrival,
}

impl Deadlines {
    /// The service's, or those of a gRPC call.
    pub(crate) fn new(
        thread: &Thread,
        headers: &HeaderMap,
        (pool, tunnels): (&Pool, bool),
        route: &Route,
        cleared: &Cleared,
    ) -> Self {
        let http2 = pool.protocol == Protocol::Http2 && !tunnels;
        let grpc = if http2 { grpc::deadline(headers) } else { None };
        let timeout = grpc.flatten().unwrap_or(route.deadline);
        let arrival = Arrival {
            class: cleared.class,
            client: cleared.number,
            subnet: cleared.subnet,
            own: cleared.is_caller,
            deadline: timeout.min(route.deadline),
        };
        let grpc = grpc
            .map(|own| GrpcDeadline { own: own.is_some(), yields: thread.ticks.after(route.deadline) + 2 });
        // Without a deadline of its own it counts from the end of the request: see [`GrpcDeadline`].
        let open_ended = grpc.is_some_and(|grpc| !grpc.own);
        let deadline = thread.ticks.after(if open_ended { grpc::LONGEST } else { timeout });
        Self { timeout, deadline, grpc, arrival }
    }
}
