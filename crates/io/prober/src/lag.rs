//! How late probes run. A prober that is always late must be noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets per power of two of microseconds: a value is at most an eighth too high.
const PARTS: u64 = 8;
const PARTS_BITS: u32 = PARTS.trailing_zeros();
/// Enough for more than an hour; longer lags count as the last bucket.
const BUCKETS: usize = 30 * PARTS as usize;

/// Statistics of how late probes run. Cheap to copy; all copies are one.
#[derive(Clone, Debug, Default)]
pub struct Lag(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    late: [AtomicU64; BUCKETS],
    /// Later than the interval allows.
    overdue: AtomicU64,
    lost: AtomicU64,
}

/// A probe is overdue after this lag, or after this fraction of its interval if that is shorter.
const LAG_MAX: Duration = Duration::from_secs(10);
const LAG_FRACTION: u32 = 5;

/// Counters at one instant.
#[derive(Clone, Debug, Default)]
pub struct LagSnapshot {
    late: Vec<u64>,
    overdue: u64,
    lost: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            late: std::array::from_fn(|_| AtomicU64::new(0)),
            overdue: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }
}

/// Lags of the scheduler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LagReport {
    /// Probes run at their regular time.
    pub asked: u64,
    /// Probes that ran later than 10 s or a fifth of their interval, whichever is shorter.
    pub overdue: u64,
    /// Results that were not accepted in time, or lost in a panic.
    pub lost: u64,
    /// Median lag.
    pub p50: Duration,
    /// 99th percentile of the lag.
    pub p99: Duration,
    /// Longest lag.
    pub max: Duration,
}

impl Lag {
    /// Lags since the start.
    #[must_use]
    pub fn read(&self) -> LagReport {
        self.snapshot().since(&LagSnapshot::default())
    }

    /// The counters now; [`LagSnapshot::since`] compares two snapshots.
    #[must_use]
    pub fn snapshot(&self) -> LagSnapshot {
        LagSnapshot {
            late: self.0.late.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            overdue: self.0.overdue.load(Ordering::Relaxed),
            lost: self.0.lost.load(Ordering::Relaxed),
        }
    }

    /// Records the lag of a probe with the interval `every`.
    pub fn record(&self, late: Duration, every: Duration) {
        if let Some(count) = self.0.late.get(bucket(late)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if late > LAG_MAX.min(every / LAG_FRACTION) {
            self.0.overdue.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn record_lost(&self) {
        self.0.lost.fetch_add(1, Ordering::Relaxed);
    }
}

impl LagSnapshot {
    /// Lags between two snapshots.
    #[must_use]
    pub fn since(&self, before: &Self) -> LagReport {
        let was = before.late.iter().copied().chain(std::iter::repeat(0));
        let counts: Vec<u64> = self.late.iter().zip(was).map(|(now, was)| now.saturating_sub(was)).collect();
        let asked: u64 = counts.iter().sum();
        let quantile = |per_cent: u64| {
            let wanted = (asked * per_cent).div_ceil(100).max(1);
            let mut seen = 0;
            let place = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            place.map_or(Duration::ZERO, ceiling)
        };
        LagReport {
            asked,
            overdue: self.overdue.saturating_sub(before.overdue),
            lost: self.lost.saturating_sub(before.lost),
            p50: quantile(50),
            p99: quantile(99),
            max: quantile(100),
        }
    }
}

impl LagReport {
    /// Whether more than 1 % of the probes ran later than the interval allows.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.overdue > self.asked / 100
    }
}

fn bucket(late: Duration) -> usize {
    let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
    if micros < PARTS {
        return usize::try_from(micros).unwrap_or(0);
    }
    let power = micros.ilog2() - PARTS_BITS;
    let part = (micros >> power) - PARTS;
    let place = u64::from(power + 1) * PARTS + part;
    usize::try_from(place).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The highest lag that a bucket holds.
fn ceiling(bucket: usize) -> Duration {
    let place = bucket as u64;
    let (power, part) = (place / PARTS, place % PARTS);
    Duration::from_micros(match power.checked_sub(1) {
        None => part,
        Some(power) => ((PARTS + part + 1) << power) - 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVERY: Duration = Duration::from_secs(1);

    #[test]
    fn quantiles_cover_everything_or_the_time_since_a_snapshot() {
        let lag = Lag::default();
        for _ in 0..98 {
            lag.record(Duration::from_micros(100), EVERY);
        }
        lag.record(Duration::from_millis(20), EVERY);
        lag.record(Duration::from_millis(900), EVERY);
        let read = lag.read();
        assert_eq!(read.asked, 100);
        assert!((100..=113).contains(&read.p50.as_micros()), "{read:?}");
        assert!((20..=23).contains(&read.p99.as_millis()), "{read:?}");
        assert!((900..=1013).contains(&read.max.as_millis()), "{read:?}");
        let before = lag.snapshot();
        assert_eq!(lag.snapshot().since(&before), LagReport::default());
        lag.record(Duration::from_millis(300), EVERY);
        let since = lag.snapshot().since(&before);
        assert_eq!((since.asked, since.overdue), (1, 1), "a fifth of its interval");
        assert!((300..=338).contains(&since.p50.as_millis()), "{since:?}");
        assert!(since.is_late());
        assert!(!read.is_late(), "one of a hundred");
    }

    proptest! {
        #[test]
        fn a_bucket_tells_at_most_an_eighth_too_much(micros in 0u64..3_600_000_000) {
            let told = ceiling(bucket(Duration::from_micros(micros))).as_micros() as u64;
            prop_assert!(told >= micros && told <= micros + micros / 8, "{micros} told as {told}");
        }
    }
}
