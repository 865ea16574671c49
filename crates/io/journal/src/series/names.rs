//! The series and their numbers. A number takes the place of two names in queues, rows and keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Series that are stored at the same time at most.
pub const SERIES_MAX: usize = 100_000;

/// Bits of a key that hold the number of a series.
pub(super) const ID_BITS: u32 = 24;

/// The names of a series: whose it is, and what is measured.
pub(super) type Names = (Arc<str>, Arc<str>);

#[derive(Debug, Default)]
struct Known {
    ids: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    names: BTreeMap<u32, Names>,
    /// Smaller numbers that are free again.
    free: Vec<u32>,
    next: u32,
}

impl Known {
    fn id(&self, subject: &str, metric: &str) -> Option<u32> {
        self.ids.get(subject)?.get(metric).copied()
    }

    fn insert(&mut self, id: u32, names: Names) {
        self.ids.entry(Arc::clone(&names.0)).or_default().insert(Arc::clone(&names.1), id);
        self.names.insert(id, names);
        self.next = self.next.max(id + 1);
    }
}

/// All series, shared by callers and the writer.
#[derive(Debug, Default)]
pub(super) struct Registry(RwLock<Known>);

impl Registry {
    pub(super) fn new(stored: Vec<(u32, Names)>) -> Self {
        let mut known = Known::default();
        for (id, names) in stored {
            known.insert(id, names);
        }
        known.free = (0..known.next).filter(|id| !known.names.contains_key(id)).collect();
        Self(RwLock::new(known))
    }

    /// The number of a known series.
    pub(super) fn get(&self, subject: &str, metric: &str) -> Option<u32> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).id(subject, metric)
    }

    /// Calls `found` with the number of a series, which is new if need be and stays valid during the call. `None` when
    /// there are too many series.
    pub(super) fn with_id(&self, subject: &str, metric: &str, found: impl FnOnce(u32)) -> Option<()> {
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(id) = known.id(subject, metric) {
                found(id);
                return Some(());
            }
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let id = match known.id(subject, metric) {
            Some(id) => id,
            None if known.names.len() >= SERIES_MAX => return None,
            None => {
                let id = known.free.pop().unwrap_or(known.next);
                known.insert(id, (subject.into(), metric.into()));
                id
            }
        };
        found(id);
        Some(())
    }

    pub(super) fn names(&self, id: u32) -> Option<Names> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).names.get(&id).cloned()
    }

    /// Removes series, except those that `in_use` returns; no number is handed out meanwhile.
    pub(super) fn remove(&self, ids: &[u32], in_use: impl FnOnce() -> BTreeSet<u32>) -> Vec<u32> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let in_use = in_use();
        let ids: Vec<u32> = ids.iter().copied().filter(|id| !in_use.contains(id)).collect();
        for id in &ids {
            if let Some((subject, metric)) = known.names.remove(id) {
                if let Some(metrics) = known.ids.get_mut(&subject) {
                    metrics.remove(&metric);
                    if metrics.is_empty() {
                        known.ids.remove(&subject);
                    }
                }
                known.free.push(*id);
            }
        }
        ids
    }
}
