//! The sign of life of the event loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time of the last batch of the event loop, for the watchdog. Milliseconds of monotonic time since the start.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat(Instant, Arc<AtomicU64>);

impl Default for Heartbeat {
    fn default() -> Self {
        Self(Instant::now(), Arc::default())
    }
}

impl Heartbeat {
    /// The sign of life of an event loop whose last batch was `age` ago.
    #[cfg(test)]
    pub(crate) fn silent_for(age: Duration) -> Self {
        Self(Instant::now().checked_sub(age).unwrap(), Arc::default())
    }

    /// Records that a batch begins.
    pub(crate) fn record(&self) {
        let since = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.1.store(since, Ordering::Relaxed);
    }

    /// Time since the last batch.
    #[must_use]
    pub(crate) fn age(&self) -> Duration {
        self.0.elapsed().saturating_sub(Duration::from_millis(self.1.load(Ordering::Relaxed)))
    }
}
