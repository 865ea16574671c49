//! How many messages may be sent now.

use std::time::Duration;
use types::{Time, time};

/// Share of a minute that may be sent in a burst.
const BURSTS_PER_MINUTE: u32 = 20;

/// Spreads messages over each minute.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    per_minute: u32,
    /// Thousandths of messages that may be sent now.
    left: u64,
    at: Time,
}

impl Pace {
    /// At most this number of messages a minute, from now on.
    #[must_use]
    pub fn new(per_minute: u32, now: Time) -> Self {
        let per_minute = per_minute.max(1);
        Self { per_minute, left: Self::burst(per_minute), at: now }
    }

    /// Changes the number of messages a minute.
    pub fn set(&mut self, per_minute: u32) {
        self.per_minute = per_minute.max(1);
        self.left = self.left.min(Self::burst(self.per_minute));
    }

    fn burst(per_minute: u32) -> u64 {
        u64::from((per_minute / BURSTS_PER_MINUTE).max(1)) * 1_000
    }

    /// Takes up to this number of messages; returns how many.
    pub fn take(&mut self, wanted: usize, now: Time) -> usize {
        if now < self.at {
            // The clock was set back.
            self.at = now;
        }
        let passed = u64::try_from(time::between(self.at, now).as_micros()).unwrap_or(u64::MAX);
        let grown = passed.saturating_mul(u64::from(self.per_minute)) / 60_000;
        // Less than a thousandth is kept for the next call.
        if grown > 0 {
            self.left = self.left.saturating_add(grown).min(Self::burst(self.per_minute));
            self.at = now;
        }
        let taken = wanted.min(usize::try_from(self.left / 1_000).unwrap_or(usize::MAX));
        self.left = self.left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX).saturating_mul(1_000));
        taken
    }

    /// Gives back messages that were taken and not sent.
    pub fn give_back(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(1_000);
        self.left = self.left.saturating_add(count).min(Self::burst(self.per_minute));
    }

    /// Time until the next message may be sent, if none may be now.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let missing = 1_000_u64.saturating_sub(self.left);
        Duration::from_micros(missing.saturating_mul(60_000) / u64::from(self.per_minute) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_that_is_set_back_stops_nothing() {
        let mut now: Time = "2026-12-02T12:00:00Z".parse().unwrap();
        let mut pace = Pace::new(60, time::later(now, Duration::from_secs(86_400)));
        pace.take(usize::MAX, now);
        now = time::later(now, Duration::from_secs(2));
        assert_eq!(pace.take(usize::MAX, now), 2);
    }

    #[test]
    fn minute_has_its_number_of_messages_after_the_first_burst() {
        for (per_minute, burst) in [(1, 1), (7, 1), (600, 30), (100_000, 5_000)] {
            let mut now: Time = "2026-12-02T12:00:00Z".parse().unwrap();
            let mut pace = Pace::new(per_minute, now);
            assert_eq!(pace.take(usize::MAX, now), burst);
            let (end, mut sent) = (time::later(now, Duration::from_secs(60)), 0);
            while now < end {
                now = time::later(now, pace.wait().max(Duration::from_millis(7)));
                sent += pace.take(64, now);
            }
            let expected = usize::try_from(per_minute).unwrap();
            // 64 every seven milliseconds is the other bound.
            let expected = expected.min(64 * 60_000 / 7);
            assert!(sent <= expected + 1 && sent + 2 + expected / 50 >= expected, "{per_minute}: {sent}");
        }
    }
}
