//! The byte stream of one connection, plain or TLS, with byte limits and the time of the first byte.

use crate::faults::TooMuchData;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

/// No more bytes than this are taken off one connection before the head of the response is whole: for endless interim
/// responses, which are dear to read. The limit of the head itself comes first for all honest ways.
const BEFORE_HEAD_MAX: usize = 512 * 1024;
/// Nor more than this after it: for bodies that are nothing but packing.
const AFTER_HEAD_MAX: usize = 2 * super::page::SEARCHED_BYTES_MAX;

/// One connection.
pub(super) struct Stream {
    inner: Inner,
    first: FirstByte,
    allowance: Allowance,
    /// Whether anything of the question was sent. Nothing is read before: a server that speaks first would otherwise be
    /// reported by one word or another, as the race goes.
    asked: bool,
    reader: Option<Waker>,
}

/// Bytes that may still be received.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// The head of the response is whole.
    pub(super) fn head_came(&self) {
        self.0.store(AFTER_HEAD_MAX, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> Result<(), TooMuchData> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(bytes).ok_or(TooMuchData)?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// Time of the first byte of the response.
pub(super) type FirstByte = Arc<OnceLock<Instant>>;

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::over(Inner::Plain(stream))
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::over(Inner::Tls(Box::new(stream)))
    }

    fn over(inner: Inner) -> Self {
        let allowance = Allowance(Arc::new(AtomicUsize::new(BEFORE_HEAD_MAX)));
        Self { inner, first: FirstByte::default(), allowance, asked: false, reader: None }
    }

    /// Whether the server chose HTTP/2 in the handshake.
    pub(super) fn is_http2(&self) -> bool {
        match &self.inner {
            Inner::Plain(_) => false,
            Inner::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    pub(super) fn first_byte(&self) -> FirstByte {
        Arc::clone(&self.first)
    }

    pub(super) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
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
        match self.allowance.take(came) {
            Ok(()) => Poll::Ready(read),
            Err(flood) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, flood))),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.inner {
            Inner::Plain(stream) => ready!(Pin::new(stream).poll_write(cx, buf)),
            Inner::Tls(stream) => ready!(Pin::new(stream).poll_write(cx, buf)),
        };
        self.asked = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(written)
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
