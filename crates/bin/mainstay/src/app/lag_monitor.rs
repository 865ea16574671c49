//! Detects that probes run later than their intervals allow, so that an overloaded instance reports it.

use prober::{Lag, LagSnapshot};
use std::time::{Duration, Instant};

/// Length of one measurement. Results cover the last two.
const WINDOW: Duration = Duration::from_secs(30);

/// Schedule lag of the last minute.
#[derive(Debug, Default)]
pub(crate) struct LagMonitor {
    /// Counters at the begin of the window before the current one, and of the current one.
    previous: LagSnapshot,
    current: LagSnapshot,
    begun: Option<Instant>,
    p99: Option<Duration>,
    /// The p99 when the lag was found too high, until it ends.
    alert: Option<Duration>,
}

impl LagMonitor {
    /// Reads the counters once per window. Cheap enough for every turn.
    pub(crate) fn poll(&mut self, lag: &Lag) {
        if self.begun.is_some_and(|begun| begun.elapsed() < WINDOW) {
            return;
        }
        if self.begun.replace(Instant::now()).is_some() {
            self.end_window(lag.snapshot());
        }
    }

    fn end_window(&mut self, now: LagSnapshot) {
        let (before, latest) = (self.current.since(&self.previous), now.since(&self.current));
        let p99 = now.since(&self.previous).p99;
        self.p99 = Some(p99);
        // Both windows: a single burst of load neither raises nor ends the alert.
        if latest.is_late() && (before.is_late() || self.alert.is_some()) {
            if self.alert.replace(p99).is_none() {
                tracing::warn!(p99_seconds = p99.as_secs_f64(), "probes run late");
            }
        } else if !latest.is_late() && !before.is_late() && self.alert.take().is_some() {
            tracing::info!("probes run on time again");
        }
        self.previous = std::mem::replace(&mut self.current, now);
    }

    /// The p99 of the schedule lag within the last minute; `None` during the first window.
    pub(crate) fn p99(&self) -> Option<Duration> {
        self.p99
    }

    /// The p99 while the lag is too high.
    pub(crate) fn late(&self) -> Option<Duration> {
        self.alert
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(monitor: &mut LagMonitor, lag: &Lag, late: bool) {
        for _ in 0..100 {
            let late = if late { Duration::from_secs(12) } else { Duration::from_millis(3) };
            lag.record(late, Duration::from_secs(60));
        }
        monitor.end_window(lag.snapshot());
    }

    #[test]
    fn lag_in_two_windows_is_reported_until_two_windows_are_on_time() {
        let (lag, mut monitor) = (Lag::default(), LagMonitor::default());
        let mut alerts = Vec::new();
        for late in [false, true, false, true, true, true, false, false] {
            window(&mut monitor, &lag, late);
            alerts.push(monitor.late().is_some());
        }
        assert_eq!(alerts, [false, false, false, false, true, true, true, false]);
        assert!(monitor.p99().is_some_and(|p99| p99 < Duration::from_millis(10)), "{:?}", monitor.p99());
    }
}
