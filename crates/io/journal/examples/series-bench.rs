//! Bench of the stored samples: `series-bench FOLDER SERIES DAYS JITTER_MS|edge`. Called by `bench/series.sh`.
//!
//! Writes generated latencies at 30 s through the public interface with a clock that runs as fast as the disk, then
//! measures queries. Prints one row of the table of `bench/results/series.md` for writing, and one for each query.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench fails aloud")]

use fastrand::Rng;
use journal::series::{Sample, Series};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use types::Time;

const BEGIN_MS: i64 = 1_795_305_600_000;
const PERIOD_MS: i64 = 30_000;
/// Interval of the samples of services at the edge.
const EDGE_PERIOD_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const PATIENCE: Duration = Duration::from_secs(600);

/// A probe: a median of 5 to 300 ms that wanders by 15 % within an hour and by 10 % over the day, 8 % noise, 1 % spikes of
/// two to ten times, and failures in bursts. Samples come with the answer, some ms late, 0.5 % up to 2 s late.
struct Probe {
    name: String,
    rng: Rng,
    median: f64,
    phase_ms: i64,
    level: f64,
    failing: bool,
}

impl Probe {
    fn new(n: u64) -> Self {
        let mut rng = Rng::with_seed(n);
        let median = 0.005 * 60_f64.powf(rng.f64());
        let phase_ms = rng.i64(0..PERIOD_MS);
        Self { name: format!("http.service-{n}"), rng, median, phase_ms, level: 0.0, failing: false }
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0
    }

    fn sample(&mut self, scheduled_ms: i64, jitter_ms: i64) -> Sample {
        let keep: f64 = 0.99;
        self.level = keep * self.level + (1.0 - keep * keep).sqrt() * 0.15 * self.normal();
        let of_day = (scheduled_ms % DAY_MS) as f64 / DAY_MS as f64;
        let daily = 0.1 * (of_day * std::f64::consts::TAU).sin();
        let mut value = self.median * (self.level + daily + 0.08 * self.normal()).exp();
        if self.rng.f64() < 0.01 {
            value *= 2.0 + 8.0 * self.rng.f64();
        }
        self.failing = self.rng.f64() < if self.failing { 0.9 } else { 0.0002 };
        if self.failing {
            value = if self.rng.bool() { 10.0 } else { 0.001 };
        }
        let lag_ms = -8.0 * (1.0 - self.rng.f64()).ln()
            + if self.rng.f64() < 0.005 { 2_000.0 * self.rng.f64() } else { 0.0 };
        let jitter_ms = if jitter_ms > 0 { self.rng.i64(-jitter_ms..=jitter_ms) } else { 0 };
        let at_ms = scheduled_ms + self.phase_ms + jitter_ms + (value * 1e3 + lag_ms) as i64;
        Sample { at: Time::from_millisecond(at_ms).unwrap(), value, ok: !self.failing }
    }
}

/// What a run stores.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Probes every half a minute.
    Probes { jitter_ms: i64 },
    /// Services at the edge: of two series of each, one is a median latency, the other a share of failed requests, which is
    /// zero in 97 of 100 samples. Their times are whole seconds.
    Edge,
}

impl Kind {
    fn period_ms(self) -> i64 {
        match self {
            Self::Probes { .. } => PERIOD_MS,
            Self::Edge => EDGE_PERIOD_MS,
        }
    }

    fn sample(self, number: usize, probe: &mut Probe, scheduled_ms: i64) -> Sample {
        let jitter_ms = match self {
            Self::Probes { jitter_ms } => jitter_ms,
            Self::Edge => 0,
        };
        let sample = probe.sample(scheduled_ms, jitter_ms);
        match self {
            Self::Probes { .. } => sample,
            Self::Edge => {
                let value = match number % 2 {
                    // The edge counts latencies in buckets, sixteen for each doubling.
                    0 => ((sample.value.log2() * 16.0).floor() / 16.0).exp2(),
                    _ if probe.rng.f64() < 0.97 => 0.0,
                    _ => f64::from(probe.rng.u32(1..10)) / f64::from(probe.rng.u32(20..200)),
                };
                Sample { at: Time::from_millisecond(scheduled_ms).unwrap(), value, ok: true }
            }
        }
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().expect("FOLDER SERIES DAYS JITTER_MS|edge");
    let folder = next();
    let (series, days): (u64, i64) = (next().parse().unwrap(), next().parse().unwrap());
    let kind = match next().as_str() {
        "edge" => Kind::Edge,
        jitter => Kind::Probes { jitter_ms: jitter.parse().unwrap() },
    };
    let path = Path::new(&folder).join("series.db");
    let now = Arc::new(AtomicI64::new(BEGIN_MS));
    let theirs = Arc::clone(&now);
    let clock = move || Time::from_millisecond(theirs.load(Ordering::Relaxed)).unwrap();
    let store = Series::open(&path, clock).unwrap();
    let mut probes: Vec<Probe> = (0..series).map(Probe::new).collect();
    // Ends in the afternoon: today's chunks are open, half an hour is in memory.
    let end_ms = BEGIN_MS + days * DAY_MS + 16 * HOUR_MS + HOUR_MS / 2;
    let (samples, putting, cpu) = write(&store, &mut probes, &now, end_ms, kind);
    let written = size(&path);
    drop(store);
    let cost = days_cost(&path);
    println!(
        "| {series} | {days} | {} | {samples} | {:.2} | {:.2} | {:.0} | {:.0} | {:.2} | {:.0} |",
        match kind {
            Kind::Probes { jitter_ms: 0 } => "none".to_owned(),
            Kind::Probes { jitter_ms } => format!("±{jitter_ms} ms"),
            Kind::Edge => "services at the edge, every second".to_owned(),
        },
        cost.0,
        cost.1,
        putting.as_nanos() as f64 / samples as f64,
        cpu.as_nanos() as f64 / samples as f64,
        written as f64 / 1e9,
        peak_memory_mb(),
    );
    if days >= 90 {
        queries(&path, &now, &probes);
    }
}

/// Samples, time within `put`, and CPU time of the rest of the process except the generator.
fn write(
    store: &Series,
    probes: &mut [Probe],
    now: &AtomicI64,
    end_ms: i64,
    kind: Kind,
) -> (u64, Duration, Duration) {
    let (mut samples, mut putting, mut generating) = (0, Duration::ZERO, Duration::ZERO);
    let before = cpu_time();
    let mut batch = Vec::new();
    for scheduled_ms in (BEGIN_MS..end_ms).step_by(usize::try_from(kind.period_ms()).unwrap()) {
        let begun = Instant::now();
        batch.clear();
        batch.extend(probes.iter_mut().enumerate().map(|(n, probe)| kind.sample(n, probe, scheduled_ms)));
        generating += begun.elapsed();
        let begun = Instant::now();
        for (probe, sample) in probes.iter().zip(&batch) {
            store.put(&probe.name, "latency", *sample);
        }
        putting += begun.elapsed();
        samples += batch.len() as u64;
        now.store(scheduled_ms + kind.period_ms(), Ordering::Relaxed);
        // As often as real time would: a batch of thirty seconds of ten thousand series, or ten minutes of few.
        if samples % 10_000 < batch.len() as u64 {
            assert!(store.flush(PATIENCE));
        }
    }
    assert!(store.flush(PATIENCE));
    assert_eq!(store.dropped().total(), 0);
    (samples, putting, cpu_time().saturating_sub(before).saturating_sub(generating))
}

/// Bytes of a sample in closed days: with everything (pages, keys, roll-ups), and of the compressed columns alone.
fn days_cost(path: &Path) -> (f64, f64) {
    let db = rusqlite::Connection::open(path).unwrap();
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as f64;
    let samples = one("SELECT sum(count) FROM day");
    let columns = one("SELECT sum(length(ticks) + length(codes) + length(runs)) FROM day");
    let hours = one("SELECT sum(length(hours)) FROM day");
    let (ticks, codes) =
        (one("SELECT sum(length(ticks)) FROM day"), one("SELECT sum(length(codes)) FROM day"));
    eprintln_line(&format!(
        "ticks {:.3} codes {:.3} hours {:.3}",
        ticks / samples,
        codes / samples,
        hours / samples
    ));
    let open =
        one("SELECT count(*) FROM chunk") * 400.0 + one("SELECT coalesce(sum(length(samples)), 0) FROM hot");
    let free = one("PRAGMA freelist_count") * one("PRAGMA page_size");
    let pages = one("PRAGMA page_count") * one("PRAGMA page_size");
    ((pages - free - open) / samples, columns / samples)
}

fn eprintln_line(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn queries(path: &Path, now: &Arc<AtomicI64>, probes: &[Probe]) {
    let theirs = Arc::clone(now);
    let begun = Instant::now();
    let store =
        Series::open(path, move || Time::from_millisecond(theirs.load(Ordering::Relaxed)).unwrap()).unwrap();
    println!("\nopening: {:.1} ms\n", begun.elapsed().as_secs_f64() * 1e3);
    println!("| query | median ms | slowest ms of 50 |\n|---|---|---|");
    let end_ms = now.load(Ordering::Relaxed);
    let end = Time::from_millisecond(end_ms).unwrap();
    let ago = |days: i64| Time::from_millisecond(end_ms - days * DAY_MS).unwrap()..end;
    let name = |n: usize| (probes[n * 7 % probes.len()].name.as_str(), "latency");
    measure("chart of 90 days, 300 buckets, of roll-ups", |n| {
        store.chart(name(n), ago(90), 300).unwrap().len()
    });
    measure("chart of 90 days, 2000 buckets, of samples", |n| {
        store.chart(name(n), ago(90), 2_000).unwrap().len()
    });
    measure("chart of 24 h, 288 buckets", |n| store.chart(name(n), ago(1), 288).unwrap().len());
    measure("strips of 90 days of 50 series", |n| {
        let names: Vec<_> = (n..n + 50).map(name).collect();
        store.strips(&names, end, 90).unwrap().len()
    });
    measure("percentiles of 90 days", |n| {
        usize::from(store.percentiles(name(n), ago(90)).unwrap().is_some())
    });
    measure("all points of 90 days", |n| store.points(name(n), ago(90), 300_000).unwrap().len());
}

fn measure(what: &str, query: impl Fn(usize) -> usize) {
    let mut times: Vec<f64> = (0..50)
        .map(|n| {
            let begun = Instant::now();
            assert!(query(n) > 0);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("| {what} | {:.1} | {:.1} |", times[25], times[49]);
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// CPU time of the process so far.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn peak_memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1e3
}
