//! What one thread writes down, and the way of a request into it.

use super::id::{Ids, TraceId};
use super::names::{Caller, Lane};
use super::record::{Failure, Phase, Seen};
use super::ring::{Kind, Rings};
use super::tally::Tally;
use super::{Shared, lock};
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use types::trace::Verdict;
use types::{CallerId, PoolId, ServiceId};

/// Slow, as long as nothing is known of what is usual.
pub(super) const SLOW_UNKNOWN_US: u32 = 1_000_000;

/// What one thread wrote down.
#[derive(Debug)]
pub(super) struct Book {
    shared: Arc<Shared>,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
pub(super) struct Pages {
    pub(super) tally: Tally,
    pub(super) rings: Rings,
    /// By lane: from how many microseconds on a request is slow.
    pub(super) slow: Vec<u32>,
}

impl Book {
    pub(super) fn new(shared: Arc<Shared>, ring_bytes: usize) -> Self {
        let pages = Pages { tally: Tally::default(), rings: Rings::new(ring_bytes), slow: Vec::new() };
        Self { shared, pages: Mutex::new(pages) }
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Pages> {
        lock(&self.pages)
    }

    /// Takes in a request that is over; `broke` says that its answer broke off after its head was counted.
    fn close(&self, seen: &Seen, counted: bool, broke: bool) {
        let shared = &*self.shared;
        let second = seen.began / 1_000_000;
        let mut pages = self.open();
        if !counted {
            pages.tally.answered(seen);
        }
        pages.tally.ended(seen, broke);
        let kind = pages.kind(seen);
        let kept = pages.rings.keep(kind, seen, second, shared.lot(kind, seen));
        if kept && kind == Kind::Caller {
            pages.tally.shows(seen);
        }
        drop(pages);
        if kept {
            if kind != Kind::Ordinary {
                shared.marks.set(seen.ids.trace);
            }
            if let Some(spans) = &*shared.spans.load() {
                spans.offer(seen);
            }
        }
        if let Some(access) = &*shared.access.load() {
            access.offer(seen);
        }
    }
}

impl Pages {
    fn kind(&self, seen: &Seen) -> Kind {
        if seen.turned_away() {
            return if seen.caller.is_some() { Kind::Caller } else { Kind::Refused };
        }
        if seen.verdict == Verdict::Malformed {
            return Kind::Malformed;
        }
        if seen.broke() {
            return Kind::Failed;
        }
        let slow = self.slow.get(usize::from(seen.lane.0)).copied().unwrap_or(SLOW_UNKNOWN_US);
        let took = seen.latency().or_else(|| seen.at(Phase::End));
        if took.is_some_and(|took| took > slow) { Kind::Slow } else { Kind::Ordinary }
    }
}

/// A thread's way to look at its requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Eye {
    book: Arc<Book>,
}

impl Eye {
    pub(super) fn new(book: Arc<Book>) -> Self {
        Self { book }
    }

    /// The number of a service with its pool, for [`Seen::lane`]. Ask once for each route of a policy, not at each request.
    #[must_use]
    pub fn lane(&self, service: &ServiceId, pool: &PoolId) -> Lane {
        self.book.shared.names.lane(service, pool)
    }

    /// The number of one of our own callers, for [`Seen::caller`]. Ask once for each caller of a policy.
    #[must_use]
    pub fn caller(&self, caller: &CallerId) -> Option<Caller> {
        self.book.shared.names.caller(caller)
    }

    /// Begins a request at `tick`, in microseconds. Fill the record on the way, and [`Open::close`] it.
    #[must_use]
    pub fn open(&self, tick: u64, client: IpAddr, ids: Ids) -> Box<Open> {
        Box::new(Open {
            seen: Seen::new(tick, client, ids),
            book: Arc::clone(&self.book),
            state: State::Asked,
        })
    }
}

/// A request on its way: its record, counted when the answer's head is told and kept when it is over. Dropped before that,
/// it is taken for one whose visitor left.
#[derive(Debug)]
pub struct Open {
    seen: Seen,
    book: Arc<Book>,
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
            self.book.open().tally.answered(&self.seen);
            self.state = State::Counted(self.seen.broke());
        }
    }

    /// The request is over.
    pub fn close(mut self: Box<Self>, tick: u64) {
        self.shut(tick);
    }

    fn shut(&mut self, tick: u64) {
        self.seen.stamp(Phase::End, tick);
        let broke = self.state == State::Counted(false) && self.seen.broke();
        self.book.close(&self.seen, self.state != State::Asked, broke);
        self.state = State::Closed;
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
    fn drop(&mut self) {
        if self.state == State::Closed {
            return;
        }
        self.seen.failure.get_or_insert(Failure::Left);
        if self.seen.status == 0 && self.seen.at(Phase::Judged).is_some() {
            self.seen.verdict = Verdict::Failed;
        }
        let tick = self.book.shared.zero.tick();
        self.shut(tick);
    }
}

/// Traces in which something went wrong lately. By chance another one may look like them, and then one more is kept.
pub(super) struct Marks([AtomicU64; 4096]);

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

    pub(super) fn has(&self, trace: TraceId) -> bool {
        let (place, print) = self.place(trace);
        place.load(Ordering::Relaxed) == print
    }
}
