//! HTTP/2 towards a server: one connection a thread, by hyper. For gRPC: trailers both ways.

use super::trouble::Trouble;
use crate::content::Content;
use crate::stream::Stream;
use crate::tasks::Local;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A silent connection is asked whether it lives after this, and given up when it does not answer in the same time.
const ALIVE: Duration = Duration::from_secs(15);

/// The way onto a connection.
#[derive(Clone)]
pub(crate) struct Sender(SendRequest<Outward>);

impl Sender {
    /// Begins HTTP/2 on a connection.
    pub(crate) async fn begin(stream: Stream) -> Result<Self, Trouble> {
        let (sender, connection) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .keep_alive_interval(ALIVE)
            .keep_alive_timeout(ALIVE)
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(1024 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|why| Trouble::Http2(why.to_string()))?;
        tokio::task::spawn_local(async move {
            if let Err(why) = connection.await {
                tracing::debug!("an HTTP/2 connection to a server ended: {why}");
            }
        });
        Ok(Self(sender))
    }

    pub(crate) fn closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Asks. Waits while the server allows no further stream.
    pub(crate) async fn ask(&mut self, request: Request<Outward>) -> Result<Response<Incoming>, Trouble> {
        self.0.ready().await.map_err(|_| Trouble::Closed)?;
        self.0.send_request(request).await.map_err(|why| {
            if why.is_canceled() || why.is_closed() {
                Trouble::Closed
            } else {
                Trouble::Http2(why.to_string())
            }
        })
    }
}

/// A request's body on its way, or none.
pub(crate) struct Outward {
    body: Option<Content>,
    /// Bytes that it may still have.
    room: u64,
}

impl Outward {
    pub(crate) fn new(body: Option<Content>, room: u64) -> Self {
        Self { body, room }
    }
}

impl Body for Outward {
    type Data = Bytes;
    type Error = Trouble;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        Pin::new(body).poll_frame(cx).map(|frame| {
            let frame = match frame? {
                Ok(frame) => frame,
                Err(_) => return Some(Err(Trouble::Visitor)),
            };
            if let Some(data) = frame.data_ref() {
                match this.room.checked_sub(data.len() as u64) {
                    Some(left) => this.room = left,
                    None => return Some(Err(Trouble::TooLarge)),
                }
            }
            Some(Ok(frame))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
