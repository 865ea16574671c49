//! The journal of one machine: SQLite with a write-ahead log, synced before every answer.
//!
//! | file | holds |
//! |---|---|
//! | `journal.db`, `-wal`, `-shm` | the events; `sqlite3 -readonly` reads them while mainstay runs |
//! | `journal.mark` | the high-water mark: position and hash of the last event, written after each commit and before the append returns |
//! | `journal.lock` | the id of the process that may write |
//!
//! | module | holds |
//! |---|---|
//! | `open` | takes the lock, compares rows and mark, creates tables |
//! | `writer` | one transaction per append, on its own thread |
//! | `tables` | the SQL tables, and reading checked against the hash chain |
//! | `high_water` | the high-water mark |
//! | `inspect` | `verify` and `dump` |
//! | `copy` | `backup` and `restore` |
//! | `aside` | renaming of a replaced journal |
//! | `lock` | the lock of the writer |

mod aside;
mod copy;
mod high_water;
mod inspect;
mod lock;
mod open;
mod tables;
mod writer;

pub use copy::{CopyError, backup, restore};
pub use inspect::{Broken, Dump, Verified, dump, verify};
pub use open::{OpenError, look};

use crate::journal::{AppendError, Committed, Head, Journal, ReadError};
use crate::record::Record;
use open::{Loss, Opened};
use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use types::Event;
use writer::{Job, Writer};

/// An append that takes longer returns [`AppendError::Unknown`].
const APPEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Dropping the journal waits at most this long for a write in progress.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A journal in an SQLite file.
///
/// Each append is one transaction, so events should be appended in batches.
#[derive(Debug)]
pub struct SqliteJournal {
    jobs: Option<SyncSender<Job>>,
    /// The append that timed out. At most one: the next append waits for it first.
    pending: Option<Receiver<Result<Committed, AppendError>>>,
    head: Arc<Mutex<Head>>,
    reader: Option<Connection>,
    /// Disconnects when the writer thread has closed files and lock.
    gone: Receiver<()>,
}

impl SqliteJournal {
    /// Opens the journal at `path`, usually `journal.db`; makes one where there is none.
    ///
    /// # Errors
    /// See [`OpenError`]. When events are missing that were once acknowledged, it says which, and nothing is changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::start(path.as_ref(), Loss::Refused)
    }

    /// Opens it even when acknowledged events are missing or damaged: goes on after the last good one, in a new epoch.
    /// Lines behind the first bad one are kept in the table `set_aside`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_accepting_loss(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::start(path.as_ref(), Loss::Accepted)
    }

    fn start(path: &Path, loss: Loss) -> Result<Self, OpenError> {
        let Opened { lock, db, mark, head } = open::open(path, loss)?;
        let reader = tables::open_to_read(path).map_err(|e| open::failed(path, &e))?;
        let writer = Writer { db, mark, epoch: head.epoch };
        let shared = Arc::new(Mutex::new(head));
        let (jobs, todo) = sync_channel(1);
        let (leaving, gone) = sync_channel(0);
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                let _leaving: SyncSender<()> = leaving;
                // A writer stuck on a dead disk keeps the lock: another process must not write at the same time.
                let _lock = lock;
                writer.run(&todo, &theirs);
            })
            .map_err(|e| OpenError::Io { path: path.to_owned(), why: e.to_string() })?;
        Ok(Self { jobs: Some(jobs), pending: None, head: shared, reader: Some(reader), gone })
    }
}

impl Journal for SqliteJournal {
    fn append(&mut self, expect: u64, events: &[Event]) -> Result<Committed, AppendError> {
        let records = Record::encode_all(events)?;
        let deadline = Instant::now() + APPEND_TIMEOUT;
        let left = || deadline.saturating_duration_since(Instant::now());
        if let Some(pending) = &self.pending {
            match pending.recv_timeout(left()) {
                Err(RecvTimeoutError::Timeout) => return Err(AppendError::Unknown),
                // Its result is in the rows, and the new append is compared with them.
                Ok(_) | Err(RecvTimeoutError::Disconnected) => self.pending = None,
            }
        }
        let stopped = || AppendError::Unavailable("its writer has stopped; restart mainstay".to_owned());
        let (answer, answered) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.try_send(Job { expect, records, answer }).map_err(|_| stopped())?;
        match answered.recv_timeout(left()) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                self.pending = Some(answered);
                Err(AppendError::Unknown)
            }
            Err(RecvTimeoutError::Disconnected) => Err(AppendError::Unknown),
        }
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        let Some(db) = &self.reader else { return Err(ReadError::Unavailable("it is closed".to_owned())) };
        let mut hash = tables::hash_at(db, after).map_err(|e| tables::failed_after(after, &e))?;
        let rows = tables::page(db, after, limit).map_err(|e| tables::failed_after(after, &e))?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let event;
            (event, hash) = row.check(&hash)?;
            events.push(event);
        }
        Ok(events)
    }

    fn head(&self) -> Result<Head, ReadError> {
        Ok(*self.head.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        // The writer closes last, so that its connection removes the write-ahead log.
        self.reader = None;
        self.jobs = None;
        let _ = self.gone.recv_timeout(CLOSE_TIMEOUT);
    }
}
