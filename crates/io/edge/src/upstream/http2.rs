//! HTTP/2 towards a server, by the crate that hyper is built on. For gRPC: trailers both ways.
//!
//! A request and its answer are moved by the task of the visitor's own stream; only the connection has a task. hyper's client would
//! add two tasks, three channels and two timers' worth of work to each request.

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

/// A silent connection is asked whether it lives after this, by the system: gRPC's servers take pings of HTTP/2 for an attack when
/// they come more often than every five minutes.
const ALIVE: Duration = Duration::from_secs(15);
/// How often it is asked again before it is given up.
const ASKS: u32 = 3;
/// What was sent and not acknowledged for so long ends it as well.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(30);
/// Streams at once before the server has told how many it allows.
const STREAMS_FIRST: usize = 1;
/// Interim answers that are passed on before the one that counts.
pub(crate) const INTERIM_MAX: u32 = 32;
/// Bytes that an answer's head may have.
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
    /// Begins HTTP/2 on a connection. `changed` is told when the server's settings have come, and when the connection has ended.
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

    /// Whether the server has told how many streams it allows.
    pub(crate) fn settled(&self) -> bool {
        self.settled.get()
    }

    /// Streams that the server allows at once.
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

/// Nobody says goodbye when a cable is cut.
fn watch(stream: &Stream) {
    let socket = SockRef::from(stream.socket());
    let asks = TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE / ASKS).with_retries(ASKS);
    let kept = socket.set_tcp_keepalive(&asks);
    #[cfg(target_os = "linux")]
    let kept = kept.and_then(|()| socket.set_tcp_user_timeout(Some(UNHEARD)));
    if let Err(why) = kept {
        tracing::debug!("an HTTP/2 connection to a server goes without keepalive: {why}");
    }
}

pub(crate) fn error(why: &h2::Error) -> ForwardError {
    // A stream above the last one that the server names is told so; the others end with the connection (RFC 9113 section 8.7).
    let unprocessed = why.is_go_away() || why.is_reset() && why.reason() == Some(Reason::REFUSED_STREAM);
    if unprocessed && why.is_remote() {
        ForwardError::Refused
    } else if why.is_io() || why.is_go_away() {
        ForwardError::Closed
    } else {
        ForwardError::Http2(why.to_string())
    }
}
