//! A request's body on its way to a server: the part that was read before a server was chosen, then the rest.
//!
//! A server's place is not held while a client sends slowly: twenty of them would hold a whole pool. So a body is
//! read, up to [`BEFORE_BYTES`], before its request asks for a place; only longer ones stream while they hold one.
//! All bodies together have a memory budget: when it is spent, nothing is read before, and no request is refused
//! for it.

use crate::budget::Share;
use crate::forward_error::ForwardError;
use crate::inbound::{Broken, Inbound};
use crate::thread::Thread;
use crate::uploads::Pace;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Bytes that are read before a server is chosen.
const BEFORE_BYTES: u64 = 64 * 1024;
/// Ticks for which a body of unknown length is read before: longer, and it may be one that waits for the response to
/// go on.
const BEFORE_TICKS: u32 = 10;

/// Smaller bodies are not counted in the budget: most arrive with their heads, and are forwarded immediately.
const UNCOUNTED_BYTES: usize = 8 * 1024;

/// A request's body.
pub(crate) struct RequestBody {
    /// The part that was read: its first frame, which most often is all, and those after it.
    first: Option<Bytes>,
    before: VecDeque<Bytes>,
    /// Bytes in both.
    held: u64,
    /// Bytes that have come.
    came: u64,
    /// Its share of the budget.
    share: Option<Share>,
    thread: Rc<Thread>,
    trailers: Option<HeaderMap>,
    /// `None` when all of it was read.
    rest: Option<Inbound>,
}

impl RequestBody {
    pub(crate) fn new(body: Inbound, thread: &Rc<Thread>) -> Self {
        Self {
            first: None,
            before: VecDeque::new(),
            held: 0,
            came: 0,
            share: None,
            thread: Rc::clone(thread),
            trailers: None,
            rest: Some(body),
        }
    }

    /// Counts what is held of it, and `besides` what was sent and is kept. False where that has become more though
    /// all bodies together hold enough.
    pub(crate) fn count(&mut self, besides: usize) -> bool {
        let bytes = usize::try_from(self.held).unwrap_or(usize::MAX).saturating_add(besides);
        if bytes <= UNCOUNTED_BYTES && self.share.is_none() {
            return true;
        }
        let bodies = &self.thread.shared.bodies;
        !self.share.get_or_insert_with(|| bodies.share()).hold(bytes) || !bodies.is_spent()
    }

    /// Requests a `100 Continue` when the body is first read (see [`Inbound::expected`]).
    pub(crate) fn expected(&mut self) -> Option<Rc<Cell<bool>>> {
        self.rest.as_mut()?.expected()
    }

    /// Bytes that have come of it.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    /// Reads what has already arrived of the part that is read before a server is chosen. Ready when that is
    /// enough: most often a short body arrives with its head, and there is nothing to wait for.
    ///
    /// # Errors
    /// [`ForwardError::TooLarge`], or [`ForwardError::ClientClosed`] when the client breaks off.
    pub(crate) fn poll_before(&mut self, cx: &mut Context<'_>, room: u64) -> Poll<Result<(), ForwardError>> {
        loop {
            self.count(0);
            if self.thread.shared.bodies.is_spent() {
                // The rest streams.
                return Poll::Ready(Ok(()));
            }
            match self.read(cx) {
                Poll::Ready(true) if self.held > room => return Poll::Ready(Err(ForwardError::TooLarge)),
                Poll::Ready(true) if self.held >= BEFORE_BYTES => return Poll::Ready(Ok(())),
                Poll::Ready(true) => {}
                Poll::Ready(false) if self.rest.is_none() => return Poll::Ready(Ok(())),
                Poll::Ready(false) => return Poll::Ready(Err(ForwardError::ClientClosed)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Waits for all of a short body with a declared length, and for one second for others. `wait`: ticks for which
    /// it may stall; `room`: bytes that it may have.
    ///
    /// # Errors
    /// Those of [`RequestBody::poll_before`], and [`ForwardError::Slow`].
    pub(crate) async fn read_before(&mut self, wait: u32, room: u64) -> Result<(), ForwardError> {
        let is_declared = self.rest.as_ref().is_some_and(|rest| rest.exact().is_some());
        let span = if is_declared { wait } else { BEFORE_TICKS };
        let ticks = Rc::clone(&self.thread.ticks);
        let alarm = ticks.alarm();
        let mut due = ticks.now() + span;
        let mut pace = Pace::new(ticks.now(), self.came, wait);
        poll_fn(|cx| {
            let held = self.held;
            let polled = self.poll_before(cx, room);
            if polled.is_ready() {
                return polled;
            }
            if is_declared && self.held > held {
                due = ticks.now() + span;
            }
            // Otherwise a body that arrives byte by byte would take hours.
            if pace.is_too_slow(ticks.now(), self.came, true) {
                return Poll::Ready(Err(ForwardError::Slow));
            }
            if ticks.now() < due {
                alarm.set(due, cx);
                return Poll::Pending;
            }
            Poll::Ready(if is_declared { Err(ForwardError::Slow) } else { Ok(()) })
        })
        .await
    }

    /// Reads all of it: a body that is compared with another one. `wait` and `room` as in [`RequestBody::read_before`]. False
    /// where all bodies together hold so much that there is no room for it now.
    ///
    /// # Errors
    /// Those of [`RequestBody::read_before`].
    pub(crate) async fn read_whole(&mut self, wait: u32, room: u64) -> Result<bool, ForwardError> {
        let ticks = Rc::clone(&self.thread.ticks);
        let alarm = ticks.alarm();
        let mut pace = Pace::new(ticks.now(), self.came, wait);
        let mut due = ticks.now() + wait;
        poll_fn(|cx| {
            loop {
                if !self.count(0) {
                    return Poll::Ready(Ok(false));
                }
                match self.read(cx) {
                    Poll::Ready(true) if self.held > room => return Poll::Ready(Err(ForwardError::TooLarge)),
                    Poll::Ready(true) => due = ticks.now() + wait,
                    Poll::Ready(false) if self.rest.is_none() => return Poll::Ready(Ok(true)),
                    Poll::Ready(false) => return Poll::Ready(Err(ForwardError::ClientClosed)),
                    Poll::Pending => break,
                }
            }
            if ticks.now() >= due || pace.is_too_slow(ticks.now(), self.came, true) {
                return Poll::Ready(Err(ForwardError::Slow));
            }
            alarm.set(due, cx);
            Poll::Pending
        })
        .await
    }

    /// The parts that were read and not sent yet.
    pub(crate) fn read_parts(&self) -> impl Iterator<Item = &Bytes> {
        self.first.iter().chain(&self.before)
    }

    /// Reads one frame. Ready with false: no more data comes, because it ended or because it failed.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(false) };
        match rest.poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                match frame.into_data() {
                    Ok(data) => {
                        self.held += data.len() as u64;
                        self.came += data.len() as u64;
                        if self.first.is_none() && self.before.is_empty() {
                            self.first = Some(data).filter(|data| !data.is_empty());
                        } else if !data.is_empty() {
                            self.before.push_back(data);
                        }
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                }
                if rest.is_end_stream() {
                    self.rest = None;
                }
                Poll::Ready(true)
            }
            Poll::Ready(None) => {
                self.rest = None;
                Poll::Ready(false)
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(false),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        if let Some(data) = this.first.take().or_else(|| this.before.pop_front()) {
            this.held -= data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = this.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let polled = rest.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.came += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none()
            && self.before.is_empty()
            && self.trailers.is_none()
            && self.rest.as_ref().is_none_or(Inbound::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let exact = self.rest.as_ref().map_or(Some(0), Inbound::exact);
        let mut hint =
            exact.map_or_else(SizeHint::default, |left| SizeHint::with_exact(left.saturating_add(self.held)));
        if exact.is_none() {
            hint.set_lower(self.held);
        }
        hint
    }
}
