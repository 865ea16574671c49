//! HTTP/2 towards a server, by the crate that hyper is built on. For gRPC: trailers both ways.
//!
//! A request and its response are moved by the task of the client's own stream; only the connection has a task.
//! hyper's client would add two tasks, three channels and two timers' worth of work to each request.

use crate::forward_error::ForwardError;
use crate::stream::Stream;
use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::Request;
use socket2::{SockRef, TcpKeepalive};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// Idle time after which the system sends a TCP keepalive: gRPC servers treat HTTP/2 pings as an attack when they
/// come more often than every five minutes.
const ALIVE: Duration = Duration::from_secs(15);
/// Keepalive probes before the connection is closed.
const ASKS: u32 = 3;
/// Time after which unacknowledged data closes the connection as well.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(30);
/// Concurrent streams before the server has declared its limit.
const STREAMS_FIRST: usize = 1;
/// Interim responses that are passed on before the one that counts.
pub(crate) const INTERIM_MAX: u32 = 32;
/// Bytes that a response's head may have.
const HEAD_MAX: u32 = 64 * 1024;
/// Bytes that a server may send on one stream before it waits for us.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The way onto a connection.
pub(crate) struct Sender {
    requests: RefCell<SendRequest<Bytes>>,
    /// Whether the server's settings have come.
    settled: Rc<Cell<bool>>,
}

impl Sender {
    /// Begins HTTP/2 on a connection. `changed` is notified when the server's settings arrive, and when the
    /// connection ends.
    pub(crate) async fn begin(stream: Stream, changed: Rc<Notify>) -> Result<Self, ForwardError> {
        watch(&stream);
        let (requests, connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(STREAMS_FIRST)
            .max_header_list_size(HEAD_MAX)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream)
            .await
            .map_err(|why| ForwardError::Http2(why.to_string()))?;
        let settled = Rc::new(Cell::new(false));
        tokio::task::spawn_local(drive(connection, Rc::clone(&settled), changed));
        Ok(Self { requests: RefCell::new(requests), settled })
    }

    /// Whether it takes no further request.
    pub(crate) fn closed(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.requests.borrow_mut().poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    /// Whether the server's settings have arrived.
    pub(crate) fn settled(&self) -> bool {
        self.settled.get()
    }

    /// Concurrent streams that the server allows.
    pub(crate) fn streams_max(&self) -> usize {
        self.requests.borrow().current_max_send_streams()
    }

    pub(crate) fn send(
        &self,
        head: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), ForwardError> {
        // A clone for each: one that waits for its stream would take no other.
        let mut requests = self.requests.borrow().clone();
        requests.send_request(head, ends).map_err(|why| error(&why))
    }
}

/// Moves a connection until it ends.
async fn drive(mut connection: Connection<Stream, Bytes>, settled: Rc<Cell<bool>>, changed: Rc<Notify>) {
    let ended = poll_fn(|cx| {
        let polled = Pin::new(&mut connection).poll(cx);
        if !settled.get() && connection.max_concurrent_send_streams() != STREAMS_FIRST {
            settled.set(true);
            changed.notify_waiters();
        }
        polled
    })
    .await;
    if let Err(why) = ended {
        tracing::debug!("an HTTP/2 connection to a server ended: {why}");
    }
    changed.notify_waiters();
}

/// Enables TCP keepalive, so that a dead peer is noticed.
fn watch(stream: &Stream) {
    let socket = SockRef::from(stream.socket());
    let asks = TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE / ASKS).with_retries(ASKS);
    let kept = socket.set_tcp_keepalive(&asks);
    #[cfg(target_os = "linux")]
    let kept = kept.and_then(|()| socket.set_tcp_user_timeout(Some(UNHEARD)));
    if let Err(why) = kept {
        tracing::debug!("keepalive cannot be set on an HTTP/2 connection to a server: {why}");
    }
}

pub(crate) fn error(why: &h2::Error) -> ForwardError {
    // A stream above the last one that the server names was not processed; the others end with the connection (RFC
    // 9113 section 8.7).
    let unprocessed = why.is_go_away() || why.is_reset() && why.reason() == Some(Reason::REFUSED_STREAM);
    if unprocessed && why.is_remote() {
        ForwardError::Refused
    } else if why.is_io() || why.is_go_away() {
        ForwardError::Closed
    } else {
        ForwardError::Http2(why.to_string())
    }
}
