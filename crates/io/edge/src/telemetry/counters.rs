//! Counters of one thread since the last roll-up.
//!
//! Plain numbers, swapped out once a second: counting costs no atomic, and adding up is done elsewhere.

use super::histogram::Histogram;
use super::id::TraceId;
use super::names::{Caller, RouteKey};
use super::record::{CacheOutcome, Failure, RequestRecord};
use super::text::Text;
use super::top_lists::TopLists;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use traffic::TopK;
use types::trace::Verdict;

/// Names of limits that are counted apart for a service; the configuration has four.
const LIMITS_MAX: usize = 8;
/// Callers of one service that are counted apart when they are refused.
const CALLERS_MAX: usize = 64;
/// The most servers with counters of their own, in all routes together.
pub(super) const SERVERS_MAX: usize = 4096;
/// The most pairs of a declared caller and a service with counters of their own.
const CALLS_MAX: usize = 512;
/// Names of strangers that are remembered.
const UNKNOWN_HOSTS: usize = 32;
/// Traces kept for each refused caller, from which one is chosen that shows most.
pub(super) const EXAMPLES: usize = 8;

/// Verdicts in the order of their counters.
pub(super) const VERDICTS: [Verdict; 10] = [
    Verdict::Passed,
    Verdict::Denied,
    Verdict::Limited,
    Verdict::Shed,
    Verdict::Failed,
    Verdict::Malformed,
    Verdict::Redirected,
    Verdict::Held,
    Verdict::Cached,
    Verdict::Duplicate,
];

/// Counters of one route.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteCounters {
    pub(super) requests: u64,
    pub(super) verdicts: [u64; VERDICTS.len()],
    /// Answers by hundreds of their status; 0 where there was none.
    pub(super) codes: [u64; 6],
    /// Requests for cached paths, by [`CacheOutcome::ALL`].
    pub(super) cache: [u64; CacheOutcome::ALL.len()],
    /// Recognized clients, first-time clients, declared callers: requests and served requests.
    pub(super) asked: [(u64, u64); 3],
    pub(super) limited: Vec<(Text<32>, u64)>,
    pub(super) server_429: u64,
    pub(super) failed: u64,
    /// Opens, and those that were refused or failed.
    pub(super) opens: (u64, u64),
    pub(super) client_closed: u64,
    pub(super) retries: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) latency: Histogram,
    pub(super) callers: Vec<CallerCounters>,
    /// Only for routes with requests.
    pub(super) top_lists: Option<Box<TopLists>>,
}

/// The 429s that a declared caller got.
#[derive(Clone, Debug)]
pub(super) struct CallerCounters {
    pub(super) caller: Caller,
    pub(super) count: u64,
    /// The latest that the rings took, oldest first.
    pub(super) examples: Vec<TraceId>,
}

/// Counters of one server, or of one caller, for one route.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerCounters {
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) latency: Histogram,
}

/// Counts of one thread, or of all.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) routes: Vec<RouteCounters>,
    pub(super) servers: BTreeMap<(RouteKey, SocketAddr), ServerCounters>,
    /// Requests of declared callers, in one second only.
    pub(super) calls: BTreeMap<(RouteKey, Caller), ServerCounters>,
    /// Names in `Host` that no service declares.
    pub(super) unknown_hosts: TopK<Text<48>>,
}

impl Default for Counters {
    fn default() -> Self {
        let (servers, calls) = (BTreeMap::new(), BTreeMap::new());
        Self { routes: Vec::new(), servers, calls, unknown_hosts: TopK::new(UNKNOWN_HOSTS) }
    }
}

impl RouteCounters {
    fn count(&mut self, record: &RequestRecord) {
        self.requests += 1;
        self.top_lists.get_or_insert_default().note(record, self.requests);
        self.verdicts[record.verdict as usize] += 1;
        self.codes[usize::from(record.status / 100).min(5)] += 1;
        if let Some(outcome) = record.cache {
            self.cache[outcome as usize] += 1;
        }
        let who = if record.caller.is_some() { 2 } else { usize::from(record.recognized.is_none()) };
        self.asked[who].0 += 1;
        self.asked[who].1 += u64::from(record.served());
        if record.let_through() {
            self.latency.note(record.latency().unwrap_or(0));
            self.server_429 += u64::from(record.status == 429);
            self.failed += u64::from(record.broke());
            self.client_closed += u64::from(record.failure == Some(Failure::ClientClosed));
        }
        if record.opens {
            let refused = record.verdict == Verdict::Shed
                || record.broke()
                || record.let_through() && record.status == 429;
            self.opens = (self.opens.0 + 1, self.opens.1 + u64::from(refused));
        }
        if record.verdict == Verdict::Limited {
            self.limit(record.limit.map_or(Text::EMPTY, |limit| limit.name), 1);
        }
        if let Some(caller) = record.caller.filter(|_| record.status == 429) {
            self.caller(caller, |counters| counters.count += 1);
        }
    }

    fn limit(&mut self, name: Text<32>, count: u64) {
        if let Some((_, counted)) = self.limited.iter_mut().find(|(known, _)| *known == name) {
            *counted += count;
        } else if self.limited.len() < LIMITS_MAX {
            self.limited.push((name, count));
        }
    }

    fn caller(&mut self, caller: Caller, note: impl FnOnce(&mut CallerCounters)) {
        if let Some(known) = self.callers.iter_mut().find(|known| known.caller == caller) {
            note(known);
        } else if self.callers.len() < CALLERS_MAX {
            let mut counters = CallerCounters { caller, count: 0, examples: Vec::new() };
            note(&mut counters);
            self.callers.push(counters);
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
        for (mine, theirs) in self.cache.iter_mut().zip(other.cache) {
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
        self.opens = (self.opens.0 + other.opens.0, self.opens.1 + other.opens.1);
        self.client_closed += other.client_closed;
        self.retries += other.retries;
        self.received += other.received;
        self.sent += other.sent;
        self.latency.add(&other.latency);
        for counters in &other.callers {
            self.caller(counters.caller, |mine| {
                mine.count += counters.count;
                counters.examples.iter().for_each(|example| mine.example(*example));
            });
        }
    }

    pub(super) fn add_tops(&mut self, other: &Self) {
        if let Some(top_lists) = &other.top_lists {
            self.top_lists.get_or_insert_default().add(top_lists);
        }
    }

    fn clear(&mut self) {
        let (mut latency, mut limited, mut callers, mut top_lists) = (
            std::mem::take(&mut self.latency),
            std::mem::take(&mut self.limited),
            std::mem::take(&mut self.callers),
            self.top_lists.take(),
        );
        latency.clear();
        limited.clear();
        callers.clear();
        if let Some(top_lists) = &mut top_lists {
            top_lists.clear();
        }
        *self = Self { latency, limited, callers, top_lists, ..Self::default() };
    }
}

impl CallerCounters {
    fn example(&mut self, trace: TraceId) {
        if self.examples.len() == EXAMPLES {
            self.examples.remove(0);
        }
        self.examples.push(trace);
    }
}

impl ServerCounters {
    pub(super) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.latency.add(&other.latency);
    }
}

impl Counters {
    /// Counts a request with a verdict, or with the head of its response.
    pub(super) fn answered(&mut self, record: &RequestRecord) {
        self.route(record.route).count(record);
        if record.unknown_host {
            self.unknown_hosts.add(&record.host);
        }
        for tried in record.tried.iter().flatten() {
            self.server(record.route, tried.server, |server| server.failed += 1);
        }
        if let (Some(server), true) = (record.server, record.let_through()) {
            let (broke, latency) = (record.broke(), record.latency());
            self.server(record.route, server, |server| {
                if broke {
                    server.failed += 1;
                } else {
                    server.answered += 1;
                }
                server.latency.note(latency.unwrap_or(0));
            });
        }
        if let Some(caller) = record.caller {
            self.call(record.route, caller, |call| {
                if record.served() {
                    call.answered += 1;
                } else {
                    call.failed += 1;
                }
                if record.let_through() {
                    call.latency.note(record.latency().unwrap_or(0));
                }
            });
        }
    }

    /// Counts the end of a request; `broke`: its response broke off after its head was counted.
    pub(super) fn ended(&mut self, record: &RequestRecord, broke: bool) {
        let route = self.route(record.route);
        route.received += record.received;
        route.sent += record.sent;
        route.retries += u64::from(record.retries);
        route.failed += u64::from(broke);
        if let (Some(server), true) = (record.server, broke) {
            self.server(record.route, server, |server| server.failed += 1);
        }
    }

    /// The rings took the record of a caller that was refused: its trace can be shown.
    pub(super) fn shows(&mut self, record: &RequestRecord) {
        if let Some(caller) = record.caller.filter(|_| record.status == 429) {
            self.route(record.route).caller(caller, |counters| counters.example(record.ids.trace));
        }
    }

    pub(super) fn route(&mut self, route: RouteKey) -> &mut RouteCounters {
        let at = usize::from(route.0);
        if self.routes.len() <= at {
            self.routes.resize_with(at + 1, RouteCounters::default);
        }
        &mut self.routes[at]
    }

    fn server(&mut self, route: RouteKey, server: SocketAddr, note: impl FnOnce(&mut ServerCounters)) {
        let full = self.servers.len() >= SERVERS_MAX;
        match self.servers.entry((route, server)) {
            Entry::Occupied(mut known) => note(known.get_mut()),
            Entry::Vacant(new) if !full => note(new.insert(ServerCounters::default())),
            Entry::Vacant(_) => {}
        }
    }

    fn call(&mut self, route: RouteKey, caller: Caller, note: impl FnOnce(&mut ServerCounters)) {
        let full = self.calls.len() >= CALLS_MAX;
        match self.calls.entry((route, caller)) {
            Entry::Occupied(mut known) => note(known.get_mut()),
            Entry::Vacant(new) if !full => note(new.insert(ServerCounters::default())),
            Entry::Vacant(_) => {}
        }
    }

    /// Adds what another thread counted in the same second.
    pub(super) fn add_thread(&mut self, other: &Self) {
        self.add(other);
        for ((route, caller), counters) in &other.calls {
            self.call(*route, *caller, |mine| mine.add(counters));
        }
        for (mine, theirs) in self.routes.iter_mut().zip(&other.routes) {
            mine.add_tops(theirs);
        }
        self.unknown_hosts.merge(&other.unknown_hosts);
    }

    /// Adds what was counted in another second: numbers only.
    pub(super) fn add(&mut self, other: &Self) {
        if self.routes.len() < other.routes.len() {
            self.routes.resize_with(other.routes.len(), RouteCounters::default);
        }
        for (mine, theirs) in self.routes.iter_mut().zip(&other.routes) {
            mine.add(theirs);
        }
        for ((route, server), counters) in &other.servers {
            self.server(*route, *server, |mine| mine.add(counters));
        }
    }

    /// Resets the counters and keeps the memory of routes. Servers are removed, since they come and go.
    pub(super) fn clear(&mut self) {
        self.routes.iter_mut().for_each(RouteCounters::clear);
        self.servers.clear();
        self.calls.clear();
        self.unknown_hosts.clear();
    }
}
