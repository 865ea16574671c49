//! Events that the journal refused, kept in order until it accepts them. Callers never wait for it.

use crate::{AppendError, Journal, ReadError};
use std::collections::VecDeque;
use std::time::Duration;
use types::event::Event;
use types::{Time, time};

/// Events per append.
const BATCH_MAX: usize = 256;
/// Events kept while the journal refuses to write: enough for days.
const UNWRITTEN_MAX: usize = 100_000;
/// Pause after a refusal: each one may block for two seconds.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A journal and the events that it has not accepted yet.
pub struct PendingWrites {
    journal: Box<dyn Journal>,
    unwritten: VecDeque<Event>,
    /// The last event that the journal accepted. Events dropped over the limit leave a gap behind it.
    taken: Option<u64>,
    refused: Option<(String, Time)>,
}

/// Events are not known to be on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub struct NotWritten {
    /// The reason, in a sentence.
    pub summary: String,
    /// Whether it may be on disk nevertheless.
    pub in_doubt: bool,
}

impl PendingWrites {
    /// Wraps a journal.
    #[must_use]
    pub fn new(journal: Box<dyn Journal>) -> Self {
        Self { journal, unwritten: VecDeque::new(), taken: None, refused: None }
    }

    /// At most `limit` events after `after`: those in the journal, then the pending ones.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        let mut events = self.journal.read(after, limit)?;
        // After `AppendError::Unknown` the journal may have some of them already.
        let last = events.last().map_or(after, |event| event.seq);
        let room = limit.saturating_sub(events.len());
        events.extend(self.unwritten.iter().filter(|event| event.seq > last).take(room).cloned());
        Ok(events)
    }

    /// Why the journal refuses to write now; `None` when it does not.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refused.as_ref().map(|(summary, _)| summary.as_str())
    }

    /// Appends events behind the pending ones. `Ok` means that all of them are on disk.
    ///
    /// # Errors
    /// When the journal refuses. Nothing is dropped: it is tried again with the next call, but not before a pause.
    pub fn write(&mut self, now: Time, events: Vec<Event>) -> Result<(), NotWritten> {
        self.unwritten.extend(events);
        if let Some((summary, at)) = &self.refused
            // A clock that is set back does not extend the pause.
            && *at <= now
            && time::between(*at, now) < RETRY_AFTER
        {
            return Err(NotWritten { summary: summary.clone(), in_doubt: false });
        }
        while let Some(first) = self.unwritten.front() {
            let before = self.taken.unwrap_or_else(|| first.seq.saturating_sub(1));
            let batch: Vec<Event> = self.unwritten.iter().take(BATCH_MAX).cloned().collect();
            if let Err(why) = self.journal.append(before, &batch) {
                return Err(NotWritten { summary: self.refuse(now, &why), in_doubt: false });
            }
            self.unwritten.drain(..batch.len());
            self.taken = batch.last().map(|event| event.seq);
            if self.refused.take().is_some() {
                tracing::info!("the journal can be written again");
            }
        }
        Ok(())
    }

    /// Appends the events of a person's command behind the pending ones. Unlike with [`PendingWrites::write`], events that the journal
    /// refuses are dropped: a command that was answered with an error must not take effect later.
    ///
    /// # Errors
    /// When it is not known to be on disk. What is in doubt stays in its place, for it may be on disk, and is tried again.
    pub fn write_or_drop(&mut self, now: Time, events: &[Event]) -> Result<(), NotWritten> {
        self.write(now, Vec::new())?;
        let Some(first) = events.first() else { return Ok(()) };
        let before = self.taken.unwrap_or_else(|| first.seq.saturating_sub(1));
        match self.journal.append(before, events) {
            Ok(_) => {
                self.taken = events.last().map(|event| event.seq);
                Ok(())
            }
            Err(why) => {
                let in_doubt = why == AppendError::Unknown;
                if in_doubt {
                    self.unwritten.extend(events.iter().cloned());
                }
                Err(NotWritten { summary: self.refuse(now, &why), in_doubt })
            }
        }
    }

    fn refuse(&mut self, now: Time, why: &AppendError) -> String {
        let summary = format!(
            "the journal cannot be written ({why}); pages are still sent, but would be lost in a restart"
        );
        if self.refusal() != Some(&summary) {
            tracing::error!("{summary}");
        }
        self.refused = Some((summary.clone(), now));
        // Events over the limit are in the engine's state only. They have taken effect nevertheless.
        self.unwritten.truncate(UNWRITTEN_MAX);
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::events;
    use crate::memory::MemoryJournal;
    use crate::{Committed, Head};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A journal that refuses while its switch is on.
    struct Refusing(MemoryJournal, Arc<AtomicBool>);

    impl Journal for Refusing {
        fn append(&mut self, expect: u64, events: &[Event]) -> Result<Committed, AppendError> {
            if self.1.load(Ordering::Relaxed) {
                Err(AppendError::Full)
            } else {
                self.0.append(expect, events)
            }
        }
        fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
            self.0.read(after, limit)
        }
        fn head(&self) -> Result<Head, ReadError> {
            self.0.head()
        }
    }

    /// A journal that writes and returns `Unknown`.
    struct InDoubt(MemoryJournal, Arc<AtomicBool>);

    impl Journal for InDoubt {
        fn append(&mut self, expect: u64, events: &[Event]) -> Result<Committed, AppendError> {
            let committed = self.0.append(expect, events);
            if self.1.load(Ordering::Relaxed) { committed.and(Err(AppendError::Unknown)) } else { committed }
        }
        fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
            self.0.read(after, limit)
        }
        fn head(&self) -> Result<Head, ReadError> {
            self.0.head()
        }
    }

    fn numbers(pending_writes: &PendingWrites) -> Vec<u64> {
        pending_writes.read(0, 100).unwrap().iter().map(|event| event.seq).collect()
    }

    #[test]
    fn what_a_person_asked_for_is_on_disk_or_nowhere() {
        let refuses = Arc::new(AtomicBool::new(false));
        let mut pending_writes =
            PendingWrites::new(Box::new(Refusing(MemoryJournal::new(), Arc::clone(&refuses))));
        let at = |secs| time::later(Time::UNIX_EPOCH, Duration::from_secs(secs));
        assert_eq!(pending_writes.write_or_drop(at(0), &events(1, 2)), Ok(()));
        refuses.store(true, Ordering::Relaxed);
        let refused = pending_writes.write_or_drop(at(1), &events(3, 3)).unwrap_err();
        assert!(refused.summary.contains("full") && !refused.in_doubt);
        assert!(pending_writes.write(at(2), events(3, 4)).is_err(), "what happened by itself is kept");
        refuses.store(false, Ordering::Relaxed);
        assert!(
            !pending_writes.write_or_drop(at(3), &events(5, 5)).unwrap_err().in_doubt,
            "left alone for a while"
        );
        assert_eq!(
            pending_writes.write_or_drop(at(8), &events(5, 6)),
            Ok(()),
            "behind what was refused before"
        );
        assert_eq!(numbers(&pending_writes), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_in_doubt_keeps_its_place() {
        let in_doubt = Arc::new(AtomicBool::new(true));
        let mut pending_writes =
            PendingWrites::new(Box::new(InDoubt(MemoryJournal::new(), Arc::clone(&in_doubt))));
        let at = |secs| time::later(Time::UNIX_EPOCH, Duration::from_secs(secs));
        assert!(pending_writes.write_or_drop(at(0), &events(1, 1)).unwrap_err().in_doubt);
        in_doubt.store(false, Ordering::Relaxed);
        assert_eq!(pending_writes.write(at(6), events(2, 3)), Ok(()));
        assert_eq!(numbers(&pending_writes), [1, 2, 3]);
    }

    #[test]
    fn what_was_refused_is_kept_and_a_gap_beyond_the_limit_is_no_dead_end() {
        let refuses = Arc::new(AtomicBool::new(false));
        let mut pending_writes =
            PendingWrites::new(Box::new(Refusing(MemoryJournal::new(), Arc::clone(&refuses))));
        let at = |secs| time::later(Time::UNIX_EPOCH, Duration::from_secs(secs));
        assert_eq!(pending_writes.write(at(0), events(1, 10)), Ok(()));

        refuses.store(true, Ordering::Relaxed);
        let kept = 10 + UNWRITTEN_MAX as u64;
        assert!(pending_writes.write(at(1), events(11, kept + 500)).unwrap_err().summary.contains("full"));
        assert!(pending_writes.refusal().is_some());
        let read = pending_writes.read(9, 3).unwrap();
        assert_eq!(
            read.iter().map(|event| event.seq).collect::<Vec<_>>(),
            [10, 11, 12],
            "as if all were taken"
        );

        refuses.store(false, Ordering::Relaxed);
        assert!(pending_writes.write(at(2), vec![]).is_err(), "it is left alone for a while");
        assert_eq!(pending_writes.write(at(7), events(kept + 501, kept + 900)), Ok(()));
        assert_eq!(pending_writes.refusal(), None);
        let last = pending_writes.read(kept - 1, 1_000).unwrap();
        assert_eq!(last.iter().map(|event| event.seq).take(2).collect::<Vec<_>>(), [kept, kept + 501]);
        assert_eq!(last.len(), 401);
    }
}
