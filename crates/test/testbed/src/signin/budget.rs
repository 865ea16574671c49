//! Limit of an API client: a token bucket that halves its rate on each rejection and recovers slowly.

use std::time::{Duration, Instant};

/// The bucket.
#[derive(Clone, Debug)]
pub struct Budget {
    bounds: Bounds,
    rate: f64,
    tokens: f64,
    at: Instant,
}

/// What the rate stays between, in calls a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The rate of a good day.
    pub most: f64,
    /// It never falls under this.
    pub least: f64,
    /// Increase per second without rejections.
    pub creep: f64,
}

impl Budget {
    /// A full bucket.
    #[must_use]
    pub fn new(bounds: Bounds, now: Instant) -> Self {
        Self { bounds, rate: bounds.most, tokens: bounds.most, at: now }
    }

    /// Takes a call's worth, if there is one. A bucket holds what a second brings.
    pub fn take(&mut self, now: Instant) -> bool {
        self.flow(now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    /// Records a rejection.
    pub fn refused(&mut self, now: Instant) {
        self.flow(now);
        self.rate = (self.rate / 2.0).max(self.bounds.least);
    }

    /// Calls a second that it allows just now.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    fn flow(&mut self, now: Instant) {
        let passed: Duration = now.saturating_duration_since(self.at);
        self.at = now.max(self.at);
        self.rate = (self.rate + self.bounds.creep * passed.as_secs_f64()).min(self.bounds.most);
        self.tokens = (self.tokens + self.rate * passed.as_secs_f64()).min(self.rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_and_creeps_back() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut budget = Budget::new(Bounds { most: 40.0, least: 10.0, creep: 2.0 }, start);
        assert_eq!((0..100).filter(|_| budget.take(start)).count(), 40);
        for _ in 0..5 {
            budget.refused(start);
        }
        assert!((budget.rate() - 10.0).abs() < 1e-9);
        let taken = |budget: &mut Budget, secs: u64| (0..100).filter(|_| budget.take(at(secs))).count();
        assert_eq!(taken(&mut budget, 1), 12);
        assert_eq!(taken(&mut budget, 5), 20);
        assert_eq!(taken(&mut budget, 60), 40);
    }
}
