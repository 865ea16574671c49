//! Latency of a service behind the edge, from roll-ups: a median for each ten seconds with enough good traffic.

use std::time::Duration;
use types::traffic::ServiceTraffic;

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(10);
/// Least forwarded requests of a window: the median of fewer is that of a few paths.
const FORWARDED_MIN: u64 = 10;
/// A window in which more than one request in ten failed or was refused says nothing about what is usual: errors are
/// quick.
const BAD_SHARE: u64 = 10;
/// Most roll-ups of a window; they come once a second.
const ROLLUPS_MAX: usize = 32;

/// The present window of one service.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    span: Duration,
    /// Median and forwarded requests of each roll-up.
    medians: Vec<(Duration, u64)>,
    forwarded: u64,
    bad: u64,
}

impl Latency {
    /// Counts a roll-up. Returns the median of a window that has ended with it: that of the roll-ups' medians, by
    /// forwarded requests.
    pub(crate) fn note(&mut self, span: Duration, traffic: &ServiceTraffic) -> Option<Duration> {
        self.span += span;
        self.forwarded += traffic.passed;
        self.bad += traffic.failed + traffic.shed + traffic.limited.values().sum::<u64>();
        if traffic.passed > 0 && !traffic.p50.is_zero() && self.medians.len() < ROLLUPS_MAX {
            self.medians.push((traffic.p50, traffic.passed));
        }
        if self.span < WINDOW {
            return None;
        }
        let mut window = std::mem::take(self);
        if window.forwarded < FORWARDED_MIN || window.bad * BAD_SHARE > window.forwarded {
            return None;
        }
        window.medians.sort_unstable();
        let whole: u64 = window.medians.iter().map(|(_, forwarded)| forwarded).sum();
        let mut below = 0;
        let middle = window.medians.iter().find(|(_, forwarded)| {
            below += forwarded;
            below * 2 >= whole
        });
        middle.map(|(median, _)| *median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(seconds: impl IntoIterator<Item = (u64, u64, u64)>) -> Option<Duration> {
        let mut latency = Latency::default();
        seconds.into_iter().fold(None, |found, (passed, millis, failed)| {
            let p50 = Duration::from_millis(millis);
            let traffic = ServiceTraffic { passed, failed, p50, ..ServiceTraffic::default() };
            found.or(latency.note(Duration::from_secs(1), &traffic))
        })
    }

    #[test]
    fn median_of_a_window_is_by_requests_and_needs_good_traffic() {
        let millis = Duration::from_millis;
        assert_eq!(window([(5, 100, 0); 10]), Some(millis(100)));
        assert_eq!(window([(5, 100, 0); 9]), None, "not over yet");
        assert_eq!(window((0..10).map(|n| if n < 7 { (1, 100, 0) } else { (9, 400, 0) })), Some(millis(400)));
        assert_eq!(window((0..10).map(|n| if n < 9 { (0, 0, 0) } else { (9, 100, 0) })), None, "too few");
        assert_eq!(window([(5, 100, 1); 10]), None, "a fifth fails");
    }
}
