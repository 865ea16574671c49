//! Ranges of latencies that can be chosen.

use std::ops::Range;
use std::time::Duration;
use types::Time;
use types::time::earlier;

const HOUR: u64 = 3_600;

/// A range that ends now. Its buckets begin at round times of UTC, so that a page changes at most once per bucket and
/// sample, not with every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LatencyRange {
    Day,
    Week,
    Month,
    Quarter,
}

impl LatencyRange {
    pub(crate) const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// Parses the parameter of a URL; without one, the last 24 hours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Day);
        }
        Self::ALL.into_iter().find(|range| range.key() == text)
    }

    /// The parameter of a URL.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// Length in words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Quarter => "90 days",
        }
    }

    /// Seconds of a bucket, and their number.
    fn shape(self) -> (u64, usize) {
        match self {
            Self::Day => (HOUR / 4, 96),
            Self::Week => (2 * HOUR, 84),
            Self::Month => (6 * HOUR, 120),
            Self::Quarter => (24 * HOUR, 90),
        }
    }

    /// Number of buckets.
    pub(crate) fn buckets(self) -> usize {
        self.shape().1
    }

    /// Pattern of the times of its buckets.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Self::Day => "%H:%M",
            Self::Week | Self::Month => "%-d %b, %H:%M",
            Self::Quarter => "%-d %b",
        }
    }

    /// Pattern of the times below its axis.
    pub(crate) fn tick_pattern(self) -> &'static str {
        match self {
            Self::Day => "%H:%M",
            Self::Week | Self::Month | Self::Quarter => "%-d %b",
        }
    }

    /// The range whose last bucket contains `now`.
    pub(crate) fn until(self, now: Time) -> Range<Time> {
        let (seconds, buckets) = self.shape();
        let step = i64::try_from(seconds).unwrap_or(1);
        let end = now.as_second().div_euclid(step).saturating_add(1).saturating_mul(step);
        let end = Time::from_second(end).unwrap_or(now);
        let length = Duration::from_secs(seconds.saturating_mul(buckets as u64));
        earlier(end, length)..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_has_round_ends_and_contains_now() {
        let now: Time = "2026-11-22T04:21:09Z".parse().unwrap();
        for (range, from, to) in [
            (LatencyRange::Day, "2026-11-21T04:30:00Z", "2026-11-22T04:30:00Z"),
            (LatencyRange::Week, "2026-11-15T06:00:00Z", "2026-11-22T06:00:00Z"),
            (LatencyRange::Month, "2026-10-23T06:00:00Z", "2026-11-22T06:00:00Z"),
            (LatencyRange::Quarter, "2026-08-25T00:00:00Z", "2026-11-23T00:00:00Z"),
        ] {
            let span = range.until(now);
            assert_eq!((span.start.to_string(), span.end.to_string()), (from.to_owned(), to.to_owned()));
            assert_eq!(LatencyRange::parse(range.key()), Some(range));
        }
        assert_eq!(LatencyRange::parse(""), Some(LatencyRange::Day));
        assert_eq!(LatencyRange::parse("1y"), None);
        let _ = LatencyRange::Quarter.until(Time::MAX);
    }
}
