//! A client's socket as hyper sees it.

use crate::connection::Connection;
use crate::stream::Stream;
use crate::thread::Thread;
use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes up to which parts are copied together.
const TOGETHER: usize = 1024;

/// A client's socket that speaks HTTP/1.1.
pub(crate) struct Socket {
    thread: Rc<Thread>,
    pub(crate) stream: Stream,
    pub(crate) connection: Rc<Connection>,
    /// Bytes read before hyper took the connection over.
    pub(crate) before: Bytes,
    /// hyper's own response to an unreadable head. It is not sent: the edge sends an error page instead.
    pub(crate) bare: Vec<u8>,
    /// The rest of a partly sent interim response.
    owed: Bytes,
}

impl Socket {
    pub(crate) fn new(thread: Rc<Thread>, stream: Stream, connection: Rc<Connection>, before: Bytes) -> Self {
        Self { thread, stream, connection, before, bare: Vec::new(), owed: Bytes::new() }
    }

    /// Whether hyper writes a response without a request: nothing is in progress, and all responses have been sent.
    fn unasked(&self) -> bool {
        self.connection.flushed.get() && self.connection.busy.get() == 0
    }

    /// Sends interim responses. Ready when none is left before the final one.
    #[cold]
    fn poll_interim(&mut self, may: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.owed.is_empty() {
            let interim = std::mem::take(&mut *self.connection.interim.borrow_mut());
            if interim.is_empty() || !may {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.stream).poll_write(cx, &interim)? {
                Poll::Ready(sent) => self.owed = Bytes::from(interim).slice(sent..),
                // It does not fit, and may be dropped.
                Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
        while !self.owed.is_empty() {
            let polled = Pin::new(&mut self.stream).poll_write(cx, &self.owed);
            self.connection.wrote(&polled);
            let sent = ready!(polled)?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.owed.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends interim responses before the first byte of a final response: if both are ready together, this is the
    /// last moment.
    #[inline]
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let may = self.connection.clean.replace(false);
        if !self.owed.is_empty() || (may && !self.connection.interim.borrow().is_empty()) {
            return self.poll_interim(may, cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let had = buf.filled().len();
        let polled = if this.before.is_empty() {
            let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
            this.connection.dry.set(polled.is_pending());
            polled
        } else {
            this.connection.dry.set(false);
            let length = this.before.len().min(buf.remaining());
            buf.put_slice(&this.before[..length]);
            this.before.advance(length);
            if this.before.is_empty() {
                this.before = Bytes::new();
            }
            Poll::Ready(Ok(()))
        };
        if polled.is_ready() {
            let connection = &this.connection;
            connection.came.set(connection.came.get() + buf.filled().len() - had);
            if connection.busy.get() == 0 && connection.head_since.get() == 0 {
                connection.head_since.set(connection.ticks.now());
            }
        }
        polled
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.unasked() {
            self.bare.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(self.poll_first(cx))?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.connection.wrote(&polled);
        polled
    }

    /// Small parts are put together first: one plain send costs less than a gathering one.
    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.unasked() {
            let part = bufs.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
            return self.poll_write(cx, part);
        }
        ready!(self.poll_first(cx))?;
        let stream = Pin::new(&mut self.stream);
        let polled = if bufs.iter().map(|part| part.len()).sum::<usize>() <= TOGETHER {
            let (mut together, mut length) = ([0; TOGETHER], 0);
            for part in bufs {
                together[length..length + part.len()].copy_from_slice(part);
                length += part.len();
            }
            stream.poll_write(cx, &together[..length])
        } else {
            stream.poll_write_vectored(cx, bufs)
        };
        self.connection.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper's own buffer is empty here: an interim response cannot come into the middle of another one.
        if !self.owed.is_empty() || !self.connection.interim.borrow().is_empty() {
            let may = self.connection.waits.get();
            ready!(self.poll_interim(may, cx))?;
        }
        if self.connection.waits.get() {
            self.connection.clean.set(true);
        }
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // hyper flushes whenever it is polled: here is checked whether the waiting client has gone. A client that
        // has only closed its sending side may still read (RFC 9112 section 9.6), but keeps no place for which
        // others queue.
        if self.connection.waits.get()
            && let Poll::Ready(Ok(0)) = self.stream.socket().poll_peek(cx, &mut ReadBuf::new(&mut [0]))
            && self.thread.crowded(self.connection.pool.get())
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // hyper flushes the socket when its own buffer is empty: with no request in progress, all has left.
        if polled.is_ready() && self.connection.busy.get() == 0 && !self.connection.flushed.replace(true) {
            self.connection.activity.idle(self.connection.last.get());
        }
        polled
    }

    /// The stream is closed after hyper is dropped.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
