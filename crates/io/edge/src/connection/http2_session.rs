//! State that an HTTP/2 connection's task, its socket and the bodies of its requests share.

use super::http2_window::Window;
use crate::connection::Connection;
use h2::RecvStream;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Control frames that a client may send beyond those that its requests account for. Honest clients send a handful; a
/// client that acknowledges each frame of a response is covered by [`FORGIVEN`].
const CONTROL_MAX: u32 = 4096;
/// Control frames accounted for by one step of a request: its head, or a part of a body in either direction.
const FORGIVEN: u32 = 64;
/// Control frames a tick that need no request: keepalive pings are far fewer.
const FORGIVEN_A_TICK: u32 = 10;
/// Bytes read and dropped of a request body that is no longer needed, and ticks for which that lasts. The response
/// would be lost to clients that treat RST_STREAM as a failure of what they have received (curl before 8.7).
const UNWANTED_BYTES: usize = 16 * 1024 * 1024;
const UNWANTED_TICKS: u32 = 20;

/// HTTP/2 state of a connection, in addition to [`Connection`].
pub(crate) struct Session {
    pub(crate) connection: Rc<Connection>,
    /// Tunnels (RFC 8441) that are open.
    pub(crate) tunnels: Cell<u32>,
    /// The receive window that this connection's uploads call for.
    pub(crate) window: RefCell<Window>,
    /// Control frames not accounted for, and the tick of that count.
    control: Cell<(u32, u32)>,
    flooded: Cell<bool>,
    unwanted: RefCell<Vec<Unwanted>>,
    waker: RefCell<Option<Waker>>,
}

/// A request body that is read only to be dropped.
struct Unwanted {
    stream: RecvStream,
    left: usize,
    until: u32,
}

impl Session {
    pub(crate) fn new(connection: &Rc<Connection>) -> Rc<Self> {
        Rc::new(Self {
            connection: Rc::clone(connection),
            tunnels: Cell::new(0),
            window: RefCell::default(),
            control: Cell::new((0, connection.ticks.now())),
            flooded: Cell::new(false),
            unwanted: RefCell::default(),
            waker: RefCell::new(None),
        })
    }

    /// Stores the waker of the connection's task.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Counts control frames.
    pub(crate) fn control(&self, frames: u32) {
        let now = self.connection.ticks.now();
        let (count, from) = self.control.get();
        let forgiven = now.saturating_sub(from).saturating_mul(FORGIVEN_A_TICK);
        let count = count.saturating_sub(forgiven).saturating_add(frames);
        self.control.set((count, now));
        if count > CONTROL_MAX {
            self.flooded.set(true);
        }
    }

    /// A request moved on, in one of both directions.
    pub(crate) fn progress(&self) {
        let (count, from) = self.control.get();
        if count > 0 {
            self.control.set((count.saturating_sub(FORGIVEN), from));
        }
    }

    /// Whether the client sends control frames without end.
    pub(crate) fn flooded(&self) -> bool {
        self.flooded.get()
    }

    /// Counts bytes of a request body that were taken from the connection.
    pub(crate) fn consumed(&self, bytes: usize) {
        if bytes > 0 {
            self.progress();
            if self.window.borrow_mut().consumed(bytes) {
                self.wake();
            }
        }
    }

    /// Takes over a body that is no longer needed, to drain it.
    pub(crate) fn unwanted(&self, stream: RecvStream) {
        let until = self.connection.ticks.now() + UNWANTED_TICKS;
        self.unwanted.borrow_mut().push(Unwanted { stream, left: UNWANTED_BYTES, until });
        self.wake();
    }

    /// Reads unwanted bodies. The tick at which to come again, if any are left.
    pub(crate) fn drain(&self, cx: &mut Context<'_>) -> Option<u32> {
        let now = self.connection.ticks.now();
        let mut unwanted = self.unwanted.borrow_mut();
        // Dropped after its END_STREAM was sent, h2 ends a stream by RST_STREAM(NO_ERROR) (RFC 9113 section 8.1).
        unwanted.retain_mut(|body| body.until > now && body.poll(cx));
        unwanted.iter().map(|body| body.until).min()
    }
}

impl Unwanted {
    /// Whether more is to come and may.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match self.stream.poll_data(cx) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(data))) => {
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    match self.left.checked_sub(data.len().max(1)) {
                        Some(left) => self.left = left,
                        None => return false,
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return false,
            }
        }
    }
}
