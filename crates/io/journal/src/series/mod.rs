//! Stored samples, in a file of their own. Samples may be lost, events may not.
//!
//! The simplest form that a later one of compressed chunks can replace: a row for each sample, ordered by series and
//! time. A thread of its own writes them in batches. When the disk stalls, the oldest waiting samples are dropped and
//! counted; nobody ever waits.

mod tables;
mod writer;

use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tables::Sample;
use thiserror::Error;
use types::probe_result::Phases;
use types::{Answer, ProbeId, ProbeResult, Time};
use writer::Queue;

/// Most points of one read; the newest are returned. Ninety days at half a minute fit.
pub const MAX_POINTS: usize = 300_000;

/// Dropping the series waits at most this long for queued samples.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The part of a probe result that a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Time of the result, to the millisecond.
    pub at: Time,
    /// Whether it was good, as judged by the caller.
    pub ok: bool,
    /// Durations of its phases, to the microsecond.
    pub phases: Phases,
}

/// Why samples cannot be stored or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the samples in {} cannot be used: {why}", path.display())]
pub struct SeriesError {
    /// The file.
    pub path: PathBuf,
    /// The message of SQLite.
    pub why: String,
}

/// The samples of all probes. Shared freely between threads.
#[derive(Debug)]
pub struct Series {
    path: PathBuf,
    queue: Arc<Queue>,
    reader: Mutex<Connection>,
}

impl Series {
    /// Opens the samples at `path`, usually `series.db`; makes the file where there is none. A file that is damaged is
    /// renamed to `.damaged` and a new one begun: old samples are less important than monitoring.
    ///
    /// # Errors
    /// When the file can neither be used nor replaced.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SeriesError> {
        let path = path.as_ref().to_owned();
        let failed = |why: String| SeriesError { path: path.clone(), why };
        let db = match tables::open(&path) {
            Err(e) if is_damage(&e) => {
                tracing::warn!(path = %path.display(), error = %e, "the samples are damaged; a new file is begun");
                tables::set_aside(&path).map_err(|e| failed(e.to_string()))?;
                tables::open(&path)
            }
            other => other,
        }
        .map_err(|e| failed(e.to_string()))?;
        let reader = tables::open_to_read(&path).map_err(|e| failed(e.to_string()))?;
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("series".to_owned())
            .spawn(move || writer::run(db, &theirs))
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self { path, queue, reader: Mutex::new(reader) })
    }

    /// Queues a probe result. It counts as good unless the probe failed: faults in the answer itself are
    /// judged elsewhere. Never waits. Of two results of a probe in the same millisecond the later one is stored.
    pub fn record(&self, sample: &ProbeResult, at: Time) {
        let ok = !matches!(sample.answer, Answer::Failed(_));
        self.record_point(&sample.probe, Point { at, ok, phases: sample.phases });
    }

    /// Queues a sample that was judged by the caller.
    pub fn record_point(&self, probe: &ProbeId, point: Point) {
        self.queue.push(Sample { probe: probe.clone(), point });
    }

    /// Samples dropped since the start because they could not be written.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// Waits until all queued samples are written, at most `patience`. Returns whether they are.
    #[must_use]
    pub fn flush(&self, patience: Duration) -> bool {
        self.queue.flush(patience)
    }

    /// The samples of a probe from `from` until before `to`, oldest first; at most [`MAX_POINTS`], the newest.
    ///
    /// # Errors
    /// See [`SeriesError`].
    pub fn read(&self, probe: &ProbeId, from: Time, to: Time) -> Result<Vec<Point>, SeriesError> {
        tables::read(&self.reader(), probe, from, to, MAX_POINTS).map_err(|e| self.failed(&e))
    }

    /// Time of the newest sample of all: the process that wrote it was running then. `None` when there is
    /// none, or none that can be read.
    #[must_use]
    pub fn last_at(&self) -> Option<Time> {
        self.last_before(Time::MAX)
    }

    /// Time of the newest sample before `before`: a clock that was ahead leaves later ones.
    #[must_use]
    pub fn last_before(&self, before: Time) -> Option<Time> {
        tables::last_before(&self.reader(), before).unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "the newest sample cannot be read");
            None
        })
    }

    /// Time of the oldest sample of all. `None` when there is none, or none that can be read.
    #[must_use]
    pub fn first_at(&self) -> Option<Time> {
        tables::first_at(&self.reader()).unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "the oldest sample cannot be read");
            None
        })
    }

    /// Deletes samples before `before`, in small steps between writes of new ones.
    pub fn forget(&self, before: Time) {
        self.queue.forget(before);
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &rusqlite::Error) -> SeriesError {
        SeriesError { path: self.path.clone(), why: error.to_string() }
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.queue.close(CLOSE_TIMEOUT);
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
