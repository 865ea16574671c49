//! Measurements of a pool in one window: response times, disconnected clients, requests in progress.

use crate::tick::{Tick, micros};
use std::time::Duration;

const SAMPLES_MOST: usize = 256;
/// This part of the limit in use is full.
const FULL: f64 = 0.8;

#[derive(Clone, Debug)]
pub(crate) struct Window {
    latencies: Vec<u64>,
    count: usize,
    /// The number of them of which only a lower bound is known.
    cut: usize,
    began: Tick,
    /// Requests at work and since when, their number times how long, and the most of them.
    working: (u32, Tick),
    work: f64,
    peak: u32,
}

/// Three quartiles of response times, in microseconds, and their number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quartiles {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
    pub(crate) samples: f64,
}

impl Window {
    pub(crate) fn new(now: Tick) -> Self {
        let latencies = Vec::with_capacity(SAMPLES_MOST);
        Self { latencies, count: 0, cut: 0, began: now, working: (0, now), work: 0.0, peak: 0 }
    }

    /// Everything is counted again.
    pub(crate) fn begin(&mut self, now: Tick) {
        self.working(self.working.0, now);
        self.latencies.clear();
        self.count = 0;
        self.cut = 0;
        self.work = 0.0;
        self.peak = self.working.0;
        self.began = now;
    }

    pub(crate) fn began(&self) -> Tick {
        self.began
    }

    /// Sets the number of requests in progress.
    pub(crate) fn working(&mut self, inflight: u32, now: Tick) {
        let (before, since) = std::mem::replace(&mut self.working, (inflight, now));
        self.work += f64::from(before) * micros(now.since(since)) as f64;
        self.peak = self.peak.max(inflight);
    }

    /// A response took this time.
    pub(crate) fn took(&mut self, latency: Duration) {
        if self.latencies.len() < SAMPLES_MOST {
            self.latencies.push(micros(latency));
        } else {
            self.latencies[self.count % SAMPLES_MOST] = micros(latency);
        }
        self.count += 1;
    }

    /// Counts a response that would have taken more than this time.
    pub(crate) fn cut_short(&mut self, held: Duration) {
        self.cut += 1;
        self.took(held);
    }

    /// Answers of which a time is known.
    pub(crate) fn samples(&self) -> usize {
        self.latencies.len()
    }

    /// Whether more than one in `one_in` was cut short.
    pub(crate) fn cut_more_than(&self, one_in: usize) -> bool {
        one_in * self.cut > self.count
    }

    /// Whether as many as the limit allows were at work all the time.
    pub(crate) fn full(&mut self, limit: f64, now: Tick) -> bool {
        self.working(self.working.0, now);
        self.work / (micros(now.since(self.began)) as f64).max(1.0) >= FULL * limit.floor()
    }

    /// The most that were at work at some moment.
    pub(crate) fn peak(&self) -> f64 {
        f64::from(self.peak)
    }

    /// Whether they were at some moment.
    pub(crate) fn touched(&self, limit: f64) -> bool {
        f64::from(self.peak) >= FULL * limit.floor()
    }

    /// `None` when there was no response.
    pub(crate) fn quartiles(&mut self) -> Option<Quartiles> {
        self.latencies.sort_unstable();
        let many = self.latencies.len();
        let at = |index: usize| self.latencies.get(index).map(|latency| (*latency as f64).max(1.0));
        Some(Quartiles {
            low: at(many / 4)?,
            median: at(many / 2)?,
            high: at(3 * many / 4)?,
            samples: many as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_the_latest() {
        let mut window = Window::new(Tick(0));
        assert!(window.quartiles().is_none());
        for latency in (1..=100).rev() {
            window.took(Duration::from_micros(latency));
        }
        let found = window.quartiles().unwrap();
        assert_eq!((found.low, found.median, found.high, found.samples), (26.0, 51.0, 76.0, 100.0));
        for _ in 0..2 * SAMPLES_MOST {
            window.took(Duration::from_micros(7));
        }
        assert_eq!(window.quartiles().unwrap().low, 7.0);
        assert_eq!(window.samples(), SAMPLES_MOST);
    }

    #[test]
    fn full_is_in_the_mean_and_touched_at_a_moment() {
        let mut window = Window::new(Tick(0));
        window.working(8, Tick(0));
        window.working(2, Tick(50));
        assert!(window.touched(8.0) && !window.full(8.0, Tick(100)));
        window.begin(Tick(100));
        assert!(!window.touched(8.0));
        window.working(8, Tick(100));
        assert!(window.full(8.0, Tick(150)));
    }
}
