//! The queue of samples and the thread that empties it.

use super::tables::{self, Sample};
use rusqlite::Connection;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use types::Time;

/// Samples in the queue at most. A thousand probes every ten seconds fill it in eleven minutes.
const QUEUE_MAX: usize = 65_536;

/// Samples per transaction.
const BATCH_MAX: usize = 4_096;

/// Batching delay: samples are written together after at most this long.
const BATCH_DELAY: Duration = Duration::from_millis(500);

/// Pause between a failed write and the next attempt.
const RETRY_DELAY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Waiting {
    samples: VecDeque<Sample>,
    /// Counters since the start: queued, dropped, written or dropped.
    pushed: u64,
    dropped: u64,
    settled: u64,
    /// A flush is waiting.
    hurry: bool,
    forget: Option<Time>,
    closing: bool,
    gone: bool,
}

/// The queue between callers and the writer thread.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// The next task of the writer.
enum Task {
    Write(Vec<Sample>),
    Delete(Time),
    Exit,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, sample: Sample) {
        let mut waiting = self.lock();
        waiting.pushed += 1;
        waiting.samples.push_back(sample);
        if waiting.samples.len() > QUEUE_MAX {
            waiting.samples.pop_front();
            waiting.dropped += 1;
            waiting.settled += 1;
        }
        // The first sample starts the batching delay and a full batch ends it. The others need no notification.
        if waiting.samples.len() == 1 || waiting.samples.len() == BATCH_MAX {
            self.changed.notify_all();
        }
    }

    pub(super) fn forget(&self, before: Time) {
        self.lock().forget = Some(before);
        self.changed.notify_all();
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut waiting = self.lock();
        let wanted = waiting.pushed;
        waiting.hurry = true;
        self.changed.notify_all();
        self.wait(waiting, patience, |waiting| waiting.settled >= wanted || waiting.gone).settled >= wanted
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

    fn next(&self) -> Task {
        let mut waiting = self.lock();
        loop {
            let hurried = waiting.hurry || waiting.closing;
            if !waiting.samples.is_empty() && !hurried && waiting.samples.len() < BATCH_MAX {
                let full = |waiting: &Waiting| {
                    waiting.hurry || waiting.closing || waiting.samples.len() >= BATCH_MAX
                };
                waiting = self.wait(waiting, BATCH_DELAY, full);
            }
            if !waiting.samples.is_empty() {
                let count = waiting.samples.len().min(BATCH_MAX);
                return Task::Write(waiting.samples.drain(..count).collect());
            }
            waiting.hurry = false;
            if waiting.closing {
                return Task::Exit;
            }
            if let Some(before) = waiting.forget {
                return Task::Delete(before);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn settle(&self, count: usize, written: bool) {
        let mut waiting = self.lock();
        waiting.settled += count as u64;
        if !written {
            waiting.dropped += count as u64;
        }
        self.changed.notify_all();
    }

    /// Returns a batch that could not be written to the front of the queue, as far as there is room.
    fn put_back(&self, mut batch: Vec<Sample>) {
        let mut waiting = self.lock();
        let lost = (batch.len() + waiting.samples.len()).saturating_sub(QUEUE_MAX).min(batch.len());
        batch.drain(..lost);
        for sample in batch.into_iter().rev() {
            waiting.samples.push_front(sample);
        }
        drop(waiting);
        self.settle(lost, false);
    }

    /// Waits after a failure, unless the queue is closing. Returns whether it is.
    fn pause(&self) -> bool {
        self.wait(self.lock(), RETRY_DELAY, |waiting| waiting.closing).closing
    }

    fn deleted(&self, before: Time) {
        let mut waiting = self.lock();
        if waiting.forget == Some(before) {
            waiting.forget = None;
        }
    }
}

/// Reports the exit of the thread, also by a panic.
struct ExitNotice<'a>(&'a Queue);

impl Drop for ExitNotice<'_> {
    fn drop(&mut self) {
        self.0.lock().gone = true;
        self.0.changed.notify_all();
    }
}

/// Writes until the queue is closed.
pub(super) fn run(mut db: Connection, queue: &Queue) {
    let _exit = ExitNotice(queue);
    let mut ids = BTreeMap::new();
    let mut failing_since: Option<Instant> = None;
    loop {
        let result = match queue.next() {
            Task::Exit => break,
            Task::Write(batch) => match tables::write(&mut db, &mut ids, &batch) {
                Ok(()) => {
                    queue.settle(batch.len(), true);
                    Ok(())
                }
                Err(e) => {
                    queue.put_back(batch);
                    Err(e)
                }
            },
            Task::Delete(before) => tables::forget(&db, before).map(|more| {
                if !more {
                    queue.deleted(before);
                }
            }),
        };
        match result {
            Ok(()) => {
                if let Some(since) = failing_since.take() {
                    tracing::info!(secs = since.elapsed().as_secs(), "samples are written again");
                }
            }
            Err(error) => {
                if failing_since.is_none() {
                    tracing::warn!(%error, "samples cannot be written; the oldest are dropped when too many wait");
                    failing_since = Some(Instant::now());
                }
                if queue.pause() {
                    break;
                }
            }
        }
    }
}
