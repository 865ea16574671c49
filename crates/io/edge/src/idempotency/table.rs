//! The table of keys in SQLite. Written by the thread of the store only, or by that of another process while one hands over
//! to the other.

use super::answer::StoredAnswer;
use atomic_file::with_suffix;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::time::Duration;
use traffic::idempotency::{Fingerprint, Known, State};
use types::Time;

/// How long the thread waits for another program that holds the write lock.
const BUSY: Duration = Duration::from_secs(2);
/// Bytes of the file. Beyond that new keys are refused: an old one that is still remembered must not be dropped for them.
pub(super) const FILE_MAX: i64 = 512 << 20;
const PAGE: i64 = 4096;
/// Keys that are forgotten in one transaction.
pub(super) const FORGOTTEN_MAX: u32 = 1_000;
/// Bytes that the log keeps after a burst.
const LOG_BYTES: i64 = 4 << 20;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS keys (
    service TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, until INTEGER NOT NULL,
    process TEXT NOT NULL, begun INTEGER NOT NULL, status INTEGER, headers BLOB, body BLOB,
    PRIMARY KEY (service, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_until ON keys (until);
";

/// A key of one service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyId {
    pub(super) service: Box<str>,
    pub(super) key: Box<str>,
}

/// A row.
pub(super) struct Row {
    pub(super) fingerprint: Fingerprint,
    until: Time,
    /// The process that forwarded the request.
    pub(super) process: String,
    pub(super) begun: Time,
    pub(super) answer: Option<StoredAnswer>,
}

impl Row {
    pub(super) fn known(&self, is_in_flight: bool) -> Known {
        let state = match &self.answer {
            Some(_) => State::Answered,
            None if is_in_flight => State::InFlight,
            None => State::Uncertain,
        };
        Known { fingerprint: self.fingerprint, until: self.until, state }
    }
}

/// Opens the table, and creates it if it is missing. A file that is no longer a database is renamed: its keys are lost, and
/// refusing every write because of it would be the greater loss.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    if let Some(folder) = path.parent() {
        // A folder that cannot be made is reported by the next line.
        let _ = std::fs::create_dir_all(folder);
    }
    match prepare(path) {
        Err(why) if is_damaged(&why) => {
            tracing::error!(
                "{} is damaged ({why}) and is renamed: writes that were in flight may be delivered twice where their server does not honour Idempotency-Key",
                path.display()
            );
            let aside = with_suffix(path, ".damaged");
            for part in ["-wal", "-shm", ""] {
                let _ = std::fs::rename(with_suffix(path, part), with_suffix(&aside, part));
            }
            prepare(path)
        }
        opened => opened,
    }
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    limit(&db, FILE_MAX / PAGE)?;
    db.execute_batch(TABLES)?;
    Ok(db)
}

/// Limits the pages of the file. SQLite keeps those that are there already.
pub(super) fn limit(db: &Connection, pages: i64) -> rusqlite::Result<()> {
    db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

fn is_damaged(why: &rusqlite::Error) -> bool {
    matches!(why.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Begins a transaction that no other process writes beside.
pub(super) fn begin(db: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    db.transaction_with_behavior(TransactionBehavior::Immediate)
}

pub(super) fn find(tx: &Transaction<'_>, id: &KeyId) -> rusqlite::Result<Option<Row>> {
    let sql = "SELECT fingerprint, until, process, begun, status, headers, body FROM keys WHERE service = ? AND key = ?";
    tx.prepare_cached(sql)?
        .query_row(params![id.service, id.key], |row| {
            let status: Option<u16> = row.get(4)?;
            let lines: Option<Vec<u8>> = row.get(5)?;
            let body: Option<Vec<u8>> = row.get(6)?;
            Ok(Row {
                fingerprint: row.get(0)?,
                until: Time::from_second(row.get(1)?).unwrap_or(Time::MAX),
                process: row.get(2)?,
                begun: Time::from_second(row.get(3)?).unwrap_or(Time::MIN),
                answer: status.and_then(|status| {
                    StoredAnswer::read(status, lines.as_deref().unwrap_or_default(), body)
                }),
            })
        })
        .optional()
}

/// Remembers a key before its request is forwarded.
pub(super) fn remember(
    tx: &Transaction<'_>,
    id: &KeyId,
    (fingerprint, until): (&Fingerprint, Time),
    (process, begun): (&str, Time),
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO keys (service, key, fingerprint, until, process, begun) VALUES (?, ?, ?, ?, ?, ?)";
    let values = params![id.service, id.key, fingerprint, until.as_second(), process, begun.as_second()];
    tx.prepare_cached(sql)?.execute(values).map(drop)
}

/// Stores the answer of a key.
pub(super) fn answer(tx: &Transaction<'_>, id: &KeyId, answer: &StoredAnswer) -> rusqlite::Result<()> {
    let sql = "UPDATE keys SET status = ?, headers = ?, body = ? WHERE service = ? AND key = ?";
    let body = answer.body.as_deref();
    let values = params![answer.status.as_u16(), answer.lines(), body, id.service, id.key];
    tx.prepare_cached(sql)?.execute(values).map(drop)
}

/// Forgets a key whose write did not take place.
pub(super) fn forget(tx: &Transaction<'_>, id: &KeyId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM keys WHERE service = ? AND key = ?";
    tx.prepare_cached(sql)?.execute(params![id.service, id.key]).map(drop)
}

/// Forgets keys whose time is over, some at a time.
pub(super) fn expire(tx: &Transaction<'_>, now: Time) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM keys WHERE (service, key) IN
               (SELECT service, key FROM keys WHERE until <= ? LIMIT ?)";
    tx.prepare_cached(sql)?.execute(params![now.as_second(), FORGOTTEN_MAX])
}
