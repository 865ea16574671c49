//! Telemetry of the edge: trace ids, request records, counters, traces.
//!
//! Each thread has a [`Recorder`]; [`Telemetry`] reads all of them, once a second for the roll-up and on demand. A
//! request takes the lock of its own thread's recorder twice; no other thread takes it except once a second, to swap
//! the counters.
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | W3C trace context: trace id, span id, the outgoing header |
//! | [`record`] | [`RequestRecord`]: the record of one request |
//! | [`limit`] | the limit that refused a request, of the edge or of a server |
//! | [`names`] | small numbers for services, pools and callers |
//! | [`access`] | access log: one line of JSON per request |
//! | [`otlp`] | export of spans to an OpenTelemetry collector |
//! | `recorder` | counters and records of one thread |
//! | `ring` | ring buffers of refused, failed and slow requests, and of a sample of the others |
//! | `counters`, `histogram`, `top_lists`, `distinct` | counters of one thread |
//! | `rollup` | counters of all threads: the roll-up per second |
//! | `metrics` | counters since the start as OpenMetrics text |
//! | `trace` | conversion of a record to [`types::trace`] |
//! | `text` | short texts of fixed size |

pub mod access;
mod counters;
mod distinct;
mod histogram;
pub mod id;
pub mod limit;
mod metrics;
pub mod names;
pub mod otlp;
pub mod record;
mod recorder;
mod ring;
mod rollup;
mod text;
mod top_lists;
mod trace;

pub use id::{Ids, SpanId, TraceId};
pub use limit::{By, Limit};
pub use names::{Caller, RouteKey};
pub use record::{CacheOutcome, Failure, Phase, RequestRecord};
pub use recorder::{OpenRecord, Recorder};
pub use types::trace::Verdict;

use access::Access;
use arc_swap::ArcSwapOption;
use id::SAMPLED_ONE_OF;
use jiff::{SignedDuration, Timestamp};
use names::Names;
use otlp::Spans;
use recorder::{FlaggedTraces, ThreadRecorder};
use ring::Kind;
use rollup::Totals;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use types::trace::{Hop, Trace};

/// Settings of the telemetry.
pub struct Settings {
    /// Threads that serve.
    pub threads: usize,
    /// The instant at which ticks count zero.
    pub zero: Instant,
    /// Room for records, for each thread. Taken only as it is needed.
    pub ring_bytes: usize,
    /// Destination of the access log; none when `None`. See [`Telemetry::set_access_log`].
    pub access: Option<Box<dyn Write + Send>>,
    /// The collector that gets spans, by the full URL of its OTLP/HTTP receiver; none when `None`. See
    /// [`Telemetry::set_otlp`].
    pub otlp: Option<String>,
}

impl Settings {
    /// The usual: 6 MiB of records a thread, no access lines, no spans.
    #[must_use]
    pub fn new(threads: usize, zero: Instant) -> Self {
        Self { threads, zero, ring_bytes: 6 << 20, access: None, otlp: None }
    }
}

/// Everything that the edge saw, over all threads.
#[derive(Debug)]
pub struct Telemetry {
    shared: Arc<Shared>,
    threads: Vec<Arc<ThreadRecorder>>,
    totals: Mutex<Totals>,
    exporter: Mutex<Option<otlp::Exporter>>,
}

/// State shared by all threads.
#[derive(Debug)]
struct Shared {
    names: Arc<Names>,
    flagged: FlaggedTraces,
    zero: Zero,
    /// Makes the sample unpredictable to clients that choose their own trace ids.
    salt: u64,
    access: ArcSwapOption<Access>,
    spans: ArcSwapOption<Spans>,
    access_lines: Arc<ExportCounts>,
    exported_spans: Arc<ExportCounts>,
}

/// The instant at which ticks count zero, on both clocks.
#[derive(Clone, Copy, Debug)]
struct Zero {
    instant: Instant,
    time: Timestamp,
}

impl Zero {
    fn tick(self) -> u64 {
        u64::try_from(self.instant.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The time of day of a tick.
    fn time(self, tick: u64) -> Timestamp {
        let after = i64::try_from(tick).map(SignedDuration::from_micros);
        after.ok().and_then(|after| self.time.checked_add(after).ok()).unwrap_or(self.time)
    }
}

/// Numbers of exported and of dropped records.
#[derive(Debug, Default)]
struct ExportCounts {
    sent: AtomicU64,
    dropped: AtomicU64,
    /// Dropped records that were already reported.
    owned: AtomicU64,
}

impl ExportCounts {
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn pass(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns how many were dropped since the last call.
    fn news(&self) -> u64 {
        let dropped = self.dropped();
        dropped.saturating_sub(self.owned.swap(dropped, Ordering::Relaxed))
    }

    fn lose(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

impl Shared {
    fn exported(&self) -> [(&'static str, &ExportCounts); 2] {
        [("access_lines", &self.access_lines), ("spans", &self.exported_spans)]
    }

    /// Returns the position of a record in the sample of its kind, equal for all hops of a trace; `None` where it
    /// is not sampled.
    fn lot(&self, kind: Kind, record: &RequestRecord) -> Option<u64> {
        let trace = record.ids.trace.0;
        // A trace with a failure is kept with the hops around it.
        if self.flagged.has(record.ids.trace) {
            return Some(0);
        }
        let folded = (trace >> 64) as u64 ^ trace as u64 ^ self.salt;
        let mixed = u128::from(folded).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let lot = (mixed >> 64) as u64;
        if kind != Kind::Ordinary {
            return Some(lot);
        }
        // The sampled flag is trusted for traces that begin here; the flag of a client is only its wish.
        if !record.ids.continued() || record.caller.is_some() {
            record.ids.sampled().then_some(lot)
        } else {
            (lot < u64::MAX / SAMPLED_ONE_OF).then(|| lot * SAMPLED_ONE_OF)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Telemetry {
    /// Begins to look.
    ///
    /// # Errors
    /// When the thread for the access log cannot be started.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let now = Timestamp::now();
        let after = SignedDuration::try_from(settings.zero.elapsed()).unwrap_or_default();
        let zero = Zero { instant: settings.zero, time: now.checked_sub(after).unwrap_or(now) };
        let shared = Arc::new(Shared {
            names: Arc::default(),
            flagged: FlaggedTraces::default(),
            zero,
            salt: fastrand::u64(..),
            access: ArcSwapOption::empty(),
            spans: ArcSwapOption::empty(),
            access_lines: Arc::default(),
            exported_spans: Arc::default(),
        });
        let recorder = |_| Arc::new(ThreadRecorder::new(Arc::clone(&shared), settings.ring_bytes));
        let telemetry = Self {
            threads: (0..settings.threads.max(1)).map(recorder).collect(),
            shared,
            totals: Mutex::default(),
            exporter: Mutex::default(),
        };
        telemetry.set_access_log(settings.access)?;
        telemetry.set_otlp(settings.otlp);
        Ok(telemetry)
    }

    /// Sets the destination of the access log. Lines queued for the writer before are still written.
    ///
    /// # Errors
    /// When its thread cannot be started; then nothing changes.
    pub fn set_access_log(&self, to: Option<Box<dyn Write + Send>>) -> std::io::Result<()> {
        let Shared { names, zero, access_lines, .. } = &*self.shared;
        let access =
            to.map(|to| Access::new(to, Arc::clone(names), *zero, Arc::clone(access_lines))).transpose()?;
        self.shared.access.store(access.map(Arc::new));
        Ok(())
    }

    /// Sets the collector of spans. Its exporter is to be taken from [`Telemetry::exporter`] and run; the one
    /// before ends by itself when it has sent its queue.
    pub fn set_otlp(&self, url: Option<String>) {
        let Shared { names, zero, exported_spans, .. } = &*self.shared;
        let (spans, exporter) =
            url.map(|url| otlp::queue(url, Arc::clone(names), *zero, Arc::clone(exported_spans))).unzip();
        self.shared.spans.store(spans.map(Arc::new));
        *lock(&self.exporter) = exporter;
    }

    /// Recorder of a thread, by its number from 0.
    #[must_use]
    pub fn recorder(&self, thread: usize) -> Recorder {
        Recorder::new(Arc::clone(&self.threads[thread % self.threads.len()]))
    }

    /// Takes the exporter of spans, to be run on any runtime. `None` where there is no collector, or it was taken.
    #[must_use]
    pub fn exporter(&self) -> Option<otlp::Exporter> {
        lock(&self.exporter).take()
    }

    /// Returns the trace with this id; `None` when no hop of it is stored (any more).
    #[must_use]
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        let hops = self.find(id);
        (!hops.is_empty())
            .then(|| Trace { id: id.to_string(), hops: hops.iter().map(|record| self.hop(record)).collect() })
    }

    /// The latest requests that were refused, failed or slow, newest first.
    #[must_use]
    pub fn recent(&self, most: usize) -> Vec<Trace> {
        let mut all: Vec<(u64, TraceId)> = Vec::new();
        for recorder in &self.threads {
            let state = recorder.open();
            for kind in [Kind::Caller, Kind::Failed, Kind::Slow, Kind::Refused] {
                all.extend(state.rings.latest(kind, most).map(|record| (record.began, record.ids.trace)));
            }
        }
        all.sort_unstable_by(|left, right| right.cmp(left));
        let mut listed = BTreeSet::new();
        all.retain(|(_, id)| listed.insert(*id));
        all.iter().take(most).filter_map(|(_, id)| self.trace(*id)).collect()
    }

    fn hop(&self, record: &RequestRecord) -> Hop {
        trace::hop(record, &self.shared.names, self.shared.zero)
    }

    /// Returns the stored hops of a trace, in the order in which they began.
    fn find(&self, id: TraceId) -> Vec<RequestRecord> {
        let mut hops = Vec::new();
        for recorder in &self.threads {
            recorder.open().rings.find(id, &mut hops, trace::HOPS_MAX);
        }
        hops.sort_by_key(|record| record.began);
        hops
    }
}

#[cfg(test)]
mod tests;
