//! Read-only inspection, also of a journal in use: `verify` and `dump`.

use super::high_water::{self, HighWater, StoredMark};
use super::open::{self, OpenError};
use super::tables::{self, Row};
use crate::journal::{Head, ReadError};
use crate::record::Hash;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::path::Path;
use thiserror::Error;
use types::Event;

/// An intact journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of events.
    pub events: u64,
    /// Position of the last one.
    pub head: Head,
    /// The last hash of the chain, in hex: journals with the same hash have the same events.
    pub hash: String,
}

/// The first damage found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Broken {
    /// The first damaged or missing event, if known.
    pub at: Option<u64>,
    /// The damage and the next step, in a sentence.
    pub why: String,
}

impl From<ReadError> for Broken {
    fn from(error: ReadError) -> Self {
        let at = if let ReadError::Damaged { seq, .. } = &error { Some(*seq) } else { None };
        Self { at, why: error.to_string() }
    }
}

impl From<OpenError> for Broken {
    fn from(error: OpenError) -> Self {
        let at = match &error {
            OpenError::Lost { from, .. } => Some(*from),
            OpenError::Exchanged { seq, .. } | OpenError::Damaged(ReadError::Damaged { seq, .. }) => {
                Some(*seq)
            }
            _ => None,
        };
        Self { at, why: error.to_string() }
    }
}

/// Checks every row of a journal or of a backup against the hash chain, the chain against the high-water mark, and the file against
/// itself.
///
/// # Errors
/// The first broken place.
pub fn verify(path: impl AsRef<Path>) -> Result<Verified, Broken> {
    let path = path.as_ref();
    let trouble = |e: &rusqlite::Error| Broken::from(open::failed(path, e));
    // The mark first: rows that are added in between are then ahead of it, as they may be.
    let found = high_water::read(&high_water::path_of(path)).map_err(|e| Broken {
        at: None,
        why: format!("the mark of {} cannot be read: {e}", path.display()),
    })?;
    let db = open_existing(path)?;
    // One transaction, so that all checks read the same snapshot.
    let tx = db.unchecked_transaction().map_err(|e| trouble(&e))?;
    let state = tables::state(&tx).map_err(|e| trouble(&e))?;
    let seal = tables::seal(&tx).map_err(|e| trouble(&e))?;
    let found = match seal {
        Some(seal) if found == StoredMark::Missing => {
            StoredMark::Intact(HighWater { head: seal.head, hash: seal.hash })
        }
        _ => found,
    };
    let (events, seq, hash) = tables::walk(&tx, 0).map_err(|(_, _, e)| Broken::from(e))?;
    open::compare(path, found, Some(state), |seq| tables::hash_at(&tx, seq))?;
    let head = Head { epoch: state.head.epoch, seq };
    if head != state.head || hash != state.hash {
        let why = format!("the journal {} has another end when it is read backwards", path.display());
        return Err(Broken { at: Some(seq), why });
    }
    let word: String =
        tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(|e| trouble(&e))?;
    if word != "ok" {
        let why = format!(
            "every event of {} is there, but the file is damaged ({word}). Restore a backup",
            path.display()
        );
        return Err(Broken { at: None, why });
    }
    Ok(Verified { events, head, hash: hash.to_string() })
}

/// Iterates over the events after a sequence number without blocking the writer. A damaged row is an
/// error in its place; those behind it still follow.
///
/// # Errors
/// When there is no journal, or it cannot be opened at all.
pub fn dump(path: impl AsRef<Path>, after: u64) -> Result<Dump, Broken> {
    let db = open_existing(path.as_ref())?;
    let hash = tables::hash_at(&db, after).map_err(|e| Broken::from(tables::failed_after(after, &e)))?;
    Ok(Dump { db, after, hash, rows: VecDeque::new(), over: false })
}

/// See [`dump`].
#[derive(Debug)]
pub struct Dump {
    db: Connection,
    after: u64,
    hash: Hash,
    rows: VecDeque<Row>,
    over: bool,
}

impl Iterator for Dump {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.is_empty() && !self.over {
            match tables::page(&self.db, self.after, tables::PAGE) {
                Ok(rows) => {
                    self.over = rows.len() < tables::PAGE;
                    self.rows = rows.into();
                }
                Err(e) => {
                    self.over = true;
                    return Some(Err(tables::failed_after(self.after, &e)));
                }
            }
        }
        let row = self.rows.pop_front()?;
        let checked = row.check(&self.hash);
        self.after = row.seq;
        self.hash = row.claimed();
        Some(checked.map(|(event, _)| event))
    }
}

pub(super) fn open_existing(path: &Path) -> Result<Connection, Broken> {
    let none = || Broken { at: None, why: format!("there is no journal at {}", path.display()) };
    if !path.exists() {
        return Err(none());
    }
    let trouble = |e: &rusqlite::Error| Broken::from(open::failed(path, e));
    let db = tables::open_to_read(path).map_err(|e| trouble(&e))?;
    match tables::is_there(&db).map_err(|e| trouble(&e))? {
        Ok(true) => Ok(db),
        Ok(false) => Err(none()),
        Err(version) => Err(Broken::from(OpenError::other_format(path, version))),
    }
}
