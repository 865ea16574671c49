//! The bound of a rate: in no second are more requests sent, also when this machine paused and has to catch up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A second, and a little more: what is sent is received at slightly different distances.
const SECOND: Duration = Duration::from_millis(1_001);

/// When the last requests were sent, at most as many as are allowed in a second.
#[derive(Debug)]
pub(crate) struct RateBound {
    most: usize,
    sent: VecDeque<Instant>,
}

impl RateBound {
    pub(crate) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        Self { most, sent: VecDeque::new() }
    }

    /// The instant from which on one more request may be sent; `None` for now.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.sent.len() < self.most { None } else { self.sent.front().map(|first| *first + SECOND) }
    }

    /// Counts a request.
    pub(crate) fn sent(&mut self, now: Instant) {
        if self.sent.len() >= self.most {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_the_bound() {
        let begin = Instant::now();
        let mut bound = RateBound::new(100);
        let mut sent: Vec<Instant> = Vec::new();
        let mut now = begin;
        // All are due immediately, as after a long pause.
        while sent.len() < 1_000 {
            now = bound.next().map_or(now, |next| next.max(now));
            bound.sent(now);
            sent.push(now);
        }
        for (first, beyond) in sent.iter().zip(sent.iter().skip(100)) {
            assert!(beyond.duration_since(*first) > Duration::from_secs(1));
        }
    }
}
