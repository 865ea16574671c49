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
/// Bytes that the keys of one client may take, with their answers: about 100,000 keys with short answers, 3,000 with the longest. So
/// one client cannot fill the file for all.
pub(super) const CLIENT_MAX: i64 = FILE_MAX / 8;
/// Bytes that the log keeps after a burst.
const LOG_BYTES: i64 = 4 << 20;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS keys (
    service TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, until INTEGER NOT NULL,
    process TEXT NOT NULL, begun INTEGER NOT NULL, status INTEGER, headers BLOB, body BLOB,
    PRIMARY KEY (service, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_until ON keys (until);
CREATE TABLE IF NOT EXISTS clients (client INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
";
/// A file of an earlier version has no column for the client: its keys count for none.
const CLIENT: &str = "ALTER TABLE keys ADD COLUMN client INTEGER NOT NULL DEFAULT 0";
/// Bytes by client, whoever writes a row and for whatever reason. 300 are the fixed fields, and the row in the index.
const COUNTS: &str = "
CREATE TRIGGER IF NOT EXISTS keys_added AFTER INSERT ON keys BEGIN
    INSERT INTO clients VALUES (new.client, length(new.key) + 300)
    ON CONFLICT (client) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER IF NOT EXISTS keys_answered AFTER UPDATE OF headers, body ON keys BEGIN
    UPDATE clients SET bytes = bytes + ifnull(length(new.headers), 0) + ifnull(length(new.body), 0)
        - ifnull(length(old.headers), 0) - ifnull(length(old.body), 0) WHERE client = new.client;
END;
CREATE TRIGGER IF NOT EXISTS keys_forgotten AFTER DELETE ON keys BEGIN
    UPDATE clients SET bytes = bytes - length(old.key) - 300 - ifnull(length(old.headers), 0) - ifnull(length(old.body), 0)
        WHERE client = old.client;
    DELETE FROM clients WHERE client = old.client AND bytes <= 0;
END;
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
    let has_client = "SELECT count(*) FROM pragma_table_info('keys') WHERE name = 'client'";
    if db.query_row(has_client, [], |row| row.get::<_, i64>(0))? == 0 {
        db.execute_batch(CLIENT)?;
    }
    db.execute_batch(COUNTS)?;
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

/// Bytes of the keys of a client.
pub(super) fn bytes_of(tx: &Transaction<'_>, client: i64) -> rusqlite::Result<i64> {
    let sql = "SELECT bytes FROM clients WHERE client = ?";
    Ok(tx.prepare_cached(sql)?.query_row([client], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Remembers a key before its request is forwarded. One that is known stays with the client that added it.
pub(super) fn remember(
    tx: &Transaction<'_>,
    id: &KeyId,
    client: i64,
    (fingerprint, until): (&Fingerprint, Time),
    (process, begun): (&str, Time),
) -> rusqlite::Result<()> {
    // Not REPLACE: it deletes without triggers.
    let sql = "INSERT INTO keys (service, key, client, fingerprint, until, process, begun) VALUES (?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (service, key) DO UPDATE SET fingerprint = excluded.fingerprint, until = excluded.until,
               process = excluded.process, begun = excluded.begun, status = NULL, headers = NULL, body = NULL";
    let (until, begun) = (until.as_second(), begun.as_second());
    let values = params![id.service, id.key, client, fingerprint, until, process, begun];
    tx.prepare_cached(sql)?.execute(values).map(drop)
}

/// Stores the answer of a key.
pub(super) fn answer(tx: &Transaction<'_>, id: &KeyId, answer: &StoredAnswer) -> rusqlite::Result<()> {
    let sql = "UPDATE keys SET status = ?, headers = ?, body = ? WHERE service = ? AND key = ?";
    let body = answer.body.as_deref();
    let values = params![answer.status.as_u16(), answer.lines(), body, id.service, id.key];
    tx.prepare_cached(sql)?.execute(values).map(drop)
}

/// Forgets a key whose write did not take place, as far as this process knows. A process that took the key over meanwhile is
/// forwarding it, and its row stays.
pub(super) fn forget(tx: &Transaction<'_>, id: &KeyId, process: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM keys WHERE service = ? AND key = ? AND process = ?";
    tx.prepare_cached(sql)?.execute(params![id.service, id.key, process]).map(drop)
}

/// Forgets keys whose time is over, some at a time.
pub(super) fn expire(tx: &Transaction<'_>, now: Time) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM keys WHERE (service, key) IN
               (SELECT service, key FROM keys WHERE until <= ? LIMIT ?)";
    tx.prepare_cached(sql)?.execute(params![now.as_second(), FORGOTTEN_MAX])
}
