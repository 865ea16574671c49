//! Long-lived connections of a thread: WebSockets and event streams. Each counts at its server until it ends, and can be
//! sent away at a tick of its own.

use crate::pool::Pool;
use crate::ticks::Ticks;
use crate::upstream::h1::conn::Conn;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use traffic::Open;

/// Close code of a WebSocket whose endpoint goes away: the edge stops (RFC 6455 section 7.4.1).
pub(crate) const GOING_AWAY: u16 = 1001;
/// Close code of a WebSocket whose server restarts or is taken away; the client may reconnect (IANA registry of
/// WebSocket close codes).
pub(crate) const SERVICE_RESTART: u16 = 1012;
pub(crate) const NEVER: u32 = u32::MAX;

/// All of a thread.
pub(crate) struct LongLivedTable {
    ticks: Rc<Ticks>,
    pub(crate) entries: RefCell<Slab<Rc<Entry>>>,
    /// Whether some are to go.
    pub(crate) leaving: Cell<bool>,
}

/// One of them, as its thread knows it.
pub(crate) struct Entry {
    pub(crate) pool: Arc<Pool>,
    /// Its server: see [`Open::server`].
    pub(crate) server: u64,
    /// The tick at which it is to go.
    pub(crate) due: Cell<u32>,
    pub(crate) code: Cell<u16>,
    pub(crate) waker: RefCell<Option<Waker>>,
}

/// One of them, as its task holds it. Dropped, it is over.
pub(crate) struct LongLived {
    table: Rc<LongLivedTable>,
    key: usize,
    entry: Rc<Entry>,
    open: Option<Open>,
}

/// The server's side of a tunnel.
pub(crate) struct Switched {
    pub(crate) conn: Box<Conn>,
    /// Its place at the server.
    pub(crate) connection: Option<LongLived>,
    pub(crate) is_websocket: bool,
}

impl LongLivedTable {
    pub(crate) fn new(ticks: &Rc<Ticks>) -> Rc<Self> {
        Rc::new(Self { ticks: Rc::clone(ticks), entries: RefCell::default(), leaving: Cell::new(false) })
    }

    /// Gives one connection a random tick within the next ones to go.
    pub(crate) fn send_away(&self, entry: &Entry, code: u16, within: u32) {
        entry.code.set(code);
        entry.due.set(self.ticks.now().saturating_add(fastrand::u32(0..=within)));
        self.leaving.set(true);
    }
}

impl LongLived {
    /// Registers a connection to a server of a pool. `leaving`: the ticks within which it is to go.
    pub(crate) fn new(
        table: &Rc<LongLivedTable>,
        (pool, open): (Arc<Pool>, Open),
        leaving: Option<u32>,
    ) -> Self {
        let entry = Rc::new(Entry {
            pool,
            server: open.server(),
            due: Cell::new(NEVER),
            code: Cell::new(SERVICE_RESTART),
            waker: RefCell::new(None),
        });
        if let Some(within) = leaving {
            table.send_away(&entry, SERVICE_RESTART, within);
        }
        let key = table.entries.borrow_mut().insert(Rc::clone(&entry));
        Self { table: Rc::clone(table), key, entry, open: Some(open) }
    }

    pub(crate) fn ticks(&self) -> &Ticks {
        &self.table.ticks
    }

    /// Returns the close code when it is to go now. Otherwise the task is woken then.
    pub(crate) fn leaves(&self, cx: &Context<'_>) -> Option<u16> {
        let mut waker = self.entry.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        (self.entry.due.get() <= self.table.ticks.now()).then(|| self.entry.code.get())
    }
}

impl Drop for LongLived {
    fn drop(&mut self) {
        self.table.entries.borrow_mut().try_remove(self.key);
        if let Some(open) = self.open.take() {
            self.entry.pool.ask(|balancer, tick| balancer.closed(tick, open));
        }
    }
}
