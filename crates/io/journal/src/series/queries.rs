//! Queries. Each sees one state of the file and of the samples in memory.

use super::compaction::{decoded, windows_of};
use super::hot::Hot;
use super::rollup::{Hour, Sketch, Summary, decode_hours, nearest_rank};
use super::sample::{DAY, Entry, HOUR, Sample, WINDOW, merge, time, value};
use super::tables::{self, key};
use rusqlite::{Connection, Transaction};
use std::collections::BTreeMap;
use std::ops::Range;
use types::series::{Bucket, StripDay, Values};

/// Buckets of a chart from this length on are made of the hours' roll-ups, shorter ones of samples.
const COARSE: i64 = 6 * HOUR;

/// One state of the file, beside the samples in memory.
pub(super) struct Snapshot<'a> {
    tx: Transaction<'a>,
    /// Windows with chunks.
    windows: Vec<i64>,
    /// Samples in memory of the series that are asked for, taken before the state of the file. What
    /// moved into the file in between is in both and is merged.
    hot: BTreeMap<u32, Vec<Entry>>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(db: &'a mut Connection, hot: &Hot, ids: &[u32]) -> rusqlite::Result<Self> {
        let hot = ids.iter().map(|id| (*id, hot.of(*id))).collect();
        let tx = db.transaction()?;
        let windows = tables::windows(&tx)?;
        Ok(Self { tx, windows, hot })
    }

    fn hot(&self, id: u32, ticks: Range<i64>) -> &[Entry] {
        let hot = self.hot.get(&id).map_or(&[][..], Vec::as_slice);
        let at = |tick| hot.partition_point(|entry| entry.tick() < tick);
        hot.get(at(ticks.start)..at(ticks.end)).unwrap_or_default()
    }

    /// The days of a series that may have samples in a range of ticks, in order, and whether each is closed: in its row
    /// alone.
    fn days(&self, id: u32, ticks: &Range<i64>) -> rusqlite::Result<BTreeMap<i64, bool>> {
        let days = ticks.start / DAY..(ticks.end - 1).div_euclid(DAY) + 1;
        let closed = tables::daily(&self.tx, id, days.clone())?;
        let mut all: BTreeMap<i64, bool> = closed.into_iter().map(|(day, _)| (day, true)).collect();
        for window in &self.windows {
            let day = window * WINDOW / DAY;
            // A closed day that has a late chunk of some series is open for this one if the chunk is its own.
            let own = !all.contains_key(&day) || tables::chunk_summary(&self.tx, key(*window, id))?.is_some();
            if days.contains(&day) && own {
                all.insert(day, false);
            }
        }
        for entry in self.hot(id, ticks.clone()) {
            all.insert(entry.tick() / DAY, false);
        }
        Ok(all)
    }

    /// The samples of a day, in order.
    fn day(&self, id: u32, day: i64) -> rusqlite::Result<Vec<Entry>> {
        let mut entries = decoded(tables::day(&self.tx, key(day, id))?, day * DAY);
        for window in self.windows.iter().filter(|window| windows_of(day).contains(window)) {
            entries.extend(decoded(tables::chunk(&self.tx, key(*window, id))?, window * WINDOW));
        }
        entries.extend(self.hot(id, day * DAY..(day + 1) * DAY));
        merge(&mut entries);
        Ok(entries)
    }

    /// The newest samples in a range of ticks, at most `limit`, in order.
    pub(super) fn points(&self, id: u32, ticks: &Range<i64>, limit: usize) -> rusqlite::Result<Vec<Sample>> {
        let mut points = Vec::new();
        for day in self.days(id, ticks)?.into_keys().rev() {
            let entries = self.day(id, day)?;
            let wanted = entries.iter().rev().filter(|entry| ticks.contains(&entry.tick()));
            points.extend(wanted.take(limit - points.len()).map(|entry| entry.sample()));
            if points.len() == limit {
                break;
            }
        }
        points.reverse();
        Ok(points)
    }

    /// A range of ticks in `count` buckets of equal length, or fewer: long buckets have whole hours. The samples of several
    /// series count together.
    pub(super) fn chart(
        &self,
        ids: &[u32],
        ticks: &Range<i64>,
        count: usize,
    ) -> rusqlite::Result<Vec<Bucket>> {
        let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
        let mut length = ((ticks.end - ticks.start).max(1) + count - 1) / count;
        let mut begin = ticks.start;
        let coarse = length >= COARSE;
        if coarse {
            begin = begin / HOUR * HOUR;
            length = ((ticks.end - begin + count - 1) / count + HOUR - 1) / HOUR * HOUR;
        }
        let mut chart =
            Chart { begin, length, end: ticks.end, coarse, filled: Filling::default(), buckets: Vec::new() };
        let range = begin..chart.rounded_end();
        let mut days: BTreeMap<i64, Vec<(u32, bool)>> = BTreeMap::new();
        for id in ids {
            for (day, closed) in self.days(*id, &range)? {
                days.entry(day).or_default().push((*id, closed));
            }
        }
        // A bucket is finished when the next one begins, so the parts of a day go in by time.
        for (day, series) in days {
            let (mut entries, mut hours) = (Vec::new(), Vec::new());
            for (id, closed) in series {
                if coarse && closed {
                    hours.extend(self.hours(id, day)?);
                } else {
                    entries.extend(self.day(id, day)?);
                }
            }
            entries.sort_by_key(|entry| entry.tick());
            hours.sort_by_key(|hour| hour.hour);
            let mut entries = entries.into_iter().filter(|entry| range.contains(&entry.tick())).peekable();
            for hour in hours {
                let tick = day * DAY + i64::from(hour.hour) * HOUR;
                if !range.contains(&tick) {
                    continue;
                }
                while let Some(entry) = entries.next_if(|entry| entry.tick() < tick) {
                    chart.at(entry.tick()).add(entry, coarse);
                }
                let filling = chart.at(tick);
                filling.summary.merge(&hour.summary);
                filling.sketch.merge(&hour.sketch);
            }
            for entry in entries {
                chart.at(entry.tick()).add(entry, coarse);
            }
        }
        Ok(chart.finish())
    }

    /// The roll-ups of the hours of a closed day.
    fn hours(&self, id: u32, day: i64) -> rusqlite::Result<Vec<Hour>> {
        let Some(hours) = tables::day_hours(&self.tx, key(day, id))? else { return Ok(Vec::new()) };
        Ok(decode_hours(&hours).unwrap_or_else(|_| {
            tracing::warn!(from = %time(day * DAY), "stored roll-ups of a series are damaged and ignored; check the disk");
            Vec::new()
        }))
    }

    /// The days of a range of days, one after the other.
    pub(super) fn strip(&self, id: Option<u32>, days: &Range<i64>) -> rusqlite::Result<Vec<StripDay>> {
        let strip_day = |day| StripDay { from: time(day * DAY), count: 0, ok: 0 };
        let mut strip: Vec<StripDay> = days.clone().map(strip_day).collect();
        let Some(id) = id else { return Ok(strip) };
        let mut set = |day: i64, count, ok| {
            if let Some(strip_day) = usize::try_from(day - days.start).ok().and_then(|n| strip.get_mut(n)) {
                (strip_day.count, strip_day.ok) = (count, ok);
            }
        };
        let closed: BTreeMap<i64, Summary> = tables::daily(&self.tx, id, days.clone())?.into_iter().collect();
        for (day, summary) in &closed {
            set(*day, summary.count, summary.ok);
        }
        let hot = self.hot(id, days.start * DAY..days.end * DAY);
        let mut open: Vec<i64> = self.windows.iter().map(|window| window * WINDOW / DAY).collect();
        open.extend(hot.iter().map(|entry| entry.tick() / DAY));
        open.dedup();
        for day in open.into_iter().filter(|day| days.contains(day)) {
            let summary = self.open_day(id, day, closed.get(&day))?;
            set(day, summary.count, summary.ok);
        }
        Ok(strip)
    }

    /// The summary of a day that is not closed: of its chunks and of memory. Samples are decoded only where two of these
    /// overlap, which takes late ones.
    fn open_day(&self, id: u32, day: i64, closed: Option<&Summary>) -> rusqlite::Result<Summary> {
        let mut summary = Summary::default();
        let mut overlaps = false;
        for window in self.windows.iter().filter(|window| windows_of(day).contains(window)) {
            if let Some(chunk) = tables::chunk_summary(&self.tx, key(*window, id))? {
                overlaps |=
                    closed.is_some() || !self.hot(id, window * WINDOW..(window + 1) * WINDOW).is_empty();
                summary.merge(&chunk);
            }
        }
        let hot = self.hot(id, day * DAY..(day + 1) * DAY);
        summary.merge(&Summary::of(hot));
        overlaps |= closed.is_some() && !hot.is_empty();
        match closed {
            _ if overlaps => Ok(Summary::of(&self.day(id, day)?)),
            Some(closed) => Ok(*closed),
            None => Ok(summary),
        }
    }
}

/// The newest tick of all chunks and days before `before`. Decodes all series of one window or day.
pub(super) fn last_before(db: &mut Connection, before: i64) -> rusqlite::Result<Option<i64>> {
    let tx = db.transaction()?;
    let mut newest = None;
    for (table, length) in [("chunk", WINDOW), ("day", DAY)] {
        // The newest stretch may begin before and have samples after `before` only.
        let mut end = key((before + length - 1) / length, 0);
        while let Some(last) = tables::last_key(&tx, table, end)?.map(tables::time_of) {
            let end_of_stretch = (last + 1) * length;
            if newest.is_some_and(|newest| newest >= end_of_stretch) {
                break;
            }
            for row in tables::keys(&tx, table, key(last, 0)..key(last + 1, 0), i64::MAX)? {
                let row = if table == "chunk" { tables::chunk(&tx, row)? } else { tables::day(&tx, row)? };
                let ticks = decoded(row, last * length).into_iter().map(Entry::tick);
                newest = newest.max(ticks.filter(|tick| *tick < before).max());
            }
            if newest.is_some() {
                break;
            }
            end = key(last, 0);
        }
    }
    Ok(newest)
}

/// The beginning of the oldest day or window.
pub(super) fn first(db: &Connection) -> rusqlite::Result<Option<i64>> {
    let first = |table, length: i64| {
        tables::first_key(db, table).map(|key| key.map(|key| tables::time_of(key) * length))
    };
    Ok(first("chunk", WINDOW)?.into_iter().chain(first("day", DAY)?).min())
}

/// A chart while its samples come in order: one bucket at a time is in memory with its values.
struct Chart {
    begin: i64,
    length: i64,
    end: i64,
    coarse: bool,
    filled: Filling,
    buckets: Vec<Bucket>,
}

/// The bucket that is being filled. Percentiles come from codes or from a sketch.
#[derive(Default)]
struct Filling {
    summary: Summary,
    codes: Vec<i32>,
    sketch: Sketch,
}

impl Filling {
    fn add(&mut self, entry: Entry, coarse: bool) {
        self.summary.add(entry);
        if coarse {
            self.sketch.add(entry);
        } else if entry.ok() {
            self.codes.push(entry.code());
        }
    }

    fn values(&mut self, coarse: bool) -> Option<Values> {
        let summary = self.summary;
        if summary.ok == 0 {
            return None;
        }
        self.codes.sort_unstable();
        let percentile = |share| {
            if coarse {
                self.sketch.percentile(share, &summary)
            } else {
                self.codes.get(nearest_rank(share, self.codes.len())?).copied().map(value)
            }
        };
        Some(Values {
            min: value(summary.min),
            mean: summary.sum / summary.ok as f64,
            max: value(summary.max),
            p50: percentile(0.50)?,
            p95: percentile(0.95)?,
            p99: percentile(0.99)?,
        })
    }
}

impl Chart {
    /// The end of the last bucket: coarse ones have whole hours.
    fn rounded_end(&self) -> i64 {
        if self.coarse { (self.end + HOUR - 1) / HOUR * HOUR } else { self.end }
    }

    /// The bucket of a tick. Those before it are finished.
    fn at(&mut self, tick: i64) -> &mut Filling {
        let index = usize::try_from((tick - self.begin) / self.length).unwrap_or_default();
        while self.buckets.len() < index {
            self.finish_bucket();
        }
        &mut self.filled
    }

    fn finish_bucket(&mut self) {
        let mut filled = std::mem::take(&mut self.filled);
        let from = self.begin + self.length * i64::try_from(self.buckets.len()).unwrap_or(i64::MAX);
        self.buckets.push(Bucket {
            from: time(from),
            to: time((from + self.length).min(self.rounded_end())),
            count: filled.summary.count,
            ok: filled.summary.ok,
            values: filled.values(self.coarse),
        });
    }

    fn finish(mut self) -> Vec<Bucket> {
        let last = self.rounded_end();
        while self.begin + self.length * i64::try_from(self.buckets.len()).unwrap_or(i64::MAX) < last {
            self.finish_bucket();
        }
        self.buckets
    }
}
