//! Records and counters of one thread, and how a request gets into them.

use super::counters::Counters;
use super::id::{Ids, TraceId};
use super::names::{Caller, RouteKey};
use super::record::{Failure, Phase, RequestRecord};
use super::ring::{Kind, Rings};
use super::{Shared, lock};
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use types::trace::Verdict;
use types::{CallerId, PoolId, ServiceId};

/// Slow, as long as nothing is known of what is usual.
pub(super) const SLOW_UNKNOWN_US: u32 = 1_000_000;

/// Records and counters of one thread.
#[derive(Debug)]
pub(super) struct ThreadRecorder {
    shared: Arc<Shared>,
    state: Mutex<ThreadState>,
}

#[derive(Debug)]
pub(super) struct ThreadState {
    pub(super) counters: Counters,
    pub(super) rings: Rings,
    /// By route: the latency above which a request is slow, in microseconds.
    pub(super) slow: Vec<u32>,
}

impl ThreadRecorder {
    pub(super) fn new(shared: Arc<Shared>, ring_bytes: usize) -> Self {
        let state =
            ThreadState { counters: Counters::default(), rings: Rings::new(ring_bytes), slow: Vec::new() };
        Self { shared, state: Mutex::new(state) }
    }

    pub(super) fn open(&self) -> MutexGuard<'_, ThreadState> {
        lock(&self.state)
    }

    /// Stores a request that has ended; `broke`: its response broke off after its head was counted.
    fn close(&self, record: &RequestRecord, counted: bool, broke: bool) {
        let shared = &*self.shared;
        let second = record.began / 1_000_000;
        let mut state = self.open();
        if !counted {
            state.counters.answered(record);
        }
        state.counters.ended(record, broke);
        let kind = state.kind(record);
        let kept = state.rings.keep(kind, record, second, shared.lot(kind, record));
        if kept && kind == Kind::Caller {
            state.counters.shows(record);
        }
        drop(state);
        if kept {
            if kind != Kind::Ordinary {
                shared.flagged.set(record.ids.trace);
            }
            if let Some(spans) = &*shared.spans.load() {
                spans.offer(record);
            }
        }
        if let Some(access) = &*shared.access.load() {
            access.offer(record);
        }
    }
}

impl ThreadState {
    fn kind(&self, record: &RequestRecord) -> Kind {
        if record.turned_away() {
            return if record.caller.is_some() { Kind::Caller } else { Kind::Refused };
        }
        if record.verdict == Verdict::Malformed {
            return Kind::Malformed;
        }
        // Also where a stored response was served in place of a failure.
        if record.broke() || record.verdict == Verdict::Cached && record.tried[0].is_some() {
            return Kind::Failed;
        }
        let slow = self.slow.get(usize::from(record.route.0)).copied().unwrap_or(SLOW_UNKNOWN_US);
        let took = record.latency().or_else(|| record.at(Phase::End));
        if took.is_some_and(|took| took > slow) { Kind::Slow } else { Kind::Ordinary }
    }
}

/// A thread's way to look at its requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    recorder: Arc<ThreadRecorder>,
}

impl Recorder {
    pub(super) fn new(recorder: Arc<ThreadRecorder>) -> Self {
        Self { recorder }
    }

    /// The number of a service with its pool, for [`RequestRecord::route`]. Ask once for each route of a policy, not
    /// at each request.
    #[must_use]
    pub fn route(&self, service: &ServiceId, pool: &PoolId) -> RouteKey {
        self.recorder.shared.names.route(service, pool)
    }

    /// The number of a declared caller, for [`RequestRecord::caller`]. Ask once for each caller of a policy.
    #[must_use]
    pub fn caller(&self, caller: &CallerId) -> Option<Caller> {
        self.recorder.shared.names.caller(caller)
    }

    /// Begins a request at `tick`, in microseconds. Fill the record on the way, and [`OpenRecord::close`] it.
    #[must_use]
    pub fn open(&self, tick: u64, client: IpAddr, ids: Ids) -> Box<OpenRecord> {
        Box::new(OpenRecord {
            record: RequestRecord::new(tick, client, ids),
            recorder: Arc::clone(&self.recorder),
            state: State::Asked,
        })
    }
}

/// The record of a request in progress: counted when the head of the response is known, stored when it is over.
/// Dropped before that, it counts as one whose client disconnected.
#[derive(Debug)]
pub struct OpenRecord {
    record: RequestRecord,
    recorder: Arc<ThreadRecorder>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asked,
    /// Counted; whether as one that broke.
    Counted(bool),
    /// Neither counted nor stored.
    Uncounted,
    Closed,
}

impl OpenRecord {
    /// Counts the request: call it when its verdict or the head of its response is known and its end may be far away.
    /// [`OpenRecord::close`] does so by itself.
    pub fn count(&mut self) {
        if self.state == State::Asked {
            self.recorder.open().counters.answered(&self.record);
            self.state = State::Counted(self.record.broke());
        }
    }

    /// The request is none of a client: it is neither counted nor stored.
    pub fn uncounted(&mut self) {
        self.state = State::Uncounted;
    }

    /// The request is over.
    pub fn close(mut self: Box<Self>, tick: u64) {
        self.shut(tick);
    }

    fn shut(&mut self, tick: u64) {
        if self.state == State::Uncounted {
            return;
        }
        self.record.stamp(Phase::End, tick);
        let broke = self.state == State::Counted(false) && self.record.broke();
        self.recorder.close(&self.record, self.state != State::Asked, broke);
        self.state = State::Closed;
    }
}

impl Deref for OpenRecord {
    type Target = RequestRecord;

    fn deref(&self) -> &RequestRecord {
        &self.record
    }
}

impl DerefMut for OpenRecord {
    fn deref_mut(&mut self) -> &mut RequestRecord {
        &mut self.record
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        if matches!(self.state, State::Closed | State::Uncounted) {
            return;
        }
        self.record.failure.get_or_insert(Failure::ClientClosed);
        if self.record.status == 0 && self.record.at(Phase::Judged).is_some() {
            self.record.verdict = Verdict::Failed;
        }
        let tick = self.recorder.shared.zero.tick();
        self.shut(tick);
    }
}

/// Traces in which something went wrong lately. By chance another one may look like them, and then one more is kept.
pub(super) struct FlaggedTraces([AtomicU64; 4096]);

impl Default for FlaggedTraces {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; 4096])
    }
}

impl std::fmt::Debug for FlaggedTraces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Marks")
    }
}

impl FlaggedTraces {
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
