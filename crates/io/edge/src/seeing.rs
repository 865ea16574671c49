//! What the edge sees of its requests: ids, records, counts, traces.
//!
//! Each thread has an [`Eye`]; [`Seeing`] looks through all of them, once a second for the roll-up and when somebody asks.
//! A request takes the lock of its own thread's book twice; nobody else wants it but once a second, to swap the counts out.
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | the W3C trace context: the request's id, our span, the header outward |
//! | [`record`] | [`Seen`]: what one request leaves behind |
//! | [`limit`] | the limit that refused it, also as servers tell of theirs |
//! | [`names`] | small numbers for services, pools and callers |
//! | [`place`] | the network of an address |
//! | [`access`] | a line of JSON for each request |
//! | [`otlp`] | spans for a collector |
//! | `book` | what one thread writes down |
//! | `ring` | the last refused, failed and slow requests, and a sample of the rest |
//! | `tally`, `histogram`, `top` | counts of one thread |
//! | `roll` | counts of all threads: the roll-up for the mind, the text of /metrics |
//! | `trace` | a record in the words of [`types::trace`] |
//! | `text` | short texts that are copied |

pub mod access;
mod book;
mod histogram;
pub mod id;
pub mod limit;
pub mod names;
pub mod otlp;
pub mod place;
pub mod record;
mod ring;
mod roll;
mod tally;
mod text;
mod top;
mod trace;

pub use book::{Eye, Open};
pub use id::{Ids, SpanId, TraceId};
pub use limit::{By, Limit};
pub use names::{Caller, Lane};
pub use record::{Failure, Phase, Seen};
pub use types::trace::Verdict;

use access::Access;
use arc_swap::ArcSwapOption;
use book::{Book, Marks};
use id::SAMPLED_ONE_OF;
use jiff::{SignedDuration, Timestamp};
use names::Names;
use otlp::Spans;
use ring::Kind;
use roll::Totals;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use types::trace::{Hop, Trace};

/// How the edge looks.
pub struct Settings {
    /// Threads that serve.
    pub threads: usize,
    /// The instant at which ticks count zero.
    pub zero: Instant,
    /// Room for records, for each thread. Taken only as it is needed.
    pub ring_bytes: usize,
    /// Where a line for each request goes; nowhere when `None`. See [`Seeing::tell_lines`].
    pub access: Option<Box<dyn Write + Send>>,
    /// The collector that gets spans, by the full URL of its OTLP/HTTP receiver; none when `None`. See
    /// [`Seeing::tell_spans`].
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
pub struct Seeing {
    shared: Arc<Shared>,
    books: Vec<Arc<Book>>,
    totals: Mutex<Totals>,
    exporter: Mutex<Option<otlp::Exporter>>,
}

/// What all threads share.
#[derive(Debug)]
struct Shared {
    names: Arc<Names>,
    marks: Marks,
    zero: Zero,
    /// Makes the sample unpredictable to those who choose their own trace ids.
    salt: u64,
    access: ArcSwapOption<Access>,
    spans: ArcSwapOption<Spans>,
    lines_told: Arc<Told>,
    spans_told: Arc<Told>,
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

/// How many records were handed on and how many were dropped.
#[derive(Debug, Default)]
struct Told {
    sent: AtomicU64,
    dropped: AtomicU64,
    /// Those of the dropped that somebody was told of.
    owned: AtomicU64,
}

impl Told {
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn pass(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// How many were dropped since this was last asked.
    fn news(&self) -> u64 {
        let dropped = self.dropped();
        dropped.saturating_sub(self.owned.swap(dropped, Ordering::Relaxed))
    }

    fn lose(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

impl Shared {
    fn told(&self) -> [(&'static str, &Told); 2] {
        [("access_lines", &self.lines_told), ("spans", &self.spans_told)]
    }

    /// Where a record lies in the sample of its kind, equal for all hops of a trace; `None` where it is not in it.
    fn lot(&self, kind: Kind, seen: &Seen) -> Option<u64> {
        let trace = seen.ids.trace.0;
        // A trace in which something went wrong is kept with the hops around it.
        if self.marks.has(seen.ids.trace) {
            return Some(0);
        }
        let folded = (trace >> 64) as u64 ^ trace as u64 ^ self.salt;
        let mixed = u128::from(folded).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let lot = (mixed >> 64) as u64;
        if kind != Kind::Ordinary {
            return Some(lot);
        }
        // The mark of our own traces is ours; that of others says only what they wish.
        if !seen.ids.continued() || seen.caller.is_some() {
            seen.ids.sampled().then_some(lot)
        } else {
            (lot < u64::MAX / SAMPLED_ONE_OF).then(|| lot * SAMPLED_ONE_OF)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seeing {
    /// Begins to look.
    ///
    /// # Errors
    /// When there is no thread to be had for access lines.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        let now = Timestamp::now();
        let after = SignedDuration::try_from(settings.zero.elapsed()).unwrap_or_default();
        let zero = Zero { instant: settings.zero, time: now.checked_sub(after).unwrap_or(now) };
        let shared = Arc::new(Shared {
            names: Arc::default(),
            marks: Marks::default(),
            zero,
            salt: fastrand::u64(..),
            access: ArcSwapOption::empty(),
            spans: ArcSwapOption::empty(),
            lines_told: Arc::default(),
            spans_told: Arc::default(),
        });
        let book = |_| Arc::new(Book::new(Arc::clone(&shared), settings.ring_bytes));
        let seeing = Self {
            books: (0..settings.threads.max(1)).map(book).collect(),
            shared,
            totals: Mutex::default(),
            exporter: Mutex::default(),
        };
        seeing.tell_lines(settings.access)?;
        seeing.tell_spans(settings.otlp);
        Ok(seeing)
    }

    /// From now on a line for each request goes there, or nowhere. What the writer before still has is written.
    ///
    /// # Errors
    /// When there is no thread to be had for it; then it is as before.
    pub fn tell_lines(&self, to: Option<Box<dyn Write + Send>>) -> std::io::Result<()> {
        let Shared { names, zero, lines_told, .. } = &*self.shared;
        let access =
            to.map(|to| Access::new(to, Arc::clone(names), *zero, Arc::clone(lines_told))).transpose()?;
        self.shared.access.store(access.map(Arc::new));
        Ok(())
    }

    /// From now on spans go to this collector, or to none. Whoever carries them is to be fetched from
    /// [`Seeing::exporter`] and run; the one before ends by itself when it has sent what it has.
    pub fn tell_spans(&self, url: Option<String>) {
        let Shared { names, zero, spans_told, .. } = &*self.shared;
        let (spans, exporter) =
            url.map(|url| otlp::queue(url, Arc::clone(names), *zero, Arc::clone(spans_told))).unzip();
        self.shared.spans.store(spans.map(Arc::new));
        *lock(&self.exporter) = exporter;
    }

    /// The eye of a thread, by its number from 0.
    #[must_use]
    pub fn eye(&self, thread: usize) -> Eye {
        Eye::new(Arc::clone(&self.books[thread % self.books.len()]))
    }

    /// Who carries spans to the collector: to be run on any runtime. `None` where there is no collector, or it was taken.
    #[must_use]
    pub fn exporter(&self) -> Option<otlp::Exporter> {
        lock(&self.exporter).take()
    }

    /// Explains a request by its id; `None` when no hop of it is kept (any more).
    #[must_use]
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        let hops = self.find(id);
        (!hops.is_empty())
            .then(|| Trace { id: id.to_string(), hops: hops.iter().map(|seen| self.hop(seen)).collect() })
    }

    /// The latest requests that were refused, failed or slow, newest first.
    #[must_use]
    pub fn lately(&self, most: usize) -> Vec<Trace> {
        let mut all: Vec<(u64, TraceId)> = Vec::new();
        for book in &self.books {
            let pages = book.open();
            for kind in [Kind::Caller, Kind::Failed, Kind::Slow, Kind::Refused] {
                all.extend(pages.rings.latest(kind, most).map(|seen| (seen.began, seen.ids.trace)));
            }
        }
        all.sort_unstable_by(|left, right| right.cmp(left));
        let mut told = BTreeSet::new();
        all.retain(|(_, id)| told.insert(*id));
        all.iter().take(most).filter_map(|(_, id)| self.trace(*id)).collect()
    }

    fn hop(&self, seen: &Seen) -> Hop {
        trace::hop(seen, &self.shared.names, self.shared.zero)
    }

    /// The kept hops of a trace, in the order in which they began.
    fn find(&self, id: TraceId) -> Vec<Seen> {
        let mut hops = Vec::new();
        for book in &self.books {
            book.open().rings.find(id, &mut hops, trace::HOPS_MAX);
        }
        hops.sort_by_key(|seen| seen.began);
        hops
    }
}

#[cfg(test)]
mod tests;
