//! The body of a request as it arrives: hyper's body of HTTP/1.1, or a stream of HTTP/2.

use crate::connection::http2_session::Session;
use crate::fields;
use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A request's body as it arrives.
pub(crate) enum Inbound {
    Http1(Incoming),
    Http2(Inflow),
}

/// The client broke off, or what it sent was not HTTP.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the request's body is incomplete")]
pub(crate) struct Broken;

impl Inbound {
    /// Bytes that are still to come, where that is declared.
    pub(crate) fn exact(&self) -> Option<u64> {
        match self {
            Self::Http1(body) => body.size_hint().exact(),
            Self::Http2(body) if body.is_end_stream() => Some(0),
            Self::Http2(body) => body.left,
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    /// Requests a `100 Continue` when the body is first read. hyper does so by itself.
    pub(crate) fn expected(&mut self) -> Option<Rc<Cell<bool>>> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(body) => Some(Rc::clone(body.asked.get_or_insert_default())),
        }
    }

    /// The next frame. Trailers are stripped of framing fields and of fields that only the edge may write.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = match self {
            Self::Http1(body) => ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(|_| Broken)),
            Self::Http2(body) => ready!(body.poll_frame(cx)),
        };
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
        Poll::Ready(Some(Ok(match frame.into_trailers() {
            Ok(trailers) => Frame::trailers(fields::trailers(trailers)),
            Err(frame) => frame,
        })))
    }
}

/// A request's body by HTTP/2. If it is dropped before its end, the connection's task reads and drops the rest.
pub(crate) struct Inflow {
    /// `None` when it is over.
    stream: Option<RecvStream>,
    session: Rc<Session>,
    /// Bytes that are still to come, where that is declared.
    left: Option<u64>,
    /// Whether only trailers can still come.
    trailing: bool,
    /// Set when the body is first read, where the client waits for that.
    asked: Option<Rc<Cell<bool>>>,
}

impl Inflow {
    pub(crate) fn new(stream: RecvStream, session: &Rc<Session>, length: Option<u64>) -> Self {
        let stream = Some(stream);
        Self { stream, session: Rc::clone(session), left: length, trailing: false, asked: None }
    }

    /// The stream itself, for a tunnel.
    pub(crate) fn into_stream(mut self) -> Option<RecvStream> {
        self.stream.take()
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        if let Some(asked) = self.asked.take() {
            asked.set(true);
        }
        if !self.trailing {
            match ready!(stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    let _ = stream.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    self.session.consumed(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(_)) => {
                    self.stream = None;
                    return Poll::Ready(Some(Err(Broken)));
                }
                None => self.trailing = true,
            }
        }
        let trailers = ready!(stream.poll_trailers(cx));
        self.stream = None;
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(_) => Some(Err(Broken)),
        })
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take().filter(|stream| !stream.is_end_stream()) {
            self.session.unwanted(stream);
        }
    }
}
