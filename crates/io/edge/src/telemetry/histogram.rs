//! Latencies in an HDR histogram: sixteen buckets to each doubling, so that a bound is off by 6 % at most.

use std::time::Duration;

/// One significant digit: 384 buckets, 3 KB for each route and server of a thread.
const DIGITS: u8 = 1;
/// Longest latency in microseconds, 134 seconds; a longer one is counted in the last bucket.
const LONGEST_US: u64 = (1 << 27) - 1;

/// Counts of latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// `None` until the first latency: most routes of a thread have none.
    buckets: Option<hdrhistogram::Histogram<u64>>,
    /// The exact sum: the one of the buckets is off by up to 6 %.
    sum_us: u64,
}

impl Histogram {
    pub(super) fn count(&self) -> u64 {
        self.buckets.as_ref().map_or(0, hdrhistogram::Histogram::len)
    }

    pub(super) fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    pub(super) fn note(&mut self, us: u32) {
        if self.buckets.is_none() {
            // These bounds are valid, so that this is never an error.
            self.buckets = hdrhistogram::Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok();
        }
        if let Some(buckets) = &mut self.buckets {
            buckets.saturating_record(u64::from(us));
            self.sum_us += u64::from(us);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let Some(theirs) = other.buckets.as_ref().filter(|theirs| !theirs.is_empty()) else { return };
        match &mut self.buckets {
            // Equal bounds, so that this is never an error.
            Some(mine) => {
                let _ = mine.add(theirs);
            }
            none => *none = Some(theirs.clone()),
        }
        self.sum_us += other.sum_us;
    }

    /// Removes all latencies and keeps the memory.
    pub(super) fn clear(&mut self) {
        if let Some(buckets) = self.buckets.as_mut().filter(|buckets| !buckets.is_empty()) {
            buckets.reset();
        }
        self.sum_us = 0;
    }

    /// The latency that `share` of all stayed below (0.99: the 99th percentile); zero without any.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.buckets.as_ref().map_or(0, |buckets| buckets.value_at_quantile(share)))
    }

    /// Returns how many latencies were from `from` to below `to` microseconds. Exact where both are powers of two.
    pub(super) fn between(&self, from: u64, to: u64) -> u64 {
        self.buckets.as_ref().map_or(0, |buckets| buckets.count_between(from, to - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(all: &[u32]) -> Histogram {
        let mut histogram = Histogram::default();
        all.iter().for_each(|us| histogram.note(*us));
        histogram
    }

    #[test]
    fn quantiles_are_within_the_bucket_error() {
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
        let mut all = of(&(1..=10_000).collect::<Vec<u32>>());
        let off = |share, us: f64| (all.quantile(share).as_micros() as f64 / us - 1.0).abs();
        assert!(off(0.5, 5_000.0) < 0.065 && off(0.99, 9_900.0) < 0.065 && off(1.0, 10_000.0) < 0.065);
        assert_eq!((all.count(), all.sum()), (10_000, Duration::from_micros(50_005_000)));
        all.clear();
        assert_eq!((all.count(), all.sum(), all.between(0, 1 << 27)), (0, Duration::ZERO, 0));
    }

    proptest! {
        #[test]
        fn counts_between_powers_of_two_are_exact(
            all in prop::collection::vec(any::<u32>(), 1..50),
            log2 in 0u32..27,
        ) {
            let (from, to) = (1 << log2, 2 << log2);
            let exact = |range: std::ops::Range<u64>| {
                all.iter().filter(|us| range.contains(&u64::from(**us).min(LONGEST_US))).count() as u64
            };
            let histogram = of(&all);
            prop_assert_eq!(histogram.between(from, to), exact(from..to));
            prop_assert_eq!(histogram.between(0, to), exact(0..to));
        }

        #[test]
        fn adding_is_noting_all(
            left in prop::collection::vec(any::<u32>(), 0..50),
            right in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let mut sum = of(&left);
            sum.add(&of(&right));
            let both = of(&[left, right].concat());
            prop_assert_eq!((sum.count(), sum.sum()), (both.count(), both.sum()));
            for share in [0.0, 0.5, 0.99, 1.0] {
                prop_assert_eq!(sum.quantile(share), both.quantile(share));
            }
        }
    }
}
