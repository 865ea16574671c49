//! How much is asked, beside what is usual: servers that are slow while no more is asked than usual are slow by themselves.

use std::collections::VecDeque;

/// Windows that are looked at together: half a second.
const RECENT: usize = 5;
/// Over how long the usual is learned, in seconds, and how long it takes until it is known.
const USUAL_SECS: f64 = 20.0;
const KNOWN_SECS: f64 = 5.0;
/// More than this times the usual, and than chance explains (so many standard deviations of a Poisson process), is more.
const MORE: f64 = 1.15;
const CHANCE: f64 = 2.0;
/// Many times the usual, whatever else is so.
const FLOOD: f64 = 3.0;

/// Requests that came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    now: u32,
    /// Those of the last windows, and how long each was in seconds.
    recent: VecDeque<(f64, f64)>,
    /// Requests a second in quiet times, and for how long they were counted, in seconds.
    usual: f64,
    age: f64,
}

impl Demand {
    /// A request came, whatever becomes of it.
    pub(crate) fn asked(&mut self) {
        self.now = self.now.saturating_add(1);
    }

    /// A window of so many seconds is over. Only quiet ones teach what is usual.
    pub(crate) fn turn(&mut self, secs: f64, quiet: bool) {
        let count = f64::from(std::mem::take(&mut self.now));
        if self.recent.len() >= RECENT
            && let Some((count, secs)) = self.recent.pop_front()
            && quiet
        {
            // What is recent is not usual yet.
            self.age += secs;
            let weight = 1.0 - (-secs / USUAL_SECS.min(self.age)).exp();
            self.usual += weight * (count / secs.max(1e-3) - self.usual);
        }
        self.recent.push_back((count, secs));
    }

    /// Whether more is asked than usual, or nobody knows what is usual.
    pub(crate) fn is_more(&self) -> bool {
        self.age < KNOWN_SECS || self.exceeds(MORE)
    }

    /// Whether many times the usual is asked.
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
    fn more_is_what_chance_does_not_explain() {
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
