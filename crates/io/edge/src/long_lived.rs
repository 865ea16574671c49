//! Long-lived connections of a thread: WebSockets and event streams. Each counts at its server, and is closed within
//! `drain_timeout` when its server or the edge drains.

use crate::pool::Pool;
use crate::thread::Thread;
use crate::ticks::{TICK, Ticks};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use traffic::{Open, drain};

/// Close code of a WebSocket whose endpoint goes away: the edge stops (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
/// Close code of a WebSocket whose server restarts or is taken away; the client may reconnect (IANA registry of
/// WebSocket close codes).
const SERVICE_RESTART: u16 = 1012;
const NEVER: u32 = u32::MAX;

/// One of them, as its thread knows it.
pub(crate) struct Entry {
    pool: Arc<Pool>,
    /// Its server: see [`Open::server`].
    server: u64,
    /// The tick at which it is to go.
    due: Cell<u32>,
    code: Cell<u16>,
    waker: RefCell<Option<Waker>>,
}

/// One of them, as its task holds it. Dropped, it is over.
pub(crate) struct LongLived {
    thread: Rc<Thread>,
    key: usize,
    entry: Rc<Entry>,
    open: Option<Open>,
}

impl LongLived {
    /// Registers a connection to a server of a pool. `leaving`: how many connections its server has, when they are to
    /// go elsewhere.
    pub(crate) fn new(thread: &Rc<Thread>, pool: Arc<Pool>, open: Open, leaving: Option<u32>) -> Self {
        let entry = Rc::new(Entry {
            pool,
            server: open.server(),
            due: Cell::new(NEVER),
            code: Cell::new(SERVICE_RESTART),
            waker: RefCell::new(None),
        });
        if let Some(count) = leaving {
            thread.send_away_one(&entry, SERVICE_RESTART, thread.drain_ticks(u64::from(count)));
        }
        let key = thread.long_lived.borrow_mut().insert(Rc::clone(&entry));
        Self { thread: Rc::clone(thread), key, entry, open: Some(open) }
    }

    pub(crate) fn ticks(&self) -> &Ticks {
        &self.thread.ticks
    }

    /// Returns the close code when it is to go now. Otherwise the task is woken then.
    pub(crate) fn leaves(&self, cx: &Context<'_>) -> Option<u16> {
        let mut waker = self.entry.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        (self.entry.due.get() <= self.thread.ticks.now()).then(|| self.entry.code.get())
    }
}

impl Drop for LongLived {
    fn drop(&mut self) {
        self.thread.long_lived.borrow_mut().try_remove(self.key);
        if let Some(open) = self.open.take() {
            self.entry.pool.ask(|balancer, tick| balancer.closed(tick, open));
        }
    }
}

impl Thread {
    /// Returns the ticks over which this many connections are closed.
    fn drain_ticks(&self, count: u64) -> u32 {
        let longest = self.shared.view().edge.limits.drain_timeout;
        whole_ticks(drain::spread(count, longest))
    }

    /// Gives one connection a random tick within the next ones to go.
    fn send_away_one(&self, entry: &Entry, code: u16, within: u32) {
        entry.code.set(code);
        entry.due.set(self.ticks.now().saturating_add(fastrand::u32(0..=within)));
        self.leaving.set(true);
    }

    /// Another policy applies: connections to servers that it drains or removes are to go, others stay.
    pub(crate) fn judge_long_lived(&self) {
        let entries = self.long_lived.borrow();
        let mut judged: Vec<(*const Pool, Vec<(u64, u32)>)> = Vec::new();
        let view = self.shared.view();
        for (_, entry) in entries.iter() {
            let pool = Arc::as_ptr(&entry.pool);
            let known = judged.iter().position(|(known, _)| *known == pool).unwrap_or_else(|| {
                if !view.pools.iter().any(|(current, _)| Arc::ptr_eq(current, &entry.pool)) {
                    // Its servers may belong to another pool now.
                    let declared = || view.pools.iter().flat_map(|(_, config)| &config.servers);
                    let stays = |at: &str| declared().any(|server| server.at == at && !server.drain);
                    entry.pool.ask(|balancer, _| balancer.abandon(stays));
                }
                let leaving = entry.pool.ask(|balancer, _| balancer.leaving().collect());
                judged.push((pool, leaving));
                judged.len() - 1
            });
            let leaving = judged.get(known).map(|(_, leaving)| leaving.as_slice()).unwrap_or_default();
            match leaving.iter().find(|(server, _)| *server == entry.server) {
                Some((_, count)) if entry.due.get() == NEVER => {
                    self.send_away_one(entry, SERVICE_RESTART, self.drain_ticks(u64::from(*count)));
                }
                // One whose turn has come is being closed.
                None if entry.code.get() == SERVICE_RESTART && entry.due.get() > self.ticks.now() => {
                    entry.due.set(NEVER);
                }
                _ => {}
            }
        }
    }

    /// Wakes the connections that are to go now. While the edge stops, all of them are to go within its drain time.
    pub(crate) fn send_away(&self) {
        let is_draining = self.shared.draining();
        if !is_draining && !self.leaving.get() {
            return;
        }
        let now = self.ticks.now();
        let (mut wakers, mut are_left) = (Vec::new(), false);
        for (_, entry) in self.long_lived.borrow().iter() {
            if is_draining && entry.code.replace(GOING_AWAY) != GOING_AWAY && entry.due.get() > now {
                let due = now.saturating_add(self.shared.drain_tick());
                entry.due.set(entry.due.get().min(due));
            }
            are_left |= entry.due.get() != NEVER;
            if entry.due.get() <= now {
                wakers.extend(entry.waker.borrow_mut().take());
            }
        }
        self.leaving.set(are_left);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A duration in whole ticks; less than one is none.
pub(crate) fn whole_ticks(span: Duration) -> u32 {
    u32::try_from(span.as_millis() / TICK.as_millis()).unwrap_or(NEVER - 1)
}
