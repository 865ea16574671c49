//! The newest samples in memory. On disk they are a log in the order of arrival, which costs one page for a batch of
//! thousands of series; in memory they are ordered by series, for reading.

use super::sample::{Entry, merge};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Samples in memory at most, 8 bytes each; beyond, they are moved into chunks before their two hours are over.
pub(super) const HOT_MAX: usize = 4 << 20;

#[derive(Debug, Default)]
struct Samples {
    by_series: BTreeMap<u32, Vec<Entry>>,
    len: usize,
}

/// The samples that are in no chunk yet. Changed by the writer alone, and only after its commit.
#[derive(Debug, Default)]
pub(super) struct Hot(Mutex<Samples>);

impl Hot {
    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn extend(&self, batch: &[(u32, Entry)]) {
        let mut hot = self.lock();
        hot.len += batch.len();
        for (id, entry) in batch {
            let entries = hot.by_series.entry(*id).or_default();
            if entries.len() == entries.capacity() {
                // Doubling would waste up to half of the memory.
                entries.reserve_exact(32 + entries.len() / 8);
            }
            entries.push(*entry);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len
    }

    pub(super) fn ids(&self) -> BTreeSet<u32> {
        self.lock().by_series.keys().copied().collect()
    }

    /// The samples of a series in order.
    pub(super) fn of(&self, id: u32) -> Vec<Entry> {
        let mut entries = self.lock().by_series.get(&id).cloned().unwrap_or_default();
        merge(&mut entries);
        entries
    }

    /// All samples from `boundary` on.
    pub(super) fn since(&self, boundary: i64) -> Vec<(u32, Entry)> {
        let hot = self.lock();
        let series = |(id, entries): (&u32, &Vec<Entry>)| {
            let id = *id;
            entries
                .iter()
                .filter(|entry| entry.tick() >= boundary)
                .map(move |entry| (id, *entry))
                .collect::<Vec<_>>()
        };
        hot.by_series.iter().flat_map(series).collect()
    }

    /// Removes the samples before `boundary`.
    pub(super) fn remove_before(&self, boundary: i64) {
        let mut hot = self.lock();
        hot.by_series.retain(|_, entries| {
            entries.retain(|entry| entry.tick() >= boundary);
            entries.shrink_to_fit();
            !entries.is_empty()
        });
        hot.len = hot.by_series.values().map(Vec::len).sum();
    }

    /// The oldest tick, and the newest before `before`.
    pub(super) fn ends(&self, before: i64) -> (Option<i64>, Option<i64>) {
        let hot = self.lock();
        let ticks = || hot.by_series.values().flatten().map(|entry| entry.tick());
        (ticks().min(), ticks().filter(|tick| *tick < before).max())
    }
}

/// A batch as a row of the log.
pub(super) fn encode_batch(batch: &[(u32, Entry)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(batch.len() * 12);
    for (id, entry) in batch {
        bytes.extend(id.to_le_bytes());
        bytes.extend(entry.to_bytes());
    }
    bytes
}

/// Reads a row of the log. Records that cannot be read are skipped.
pub(super) fn decode_batch(bytes: &[u8]) -> Vec<(u32, Entry)> {
    let record = |record: &[u8]| {
        let (id, entry) = record.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*id), Entry::from_bytes(entry.try_into().ok()?)?))
    };
    bytes.chunks_exact(12).filter_map(record).collect()
}
