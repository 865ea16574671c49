//! Stored samples of any numeric series, in a file of their own. Samples may be lost, events may not.
//!
//! A series is named by its subject (a probe, a resource) and its metric (`latency`, `replication_lag`). Its samples go
//! from memory and a log to chunks of two hours and to days, compressed, with roll-ups:
//!
//! ```text
//! put -> queue -> log + memory -> two-hour chunk -> day with roll-ups by the hour -> deleted
//!        2 s      2 h             to the day's end   retention of the caller
//! ```
//!
//! | module | has |
//! |---|---|
//! | `sample` | [`Sample`], and its 64 bits: 100 ms and nine significant bits |
//! | `columns` | samples of a chunk as compressed columns |
//! | `rollup` | summaries, and sketches for percentiles |
//! | `names` | the numbers of series |
//! | `queue`, `writer` | bounded queue, and the thread that empties it |
//! | `hot` | the newest samples in memory |
//! | `tables` | the tables of the file |
//! | `compaction` | the steps between them, a transaction each |
//! | `queries` | points, charts, strips |
//!
//! A thread of its own writes. When the disk stalls or is full, the oldest waiting samples are dropped and counted;
//! [`Series::put`] never waits for the disk. `docs/decisions/stored-samples.md` has the reasons and figures.

mod columns;
mod compaction;
mod hot;
mod names;
mod queries;
mod queue;
mod rollup;
mod sample;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use names::SERIES_MAX;
pub use queue::{Dropped, State};
pub use sample::{Sample, TICK_MS};

use hot::Hot;
use names::Registry;
use queries::Snapshot;
use queue::Queue;
use rusqlite::{Connection, ErrorCode};
use sample::{DAY, Entry, tick, tick_from, time};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use types::Time;
use types::series::{Bucket, StripDay};
use writer::Writer;

/// Most points of one read; the newest are returned. Ninety days at half a minute fit.
pub const MAX_POINTS: usize = 300_000;

/// Most buckets of a chart.
pub const MAX_BUCKETS: usize = 2_000;

/// Most series in one chart.
pub const MAX_TOGETHER: usize = 16;

/// Most series in one call for strips.
pub const MAX_STRIPS: usize = 1_000;

/// Most days of a strip.
pub const MAX_STRIP_DAYS: u16 = 400;

/// Retention where nothing else is configured; the caller passes it to [`Series::forget`].
pub const RETENTION: Duration = Duration::from_secs(90 * 86_400);

/// Dropping the series waits at most this long for queued samples.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why samples cannot be stored or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the samples in {} cannot be used: {why}", path.display())]
pub struct SeriesError {
    /// The file.
    pub path: PathBuf,
    /// The message of SQLite.
    pub why: String,
}

/// The clock of the caller.
#[derive(Clone)]
struct Clock(Arc<dyn Fn() -> Time + Send + Sync>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// All stored series. Shared freely between threads.
#[derive(Debug)]
pub struct Series {
    path: PathBuf,
    queue: Arc<Queue>,
    registry: Arc<Registry>,
    hot: Arc<Hot>,
    reader: Arc<Mutex<Connection>>,
}

impl Series {
    /// Opens the samples at `path`; makes the file where there is none. A file that is damaged is renamed to `.damaged`,
    /// one of another format to `.other-format`, and a new one is begun: old samples are less important than monitoring.
    ///
    /// `clock` decides when samples are compacted. It may step: what was compacted too early is merged later.
    ///
    /// # Errors
    /// When the file can neither be used nor replaced: a matter of the folder or its disk.
    pub fn open(
        path: impl AsRef<Path>,
        clock: impl Fn() -> Time + Send + Sync + 'static,
    ) -> Result<Self, SeriesError> {
        let path = path.as_ref().to_owned();
        let clock = Clock(Arc::new(clock));
        let failed = |error: OpenError| SeriesError { path: path.clone(), why: error.to_string() };
        let writer = match Writer::open(&path, clock.clone()) {
            Err(OpenError::Sqlite(error)) if is_damage(&error) => {
                tracing::warn!(path = %path.display(), %error, "the samples are damaged; a new file is begun");
                tables::set_aside(&path, ".damaged").map_err(|e| failed(e.into()))?;
                Writer::open(&path, clock)
            }
            other => other,
        }
        .map_err(failed)?;
        let (queue, registry) = (Arc::clone(&writer.queue), Arc::clone(&writer.registry));
        let (hot, reader) = (Arc::clone(&writer.hot), Arc::clone(&writer.reader));
        std::thread::Builder::new()
            .name("series".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| failed(e.into()))?;
        Ok(Self { path, queue, registry, hot, reader })
    }

    /// Queues a sample of a series, which is new if need be. Never waits for the disk. What cannot be stored is counted in
    /// [`Series::dropped`]. Samples may come in any order; of two in the same 100 ms the later one counts.
    pub fn put(&self, subject: &str, metric: &str, sample: Sample) {
        let Some(entry) = Entry::new(&sample) else {
            self.queue.count_dropped(|dropped| dropped.invalid += 1);
            return;
        };
        if self.registry.with_id(subject, metric, |id| self.queue.push(id, entry)).is_none() {
            self.queue.count_dropped(|dropped| dropped.too_many_series += 1);
        }
    }

    /// Samples that were not stored since the start, by reason.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.queue.dropped()
    }

    /// Whether samples are being stored.
    #[must_use]
    pub fn state(&self) -> State {
        self.queue.state()
    }

    /// Waits until all queued samples are written and due maintenance is done, at most `patience`. Returns whether they
    /// are. For tests and the end of a process.
    #[must_use]
    pub fn flush(&self, patience: Duration) -> bool {
        self.queue.flush(patience)
    }

    /// The samples of a series from `from` until before `to`, oldest first; at most `limit` and [`MAX_POINTS`], the
    /// newest. Those of the last two seconds may still be queued.
    ///
    /// # Errors
    /// See [`SeriesError`].
    pub fn points(
        &self,
        (subject, metric): (&str, &str),
        range: Range<Time>,
        limit: usize,
    ) -> Result<Vec<Sample>, SeriesError> {
        self.query((subject, metric), range, |snapshot, id, ticks| {
            snapshot.points(id, ticks, limit.min(MAX_POINTS))
        })
    }

    /// A range of a series in `buckets` of equal length, at most [`MAX_BUCKETS`]; one without samples is there with count
    /// 0. Buckets of less than six hours are exact. Longer ones are made of the roll-ups of hours: they have whole hours,
    /// so there may be fewer and the range grows to whole hours; their percentiles are within 3.2 %, the rest is exact.
    ///
    /// Empty for an unknown series or an empty range.
    ///
    /// # Errors
    /// See [`SeriesError`].
    pub fn chart(
        &self,
        series: (&str, &str),
        range: Range<Time>,
        buckets: usize,
    ) -> Result<Vec<Bucket>, SeriesError> {
        self.chart_of_all(&[series], range, buckets)
    }

    /// The same of several series together, as if they were one: at most [`MAX_TOGETHER`], the first ones.
    ///
    /// # Errors
    /// See [`SeriesError`].
    pub fn chart_of_all(
        &self,
        series: &[(&str, &str)],
        range: Range<Time>,
        buckets: usize,
    ) -> Result<Vec<Bucket>, SeriesError> {
        let ticks = tick_from(range.start)..tick_from(range.end);
        let known = series.iter().filter_map(|(subject, metric)| self.registry.get(subject, metric));
        let ids: Vec<u32> = known.take(MAX_TOGETHER).collect();
        if ids.is_empty() || ticks.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader();
        Snapshot::new(&mut reader, &self.hot, &ids)
            .and_then(|snapshot| snapshot.chart(&ids, &ticks, buckets.min(MAX_BUCKETS)))
            .map_err(|e| self.failed(&e))
    }

    /// Count, good ones, minimum, mean, maximum and percentiles over a range: a chart of one bucket, with its precision.
    /// `None` for an unknown series or an empty range.
    ///
    /// # Errors
    /// See [`SeriesError`].
    pub fn percentiles(
        &self,
        series: (&str, &str),
        range: Range<Time>,
    ) -> Result<Option<Bucket>, SeriesError> {
        Ok(self.chart(series, range, 1)?.pop())
    }

    /// For each of the series the last `days` days of UTC, the last of which contains `until`: samples and good samples.
    /// A day or a series without samples has count 0. At most [`MAX_STRIPS`] series and [`MAX_STRIP_DAYS`] days; what is
    /// beyond is cut off.
    ///
    /// # Errors
    /// See [`SeriesError`].
    pub fn strips(
        &self,
        series: &[(&str, &str)],
        until: Time,
        days: u16,
    ) -> Result<Vec<Vec<StripDay>>, SeriesError> {
        let ids: Vec<Option<u32>> = series
            .iter()
            .take(MAX_STRIPS)
            .map(|(subject, metric)| self.registry.get(subject, metric))
            .collect();
        let end = tick(until) / DAY + 1;
        let days = end - i64::from(days.min(MAX_STRIP_DAYS))..end;
        let known: Vec<u32> = ids.iter().flatten().copied().collect();
        let mut reader = self.reader();
        let snapshot = Snapshot::new(&mut reader, &self.hot, &known).map_err(|e| self.failed(&e))?;
        let strips = ids.into_iter().map(|id| snapshot.strip(id, &days));
        strips.collect::<rusqlite::Result<_>>().map_err(|e| self.failed(&e))
    }

    /// The newest time of a sample of any series before `before`: the process that wrote it was running then. `None`
    /// without one, or without one that can be read.
    #[must_use]
    pub fn last_before(&self, before: Time) -> Option<Time> {
        let before = tick_from(before);
        let (_, newest) = self.hot.ends(before);
        let stored =
            if newest.is_some() { Ok(newest) } else { queries::last_before(&mut self.reader(), before) };
        self.readable(stored).map(time)
    }

    /// A time before which there are no samples: the beginning of the oldest day, window of two hours or sample.
    #[must_use]
    pub fn first_at(&self) -> Option<Time> {
        let (oldest, _) = self.hot.ends(0);
        let stored = queries::first(&self.reader());
        self.readable(stored).into_iter().chain(oldest).min().map(time)
    }

    /// Deletes the samples of days of UTC that end before `before` or with it, in small steps between writes, and series
    /// without samples. Older samples are not accepted any more. [`RETENTION`] before now is the usual argument, and an
    /// hour the usual interval; a caller with a doubtful clock waits.
    pub fn forget(&self, before: Time) {
        self.queue.forget(before);
    }

    /// Runs a query on a known series and a range that is not empty.
    fn query<T>(
        &self,
        (subject, metric): (&str, &str),
        range: Range<Time>,
        query: impl FnOnce(&Snapshot<'_>, u32, &Range<i64>) -> rusqlite::Result<Vec<T>>,
    ) -> Result<Vec<T>, SeriesError> {
        let ticks = tick_from(range.start)..tick_from(range.end);
        let Some(id) = self.registry.get(subject, metric).filter(|_| !ticks.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut reader = self.reader();
        Snapshot::new(&mut reader, &self.hot, &[id])
            .and_then(|snapshot| query(&snapshot, id, &ticks))
            .map_err(|e| self.failed(&e))
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &rusqlite::Error) -> SeriesError {
        SeriesError { path: self.path.clone(), why: error.to_string() }
    }

    fn readable(&self, found: rusqlite::Result<Option<i64>>) -> Option<i64> {
        found.unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "times of stored samples cannot be read");
            None
        })
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.queue.close(CLOSE_TIMEOUT);
    }
}

/// Why the file cannot be opened.
#[derive(Debug, Error)]
enum OpenError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
