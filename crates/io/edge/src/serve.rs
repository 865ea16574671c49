//! A client's connection from its first byte to its last.
//!
//! Between requests only the socket is kept: after some idle ticks, or immediately where many connections rest
//! already, hyper's state is dropped ("parked"); it is set up again when the next byte arrives.

pub(crate) mod http2;
mod socket;

use crate::connection::Connection;
use crate::forwarded;
use crate::phases::respond::error_page::{self, Refusal};
use crate::request;
use crate::stream::Stream;
use crate::telemetry::{Ids, Verdict};
use crate::thread::Thread;
use crate::ticks::{Alarm, ticks};
use crate::tunnel::{self, Tunnel};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket::Socket;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Idle ticks after which a connection is parked; more for one that was parked before: it will return again, and
/// setting up hyper's state costs a third of a request.
const PARK_TICKS: u32 = 2;
const PARK_AGAIN_TICKS: u32 = 10;
/// Connections of a thread that may rest for those ticks: otherwise a burst of clients would leave a heap as large
/// as all their states together, which the allocator does not return. Of those that were parked before there may be
/// many more: a flood comes on thousands of connections that send several requests a second, and is the worst time
/// to do more for each request.
const RESTING_MAX: u32 = 256;
const RESTING_AGAIN_MAX: u32 = 8192;
/// Ticks for which a closed connection's last bytes are waited for: a client that writes all of its request before it
/// reads would else be reset, and not see the response (RFC 9112 section 9.6).
const LINGER_TICKS: u32 = 30;
/// Bytes of them that are read.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// Bytes per read.
const LINGER_PART: usize = 16 * 1024;

/// The reason why hyper's state was dropped.
enum End {
    /// No request is in progress; only the socket is kept.
    Idle(Stream, Bytes),
    /// The 101 has left.
    Tunnel(Stream, Bytes),
    /// Over, once this is sent.
    Closed(Stream, Vec<u8>),
}

/// HTTP/1.1 until the client goes.
pub(crate) async fn http1(thread: Rc<Thread>, connection: Rc<Connection>, mut stream: Stream) {
    let alarm = thread.ticks.alarm();
    let mut before = Bytes::new();
    loop {
        match Box::pin(stretch(&thread, &connection, stream, before, &alarm)).await {
            End::Idle(socket, rest) => {
                stream = socket;
                before = rest;
                connection.returned.set(true);
                if before.is_empty() && !wakes(&thread, &connection, &stream, &alarm).await {
                    return;
                }
            }
            End::Tunnel(socket, rest) => {
                // The connection's own box is gone before the tunnel begins, which may live for days.
                tunnel::watch(socket.socket());
                connection.activity.busy();
                let tunnel = connection.tunnel.take().map(|switched| Tunnel::new(socket, rest, *switched));
                drop((alarm, connection));
                if let Some(tunnel) = tunnel {
                    tunnel::run(tunnel).await;
                }
                return;
            }
            End::Closed(socket, last) => {
                Box::pin(linger(socket, &last, &thread, &alarm)).await;
                return;
            }
        }
    }
}

/// Serves until nothing is in progress.
async fn stretch(
    thread: &Rc<Thread>,
    connection: &Rc<Connection>,
    stream: Stream,
    before: Bytes,
    alarm: &Alarm,
) -> End {
    let limits = thread.view().shared.edge.limits.clone();
    let waits = Waits { head: ticks(limits.header_timeout), body: ticks(limits.body_timeout) };
    let service = service_fn({
        let (thread, connection) = (Rc::clone(thread), Rc::clone(connection));
        move |request| request::serve(&thread, &connection, request)
    });
    let socket = TokioIo::new(Socket::new(Rc::clone(thread), stream, Rc::clone(connection), before));
    let mut builder = http1::Builder::new();
    if limits.headers as usize != HYPER_HEADERS {
        builder.max_headers(limits.headers as usize);
    }
    let mut conn = builder
        // `Socket` notices that a client has gone while it waits, without the buffer that hyper would allocate for
        // it.
        .half_close(true)
        .max_header_size(limits.head_bytes as usize)
        .max_buf_size((limits.head_bytes as usize).max(MIN_BUFFER))
        .header_read_timeout(None)
        .serve_connection(socket, service);
    let (mut asked, mut refused, mut leaves) = (false, None, None);
    let ended = poll_fn(|cx| {
        if !asked && thread.is_to_leave(&mut leaves) {
            asked = true;
            Pin::new(&mut conn).graceful_shutdown();
        }
        if let Poll::Ready(served) = Pin::new(&mut conn).poll(cx) {
            if let Err(why) = served
                && why.is_parse()
            {
                let refusal =
                    if why.is_parse_too_large() { error_page::TOO_LONG } else { error_page::UNREADABLE };
                refused = Some((unread(thread, connection, refusal), refusal));
            }
            return Poll::Ready(false);
        }
        watch(thread, connection, alarm, &waits, cx)
    })
    .await;
    thread.rests(connection, false);
    let parts = conn.into_parts();
    let socket = parts.io.into_inner();
    let rest = if socket.before.is_empty() { parts.read_buf } else { socket.before };
    // Not as part of hyper's buffer, which would be kept with it.
    let rest = Bytes::copy_from_slice(&rest);
    if connection.tunnel.borrow().is_some() {
        End::Tunnel(socket.stream, rest)
    } else if ended {
        End::Idle(socket.stream, rest)
    } else {
        // If it was written behind another response, it has been sent already.
        let refused = refused.filter(|_| !socket.bare.is_empty());
        let last = refused.map(|(id, refusal)| error_page::page_for(&socket.bare, refusal, &id));
        End::Closed(socket.stream, last.unwrap_or_default())
    }
}

/// Records a request that hyper refused by itself. Returns its trace id.
fn unread(thread: &Thread, connection: &Connection, refusal: Refusal) -> String {
    let (tick, ids) = (thread.tick().0, Ids::fresh());
    let id = ids.trace.to_string();
    let mut open = thread.recorder.open(tick, forwarded::plain(connection.peer.ip()), ids);
    open.answered_here(Verdict::Malformed, refusal.status.as_u16(), "its head cannot be parsed", tick);
    open.close(tick);
    id
}

/// The number of fields that hyper parses without an allocation.
const HYPER_HEADERS: usize = 100;
/// hyper's least.
const MIN_BUFFER: usize = 8 * 1024;

/// Ticks for which a connection may stall within a head and within a body.
struct Waits {
    head: u32,
    body: u32,
}

/// Sets the connection's one alarm to what is due next. Ready with true: may be parked; with false: is to be closed.
fn watch(
    thread: &Thread,
    connection: &Connection,
    alarm: &Alarm,
    waits: &Waits,
    cx: &Context<'_>,
) -> Poll<bool> {
    let now = thread.ticks.now();
    let (stuck, head) = (connection.stuck_since.get(), connection.head_since.get());
    let rests = stuck == 0 && connection.busy.get() == 0 && head == 0;
    thread.rests(connection, rests);
    let (park, room) = if connection.returned.get() {
        (PARK_AGAIN_TICKS, RESTING_AGAIN_MAX)
    } else {
        (PARK_TICKS, RESTING_MAX)
    };
    let due = if stuck != 0 {
        if now.saturating_sub(stuck) >= waits.body {
            return Poll::Ready(false);
        }
        stuck + waits.body
    } else if connection.busy.get() > 0 {
        alarm.clear();
        return Poll::Pending;
    } else if head != 0 {
        if now.saturating_sub(head) >= waits.head {
            return Poll::Ready(false);
        }
        head + waits.head
    } else {
        let long = now.saturating_sub(connection.last.get()) >= park || thread.resting.get() > room;
        // Data read from the socket that hyper has not consumed would be lost.
        if long && connection.flushed.get() && connection.dry.get() {
            return Poll::Ready(true);
        }
        connection.last.get() + park
    };
    alarm.set(due, cx);
    Poll::Pending
}

/// Waits alone for the next byte. False when there is none in time.
async fn wakes(thread: &Rc<Thread>, connection: &Connection, stream: &Stream, alarm: &Alarm) -> bool {
    let due = connection.last.get().saturating_add(ticks(thread.view().shared.edge.limits.keepalive_timeout));
    let mut leaves = None;
    poll_fn(|cx| {
        if stream.socket().poll_read_ready(cx).is_ready() {
            return Poll::Ready(true);
        }
        if thread.ticks.now() >= due || thread.is_to_leave(&mut leaves) {
            return Poll::Ready(false);
        }
        alarm.set(leaves.map_or(due, |leaves| due.min(leaves)), cx);
        Poll::Pending
    })
    .await
}

/// Sends the last bytes, and closes such that they arrive: a socket with unread data would be reset.
async fn linger(mut stream: Stream, last: &[u8], thread: &Rc<Thread>, alarm: &Alarm) {
    let due = thread.ticks.now() + LINGER_TICKS;
    let mut ending = std::pin::pin!(async {
        if stream.write_all(last).await.is_err() || stream.shutdown().await.is_err() {
            return;
        }
        let (mut scrap, mut left) = (vec![0; LINGER_PART], LINGER_BYTES);
        while let Ok(got) = stream.read(&mut scrap).await {
            left = left.saturating_sub(got);
            if got == 0 || left == 0 {
                return;
            }
        }
    });
    poll_fn(|cx| {
        if ending.as_mut().poll(cx).is_ready() || thread.ticks.now() >= due {
            return Poll::Ready(());
        }
        alarm.set(due, cx);
        Poll::Pending
    })
    .await;
}
