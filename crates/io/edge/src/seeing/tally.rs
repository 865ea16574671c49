//! What one thread counted since the last roll-up.
//!
//! Plain numbers, swapped out once a second: counting costs no atomic, and adding up is done elsewhere.

use super::histogram::Histogram;
use super::id::TraceId;
use super::names::{Caller, Lane};
use super::record::{Failure, Seen};
use super::text::Text;
use super::top::Tops;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use traffic::Top;
use types::trace::Verdict;

/// Names of limits that are counted apart for a service; the configuration has four.
const LIMITS_MAX: usize = 8;
/// Callers of one service that are counted apart when they are refused.
const CALLERS_MAX: usize = 64;
/// Servers that are counted apart, in all lanes together.
pub(super) const SERVERS_MAX: usize = 4096;
/// Names of strangers that are remembered.
const STRANGERS: usize = 32;
/// Traces kept for each refused caller, from which one is chosen that shows most.
pub(super) const EXAMPLES: usize = 8;

/// Verdicts in the order of their counters.
pub(super) const VERDICTS: [Verdict; 7] = [
    Verdict::Passed,
    Verdict::Denied,
    Verdict::Limited,
    Verdict::Shed,
    Verdict::Failed,
    Verdict::Malformed,
    Verdict::Redirected,
];

/// Counts of one lane.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneTally {
    pub(super) requests: u64,
    pub(super) verdicts: [u64; VERDICTS.len()],
    /// Answers by hundreds of their status; 0 where there was none.
    pub(super) codes: [u64; 6],
    /// Known visitors, first-time ones, own callers: asked and served.
    pub(super) asked: [(u64, u64); 3],
    pub(super) limited: Vec<(Text<32>, u64)>,
    pub(super) server_429: u64,
    pub(super) failed: u64,
    pub(super) left: u64,
    pub(super) retries: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) latency: Histogram,
    pub(super) callers: Vec<CallerTally>,
    /// Only of the lanes that saw something.
    pub(super) tops: Option<Box<Tops>>,
}

/// The 429s that one of our own callers got.
#[derive(Clone, Debug)]
pub(super) struct CallerTally {
    pub(super) caller: Caller,
    pub(super) count: u64,
    /// The latest that the rings took, oldest first.
    pub(super) examples: Vec<TraceId>,
}

/// Counts of one server as one lane sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerTally {
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) latency: Histogram,
}

/// Counts of one thread, or of all.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) lanes: Vec<LaneTally>,
    pub(super) servers: BTreeMap<(Lane, SocketAddr), ServerTally>,
    /// Names in `Host` that no service declares.
    pub(super) strangers: Top<Text<48>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { lanes: Vec::new(), servers: BTreeMap::new(), strangers: Top::new(STRANGERS) }
    }
}

impl LaneTally {
    fn count(&mut self, seen: &Seen) {
        self.requests += 1;
        self.tops.get_or_insert_default().note(seen, self.requests);
        self.verdicts[seen.verdict as usize] += 1;
        self.codes[usize::from(seen.status / 100).min(5)] += 1;
        let who = if seen.caller.is_some() { 2 } else { usize::from(seen.visitor.is_none()) };
        self.asked[who].0 += 1;
        self.asked[who].1 += u64::from(seen.served());
        if seen.let_through() {
            self.latency.note(seen.latency().unwrap_or(0));
            self.server_429 += u64::from(seen.status == 429);
            self.failed += u64::from(seen.broke());
            self.left += u64::from(seen.failure == Some(Failure::Left));
        }
        if seen.verdict == Verdict::Limited {
            self.limit(seen.limit.map_or(Text::EMPTY, |limit| limit.name), 1);
        }
        if let Some(caller) = seen.caller.filter(|_| seen.status == 429) {
            self.caller(caller, |tally| tally.count += 1);
        }
    }

    fn limit(&mut self, name: Text<32>, count: u64) {
        if let Some((_, counted)) = self.limited.iter_mut().find(|(known, _)| *known == name) {
            *counted += count;
        } else if self.limited.len() < LIMITS_MAX {
            self.limited.push((name, count));
        }
    }

    fn caller(&mut self, caller: Caller, note: impl FnOnce(&mut CallerTally)) {
        if let Some(known) = self.callers.iter_mut().find(|known| known.caller == caller) {
            note(known);
        } else if self.callers.len() < CALLERS_MAX {
            let mut tally = CallerTally { caller, count: 0, examples: Vec::new() };
            note(&mut tally);
            self.callers.push(tally);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        for (mine, theirs) in self.verdicts.iter_mut().zip(other.verdicts) {
            *mine += theirs;
        }
        for (mine, theirs) in self.codes.iter_mut().zip(other.codes) {
            *mine += theirs;
        }
        for (mine, theirs) in self.asked.iter_mut().zip(other.asked) {
            *mine = (mine.0 + theirs.0, mine.1 + theirs.1);
        }
        for (name, count) in &other.limited {
            self.limit(*name, *count);
        }
        self.server_429 += other.server_429;
        self.failed += other.failed;
        self.left += other.left;
        self.retries += other.retries;
        self.received += other.received;
        self.sent += other.sent;
        self.latency.add(&other.latency);
        for tally in &other.callers {
            self.caller(tally.caller, |mine| {
                mine.count += tally.count;
                tally.examples.iter().for_each(|example| mine.example(*example));
            });
        }
    }

    pub(super) fn add_tops(&mut self, other: &Self) {
        if let Some(tops) = &other.tops {
            self.tops.get_or_insert_default().add(tops);
        }
    }

    fn clear(&mut self) {
        let (mut latency, mut limited, mut callers, mut tops) = (
            std::mem::take(&mut self.latency),
            std::mem::take(&mut self.limited),
            std::mem::take(&mut self.callers),
            self.tops.take(),
        );
        latency.clear();
        limited.clear();
        callers.clear();
        if let Some(tops) = &mut tops {
            tops.clear();
        }
        *self = Self { latency, limited, callers, tops, ..Self::default() };
    }
}

impl CallerTally {
    fn example(&mut self, trace: TraceId) {
        if self.examples.len() == EXAMPLES {
            self.examples.remove(0);
        }
        self.examples.push(trace);
    }
}

impl ServerTally {
    pub(super) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.latency.add(&other.latency);
    }
}

impl Tally {
    /// A request came to its verdict, or its answer's head.
    pub(super) fn answered(&mut self, seen: &Seen) {
        self.lane(seen.lane).count(seen);
        if seen.stranger {
            self.strangers.add(&seen.host);
        }
        for tried in seen.tried.iter().flatten() {
            self.server(seen.lane, tried.server, |server| server.failed += 1);
        }
        if let (Some(server), true) = (seen.server, seen.let_through()) {
            let (broke, latency) = (seen.broke(), seen.latency());
            self.server(seen.lane, server, |server| {
                if broke {
                    server.failed += 1;
                } else {
                    server.answered += 1;
                }
                server.latency.note(latency.unwrap_or(0));
            });
        }
    }

    /// A request came to its end; `broke` says that its answer broke off after its head was counted.
    pub(super) fn ended(&mut self, seen: &Seen, broke: bool) {
        let lane = self.lane(seen.lane);
        lane.received += seen.received;
        lane.sent += seen.sent;
        lane.retries += u64::from(seen.retries);
        lane.failed += u64::from(broke);
        if let (Some(server), true) = (seen.server, broke) {
            self.server(seen.lane, server, |server| server.failed += 1);
        }
    }

    /// The rings took the record of a caller that was refused: its trace can be shown.
    pub(super) fn shows(&mut self, seen: &Seen) {
        if let Some(caller) = seen.caller.filter(|_| seen.status == 429) {
            self.lane(seen.lane).caller(caller, |tally| tally.example(seen.ids.trace));
        }
    }

    pub(super) fn lane(&mut self, lane: Lane) -> &mut LaneTally {
        let at = usize::from(lane.0);
        if self.lanes.len() <= at {
            self.lanes.resize_with(at + 1, LaneTally::default);
        }
        &mut self.lanes[at]
    }

    fn server(&mut self, lane: Lane, server: SocketAddr, note: impl FnOnce(&mut ServerTally)) {
        let full = self.servers.len() >= SERVERS_MAX;
        match self.servers.entry((lane, server)) {
            Entry::Occupied(mut known) => note(known.get_mut()),
            Entry::Vacant(new) if !full => note(new.insert(ServerTally::default())),
            Entry::Vacant(_) => {}
        }
    }

    /// Adds what another thread counted in the same second.
    pub(super) fn add_thread(&mut self, other: &Self) {
        self.add(other);
        for (mine, theirs) in self.lanes.iter_mut().zip(&other.lanes) {
            mine.add_tops(theirs);
        }
        self.strangers.merge(&other.strangers);
    }

    /// Adds what was counted in another second: numbers only.
    pub(super) fn add(&mut self, other: &Self) {
        if self.lanes.len() < other.lanes.len() {
            self.lanes.resize_with(other.lanes.len(), LaneTally::default);
        }
        for (mine, theirs) in self.lanes.iter_mut().zip(&other.lanes) {
            mine.add(theirs);
        }
        for ((lane, server), tally) in &other.servers {
            self.server(*lane, *server, |mine| mine.add(tally));
        }
    }

    /// Begins anew without giving back the memory of lanes. Servers are forgotten, for they come and go.
    pub(super) fn clear(&mut self) {
        self.lanes.iter_mut().for_each(LaneTally::clear);
        self.servers.clear();
        self.strangers.clear();
    }
}
