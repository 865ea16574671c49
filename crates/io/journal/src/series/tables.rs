//! The file of samples: its tables, and their rows.
//!
//! | table | a row | key |
//! |---|---|---|
//! | `series` | names of a series, last day with samples | number |
//! | `hot` | a batch of samples of all series as they came | order of arrival |
//! | `chunk` | two hours of a series | two-hour window, series |
//! | `day` | a closed day of a series, with roll-ups of its hours | day, series |
//! | `daily` | the summary of that day | series, day |
//!
//! The keys of `chunk` and `day` begin with the time: they are written in this order, which fills pages fully, and
//! deleted in this order, which empties them fully. `daily` begins with the series: strips read ninety of its rows.

use super::columns::Columns;
use super::names::{ID_BITS, Names};
use super::rollup::Summary;
use atomic_file::with_suffix;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// Bits of a key of `daily` that hold the day, counted from 1970.
const DAY_BITS: u32 = 20;

/// Version of the tables. A file of another version is set aside.
const VERSION: i64 = 2;

/// Eight compressed days share a page of this size; smaller pages leave more unused.
const PAGE_SIZE: i64 = 32_768;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, metric TEXT NOT NULL,
        last_day INTEGER NOT NULL, UNIQUE (subject, metric)) STRICT;
    CREATE TABLE IF NOT EXISTS hot (id INTEGER PRIMARY KEY, samples BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS chunk (key INTEGER PRIMARY KEY, count INTEGER NOT NULL, ok INTEGER NOT NULL,
        sum REAL NOT NULL, min INTEGER NOT NULL, max INTEGER NOT NULL,
        ticks BLOB NOT NULL, codes BLOB NOT NULL, runs BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS day (key INTEGER PRIMARY KEY, count INTEGER NOT NULL, hours BLOB NOT NULL,
        ticks BLOB NOT NULL, codes BLOB NOT NULL, runs BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS daily (key INTEGER PRIMARY KEY, count INTEGER NOT NULL, ok INTEGER NOT NULL,
        sum REAL NOT NULL, min INTEGER NOT NULL, max INTEGER NOT NULL) STRICT;
";

/// Opens the file for writing. `None` when it has another format.
pub(super) fn open(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(30))?;
    db.pragma_update(None, "page_size", PAGE_SIZE)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version != VERSION && (version != 0 || tables > 0) {
        return Ok(None);
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "wal_autocheckpoint", 256)?;
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    db.pragma_update(None, "cache_size", -8_192)?;
    db.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT"))?;
    Ok(Some(db))
}

pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "cache_size", -16_384)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

/// Renames a file that cannot be used, replacing an older one of that name.
pub(super) fn set_aside(path: &Path, suffix: &str) -> std::io::Result<()> {
    for log in ["-wal", "-shm"] {
        match std::fs::remove_file(with_suffix(path, log)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    std::fs::rename(path, with_suffix(path, suffix))
}

/// The key of `chunk` and `day`: time first. `time` is a number of windows or of days.
pub(super) fn key(time: i64, id: u32) -> i64 {
    time << ID_BITS | i64::from(id)
}

/// The time of a key of `chunk` or `day`.
pub(super) fn time_of(key: i64) -> i64 {
    key >> ID_BITS
}

/// The series of a key of `chunk` or `day`.
pub(super) fn id_of(key: i64) -> u32 {
    u32::try_from(key & ((1 << ID_BITS) - 1)).unwrap_or_default()
}

/// The key of `daily`: series first.
pub(super) fn daily_key(id: u32, day: i64) -> i64 {
    i64::from(id) << DAY_BITS | day.clamp(0, (1 << DAY_BITS) - 1)
}

pub(super) fn all_series(db: &Connection) -> rusqlite::Result<Vec<(u32, Names)>> {
    db.prepare("SELECT id, subject, metric FROM series")?
        .query_map([], |row| {
            Ok((row.get(0)?, (row.get::<_, Box<str>>(1)?.into(), row.get::<_, Box<str>>(2)?.into())))
        })?
        .collect()
}

/// The columns `count, ok, sum, min, max` from column `at` on.
fn summary(row: &Row<'_>, at: usize) -> rusqlite::Result<Summary> {
    Ok(Summary {
        count: number(row, at)?,
        ok: number(row, at + 1)?,
        sum: row.get(at + 2)?,
        min: row.get(at + 3)?,
        max: row.get(at + 4)?,
    })
}

/// A number that is not negative; 0 in a damaged row.
fn number<T: TryFrom<i64> + Default>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    row.get::<_, i64>(at).map(|number| number.try_into().unwrap_or_default())
}

fn columns(row: &Row<'_>, at: usize) -> rusqlite::Result<Columns> {
    Ok(Columns { ticks: row.get(at)?, codes: row.get(at + 1)?, runs: row.get(at + 2)? })
}

pub(super) fn chunk(db: &Connection, key: i64) -> rusqlite::Result<Option<(usize, Columns)>> {
    db.prepare_cached("SELECT count, ticks, codes, runs FROM chunk WHERE key = ?1")?
        .query_row([key], |row| Ok((number(row, 0)?, columns(row, 1)?)))
        .optional()
}

pub(super) fn chunk_summary(db: &Connection, key: i64) -> rusqlite::Result<Option<Summary>> {
    db.prepare_cached("SELECT count, ok, sum, min, max FROM chunk WHERE key = ?1")?
        .query_row([key], |row| summary(row, 0))
        .optional()
}

pub(super) fn write_chunk(
    db: &Connection,
    key: i64,
    of: &Summary,
    columns: &Columns,
) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO chunk VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            key,
            of.count.cast_signed(),
            of.ok.cast_signed(),
            of.sum,
            of.min,
            of.max,
            columns.ticks,
            columns.codes,
            columns.runs
        ])
        .map(drop)
}

pub(super) fn day(db: &Connection, key: i64) -> rusqlite::Result<Option<(usize, Columns)>> {
    db.prepare_cached("SELECT count, ticks, codes, runs FROM day WHERE key = ?1")?
        .query_row([key], |row| Ok((number(row, 0)?, columns(row, 1)?)))
        .optional()
}

pub(super) fn day_hours(db: &Connection, key: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT hours FROM day WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

pub(super) fn write_day(
    db: &Connection,
    (id, day): (u32, i64),
    of: &Summary,
    hours: &[u8],
    columns: &Columns,
) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO day VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        key(day, id),
        of.count.cast_signed(),
        hours,
        columns.ticks,
        columns.codes,
        columns.runs
    ])?;
    db.prepare_cached("INSERT OR REPLACE INTO daily VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            daily_key(id, day),
            of.count.cast_signed(),
            of.ok.cast_signed(),
            of.sum,
            of.min,
            of.max
        ])
        .map(drop)
}

/// The closed days of a series within a range of days, in order.
pub(super) fn daily(db: &Connection, id: u32, days: Range<i64>) -> rusqlite::Result<Vec<(i64, Summary)>> {
    db.prepare_cached(
        "SELECT key, count, ok, sum, min, max FROM daily WHERE key >= ?1 AND key <= ?2 ORDER BY key",
    )?
    .query_map([daily_key(id, days.start), daily_key(id, days.end - 1)], |row| {
        Ok((row.get::<_, i64>(0)? & ((1 << DAY_BITS) - 1), summary(row, 1)?))
    })?
    .collect()
}

/// The windows that have chunks. There are few: those of days that are not closed yet.
pub(super) fn windows(db: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut next = db.prepare_cached("SELECT min(key) FROM chunk WHERE key >= ?1")?;
    let mut windows = Vec::new();
    let mut from = 0;
    while let Some(found) = next.query_row([from], |row| row.get::<_, Option<i64>>(0))? {
        windows.push(time_of(found));
        from = key(time_of(found) + 1, 0);
    }
    Ok(windows)
}

/// The smallest key of `chunk` or `day`.
pub(super) fn first_key(db: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(&format!("SELECT min(key) FROM {table}"))?.query_row([], |row| row.get(0))
}

/// The largest key of `chunk` or `day` below `end`.
pub(super) fn last_key(db: &Connection, table: &str, end: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(&format!("SELECT max(key) FROM {table} WHERE key < ?1"))?
        .query_row([end], |row| row.get(0))
}

/// The keys of `chunk` or `day` in a range, at most `limit`.
pub(super) fn keys(db: &Connection, table: &str, keys: Range<i64>, limit: i64) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached(&format!("SELECT key FROM {table} WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3"))?
        .query_map([keys.start, keys.end, limit], |row| row.get(0))?
        .collect()
}

pub(super) fn delete(db: &Connection, table: &str, key: i64) -> rusqlite::Result<()> {
    db.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?1"))?.execute([key]).map(drop)
}

pub(super) fn append_batch(db: &Connection, samples: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO hot (samples) VALUES (?1)")?.execute([samples]).map(drop)
}

/// Stores the names of a series. Its last day is noted when its samples leave memory; until then it is in use.
pub(super) fn insert_series(db: &Connection, id: u32, names: &Names) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO series VALUES (?1, ?2, ?3, 0)")?
        .execute(params![id, names.0.as_ref(), names.1.as_ref()])
        .map(drop)
}

/// Notes that a series has samples of a day.
pub(super) fn touch_series(db: &Connection, id: u32, day: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE series SET last_day = ?2 WHERE id = ?1 AND last_day < ?2")?
        .execute((id, day))
        .map(drop)
}

/// The series without a sample since day `day`.
pub(super) fn series_before(db: &Connection, day: i64, limit: i64) -> rusqlite::Result<Vec<u32>> {
    db.prepare_cached("SELECT id FROM series WHERE last_day < ?1 LIMIT ?2")?
        .query_map([day, limit], |row| row.get(0))?
        .collect()
}

pub(super) fn delete_series(db: &Connection, id: u32) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM series WHERE id = ?1")?.execute([id]).map(drop)
}
