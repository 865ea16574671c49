//! Connections of one thread to one server: idle HTTP/1.1 connections, all HTTP/2 connections.

use super::h1::conn::Conn;
use super::http2_pool::Http2Pool;
use crate::ticks::Ticks;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Idle connections kept to one server by one thread.
const IDLE_MAX: usize = 512;
/// Ticks after which an idle connection is closed: half a minute, before most servers do so. Those that close sooner
/// are found out by looking before a connection is used.
const IDLE_TICKS: u32 = 300;

/// Connections to one server.
pub(crate) struct ServerConnections {
    /// The most recent one last. Boxed, because they are moved more often than read.
    #[allow(clippy::vec_box)]
    idle: RefCell<Vec<Box<Conn>>>,
    pub(crate) http2: Http2Pool,
    /// Whether the load balancer considers the server down.
    down: Cell<bool>,
    ticks: Rc<Ticks>,
}

impl ServerConnections {
    pub(crate) fn new(ticks: Rc<Ticks>) -> Rc<Self> {
        let http2 = Http2Pool::new(Rc::clone(&ticks));
        Rc::new(Self { idle: RefCell::default(), http2, down: Cell::new(false), ticks })
    }

    /// The youngest that still lives.
    pub(crate) fn take(&self) -> Option<Box<Conn>> {
        loop {
            let mut conn = self.idle.borrow_mut().pop()?;
            if conn.fresh() {
                return Some(conn);
            }
        }
    }

    /// Whether the server is down.
    pub(crate) fn is_down(&self) -> bool {
        self.down.get()
    }

    /// Notes whether it does. True where it was just found down; then no kept connection is used any more.
    pub(crate) fn set_down(&self, down: bool) -> bool {
        let found = down && !self.down.replace(down);
        self.down.set(down);
        if found {
            self.idle.borrow_mut().clear();
            self.http2.clear();
        }
        found
    }

    /// Keeps a connection on which nothing is in progress.
    pub(crate) fn put(&self, mut conn: Box<Conn>) {
        conn.answered = conn.answered.saturating_add(1);
        conn.idle_since = self.ticks.now();
        conn.tidy();
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX {
            idle.push(conn);
        }
    }

    /// Closes what has been idle for long, and what the server has closed. Whether anything is left.
    pub(crate) fn sweep(self: &Rc<Self>) -> bool {
        let now = self.ticks.now();
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|conn| now.saturating_sub(conn.idle_since) <= IDLE_TICKS && conn.fresh());
        let streams = self.http2.sweep();
        !idle.is_empty() || streams || Rc::strong_count(self) > 1
    }
}
