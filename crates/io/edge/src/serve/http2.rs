//! HTTP/2 towards clients, by the h2 crate: the connection's task accepts requests and answers those that are
//! refused immediately; each other request has a task that forwards it and sends the response.

mod respond;

mod wire;

use crate::connection::Connection;
use crate::connection::http2_session::Session;
use crate::exchange::Exchange;
use crate::inbound::{Inbound, Inflow};
use crate::request;
use crate::stream::Stream;
use crate::thread::Thread;
use crate::ticks::{Alarm, ticks};
use bytes::Bytes;
use h2::server::{self, Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, Request, header};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use wire::Wire;

/// Concurrent streams of one connection.
const STREAMS_MAX: u32 = 128;
/// Streams that a client may open and reset before they are accepted, and streams that it makes the edge reset,
/// before the connection is closed (CVE-2023-44487, CVE-2025-8671).
const RESETS_MAX: usize = 64;
/// Bytes of a response that wait in one stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Requests accepted from a connection before other tasks of the thread run.
const BATCH: usize = 64;
/// Bytes of a head that are decoded so that an error page with a trace id is possible: beyond that, h2 answers by
/// itself.
const HEAD_DECODED_MIN: u32 = 256 * 1024;
/// Ticks that a client has to process GOAWAY.
const CALM_TICKS: u32 = 10;

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves HTTP/2 until the client goes.
pub(crate) async fn serve(thread: Rc<Thread>, connection: Rc<Connection>, stream: Stream) {
    let limits = thread.view().shared.edge.limits.clone();
    let session = Session::new(&connection);
    let alarm = thread.ticks.alarm();
    let wire = Wire::new(stream, Rc::clone(&session));
    let begin =
        begin(wire, limits.head_bytes, thread.ticks.after(limits.header_timeout), &alarm, &connection);
    let Some(conn) = Box::pin(begin).await else { return };
    let mut serving = Serving {
        conn,
        accepted: Vec::new(),
        leaving: None,
        drains: None,
        idle_ticks: ticks(limits.keepalive_timeout),
        body_ticks: ticks(limits.body_timeout),
        thread,
        session,
    };
    poll_fn(|cx| serving.poll(cx, &alarm)).await;
}

async fn begin(
    wire: Wire,
    head_bytes: u32,
    due: u32,
    alarm: &Alarm,
    connection: &Connection,
) -> Option<server::Connection<Wire, Bytes>> {
    let mut handshake = pin!(
        Builder::new()
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(head_bytes.saturating_mul(2).max(HEAD_DECODED_MIN))
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(Some(RESETS_MAX))
            .max_send_buffer_size(SEND_BUFFER)
            .enable_connect_protocol()
            .handshake::<_, Bytes>(wire)
    );
    poll_fn(|cx| {
        if let Poll::Ready(begun) = handshake.as_mut().poll(cx) {
            return Poll::Ready(begun.ok());
        }
        if connection.ticks.now() >= due {
            return Poll::Ready(None);
        }
        alarm.set(due, cx);
        Poll::Pending
    })
    .await
}

/// A connection that is served.
struct Serving {
    conn: server::Connection<Wire, Bytes>,
    accepted: Vec<Accepted>,
    /// The tick at which it ends, after GOAWAY was sent.
    leaving: Option<u32>,
    /// The tick at which GOAWAY is sent while the edge stops.
    drains: Option<u32>,
    idle_ticks: u32,
    body_ticks: u32,
    thread: Rc<Thread>,
    session: Rc<Session>,
}

impl Serving {
    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>, alarm: &Alarm) -> Poll<()> {
        self.session.register(cx);
        self.leave();
        let drained = loop {
            let Poll::Pending = self.accept(cx) else { return Poll::Ready(()) };
            let full = self.accepted.len() >= BATCH;
            let mut again = !self.accepted.is_empty();
            for (request, respond) in std::mem::take(&mut self.accepted) {
                self.begin(request, respond);
            }
            again |= self.session.window.borrow_mut().adapt(&mut self.conn);
            let drained = self.session.drain(cx);
            if full {
                cx.waker().wake_by_ref();
                break drained;
            }
            if !again {
                break drained;
            }
        };
        self.rest(drained, cx, alarm)
    }

    /// Takes what has come. First all, then each is begun: their responses share a packet.
    fn accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.accepted.len() < BATCH {
            match self.conn.poll_accept(cx) {
                Poll::Ready(Some(Ok(accepted))) => self.accepted.push(accepted),
                Poll::Ready(Some(Err(why))) => {
                    tracing::debug!("an HTTP/2 connection of a client ended: {why}");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    /// Begins a request. One that is refused is answered here and now.
    fn begin(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        self.session.progress();
        let (parts, stream) = request.into_parts();
        let length = if stream.is_end_stream() {
            Some(0)
        } else {
            let declared = parts.headers.get(header::CONTENT_LENGTH);
            let length = declared.and_then(|length| length.to_str().ok()?.parse().ok());
            self.session.window.borrow_mut().body(length);
            length
        };
        let is_head = parts.method == Method::HEAD;
        let body = Inbound::Http2(Inflow::new(stream, &self.session, length));
        match request::start(&self.thread, &self.session.connection, parts, body) {
            Ok(exchange) => self.spawn(exchange, respond),
            Err(response) => {
                if let Some((body, stream)) = respond::head(&self.thread, response, is_head, &mut respond) {
                    tokio::task::spawn_local(respond::body(Rc::clone(&self.session), body, stream));
                }
            }
        }
    }

    fn spawn(&self, exchange: Exchange, respond: SendResponse<Bytes>) {
        let (thread, session) = (Rc::clone(&self.thread), Rc::clone(&self.session));
        // Boxed where it is made: moved into its task it would be copied several times.
        tokio::task::spawn_local(Box::pin(respond::answer(thread, session, exchange, respond)));
    }

    /// Tells the client to go, where it is time for that.
    fn leave(&mut self) {
        let (connection, now) = (&self.session.connection, self.thread.ticks.now());
        if self.session.flooded() {
            let calm = now + CALM_TICKS;
            if self.leaving.is_none_or(|end| end > calm) {
                self.leaving = Some(calm);
                self.conn.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            return;
        }
        let idle = !self.busy() && now.saturating_sub(connection.last.get()) >= self.idle_ticks;
        if self.leaving.is_none() && (idle || self.thread.is_to_leave(&mut self.drains)) {
            self.leaving = Some(now + self.body_ticks);
            self.conn.graceful_shutdown();
        }
    }

    fn busy(&self) -> bool {
        self.session.connection.busy.get() > 0 || self.session.tunnels.get() > 0
    }

    /// Sets the alarm to what is due next, or ends the connection.
    fn rest(&self, drained: Option<u32>, cx: &Context<'_>, alarm: &Alarm) -> Poll<()> {
        let (connection, now) = (&self.session.connection, self.thread.ticks.now());
        let stuck = connection.stuck_since.get();
        if (stuck != 0 && now.saturating_sub(stuck) >= self.body_ticks)
            || self.leaving.is_some_and(|end| now >= end)
        {
            return Poll::Ready(());
        }
        if self.session.flooded() && self.leaving.is_none() {
            cx.waker().wake_by_ref();
        }
        let due = match (self.leaving, stuck) {
            (Some(end), _) => end,
            (None, 0) if self.busy() => now + self.idle_ticks,
            (None, 0) => connection.last.get() + self.idle_ticks,
            (None, stuck) => stuck + self.body_ticks,
        };
        let drains = self.drains.filter(|_| self.leaving.is_none());
        alarm.set([drained, drains].into_iter().flatten().fold(due, u32::min), cx);
        Poll::Pending
    }
}
