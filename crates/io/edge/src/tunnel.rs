//! After a 101: bytes both ways, with a buffer only while there are any.

mod duplex;

use crate::stream::Stream;
use crate::upstream::h1::conn::Conn;
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
pub(crate) async fn http2(client: Duplex, conn: Box<Conn>) {
    let mut tunnel = Tunnel::new(client, Bytes::new(), *conn);
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

/// Both ends and what is between them.
pub(crate) struct Tunnel<V> {
    client: V,
    server: Stream,
    up: Direction,
    down: Direction,
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
    pub(crate) fn new(client: V, early: Bytes, conn: Conn) -> Box<Self> {
        let (server, first) = conn.into_parts();
        watch(server.socket());
        let direction = |held| Direction { held, state: State::Open };
        Box::new(Self { client, server, up: direction(early), down: direction(first) })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let up = self.up.poll(cx, &mut self.client, &mut self.server)?;
        let down = self.down.poll(cx, &mut self.server, &mut self.client)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Direction {
    fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        loop {
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
                    ready!(self.move_some(cx, from, to))?;
                }
            }
        }
    }

    fn move_some<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut buf))?;
            let read = buf.filled();
            if read.is_empty() {
                self.state = State::Ending;
                return Poll::Ready(Ok(()));
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
