//! Demand: the request rate compared with the usual one. Servers that are slow while demand is usual are slow by
//! themselves.

use std::collections::VecDeque;

/// Windows that are evaluated together: half a second.
const RECENT: usize = 5;
/// Over how long the usual is learned, in seconds, and how long it takes until it is known.
const USUAL_SECS: f64 = 20.0;
const KNOWN_SECS: f64 = 5.0;
/// Demand is high above this factor of the usual rate, and beyond this many standard deviations of a Poisson
/// process.
const MORE: f64 = 1.15;
const CHANCE: f64 = 2.0;
/// Many times the usual, whatever else is so.
const FLOOD: f64 = 3.0;

/// Requests in this window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    now: u32,
    /// Requests of the last windows, and the length of each in seconds.
    recent: VecDeque<(f64, f64)>,
    /// Requests a second in quiet times, and for how long they were counted, in seconds.
    usual: f64,
    age: f64,
}

impl Demand {
    /// Counts an arrival, whatever its verdict.
    pub(crate) fn asked(&mut self) {
        self.now = self.now.saturating_add(1);
    }

    /// Ends a window of this length. Only quiet windows update the usual rate.
    pub(crate) fn turn(&mut self, secs: f64, quiet: bool) {
        let count = f64::from(std::mem::take(&mut self.now));
        if self.recent.len() >= RECENT
            && let Some((count, secs)) = self.recent.pop_front()
            && quiet
        {
            // Recent windows do not count as usual yet.
            self.age += secs;
            let weight = 1.0 - (-secs / USUAL_SECS.min(self.age)).exp();
            self.usual += weight * (count / secs.max(1e-3) - self.usual);
        }
        self.recent.push_back((count, secs));
    }

    /// Requests a second in quiet times; `None` until that is known.
    pub(crate) fn usual(&self) -> Option<f64> {
        (self.age >= KNOWN_SECS).then_some(self.usual)
    }

    /// Whether demand is higher than usual, or the usual rate is not known.
    pub(crate) fn is_more(&self) -> bool {
        self.age < KNOWN_SECS || self.exceeds(MORE)
    }

    /// Whether demand is many times the usual one.
    pub(crate) fn is_flood(&self) -> bool {
        self.age >= KNOWN_SECS && self.exceeds(FLOOD)
    }

    fn exceeds(&self, times: f64) -> bool {
        let sum = |(count, secs): (f64, f64), (one, span): &(f64, f64)| (count + one, secs + span);
        let (count, secs) = self.recent.iter().fold((0.0, 0.0), sum);
        let expected = self.usual * secs;
        count > (times * expected).max(expected + CHANCE * expected.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_excess_is_higher_demand() {
        let mut demand = Demand::default();
        let mut window = |count: u32, windows: u32| {
            for _ in 0..windows {
                (0..count).for_each(|_| demand.asked());
                demand.turn(0.1, true);
            }
            demand.is_more()
        };
        assert!(window(10, 40), "nobody knows what is usual");
        assert!(!window(10, 200));
        assert!(!window(12, 5), "chance");
        assert!(window(16, 5));
        assert!(!window(16, 600), "it has become usual");
    }
}
