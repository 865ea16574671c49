//! The socket under an HTTP/2 connection: control frames are counted as they come, a client that reads nothing is
//! noticed.

use crate::connection::http2_session::Session;
use crate::stream::Stream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of the connection preface (RFC 9113 section 3.4), and of a frame's header.
const PREFACE: usize = 24;
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

/// A client's socket that speaks HTTP/2.
pub(super) struct Wire {
    stream: Stream,
    session: Rc<Session>,
    frames: Frames,
}

impl Wire {
    pub(super) fn new(stream: Stream, session: Rc<Session>) -> Self {
        Self { stream, session, frames: Frames::new() }
    }
}

/// Finds the frames in a stream of bytes.
struct Frames {
    /// Bytes until the next frame begins.
    payload: usize,
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    have: usize,
    /// The type of the first frame.
    first: Option<u8>,
}

impl Frames {
    fn new() -> Self {
        Self { payload: PREFACE, header: [0; HEADER], have: 0, first: None }
    }

    /// Whether the preface goes on with something else than settings (RFC 9113 section 3.4), which h2 would take.
    fn invalid(&self) -> bool {
        self.first.is_some_and(|kind| kind != SETTINGS)
    }

    /// Counts control frames: all but requests' heads and the content of bodies. Those that carry nothing of a
    /// body count too, and padded ones, which may carry nothing.
    fn control(&mut self, mut bytes: &[u8]) -> u32 {
        let mut count = 0;
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped = self.payload.min(bytes.len());
                self.payload -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.header;
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                self.first.get_or_insert(kind);
                let carries = match kind {
                    HEADERS => true,
                    DATA => (self.payload > 0 && flags & PADDED == 0) || flags & END_STREAM != 0,
                    _ => false,
                };
                count += u32::from(!carries);
            }
        }
        count
    }
}

impl AsyncRead for Wire {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.session.flooded() {
            // Nothing more is read: the connection's task ends it.
            this.session.wake();
            return Poll::Pending;
        }
        let had = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if polled.is_ready() {
            let count = this.frames.control(&buf.filled()[had..]);
            if this.frames.invalid() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if count > 0 {
                this.session.control(count);
            }
        }
        polled
    }
}

impl AsyncWrite for Wire {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.session.connection.wrote(&polled);
        polled
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.session.connection.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// The counts of frames whose bytes are all there, read one frame after the other.
    fn at_once(bytes: &[u8]) -> u32 {
        let mut rest = bytes.get(PREFACE..).unwrap_or_default();
        let mut count = 0;
        while let [a, b, c, kind, flags, _, _, _, _, payload @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let carries = match *kind {
                HEADERS => true,
                DATA => flags & END_STREAM != 0 || length > 0 && flags & PADDED == 0,
                _ => false,
            };
            count += u32::from(!carries);
            rest = payload.get(length..).unwrap_or_default();
        }
        count
    }

    fn in_pieces(bytes: &[u8], pieces: &[usize]) -> (u32, bool) {
        let (mut frames, mut rest, mut count) = (Frames::new(), bytes, 0);
        for piece in pieces.iter().chain(std::iter::once(&bytes.len())) {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            count += frames.control(now);
            rest = later;
        }
        (count, frames.invalid())
    }

    /// Frames of any type, flags and length, some cut short.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let frame = (0_u8..12, any::<u8>(), 0_u16..600, any::<u32>(), any::<bool>());
        proptest::collection::vec(frame, 0..40).prop_map(|frames| {
            let mut bytes = vec![b'p'; PREFACE];
            for (kind, flags, length, stream, cut) in frames {
                let [high, low] = length.to_be_bytes();
                bytes.extend([0, high, low, kind, flags]);
                bytes.extend(stream.to_be_bytes());
                bytes.extend(std::iter::repeat_n(kind, usize::from(if cut { length / 2 } else { length })));
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn counts_are_the_same_in_whatever_pieces_frames_come(
            bytes in prop_oneof![frames(), proptest::collection::vec(any::<u8>(), 0..2000)],
            pieces in proptest::collection::vec(0_usize..700, 0..60),
        ) {
            let whole = in_pieces(&bytes, &[]);
            prop_assert_eq!(whole.0, at_once(&bytes));
            prop_assert_eq!(in_pieces(&bytes, &pieces), whole);
            prop_assert_eq!(in_pieces(&bytes, &vec![1; bytes.len()]), whole);
        }
    }

    #[test]
    fn control_frames_are_counted_whatever_the_pieces() {
        let frame = |kind: u8, flags: u8, length: u8| {
            let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
            bytes.extend(std::iter::repeat_n(b'x', usize::from(length)));
            bytes
        };
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let frames = [
            (4, 0, 0, 1),
            (1, 4, 20, 0),
            (0, 0, 7, 0),
            (0, 0, 0, 1),
            (0, 1, 0, 0),
            (6, 1, 8, 1),
            (8, 0, 4, 1),
            (99, 0, 3, 1),
        ];
        for (kind, flags, length, _) in frames {
            bytes.extend(frame(kind, flags, length));
        }
        let right: u32 = frames.iter().map(|(.., counts)| counts).sum();
        for piece in 1..bytes.len() {
            let mut frames = Frames::new();
            let count: u32 = bytes.chunks(piece).map(|part| frames.control(part)).sum();
            assert_eq!(count, right, "in pieces of {piece}");
        }
    }
}
