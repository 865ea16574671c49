//! The steps between the tables, each stopped in the middle, and what queries say about the result.

use super::hot::Hot;
use super::queries::Snapshot;
use super::rollup::{decode_hours, encode_hours, hours};
use super::sample::{DAY, Entry, HOUR, Sample, merge, tick, time, value};
use super::{Clock, Writer, compaction, tables};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use types::series::Bucket;

/// A day of UTC: 2026-11-22.
const FIRST: i64 = 20_779;

/// A writer without its thread, and a clock to set, in ticks.
struct World {
    _folder: TempDir,
    writer: Writer,
    now: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new((FIRST + 4) * DAY));
        let theirs = Arc::clone(&now);
        let clock = Clock(Arc::new(move || time(theirs.load(Ordering::Relaxed))));
        let writer = Writer::open(&folder.path().join("series.db"), clock).unwrap();
        Self { _folder: folder, writer, now }
    }

    /// The series of the name, with entries at ticks since the first day.
    fn write(&mut self, name: &str, entries: &[Entry]) -> u32 {
        let mut found = 0;
        self.writer.registry.with_id(name, "latency", |id| found = id).unwrap();
        let batch: Vec<_> = entries.iter().map(|entry| (found, *entry)).collect();
        self.writer.write(&batch).unwrap();
        found
    }

    /// Sets the clock, and does what is due.
    fn maintain_at(&mut self, tick: i64) {
        self.now.store(tick, Ordering::Relaxed);
        while self.writer.maintain(None).unwrap() {}
    }

    /// A process that was killed and starts again: memory from the log.
    fn restart(&mut self) {
        let clock = self.writer.clock.clone();
        self.writer = Writer::open(&self.writer.path.clone(), clock).unwrap();
    }

    fn entries(&self, id: u32) -> Vec<Entry> {
        let mut reader = self.writer.reader.lock().unwrap();
        let snapshot = Snapshot::new(&mut reader, &self.writer.hot, &[id]).unwrap();
        let samples = snapshot.points(id, &(0..i64::MAX / 2), usize::MAX).unwrap();
        samples.iter().map(|sample| Entry::new(sample).unwrap()).collect()
    }

    fn chart(&self, id: u32, ticks: std::ops::Range<i64>, buckets: usize) -> Vec<Bucket> {
        self.chart_of_all(&[id], ticks, buckets)
    }

    fn chart_of_all(&self, ids: &[u32], ticks: std::ops::Range<i64>, buckets: usize) -> Vec<Bucket> {
        let mut reader = self.writer.reader.lock().unwrap();
        Snapshot::new(&mut reader, &self.writer.hot, ids).unwrap().chart(ids, &ticks, buckets).unwrap()
    }

    fn strip(&self, id: u32, days: i64) -> Vec<(u64, u64)> {
        let mut reader = self.writer.reader.lock().unwrap();
        let snapshot = Snapshot::new(&mut reader, &self.writer.hot, &[id]).unwrap();
        let strip = snapshot.strip(Some(id), &(FIRST..FIRST + days)).unwrap();
        strip.iter().map(|day| (day.count, day.ok)).collect()
    }

    fn rows(&self, table: &str) -> i64 {
        rows(&self.writer.db, table)
    }
}

fn rows(db: &Connection, table: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn entry(tick: i64, value: f64, ok: bool) -> Entry {
    Entry::new(&Sample { at: time(FIRST * DAY + tick), value, ok }).unwrap()
}

/// A sample every five minutes.
fn regular(from: i64, to: i64) -> Vec<Entry> {
    (from..to)
        .step_by(3_000)
        .map(|tick| entry(tick + tick / 3_000 % 7, 0.04 + (tick % 977) as f64 * 1e-5, tick % 11_000 != 0))
        .collect()
}

#[test]
fn samples_go_through_all_stages_and_are_counted_once() {
    let mut world = World::new();
    let entries = regular(0, 2 * DAY + 5 * HOUR);
    let mut written = 0;
    for step in (HOUR..=2 * DAY + 5 * HOUR).step_by(HOUR as usize) {
        let until = entries.partition_point(|entry| entry.tick() < FIRST * DAY + step);
        let id = world.write("a", &entries[written..until]);
        written = until;
        world.maintain_at(FIRST * DAY + step);
        if step % (7 * HOUR) == 0 {
            world.restart();
        }
        assert_eq!(world.entries(id), entries[..until], "after {} h", step / HOUR);
        let strip: u64 = world.strip(id, 3).iter().map(|(count, _)| count).sum();
        assert_eq!(strip, until as u64);
    }
    assert_eq!((world.rows("day"), world.rows("daily"), world.rows("chunk")), (2, 2, 2));
    assert!(world.writer.hot.len() < 30);
}

#[test]
fn a_step_stopped_at_any_statement_is_undone_and_done_again() {
    let statements = [
        "INSERT ON chunk",
        "DELETE ON hot",
        "INSERT ON hot",
        "UPDATE ON series",
        "DELETE ON chunk",
        "INSERT ON day",
        "INSERT ON daily",
    ];
    for statement in statements {
        let mut world = World::new();
        let entries = regular(0, DAY + 3 * HOUR);
        let other = regular(0, DAY);
        let (a, b) = (world.write("a", &entries), world.write("b", &other));
        world.writer.db.execute("UPDATE series SET last_day = 0", []).unwrap();
        // The second row that the statement changes: a part of the step is done then.
        world
            .writer
            .db
            .execute_batch(&format!(
                "CREATE TEMP TABLE seen (n);
             CREATE TEMP TRIGGER stop AFTER {statement} BEGIN
                INSERT INTO seen VALUES (1);
                SELECT RAISE(ABORT, 'stopped') WHERE (SELECT count(*) FROM seen) >= {};
             END",
                if statement.ends_with("hot") { 1 } else { 2 }
            ))
            .unwrap();
        world.now.store(FIRST * DAY + DAY + 5 * HOUR / 2, Ordering::Relaxed);
        let stopped = loop {
            match world.writer.maintain(None) {
                Ok(true) => {}
                Ok(false) => break false,
                Err(error) => break error.to_string().contains("stopped"),
            }
        };
        assert!(stopped, "{statement}");
        for restarted in [false, true] {
            if restarted {
                world.restart();
            }
            assert_eq!((world.entries(a), world.entries(b)), (entries.clone(), other.clone()), "{statement}");
        }
        while world.writer.maintain(None).unwrap() {}
        assert_eq!((world.entries(a), world.entries(b)), (entries.clone(), other.clone()), "{statement}");
        assert_eq!((world.rows("day"), world.rows("daily")), (2, 2), "{statement}");
        assert_eq!(
            world.strip(b, 2),
            [(288, other.iter().filter(|entry| entry.ok()).count() as u64), (0, 0)]
        );
    }
}

#[test]
fn rows_of_the_log_that_are_in_chunks_already_count_once() {
    let mut world = World::new();
    let entries = regular(0, 3 * HOUR);
    let id = world.write("a", &entries);
    let log: Vec<u8> = world.writer.db.query_row("SELECT samples FROM hot", [], |row| row.get(0)).unwrap();
    world.maintain_at(FIRST * DAY + 3 * HOUR);
    assert_eq!(world.rows("chunk"), 1);
    tables::append_batch(&world.writer.db, &log).unwrap();
    world.restart();
    assert_eq!(world.entries(id), entries);
    assert_eq!(world.strip(id, 1)[0].0, entries.len() as u64);
    world.maintain_at(FIRST * DAY + 26 * HOUR + 600);
    assert_eq!(world.entries(id), entries);
    assert_eq!(world.strip(id, 1)[0].0, entries.len() as u64);
}

#[test]
fn late_samples_are_merged_into_chunks_and_closed_days_of_any_age() {
    let mut world = World::new();
    let all = regular(0, 3 * DAY);
    let (late, punctual): (Vec<_>, Vec<_>) = all.iter().copied().partition(|entry| entry.tick() % 5 == 1);
    let id = world.write("a", &punctual);
    world.maintain_at((FIRST + 3) * DAY + 3 * HOUR);
    assert_eq!((world.rows("day"), world.rows("chunk")), (3, 0));
    world.write("a", &late);
    let ok = |day: i64| {
        let of_day = all.iter().filter(|entry| entry.tick() / DAY == FIRST + day);
        (of_day.clone().count() as u64, of_day.filter(|entry| entry.ok()).count() as u64)
    };
    for hours in [3, 5] {
        world.maintain_at((FIRST + 3) * DAY + hours * HOUR);
        assert_eq!(world.entries(id), all, "at {hours} h");
        assert_eq!(world.strip(id, 3), [ok(0), ok(1), ok(2)], "at {hours} h");
        let whole = world.chart(id, FIRST * DAY..(FIRST + 3) * DAY, 1)[0];
        assert_eq!(whole.count, all.len() as u64);
    }
    assert_eq!((world.rows("day"), world.rows("chunk"), world.writer.hot.len()), (3, 0, 0));
}

#[test]
fn a_clock_that_was_ahead_loses_nothing() {
    let mut world = World::new();
    let id = world.write("a", &regular(0, HOUR));
    world.maintain_at((FIRST + 400) * DAY);
    assert_eq!(world.rows("day"), 1, "closed too early");
    world.write("a", &regular(400 * DAY, 400 * DAY + HOUR));
    world.maintain_at(FIRST * DAY + 2 * HOUR);
    world.write("a", &regular(HOUR, DAY));
    world.maintain_at((FIRST + 1) * DAY + 3 * HOUR);
    let mut expected = regular(0, DAY);
    expected.extend(regular(400 * DAY, 400 * DAY + HOUR));
    assert_eq!(world.entries(id), expected);
    // With the right clock such samples are refused.
    world.write("a", &regular(500 * DAY, 500 * DAY + HOUR));
    assert_eq!(world.writer.queue.dropped().in_future, 12);
}

#[test]
fn forgotten_days_are_gone_and_stay_gone() {
    let mut world = World::new();
    let a = world.write("a", &regular(0, 5 * DAY));
    let b = world.write("b", &regular(0, DAY));
    world.maintain_at((FIRST + 5) * DAY + 3 * HOUR);
    let before = time((FIRST + 3) * DAY + HOUR);
    while world.writer.maintain(Some(before)).unwrap() {}
    assert_eq!(world.entries(a), regular(3 * DAY, 5 * DAY));
    assert_eq!(world.strip(a, 5)[..3], [(0, 0); 3]);
    assert_eq!((world.entries(b), world.rows("series"), world.rows("daily")), (Vec::new(), 1, 2));
    assert_eq!(world.writer.registry.get("b", "latency"), None);
    world.write("b", &regular(0, DAY));
    assert_eq!(world.writer.queue.dropped().too_old, 288);
    // The number is given to the next series, which has nothing of the old one.
    let c = world.write("c", &regular(4 * DAY, 5 * DAY));
    world.maintain_at((FIRST + 5) * DAY + 5 * HOUR);
    assert_eq!(world.entries(c), regular(4 * DAY, 5 * DAY));
    world.restart();
    assert_eq!(world.entries(c), regular(4 * DAY, 5 * DAY));
}

#[test]
fn a_damaged_row_costs_its_own_samples() {
    let mut world = World::new();
    let (a, b) = (world.write("a", &regular(0, DAY)), world.write("b", &regular(0, DAY)));
    world.maintain_at(FIRST * DAY + DAY);
    let damage = "UPDATE chunk SET codes = x'0102' WHERE key = (SELECT min(key) FROM chunk)";
    world.writer.db.execute(damage, []).unwrap();
    assert_eq!(world.entries(a), regular(2 * HOUR, DAY));
    world.maintain_at(FIRST * DAY + DAY + 3 * HOUR);
    assert_eq!((world.entries(a), world.entries(b)), (regular(2 * HOUR, DAY), regular(0, DAY)));
    world.writer.db.execute("UPDATE day SET hours = x'ff', ticks = x''", []).unwrap();
    assert_eq!(world.entries(a), []);
    assert_eq!(world.chart(a, FIRST * DAY..(FIRST + 1) * DAY, 2).len(), 2);
}

#[test]
fn a_full_disk_is_named_and_then_forgotten() {
    let mut world = World::new();
    let pages: i64 = world.writer.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    world.writer.db.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let mut id = 0;
    world.writer.registry.with_id("a", "latency", |found| id = found).unwrap();
    let batch: Vec<_> = regular(0, DAY).into_iter().map(|entry| (id, entry)).collect();
    let error = (0..100).find_map(|_| world.writer.write(&batch).err()).unwrap();
    let held = world.writer.hot.len();
    assert!(world.writer.report(Err(error)));
    assert_eq!(world.writer.queue.state(), super::State::DiskFull);
    world.writer.db.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    let result = world.writer.write(&batch);
    assert!(!world.writer.report(result));
    assert_eq!(
        (world.writer.queue.state(), world.writer.hot.len()),
        (super::State::Writing, held + batch.len())
    );
}

fn days_of_entries() -> impl Strategy<Value = Vec<Entry>> {
    let value = prop_oneof![9 => 0.01..0.1, 1 => -5.0..50.0];
    proptest::collection::vec((0..3 * DAY, value, proptest::bool::weighted(0.8)), 1..800).prop_map(|parts| {
        let mut entries = parts.into_iter().map(|(tick, value, ok)| entry(tick, value, ok)).collect();
        merge(&mut entries);
        entries
    })
}

/// What the bucket must say, by looking at each sample.
fn recomputed(bucket: &Bucket, entries: &[Entry]) -> (u64, Vec<f64>) {
    let ticks = tick(bucket.from)..tick(bucket.to);
    let inside: Vec<_> = entries.iter().filter(|entry| ticks.contains(&entry.tick())).collect();
    let mut good: Vec<f64> =
        inside.iter().filter(|entry| entry.ok()).map(|entry| value(entry.code())).collect();
    good.sort_by(f64::total_cmp);
    (inside.len() as u64, good)
}

fn assert_equal(bucket: &Bucket, entries: &[Entry], tolerance: f64) -> Result<(), TestCaseError> {
    let (count, good) = recomputed(bucket, entries);
    prop_assert_eq!((bucket.count, bucket.ok), (count, good.len() as u64));
    let Some(values) = bucket.values else {
        prop_assert!(good.is_empty());
        return Ok(());
    };
    prop_assert_eq!((values.min, values.max), (good[0], good[good.len() - 1]));
    let scale: f64 = good.iter().map(|value| value.abs()).sum::<f64>() / good.len() as f64;
    let mean = good.iter().sum::<f64>() / good.len() as f64;
    prop_assert!((values.mean - mean).abs() <= scale * 1e-6, "{} is not {mean}", values.mean);
    for (share, found) in [(50, values.p50), (95, values.p95), (99, values.p99)] {
        let rank = (good.len() * share).div_ceil(100).max(1) - 1;
        let right = good[rank];
        prop_assert!((found - right).abs() <= right.abs() * tolerance, "p{share} {found} is not {right}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn charts_and_strips_equal_recomputation(
        entries in days_of_entries(), now in 0..4 * DAY, buckets in 1_usize..40, from in 0..2 * DAY, length in 1..3 * DAY,
    ) {
        let mut world = World::new();
        let mut shuffled = entries.clone();
        shuffled.sort_by_key(|entry| entry.tick() % 7_919);
        world.now.store((FIRST + 3) * DAY, Ordering::Relaxed);
        let id = world.write("a", &shuffled);
        let (odd, even): (Vec<_>, Vec<_>) = shuffled.iter().partition(|entry| entry.tick() % 2 == 1);
        let parts = [world.write("odd", &odd), world.write("even", &even)];
        world.maintain_at(FIRST * DAY + now);
        prop_assert_eq!(&world.entries(id), &entries);
        let range = FIRST * DAY + from..FIRST * DAY + from + length;
        let chart = world.chart(id, range.clone(), buckets);
        prop_assert!(!chart.is_empty() && chart.len() <= buckets);
        prop_assert!(tick(chart[0].from) <= range.start && tick(chart[chart.len() - 1].to) >= range.end);
        let coarse = chart.iter().any(|bucket| tick(bucket.to) - tick(bucket.from) >= 6 * HOUR);
        let together = world.chart_of_all(&parts, range, buckets);
        prop_assert_eq!(together.len(), chart.len());
        for bucket in chart.iter().chain(&together) {
            assert_equal(bucket, &entries, if coarse { 0.033 } else { 0.0 })?;
        }
        for (day, strip) in world.strip(id, 4).into_iter().enumerate() {
            let of_day = entries.iter().filter(|entry| entry.tick() / DAY == FIRST + day as i64);
            let ok = of_day.clone().filter(|entry| entry.ok()).count();
            prop_assert_eq!(strip, (of_day.count() as u64, ok as u64));
        }
    }

    #[test]
    fn hours_round_trip(entries in days_of_entries(), at in any::<proptest::sample::Index>(), bits in 1_u8..) {
        let of_day: BTreeMap<i64, Vec<Entry>> = entries.into_iter().fold(BTreeMap::new(), |mut days, entry| {
            days.entry(entry.tick() / DAY).or_insert_with(Vec::new).push(entry);
            days
        });
        for (day, entries) in of_day {
            let hours = hours(day * DAY, &entries);
            let mut bytes = encode_hours(&hours);
            let mut read = decode_hours(&bytes).unwrap();
            for (read, hour) in read.iter_mut().zip(&hours) {
                prop_assert!((read.summary.sum - hour.summary.sum).abs() <= hour.summary.sum.abs() * 1e-7);
                read.summary.sum = hour.summary.sum;
            }
            prop_assert_eq!(read, hours);
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
            let _ = decode_hours(&bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_are_hours_or_refused(bytes: Vec<u8>) {
        let _ = decode_hours(&bytes);
    }
}

#[test]
fn memory_beyond_its_limit_becomes_chunks() {
    let mut world = World::new();
    let id = world.write("a", &regular(0, DAY));
    compaction::compact_hot(&mut world.writer.db, &world.writer.hot, i64::MAX).unwrap();
    assert_eq!((world.writer.hot.len(), world.rows("hot"), world.rows("chunk")), (0, 0, 12));
    assert_eq!(world.entries(id), regular(0, DAY));
    assert_eq!(Hot::default().len(), 0);
}
