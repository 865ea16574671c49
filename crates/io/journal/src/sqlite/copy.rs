//! Copies: `backup` of a journal, in use or not, and `restore` of one that is not in use.

use super::aside::set_aside;
use super::high_water::{self, HighWater, HighWaterFile, StoredMark};
use super::inspect::{Broken, Verified, open_existing, verify};
use super::lock::Lock;
use super::open::{self, OpenError};
use super::tables;
use atomic_file::{move_into_place, with_suffix};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Pages copied at a time.
const STEP: i32 = 256;

/// Pause between steps, so that a backup does not saturate the disk.
const PAUSE: Duration = Duration::from_millis(2);

/// Busy steps in a row after which the copy gives up: ten seconds.
const BUSY_STEPS: u32 = 5_000;

/// Why a copy failed. The original is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CopyError {
    /// The source is damaged.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The target exists.
    #[error("{} exists already; nothing was overwritten", .0.display())]
    Exists(PathBuf),
    /// Another process has the journal open.
    #[error(transparent)]
    Locked(OpenError),
    /// An error of the file system or of SQLite.
    #[error("{}: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its message.
        why: String,
    },
}

/// Copies a journal, in use or not, into one new file and checks the copy. Everything that was acknowledged before the
/// call is in it.
///
/// # Errors
/// See [`CopyError`]. A file that exists is never overwritten.
pub fn backup(path: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Verified, CopyError> {
    let (path, to) = (path.as_ref(), to.as_ref());
    if to.exists() {
        return Err(CopyError::Exists(to.to_owned()));
    }
    let part = with_suffix(to, ".part");
    let sql = |e: rusqlite::Error| CopyError::Io { path: part.clone(), why: e.to_string() };
    copy(path, &part)?;
    {
        let db = Connection::open(&part).map_err(sql)?;
        let state = tables::state(&db).map_err(sql)?;
        db.execute("DELETE FROM seal", []).map_err(sql)?;
        db.execute(
            "INSERT INTO seal (epoch, seq, hash) VALUES (?1, ?2, ?3)",
            params![state.head.epoch, tables::signed(state.head.seq), state.hash.0],
        )
        .map_err(sql)?;
    }
    let verified = verify(&part)?;
    put_in_place(&part, to)?;
    Ok(verified)
}

/// Puts a backup in place of the journal at `path` and begins a new epoch, whose number it returns. What stood there is
/// renamed, not deleted. Running it again after an interruption is safe.
///
/// # Errors
/// See [`CopyError`]. A journal that exists is replaced only with `overwrite`, and never while it is in use.
pub fn restore(from: impl AsRef<Path>, path: impl AsRef<Path>, overwrite: bool) -> Result<u32, CopyError> {
    let (from, path) = (from.as_ref(), path.as_ref());
    let io = |e: std::io::Error| CopyError::Io { path: path.to_owned(), why: e.to_string() };
    verify(from)?;
    let _lock = Lock::take(path).map_err(|e| CopyError::Locked(open::locked(path, e)))?;
    if path.exists() && !overwrite {
        return Err(CopyError::Exists(path.to_owned()));
    }
    let part = with_suffix(path, ".part");
    copy(from, &part)?;
    let mark = begin_epoch(path, &part)?;
    // The mark first: after an interruption rows and mark have different epochs, which opening reports.
    HighWaterFile::replace(&high_water::path_of(path), mark).map_err(io)?;
    set_aside(path).map_err(io)?;
    put_in_place(&part, path)?;
    Ok(mark.head.epoch)
}

/// Begins the epoch after the highest one in the mark, the replaced journal and the backup.
fn begin_epoch(path: &Path, part: &Path) -> Result<HighWater, CopyError> {
    let sql = |e: rusqlite::Error| CopyError::Io { path: part.to_owned(), why: e.to_string() };
    let marked = match high_water::read(&high_water::path_of(path)) {
        Ok(StoredMark::Intact(mark)) => mark.head.epoch,
        _ => 0,
    };
    // The replaced journal may be unreadable; then its epoch does not count.
    let replaced =
        open_existing(path).ok().and_then(|db| tables::state(&db).ok()).map_or(0, |state| state.head.epoch);
    let db = Connection::open(part).map_err(sql)?;
    let state = tables::state(&db).map_err(sql)?;
    let epoch = state.head.epoch.max(marked).max(replaced) + 1;
    db.execute("DELETE FROM seal", []).map_err(sql)?;
    open::write_epoch(&db, epoch, tables::signed(state.head.seq), "restored").map_err(sql)?;
    let state = tables::state(&db).map_err(sql)?;
    Ok(HighWater { head: state.head, hash: state.hash })
}

/// Copies a consistent snapshot of the file. The result is a single file, without a write-ahead log beside it.
fn copy(from: &Path, part: &Path) -> Result<(), CopyError> {
    let io = |e: std::io::Error| CopyError::Io { path: part.to_owned(), why: e.to_string() };
    let sql = |e: rusqlite::Error| CopyError::Io { path: part.to_owned(), why: e.to_string() };
    match std::fs::remove_file(part) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    let source = open_existing(from)?;
    // The transaction keeps the snapshot: otherwise every append during the copy would start it again from the first page.
    let tx = source.unchecked_transaction().map_err(sql)?;
    tables::state(&tx).map_err(sql)?;
    let mut target = Connection::open(part).map_err(sql)?;
    {
        let backup = Backup::new(&tx, &mut target).map_err(sql)?;
        let mut busy = 0;
        loop {
            match backup.step(STEP).map_err(sql)? {
                StepResult::Done => break,
                StepResult::More => busy = 0,
                _ if busy < BUSY_STEPS => busy += 1,
                _ => {
                    return Err(CopyError::Io {
                        path: from.to_owned(),
                        why: "is busy all the time".to_owned(),
                    });
                }
            }
            std::thread::sleep(PAUSE);
        }
    }
    target.pragma_update(None, "journal_mode", "DELETE").map_err(sql)?;
    Ok(())
}

fn put_in_place(part: &Path, to: &Path) -> Result<(), CopyError> {
    move_into_place(part, to).map_err(|e| CopyError::Io { path: to.to_owned(), why: e.to_string() })
}
