//! The contract of every journal, and its errors.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;
use types::Event;

/// Most events of one append.
pub const MAX_EVENTS: usize = 4096;

/// Most bytes of one append, as JSON.
pub const MAX_BYTES: usize = 8 << 20;

/// An append-only list of events with a single writer, the event loop.
///
/// Sequence numbers increase; gaps are allowed.
pub trait Journal: Send {
    /// Appends all of `events` or none of them. `expect` is the sequence number of the last event that the caller
    /// knows; 0 before the first.
    ///
    /// Repeating an append is always safe: events that are there already, byte for byte, count as committed, and only
    /// those behind them are added. So after [`AppendError::Unknown`] send the same again, with more at its end if
    /// more has happened since.
    ///
    /// # Errors
    /// See [`AppendError`]; each says whether anything was written and what to do.
    fn append(&mut self, expect: u64, events: &[Event]) -> Result<Committed, AppendError>;

    /// At most `limit` events after the sequence number `after`, in order. Fewer than `limit` means that the end is reached.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError>;

    /// The end of the journal.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn head(&self) -> Result<Head, ReadError>;
}

/// A position in the journal, usually its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Head {
    /// Counts restores and accepted losses: within one epoch a sequence number means one event for ever.
    pub epoch: u32,
    /// Sequence number of the last event; 0 before the first.
    pub seq: u64,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} (epoch {})", self.seq, self.epoch)
    }
}

/// The events are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The end of the journal now.
    pub head: Head,
}

/// Why an append failed, or may have failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// Nothing was written: the journal does not end where the caller believes, or the sequence numbers do not rise.
    #[error("the journal ends at {current}, not where this append begins; read it from there first")]
    Conflict {
        /// Where it ends.
        current: Head,
    },
    /// Perhaps written. Append the same events again until the result is another one.
    #[error(
        "the disk has not answered, so the last events may be missing; the write is repeated until it does"
    )]
    Unknown,
    /// Nothing was written.
    #[error("the journal cannot be written: {0}")]
    Unavailable(String),
    /// Nothing was written: the journal was restored while it was open.
    #[error("the journal was restored while it was in use; stop, and start again from its present state")]
    EpochChanged,
    /// Nothing was written: more than [`MAX_EVENTS`] or [`MAX_BYTES`]. Append it in parts.
    #[error("more than {MAX_EVENTS} events or {MAX_BYTES} bytes in one append; append them in parts")]
    TooLarge,
    /// Nothing was written: the disk is full. Appends work again when there is room.
    #[error("the disk of the journal is full; free some space, and writing resumes by itself")]
    Full,
}

/// Why the journal could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// It cannot be reached or opened.
    #[error("the journal cannot be read: {0}")]
    Unavailable(String),
    /// A record is damaged.
    #[error(
        "the journal is damaged at event {seq}: {why}. Restore a backup, or start once with `--accept-loss` to go on without what is damaged"
    )]
    Damaged {
        /// The first damaged record.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
}
