//! What was asked for through each proxy, and what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proxy {
    Mainstay,
    Haproxy,
}

impl Proxy {
    pub(crate) const BOTH: [Self; 2] = [Self::Mainstay, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mainstay => "mainstay",
            Self::Haproxy => "haproxy",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    pub(crate) asked: u64,
    pub(crate) well: u64,
    /// Answered 429 or 503.
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// What else was seen: status codes, errors of clients, messages.
    pub(crate) notes: BTreeMap<String, u64>,
}

impl Count {
    /// Counts one request by the status code that its client saw; 0 is none at all.
    pub(crate) fn status(&mut self, status: u64) {
        self.asked += 1;
        match status {
            200..=299 => self.well += 1,
            429 | 503 => self.refused += 1,
            _ => self.failed += 1,
        }
        if !(200..=299).contains(&status) {
            self.note(&format!("status {status}"), 1);
        }
    }

    pub(crate) fn note(&mut self, what: &str, times: u64) {
        if times > 0 {
            *self.notes.entry(what.to_owned()).or_default() += times;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.well += other.well;
        self.refused += other.refused;
        self.failed += other.failed;
        for (what, &times) in &other.notes {
            self.note(what, times);
        }
    }
}

#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<(&'static str, Proxy), Count>>);

impl Tally {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, Proxy), Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, kind: &'static str, proxy: Proxy, count: &Count) {
        self.lock().entry((kind, proxy)).or_default().add(count);
    }

    fn get(&self, kind: &'static str, proxy: Proxy) -> Count {
        self.lock().get(&(kind, proxy)).cloned().unwrap_or_default()
    }

    pub(crate) fn table(&self, kinds: &[&Kind]) -> String {
        let mut table = format!(
            "{:<20} {:<9} {:>8} {:>8} {:>8} {:>7}\n",
            "kind", "", "asked", "well", "refused", "failed"
        );
        for kind in kinds {
            for proxy in Proxy::BOTH {
                let count = self.get(kind.name, proxy);
                let notes: Vec<_> =
                    count.notes.iter().map(|(what, times)| format!("{what}: {times}")).collect();
                let _ = writeln!(
                    table,
                    "{:<20} {:<9} {:>8} {:>8} {:>8} {:>7}  {}",
                    kind.name,
                    proxy.name(),
                    count.asked,
                    count.well,
                    count.refused,
                    count.failed,
                    notes.join(", ")
                );
            }
        }
        table
    }

    /// Where mainstay did worse than HAProxy beside it.
    pub(crate) fn faults(&self, kinds: &[&Kind]) -> Vec<String> {
        kinds.iter().filter_map(|kind| self.fault(kind)).collect()
    }

    fn fault(&self, kind: &Kind) -> Option<String> {
        let [mainstay, haproxy] = Proxy::BOTH.map(|proxy| self.get(kind.name, proxy));
        let mut faults = Vec::new();
        if mainstay.refused > haproxy.refused {
            faults.push(format!("{} refused, {} by HAProxy", mainstay.refused, haproxy.refused));
        }
        let chance = kind.slack + haproxy.failed / 2;
        if mainstay.failed > haproxy.failed + chance {
            faults.push(format!(
                "{} failed, {} by HAProxy, {chance} more is chance",
                mainstay.failed, haproxy.failed
            ));
        }
        // Work that was never asked for cannot have failed: a proxy that stalls its clients is caught here. A build
        // that is not optimised is many times as slow by itself.
        let share = if cfg!(debug_assertions) { 30 } else { 2 };
        if mainstay.well * share < haproxy.well || mainstay.well == 0 {
            faults.push(format!("only {} answered well, {} by HAProxy", mainstay.well, haproxy.well));
        }
        (!faults.is_empty()).then(|| format!("{}: {}", kind.name, faults.join("; ")))
    }
}

/// One kind of load.
///
/// Chance was measured by HAProxy beside itself: where it fails some, another time it fails up to half as many more.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The load that it is a part of, as `DAY_ONLY` names it.
    pub(crate) load: &'static str,
    /// What a server that is killed takes with it, whichever proxy is in front: requests that no proxy may repeat and that
    /// may be under way through one proxy and not through the other.
    pub(crate) slack: u64,
}
