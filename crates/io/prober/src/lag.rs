//! How late probes run. A prober that is always late must be noticed.

use hdrhistogram::Histogram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One significant digit: a quantile is at most a sixteenth too high, in 4 KB.
const DIGITS: u8 = 1;
/// More than an hour in microseconds; longer lags count as the longest.
const LONGEST_US: u64 = (1 << 32) - 1;

/// Statistics of how late probes run. Cheap to copy; all copies are one.
#[derive(Clone, Debug, Default)]
pub struct Lag(Arc<Mutex<LagSnapshot>>);

/// A probe is overdue after this lag, or after this fraction of its interval if that is shorter.
const LAG_MAX: Duration = Duration::from_secs(10);
const LAG_FRACTION: u32 = 5;

/// Counters at one instant.
#[derive(Clone, Debug, Default)]
pub struct LagSnapshot {
    /// Microseconds; `None` until the first probe.
    late: Option<Histogram<u64>>,
    /// Later than the interval allows.
    overdue: u64,
    lost: u64,
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
        self.counts().clone()
    }

    /// Records the lag of a probe with the interval `every`.
    pub fn record(&self, late: Duration, every: Duration) {
        let mut counts = self.counts();
        if counts.late.is_none() {
            // These bounds are valid, so that this is never an error.
            counts.late = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok();
        }
        if let Some(lags) = &mut counts.late {
            lags.saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
        }
        if late > LAG_MAX.min(every / LAG_FRACTION) {
            counts.overdue += 1;
        }
    }

    pub(crate) fn record_lost(&self) {
        self.counts().lost += 1;
    }

    fn counts(&self) -> MutexGuard<'_, LagSnapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LagSnapshot {
    /// Lags between two snapshots.
    #[must_use]
    pub fn since(&self, before: &Self) -> LagReport {
        let mut late = self.late.clone();
        if let (Some(late), Some(before)) = (&mut late, &before.late) {
            // `before` is an earlier state of the same counters, so that this is never an error.
            let _ = late.subtract(before);
        }
        let quantile =
            |share: f64| Duration::from_micros(late.as_ref().map_or(0, |late| late.value_at_quantile(share)));
        LagReport {
            asked: late.as_ref().map_or(0, Histogram::len),
            overdue: self.overdue.saturating_sub(before.overdue),
            lost: self.lost.saturating_sub(before.lost),
            p50: quantile(0.5),
            p99: quantile(0.99),
            max: quantile(1.0),
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
        fn quantile_is_at_most_a_sixteenth_too_high(micros in 0u64..3_600_000_000) {
            let lag = Lag::default();
            lag.record(Duration::from_micros(micros), EVERY);
            let p50 = lag.read().p50.as_micros() as u64;
            prop_assert!(p50 >= micros && p50 <= micros + micros / 16, "{p50} for {micros}");
        }
    }
}
