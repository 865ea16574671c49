//! From hot samples to two-hour chunks, from those to days, and from old days to nothing.
//!
//! Each step is one transaction that writes its result and deletes its source, and merging is by tick, so a step that a
//! crash undid, or that finds a part done before, counts no sample twice.

use super::columns::Columns;
use super::hot::{Hot, encode_batch};
use super::rollup::{Summary, encode_hours, hours};
use super::sample::{DAY, Entry, WINDOW, merge};
use super::tables::{self, daily_key, id_of, key, time_of};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::ops::Range;

/// Series whose day is closed in one transaction, so that waiting samples are written in between.
const CLOSE_STEP: i64 = 128;

/// Rows deleted in one transaction.
const DELETE_STEP: i64 = 1_024;

/// Samples in a row of the log when it is rewritten.
const LOG_ROW: usize = 4_096;

/// Moves the hot samples before `boundary` into two-hour chunks, of whatever age they are.
pub(super) fn compact_hot(db: &mut Connection, hot: &Hot, boundary: i64) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for id in hot.ids() {
        let mut entries = hot.of(id);
        entries.truncate(entries.partition_point(|entry| entry.tick() < boundary));
        if let Some(last) = entries.last() {
            tables::touch_series(&tx, id, last.tick() / DAY)?;
        }
        let mut windows = entries.as_slice();
        while let Some(first) = windows.first() {
            let window = first.tick() / WINDOW;
            let (these, rest) =
                windows.split_at(windows.partition_point(|entry| entry.tick() / WINDOW == window));
            add_to_chunk(&tx, key(window, id), these)?;
            windows = rest;
        }
    }
    tx.execute("DELETE FROM hot", [])?;
    for rest in hot.since(boundary).chunks(LOG_ROW) {
        tables::append_batch(&tx, &encode_batch(rest))?;
    }
    tx.commit()?;
    hot.remove_before(boundary);
    Ok(())
}

fn add_to_chunk(tx: &Transaction<'_>, key: i64, entries: &[Entry]) -> rusqlite::Result<()> {
    let begin = time_of(key) * WINDOW;
    let mut all = decoded(tables::chunk(tx, key)?, begin);
    all.extend(entries);
    merge(&mut all);
    tables::write_chunk(tx, key, &Summary::of(&all), &Columns::encode(begin, &all))
}

/// Closes the oldest open day before day `before` for some series. Returns whether there may be more.
pub(super) fn close_days(db: &mut Connection, before: i64) -> rusqlite::Result<bool> {
    let Some(first) = tables::first_key(db, "chunk")? else { return Ok(false) };
    let window = time_of(first);
    let day = window * WINDOW / DAY;
    if day >= before {
        return Ok(false);
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for of_window in tables::keys(&tx, "chunk", first..key(window + 1, 0), CLOSE_STEP)? {
        close_day(&tx, id_of(of_window), day)?;
    }
    tx.commit()?;
    Ok(true)
}

/// Merges the chunks of a day of a series into its row of the day.
fn close_day(tx: &Transaction<'_>, id: u32, day: i64) -> rusqlite::Result<()> {
    let begin = day * DAY;
    let mut entries = decoded(tables::day(tx, key(day, id))?, begin);
    for window in windows_of(day) {
        let key = key(window, id);
        if let Some(chunk) = tables::chunk(tx, key)? {
            entries.extend(decoded(Some(chunk), window * WINDOW));
            tables::delete(tx, "chunk", key)?;
        }
    }
    merge(&mut entries);
    let hours = encode_hours(&hours(begin, &entries));
    tables::write_day(tx, (id, day), &Summary::of(&entries), &hours, &Columns::encode(begin, &entries))
}

/// Deletes some samples of days before day `before`. Returns whether there may be more.
pub(super) fn delete_days(db: &mut Connection, before: i64) -> rusqlite::Result<bool> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let days = tables::keys(&tx, "day", 0..key(before, 0), DELETE_STEP)?;
    for row in &days {
        tables::delete(&tx, "day", *row)?;
        tables::delete(&tx, "daily", daily_key(id_of(*row), time_of(*row)))?;
    }
    let chunks = tables::keys(&tx, "chunk", 0..key(before * (DAY / WINDOW), 0), DELETE_STEP)?;
    for row in &chunks {
        tables::delete(&tx, "chunk", *row)?;
    }
    tx.commit()?;
    Ok(!days.is_empty() || !chunks.is_empty())
}

/// The two-hour windows of a day.
pub(super) fn windows_of(day: i64) -> Range<i64> {
    day * (DAY / WINDOW)..(day + 1) * (DAY / WINDOW)
}

/// The samples of a row. A damaged row is reported and counts as empty: it must not stop the others.
pub(super) fn decoded(row: Option<(usize, Columns)>, begin: i64) -> Vec<Entry> {
    let Some((count, columns)) = row else { return Vec::new() };
    columns.decode(begin, count).unwrap_or_else(|_| {
        let from = super::sample::time(begin);
        tracing::warn!(%from, count, "stored samples of a series are damaged and ignored; check the disk");
        Vec::new()
    })
}
