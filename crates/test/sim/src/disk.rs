//! A journal that refuses, answers late, and outlives the process that wrote it.

use journal::Journal;
use journal::journal::{AppendError, Committed, Head, ReadError};
use journal::memory::MemoryJournal;
use std::sync::{Arc, Mutex, PoisonError};
use types::event::Event;

/// How the disk behaves now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It writes.
    Well,
    /// It refuses.
    Refusing,
    /// It writes and says that it does not know.
    Forgetful,
}

/// What survives a crash: the rows, shared by every process that opens the disk.
#[derive(Clone)]
pub struct Disk {
    rows: Arc<Mutex<(MemoryJournal, Mood)>>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { rows: Arc::new(Mutex::new((MemoryJournal::new(), Mood::Well))) }
    }
}

impl Disk {
    /// Changes how it behaves.
    pub fn set(&self, mood: Mood) {
        self.with(|rows| rows.1 = mood);
    }

    /// Everything on it.
    #[must_use]
    pub fn all(&self) -> Vec<Event> {
        self.with(|rows| rows.0.read(0, usize::MAX)).unwrap_or_default()
    }

    fn with<T>(&self, work: impl FnOnce(&mut (MemoryJournal, Mood)) -> T) -> T {
        work(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Journal for Disk {
    fn append(&mut self, expect: u64, events: &[Event]) -> Result<Committed, AppendError> {
        self.with(|(rows, mood)| match mood {
            Mood::Well => rows.append(expect, events),
            Mood::Refusing => Err(AppendError::Full),
            Mood::Forgetful => rows.append(expect, events).and(Err(AppendError::Unknown)),
        })
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.with(|rows| rows.0.read(after, limit))
    }

    fn head(&self) -> Result<Head, ReadError> {
        self.with(|rows| rows.0.head())
    }
}
