//! Schedule of registry lookups outside their interval: frequent while the domain is in trouble, rare while lookups
//! fail, never earlier than the registry allows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::time::{between, later};
use types::{ProbeId, Time};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The longest pause after failed lookups.
const BACKOFF_MAX: Duration = Duration::from_secs(6 * 3600);

/// Trouble of a domain or of a resource that depends on it.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) since: Time,
    /// Probes whose newest answer shows it.
    pub(crate) seen_by: BTreeSet<ProbeId>,
}

/// Trouble by domain.
pub(crate) type Troubles = BTreeMap<String, Trouble>;

impl Trouble {
    pub(crate) fn new(since: Time) -> Self {
        Self { since, seen_by: BTreeSet::new() }
    }

    /// Interval of registry lookups. One registry serves many domains and takes about one request a second, so the
    /// interval is short only as long as a lookup may find the cause sooner.
    pub(crate) fn interval(&self, now: Time) -> Duration {
        match between(self.since, now).as_secs() {
            0..30 => SECOND * 2,
            30..600 => SECOND * 5,
            _ => MINUTE,
        }
    }
}

/// Registry lookups of one domain since boot.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// Time of the newest lookup, successful or not.
    pub(crate) last: Option<Time>,
    /// Time of the newest answer.
    pub(crate) confirmed: Option<Time>,
    failures: u32,
    retry_after: Option<Duration>,
    /// Time at which a date came close since the last answer, so that it needs confirmation.
    pub(crate) confirm: Option<Time>,
}

impl Lookup {
    pub(crate) fn succeeded(&mut self, now: Time) {
        *self = Self { last: Some(now), confirmed: Some(now), ..Self::default() };
    }

    pub(crate) fn failed(&mut self, retry_after: Option<Duration>, now: Time) {
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.retry_after = retry_after;
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Time of the next lookup outside the interval, if any.
    pub(crate) fn wanted(&self, trouble: Option<&Trouble>, recovering: bool, now: Time) -> Option<Time> {
        let in_trouble = trouble.map(|trouble| match self.last {
            Some(last) if last > trouble.since => later(last, trouble.interval(now)),
            // The first lookup is immediate, but at least two seconds after the one before.
            Some(last) => trouble.since.max(later(last, SECOND * 2)),
            None => trouble.since,
        });
        let Some(last) = self.last else { return in_trouble };
        if self.failures > 0 {
            let doubled = MINUTE.saturating_mul(1 << (self.failures - 1).min(12)).min(BACKOFF_MAX);
            let eager = (SECOND * 5).saturating_mul(1 << (self.failures - 1).min(4)).min(MINUTE);
            let pause = if trouble.is_some() { eager } else { doubled };
            return Some(later(last, pause.max(self.retry_after.unwrap_or_default())));
        }
        let recovery = recovering.then(|| later(last, SECOND * 2));
        [in_trouble, recovery, self.confirm].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_lookups_back_off_and_honour_retry_after() {
        let t0: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut lookup = Lookup::default();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            lookup.failed(None, t0);
            pauses.push(between(t0, lookup.wanted(None, false, t0).unwrap()).as_secs() / 60);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
        let trouble = Trouble::new(t0);
        lookup.failed(Some(MINUTE * 3), t0);
        assert_eq!(lookup.wanted(Some(&trouble), false, t0), Some(later(t0, MINUTE * 3)));
        lookup.succeeded(t0);
        assert_eq!(lookup.wanted(None, false, t0), None);
        assert_eq!(lookup.wanted(Some(&trouble), false, t0), Some(later(t0, SECOND * 2)));
    }
}
