//! One connection to a server, with its send and receive buffers.

use crate::stream::Stream;
use bytes::{Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const READ_MIN: usize = 4 * 1024;
const READ_MAX: usize = 64 * 1024;
/// A head that grew beyond this is not kept with an idle connection.
const HEAD_KEPT: usize = 4 * 1024;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: Stream,
    /// Data received and not yet consumed.
    pub(crate) read: BytesMut,
    /// Size of the next read: as much as the last responses needed.
    next: usize,
    /// Sent first: a head, or the size of a chunk.
    pub(crate) head: Vec<u8>,
    at: usize,
    /// Then this.
    pub(crate) data: Bytes,
    /// Then this.
    pub(crate) tail: &'static [u8],
    /// Requests that it has answered.
    pub(crate) answered: u32,
    /// The tick since which it is idle.
    pub(crate) idle_since: u32,
}

impl Conn {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            next: READ_MIN,
            head: Vec::with_capacity(1024),
            at: 0,
            data: Bytes::new(),
            tail: b"",
            answered: 0,
            idle_since: 0,
        }
    }

    /// Whether everything was written.
    pub(crate) fn written(&self) -> bool {
        self.at == self.head.len() && self.data.is_empty() && self.tail.is_empty()
    }

    /// Whether nothing was written to the socket yet.
    pub(crate) fn unsent(&self) -> bool {
        self.at == 0 && !self.head.is_empty()
    }

    /// Writes head, data and tail, together where the socket takes them.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.written() {
            let stream = Pin::new(&mut self.stream);
            let sent = if self.data.is_empty() && self.tail.is_empty() {
                ready!(stream.poll_write(cx, &self.head[self.at..]))?
            } else {
                let parts =
                    [IoSlice::new(&self.head[self.at..]), IoSlice::new(&self.data), IoSlice::new(self.tail)];
                ready!(stream.poll_write_vectored(cx, &parts))?
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent(sent);
        }
        self.head.clear();
        self.at = 0;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn sent(&mut self, mut sent: usize) {
        let head = sent.min(self.head.len() - self.at);
        self.at += head;
        sent -= head;
        let data = sent.min(self.data.len());
        if data == self.data.len() {
            self.data = Bytes::new();
        } else {
            bytes::Buf::advance(&mut self.data, data);
        }
        sent -= data;
        self.tail = &self.tail[sent..];
    }

    /// Reads available data; 0 at the end. `want`: bytes that are known to be missing.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, want: usize) -> Poll<io::Result<usize>> {
        // A little more than is missing: a read that fills its buffer would cause another one.
        let room = if want == 0 { self.next } else { want.saturating_add(64).min(READ_MAX) };
        if self.read.capacity() - self.read.len() < room {
            self.read.reserve(room);
        }
        let spare = self.read.capacity() - self.read.len();
        let mut limited = bytes::BufMut::limit(&mut self.read, spare);
        let got = ready!(read_buf(Pin::new(&mut self.stream), cx, &mut limited))?;
        if got == spare {
            self.next = (self.next * 2).min(READ_MAX);
        } else if got < self.next / 4 {
            self.next = (self.next / 2).max(READ_MIN);
        }
        Poll::Ready(Ok(got))
    }

    /// Whether an idle connection can still be used: nothing has come on it, and no end.
    pub(crate) fn fresh(&mut self) -> bool {
        if !self.read.is_empty() || !self.written() {
            return false;
        }
        let mut byte = [0u8; 1];
        if let Stream::Plain(socket) = &self.stream {
            // Without a waker that would be put away for nothing.
            return socket.try_read(&mut byte).is_err_and(|why| why.kind() == io::ErrorKind::WouldBlock);
        }
        let mut buf = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_read(&mut cx, &mut buf).is_pending()
    }

    /// Gives back what a long head took, before it is put away.
    pub(crate) fn tidy(&mut self) {
        if self.head.capacity() > HEAD_KEPT {
            self.head = Vec::with_capacity(1024);
        }
        if self.read.is_empty() && self.read.capacity() > 2 * READ_MAX {
            self.read = BytesMut::new();
        }
    }

    /// The socket, and what was read beyond the head.
    pub(crate) fn into_parts(self) -> (Stream, Bytes) {
        (self.stream, Bytes::copy_from_slice(&self.read))
    }
}

/// `tokio::io::AsyncReadExt::read_buf`, polled.
fn read_buf<B: bytes::BufMut>(
    stream: Pin<&mut Stream>,
    cx: &mut Context<'_>,
    buf: &mut B,
) -> Poll<io::Result<usize>> {
    use tokio::io::AsyncReadExt;
    let stream = stream.get_mut();
    let mut reading = std::pin::pin!(stream.read_buf(buf));
    std::future::Future::poll(reading.as_mut(), cx)
}
