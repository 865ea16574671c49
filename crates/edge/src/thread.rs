//! What one thread has for itself: its clock, its view of the plan, its idle connections.

use crate::ticks::Ticks;
use crate::upstream::home::Home;
use crate::view::View;
use http::HeaderMap;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Maps of header fields kept for the next request.
const MAPS_MAX: usize = 64;

/// A thread's own things; nothing in it is shared.
pub(crate) struct Thread {
    pub(crate) ticks: Rc<Ticks>,
    view: RefCell<Arc<View>>,
    homes: RefCell<Vec<(SocketAddr, Rc<Home>)>>,
    maps: RefCell<Vec<HeaderMap>>,
    turn: Cell<usize>,
}

impl Thread {
    pub(crate) fn new(view: Arc<View>) -> Rc<Self> {
        Rc::new(Self {
            ticks: Ticks::new(),
            view: RefCell::new(view),
            homes: RefCell::default(),
            maps: RefCell::default(),
            turn: Cell::new(0),
        })
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    pub(crate) fn pick(&self, view: &View) -> SocketAddr {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        view.servers[turn % view.servers.len()]
    }

    pub(crate) fn home(&self, at: SocketAddr) -> Rc<Home> {
        let mut homes = self.homes.borrow_mut();
        if let Some((_, home)) = homes.iter().find(|(known, _)| *known == at) {
            return Rc::clone(home);
        }
        let home = Home::new(Rc::clone(&self.ticks));
        homes.push((at, Rc::clone(&home)));
        home
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

    /// What is due now and then.
    pub(crate) fn sweep(&self) {
        self.homes.borrow().iter().for_each(|(_, home)| home.sweep());
    }
}
