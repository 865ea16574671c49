//! Rate limit for work whose duration grows with the configuration: at most a tenth of the time is spent on it.

use std::time::{Duration, Instant};

/// Work that takes less than this is never delayed, so that a small configuration shows every change immediately.
const CHEAP: Duration = Duration::from_millis(5);
/// The pause after a run, as a multiple of its duration.
const PAUSE_FACTOR: u32 = 10;
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Delays repeated work after an expensive run, and remembers a request that came during the delay.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// End and duration of the last run.
    last: Option<(Instant, Duration)>,
    requested: bool,
}

impl Throttle {
    /// Requests a run, now or when the pause is over.
    pub(crate) fn request(&mut self) {
        self.requested = true;
    }

    /// Time until the requested run is allowed; `None` without a request.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.requested.then(|| self.pause())
    }

    /// Whether a run is requested and allowed now.
    pub(crate) fn is_due(&self) -> bool {
        self.delay() == Some(Duration::ZERO)
    }

    /// Rest of the pause after the last run.
    pub(crate) fn pause(&self) -> Duration {
        let Some((ended, took)) = self.last.filter(|(_, took)| *took >= CHEAP) else { return Duration::ZERO };
        took.saturating_mul(PAUSE_FACTOR).min(PAUSE_MAX).saturating_sub(ended.elapsed())
    }

    /// Runs the work and measures it, whether or not it is due.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.record(begun.elapsed());
        result
    }

    /// Records a run that ended now.
    pub(crate) fn record(&mut self, took: Duration) {
        self.requested = false;
        self.last = Some((Instant::now(), took));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expensive_run_delays_the_next_one() {
        let mut throttle = Throttle::default();
        assert!(!throttle.is_due(), "no request");
        throttle.request();
        assert!(throttle.is_due(), "first run");
        for (took, pause) in [(0, 0), (4, 0), (100, 1_000), (60_000, 5_000)] {
            throttle.record(Duration::from_millis(took));
            assert_eq!(throttle.delay(), None);
            throttle.request();
            let delay = throttle.delay().unwrap_or_default();
            assert_eq!(delay.is_zero(), pause == 0, "{took} ms");
            assert!(delay <= Duration::from_millis(pause), "{took} ms: {delay:?}");
        }
    }
}
