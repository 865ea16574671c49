//! Receive windows of HTTP/2 connections: small first, larger for uploads, within one budget for the whole process.
//!
//! Bytes that a client may send before the edge reads them are memory that the client can occupy. HTTP/2's initial
//! 64 KiB per connection cannot be taken back; everything beyond is reserved from [`BUDGET`] and released with the
//! connection.

use bytes::Buf;
use h2::server::Connection;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};

/// KiB that all connections together may have beyond HTTP/2's initial windows.
const BUDGET: u32 = 256 * 1024;
/// The part that clients can reserve by declaring a length; the rest is for uploads that were measured to flow.
const BUDGET_DECLARED: u32 = BUDGET / 2;
static RESERVED: AtomicU32 = AtomicU32::new(0);

/// Bytes that a connection may send: as HTTP/2 begins, once it sends bodies, for long ones, for long ones that flow.
const WINDOWS: [u32; 4] = [65_535, 256 * 1024, 2 * 1024 * 1024, 4 * 1024 * 1024];
/// Window of one stream: 2 MiB carry 168 Mbit/s over a path of 100 ms. Half of the connection's, so that one stream
/// whose server reads nothing does not block the others.
const STREAMS: [u32; 4] = [65_535, 65_535, 1024 * 1024, 2 * 1024 * 1024];
/// A declared length up to which the initial window of a stream is enough.
const SHORT_BODY: u64 = 64 * 1024;
/// Bytes taken from a connection after which its uploads count as flowing, and after which they count as long.
const FLOWS: u64 = 128 * 1024;
const FLOWS_LONG: u64 = 512 * 1024;

/// A connection's receive window.
#[derive(Default)]
pub(crate) struct Window {
    level: usize,
    wanted: usize,
    /// Whether the new stream window has not been announced yet.
    untold: bool,
    reserved: u32,
    consumed: u64,
}

impl Window {
    /// A request with a body begins.
    pub(crate) fn body(&mut self, length: Option<u64>) {
        let long = length.is_some_and(|length| length > SHORT_BODY);
        self.wanted = self.wanted.max(if long { 2 } else { 1 });
    }

    /// Counts bytes of a body taken from the connection. Returns whether its window may grow.
    pub(crate) fn consumed(&mut self, bytes: usize) -> bool {
        if self.wanted == 3 && !self.untold {
            return false;
        }
        self.consumed += bytes as u64;
        let flows = match self.consumed {
            FLOWS_LONG.. => 3,
            FLOWS.. => 2,
            _ => 0,
        };
        self.wanted = self.wanted.max(flows);
        self.untold || (self.level < self.wanted && self.consumed >= FLOWS)
    }

    /// Grows the window as far as wanted and affordable. Returns whether something must be sent.
    pub(crate) fn adapt<T, B>(&mut self, conn: &mut Connection<T, B>) -> bool
    where
        T: AsyncRead + AsyncWrite + Unpin,
        B: Buf,
    {
        let mut grew = false;
        while self.level < self.wanted && self.reserve(self.level + 1) {
            self.level += 1;
            conn.set_target_window_size(WINDOWS[self.level]);
            self.untold |= STREAMS[self.level] > STREAMS[self.level - 1];
            grew = true;
        }
        // Fails while the client has not acknowledged the settings before.
        if self.untold && conn.set_initial_window_size(STREAMS[self.level]).is_ok() {
            self.untold = false;
            grew = true;
        }
        grew
    }

    fn reserve(&mut self, level: usize) -> bool {
        let more = (WINDOWS[level] - WINDOWS[level - 1]).div_ceil(1024);
        let most = if self.consumed >= FLOWS { BUDGET } else { BUDGET_DECLARED };
        let add = |reserved: u32| reserved.checked_add(more).filter(|sum| *sum <= most);
        let taken = RESERVED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        if taken {
            self.reserved += more;
        }
        taken
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        RESERVED.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_lengths_take_half_of_the_budget_and_flowing_uploads_the_rest() {
        let mut windows = Vec::new();
        let mut long = |consumed: u64| {
            let mut window = Window { consumed, ..Window::default() };
            let got = window.reserve(1) && window.reserve(2);
            windows.push(window);
            got
        };
        assert_eq!((0..200).filter(|_| long(0)).count(), 66, "2 MiB but for 64 KiB each, of 128 MiB");
        assert!((0..200).filter(|_| long(FLOWS)).count() >= 60);
        drop(windows);
        assert_eq!(RESERVED.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn window_grows_by_declared_length_or_by_flow() {
        let mut window = Window::default();
        window.body(Some(100));
        assert_eq!(window.wanted, 1);
        assert!(!window.consumed(100));
        assert!(window.consumed(FLOWS as usize) && window.wanted == 2);
        assert!(window.consumed(FLOWS_LONG as usize) && window.wanted == 3);
        assert!(!window.consumed(FLOWS_LONG as usize), "asked once");
        let mut window = Window::default();
        window.body(None);
        assert_eq!(window.wanted, 1);
        window.body(Some(SHORT_BODY + 1));
        assert_eq!(window.wanted, 2);
    }
}
