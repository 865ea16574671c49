//! The tables of samples. A row's key is series and time in one number, so that a series lies together in order.

use super::Point;
use atomic_file::with_suffix;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use types::probe_result::Phases;
use types::{ProbeId, Time};

/// Bits of a key that count milliseconds: enough from 2020 to 2054. The bits above hold the series.
const TIME_BITS: u32 = 40;

/// 2020-01-01T00:00:00Z in milliseconds.
const BEGIN_MS: i64 = 1_577_836_800_000;

/// Rows deleted in one step.
const DELETE_MAX: usize = 2_000;

/// One row: a probe and what its result showed.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) probe: ProbeId,
    pub(super) point: Point,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, probe TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE IF NOT EXISTS sample (key INTEGER PRIMARY KEY, ok INTEGER NOT NULL, total_us INTEGER NOT NULL,
        dns_us INTEGER, connect_us INTEGER, tls_us INTEGER, first_byte_us INTEGER) STRICT;
";

pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(30))?;
    db.pragma_update(None, "page_size", 8192)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    db.execute_batch(TABLES)?;
    Ok(db)
}

pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

/// Renames a damaged file and replaces an older damaged one.
pub(super) fn set_aside(path: &Path) -> std::io::Result<()> {
    for log in ["-wal", "-shm"] {
        match std::fs::remove_file(with_suffix(path, log)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    std::fs::rename(path, with_suffix(path, ".damaged"))
}

/// Writes a batch in one transaction. `ids` caches the ids of series.
pub(super) fn write(
    db: &mut Connection,
    ids: &mut BTreeMap<ProbeId, i64>,
    batch: &[Sample],
) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut new = BTreeMap::new();
    {
        let mut insert =
            tx.prepare_cached("INSERT OR REPLACE INTO sample VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for Sample { probe, point } in batch {
            let known = ids.get(probe).or_else(|| new.get(probe)).copied();
            let id = match known {
                Some(id) => id,
                None => {
                    let id = insert_series(&tx, probe)?;
                    new.insert(probe.clone(), id);
                    id
                }
            };
            let Phases { dns, connect, tls, first_byte, total } = point.phases;
            let key = key_range(id).start + offset(point.at);
            let part = |part: Option<Duration>| part.map(micros);
            insert.execute(params![
                key,
                point.ok,
                micros(total),
                part(dns),
                part(connect),
                part(tls),
                part(first_byte)
            ])?;
        }
    }
    tx.commit()?;
    // Not before the commit: ids of a rolled-back transaction are invalid.
    ids.append(&mut new);
    Ok(())
}

pub(super) fn read(
    db: &Connection,
    probe: &ProbeId,
    from: Time,
    to: Time,
    limit: usize,
) -> rusqlite::Result<Vec<Point>> {
    let Some(id) = series_id(db, probe)? else { return Ok(Vec::new()) };
    let begin = key_range(id).start;
    let part = |us: Option<u64>| us.map(Duration::from_micros);
    let mut points: Vec<Point> = db
        .prepare_cached(
            "SELECT key, ok, total_us, dns_us, connect_us, tls_us, first_byte_us FROM sample
             WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3",
        )?
        .query_map(
            params![begin + offset(from), begin + offset(to), i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| {
                let us = |column: usize| {
                    row.get::<_, Option<i64>>(column).map(|us| us.and_then(|us| us.try_into().ok()))
                };
                Ok(Point {
                    at: time(row.get(0)?),
                    ok: row.get(1)?,
                    phases: Phases {
                        dns: part(us(3)?),
                        connect: part(us(4)?),
                        tls: part(us(5)?),
                        first_byte: part(us(6)?),
                        total: part(us(2)?).unwrap_or_default(),
                    },
                })
            },
        )?
        .collect::<Result<_, _>>()?;
    points.reverse();
    Ok(points)
}

pub(super) fn last_before(db: &Connection, before: Time) -> rusqlite::Result<Option<Time>> {
    let mut last = None;
    let mut newest = db.prepare_cached("SELECT max(key) FROM sample WHERE key >= ?1 AND key < ?2")?;
    for id in ids(db)? {
        let Range { start, end } = key_range(id);
        let end = end.min(start + offset(before));
        let key: Option<i64> = newest.query_row([start, end], |row| row.get(0))?;
        last = last.max(key.map(time));
    }
    Ok(last)
}

pub(super) fn first_at(db: &Connection) -> rusqlite::Result<Option<Time>> {
    let mut first: Option<Time> = None;
    let mut oldest = db.prepare_cached("SELECT min(key) FROM sample WHERE key >= ?1 AND key < ?2")?;
    for id in ids(db)? {
        let Range { start, end } = key_range(id);
        let key: Option<i64> = oldest.query_row([start, end], |row| row.get(0))?;
        if let Some(at) = key.map(time) {
            first = Some(first.map_or(at, |first| first.min(at)));
        }
    }
    Ok(first)
}

/// Deletes some samples older than `before`. Returns whether there may be more.
pub(super) fn forget(db: &Connection, before: Time) -> rusqlite::Result<bool> {
    let mut delete = db.prepare_cached(
        "DELETE FROM sample WHERE key IN (SELECT key FROM sample WHERE key >= ?1 AND key < ?2 LIMIT ?3)",
    )?;
    for id in ids(db)? {
        let begin = key_range(id).start;
        if delete.execute(params![
            begin,
            begin + offset(before),
            i64::try_from(DELETE_MAX).unwrap_or(i64::MAX)
        ])? > 0
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ids(db: &Connection) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached("SELECT id FROM series ORDER BY id")?.query_map([], |row| row.get(0))?.collect()
}

fn series_id(db: &Connection, probe: &ProbeId) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM series WHERE probe = ?1")?
        .query_row([&probe.0], |row| row.get(0))
        .optional()
}

fn insert_series(db: &Connection, probe: &ProbeId) -> rusqlite::Result<i64> {
    if let Some(id) = series_id(db, probe)? {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO series (probe) VALUES (?1)")?.insert([&probe.0])
}

/// The keys of a series.
fn key_range(id: i64) -> Range<i64> {
    id << TIME_BITS..(id + 1) << TIME_BITS
}

/// The offset of an instant within a series; instants out of range are moved to its ends.
fn offset(at: Time) -> i64 {
    at.as_millisecond().saturating_sub(BEGIN_MS).clamp(0, (1 << TIME_BITS) - 1)
}

fn time(key: i64) -> Time {
    Time::from_millisecond((key & ((1 << TIME_BITS) - 1)) + BEGIN_MS).unwrap_or(Time::MAX)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
