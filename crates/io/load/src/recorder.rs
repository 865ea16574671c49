//! Counters and percentiles of one step.

use hdrhistogram::Histogram;
use load::{Measured, Observed};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longest latency that is kept, in microseconds.
const LONGEST_US: u64 = 120_000_000;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A good answer.
    Good,
    /// An answer with another status, or a lost connection.
    Failed,
    /// No answer in time.
    TimedOut,
}

/// What one step has measured so far.
#[derive(Debug)]
pub(crate) struct Recorder {
    max_latency: Duration,
    /// From the instant at which a request was due. Answers that came fast because they were errors are not among them.
    latencies: Histogram<u64>,
    due: u64,
    good: u64,
    failed: u64,
    slow: u64,
    late: u64,
    /// Requests that have not ended, with those that ended between them; the first has the number `first`.
    waiting: VecDeque<(Instant, bool)>,
    first: u64,
    /// The last answer, for error messages.
    pub(crate) last_failure: Option<String>,
}

impl Recorder {
    pub(crate) fn new(max_latency: Duration) -> Option<Self> {
        Some(Self {
            max_latency,
            latencies: Histogram::new_with_bounds(1, LONGEST_US, 3).ok()?,
            due: 0,
            good: 0,
            failed: 0,
            slow: 0,
            late: 0,
            waiting: VecDeque::new(),
            first: 0,
            last_failure: None,
        })
    }

    /// A request is due; returns its number.
    pub(crate) fn due(&mut self, at: Instant, is_late: bool) -> u64 {
        self.due += 1;
        self.late += u64::from(is_late);
        self.waiting.push_back((at, false));
        self.due - 1
    }

    /// A request has ended.
    pub(crate) fn ended(&mut self, number: u64, now: Instant, how: Ended) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some((due, has_ended)) = index.and_then(|index| self.waiting.get_mut(index)) else { return };
        *has_ended = true;
        let latency = now.saturating_duration_since(*due);
        match how {
            Ended::Good => self.good += 1,
            Ended::Failed | Ended::TimedOut => self.failed += 1,
        }
        if how != Ended::Failed {
            self.slow += u64::from(latency > self.max_latency);
            self.record(latency);
        }
        while self.waiting.pop_front_if(|(_, has_ended)| *has_ended).is_some() {
            self.first += 1;
        }
    }

    fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(us.max(1));
    }

    /// Whether every request has ended.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The counters at a time since the step began.
    pub(crate) fn observed(&self, at: Duration, now: Instant) -> Observed {
        let is_slow = |due: &Instant| now.saturating_duration_since(*due) > self.max_latency;
        let slow =
            self.waiting.iter().take_while(|(due, _)| is_slow(due)).filter(|(_, ended)| !ended).count();
        Observed {
            at,
            due: self.due,
            good: self.good,
            failed: self.failed,
            slow: self.slow + u64::try_from(slow).unwrap_or(u64::MAX),
            late: self.late,
        }
    }

    /// What the step measured. Requests that are given up have waited at least until now.
    pub(crate) fn finish(&mut self, at: Duration, now: Instant) -> Measured {
        let last = self.observed(at, now);
        let given_up: Vec<Instant> =
            self.waiting.drain(..).filter(|(_, ended)| !ended).map(|(due, _)| due).collect();
        for due in given_up {
            self.record(now.saturating_duration_since(due));
        }
        let part = |share| self.latencies.value_at_quantile(share);
        Measured {
            last,
            p50_us: part(0.5),
            p90_us: part(0.9),
            p99_us: part(0.99),
            max_us: self.latencies.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_the_instant_at_which_a_request_was_due() {
        let begin = Instant::now();
        let ms = |ms: u64| begin + Duration::from_millis(ms);
        let mut recorder = Recorder::new(Duration::from_millis(100)).unwrap();
        let numbers: Vec<u64> = (0..4).map(|n| recorder.due(ms(n * 10), n == 3)).collect();
        // The target stood still for 200 ms; then all answers came together.
        recorder.ended(numbers[1], ms(200), Ended::Good);
        recorder.ended(numbers[0], ms(200), Ended::Good);
        recorder.ended(numbers[2], ms(200), Ended::Failed);
        let seen = recorder.observed(Duration::from_millis(200), ms(200));
        assert_eq!((seen.due, seen.good, seen.failed, seen.slow, seen.late), (4, 2, 1, 3, 1));
        assert!(!recorder.is_idle());
        let measured = recorder.finish(Duration::from_millis(200), ms(230));
        assert!((199_000..201_000).contains(&measured.max_us), "{measured:?}");
        assert!((189_000..201_000).contains(&measured.p50_us), "{measured:?}");
        assert!(recorder.is_idle());
    }
}
