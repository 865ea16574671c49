//! State of one thread: its clock, its view of the policy, its idle connections.

use crate::connection::{Connection, Served};
use crate::forwarded::HeaderPreferences;
use crate::long_lived::LongLivedTable;
use crate::outgoing_headers::OutgoingHeaders;
use crate::pool::{Held, Pool};
use crate::shared::Shared;
use crate::telemetry::{Recorder, RouteKey};
use crate::ticks::Ticks;
use crate::upstream::server_connections::ServerConnections;
use crate::view::View;
use http::HeaderMap;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::AbortHandle;
use traffic::{Outcome, Route, Tick};

/// Maps of header fields, and buffers of the edge's own, kept for the next request.
const MAPS_MAX: usize = 64;
/// Warnings about servers in a second.
const WARNINGS_MAX: u32 = 5;
/// Ticks after a response's head after which its server is free again though the client still reads.
const READING_TICKS: u32 = 10;

/// A thread's own things; nothing in it is shared.
pub(crate) struct Thread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ticks: Rc<Ticks>,
    pub(crate) recorder: Recorder,
    /// Connections that it serves.
    pub(crate) served: RefCell<Slab<Served>>,
    /// WebSockets and event streams.
    pub(crate) long_lived: Rc<LongLivedTable>,
    /// Connections that wait for their next request with hyper's state still set up.
    pub(crate) resting: Cell<u32>,
    /// Whether it takes nothing any more.
    pub(crate) ended: Cell<bool>,
    /// The field that each trusted proxy writes.
    pub(crate) header_preferences: HeaderPreferences,
    view: RefCell<Rc<ThreadView>>,
    version: Cell<u64>,
    /// The version of the view that connections were compared with.
    judged: Cell<u64>,
    maps: RefCell<Vec<HeaderMap>>,
    owns: RefCell<Vec<OutgoingHeaders>>,
    /// The second of the last warning about servers, and how many there were in it.
    warned: Cell<(u32, u32)>,
    /// Permits of responses that are still being read.
    reading: RefCell<Slab<(u32, Held, Outcome)>>,
}

/// The view as this thread knows it, with what it adds.
pub(crate) struct ThreadView {
    pub(crate) shared: Arc<View>,
    /// By the route's index.
    pub(crate) routes: Vec<RouteKey>,
    /// By the pool's index.
    pub(crate) pools: Vec<Rc<PoolConnections>>,
}

/// A thread's connections to the servers of one pool.
pub(crate) struct PoolConnections {
    pub(crate) pool: Arc<Pool>,
    list: RefCell<Vec<(SocketAddr, Rc<ServerConnections>)>>,
}

impl PoolConnections {
    pub(crate) fn new(pool: Arc<Pool>) -> Rc<Self> {
        Rc::new(Self { pool, list: RefCell::default() })
    }

    pub(crate) fn of(&self, at: SocketAddr, ticks: &Rc<Ticks>) -> Rc<ServerConnections> {
        let mut list = self.list.borrow_mut();
        if let Some((_, server)) = list.iter().find(|(known, _)| *known == at) {
            return Rc::clone(server);
        }
        let server = ServerConnections::new(Rc::clone(ticks));
        list.push((at, Rc::clone(&server)));
        server
    }

    /// Notes the servers that do not answer. Returns whether one was newly found.
    fn note_silent(&self) -> bool {
        let silent = self.pool.silent();
        let list = self.list.borrow();
        list.iter().fold(false, |found, (at, server)| server.set_down(silent.contains(at)) | found)
    }

    fn sweep(&self) {
        let mut list = self.list.borrow_mut();
        list.retain(|(_, server)| server.sweep());
    }
}

impl Thread {
    pub(crate) fn new(shared: Arc<Shared>, number: usize) -> Rc<Self> {
        let recorder = shared.telemetry.recorder(number);
        let version = shared.version();
        let view = ThreadView::new(shared.view(), &recorder, None);
        let ticks = Ticks::new();
        Rc::new(Self {
            recorder,
            served: RefCell::default(),
            long_lived: LongLivedTable::new(&ticks),
            ticks,
            judged: Cell::new(version),
            resting: Cell::new(0),
            ended: Cell::new(false),
            header_preferences: HeaderPreferences::default(),
            view: RefCell::new(Rc::new(view)),
            version: Cell::new(version),
            maps: RefCell::default(),
            owns: RefCell::default(),
            warned: Cell::new((0, 0)),
            reading: RefCell::default(),
            shared,
        })
    }

    /// The newest view.
    pub(crate) fn view(&self) -> Rc<ThreadView> {
        let version = self.shared.version();
        if version != self.version.get() {
            self.version.set(version);
            let before = self.view.borrow().clone();
            self.view.replace(Rc::new(ThreadView::new(self.shared.view(), &self.recorder, Some(&before))));
        }
        Rc::clone(&self.view.borrow())
    }

    /// Whether requests queue for the pool with this index.
    pub(crate) fn crowded(&self, pool: usize) -> bool {
        let view = self.view();
        view.pools.get(pool).is_some_and(|connections| connections.pool.crowded.load(Ordering::Relaxed))
    }

    /// Whether a connection is to end now because the edge stops: within the drain time, at a random tick that is kept in
    /// `leaves`.
    pub(crate) fn is_to_leave(&self, leaves: &mut Option<u32>) -> bool {
        if !self.shared.draining() {
            return false;
        }
        let now = self.ticks.now();
        now >= *leaves.get_or_insert_with(|| now.saturating_add(self.shared.drain_tick()))
    }

    /// Counts a connection as resting, or no longer.
    pub(crate) fn rests(&self, connection: &Connection, rests: bool) {
        if connection.rests.replace(rests) != rests {
            let resting = self.resting.get();
            self.resting.set(if rests { resting + 1 } else { resting.saturating_sub(1) });
        }
    }

    /// Microseconds since the edge began.
    pub(crate) fn tick(&self) -> Tick {
        Tick(u64::try_from(self.shared.zero.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// An empty map.
    pub(crate) fn map(&self) -> HeaderMap {
        self.maps.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a map for the next request.
    pub(crate) fn keep_map(&self, mut map: HeaderMap) {
        let mut maps = self.maps.borrow_mut();
        if maps.len() < MAPS_MAX && map.capacity() <= 128 {
            map.clear();
            maps.push(map);
        }
    }

    /// An empty buffer for fields of the edge's own.
    pub(crate) fn outgoing_headers(&self) -> OutgoingHeaders {
        self.owns.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps it for the next request.
    pub(crate) fn keep_outgoing_headers(&self, mut own: OutgoingHeaders) {
        let mut owns = self.owns.borrow_mut();
        if owns.len() < MAPS_MAX && own.modest() {
            own.clear();
            owns.push(own);
        }
    }

    /// Whether one more warning about a server is written: a dead pool would fill the disk.
    pub(crate) fn may_warn(&self) -> bool {
        let second = self.ticks.now() / 10;
        let (last, count) = self.warned.get();
        let count = if last == second { count + 1 } else { 1 };
        self.warned.set((second, count));
        count <= WARNINGS_MAX
    }

    /// Keeps a permit while the response's body is sent, for a second at most: a slow reader is no load for a
    /// server.
    pub(crate) fn reads(&self, held: Held, outcome: Outcome) -> usize {
        self.reading.borrow_mut().insert((self.ticks.now() + READING_TICKS, held, outcome))
    }

    /// The body has come.
    pub(crate) fn read(&self, key: usize) {
        let found = self.reading.borrow_mut().try_remove(key);
        if let Some((_, held, outcome)) = found {
            held.done(self.tick(), outcome);
        }
    }

    /// Closes connections of clients that a new policy denies: tunnels and streams may last for days.
    fn end_denied(&self) {
        let (view, tick) = (self.view(), self.tick());
        let served = self.served.borrow();
        let denied = served.iter().filter(|(_, served)| served.is_denied(&view.shared.policy, tick));
        let tasks: Vec<AbortHandle> = denied.filter_map(|(_, served)| served.task.clone()).collect();
        drop(served);
        if !tasks.is_empty() {
            tracing::info!("{} open connections closed: a new denial applies to their clients", tasks.len());
        }
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Runs the work of each tick.
    pub(crate) fn advance(&self) {
        self.ticks.advance();
        let version = self.shared.version();
        if self.judged.replace(version) != version {
            self.end_denied();
            self.judge_long_lived();
        }
        self.send_away();
        let now = self.ticks.now();
        let due: Vec<usize> =
            self.reading.borrow().iter().filter(|(_, (due, ..))| *due <= now).map(|(key, _)| key).collect();
        due.into_iter().for_each(|key| self.read(key));
        let found =
            self.view().pools.iter().fold(false, |found, connections| connections.note_silent() | found);
        if found {
            // Rare: requests that wait for that server check again.
            self.ticks.ring();
        }
        if now.is_multiple_of(16) {
            self.view().pools.iter().for_each(|connections| connections.sweep());
        }
    }
}

impl ThreadView {
    fn new(shared: Arc<View>, recorder: &Recorder, before: Option<&Self>) -> Self {
        let routes =
            shared.policy.routes().iter().map(|route| recorder.route(&route.service, &route.pool)).collect();
        let pools = shared
            .pools
            .iter()
            .map(|(pool, _)| {
                let known = before.and_then(|view| {
                    view.pools.iter().find(|connections| Arc::ptr_eq(&connections.pool, pool))
                });
                known.map_or_else(|| PoolConnections::new(Arc::clone(pool)), Rc::clone)
            })
            .collect();
        Self { shared, routes, pools }
    }

    /// The pool of a route, with its index.
    pub(crate) fn pool_of(&self, route: &Route) -> Option<(usize, &PoolConnections)> {
        let place = self.shared.pool_of(route)?;
        self.pools.get(place).map(|connections| (place, &**connections))
    }
}
