//! mainstay's own connectivity: no lookup and no connection succeeds, on domains that have nothing else in common.
//!
//! An answer that never left this machine starts a **check**: a few reference probes from independent domains are asked
//! immediately, and until they have answered no alert opens from such answers. mainstay is isolated when at least four
//! fifths of the reference probes reach nothing. With fewer than three watched domains all of them must reach nothing,
//! and timeouts do not count. One name server that answers proves connectivity.
//!
//! Reference probes have timeouts of their own. Alerts that were held back open after a few seconds even if some have
//! not answered: a real outage must not wait for a slow probe. The check itself goes on, so that a late isolation is
//! found; by then half of the reference probes are enough if all of them agree.

use crate::index::Index;
use crate::violation::Reachability;
use std::collections::BTreeMap;
use std::time::Duration;
use types::time::{between, later};
use types::{ProbeId, Time};

/// Answers older than this no longer count.
const ANSWER_TTL: Duration = Duration::from_secs(60);
/// Longest time that an alert is held back for a check.
const HOLD_BACK: Duration = Duration::from_secs(6);
/// Longest duration of a check: more than the usual timeout of any probe.
const CHECK_TIMEOUT: Duration = Duration::from_secs(12);
/// Pause after a check that found mainstay connected.
const CHECK_PAUSE: Duration = Duration::from_secs(30);
/// Interval of the reference probes while isolated.
const ISOLATED_INTERVAL: Duration = Duration::from_secs(5);

/// Answers of the reference probes since boot.
#[derive(Debug, Default)]
pub(crate) struct Connectivity {
    latest: BTreeMap<ProbeId, (Time, Reachability)>,
    /// Start of the check in progress.
    check_since: Option<Time>,
    /// End of the last check that found mainstay connected.
    connected_at: Option<Time>,
}

/// Result of a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// Connected, or no sign of the opposite.
    Connected,
    /// Not known yet.
    Unknown,
    /// Isolated, with the reason in words.
    Isolated(String),
}

/// Counts of the answers of the reference probes.
#[derive(Default)]
struct Count {
    unreached: usize,
    reached: usize,
    /// Whether a name server answered since the check began.
    name_server: bool,
    /// Answers since the check began, and those of them that reached nothing.
    newer: usize,
    newer_unreached: usize,
}

impl Connectivity {
    /// Records the answer of any probe. With `quiet` no check starts: the alert is open, or mainstay is isolated
    /// already.
    pub(crate) fn note(
        &mut self,
        probe: &ProbeId,
        reachability: Reachability,
        index: &Index,
        quiet: bool,
        now: Time,
    ) {
        if index.reference_probes.contains_key(probe) {
            self.latest.insert(probe.clone(), (now, reachability));
        }
        let paused = self.connected_at.is_some_and(|at| between(at, now) < CHECK_PAUSE);
        let wanted = reachability != Reachability::Answered && index.reference_probes.len() >= 2;
        if wanted && self.check_since.is_none() && !paused && !quiet {
            self.check_since = Some(now);
        }
    }

    /// The conclusion now. `isolated` is the one before.
    pub(crate) fn conclude(&mut self, index: &Index, isolated: bool, now: Time) -> Conclusion {
        let size = index.reference_probes.len();
        if size < 2 {
            return Conclusion::Connected;
        }
        let count = self.count(index, now);
        if isolated {
            // Half of the reference probes are enough to be connected again.
            return if count.reached * 2 >= size { self.connected(now) } else { Conclusion::Unknown };
        }
        let late = self.check_since.is_some_and(|since| between(since, now) >= HOLD_BACK);
        let unanimous = late && count.newer_unreached == count.newer && count.newer * 2 >= size;
        let enough = if index.few_domains {
            count.unreached == size
        } else {
            count.unreached * 5 >= size * 4 || unanimous
        };
        if enough && !count.name_server {
            self.check_since = None;
            let unreached = count.unreached;
            return Conclusion::Isolated(format!(
                "{unreached} of {size} names can neither be resolved nor reached"
            ));
        }
        let Some(since) = self.check_since else { return Conclusion::Connected };
        if count.name_server || count.newer == size || between(since, now) >= CHECK_TIMEOUT {
            return self.connected(now);
        }
        Conclusion::Unknown
    }

    fn count(&self, index: &Index, now: Time) -> Count {
        let is_unreached = |reachability: Reachability| match index.few_domains {
            true => reachability == Reachability::LocalFailure,
            false => reachability != Reachability::Answered,
        };
        let mut count = Count::default();
        for (probe, asks_name_servers) in &index.reference_probes {
            let Some((at, reachability)) = self.latest.get(probe) else { continue };
            if between(*at, now) > ANSWER_TTL {
                continue;
            }
            // Older answers describe the time before the check.
            let newer = self.check_since.is_none_or(|since| *at >= since);
            count.newer += usize::from(newer);
            if is_unreached(*reachability) {
                count.unreached += 1;
                count.newer_unreached += usize::from(newer);
            } else {
                count.reached += 1;
                count.name_server |= *asks_name_servers && newer;
            }
        }
        count
    }

    fn connected(&mut self, now: Time) -> Conclusion {
        self.check_since = None;
        self.connected_at = Some(now);
        Conclusion::Connected
    }

    /// Whether alerts are held back for a check.
    pub(crate) fn holds_back(&self, now: Time) -> bool {
        self.check_since.is_some_and(|since| between(since, now) < HOLD_BACK)
    }

    /// End of holding alerts back, or else of the check.
    pub(crate) fn deadline(&self, now: Time) -> Option<Time> {
        self.check_since
            .map(|since| later(since, if self.holds_back(now) { HOLD_BACK } else { CHECK_TIMEOUT }))
    }

    /// Reference probes that are wanted before their interval, and when.
    pub(crate) fn wanted(&self, index: &Index, isolated: bool, now: Time) -> Vec<(ProbeId, Time)> {
        let wanted_at = |probe: &ProbeId| match (self.latest.get(probe), self.check_since) {
            (Some((at, _)), Some(since)) if *at >= since => None,
            (_, Some(since)) => Some(since),
            (Some((at, _)), None) => Some(later(*at, ISOLATED_INTERVAL)),
            (None, None) => Some(now),
        };
        if self.check_since.is_none() && !isolated {
            return Vec::new();
        }
        let probes = index.reference_probes.keys();
        probes.filter_map(|probe| wanted_at(probe).map(|at| (probe.clone(), at))).collect()
    }
}
