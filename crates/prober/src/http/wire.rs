//! The bytes of one connection, plain or inside TLS, and when the first one came.

use crate::trouble::Flood;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

/// No more bytes than this are taken off one connection. The limits of head and body come first for all honest ways to
/// pack them; this one is for endless interim responses and for bodies that are nothing but packing.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// One connection.
pub(super) struct Wire {
    inner: Inner,
    first: FirstByte,
    left: usize,
}

/// When the first byte of the answer came.
pub(super) type FirstByte = Arc<OnceLock<Instant>>;

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { inner: Inner::Plain(stream), first: FirstByte::default(), left: BYTES_MAX }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self { inner: Inner::Tls(Box::new(stream)), first: FirstByte::default(), left: BYTES_MAX }
    }

    pub(super) fn first_byte(&self) -> FirstByte {
        Arc::clone(&self.first)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = match &mut self.inner {
            Inner::Plain(stream) => ready!(Pin::new(stream).poll_read(cx, buf)),
            Inner::Tls(stream) => match ready!(Pin::new(stream).poll_read(cx, buf)) {
                // Many servers hang up without TLS's own goodbye. Whether something is missing, the framing of HTTP knows.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                read => read,
            },
        };
        let came = buf.filled().len() - before;
        if came > 0 {
            self.first.get_or_init(Instant::now);
        }
        match self.left.checked_sub(came) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, Flood))),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
