//! Monotonic time of the edge: microseconds since the process began. Never a wall clock, never backwards.

use std::time::Duration;

/// An instant: microseconds since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// An instant in the infinite future.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `span` after this one; [`Tick::NEVER`] where that does not exist.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// Returns the duration from `earlier` to this instant; zero when this one is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A span in whole microseconds; the most there is when it is longer than that.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
