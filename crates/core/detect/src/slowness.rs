//! Latencies that are slower than usual: a detector for each series.
//!
//! A series is the latency of a probe's good answers, or of a service behind the edge. The detector is that of the crate
//! `statistics`; here is which answers it may compare, and what happens to an open alert. An alert is of severity info: it
//! opens no incident, pages no person and is not public.

use crate::alert::NewAlert;
use statistics::slowness::{Settings, Slow, SlownessDetector};
use std::collections::BTreeMap;
use std::time::Duration;
use types::time::between;
use types::{Alert, Fault, ProbeId, Severity, Time};

/// Code of the alert.
pub(crate) const CODE: &str = "slower-than-usual";
/// Answers at shorter intervals are not independent: of these only one in this time counts.
const INTERVAL_MIN: Duration = Duration::from_secs(5);
/// Longer intervals are not calibrated.
pub(crate) const INTERVAL_MAX: Duration = Duration::from_secs(300);
/// Maximum of open alerts: when this machine is slow, so is everything that it measures.
pub(crate) const OPEN_MAX: usize = 200;
/// Answers this far apart, or four intervals, are not consecutive: mainstay was down, suspended or isolated, or the
/// resource failed.
const GAP: Duration = Duration::from_secs(600);
/// An open alert gets another level when that has changed by this factor, and at most once per interval.
const LEVEL_FACTOR: f64 = 1.5;
const LEVEL_INTERVAL: Duration = Duration::from_secs(600);

/// All series since boot: at most one for each configured probe and each service that the edge serves.
pub(crate) type Latencies = BTreeMap<ProbeId, Series>;

/// One series since boot.
#[derive(Debug)]
pub(crate) struct Series {
    interval: Duration,
    detector: SlownessDetector<Time>,
    last: Option<Time>,
    level_changed: Option<Time>,
}

/// What an answer means for the alert of a series.
#[derive(Debug, PartialEq)]
pub(crate) enum Pace {
    /// As usual, as before.
    Usual,
    /// As usual again, or the new level is the usual one.
    UsualAgain,
    /// Slower than usual.
    Slow,
}

impl Series {
    /// A series without history. `open` is the alert about it from before a restart.
    pub(crate) fn new(interval: Duration, open: Option<&Alert>, now: Time) -> Self {
        let settings = Settings::for_interval(interval.max(INTERVAL_MIN));
        let slow = open.and_then(|alert| match alert.fault {
            Fault::SlowerThanUsual { since, usual, level } => Some(Slow { since, from: usual, to: level }),
            _ => None,
        });
        let detector = match slow {
            Some(slow) => SlownessDetector::resume(settings, slow, between(slow.since, now)),
            None => SlownessDetector::new(settings),
        };
        Self { interval, detector, last: None, level_changed: None }
    }

    /// Whether the detector fits an interval.
    pub(crate) fn fits(&self, interval: Duration) -> bool {
        self.interval == interval
    }

    /// Takes a latency.
    pub(crate) fn observe(&mut self, now: Time, latency: Duration) -> Pace {
        if let Some(last) = self.last {
            // Engine time may run backwards when the clock of the machine was set.
            if now < last || between(last, now) > GAP.max(self.interval * 4) {
                self.detector.interrupt();
            } else if between(last, now) < self.interval.max(INTERVAL_MIN) * 3 / 4 {
                // Asked early. The detector is calibrated for answers at the interval.
                return if self.detector.is_slow() { Pace::Slow } else { Pace::Usual };
            }
        }
        self.last = Some(now);
        let changed = self.detector.observe(now, latency).is_some();
        match (self.detector.is_slow(), changed) {
            (true, _) => Pace::Slow,
            (false, true) => Pace::UsualAgain,
            (false, false) => Pace::Usual,
        }
    }

    /// The alert about the present slowness; `None` before its level is known.
    pub(crate) fn alert(&self, of: &str) -> Option<NewAlert> {
        let Slow { since, from: usual, to: level } = self.detector.slow()?;
        Some(NewAlert {
            fault: Fault::SlowerThanUsual { since, usual, level },
            severity: Severity::Info,
            since,
            evidence: format!("median of the last points of {of}, compared with the 96 before"),
        })
    }

    /// Whether the level of an open alert is out of date.
    pub(crate) fn has_news(&mut self, open: &Fault, new: &Fault, now: Time) -> bool {
        let (Fault::SlowerThanUsual { level: was, .. }, Fault::SlowerThanUsual { level, .. }) = (open, new)
        else {
            return true;
        };
        let ratio = level.as_secs_f64() / was.as_secs_f64().max(f64::MIN_POSITIVE);
        let other = !(1.0 / LEVEL_FACTOR..LEVEL_FACTOR).contains(&ratio);
        let due = self.level_changed.is_none_or(|at| between(at, now) >= LEVEL_INTERVAL);
        if other && due {
            self.level_changed = Some(now);
        }
        other && due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_is_small() {
        // The last twelve points are in an allocation of their own.
        let size = std::mem::size_of::<Series>() + 12 * std::mem::size_of::<(Time, f64)>();
        assert!(size < 1_500, "{size} bytes; the documentation says 1.4 KB");
    }
}
