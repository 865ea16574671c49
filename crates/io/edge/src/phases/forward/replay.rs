//! A request's body that can be sent once more, until the response begins.
//!
//! A server may declare that it did not process a request (RFC 9113 section 8.7), or close a connection that was
//! idle. Sent data is kept up to a bound; a longer body is sent once.

use crate::request_body::RequestBody;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes that are kept of one body: as many as are read of it before a server is chosen.
const KEPT_BYTES: usize = 64 * 1024;
/// Parts that are kept: each costs more than its bytes.
const KEPT_PARTS: usize = 256;

/// A request's body and what was sent of it.
pub(crate) struct ReplayableBody {
    body: RequestBody,
    sent: Vec<Part>,
    bytes: usize,
    /// The number of parts in `sent` that the current attempt has been given.
    at: usize,
    /// Whether part of it is gone: then it cannot be sent again.
    gone: bool,
}

/// One frame.
enum Part {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl ReplayableBody {
    pub(crate) fn new(body: RequestBody) -> Self {
        Self { body, sent: Vec::new(), bytes: 0, at: 0, gone: false }
    }

    /// Begins again.
    ///
    /// # Errors
    /// When part of it is gone.
    pub(crate) fn rewind(mut self) -> Result<Self, ()> {
        self.at = 0;
        if self.gone { Err(()) } else { Ok(self) }
    }

    /// Bytes that have come from the client.
    pub(crate) fn came(&self) -> u64 {
        self.body.came()
    }

    /// Whether all of what was sent can be sent again.
    pub(crate) fn is_kept(&self) -> bool {
        !self.gone
    }

    /// Keeps nothing more: the response has begun.
    pub(crate) fn forget(&mut self) {
        self.gone = true;
        if self.at == self.sent.len() {
            self.sent = Vec::new();
            self.at = 0;
            self.body.count(0);
        }
    }

    /// Whether it has ended.
    pub(crate) fn ended(&self) -> bool {
        self.at == self.sent.len() && self.body.is_end_stream()
    }

    /// The next frame. An error is the client's.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, <RequestBody as Body>::Error>>> {
        if let Some(part) = self.sent.get(self.at) {
            self.at += 1;
            return Poll::Ready(Some(Ok(match part {
                Part::Data(data) => Frame::data(data.clone()),
                Part::Trailers(map) => Frame::trailers(HeaderMap::clone(map)),
            })));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && !self.gone
        {
            self.keep(frame);
        }
        Poll::Ready(frame)
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let part = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Part::Data(data.clone()),
            (None, Some(map)) => Part::Trailers(Box::new(map.clone())),
            (None, None) => return,
        };
        self.bytes += frame.data_ref().map_or(0, Bytes::len);
        let is_much = self.bytes > KEPT_BYTES || self.sent.len() >= KEPT_PARTS;
        if is_much || !self.body.count(self.bytes) {
            self.forget();
            return;
        }
        self.sent.push(part);
        self.at = self.sent.len();
    }
}
