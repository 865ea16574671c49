//! When a registry is asked before its usual turn: often while something about the domain is wrong, rarely while it fails
//! to answer, never sooner than it allows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::time::{between, later};
use types::{ProbeId, Time};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The longest pause after failed lookups.
const BACKOFF_MAX: Duration = Duration::from_secs(6 * 3600);

/// Something is wrong with a domain, or with what stands on it.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) since: Time,
    /// The probes whose newest answer says so.
    pub(crate) seen_by: BTreeSet<ProbeId>,
}

/// The domains that something is wrong with.
pub(crate) type Troubles = BTreeMap<String, Trouble>;

impl Trouble {
    pub(crate) fn new(since: Time) -> Self {
        Self { since, seen_by: BTreeSet::new() }
    }

    /// How long to wait between two looks at the registry. One registry serves many domains and bears about one
    /// question a second: fast only as long as it may bring the cause forward.
    pub(crate) fn pace(&self, now: Time) -> Duration {
        match between(self.since, now).as_secs() {
            0..30 => SECOND * 2,
            30..600 => SECOND * 5,
            _ => MINUTE,
        }
    }
}

/// How asking a registry about one domain went, since boot.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// The newest answer, or failure to get one.
    pub(crate) last: Option<Time>,
    /// The newest answer.
    pub(crate) confirmed: Option<Time>,
    failures: u32,
    retry_after: Option<Duration>,
    /// A date has come close since the last answer: the instant.
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

    /// When to ask before the usual turn, if at all.
    pub(crate) fn wanted(&self, trouble: Option<&Trouble>, recovering: bool, now: Time) -> Option<Time> {
        let in_trouble = trouble.map(|trouble| match self.last {
            Some(last) if last > trouble.since => later(last, trouble.pace(now)),
            // The first look is at once, but never two in one breath.
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
    fn failed_lookups_back_off_and_honour_what_the_registry_asks() {
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
