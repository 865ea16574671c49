//! Opens of one pool: WebSockets and event streams that begin. An admission class of their own.
//!
//! An open gets the least loaded server that may have one now ([`OpenRate`](crate::open_rate::OpenRate)); otherwise it
//! is held, for two seconds at most, and then refused. A browser gives its page neither status nor headers of a refused
//! WebSocket, so that clients retry by their own rule, often immediately: to hold them is what slows them down.

use crate::admission::{Opening, Ticket};
use crate::open_rate::Opened;
use crate::queue::Queue;
use crate::tick::Tick;
use std::collections::BTreeMap;
use std::time::Duration;
use types::traffic::OpensStatus;

/// The longest time for which an open is held.
pub(crate) const HELD_MOST: Duration = Duration::from_secs(2);
/// An open whose answer takes longer is slow, where the usual time is less than half of this; otherwise it waits for an
/// event: it is no work for its server, and gives its place back.
const LATE: Duration = Duration::from_secs(1);
const QUICK_US: f64 = 500_000.0;
/// A slow one gives its place back too after this: others may be answered.
const LATEST: Duration = Duration::from_secs(5);
/// An open is slow beyond this factor of the usual time, and beyond this many microseconds more than it.
const SLOW_TIMES: f64 = 3.0;
const SLOW_MORE_US: f64 = 50_000.0;
/// One step of the usual time, which follows the median. Upward it hardly moves while opens were held lately: they wait
/// for each other then.
const STEP: f64 = 0.05;
const STEP_UP_HELD: f64 = 0.0001;
const LATELY: Duration = Duration::from_secs(10);
/// How slowly clients are forgotten that were refused and have not come back, in seconds.
const OWED_SECS: f64 = 60.0;
/// Duration over which the rate of completed opens is averaged, in seconds.
const RATE_SECS: f64 = 1.0;

/// Whether an open had a place at its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Had,
    /// It had, and was counted as slow.
    Late,
    None,
}

/// Opens of a pool.
#[derive(Debug)]
pub(crate) struct Opens {
    pub(crate) queue: Queue,
    /// What each held open begins.
    kinds: BTreeMap<Ticket, Opening>,
    /// Opens that are sent and not answered, by start and number: their servers.
    sent: BTreeMap<(Tick, u64), (Opening, u64)>,
    /// Those of them that are slow already.
    late: BTreeMap<(Tick, u64), u64>,
    issued: u64,
    /// When one was last held.
    held_at: Option<Tick>,
    /// The usual time until an answer, in microseconds.
    usual: [Option<f64>; Opening::ALL.len()],
    /// Refused clients that have not come back.
    owed: f64,
    /// Completed opens since the last turn, and a second.
    done: u32,
    rate: f64,
    admitted: u64,
    held: u64,
    refused: u64,
    /// When a held open may be sent, or is refused.
    pub(crate) due: Tick,
}

impl Opens {
    pub(crate) fn new() -> Self {
        Self {
            queue: Queue::of_opens(),
            kinds: BTreeMap::new(),
            sent: BTreeMap::new(),
            late: BTreeMap::new(),
            held_at: None,
            issued: 0,
            usual: [None; Opening::ALL.len()],
            owed: 0.0,
            done: 0,
            rate: 0.0,
            admitted: 0,
            held: 0,
            refused: 0,
            due: Tick::NEVER,
        }
    }

    /// An open has come: perhaps of a client that was refused before.
    pub(crate) fn came(&mut self) {
        self.owed = (self.owed - 1.0).max(0.0);
    }

    pub(crate) fn hold(&mut self, ticket: Ticket, kind: Opening, now: Tick) {
        self.held += 1;
        self.held_at = Some(now);
        self.kinds.insert(ticket, kind);
    }

    pub(crate) fn kind(&self, ticket: Ticket) -> Opening {
        self.kinds.get(&ticket).copied().unwrap_or(Opening::WebSocket)
    }

    /// It is held no longer.
    pub(crate) fn release(&mut self, ticket: Ticket) {
        self.kinds.remove(&ticket);
    }

    /// Whether opens of this kind are work for their server until it answers. Many servers send the head of an event
    /// stream only with its first event.
    pub(crate) fn is_work(&self, kind: Opening) -> bool {
        self.usual[kind as usize].is_none_or(|usual| usual < QUICK_US)
    }

    /// Sends one to a server, where it has a place if it is work. Returns its number.
    pub(crate) fn send(&mut self, kind: Opening, (serial, is_work): (u64, bool), now: Tick) -> u64 {
        self.issued += 1;
        if is_work {
            self.sent.insert((now, self.issued), (kind, serial));
        }
        self.issued
    }

    pub(crate) fn admit(&mut self) {
        self.admitted += 1;
    }

    /// One is answered, or over.
    pub(crate) fn answered(&mut self, since: Tick, number: u64) -> Place {
        let key = (since, number);
        match self.sent.remove(&key) {
            Some(_) => Place::Had,
            None if self.late.remove(&key).is_some() => Place::Late,
            None => Place::None,
        }
    }

    /// Counts a completed open.
    pub(crate) fn complete(&mut self) {
        self.done = self.done.saturating_add(1);
    }

    /// Classifies the time until an answer, and learns from it.
    pub(crate) fn judge(&mut self, kind: Opening, latency: Duration, now: Tick) -> Opened {
        let took = (latency.as_secs_f64() * 1e6).max(1.0);
        let is_held = self.held_at.is_some_and(|at| now.since(at) < LATELY);
        let usual = self.usual[kind as usize].get_or_insert(took);
        let is_slow = took > (SLOW_TIMES * *usual).max(*usual + SLOW_MORE_US);
        *usual *= match (took > *usual, is_held) {
            (true, true) => 1.0 + STEP_UP_HELD,
            (true, false) => 1.0 + STEP,
            (false, _) => 1.0 - STEP,
        };
        if is_slow { Opened::Slow } else { Opened::Well }
    }

    /// Finds opens whose answer takes long: their servers, whether that is slow, and whether they give their places back.
    pub(crate) fn waiting(&mut self, now: Tick) -> Vec<(u64, bool, bool)> {
        let mut found = Vec::new();
        while let Some(first) = self.sent.first_entry().filter(|first| now.since(first.key().0) >= LATE) {
            let (key, (kind, serial)) = first.remove_entry();
            let is_slow = *self.usual[kind as usize].get_or_insert(LATE.as_secs_f64() * 1e6) < QUICK_US;
            if is_slow {
                self.late.insert(key, serial);
            }
            found.push((serial, is_slow, !is_slow));
        }
        while let Some(first) = self.late.first_entry().filter(|first| now.since(first.key().0) >= LATEST) {
            found.push((first.remove(), false, true));
        }
        found
    }

    /// Returns when held opens are to be looked at.
    pub(crate) fn next(&self) -> Tick {
        if self.queue.len() == 0 { Tick::NEVER } else { self.due }
    }

    /// Time went by.
    pub(crate) fn turn(&mut self, secs: f64) {
        let done = f64::from(std::mem::take(&mut self.done));
        self.rate += (1.0 - (-secs / RATE_SECS).exp()) * (done / secs.max(1e-3) - self.rate);
        self.owed *= (-secs / OWED_SECS).exp();
    }

    /// Seconds until all that are held and all that were refused can be opened at this rate. One more is refused.
    pub(crate) fn refuse(&mut self, rate: f64) -> f64 {
        self.refused += 1;
        self.owed += 1.0;
        (self.owed + self.queue.len() as f64) / rate.max(0.1)
    }

    /// Returns its status. Counters are reset.
    pub(crate) fn seen(&mut self, limit: f64) -> OpensStatus {
        OpensStatus {
            admitted: std::mem::take(&mut self.admitted),
            held: std::mem::take(&mut self.held),
            refused: std::mem::take(&mut self.refused),
            waiting: u32::try_from(self.queue.len()).unwrap_or(u32::MAX),
            per_sec: self.rate.round() as u32,
            limit_per_sec: limit.round() as u32,
        }
    }
}
