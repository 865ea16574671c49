//! A thread's HTTP/2 connections to one server: as many as the streams that it allows require.
//!
//! A server declares how many streams one connection may have (`SETTINGS_MAX_CONCURRENT_STREAMS`). A request beyond
//! that gets a further connection and does not wait for other responses. Before the first settings arrive only one
//! stream is opened, so that a burst does not gather on a connection that has no room for it.

use super::connect::connect;
use super::http2::Sender;
use crate::forward_error::ForwardError;
use crate::pool::Pool;
use crate::ticks::Ticks;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::sync::Notify;

/// Connections that one thread has to one server.
const CONNECTIONS_MAX: usize = 32;
/// Ticks after which settings are waited for no longer.
const SETTLE_TICKS: u32 = 10;
/// Ticks after which a connection that is not the only one is closed for being idle.
const IDLE_TICKS: u32 = 300;

/// The connections to one server.
pub(crate) struct Http2Pool {
    list: RefCell<Vec<Rc<Connection>>>,
    /// Connections being opened.
    opening: Cell<usize>,
    /// Requests that wait for one of them, or for settings.
    waiting: Cell<usize>,
    /// Streams that the server last allowed on a connection.
    allowed: Cell<Option<usize>>,
    /// The error of the last failed connection, and the number of failures.
    failed: RefCell<Option<ForwardError>>,
    failures: Cell<u32>,
    changed: Rc<Notify>,
    ticks: Rc<Ticks>,
}

/// One connection.
struct Connection {
    sender: Sender,
    inflight: Cell<usize>,
    /// Whether it has answered.
    answered: Cell<bool>,
    opened: u32,
    idle_since: Cell<u32>,
}

/// A request's place on a connection.
pub(crate) struct Lease {
    connection: Rc<Connection>,
    changed: Rc<Notify>,
    ticks: Rc<Ticks>,
    /// Whether the connection had answered before: then a failure may be that it was stale.
    pub(crate) reused: bool,
}

impl Lease {
    /// The place on a connection that is used for one request only.
    pub(crate) fn alone(sender: Sender, ticks: &Rc<Ticks>) -> Self {
        let connection = Rc::new(Connection::new(sender, ticks.now()));
        Self { connection, changed: Rc::new(Notify::new()), ticks: Rc::clone(ticks), reused: false }
    }

    /// The way onto the connection.
    pub(crate) fn sender(&self) -> &Sender {
        &self.connection.sender
    }

    /// The head of a response has come.
    pub(crate) fn answered(&self) {
        if !self.connection.answered.replace(true) {
            self.changed.notify_waiters();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.inflight.set(connection.inflight.get().saturating_sub(1));
        connection.idle_since.set(self.ticks.now());
        self.changed.notify_waiters();
    }
}

/// Counts in a cell for as long as it lives.
struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    fn new(cell: &'a Cell<usize>) -> Self {
        cell.set(cell.get() + 1);
        Self(cell)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A connection that is being opened. Those that wait for it learn of its end, also when its own request has gone away.
struct Opening<'a> {
    _counted: Counted<'a>,
    changed: &'a Notify,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.changed.notify_waiters();
    }
}

impl Connection {
    fn new(sender: Sender, now: u32) -> Self {
        Self {
            sender,
            inflight: Cell::new(0),
            answered: Cell::new(false),
            opened: now,
            idle_since: Cell::new(now),
        }
    }

    /// Streams that it may have, where that is known.
    fn allowed(&self, ticks: &Ticks) -> Option<usize> {
        let late = || ticks.now() >= self.opened + SETTLE_TICKS;
        let settled = self.sender.settled() || self.answered.get() || late();
        settled.then(|| self.sender.streams_max().max(1))
    }
}

impl Http2Pool {
    pub(crate) fn new(ticks: Rc<Ticks>) -> Self {
        Self {
            list: RefCell::default(),
            opening: Cell::new(0),
            waiting: Cell::new(0),
            allowed: Cell::new(None),
            failed: RefCell::new(None),
            failures: Cell::new(0),
            changed: Rc::new(Notify::new()),
            ticks,
        }
    }

    /// Waits for a place for one request; true where a connection was opened for it.
    ///
    /// # Errors
    /// When no connection can be opened, or none in time.
    pub(crate) async fn lease(
        &self,
        pool: &Pool,
        at: SocketAddr,
        deadline: u32,
    ) -> Result<(Lease, bool), ForwardError> {
        loop {
            if let Some(lease) = self.free() {
                return Ok((lease, false));
            }
            if self.may_open() {
                return self.open(pool, at).await.map(|lease| (lease, true));
            }
            if !self.is_settling()
                && let Some(lease) = self.least_loaded()
            {
                return Ok((lease, false));
            }
            self.wait(deadline).await?;
        }
    }

    /// Returns a place on the least loaded connection that has room.
    fn free(&self) -> Option<Lease> {
        let mut list = self.list.borrow_mut();
        list.retain(|connection| !connection.sender.closed());
        let mut best: Option<&Rc<Connection>> = None;
        for connection in list.iter() {
            let allowed = connection.allowed(&self.ticks);
            if allowed.is_some() {
                self.allowed.set(allowed);
            }
            let room = allowed.or(self.allowed.get()).unwrap_or(1);
            let load = connection.inflight.get();
            if load < room && best.is_none_or(|best| load < best.inflight.get()) {
                best = Some(connection);
            }
        }
        best.map(|connection| self.lease_on(connection))
    }

    fn least_loaded(&self) -> Option<Lease> {
        let list = self.list.borrow();
        list.iter().min_by_key(|connection| connection.inflight.get()).map(|least| self.lease_on(least))
    }

    fn lease_on(&self, connection: &Rc<Connection>) -> Lease {
        connection.inflight.set(connection.inflight.get() + 1);
        Lease {
            connection: Rc::clone(connection),
            changed: Rc::clone(&self.changed),
            ticks: Rc::clone(&self.ticks),
            reused: connection.answered.get(),
        }
    }

    /// Whether a connection may have room that is not known yet.
    fn is_settling(&self) -> bool {
        let unknown = |connection: &Rc<Connection>| connection.allowed(&self.ticks).is_none();
        self.opening.get() > 0 || self.allowed.get().is_none() && self.list.borrow().iter().any(unknown)
    }

    /// Whether a further connection is needed: those being opened are not enough for the waiting requests.
    fn may_open(&self) -> bool {
        if self.list.borrow().len() + self.opening.get() >= CONNECTIONS_MAX {
            return false;
        }
        if !self.is_settling() {
            return true;
        }
        let promised = self.allowed.get().map(|each| each.saturating_mul(self.opening.get()));
        promised.is_some_and(|promised| self.opening.get() + self.waiting.get() >= promised)
    }

    async fn open(&self, pool: &Pool, at: SocketAddr) -> Result<Lease, ForwardError> {
        let _opening = Opening { _counted: Counted::new(&self.opening), changed: &self.changed };
        let begun = match connect(pool, at).await {
            Ok(stream) => Sender::begin(stream, Rc::clone(&self.changed)).await,
            Err(trouble) => Err(trouble),
        };
        match begun {
            Ok(sender) => {
                let connection = Rc::new(Connection::new(sender, self.ticks.now()));
                let lease = self.lease_on(&connection);
                self.list.borrow_mut().push(connection);
                Ok(lease)
            }
            Err(trouble) => {
                self.failures.set(self.failures.get().wrapping_add(1));
                self.failed.replace(Some(trouble.again()));
                Err(trouble)
            }
        }
    }

    /// Waits until something changes.
    async fn wait(&self, deadline: u32) -> Result<(), ForwardError> {
        let _waiting = Counted::new(&self.waiting);
        let failures = self.failures.get();
        let alarm = self.ticks.alarm();
        let due = deadline.min(self.ticks.now() + SETTLE_TICKS);
        let mut changed = pin!(self.changed.notified());
        poll_fn(|cx| {
            let polled = changed.as_mut().poll(cx);
            if polled.is_pending() && self.ticks.now() < due {
                alarm.set(due, cx);
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        if self.ticks.now() >= deadline {
            return Err(ForwardError::Late);
        }
        match &*self.failed.borrow() {
            Some(trouble) if self.failures.get() != failures => Err(trouble.again()),
            _ => Ok(()),
        }
    }

    /// Closes what has been idle for long, and what the server has closed, but keeps one. Whether any is left.
    pub(crate) fn sweep(&self) -> bool {
        let now = self.ticks.now();
        let mut list = self.list.borrow_mut();
        list.retain(|connection| !connection.sender.closed());
        let mut left = list.len();
        list.retain(|connection| {
            let idle = connection.inflight.get() == 0
                && now.saturating_sub(connection.idle_since.get()) > IDLE_TICKS
                && left > 1;
            left -= usize::from(idle);
            !idle
        });
        !list.is_empty()
    }

    /// Uses none of the connections any more: the server is down. Responses on them are still read.
    pub(crate) fn clear(&self) {
        self.list.borrow_mut().clear();
    }
}
