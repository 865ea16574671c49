//! Where a thread keeps its idle connections to one server.

use super::h1::conn::Conn;
use crate::ticks::Ticks;
use std::cell::RefCell;
use std::rc::Rc;

/// Idle connections kept to one server by one thread.
const IDLE_MAX: usize = 512;
/// Ticks after which an idle connection is closed: before most servers do so (Node's 5 s are found out by looking).
const IDLE_TICKS: u32 = 300;

/// Idle connections to one server, the youngest last.
pub(crate) struct Home {
    idle: RefCell<Vec<Box<Conn>>>,
    ticks: Rc<Ticks>,
}

impl Home {
    pub(crate) fn new(ticks: Rc<Ticks>) -> Rc<Self> {
        Rc::new(Self { idle: RefCell::default(), ticks })
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

    /// Closes what has been idle for long.
    pub(crate) fn sweep(&self) {
        let now = self.ticks.now();
        let mut idle = self.idle.borrow_mut();
        let old = idle.iter().take_while(|conn| now.saturating_sub(conn.idle_since) > IDLE_TICKS).count();
        idle.drain(..old);
    }
}
