//! The SQL tables. Every record is checked against the hash chain when it is read.

use crate::journal::{Head, ReadError};
use crate::record::Hash;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};
use std::path::Path;
use std::time::Duration;
use types::Event;

/// SQLite application id: `msty`.
pub(crate) const APPLICATION: i32 = 0x6d73_7479;

/// Format of tables and events. A file with another one is not opened. Format 1 had events with other names,
/// format 2 names instead of actors.
pub(crate) const VERSION: i32 = 3;

/// One row per event. `set_aside` has the rows removed by an accepted loss; `seal` is the high-water mark of a backup.
pub(crate) const TABLES: &str = "
    CREATE TABLE event (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
    CREATE TABLE epoch (epoch INTEGER PRIMARY KEY, after INTEGER NOT NULL, at TEXT NOT NULL, why TEXT NOT NULL) STRICT;
    CREATE TABLE seal (epoch INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
    CREATE TABLE set_aside (epoch INTEGER NOT NULL, seq INTEGER NOT NULL, at ANY, body ANY, hash ANY) STRICT;
";

/// Rows read per page.
pub(crate) const PAGE: usize = 512;

/// End of the stored rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) head: Head,
    pub(crate) hash: Hash,
}

/// A row as stored, not yet checked.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    at: Vec<u8>,
    body: Vec<u8>,
    hash: Vec<u8>,
}

impl Row {
    /// Decodes the event and its hash, if the hash follows from the bytes and `before`.
    pub(crate) fn check(&self, before: &Hash) -> Result<(Event, Hash), ReadError> {
        let damaged = |why: &str| ReadError::Damaged { seq: self.seq, why: why.to_owned() };
        let hash = before.then(&self.body);
        if self.hash != hash.0 {
            return Err(damaged("its hash does not follow from its text and the record before it"));
        }
        let event: Event = serde_json::from_slice(&self.body)
            .map_err(|e| damaged(&format!("it is not an event of this version: {e}")))?;
        if event.seq != self.seq || event.at.to_string().as_bytes() != self.at {
            return Err(damaged("its number or time differs from its text"));
        }
        Ok((event, hash))
    }

    /// Copies the row unchanged into another journal.
    pub(crate) fn copy_to(&self, db: &Connection) -> rusqlite::Result<()> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        db.prepare_cached("INSERT INTO event (seq, at, body, hash) VALUES (?1, ?2, ?3, ?4)")?
            .execute(rusqlite::params![signed(self.seq), text(&self.at), text(&self.body), self.hash])?;
        Ok(())
    }

    /// The stored hash, from which reading continues after a damaged row.
    pub(crate) fn claimed(&self) -> Hash {
        Hash(self.hash.as_slice().try_into().unwrap_or_default())
    }
}

/// Opens a journal read-only, also while another process writes it.
pub(crate) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

/// Converts an SQLite error of reading the rows after `after`.
pub(crate) fn failed_after(after: u64, error: &rusqlite::Error) -> ReadError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            ReadError::Damaged { seq: after.saturating_add(1), why: error.to_string() }
        }
        _ => ReadError::Unavailable(error.to_string()),
    }
}

/// Whether the file holds a journal; `Err` holds the format when it is another one than ours.
pub(crate) fn is_there(db: &Connection) -> rusqlite::Result<Result<bool, i32>> {
    let version: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(match version {
        0 => Ok(false),
        VERSION => Ok(true),
        other => Err(other),
    })
}

/// Reads the end of the stored rows.
pub(crate) fn state(db: &Connection) -> rusqlite::Result<State> {
    let epoch = db.prepare_cached("SELECT max(epoch) FROM epoch")?.query_row([], |row| row.get(0))?;
    let last = db
        .prepare_cached("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((unsigned(row.get(0)?), hash_of(row.get_ref(1)?))))
        .optional()?;
    let (seq, hash) = last.unwrap_or((0, Hash::ORIGIN));
    Ok(State { head: Head { epoch, seq }, hash })
}

/// The seal of a backup.
pub(crate) fn seal(db: &Connection) -> rusqlite::Result<Option<State>> {
    db.query_row("SELECT epoch, seq, hash FROM seal", [], |row| {
        let head = Head { epoch: row.get(0)?, seq: unsigned(row.get(1)?) };
        Ok(State { head, hash: hash_of(row.get_ref(2)?) })
    })
    .optional()
}

/// The stored hash of the last row at or before a sequence number.
pub(crate) fn hash_at(db: &Connection, seq: u64) -> rusqlite::Result<Hash> {
    let found = db
        .prepare_cached("SELECT hash FROM event WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([signed(seq)], |row| Ok(hash_of(row.get_ref(0)?)))
        .optional()?;
    Ok(found.unwrap_or(Hash::ORIGIN))
}

/// At most `limit` rows after a sequence number, unchecked.
pub(crate) fn page(db: &Connection, after: u64, limit: usize) -> rusqlite::Result<Vec<Row>> {
    // Columns are read as bytes whatever their declared type: a flipped bit there is found by the hash.
    let bytes = |value: ValueRef<'_>| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    };
    db.prepare_cached("SELECT seq, at, body, hash FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2")?
        .query_map([signed(after), i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(Row {
                seq: unsigned(row.get(0)?),
                at: bytes(row.get_ref(1)?),
                body: bytes(row.get_ref(2)?),
                hash: bytes(row.get_ref(3)?),
            })
        })?
        .collect()
}

/// Checks every row after a sequence number. Returns their count and their end; or where the intact part ends, and
/// what comes behind it.
pub(crate) fn walk(db: &Connection, after: u64) -> Result<(u64, u64, Hash), (u64, Hash, ReadError)> {
    let failed = |seq, hash, e| (seq, hash, failed_after(seq, &e));
    let mut hash = hash_at(db, after).map_err(|e| failed(after, Hash::ORIGIN, e))?;
    let (mut count, mut seq) = (0, after);
    loop {
        let rows = page(db, seq, PAGE).map_err(|e| failed(seq, hash, e))?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok((count, seq, hash)) };
        for row in &rows {
            (_, hash) = row.check(&hash).map_err(|e| (seq, hash, e))?;
            seq = row.seq;
            count += 1;
        }
        debug_assert_eq!(seq, last);
    }
}

/// Converts a sequence number to SQLite's signed integers.
pub(crate) fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn unsigned(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}

fn hash_of(value: ValueRef<'_>) -> Hash {
    Hash(value.as_blob().ok().and_then(|bytes| bytes.try_into().ok()).unwrap_or_default())
}
