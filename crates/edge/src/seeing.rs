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
//! | `trace` | a request explained in the words of [`model::trace`] |
//! | `ring` | the last refused, failed and slow requests, and a sample of the rest |
//! | `tally`, `histogram` | counts of one thread |
//! | `roll` | counts of all threads: the roll-up for the mind, the text of /metrics |
//! | `text` | short texts that are copied |

mod histogram;
pub mod id;
pub mod limit;
pub mod names;
pub mod place;
pub mod record;
mod ring;
mod roll;
mod tally;
mod text;
mod trace;

pub use id::{Ids, SpanId, TraceId};
pub use limit::{By, Limit};
pub use model::trace::Verdict;
pub use names::{Caller, Lane};
pub use record::{Class, Failure, Phase, Seen};

use jiff::Timestamp;
use model::trace::{Hop, Trace};
use model::{CallerId, PoolId, ServiceId};
use names::Names;
use ring::{Kind, Rings};
use roll::Totals;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tally::Tally;

/// How the edge looks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that serve.
    pub threads: usize,
    /// The instant at which ticks count zero.
    pub zero: Instant,
    /// Room for records, for each thread. Taken only as it is needed.
    pub ring_bytes: usize,
}

impl Settings {
    /// The usual: 6 MiB of records a thread.
    #[must_use]
    pub fn new(threads: usize, zero: Instant) -> Self {
        Self { threads, zero, ring_bytes: 6 << 20 }
    }
}

/// Everything that the edge saw, over all threads.
#[derive(Debug)]
pub struct Seeing {
    shared: Arc<Shared>,
    books: Vec<Arc<Mutex<Book>>>,
    totals: Mutex<Totals>,
}

/// What all threads share.
#[derive(Debug)]
struct Shared {
    names: Names,
    marks: Marks,
    zero: Instant,
    zero_at: Timestamp,
    /// Makes the sample unpredictable to those who choose their own trace ids.
    salt: u64,
}

/// What one thread wrote down.
#[derive(Debug)]
struct Book {
    tally: Tally,
    rings: Rings,
    /// By lane: from how many microseconds on a request is slow.
    slow: Vec<u32>,
}

/// Slow, as long as nothing is known of what is usual.
const SLOW_UNKNOWN_US: u32 = 1_000_000;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seeing {
    /// Begins to look.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let after = jiff::SignedDuration::try_from(settings.zero.elapsed()).unwrap_or_default();
        let now = Timestamp::now();
        let shared = Shared {
            names: Names::default(),
            marks: Marks::default(),
            zero: settings.zero,
            zero_at: now.checked_sub(after).unwrap_or(now),
            salt: fastrand::u64(..),
        };
        let book = || {
            Arc::new(Mutex::new(Book {
                tally: Tally::default(),
                rings: Rings::new(settings.ring_bytes),
                slow: Vec::new(),
            }))
        };
        Self {
            shared: Arc::new(shared),
            books: (0..settings.threads.max(1)).map(|_| book()).collect(),
            totals: Mutex::default(),
        }
    }

    /// The eye of a thread, by its number from 0.
    #[must_use]
    pub fn eye(&self, thread: usize) -> Eye {
        Eye { shared: self.shared.clone(), book: self.books[thread % self.books.len()].clone() }
    }

    /// Explains a request by its id; `None` when no hop of it is kept (any more).
    #[must_use]
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        let hops = self.find(id);
        (!hops.is_empty())
            .then(|| Trace { id: id.to_string(), hops: hops.iter().map(|seen| self.hop(seen)).collect() })
    }

    /// The latest requests that were refused, failed or slow, and of our own callers that were refused; latest first.
    #[must_use]
    pub fn latest(&self, most: usize) -> Vec<(TraceId, Hop)> {
        let mut all = Vec::new();
        for book in &self.books {
            let book = lock(book);
            for kind in [Kind::Caller, Kind::Failed, Kind::Slow, Kind::Refused] {
                all.extend(book.rings.latest(kind, most).copied());
            }
        }
        all.sort_by_key(|seen| std::cmp::Reverse(seen.began));
        all.truncate(most);
        all.iter().map(|seen| (seen.ids.trace, self.hop(seen))).collect()
    }

    fn hop(&self, seen: &Seen) -> Hop {
        trace::hop(seen, &self.shared.names, self.shared.zero_at)
    }

    /// The kept hops of a trace, in the order in which they began.
    fn find(&self, id: TraceId) -> Vec<Seen> {
        let mut hops = Vec::new();
        for book in &self.books {
            lock(book).rings.find(id, &mut hops, trace::HOPS_MAX);
        }
        hops.sort_by_key(|seen| seen.began);
        hops
    }
}

/// A thread's way to look at its requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Eye {
    shared: Arc<Shared>,
    book: Arc<Mutex<Book>>,
}

impl Eye {
    /// The number of a service with its pool, for [`Seen::lane`]. Ask once for each route of a policy, not at each request.
    #[must_use]
    pub fn lane(&self, service: &ServiceId, pool: &PoolId) -> Lane {
        self.shared.names.lane(service, pool)
    }

    /// The number of one of our own callers, for [`Seen::caller`]. Ask once for each caller of a policy.
    #[must_use]
    pub fn caller(&self, caller: &CallerId) -> Option<Caller> {
        self.shared.names.caller(caller)
    }

    /// Begins a request at `tick`, in microseconds. Fill the record on the way, and [`Open::close`] it.
    #[must_use]
    pub fn open(&self, tick: u64, client: IpAddr, ids: Ids) -> Open {
        Open { seen: Seen::new(tick, client, ids), eye: self.clone(), state: State::Asked }
    }

    /// Counts and keeps a request that is over.
    fn end(&self, seen: &Seen, broke: bool) {
        let shared = &*self.shared;
        let lot = shared.lot(seen.ids.trace);
        let second = seen.began / 1_000_000;
        let mut book = lock(&self.book);
        book.tally.ended(seen, broke);
        let kind = book.kind(seen);
        let kept = if kind == Kind::Ordinary {
            // A trace in which something went wrong is kept with the hops around it.
            let lot = if shared.marks.has(seen.ids.trace) { 0 } else { lot };
            book.rings.keep(kind, seen, second, lot)
        } else {
            let kept = book.rings.keep(kind, seen, second, lot);
            if kept {
                shared.marks.set(seen.ids.trace);
            }
            kept
        };
        drop(book);
        let _ = kept;
    }
}

impl Book {
    fn kind(&self, seen: &Seen) -> Kind {
        if seen.turned_away() {
            return if seen.caller.is_some() { Kind::Caller } else { Kind::Refused };
        }
        if seen.broke() {
            return Kind::Failed;
        }
        let slow = self.slow.get(usize::from(seen.lane.0)).copied().unwrap_or(SLOW_UNKNOWN_US);
        if seen.latency().is_some_and(|latency| latency > slow) { Kind::Slow } else { Kind::Ordinary }
    }
}

impl Shared {
    fn lot(&self, trace: TraceId) -> u64 {
        let folded = (trace.0 >> 64) as u64 ^ trace.0 as u64 ^ self.salt;
        let mixed = u128::from(folded) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        (mixed >> 64) as u64 ^ mixed as u64
    }
}

/// A request on its way: its record, counted when the answer's head is told and kept when it is over.
#[derive(Debug)]
pub struct Open {
    seen: Seen,
    eye: Eye,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asked,
    /// Counted; whether as one that broke.
    Counted(bool),
    Closed,
}

impl Open {
    /// Counts the request: call it when its verdict or the head of its answer is known and its end may be far away.
    /// [`Open::close`] does so by itself.
    pub fn count(&mut self) {
        if self.state == State::Asked {
            lock(&self.eye.book).tally.answered(&self.seen);
            self.state = State::Counted(self.seen.broke());
        }
    }

    /// The request is over.
    pub fn close(mut self, tick: u64) {
        self.shut(tick);
    }

    fn shut(&mut self, tick: u64) {
        self.seen.stamp(Phase::End, tick);
        self.count();
        let broke = self.state == State::Counted(false) && self.seen.broke();
        self.state = State::Closed;
        self.eye.end(&self.seen, broke);
    }
}

impl Deref for Open {
    type Target = Seen;

    fn deref(&self) -> &Seen {
        &self.seen
    }
}

impl DerefMut for Open {
    fn deref_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }
}

impl Drop for Open {
    /// Whoever drops a request that is not over had nobody left to answer to.
    fn drop(&mut self) {
        if self.state != State::Closed {
            self.seen.failure.get_or_insert(Failure::Left);
            if self.seen.verdict == Verdict::Malformed && self.seen.at(Phase::Judged).is_some() {
                self.seen.verdict = Verdict::Failed;
            }
            let tick = u64::try_from(self.eye.shared.zero.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.shut(tick);
        }
    }
}

/// Traces in which something went wrong lately: by chance another one may look like them, and then one more is kept.
struct Marks([AtomicU64; 4096]);

impl Default for Marks {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; 4096])
    }
}

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Marks")
    }
}

impl Marks {
    fn place(&self, trace: TraceId) -> (&AtomicU64, u64) {
        let (high, low) = ((trace.0 >> 64) as u64, trace.0 as u64);
        (&self.0[(low as usize) % self.0.len()], high ^ low.rotate_left(32))
    }

    fn set(&self, trace: TraceId) {
        let (place, print) = self.place(trace);
        place.store(print, Ordering::Relaxed);
    }

    fn has(&self, trace: TraceId) -> bool {
        let (place, print) = self.place(trace);
        place.load(Ordering::Relaxed) == print
    }
}
