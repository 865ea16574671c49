//! The thread that writes: batches into the log, and in between the maintenance that is due.

use super::hot::{HOT_MAX, Hot, decode_batch, encode_batch};
use super::names::Registry;
use super::queue::{Queue, State, Task};
use super::sample::{DAY, Entry, HOUR, WINDOW, tick};
use super::tables::{self, set_aside};
use super::{Clock, OpenError, compaction};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use types::Time;

/// Ticks after the end of a window at which its samples become chunks: most late ones are there by then.
const CHUNK_AFTER: i64 = 600;

/// Ticks after the end of a day at which it is closed. Samples that come later are merged into the closed day.
const CLOSE_AFTER: i64 = 2 * HOUR;

/// Ticks that a sample may be ahead of the clock. A wrong date must not reserve days of the future.
const AHEAD_MAX: i64 = DAY;

/// Series that are removed in one step.
const REMOVE_STEP: i64 = 1_024;

/// Opens the file for writing and for reading. One of another format is set aside.
fn open_both(path: &Path) -> Result<(Connection, Connection), OpenError> {
    let db = match tables::open(path)? {
        Some(db) => db,
        None => {
            tracing::warn!(path = %path.display(), "the samples have another format; a new file is begun");
            set_aside(path, ".other-format")?;
            let other = || std::io::Error::other("it has another format and cannot be replaced");
            tables::open(path)?.ok_or_else(other)?
        }
    };
    let reader = tables::open_to_read(path)?;
    Ok((db, reader))
}

/// State of the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) db: Connection,
    pub(super) reader: Arc<Mutex<Connection>>,
    pub(super) registry: Arc<Registry>,
    pub(super) hot: Arc<Hot>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    /// Series that have a row.
    pub(super) stored: BTreeSet<u32>,
    /// The boundary before which hot samples were last moved into chunks.
    pub(super) compacted: i64,
    /// Samples before this day were forgotten.
    pub(super) first_day: i64,
}

/// Reports the exit of the thread, also by a panic.
struct ExitNotice(Arc<Queue>);

impl Drop for ExitNotice {
    fn drop(&mut self) {
        self.0.gone();
    }
}

impl Writer {
    /// Opens the file and reads its log into memory before the thread starts, so that queries find everything.
    pub(super) fn open(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        let (db, reader) = open_both(path)?;
        let series = tables::all_series(&db)?;
        let stored = series.iter().map(|(id, _)| *id).collect();
        let writer = Self {
            path: path.to_owned(),
            db,
            reader: Arc::new(Mutex::new(reader)),
            registry: Arc::new(Registry::new(series)),
            hot: Arc::default(),
            queue: Arc::default(),
            clock,
            stored,
            compacted: i64::MIN,
            first_day: 0,
        };
        writer.replay()?;
        Ok(writer)
    }

    fn replay(&self) -> rusqlite::Result<()> {
        let mut rows = self.db.prepare("SELECT samples FROM hot ORDER BY id")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let mut batch = decode_batch(row.get_ref(0)?.as_blob()?);
            batch.retain(|(id, _)| self.stored.contains(id));
            self.hot.extend(&batch);
        }
        Ok(())
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        let _exit = ExitNotice(Arc::clone(&self.queue));
        let mut more = false;
        loop {
            let result = match self.queue.next(more) {
                Task::Exit => break,
                Task::Write(batch) => match self.make_room().and_then(|()| self.write(&batch)) {
                    // Under load, maintenance takes turns with batches.
                    Ok(()) => self.maintain(None),
                    Err(error) => {
                        self.queue.put_back(batch);
                        Err(error)
                    }
                },
                Task::Maintain { forget, flush } => self.maintain(forget).inspect(|did| {
                    if !did {
                        self.queue.maintained(flush);
                    }
                }),
            };
            more = matches!(result, Ok(true));
            let result = result.map(drop);
            if self.report(result) && self.queue.pause() {
                break;
            }
        }
    }

    /// Writes a batch: one row of the log, and the names of new series.
    pub(super) fn write(&mut self, batch: &[(u32, Entry)]) -> rusqlite::Result<()> {
        let now = tick((self.clock.0)());
        let mut batch = batch.to_vec();
        let all = batch.len();
        batch.retain(|(_, entry)| entry.tick() <= now + AHEAD_MAX);
        let in_future = (all - batch.len()) as u64;
        batch.retain(|(_, entry)| entry.tick() >= self.first_day * DAY);
        let too_old = (all - batch.len()) as u64 - in_future;
        if !batch.is_empty() {
            let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let new: BTreeSet<u32> =
                batch.iter().map(|(id, _)| *id).filter(|id| !self.stored.contains(id)).collect();
            for id in &new {
                if let Some(names) = self.registry.names(*id) {
                    tables::insert_series(&tx, *id, &names)?;
                }
            }
            tables::append_batch(&tx, &encode_batch(&batch))?;
            tx.commit()?;
            self.stored.extend(new);
            self.hot.extend(&batch);
        }
        self.queue.count_dropped(|dropped| {
            dropped.in_future += in_future;
            dropped.too_old += too_old;
        });
        Ok(())
    }

    /// Moves everything into chunks when too many samples are in memory.
    fn make_room(&mut self) -> rusqlite::Result<()> {
        if self.hot.len() >= HOT_MAX {
            compaction::compact_hot(&mut self.db, &self.hot, i64::MAX)?;
        }
        Ok(())
    }

    /// Does one step of what is due. Returns whether it did something, so that there may be more.
    pub(super) fn maintain(&mut self, forget: Option<Time>) -> rusqlite::Result<bool> {
        let now = tick((self.clock.0)());
        let boundary = (now - CHUNK_AFTER).div_euclid(WINDOW) * WINDOW;
        // Whenever the window changes, also backwards: after a clock that was ahead.
        if boundary != self.compacted {
            compaction::compact_hot(&mut self.db, &self.hot, boundary)?;
            self.compacted = boundary;
            return Ok(true);
        }
        if compaction::close_days(&mut self.db, (now - CLOSE_AFTER).div_euclid(DAY))? {
            return Ok(true);
        }
        let Some(forget) = forget.map(|before| tick(before) / DAY).filter(|day| *day > self.first_day) else {
            return Ok(false);
        };
        if compaction::delete_days(&mut self.db, forget)? || self.remove_series(forget)? {
            return Ok(true);
        }
        self.first_day = forget;
        Ok(false)
    }

    /// Removes series without samples.
    fn remove_series(&mut self, before: i64) -> rusqlite::Result<bool> {
        let ids = tables::series_before(&self.db, before, REMOVE_STEP)?;
        let in_use = || &self.queue.ids() | &self.hot.ids();
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let used = in_use();
        for id in ids.iter().filter(|id| !used.contains(id)) {
            tables::delete_series(&tx, *id)?;
        }
        tx.commit()?;
        // A sample that came meanwhile keeps its number; the next batch writes the row again.
        for id in &ids {
            if !used.contains(id) {
                self.stored.remove(id);
            }
        }
        let removed = self.registry.remove(&ids, in_use);
        Ok(!removed.is_empty())
    }

    /// Keeps the state for callers. Returns whether the step failed.
    pub(super) fn report(&mut self, result: rusqlite::Result<()>) -> bool {
        let before = self.queue.state();
        let Err(error) = result else {
            if before != State::Writing {
                tracing::info!("samples are written again");
                self.queue.set_state(State::Writing);
            }
            return false;
        };
        let state = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => State::DiskFull,
            _ => State::Failing(error.to_string()),
        };
        if before != state {
            tracing::warn!(%error, path = %self.path.display(),
                "samples cannot be written; the oldest are dropped when too many wait");
            self.queue.set_state(state);
        }
        if (super::is_damage(&error) || !self.has_file())
            && let Err(error) = self.begin_again()
        {
            tracing::warn!(%error, "no new file of samples could be begun; it is tried again");
        }
        true
    }

    /// Whether a file is open. There is none when a damaged one could not be replaced.
    fn has_file(&self) -> bool {
        self.db.path().is_some_and(|path| !path.is_empty())
    }

    /// Sets the damaged file aside while running. What is in memory goes into the new file.
    fn begin_again(&mut self) -> Result<(), OpenError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // Closed before the rename: SQLite deletes a log by its name when the last connection closes.
        (self.db, *reader) = (Connection::open_in_memory()?, Connection::open_in_memory()?);
        set_aside(&self.path, ".damaged")?;
        (self.db, *reader) = open_both(&self.path)?;
        drop(reader);
        self.stored.clear();
        let hot = self.hot.since(i64::MIN);
        self.hot.remove_before(i64::MAX);
        self.compacted = i64::MIN;
        Ok(self.write(&hot)?)
    }
}
