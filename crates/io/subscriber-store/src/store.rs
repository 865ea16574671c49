//! The store: opening, recovery after a crash.

use crate::progress::Progress;
use crate::tables;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::Time;
use types::subscription::SubscriberKind;
use types::time::later;

/// Longest wait for another connection to the same file, such as that of a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Size to which the log is cut after it was written back.
const LOG_MAX: i64 = 16 << 20;

/// Longest delay before an attempt. A time beyond it was set before the clock was set back, and is due now.
const DELAY_MAX: Duration = Duration::from_secs(8 * 3_600);

/// Where Linux names this start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite reports an error.
    #[error("the file of subscribers: {0}; check the disk and the permissions of the data folder")]
    Database(#[from] rusqlite::Error),
    /// The file was written by another version.
    #[error("the file of subscribers has format {0}, this version knows {known}: run the version that wrote it", known = tables::VERSION)]
    Version(i32),
    /// A stored row cannot be read.
    #[error("the file of subscribers is damaged: {0}; restore it from a backup")]
    Damaged(String),
}

/// What an earlier process left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Messages that were prepared and not begun: they are sent now.
    pub released: usize,
    /// Messages that may have been sent: they are not sent again.
    pub in_doubt: usize,
}

/// Subscribers, updates, and their progress. All methods block for the disk, most of them for less than a millisecond.
pub struct Store(Mutex<Connection>);

impl fmt::Debug for Store {
    /// Shows no address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the file, or creates it, and recovers what an earlier process left behind.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by another version.
    pub fn open(path: &Path) -> Result<(Self, Recovered), StoreError> {
        let db = Connection::open(path)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "journal_size_limit", LOG_MAX)?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        // Deleted addresses are overwritten.
        db.pragma_update(None, "secure_delete", true)?;
        let version: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 => tables::create(&db)?,
            tables::VERSION => {}
            other => return Err(StoreError::Version(other)),
        }
        let store = Self(Mutex::new(db));
        let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
        let recovered = store.recover(boot.trim())?;
        Ok((store, recovered))
    }

    pub(crate) fn db(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Recovers messages in progress. A crash of the process loses no commit, so that what was only claimed was certainly
    /// not sent. A crash of the machine may lose the last commits: then what was claimed may have been sent too.
    fn recover(&self, boot: &str) -> Result<Recovered, StoreError> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        let last: Option<String> = fact(&transaction, "boot")?;
        let same_boot = !boot.is_empty() && last.as_deref() == Some(boot);
        let mut recovered = Recovered::default();
        for table in ["delivery", "letter"] {
            let moved = |from: Progress, to: Progress| {
                let sql = format!("UPDATE {table} SET progress = ?2 WHERE progress = ?1");
                transaction.execute(&sql, params![from.stored(), to.stored()])
            };
            recovered.in_doubt += moved(Progress::Sending, Progress::InDoubt)?;
            if same_boot {
                recovered.released += moved(Progress::Claimed, Progress::Due)?;
            } else {
                recovered.in_doubt += moved(Progress::Claimed, Progress::InDoubt)?;
            }
        }
        set_fact(&transaction, "boot", boot)?;
        transaction.commit()?;
        Ok(recovered)
    }

    /// Waits until everything so far is on disk; without it, a crash of the machine may lose the last commits.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn sync(&self) -> Result<(), StoreError> {
        durably(&mut self.db(), |db| Ok(set_fact(db, "synced", "")?))
    }

    /// Takes messages back that stayed where they were because their progress could not be written. Only while none of these kinds is
    /// on its way: what may have been sent is in doubt.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn take_back(&self, kinds: &[SubscriberKind]) -> Result<(), StoreError> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        for (from, to) in [(Progress::Claimed, Progress::Due), (Progress::Sending, Progress::InDoubt)] {
            transaction.execute(
                "UPDATE delivery SET progress = ?2 WHERE progress = ?1 AND kind IN (SELECT value FROM json_each(?3))",
                params![from.stored(), to.stored(), names(kinds)],
            )?;
            if kinds.contains(&SubscriberKind::Mail) {
                transaction.execute(
                    "UPDATE letter SET progress = ?2 WHERE progress = ?1",
                    params![from.stored(), to.stored()],
                )?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// Runs transactions that a crash of the machine does not lose either.
pub(crate) fn durably<T>(
    db: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    db.pragma_update(None, "synchronous", "FULL")?;
    let done = work(db);
    db.pragma_update(None, "synchronous", "NORMAL")?;
    done
}

/// The latest time that an attempt may be due at.
pub(crate) fn latest(now: Time) -> i64 {
    millis(later(now, DELAY_MAX))
}

/// Kinds as a query takes them.
pub(crate) fn names(kinds: &[SubscriberKind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    serde_json::to_string(&names).unwrap_or_default()
}

/// Removes what was deleted from the log of SQLite too.
pub(crate) fn forget_log(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

pub(crate) fn fact(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM fact WHERE name = ?1", [name], |row| row.get(0)).optional()
}

pub(crate) fn set_fact(db: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        [name, value],
    )?;
    Ok(())
}

/// A time as it is stored.
pub(crate) fn millis(at: Time) -> i64 {
    at.as_millisecond()
}

/// A stored time; the beginning of time when it is none.
pub(crate) fn time(millis: i64) -> Time {
    Time::from_millisecond(millis).unwrap_or(Time::MIN)
}
