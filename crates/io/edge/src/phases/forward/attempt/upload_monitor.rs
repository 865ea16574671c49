//! Supervision of a request's body while its response is awaited: whether it is too slow, and whether its request
//! keeps its place.

use super::{Attempt, Call, RoundTrip, UpstreamRequest};
use crate::forward_error::ForwardError;
use crate::thread::Thread;
use crate::uploads::{HASTY_TICKS, Pace, YIELD_TICKS};

/// The body of a request while a response is waited for.
pub(super) struct UploadMonitor {
    since: u32,
    /// The tick of the last check whether the place is given back: once a tick.
    asked: u32,
    /// Bytes that had come before.
    before: u64,
    pace: Pace,
}

impl UploadMonitor {
    pub(super) fn new(came: u64, now: u32, wait: u32) -> Self {
        Self { since: now, asked: now, before: came, pace: Pace::new(now, came, wait) }
    }

    /// Looks at what has come. False when the request is to end: its body is too slow, or too many others are faster.
    fn look(&mut self, attempt: &Attempt<'_>, thread: &Thread, came: u64, starved: bool) -> bool {
        let now = thread.ticks.now();
        if self.pace.is_too_slow(now, came, starved) {
            return false;
        }
        let (came, took) = (came.saturating_sub(self.before), now.saturating_sub(self.since));
        let mut held = attempt.held.borrow_mut();
        if let Some(upload) = held.upload() {
            upload.note(came, took);
            return !upload.is_ended();
        }
        if !starved || took < HASTY_TICKS || std::mem::replace(&mut self.asked, now) == now {
            return true;
        }
        held.yields(thread.tick(), came, took)
    }
}

impl UpstreamRequest<'_> {
    /// Looks after the body that is being sent. When to look again; an error where it is too slow. A long body moves
    /// the moment at which the response is `due`, as its end does.
    pub(super) fn check_upload(
        &self,
        attempt: &Attempt<'_>,
        monitor: &mut Option<UploadMonitor>,
        body: &impl UploadProgress,
        due: &mut u32,
    ) -> Result<u32, ForwardError> {
        let Some(some) = monitor else { return Ok(u32::MAX) };
        let ticks = &self.thread.ticks;
        let Some(came) = body.came().filter(|_| body.moved().is_some()) else {
            // It is completely sent, or no longer needed.
            attempt.sent.set(Some(self.thread.tick()));
            if ticks.now() > some.since {
                *due = (*due).max(ticks.now() + self.timeout);
            }
            *monitor = None;
            return Ok(u32::MAX);
        };
        if body.hold().is_some() {
            *some = UploadMonitor::new(came, ticks.now(), self.wait);
            return Ok(u32::MAX);
        }
        if some.look(attempt, self.thread, came, body.starved()) {
            let rests = attempt.held.borrow().upload().is_some();
            return Ok(ticks.now() + if rests { YIELD_TICKS } else { HASTY_TICKS });
        }
        Err(ForwardError::Slow)
    }
}

/// A request on its way with its body, by whichever protocol.
pub(super) trait UploadProgress {
    /// Bytes that have come of the body.
    fn came(&self) -> Option<u64>;
    /// The tick at which it last made progress, while it is not completely sent.
    fn moved(&self) -> Option<u32>;
    /// The tick until which it is held back.
    fn hold(&self) -> Option<u32>;
    /// Whether it is the client that is waited for.
    fn starved(&self) -> bool;
}

impl UploadProgress for RoundTrip {
    fn came(&self) -> Option<u64> {
        self.came()
    }

    fn moved(&self) -> Option<u32> {
        self.moved()
    }

    fn hold(&self) -> Option<u32> {
        self.hold()
    }

    fn starved(&self) -> bool {
        self.starved()
    }
}

impl UploadProgress for Call {
    fn came(&self) -> Option<u64> {
        self.came()
    }

    fn moved(&self) -> Option<u32> {
        self.moved()
    }

    fn hold(&self) -> Option<u32> {
        self.hold()
    }

    fn starved(&self) -> bool {
        self.starved()
    }
}
