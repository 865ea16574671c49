//! A timer of the kernel that wakes within microseconds. Tokio's own wakes at whole milliseconds, which would be part of each
//! latency.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer.
#[derive(Debug)]
pub(crate) struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// # Errors
    /// When the process has too many open files.
    pub(crate) fn new() -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // Deprecated for types that do not own their descriptor; this one does. What replaces it is unsafe code.
        #[allow(deprecated)]
        AsyncFd::with_interest(timer, Interest::READABLE).map(Self)
    }

    /// Waits until an instant.
    ///
    /// # Errors
    /// When the kernel refuses the timer, which would be a bug.
    pub(crate) async fn wait_until(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // Others get their turn in any case.
            tokio::task::yield_now().await;
            return Ok(());
        }
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once(left))?;
        let mut ready = self.0.readable().await?;
        let mut expired = [0; 8];
        let _ = rustix::io::read(self.0.get_ref(), &mut expired);
        ready.clear_ready();
        Ok(())
    }
}

fn once(left: Duration) -> Itimerspec {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    };
    Itimerspec { it_interval: zero, it_value: value }
}
