//! Limits on what a server may send: the size of one message, and the bytes of one round.

use crate::faults::TooMuchData;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest message that is accepted. The longest honest one is a row with a statement of some kB; the protocol allows 2 GB,
/// and the client library reserves memory for the declared length.
const MESSAGE_MAX: usize = 256 << 10;
/// Bytes that are accepted in one round.
pub(super) const ROUND_MAX: usize = 2 << 20;

/// A stream from a PostgreSQL server that fails when a limit is exceeded.
pub(super) struct Guarded<S> {
    inner: S,
    frame: Frame,
    budget: Arc<AtomicUsize>,
}

impl<S> Guarded<S> {
    /// Guards a stream. The budget is the number of bytes that may still come; the owner renews it for each round.
    pub(super) fn new(inner: S, budget: Arc<AtomicUsize>) -> Self {
        Self { inner, frame: Frame::default(), budget }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, into))?;
        let read = into.filled().get(before..).unwrap_or_default();
        let left = self.budget.load(Ordering::Relaxed);
        let within = left.checked_sub(read.len()).filter(|_| self.frame.follow(read));
        match within {
            Some(rest) => {
                self.budget.store(rest, Ordering::Relaxed);
                Poll::Ready(Ok(()))
            }
            None => {
                // The library must not see the header of a message for which it would reserve memory.
                into.set_filled(before);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, TooMuchData)))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Place in the sequence of messages: a type byte, a length of four bytes that counts itself, a body.
#[derive(Default)]
struct Frame {
    header: [u8; 5],
    /// Bytes of the header that have come.
    have: usize,
    /// Bytes of the body that are still to come.
    body: usize,
}

impl Frame {
    /// Follows the stream over these bytes. Returns `false` at a message that is too long.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.body > 0 {
                let skipped = self.body.min(bytes.len());
                self.body -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            self.header[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == self.header.len() {
                let [_, length @ ..] = self.header;
                // A length below 4 is an error that the library reports.
                let length = u32::from_be_bytes(length).saturating_sub(4);
                self.body = usize::try_from(length).unwrap_or(usize::MAX);
                self.have = 0;
                if self.body > MESSAGE_MAX {
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![b'D'];
        bytes.extend_from_slice(&u32::try_from(length + 4).unwrap().to_be_bytes());
        bytes.resize(length + 5, 0xff);
        bytes
    }

    proptest! {
        #[test]
        fn long_message_is_found_however_it_is_cut(
            lengths in prop::collection::vec(0..600_usize, 0..20),
            piece in 1..700_usize,
        ) {
            let mut stream: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let mut frame = Frame::default();
            prop_assert!(stream.chunks(piece).all(|chunk| frame.follow(chunk)));
            stream.extend_from_slice(&message(MESSAGE_MAX + 1)[..5]);
            let mut frame = Frame::default();
            prop_assert!(!stream.chunks(piece).all(|chunk| frame.follow(chunk)));
        }
    }
}
