//! Latencies in buckets of fixed number: sixteen to each doubling, so that a bound is off by 6 % at most.

use std::time::Duration;

const STEPS: usize = 16;
const STEPS_LOG2: u32 = STEPS.trailing_zeros();
/// Up to 2^27 microseconds, 134 seconds; what took longer is in the last bucket.
const LONGEST_LOG2: u32 = 27;
const BUCKETS: usize = (LONGEST_LOG2 - STEPS_LOG2 + 1) as usize * STEPS;

/// Counts of latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// Empty until the first one is noted.
    buckets: Vec<u64>,
    count: u64,
    sum_us: u64,
}

/// Below sixteen each microsecond has its own bucket; above, each doubling has sixteen.
fn bucket(us: u32) -> usize {
    let doublings = us.checked_ilog2().unwrap_or(0);
    if doublings < STEPS_LOG2 {
        return us as usize;
    }
    let shift = doublings - STEPS_LOG2;
    let step = (us >> shift) as usize & (STEPS - 1);
    ((shift as usize + 1) * STEPS + step).min(BUCKETS - 1)
}

/// The first value that is above a bucket.
fn end(bucket: usize) -> u64 {
    let (doubling, step) = (bucket / STEPS, bucket % STEPS);
    if doubling == 0 {
        return step as u64 + 1;
    }
    ((STEPS + step + 1) as u64) << (doubling - 1)
}

impl Histogram {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    pub(super) fn note(&mut self, us: u32) {
        if self.buckets.is_empty() {
            self.buckets.resize(BUCKETS, 0);
        }
        self.buckets[bucket(us)] += 1;
        self.count += 1;
        self.sum_us += u64::from(us);
    }

    pub(super) fn add(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.buckets.resize(BUCKETS, 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum_us += other.sum_us;
    }

    pub(super) fn clear(&mut self) {
        if self.count > 0 {
            self.buckets.fill(0);
            (self.count, self.sum_us) = (0, 0);
        }
    }

    /// The latency that `share` of all stayed below (0.99: the 99th hundredth); zero without any.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut below = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            below += count;
            if *count > 0 && below >= rank {
                return Duration::from_micros(end(at) - 1);
            }
        }
        Duration::ZERO
    }

    /// Returns how many values were below 2^`log2` microseconds, exactly.
    pub(super) fn below(&self, log2: u32) -> u64 {
        let first_above =
            if log2 < STEPS_LOG2 { 1 << log2 } else { (log2 - STEPS_LOG2 + 1) as usize * STEPS };
        self.buckets.iter().take(first_above).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_within_the_bucket_error() {
        let mut all = Histogram::default();
        assert_eq!(all.quantile(0.99), Duration::ZERO);
        for us in 1..=10_000 {
            all.note(us);
        }
        let off = |share, us: f64| (all.quantile(share).as_micros() as f64 / us - 1.0).abs();
        assert!(off(0.5, 5_000.0) < 0.065 && off(0.99, 9_900.0) < 0.065 && off(1.0, 10_000.0) < 0.065);
        assert_eq!((all.count(), all.sum()), (10_000, Duration::from_micros(50_005_000)));
        assert_eq!((all.below(3), all.below(4), all.below(10), all.below(13)), (7, 15, 1_023, 8_191));
        all.clear();
        assert_eq!((all.count(), all.below(27)), (0, 0));
    }

    proptest! {
        #[test]
        fn every_latency_is_within_its_bucket(us in any::<u32>()) {
            let at = bucket(us);
            prop_assert!(at < BUCKETS);
            if us < 1 << LONGEST_LOG2 {
                prop_assert!(u64::from(us) < end(at));
                prop_assert!(at == 0 || u64::from(us) >= end(at - 1));
                prop_assert!(end(at) as f64 <= f64::from(us.max(1)) * 1.0625 + 1.0);
            }
        }

        #[test]
        fn adding_is_noting_all(left in prop::collection::vec(any::<u32>(), 0..50), right in prop::collection::vec(any::<u32>(), 0..50)) {
            let of = |all: &[u32]| { let mut h = Histogram::default(); for us in all { h.note(*us); } h };
            let mut sum = of(&left);
            sum.add(&of(&right));
            let both = of(&[left, right].concat());
            prop_assert_eq!(&sum.buckets, &both.buckets);
            prop_assert_eq!(sum.quantile(0.5), both.quantile(0.5));
            prop_assert_eq!((sum.count, sum.sum_us), (both.count, both.sum_us));
        }
    }
}
