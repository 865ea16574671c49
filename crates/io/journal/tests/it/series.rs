//! Stored samples through the public door: written by a thread, read meanwhile, never in anybody's way.

use journal::series::{Sample, Series, State};
use rusqlite::{Connection, TransactionBehavior};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use types::Time;
use types::time::later;

const PATIENCE: Duration = Duration::from_secs(60);
const A: (&str, &str) = ("http.a", "latency");

fn at(secs: u64) -> Time {
    later("2026-11-22T00:00:00Z".parse().unwrap(), Duration::from_secs(secs))
}

fn sample(secs: u64) -> Sample {
    Sample { at: at(secs), value: (secs % 512) as f64, ok: !(secs / 10).is_multiple_of(5) }
}

fn put(series: &Series, (subject, metric): (&str, &str), samples: &[Sample]) {
    for sample in samples {
        series.put(subject, metric, *sample);
    }
}

/// A store, and its clock in seconds since the first day.
fn opened(folder: &Path) -> (Series, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&now);
    let clock = move || at(theirs.load(Ordering::Relaxed));
    (Series::open(folder.join("series.db"), clock).unwrap(), now)
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn all(series: &Series, of: (&str, &str)) -> Vec<Sample> {
    series.points(of, Time::MIN..Time::MAX, usize::MAX).unwrap()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_was_put_is_read_in_order_and_survives_a_restart() {
    let folder = folder();
    let (series, _) = opened(folder.path());
    assert_eq!((series.last_before(Time::MAX), series.first_at()), (None, None));
    let samples: Vec<Sample> = (0..1_000).map(|n| sample(n * 10)).collect();
    let shuffled: Vec<Sample> = samples.iter().rev().copied().collect();
    put(&series, A, &shuffled);
    put(&series, ("http.b", "latency"), &samples[..10]);
    put(&series, ("http.a", "connections"), &samples[10..20]);
    assert!(series.flush(PATIENCE));
    drop(series);
    for now in [0, 3_600, 200_000, 200_000] {
        let (series, clock) = opened(folder.path());
        clock.store(now, Ordering::Relaxed);
        assert!(series.flush(PATIENCE));
        assert_eq!(all(&series, A), samples);
        assert_eq!(series.points(A, at(100)..at(200), 99).unwrap(), samples[10..20]);
        assert_eq!(series.points(A, at(100)..at(200), 3).unwrap(), samples[17..20]);
        assert_eq!(all(&series, ("http.b", "latency")), samples[..10]);
        assert_eq!(all(&series, ("http.a", "connections")), samples[10..20]);
        assert_eq!(all(&series, ("http.c", "latency")), []);
        assert_eq!(series.last_before(Time::MAX), Some(at(9_990)));
        assert_eq!(series.last_before(at(5_000)), Some(at(4_990)));
        assert_eq!(series.first_at(), Some(at(0)));
        assert_eq!((series.dropped().total(), series.state()), (0, State::Writing));
        let whole = series.percentiles(A, at(0)..at(10_000)).unwrap().unwrap();
        assert_eq!((whole.count, whole.ok, whole.ok_ratio()), (1_000, 800, Some(0.8)));
        let strips = series.strips(&[A, ("http.c", "latency")], at(200_000), 4).unwrap();
        assert_eq!(
            strips[0].iter().map(|day| (day.count, day.ok)).collect::<Vec<_>>(),
            [(0, 0), (1_000, 800), (0, 0), (0, 0)]
        );
        assert!(strips[1].iter().all(|day| day.count == 0 && day.ok_ratio().is_none()));
    }
}

#[test]
fn what_is_still_waiting_is_written_at_the_end() {
    let folder = folder();
    let (series, _) = opened(folder.path());
    put(&series, A, &[sample(1), sample(2)]);
    drop(series);
    assert_eq!(opened(folder.path()).0.last_before(Time::MAX), Some(at(2)));
}

#[test]
fn what_cannot_be_stored_is_counted() {
    let folder = folder();
    let (series, _) = opened(folder.path());
    let wrong = [
        Sample { at: Time::MIN, ..sample(0) },
        Sample { at: Time::MAX, ..sample(0) },
        Sample { value: f64::NAN, ..sample(0) },
        Sample { value: f64::INFINITY, ..sample(0) },
        sample(90_000),
        sample(7),
    ];
    put(&series, A, &wrong);
    let twin = Sample { value: 9.0, ..sample(7) };
    put(&series, A, &[twin]);
    assert!(series.flush(PATIENCE));
    assert_eq!(all(&series, A), [twin]);
    let dropped = series.dropped();
    assert_eq!((dropped.invalid, dropped.in_future, dropped.total()), (4, 1, 5));
    assert_eq!(series.chart(A, at(9)..at(9), 5).unwrap(), []);
    assert_eq!(series.chart(A, at(9)..at(5), 5).unwrap(), []);
    assert_eq!(series.chart(A, Time::MIN..Time::MAX, 0).unwrap().len(), 1);
    assert_eq!(series.chart(A, at(0)..at(1), usize::MAX).unwrap().len(), 10);
}

#[test]
fn old_days_are_forgotten() {
    let folder = folder();
    let (series, clock) = opened(folder.path());
    clock.store(3 * 86_400, Ordering::Relaxed);
    let samples: Vec<Sample> = (0..3_000).map(|n| sample(n * 100)).collect();
    put(&series, A, &samples);
    series.forget(at(2 * 86_400));
    until("two days are gone", || series.flush(PATIENCE) && all(&series, A).len() == 3_000 - 1_728);
    assert_eq!(all(&series, A), samples[1_728..]);
    assert_eq!(series.first_at(), Some(at(2 * 86_400)));
}

#[test]
fn a_stalled_disk_drops_the_oldest_and_counts_them() {
    let folder = folder();
    let (series, clock) = opened(folder.path());
    clock.store(400_000, Ordering::Relaxed);
    let mut other = Connection::open(folder.path().join("series.db")).unwrap();
    let stall = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let samples: Vec<Sample> = (0..300_000).map(sample).collect();
    let begun = Instant::now();
    put(&series, A, &samples);
    assert!(begun.elapsed() < PATIENCE / 2, "put waited");
    assert!(!series.flush(Duration::from_millis(1)));
    let dropped = series.dropped().queue_full;
    assert!((1..300_000).contains(&dropped), "{dropped}");
    drop(stall);
    assert!(series.flush(PATIENCE));
    let kept = all(&series, A);
    assert_eq!(kept.len() as u64 + series.dropped().total(), 300_000);
    assert_eq!(kept.last(), samples.last());
}

#[test]
fn damaged_and_foreign_files_are_set_aside() {
    for (content, name) in [(vec![42; 20_000], "series.db.damaged"), (Vec::new(), "series.db.other-format")] {
        let folder = folder();
        let path = folder.path().join("series.db");
        std::fs::write(&path, &content).unwrap();
        if content.is_empty() {
            Connection::open(&path).unwrap().execute("CREATE TABLE sample (key INTEGER)", []).unwrap();
        }
        let (series, _) = opened(folder.path());
        put(&series, A, &[sample(1)]);
        assert!(series.flush(PATIENCE));
        assert!(folder.path().join(name).exists(), "{name}");
        assert_eq!(all(&series, A), [sample(1)]);
    }
}

#[test]
fn a_file_damaged_while_it_is_used_is_replaced_and_memory_kept() {
    let folder = folder();
    let (series, clock) = opened(folder.path());
    for n in 0..200 {
        series.put(&format!("http.{n}"), "latency", sample(n));
    }
    clock.store(86_400, Ordering::Relaxed);
    assert!(series.flush(PATIENCE));
    let samples: Vec<Sample> = (86_390..86_400).map(sample).collect();
    put(&series, A, &samples);
    assert!(series.flush(PATIENCE));
    let other = Connection::open(folder.path().join("series.db")).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(folder.path().join("series.db")).unwrap();
    let size = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xa5; usize::try_from(size).unwrap() - 32_768], 32_768).unwrap();
    // The next compaction reads what the cache has not.
    clock.store(2 * 86_400, Ordering::Relaxed);
    until("a new file", || {
        put(&series, ("http.new", "latency"), &[sample(172_000)]);
        let _ = series.flush(Duration::from_millis(200));
        folder.path().join("series.db.damaged").exists() && series.state() == State::Writing
    });
    assert!(series.flush(PATIENCE));
    assert_eq!(all(&series, A), samples);
    drop(series);
    let (series, _) = opened(folder.path());
    assert_eq!(all(&series, A), samples);
    assert_eq!(all(&series, ("http.new", "latency")), [sample(172_000)]);
}

#[test]
fn readers_see_every_sample_once_while_it_moves() {
    let folder = folder();
    let (series, clock) = opened(folder.path());
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < 5_000 {
                    let before = written.load(Ordering::Acquire);
                    let points = all(&series, A);
                    let strips = series.strips(&[A], at(300_000), 5).unwrap();
                    let counted: u64 = strips[0].iter().map(|day| day.count).sum();
                    assert!(points.len() as u64 >= before && counted >= before, "{counted} of {before}");
                    assert!(counted <= 5_000);
                    for (n, point) in points.iter().enumerate() {
                        assert_eq!(*point, sample(n as u64 * 60));
                    }
                    seen = points.len();
                }
            });
        }
        for n in 0..5_000 {
            series.put(A.0, A.1, sample(n * 60));
            if n % 50 == 49 {
                clock.store(n * 60, Ordering::Relaxed);
                assert!(series.flush(PATIENCE));
                written.store(n + 1, Ordering::Release);
            }
        }
    });
}

/// Gives the process to be killed its folder.
const FOLDER: &str = "MAINSTAY_SERIES_TO_FILL";

/// Not a test: what the killed process does. Two hours pass with each flush, so it compacts all the time.
#[test]
fn fills_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (series, clock) = opened(folder.as_ref());
    let mut n = all(&series, A).len() as u64;
    let mut out = std::io::stdout().lock();
    loop {
        for _ in 0..120 {
            for subject in ["http.a", "http.b", "http.c"] {
                series.put(subject, "latency", sample(n * 60));
            }
            n += 1;
        }
        clock.store(n * 60, Ordering::Relaxed);
        assert!(series.flush(PATIENCE));
        writeln!(out, "flushed {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn flushed_samples_survive_kill_9_and_count_once() {
    let folder = folder();
    let mut last = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["series::fills_until_it_is_killed", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let heard = |line: String| line.rsplit_once("flushed ").and_then(|(_, n)| n.parse().ok());
        // Which step of the next compaction it hits is left to the scheduler.
        let first = lines.by_ref().filter_map(heard).nth(round * 7 % 17);
        child.kill().unwrap();
        let flushed: usize = lines.filter_map(heard).last().or(first).unwrap();
        child.wait().unwrap();

        let (series, clock) = opened(folder.path());
        clock.store(flushed as u64 * 60, Ordering::Relaxed);
        for flushed_again in [false, true] {
            assert!(!flushed_again || series.flush(PATIENCE));
            let found = all(&series, A);
            assert!(found.len() >= flushed && flushed > last, "round {round}: {} of {flushed}", found.len());
            for (n, found) in found.iter().enumerate() {
                assert_eq!(*found, sample(n as u64 * 60));
            }
            let strips = series.strips(&[A], found[found.len() - 1].at, 400).unwrap();
            assert_eq!(strips[0].iter().map(|day| day.count).sum::<u64>(), found.len() as u64);
            last = flushed;
            if !flushed_again {
                last = 0;
            }
        }
    }
}
