//! What one thread has for itself: its clock, its view of the configuration, its idle connections.

use crate::connections::Served;
use crate::forwarded::Habits;
use crate::line::Line;
use crate::own::Own;
use crate::pool::{Held, Pool};
use crate::seeing::{Eye, Lane};
use crate::shared::Shared;
use crate::ticks::Ticks;
use crate::upstream::home::Home;
use crate::view::View;
use http::HeaderMap;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::AbortHandle;
use traffic::{Outcome, Tick};

/// Maps of header fields, and buffers of the edge's own, kept for the next request.
const MAPS_MAX: usize = 64;
/// Warnings about servers in a second.
const WARNINGS_MAX: u32 = 5;
/// Ticks after an answer's head after which its server is free again though the visitor still reads.
const READING_TICKS: u32 = 10;

/// A thread's own things; nothing in it is shared.
pub(crate) struct Thread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ticks: Rc<Ticks>,
    pub(crate) eye: Eye,
    /// Connections that it serves.
    pub(crate) served: RefCell<Slab<Served>>,
    /// Those of them that wait for their next request with hyper's state still set up.
    pub(crate) resting: Cell<u32>,
    /// Whether it takes nothing any more.
    pub(crate) ended: Cell<bool>,
    /// What the hops before the edge write.
    pub(crate) habits: Habits,
    near: RefCell<Rc<Near>>,
    version: Cell<u64>,
    /// The version of the view whose denials connections were compared with.
    judged: Cell<u64>,
    maps: RefCell<Vec<HeaderMap>>,
    owns: RefCell<Vec<Own>>,
    /// The second of the last warning about servers, and how many there were in it.
    warned: Cell<(u32, u32)>,
    /// Permits of answers that are still being read.
    reading: RefCell<Slab<(u32, Held, Outcome)>>,
}

/// The view as this thread knows it, with what it adds.
pub(crate) struct Near {
    pub(crate) view: Arc<View>,
    /// By the route's index.
    pub(crate) lanes: Vec<Lane>,
    /// By the pool's place in the view.
    pub(crate) pools: Vec<Rc<Homes>>,
}

/// A thread's connections to the servers of one pool.
pub(crate) struct Homes {
    pub(crate) pool: Arc<Pool>,
    list: RefCell<Vec<(SocketAddr, Rc<Home>)>>,
}

impl Homes {
    pub(crate) fn new(pool: Arc<Pool>) -> Rc<Self> {
        Rc::new(Self { pool, list: RefCell::default() })
    }

    pub(crate) fn of(&self, at: SocketAddr, ticks: &Rc<Ticks>) -> Rc<Home> {
        let mut list = self.list.borrow_mut();
        if let Some((_, home)) = list.iter().find(|(known, _)| *known == at) {
            return Rc::clone(home);
        }
        let home = Home::new(Rc::clone(ticks));
        list.push((at, Rc::clone(&home)));
        home
    }

    /// Notes which servers do not answer. Whether one was just found so.
    fn note_silent(&self) -> bool {
        let silent = self.pool.silent();
        let list = self.list.borrow();
        list.iter().fold(false, |found, (at, home)| home.set_down(silent.contains(at)) | found)
    }

    fn sweep(&self) {
        let mut list = self.list.borrow_mut();
        list.retain(|(_, home)| home.sweep());
    }
}

impl Thread {
    pub(crate) fn new(shared: Arc<Shared>, number: usize) -> Rc<Self> {
        let eye = shared.seeing.eye(number);
        let version = shared.version();
        let near = Near::new(shared.view(), &eye, None);
        Rc::new(Self {
            ticks: Ticks::new(),
            eye,
            served: RefCell::default(),
            judged: Cell::new(version),
            resting: Cell::new(0),
            ended: Cell::new(false),
            habits: Habits::default(),
            near: RefCell::new(Rc::new(near)),
            version: Cell::new(version),
            maps: RefCell::default(),
            owns: RefCell::default(),
            warned: Cell::new((0, 0)),
            reading: RefCell::default(),
            shared,
        })
    }

    /// The newest view.
    pub(crate) fn near(&self) -> Rc<Near> {
        let version = self.shared.version();
        if version != self.version.get() {
            self.version.set(version);
            let before = self.near.borrow().clone();
            self.near.replace(Rc::new(Near::new(self.shared.view(), &self.eye, Some(&before))));
        }
        Rc::clone(&self.near.borrow())
    }

    /// Whether requests queue for the pool at this place in the view.
    pub(crate) fn crowded(&self, pool: usize) -> bool {
        let near = self.near();
        near.pools.get(pool).is_some_and(|homes| homes.pool.crowded.load(Ordering::Relaxed))
    }

    /// Counts a connection among those that rest, or no more.
    pub(crate) fn rests(&self, line: &Line, rests: bool) {
        if line.rests.replace(rests) != rests {
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
    pub(crate) fn own(&self) -> Own {
        self.owns.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps it for the next request.
    pub(crate) fn keep_own(&self, mut own: Own) {
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

    /// Keeps a permit while the answer's body comes, for a second at most: a slow reader is no load for a server.
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

    /// Closes connections that go on for clients whom a new policy denies: tunnels and streams may last for days.
    fn end_denied(&self) {
        let version = self.shared.version();
        if self.judged.replace(version) == version {
            return;
        }
        let (near, tick) = (self.near(), self.tick());
        let served = self.served.borrow();
        let denied = served.iter().filter(|(_, served)| served.is_denied(&near.view.policy, tick));
        let tasks: Vec<AbortHandle> = denied.filter_map(|(_, served)| served.task.clone()).collect();
        drop(served);
        if !tasks.is_empty() {
            tracing::info!("{} open connections are closed: their clients are denied now", tasks.len());
        }
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// What is due at every tick.
    pub(crate) fn advance(&self) {
        self.ticks.advance();
        self.end_denied();
        let now = self.ticks.now();
        let due: Vec<usize> =
            self.reading.borrow().iter().filter(|(_, (due, ..))| *due <= now).map(|(key, _)| key).collect();
        due.into_iter().for_each(|key| self.read(key));
        let found = self.near().pools.iter().fold(false, |found, homes| homes.note_silent() | found);
        if found {
            // Rare: whoever waits for an answer of that server looks again.
            self.ticks.ring();
        }
        if now.is_multiple_of(16) {
            self.near().pools.iter().for_each(|homes| homes.sweep());
        }
    }
}

impl Near {
    fn new(view: Arc<View>, eye: &Eye, before: Option<&Self>) -> Self {
        let lanes = view.policy.routes().iter().map(|route| eye.lane(&route.service, &route.pool)).collect();
        let pools = view
            .pools
            .iter()
            .map(|(pool, _)| {
                let known =
                    before.and_then(|near| near.pools.iter().find(|homes| Arc::ptr_eq(&homes.pool, pool)));
                known.map_or_else(|| Homes::new(Arc::clone(pool)), Rc::clone)
            })
            .collect();
        Self { view, lanes, pools }
    }
}
