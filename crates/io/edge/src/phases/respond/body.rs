//! The body of a response to a client.

use super::super::forward::http2_call;
use super::super::forward::round_trip::{Answer, Download};
use super::super::record::Completion;
use super::event_stream::EventStream;
use crate::cache::recording::Recording;
use crate::forward_error::ForwardError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A response's body. When it is dropped the request is over.
pub(crate) struct Body {
    kind: Kind,
    sent: u64,
    over: bool,
    /// Set where it is an event stream that counts at its server.
    stream: Option<Box<EventStream>>,
    completion: Completion,
    /// Where it is stored as well.
    recording: Option<Box<Recording>>,
}

enum Kind {
    Whole(Bytes),
    Rest(Box<Download>),
    Http2(Box<http2_call::Download>),
    /// A part that was read already, then the rest.
    Behind(Bytes, Box<Kind>),
    /// A body, then a part of the edge's own, which is empty once it was sent.
    Before(Box<Kind>, Bytes),
    /// It broke off.
    Broken(Option<Box<ForwardError>>),
}

impl Body {
    pub(crate) fn whole(bytes: Bytes, completion: Completion) -> Self {
        let over = bytes.is_empty();
        Self::new(Kind::Whole(bytes), over, completion)
    }

    pub(crate) fn answer(answer: Answer, completion: Completion) -> Self {
        match answer {
            Answer::Whole(bytes) => Self::whole(bytes, completion),
            Answer::Rest(download) => Self::new(Kind::Rest(download), false, completion),
        }
    }

    pub(crate) fn http2(download: Box<http2_call::Download>, completion: Completion) -> Self {
        let over = download.ended();
        Self::new(Kind::Http2(download), over, completion)
    }

    fn new(kind: Kind, over: bool, completion: Completion) -> Self {
        Self { kind, sent: 0, over, stream: None, completion, recording: None }
    }

    /// The same, counted as an event stream.
    pub(super) fn counted(mut self, stream: Option<Box<EventStream>>) -> Self {
        self.stream = stream;
        self
    }

    /// Stores it too, when it is complete.
    pub(crate) fn record(&mut self, recording: Box<Recording>) {
        match &self.kind {
            Kind::Whole(bytes) => {
                if let Some(recording) = recording.push(bytes) {
                    recording.finish();
                }
            }
            _ if self.over => recording.finish(),
            _ => self.recording = Some(recording),
        }
    }

    /// Passes on to the cache what was received.
    fn keep(&mut self, polled: &Poll<Option<Result<Frame<Bytes>, ForwardError>>>) {
        let Some(recording) = self.recording.take() else { return };
        if let (Kind::Before(body, last), Poll::Ready(Some(Ok(_)))) = (&self.kind, polled)
            && last.is_empty()
        {
            // The part of the edge's own is not stored: a stored response gets it again.
            return if body.is_end() { recording.finish() } else { recording.broke() };
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                Some(data) => self.recording = recording.push(data),
                // Trailers are not stored.
                None => return recording.give_up(),
            },
            Poll::Ready(Some(Err(_))) => return recording.broke(),
            Poll::Ready(None) | Poll::Pending => self.recording = Some(recording),
        }
        if self.over
            && let Some(recording) = self.recording.take()
        {
            // A stream that was reset ends too, before its end.
            if http_body::Body::is_end_stream(self) { recording.finish() } else { recording.broke() }
        }
    }

    /// All of a body that is there as a whole. It counts as sent.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let Kind::Whole(bytes) = &mut self.kind else { return None };
        let whole = std::mem::take(bytes);
        self.sent += whole.len() as u64;
        self.over = true;
        Some(whole)
    }

    /// Marks it as complete without sending it.
    pub(crate) fn finish(&mut self) {
        self.over = true;
    }

    /// The time for which a client may read nothing.
    pub(crate) fn wait(&self) -> Duration {
        self.completion.thread.view().shared.edge.limits.body_timeout
    }

    /// Reads up to `most` bytes of it; `None` where it is longer, or breaks off. It can be sent afterwards as before, without
    /// trailers where all was read.
    pub(crate) async fn collect(&mut self, most: usize) -> Option<Bytes> {
        if let Kind::Whole(bytes) = &self.kind {
            return (bytes.len() <= most).then(|| bytes.clone());
        }
        let mut read = Vec::new();
        let mut is_whole = true;
        let broken = loop {
            if http_body::Body::is_end_stream(self) {
                break None;
            }
            match poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *self), cx)).await {
                None => break None,
                Some(Err(why)) => break Some(why),
                Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            }
            if read.len() > most {
                is_whole = false;
                break None;
            }
        };
        is_whole &= broken.is_none();
        let read = Bytes::from(read);
        let rest = match broken {
            Some(why) => Kind::Broken(Some(Box::new(why))),
            None => std::mem::replace(&mut self.kind, Kind::Whole(Bytes::new())),
        };
        self.sent = 0;
        if is_whole {
            self.over = read.is_empty();
            self.kind = Kind::Whole(read.clone());
            return Some(read);
        }
        self.over = false;
        self.kind = Kind::Behind(read, Box::new(rest));
        None
    }

    /// Adds a part at its end.
    pub(crate) fn append(&mut self, last: &'static [u8]) {
        self.over = false;
        self.kind = match std::mem::replace(&mut self.kind, Kind::Whole(Bytes::new())) {
            Kind::Whole(bytes) => Kind::Whole([&bytes[..], last].concat().into()),
            other => Kind::Before(Box::new(other), Bytes::from_static(last)),
        };
    }
}

impl Kind {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ForwardError>>> {
        let next = match self {
            Self::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Self::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Rest(download) => return download.poll_frame(cx),
            Self::Http2(download) => return download.poll_frame(cx),
            Self::Broken(why) => return Poll::Ready(why.take().map(|why| Err(*why))),
            Self::Behind(part, rest) => {
                let part = std::mem::take(part);
                let rest = std::mem::replace(&mut **rest, Self::Whole(Bytes::new()));
                (part, rest)
            }
            Self::Before(_, last) if last.is_empty() => return Poll::Ready(None),
            Self::Before(first, last) => {
                return Poll::Ready(Some(match ready!(first.poll(cx)) {
                    Some(Ok(frame)) if frame.is_data() => Ok(frame),
                    Some(Err(why)) => Err(why),
                    // Trailers, or the end.
                    Some(Ok(_)) | None => Ok(Frame::data(std::mem::take(last))),
                }));
            }
        };
        *self = next.1;
        Poll::Ready(Some(Ok(Frame::data(next.0))))
    }

    fn is_end(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Rest(download) => download.ended(),
            Self::Http2(download) => download.ended(),
            Self::Broken(why) => why.is_none(),
            Self::Behind(..) => false,
            Self::Before(_, last) => last.is_empty(),
        }
    }

    fn size(&self) -> SizeHint {
        let more = |hint: SizeHint, bytes: usize| {
            let exact = hint.exact().map(|exact| exact.saturating_add(bytes as u64));
            exact.map_or_else(SizeHint::default, SizeHint::with_exact)
        };
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Rest(download) => download.size_hint(),
            Self::Http2(download) => download.size_hint(),
            Self::Broken(_) => SizeHint::default(),
            Self::Behind(part, rest) => more(rest.size(), part.len()),
            Self::Before(first, last) => more(first.size(), last.len()),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = ForwardError;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ForwardError>>> {
        if self.stream.as_mut().is_some_and(|stream| stream.ends(cx)) {
            self.kind = Kind::Whole(Bytes::new());
            self.stream = None;
        }
        let polled = self.kind.poll(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(stream), Some(data)) = (&mut self.stream, frame.data_ref()) {
                    stream.sent(data);
                }
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.over = http_body::Body::is_end_stream(&*self);
            }
            Poll::Ready(Some(Err(trouble))) => {
                self.over = true;
                let (failure, why) = (trouble.failure(), trouble.to_string());
                if let Some(record) = &mut self.completion.record {
                    record.broke_off(failure, &why);
                }
            }
            Poll::Ready(None) => self.over = true,
            Poll::Pending => {}
        }
        if self.recording.is_some() {
            self.keep(&polled);
        }
        if self.over {
            self.completion.release();
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.kind.is_end()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.kind.size()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.completion.finish(self.sent, self.over);
    }
}
