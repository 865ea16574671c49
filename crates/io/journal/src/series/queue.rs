//! The queue of samples between callers and the writer.

use super::sample::Entry;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::Time;

/// Samples in the queue at most, 16 bytes each. Ten thousand series every 30 s fill it in thirteen minutes.
pub(super) const QUEUE_MAX: usize = 262_144;

/// Samples per transaction.
const BATCH_MAX: usize = 16_384;

/// Batching delay: samples are written together after at most this long.
const BATCH_DELAY: Duration = Duration::from_secs(2);

/// Pause between a failed write and the next attempt.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Samples that were not stored since the start, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The disk was slower than the callers, full or failing: the oldest waiting ones.
    pub queue_full: u64,
    /// Older than what was already forgotten.
    pub too_old: u64,
    /// More than a day ahead of the clock.
    pub in_future: u64,
    /// Without a finite value, or before 1970.
    pub invalid: u64,
    /// Of a new series, while there were already as many as can be stored.
    pub too_many_series: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.queue_full + self.too_old + self.in_future + self.invalid + self.too_many_series
    }
}

/// Whether samples are being stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The last write succeeded.
    #[default]
    Writing,
    /// The disk is full. Writing goes on by itself when there is room.
    DiskFull,
    /// Writing fails with this message of SQLite and is tried again every second.
    Failing(String),
}

#[derive(Debug, Default)]
struct Waiting {
    samples: VecDeque<(u32, Entry)>,
    dropped: Dropped,
    state: State,
    forget: Option<Time>,
    /// Numbers of the last flush that was asked for, and of the last that is done.
    flush_asked: u64,
    flush_done: u64,
    closing: bool,
    gone: bool,
}

/// The queue. Its lock is held for moments only, never during I/O.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// The next task of the writer.
#[derive(Debug)]
pub(super) enum Task {
    Write(Vec<(u32, Entry)>),
    /// Compaction and deletion, as far as they are due.
    Maintain {
        forget: Option<Time>,
        flush: u64,
    },
    Exit,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, id: u32, entry: Entry) {
        let mut waiting = self.lock();
        waiting.samples.push_back((id, entry));
        if waiting.samples.len() > QUEUE_MAX {
            waiting.samples.pop_front();
            waiting.dropped.queue_full += 1;
        }
        // The first sample starts the batching delay and a full batch ends it. The others need no notification.
        if waiting.samples.len() == 1 || waiting.samples.len() == BATCH_MAX {
            self.changed.notify_all();
        }
    }

    pub(super) fn count_dropped(&self, count: impl FnOnce(&mut Dropped)) {
        count(&mut self.lock().dropped);
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.lock().dropped
    }

    pub(super) fn state(&self) -> State {
        self.lock().state.clone()
    }

    pub(super) fn set_state(&self, state: State) {
        self.lock().state = state;
    }

    pub(super) fn forget(&self, before: Time) {
        let mut waiting = self.lock();
        waiting.forget = waiting.forget.max(Some(before));
        self.changed.notify_all();
    }

    /// The series of the waiting samples.
    pub(super) fn ids(&self) -> BTreeSet<u32> {
        self.lock().samples.iter().map(|(id, _)| *id).collect()
    }

    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut waiting = self.lock();
        waiting.flush_asked += 1;
        let wanted = waiting.flush_asked;
        self.changed.notify_all();
        self.wait(waiting, patience, |waiting| waiting.flush_done >= wanted || waiting.gone).flush_done
            >= wanted
    }

    /// Makes the writer write the rest and exit; waits for it at most `patience`.
    pub(super) fn close(&self, patience: Duration) {
        let mut waiting = self.lock();
        waiting.closing = true;
        self.changed.notify_all();
        drop(self.wait(waiting, patience, |waiting| waiting.gone));
    }

    fn wait<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting>,
        patience: Duration,
        until: impl Fn(&Waiting) -> bool,
    ) -> MutexGuard<'a, Waiting> {
        self.changed
            .wait_timeout_while(waiting, patience, |waiting| !until(waiting))
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Waits for the next task. Without samples that is maintenance after the batching delay; with `more` maintenance
    /// to do, it alternates with writing.
    pub(super) fn next(&self, more: bool) -> Task {
        let full = |waiting: &Waiting| {
            waiting.flush_asked > waiting.flush_done || waiting.closing || waiting.samples.len() >= BATCH_MAX
        };
        let patience = if more { Duration::ZERO } else { BATCH_DELAY };
        let mut waiting = self.wait(self.lock(), patience, full);
        if !waiting.samples.is_empty() {
            let count = waiting.samples.len().min(BATCH_MAX);
            return Task::Write(waiting.samples.drain(..count).collect());
        }
        if waiting.closing {
            return Task::Exit;
        }
        Task::Maintain { forget: waiting.forget, flush: waiting.flush_asked }
    }

    /// Returns a batch that could not be written to the front of the queue, as far as there is room.
    pub(super) fn put_back(&self, mut batch: Vec<(u32, Entry)>) {
        let mut waiting = self.lock();
        let lost = (batch.len() + waiting.samples.len()).saturating_sub(QUEUE_MAX).min(batch.len());
        waiting.dropped.queue_full += lost as u64;
        for sample in batch.drain(lost..).rev() {
            waiting.samples.push_front(sample);
        }
    }

    /// Maintenance found nothing more to do.
    pub(super) fn maintained(&self, flush: u64) {
        self.lock().flush_done = flush;
        self.changed.notify_all();
    }

    /// Waits after a failure, unless the queue is closing. Returns whether it is.
    pub(super) fn pause(&self) -> bool {
        self.wait(self.lock(), RETRY_DELAY, |waiting| waiting.closing).closing
    }

    /// Reports that no writer is there any more.
    pub(super) fn gone(&self) {
        self.lock().gone = true;
        self.changed.notify_all();
    }
}
