//! Reconnect storms: far more WebSockets and event streams are opened than usual, and servers do not keep up.
//!
//! A storm is a consequence: servers or connections were lost before. It is a warning about the pool, so that it is part
//! of the incident of the pool and pages no one. A deploy after which all clients reconnect at a rate that servers take
//! is none.

use crate::alert::{Decision, NewAlert};
use crate::traffic::bounded_u32;
use std::time::Duration;
use types::traffic::OpensStatus;
use types::{Fault, Severity, Time};

/// Opens a second below which there is no storm, and the factor over the usual rate.
const MANY: f64 = 20.0;
const TIMES: f64 = 5.0;
/// Roll-ups in a row that open an alert, and without trouble that resolve it.
const REPEATS: u32 = 3;
const CALM_REPEATS: u32 = 15;
/// Seconds over which the usual rate is learned, and after which it is known.
const USUAL_SECS: f64 = 600.0;
const KNOWN_SECS: f64 = 60.0;

/// Opens of one pool since boot.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    /// Opens a second, and for how long they were counted.
    usual: f64,
    learned_secs: f64,
    waiting: u32,
    bad: u32,
    good: u32,
    since: Option<Time>,
    /// The highest rate of this storm.
    highest: f64,
    refused: u64,
}

impl Storm {
    /// Judges the opens of an interval.
    pub(crate) fn judge(&mut self, opens: &OpensStatus, interval: Duration, now: Time) -> Decision {
        let secs = interval.as_secs_f64().max(0.1);
        let before = std::mem::replace(&mut self.waiting, opens.waiting);
        let came = (opens.admitted + opens.refused + u64::from(opens.waiting)).saturating_sub(before.into());
        let rate = came as f64 / secs;
        let is_held = opens.refused > 0 || opens.waiting > 0;
        if !is_held && self.since.is_none() {
            self.learned_secs += secs;
            let over = USUAL_SECS.min(self.learned_secs);
            self.usual += (1.0 - (-secs / over).exp()) * (rate - self.usual);
        }
        let usual = (self.learned_secs >= KNOWN_SECS).then_some(self.usual);
        let is_far_more = rate >= MANY && usual.is_none_or(|usual| rate >= TIMES * usual);
        // Once it has begun it goes on for as long as clients have to wait.
        if is_held && (is_far_more || self.since.is_some()) {
            self.bad = self.bad.saturating_add(1);
            self.good = 0;
            self.since.get_or_insert(now);
            self.highest = self.highest.max(rate);
            self.refused += opens.refused;
        } else {
            self.good = self.good.saturating_add(1);
            if self.bad < REPEATS || self.good >= CALM_REPEATS {
                (self.bad, self.since, self.highest, self.refused) = (0, None, 0.0, 0);
            }
        }
        match self.since {
            Some(since) if self.bad >= REPEATS => Decision::Raise(self.alert(usual, since, opens)),
            _ if self.good >= CALM_REPEATS => Decision::Resolve,
            _ => Decision::Keep,
        }
    }

    fn alert(&self, usual: Option<f64>, since: Time, opens: &OpensStatus) -> NewAlert {
        // Of a usual rate below one a second any factor would be huge, and say nothing.
        let times = usual.filter(|usual| *usual >= 1.0).map(|usual| bounded_u32(self.highest / usual));
        let fault = Fault::ReconnectStorm { times, per_sec: bounded_u32(self.highest.round()) };
        let evidence = format!(
            "{} opens held now, {} refused since it began; servers complete {} a second and are given at most {}",
            opens.waiting, self.refused, opens.per_sec, opens.limit_per_sec
        );
        NewAlert { fault, severity: Severity::Warning, since, evidence }
    }
}

/// Whether an open alert should be updated: twice the rate.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    match (was, now) {
        (Fault::ReconnectStorm { per_sec: was, .. }, Fault::ReconnectStorm { per_sec: now, .. }) => {
            *now >= was.saturating_mul(2)
        }
        _ => was != now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;

    fn opens(admitted: u64, refused: u64, waiting: u32) -> OpensStatus {
        OpensStatus { admitted, refused, waiting, ..OpensStatus::default() }
    }

    fn judge(storm: &mut Storm, at: &mut Time, seconds: u32, opens: OpensStatus) -> Decision {
        let mut last = Decision::Keep;
        for _ in 0..seconds {
            *at = later(*at, Duration::from_secs(1));
            last = storm.judge(&opens, Duration::from_secs(1), *at);
        }
        last
    }

    #[test]
    fn far_more_opens_than_servers_take_are_a_storm_until_none_is_held() {
        let mut at: Time = "2026-12-01T12:00:00Z".parse().unwrap();
        let mut storm = Storm::default();
        judge(&mut storm, &mut at, 300, opens(2, 0, 0));
        assert_eq!(judge(&mut storm, &mut at, 2, opens(100, 400, 300)), Decision::Keep, "too soon");
        let Decision::Raise(alert) = judge(&mut storm, &mut at, 5, opens(100, 400, 300)) else { panic!() };
        assert_eq!(alert.severity, Severity::Warning);
        let text = alert.fault.to_string();
        assert!(text.contains("times its usual reconnects"), "{text}");
        assert!(matches!(judge(&mut storm, &mut at, 5, opens(5, 0, 10)), Decision::Raise(_)), "it goes on");
        assert!(matches!(judge(&mut storm, &mut at, 5, opens(2, 0, 0)), Decision::Raise(_)));
        assert_eq!(judge(&mut storm, &mut at, 15, opens(2, 0, 0)), Decision::Resolve);
    }

    #[test]
    fn ordinary_days_have_no_storm() {
        let mut at: Time = "2026-12-01T12:00:00Z".parse().unwrap();
        for (before, then, why) in [
            (opens(2, 0, 0), opens(2_000, 0, 0), "a deploy that servers take"),
            (opens(2, 0, 0), opens(10, 5, 3), "few"),
            (opens(100, 0, 0), opens(300, 20, 30), "a busy hour"),
            (opens(0, 0, 0), opens(0, 0, 0), "none at all"),
        ] {
            let mut storm = Storm::default();
            judge(&mut storm, &mut at, 600, before);
            let verdict = judge(&mut storm, &mut at, 10, then);
            assert!(!matches!(verdict, Decision::Raise(_)), "{why}");
        }
    }
}
