//! Where a thread keeps its connections to one server: idle ones of HTTP/1.1, the one of HTTP/2.

use super::h1::conn::Conn;
use super::h2::Sender;
use crate::ticks::Ticks;
use std::cell::RefCell;
use std::rc::Rc;

/// Idle connections kept to one server by one thread.
const IDLE_MAX: usize = 512;
/// Ticks after which an idle connection is closed: half a minute, before most servers do so. Those that close sooner are
/// found out by looking before a connection is used.
const IDLE_TICKS: u32 = 300;

/// Connections to one server.
pub(crate) struct Home {
    /// The youngest last. Boxed, because they are moved about more often than looked at.
    #[allow(clippy::vec_box)]
    idle: RefCell<Vec<Box<Conn>>>,
    http2: RefCell<Option<Sender>>,
    ticks: Rc<Ticks>,
}

impl Home {
    pub(crate) fn new(ticks: Rc<Ticks>) -> Rc<Self> {
        Rc::new(Self { idle: RefCell::default(), http2: RefCell::new(None), ticks })
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

    /// A way onto the connection of HTTP/2, if it takes further requests.
    pub(crate) fn http2(&self) -> Option<Sender> {
        let mut http2 = self.http2.borrow_mut();
        if http2.as_mut().is_some_and(Sender::closed) {
            *http2 = None;
        }
        http2.clone()
    }

    /// Keeps a connection of HTTP/2 for further requests.
    pub(crate) fn put_http2(&self, sender: Sender) {
        *self.http2.borrow_mut() = Some(sender);
    }

    /// Keeps a connection on which nothing is under way.
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
        let mut http2 = self.http2.borrow_mut();
        if http2.as_mut().is_some_and(Sender::closed) {
            *http2 = None;
        }
        !idle.is_empty() || http2.is_some() || Rc::strong_count(self) > 1
    }
}
