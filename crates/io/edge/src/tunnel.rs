//! After a 101: bytes both ways, with a buffer only while there are any.

mod duplex;
mod frames;

use crate::long_lived::{LongLived, Switched};
use crate::stream::Stream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use http::HeaderValue;
use ring::digest;
use socket2::{SockRef, TcpKeepalive};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) use duplex::Duplex;
use frames::Frames;

/// Bytes per read.
const BUFFER: usize = 16 * 1024;

thread_local! {
    /// A buffer shared by the tunnels of the thread: data that the other side accepts immediately needs no buffer
    /// of its own.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// Copies until both sides have closed, or one fails.
pub(crate) async fn run(mut tunnel: Box<Tunnel<Stream>>) {
    let _ = poll_fn(|cx| tunnel.poll(cx)).await;
}

/// The same for one stream of a client's HTTP/2 connection.
pub(crate) async fn http2(client: Duplex, switched: Box<Switched>) {
    let mut tunnel = Tunnel::new(client, Bytes::new(), *switched);
    let _ = poll_fn(|cx| tunnel.poll(cx)).await;
}

/// Enables TCP keepalive, so that a tunnel whose peer is gone ends within minutes.
pub(crate) fn watch(socket: &TcpStream) {
    let asks = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(20));
    if let Err(why) = SockRef::from(socket).set_tcp_keepalive(&asks) {
        tracing::debug!("keepalive cannot be set on a tunnel: {why}");
    }
}

/// A `Sec-WebSocket-Key`.
pub(crate) fn key() -> String {
    STANDARD.encode(fastrand::u128(..).to_be_bytes())
}

/// Whether the upgrade is to a WebSocket.
pub(crate) fn is_websocket(to: &HeaderValue) -> bool {
    to.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// The `Sec-WebSocket-Accept` by which a server shows that it knows of WebSockets (RFC 6455 section 4.2.2).
pub(crate) fn accept(key: &[u8]) -> Option<HeaderValue> {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    HeaderValue::try_from(STANDARD.encode(hash.finish())).ok()
}

/// Ticks for a tunnel that is to go: until a frame ends, and until both sides have closed.
const CLOSE_TICKS: u32 = 20;

/// Both ends and what is between them.
pub(crate) struct Tunnel<V> {
    client: V,
    server: Stream,
    up: Direction,
    down: Direction,
    /// The frames of a WebSocket towards the client.
    frames: Option<Box<Frames>>,
    connection: Option<LongLived>,
    leaving: Option<Leaving>,
}

/// A tunnel that is to go.
#[derive(Clone, Copy)]
struct Leaving {
    /// The close code, until the Close frame is on its way: then what the server sends is dropped.
    code: Option<u16>,
    /// The tick at which it ends in any case.
    until: u32,
}

/// One direction.
struct Direction {
    /// Data read and not yet accepted by the other side.
    held: Bytes,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The reader has ended; the writer is to be closed.
    Ending,
    Ended,
}

impl<V: AsyncRead + AsyncWrite + Unpin> Tunnel<V> {
    pub(crate) fn new(client: V, early: Bytes, switched: Switched) -> Box<Self> {
        let Switched { conn, connection, is_websocket } = switched;
        let (server, first) = conn.into_parts();
        watch(server.socket());
        let mut frames = is_websocket.then(|| Box::new(Frames::new()));
        if let Some(frames) = &mut frames {
            frames.feed(&first);
        }
        let direction = |held| Direction { held, state: State::Open };
        let (up, down) = (direction(early), direction(first));
        Box::new(Self { client, server, up, down, frames, connection, leaving: None })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(leaving) = self.leaving {
            return self.poll_leaving(leaving, cx);
        }
        let up = self.up.poll(cx, &mut self.client, &mut self.server, None)?;
        let down = self.down.poll(cx, &mut self.server, &mut self.client, self.frames.as_deref_mut())?;
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(Ok(()));
        }
        let Some(connection) = &self.connection else { return Poll::Pending };
        let Some(code) = connection.leaves(cx) else { return Poll::Pending };
        let leaving = Leaving { code: Some(code), until: connection.ticks().now() + CLOSE_TICKS };
        self.leaving = Some(leaving);
        self.poll_leaving(leaving, cx)
    }

    /// Closes a WebSocket: the client gets a Close frame where a frame of the server has ended, and its answer goes to
    /// the server, which closes. Other protocols just end. Its task is woken with each tick.
    fn poll_leaving(&mut self, mut leaving: Leaving, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_over = self.connection.as_ref().is_none_or(|connection| {
            let _ = connection.leaves(cx);
            connection.ticks().now() >= leaving.until
        });
        if is_over {
            return Poll::Ready(Ok(()));
        }
        let up = self.up.poll(cx, &mut self.client, &mut self.server, None)?;
        if let Some(code) = leaving.code {
            let Some(frames) = self.frames.as_deref_mut().filter(|frames| frames.is_open()) else {
                return Poll::Ready(Ok(()));
            };
            if !ready!(self.down.poll_boundary(cx, &mut self.server, &mut self.client, frames))? {
                return Poll::Ready(Ok(()));
            }
            self.down.held = Bytes::copy_from_slice(&frames::close(code));
            leaving.code = None;
            self.leaving = Some(leaving);
        }
        ready!(self.down.poll_held(cx, &mut self.client))?;
        if self.down.state == State::Open {
            let _ = Pin::new(&mut self.client).poll_flush(cx)?;
            ready!(discard(cx, &mut self.server))?;
            self.down.state = State::Ending;
        }
        ready!(self.down.poll(cx, &mut self.server, &mut self.client, None))?;
        up.map(Ok)
    }
}

/// Reads and drops until the end.
fn discard<R: AsyncRead + Unpin>(cx: &mut Context<'_>, from: &mut R) -> Poll<io::Result<()>> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    })
}

impl Direction {
    fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        mut frames: Option<&mut Frames>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_held(cx, to))?;
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Ended;
                }
                State::Open => {
                    // TLS sends buffered data only when flushed.
                    if Pin::new(&mut *to).poll_flush(cx)?.is_pending() {
                        return Poll::Pending;
                    }
                    ready!(self.move_some(cx, from, to, frames.as_deref_mut()))?;
                }
            }
        }
    }

    fn poll_held<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut *to).poll_write(cx, &self.held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(sent);
            if self.held.is_empty() {
                self.held = Bytes::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Moves up to the end of a frame. Ready with false where none may come.
    fn poll_boundary<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        frames: &mut Frames,
    ) -> Poll<io::Result<bool>> {
        loop {
            ready!(self.poll_held(cx, to))?;
            if frames.at_boundary() || self.state != State::Open || !frames.is_open() {
                return Poll::Ready(Ok(frames.at_boundary() && self.state == State::Open));
            }
            ready!(SCRATCH.with_borrow_mut(|scratch| {
                let mut buf = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut buf))?;
                let read = buf.filled();
                if read.is_empty() {
                    self.state = State::Ending;
                }
                let taken = frames.feed_to_boundary(read);
                self.held = Bytes::copy_from_slice(&read[..taken]);
                Poll::Ready(io::Result::Ok(()))
            }))?;
        }
    }

    fn move_some<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        frames: Option<&mut Frames>,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut buf))?;
            let read = buf.filled();
            if read.is_empty() {
                self.state = State::Ending;
                return Poll::Ready(Ok(()));
            }
            if let Some(frames) = frames {
                frames.feed(read);
            }
            let sent = match Pin::new(to).poll_write(cx, read)? {
                Poll::Ready(sent) => sent,
                Poll::Pending => 0,
            };
            if sent < read.len() {
                self.held = Bytes::copy_from_slice(&read[sent..]);
            }
            Poll::Ready(Ok(()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_the_one_of_the_rfc() {
        let right = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), Some(right));
    }
}
