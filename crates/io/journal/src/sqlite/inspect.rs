//! Looking at a journal from outside, also while it is in use: `verify` and `dump`.

use super::mark::{self, Found, Mark};
use super::rows::{self, Row};
use super::{open, open::OpenError};
use crate::journal::{Head, ReadError};
use crate::line::Hash;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::path::Path;
use thiserror::Error;
use types::Event;

/// Everything is there and as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events there are.
    pub events: u64,
    /// Where they end.
    pub head: Head,
    /// The last link of the chain, in hex: two journals with the same one hold the same events.
    pub hash: String,
}

/// The first place that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Broken {
    /// The first event that cannot be trusted, where one can be named.
    pub at: Option<u64>,
    /// What is wrong there and what to do, in a sentence.
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

/// Checks every line of a journal or of a backup against the chain, the chain against the mark, and the file against
/// itself.
///
/// # Errors
/// The first broken place.
pub fn verify(path: impl AsRef<Path>) -> Result<Verified, Broken> {
    let path = path.as_ref();
    let trouble = |e: &rusqlite::Error| Broken::from(open::failed(path, e));
    // The mark first: rows that are added in between are then ahead of it, as they may be.
    let found = mark::read(&mark::path_of(path)).map_err(|e| Broken {
        at: None,
        why: format!("the mark of {} cannot be read: {e}", path.display()),
    })?;
    let db = open_existing(path)?;
    // One transaction, so that everything below sees the same moment.
    let tx = db.unchecked_transaction().map_err(|e| trouble(&e))?;
    let state = rows::state(&tx).map_err(|e| trouble(&e))?;
    let seal = rows::seal(&tx).map_err(|e| trouble(&e))?;
    let found = match seal {
        Some(seal) if found == Found::Missing => Found::Mark(Mark { head: seal.head, hash: seal.hash }),
        _ => found,
    };
    let (events, seq, hash) = rows::walk(&tx, 0).map_err(|(_, _, e)| Broken::from(e))?;
    open::compare(path, found, Some(state), |seq| rows::hash_at(&tx, seq))?;
    let head = Head { epoch: state.head.epoch, seq };
    if head != state.head || hash != state.hash {
        let why = format!("the journal {} ends differently when read forwards and backwards", path.display());
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

/// The events after a number, in order, read page by page without holding up whoever writes. A damaged line is an
/// error in its place; those behind it still follow.
///
/// # Errors
/// When there is no journal, or it cannot be opened at all.
pub fn dump(path: impl AsRef<Path>, after: u64) -> Result<Dump, Broken> {
    let db = open_existing(path.as_ref())?;
    let hash = rows::hash_at(&db, after).map_err(|e| Broken::from(rows::failed_after(after, &e)))?;
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
            match rows::page(&self.db, self.after, rows::PAGE) {
                Ok(rows) => {
                    self.over = rows.len() < rows::PAGE;
                    self.rows = rows.into();
                }
                Err(e) => {
                    self.over = true;
                    return Some(Err(rows::failed_after(self.after, &e)));
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
    let db = rows::open_to_read(path).map_err(|e| trouble(&e))?;
    match rows::is_there(&db).map_err(|e| trouble(&e))? {
        Ok(true) => Ok(db),
        Ok(false) => Err(none()),
        Err(version) => Err(Broken::from(OpenError::other_format(path, version))),
    }
}
