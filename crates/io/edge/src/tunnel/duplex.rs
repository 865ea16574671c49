//! A stream of HTTP/2 as bytes both ways (RFC 8441).

use crate::connection::http2_session::Session;
use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The client's side of a tunnel.
pub(crate) struct Duplex {
    reading: RecvStream,
    sending: SendStream<Bytes>,
    /// Data received and not yet read.
    held: Bytes,
    ended: bool,
    session: Rc<Session>,
}

impl Duplex {
    pub(crate) fn new(reading: RecvStream, sending: SendStream<Bytes>, session: Rc<Session>) -> Self {
        session.tunnels.set(session.tunnels.get() + 1);
        Self { reading, sending, held: Bytes::new(), ended: false, session }
    }

    /// Waits for room for some of `wanted` bytes.
    fn room(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.sending.reserve_capacity(wanted.clamp(1, super::BUFFER));
        loop {
            let room = self.sending.capacity();
            if room > 0 {
                return Poll::Ready(Ok(room));
            }
            match ready!(self.sending.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // A RST_STREAM of the client is noticed even while the server sends nothing.
        if !this.ended && this.sending.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        while this.held.is_empty() {
            match ready!(this.reading.poll_data(cx)) {
                Some(Ok(data)) => {
                    let _ = this.reading.flow_control().release_capacity(data.len());
                    this.session.consumed(data.len());
                    this.held = data;
                }
                Some(Err(_)) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = this.held.len().min(buf.remaining());
        buf.put_slice(&this.held[..length]);
        this.held.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(self.room(buf.len(), cx))?;
        let part = &buf[..room.min(buf.len())];
        self.session.progress();
        match self.sending.send_data(Bytes::copy_from_slice(part), false) {
            Ok(()) => Poll::Ready(Ok(part.len())),
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended = true;
        let _ = self.sending.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        if !self.ended {
            self.sending.send_reset(Reason::CANCEL);
        }
        self.session.tunnels.set(self.session.tunnels.get().saturating_sub(1));
        self.session.connection.last.set(self.session.connection.ticks.now());
    }
}
