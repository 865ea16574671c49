//! Instants and durations in one word.

use std::time::Duration;
use types::Time;

/// Parses an instant: `2026-01-05T09:00Z`.
#[must_use]
#[track_caller]
pub fn at(text: &str) -> Time {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// Seconds.
#[must_use]
pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
