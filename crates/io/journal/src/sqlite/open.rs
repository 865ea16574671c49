//! Opening a journal: take the lock, compare rows and mark, and only then connect for writing.

use super::aside::set_aside;
use super::high_water::{self, HighWater, HighWaterFile, StoredMark};
use super::lock::{Lock, LockError};
use super::tables::{self, State};
use crate::journal::{Head, ReadError};
use crate::record::Hash;
use atomic_file::sync_folder_of;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use types::Time;

/// Rows at the end that are checked at every start. The others are checked when they are read.
const TAIL: u64 = 256;

/// How long the writer waits for another program that holds the write lock, such as `sqlite3`.
const BUSY: Duration = Duration::from_secs(30);

/// Why a journal cannot be opened. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the journal {} is in use by process {owner}; stop that one first", path.display())]
    Locked {
        /// The journal.
        path: PathBuf,
        /// Its process id, from the lock file.
        owner: String,
    },
    /// Rows are missing at the end.
    #[error(
        "the journal {} has lost events {from} to {to}: they were on disk and are missing now. Restore a backup, or start once with `--accept-loss` to go on without them", path.display()
    )]
    Lost {
        /// The journal.
        path: PathBuf,
        /// The first that is missing.
        from: u64,
        /// The last that is known to have existed.
        to: u64,
    },
    /// The rows differ from those that the mark was written for.
    #[error(
        "the journal {} is not the one that was written here: event {seq} differs from the mark. Restore a backup, or start once with `--accept-loss` to take it as it is", path.display()
    )]
    Exchanged {
        /// The journal.
        path: PathBuf,
        /// The event at which they differ.
        seq: u64,
    },
    /// A restore or an accepted loss was interrupted.
    #[error(
        "the journal {} is in epoch {rows} and its mark in epoch {mark}: a restore was interrupted, or one of the two files was copied here. Repeat the restore, or start once with `--accept-loss` to take the rows as they are", path.display()
    )]
    TwoEpochs {
        /// The journal.
        path: PathBuf,
        /// Epoch of the rows.
        rows: u32,
        /// Epoch of the mark.
        mark: u32,
    },
    /// There is no usable mark.
    #[error(
        "{} is {state}, so the journal cannot be checked for completeness. If this is a backup, use `mainstay journal restore`; else start once with `--accept-loss` to trust the rows", path.display()
    )]
    NoMark {
        /// The mark's file.
        path: PathBuf,
        /// `missing` or `damaged`.
        state: &'static str,
    },
    /// A row near the end, or the whole file, is damaged.
    #[error(transparent)]
    Damaged(ReadError),
    /// It was written by a newer version of mainstay.
    #[error("the journal {} was written by a newer mainstay (format {version}); use that one", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The version of its tables.
        version: i32,
    },
    /// An earlier version of mainstay wrote it.
    #[error(
        "the journal {} has format {version} of an earlier version of mainstay, which this version cannot read: move the files `journal.*` out of the data folder to start with an empty journal, or use the earlier version", path.display()
    )]
    Older {
        /// The journal.
        path: PathBuf,
        /// Its format.
        version: i32,
    },
    /// An error of the file system or of SQLite.
    #[error("{}: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its message.
        why: String,
    },
}

impl OpenError {
    /// A journal whose format is not [`tables::VERSION`].
    pub(super) fn other_format(path: &Path, version: i32) -> Self {
        let path = path.to_owned();
        if version > tables::VERSION { Self::Newer { path, version } } else { Self::Older { path, version } }
    }
}

/// Treatment of missing events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Return an error and change nothing.
    Refused,
    /// Continue without them in a new epoch.
    Accepted,
}

/// A journal open for writing.
pub(super) struct Opened {
    pub(super) lock: Lock,
    pub(super) db: Connection,
    pub(super) mark: HighWaterFile,
    pub(super) head: Head,
}

pub(super) fn open(path: &Path, loss: Loss) -> Result<Opened, OpenError> {
    let lock = Lock::take(path).map_err(|e| locked(path, e))?;
    let io = |e: std::io::Error| io(path, &e);
    let mark_path = high_water::path_of(path);
    let found = high_water::read(&mark_path).map_err(io)?;
    let trouble = match agree(path, found, loss) {
        Ok(()) => None,
        Err(e) if loss == Loss::Accepted && may_be_accepted(&e) => Some(e),
        Err(e) => return Err(e),
    };
    let db = match trouble {
        None => open_to_write(path).map_err(|e| failed(path, &e))?,
        Some(trouble) => {
            let marked = if let StoredMark::Intact(mark) = found { mark.head.epoch } else { 0 };
            tracing::warn!(%trouble, "a loss in the journal is accepted");
            without_what_is_lost(path, marked, &trouble.to_string())?
        }
    };
    sync_folder_of(path).map_err(io)?;
    let State { head, hash } = tables::state(&db).map_err(|e| failed(path, &e))?;
    let mark = HighWaterFile::replace(&mark_path, HighWater { head, hash }).map_err(io)?;
    Ok(Opened { lock, db, mark, head })
}

/// Whether the journal at `path` could be opened. Changes nothing and takes no lock, so it may be in use.
///
/// # Errors
/// See [`OpenError`].
pub fn look(path: impl AsRef<Path>) -> Result<(), OpenError> {
    let path = path.as_ref();
    // The mark first: rows that are added in between are then ahead of it, as they may be.
    let found = high_water::read(&high_water::path_of(path))
        .map_err(|e| OpenError::Io { path: path.to_owned(), why: e.to_string() })?;
    agree(path, found, Loss::Refused)
}

/// Checks that the rows go as far as the mark, and that the last ones are intact. Changes nothing: a connection
/// for writing would truncate the write-ahead log, and the evidence with it.
fn agree(path: &Path, found: StoredMark, loss: Loss) -> Result<(), OpenError> {
    if !path.exists() {
        return compare(path, found, None, |_| Ok(Hash::ORIGIN));
    }
    let db = tables::open_to_read(path).map_err(|e| failed(path, &e))?;
    match tables::is_there(&db).map_err(|e| failed(path, &e))? {
        Err(version) => return Err(OpenError::other_format(path, version)),
        Ok(false) => return compare(path, found, None, |_| Ok(Hash::ORIGIN)),
        Ok(true) => {}
    }
    let state = tables::state(&db).map_err(|e| failed(path, &e))?;
    compare(path, found, Some(state), |seq| tables::hash_at(&db, seq))?;
    // An accepted loss covers the whole journal.
    let after = if loss == Loss::Accepted { 0 } else { state.head.seq.saturating_sub(TAIL) };
    tables::walk(&db, after).map_err(|(_, _, e)| OpenError::Damaged(e))?;
    Ok(())
}

/// Checks that the rows go as far as the mark.
pub(super) fn compare(
    path: &Path,
    found: StoredMark,
    rows: Option<State>,
    hash_at: impl Fn(u64) -> rusqlite::Result<Hash>,
) -> Result<(), OpenError> {
    let path = path.to_owned();
    let empty = Head { epoch: 1, seq: 0 };
    let head = rows.map_or(empty, |state| state.head);
    let mark = match found {
        // A crash between the tables and their first mark: nothing was ever acknowledged.
        StoredMark::Missing | StoredMark::Damaged if head == empty => return Ok(()),
        StoredMark::Missing => {
            return Err(OpenError::NoMark { path: high_water::path_of(&path), state: "missing" });
        }
        StoredMark::Damaged => {
            return Err(OpenError::NoMark { path: high_water::path_of(&path), state: "damaged" });
        }
        StoredMark::Intact(mark) => mark,
    };
    if head.epoch != mark.head.epoch && rows.is_some() {
        return Err(OpenError::TwoEpochs { path, rows: head.epoch, mark: mark.head.epoch });
    }
    if head.seq < mark.head.seq {
        return Err(OpenError::Lost { path, from: head.seq + 1, to: mark.head.seq });
    }
    if hash_at(mark.head.seq).map_err(|e| failed(&path, &e))? != mark.hash {
        return Err(OpenError::Exchanged { path, seq: mark.head.seq });
    }
    Ok(())
}

fn may_be_accepted(error: &OpenError) -> bool {
    match error {
        OpenError::Lost { .. }
        | OpenError::Exchanged { .. }
        | OpenError::TwoEpochs { .. }
        | OpenError::NoMark { .. }
        | OpenError::Damaged(ReadError::Damaged { .. }) => true,
        OpenError::Damaged(ReadError::Unavailable(_))
        | OpenError::Locked { .. }
        | OpenError::Newer { .. }
        | OpenError::Older { .. }
        | OpenError::Io { .. } => false,
    }
}

/// Opens for writing and creates the tables if they are missing.
pub(super) fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // After a burst the log shrinks again.
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    if let Ok(false) = tables::is_there(&db)? {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(tables::TABLES)?;
        tx.pragma_update(None, "application_id", tables::APPLICATION)?;
        tx.pragma_update(None, "user_version", tables::VERSION)?;
        write_epoch(&tx, 1, 0, "the first")?;
        tx.commit()?;
    }
    Ok(db)
}

/// Opens the journal without the lost events. A file that SQLite cannot use is renamed, and the intact rows at its
/// beginning are taken over into a new one.
fn without_what_is_lost(path: &Path, marked: u32, why: &str) -> Result<Connection, OpenError> {
    let tidied = open_to_write(path).and_then(|mut db| {
        begin_epoch(&mut db, marked, why)?;
        Ok(db)
    });
    match tidied.map_err(|e| failed(path, &e)) {
        Err(OpenError::Damaged(_)) => {}
        tidied => return tidied,
    }
    let io = |e: std::io::Error| io(path, &e);
    let aside = set_aside(path).map_err(io)?;
    let mut db = open_to_write(path).map_err(|e| failed(path, &e))?;
    if let Some(aside) = aside {
        tracing::warn!(path = %aside.display(), "the damaged journal was renamed");
        let tx = db.transaction().map_err(|e| failed(path, &e))?;
        take_over(&aside, &tx).map_err(|e| failed(path, &e))?;
        tx.commit().map_err(|e| failed(path, &e))?;
    }
    begin_epoch(&mut db, marked, why).map_err(|e| failed(path, &e))?;
    Ok(db)
}

/// Copies the intact rows at the beginning of a damaged journal, as far as it can be read.
fn take_over(damaged: &Path, db: &Connection) -> rusqlite::Result<()> {
    let Ok(source) = tables::open_to_read(damaged) else { return Ok(()) };
    let (mut hash, mut seq) = (Hash::ORIGIN, 0);
    while let Ok(page) = tables::page(&source, seq, tables::PAGE) {
        for row in &page {
            let Ok((_, next)) = row.check(&hash) else { return Ok(()) };
            row.copy_to(db)?;
            (hash, seq) = (next, row.seq);
        }
        if page.len() < tables::PAGE {
            break;
        }
    }
    Ok(())
}

/// Moves the damaged rows to the table `set_aside` and begins the next epoch.
fn begin_epoch(db: &mut Connection, marked: u32, why: &str) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let epoch = tables::state(&tx)?.head.epoch;
    let good = match tables::walk(&tx, 0) {
        Ok((_, seq, _)) | Err((seq, _, _)) => tables::signed(seq),
    };
    tx.execute(
        "INSERT INTO set_aside SELECT ?1, seq, at, body, hash FROM event WHERE seq > ?2",
        [i64::from(epoch), good],
    )?;
    tx.execute("DELETE FROM event WHERE seq > ?1", [good])?;
    write_epoch(&tx, epoch.max(marked) + 1, good, why)?;
    tx.commit()
}

pub(super) fn write_epoch(db: &Connection, epoch: u32, after: i64, why: &str) -> rusqlite::Result<()> {
    let at = Time::now().to_string();
    db.execute(
        "INSERT INTO epoch (epoch, after, at, why) VALUES (?1, ?2, ?3, ?4)",
        params![epoch, after, at, why],
    )?;
    Ok(())
}

/// The error of a journal whose lock cannot be taken.
pub(super) fn locked(path: &Path, error: LockError) -> OpenError {
    match error {
        LockError::Held { owner } => OpenError::Locked { path: path.to_owned(), owner },
        LockError::Io { path, why } => io(&path, &why),
    }
}

pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Damaged(tables::failed_after(0, error))
        }
        Some(ErrorCode::DiskFull) => {
            let why = "the disk is full; make room, then start again".to_owned();
            OpenError::Io { path: path.to_owned(), why }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            let why = format!("{error}; mainstay must own its data folder and be able to write into it");
            OpenError::Io { path: path.to_owned(), why }
        }
        _ => OpenError::Io { path: path.to_owned(), why: error.to_string() },
    }
}

/// Converts an error of the file system, with a hint for a full disk or missing permissions.
pub(super) fn io(path: &Path, error: &std::io::Error) -> OpenError {
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room on this disk, then start again",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; mainstay must own its data folder and be able to write into it"
        }
        _ => "",
    };
    OpenError::Io { path: path.to_owned(), why: format!("{error}{hint}") }
}
