//! Raw samples: written in batches, read in order, forgotten in steps, never in anybody's way.

use journal::series::{Point, Series};
use rusqlite::{Connection, TransactionBehavior};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use types::probe_result::Phases;
use types::time::later;
use types::{Answer, Fault, ProbeId, ProbeResult, Time};

const PATIENCE: Duration = Duration::from_secs(60);

fn at(ms: u64) -> Time {
    later("2026-11-22T12:00:00Z".parse().unwrap(), Duration::from_millis(ms))
}

fn point(ms: u64) -> Point {
    let span = |us: u64| Some(Duration::from_micros(us + ms));
    let phases = Phases {
        dns: span(1),
        connect: span(2),
        tls: if ms.is_multiple_of(2) { None } else { span(3) },
        first_byte: span(4),
        total: Duration::from_micros(10_000 + ms),
    };
    Point { at: at(ms), ok: !ms.is_multiple_of(5), phases }
}

fn record(series: &Series, probe: &str, points: &[Point]) {
    for point in points {
        series.record_point(&ProbeId::from(probe), *point);
    }
}

fn opened() -> (TempDir, Series) {
    let folder = tempfile::tempdir().unwrap();
    let series = Series::open(folder.path().join("series.db")).unwrap();
    (folder, series)
}

#[test]
fn what_was_recorded_is_read_in_order_and_survives_a_restart() {
    let (folder, series) = opened();
    assert_eq!(series.last_at(), None);
    let points: Vec<Point> = (0..1_000).map(|n| point(n * 10)).collect();
    let mut shuffled = points.clone();
    shuffled.reverse();
    record(&series, "http.a", &shuffled);
    record(&series, "http.b", &points[..10]);
    assert!(series.flush(PATIENCE));
    for _ in 0..2 {
        let series = Series::open(folder.path().join("series.db")).unwrap();
        let read = |probe: &str, from, to| series.read(&ProbeId::from(probe), at(from), at(to)).unwrap();
        assert_eq!(read("http.a", 0, 1_000_000), points);
        assert_eq!(read("http.a", 100, 200), points[10..20]);
        assert_eq!(read("http.b", 0, 1_000_000), points[..10]);
        assert_eq!(read("http.c", 0, 1_000_000), []);
        assert_eq!(series.last_at(), Some(at(9_990)));
        assert_eq!(series.dropped(), 0);
    }
}

#[test]
fn an_answer_of_its_kind_counts_as_good() {
    let (_folder, series) = opened();
    let sample = |answer| ProbeResult::new(ProbeId::from("http.a"), point(1).phases, answer);
    series.record(&sample(Answer::Tcp { address: "127.0.0.1:80".parse().unwrap() }), at(1));
    series.record(&sample(Answer::Failed(Fault::Refused)), at(2));
    assert!(series.flush(PATIENCE));
    let read = series.read(&ProbeId::from("http.a"), at(0), at(9)).unwrap();
    assert_eq!(read.iter().map(|point| point.ok).collect::<Vec<_>>(), [true, false]);
    assert_eq!(read[0], Point { ok: true, ..point(1) });
}

#[test]
fn what_is_still_waiting_is_written_at_the_end() {
    let (folder, series) = opened();
    record(&series, "http.a", &[point(1), point(2)]);
    drop(series);
    let series = Series::open(folder.path().join("series.db")).unwrap();
    assert_eq!(series.last_at(), Some(at(2)));
}

#[test]
fn instants_out_of_range_and_twins_are_harmless() {
    let (_folder, series) = opened();
    let twin = Point { ok: !point(7).ok, ..point(7) };
    let first = Point { at: Time::MIN, ..point(0) };
    let last = Point { at: Time::MAX, ..point(0) };
    record(&series, "http.a", &[point(7), twin, first, last]);
    record(&series, "http.b", &[point(1)]);
    assert!(series.flush(PATIENCE));
    assert_eq!(series.read(&ProbeId::from("http.a"), at(0), at(100)).unwrap(), [twin]);
    assert_eq!(series.read(&ProbeId::from("http.b"), Time::MIN, Time::MAX).unwrap(), [point(1)]);
}

#[test]
fn old_samples_are_forgotten_in_steps() {
    let (_folder, series) = opened();
    let points: Vec<Point> = (0..7_000).map(point).collect();
    record(&series, "http.a", &points);
    record(&series, "http.b", &points[..10]);
    assert!(series.flush(PATIENCE));
    series.forget(at(6_500));
    let deadline = Instant::now() + PATIENCE;
    let left = |probe: &str| series.read(&ProbeId::from(probe), at(0), at(10_000)).unwrap();
    while left("http.a").len() > 500 || !left("http.b").is_empty() {
        assert!(Instant::now() < deadline, "{} left", left("http.a").len());
        std::thread::yield_now();
    }
    assert_eq!(left("http.a"), points[6_500..]);
}

#[test]
fn a_stalled_disk_drops_the_oldest_and_counts_them() {
    let (folder, series) = opened();
    let mut other = Connection::open(folder.path().join("series.db")).unwrap();
    let stall = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let points: Vec<Point> = (0..80_000).map(point).collect();
    record(&series, "http.a", &points);
    assert!(!series.flush(Duration::from_millis(1)));
    let dropped = series.dropped();
    assert!((1..80_000).contains(&dropped), "{dropped}");
    drop(stall);
    assert!(series.flush(PATIENCE));
    let kept = series.read(&ProbeId::from("http.a"), at(0), at(80_000)).unwrap();
    assert_eq!(kept.len() as u64 + series.dropped(), 80_000);
    assert_eq!(kept.last(), points.last());
}

#[test]
fn a_damaged_file_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series.db");
    std::fs::write(&path, vec![42; 20_000]).unwrap();
    let series = Series::open(&path).unwrap();
    record(&series, "http.a", &[point(1)]);
    assert!(series.flush(PATIENCE));
    assert_eq!(std::fs::read(folder.path().join("series.db.damaged")).unwrap().len(), 20_000);
}
