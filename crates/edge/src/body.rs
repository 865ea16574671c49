//! What is sent to a visitor after the head.

use crate::line::Busy;
use crate::upstream::h1::exchange::{Answer, Download};
use crate::upstream::trouble::Trouble;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response's body. When it is dropped the request is over.
pub(crate) struct Body {
    kind: Kind,
    /// Dropped with the body.
    _busy: Busy,
}

enum Kind {
    Whole(Bytes),
    Rest(Box<Download>),
    Http2(Incoming),
}

impl Body {
    pub(crate) fn whole(bytes: Bytes, busy: Busy) -> Self {
        Self { kind: Kind::Whole(bytes), _busy: busy }
    }

    pub(crate) fn answer(answer: Answer, busy: Busy) -> Self {
        let kind = match answer {
            Answer::Whole(bytes) => Kind::Whole(bytes),
            Answer::Rest(download) => Kind::Rest(download),
        };
        Self { kind, _busy: busy }
    }

    pub(crate) fn http2(body: Incoming, busy: Busy) -> Self {
        Self { kind: Kind::Http2(body), _busy: busy }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Trouble;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Rest(download) => download.poll_frame(cx),
            Kind::Http2(body) => Pin::new(body).poll_frame(cx).map_err(|why| Trouble::Http2(why.to_string())),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Rest(download) => download.ended(),
            Kind::Http2(body) => body.is_end_stream(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Rest(download) => download.size_hint(),
            Kind::Http2(body) => body.size_hint(),
        }
    }
}
