//! Phase record: the request's record gets the response's head, and is closed when the body has been sent.

use crate::connection::Busy;
use crate::telemetry::{Failure, OpenRecord};
use crate::thread::Thread;
use http::StatusCode;
use http::header::HeaderMap;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Notes the head of a server's response.
pub(crate) fn response_head(record: &mut OpenRecord, status: StatusCode, headers: &HeaderMap, tick: u64) {
    // The time of day is needed only where a server describes a limit.
    let unix = if matches!(status.as_u16(), 429 | 503) {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    } else {
        0
    };
    record.answered(status, headers, tick, unix);
    record.count();
}

/// The end of a request: gives the server's place back and closes the record.
pub(crate) struct Completion {
    pub(crate) thread: Rc<Thread>,
    /// `None` where the request has no record, or it is closed.
    pub(crate) record: Option<Box<OpenRecord>>,
    /// The permit that is given back when the body has come.
    pub(crate) reading: Option<usize>,
    pub(crate) _busy: Busy,
}

impl Completion {
    /// Gives the permit back.
    pub(crate) fn release(&mut self) {
        if let Some(key) = self.reading.take() {
            self.thread.read(key);
        }
    }

    /// Closes the record. `sent`: bytes of the body; `over`: all of it was sent.
    pub(crate) fn finish(&mut self, sent: u64, over: bool) {
        self.release();
        if let Some(mut record) = self.record.take() {
            record.sent = sent;
            if !over && record.failure.is_none() {
                record.failure = Some(Failure::ClientClosed);
            }
            record.close(self.thread.tick().0);
        }
    }
}
