//! What is sent to a visitor after the head.

use crate::line::Busy;
use crate::seeing::{Failure, Open};
use crate::thread::Thread;
use crate::upstream::h1::exchange::{Answer, Download};
use crate::upstream::h2;
use crate::upstream::trouble::Trouble;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A response's body. When it is dropped the request is over.
pub(crate) struct Body {
    kind: Kind,
    sent: u64,
    over: bool,
    end: End,
}

/// What is done at the end.
pub(crate) struct End {
    pub(crate) thread: Rc<Thread>,
    /// `None` where the request was over before.
    pub(crate) open: Option<Box<Open>>,
    /// The permit that is given back when the body has come.
    pub(crate) reading: Option<usize>,
    pub(crate) _busy: Busy,
}

enum Kind {
    Whole(Bytes),
    Rest(Box<Download>),
    Http2(Box<h2::Download>),
}

impl Body {
    pub(crate) fn whole(bytes: Bytes, end: End) -> Self {
        Self { over: bytes.is_empty(), kind: Kind::Whole(bytes), sent: 0, end }
    }

    pub(crate) fn answer(answer: Answer, end: End) -> Self {
        match answer {
            Answer::Whole(bytes) => Self::whole(bytes, end),
            Answer::Rest(download) => Self { kind: Kind::Rest(download), sent: 0, over: false, end },
        }
    }

    pub(crate) fn http2(download: Box<h2::Download>, end: End) -> Self {
        Self { over: download.ended(), kind: Kind::Http2(download), sent: 0, end }
    }

    /// All of a body that is there as a whole. It counts as sent.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let Kind::Whole(bytes) = &mut self.kind else { return None };
        let whole = std::mem::take(bytes);
        self.sent += whole.len() as u64;
        self.over = true;
        Some(whole)
    }

    /// Nothing of it is to be sent.
    pub(crate) fn finish(&mut self) {
        self.over = true;
    }

    /// How long a client may take nothing of it.
    pub(crate) fn wait(&self) -> Duration {
        self.end.thread.near().view.edge.limits.body_timeout
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Rest(download) => download.poll_frame(cx),
            Kind::Http2(download) => download.poll_frame(cx),
        }
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
        let polled = self.poll(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.over = http_body::Body::is_end_stream(&*self);
            }
            Poll::Ready(Some(Err(trouble))) => {
                self.over = true;
                let (failure, why) = (trouble.failure(), trouble.to_string());
                if let Some(open) = &mut self.end.open {
                    open.broke_off(failure, &why);
                }
            }
            Poll::Ready(None) => self.over = true,
            Poll::Pending => {}
        }
        if self.over
            && let Some(key) = self.end.reading.take()
        {
            self.end.thread.read(key);
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Rest(download) => download.ended(),
            Kind::Http2(download) => download.ended(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Rest(download) => download.size_hint(),
            Kind::Http2(download) => download.size_hint(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(key) = self.end.reading.take() {
            self.end.thread.read(key);
        }
        if let Some(mut open) = self.end.open.take() {
            open.sent = self.sent;
            if !self.over && open.failure.is_none() {
                open.failure = Some(Failure::Left);
            }
            open.close(self.end.thread.tick().0);
        }
    }
}
