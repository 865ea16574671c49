//! HTTP/2 towards a server: one connection a thread, by the crate that hyper is built on. For gRPC: trailers both ways.
//!
//! A request and its answer are moved by the task of the visitor's own stream; only the connection has a task. hyper's client would
//! add two tasks, three channels and two timers' worth of work to each request.

use super::trouble::Trouble;
use crate::content::Content;
use crate::fields;
use crate::stream::Stream;
use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use socket2::{SockRef, TcpKeepalive};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// A silent connection is asked whether it lives after this, by the system: gRPC's servers take pings of HTTP/2 for an attack when
/// they come more often than every five minutes.
const ALIVE: Duration = Duration::from_secs(15);
/// How often it is asked again before it is given up.
const ASKS: u32 = 3;
/// What was sent and not acknowledged for so long ends it as well.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(30);
/// Streams at once before the server has told how many it allows.
const STREAMS_FIRST: usize = 100;
/// Bytes that an answer's head may have.
const HEAD_MAX: u32 = 64 * 1024;
/// Bytes that a server may send on one stream before it waits for us.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The way onto a connection.
#[derive(Clone)]
pub(crate) struct Sender(SendRequest<Bytes>);

impl Sender {
    /// Begins HTTP/2 on a connection.
    pub(crate) async fn begin(stream: Stream) -> Result<Self, Trouble> {
        watch(&stream);
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(STREAMS_FIRST)
            .max_header_list_size(HEAD_MAX)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream)
            .await
            .map_err(|why| Trouble::Http2(why.to_string()))?;
        tokio::task::spawn_local(async move {
            if let Err(why) = connection.await {
                tracing::debug!("an HTTP/2 connection to a server ended: {why}");
            }
        });
        Ok(Self(sender))
    }

    /// Whether it takes no further request.
    pub(crate) fn closed(&mut self) -> bool {
        matches!(self.0.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }

    /// Asks, and takes the body. Where the server allows no further stream, the request waits in the connection.
    pub(crate) fn ask(
        &mut self,
        head: Request<()>,
        body: &mut Option<Content>,
        room: u64,
    ) -> Result<Call, Trouble> {
        let ends = body.as_ref().is_none_or(Body::is_end_stream);
        let (answer, stream) = self.0.send_request(head, ends).map_err(|why| trouble(&why))?;
        let body = body.take().filter(|_| !ends);
        let upload = body.map(|body| Upload { stream, body, room, taken: false, begun: false, next: None });
        Ok(Call { answer, upload, taken: false })
    }
}

/// Nobody says goodbye when a cable is cut.
fn watch(stream: &Stream) {
    let socket = SockRef::from(stream.socket());
    let asks = TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE / ASKS).with_retries(ASKS);
    let kept = socket.set_tcp_keepalive(&asks);
    #[cfg(target_os = "linux")]
    let kept = kept.and_then(|()| socket.set_tcp_user_timeout(Some(UNHEARD)));
    if let Err(why) = kept {
        tracing::debug!("an HTTP/2 connection to a server goes without keepalive: {why}");
    }
}

fn trouble(why: &h2::Error) -> Trouble {
    if why.is_io() || why.is_go_away() { Trouble::Closed } else { Trouble::Http2(why.to_string()) }
}

/// A request under way whose answer has not begun.
pub(crate) struct Call {
    answer: ResponseFuture,
    upload: Option<Upload>,
    /// Whether anything was taken from a body that is all sent.
    taken: bool,
}

impl Call {
    /// Sends, and reads the head of the answer.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, Trouble>> {
        if let Some(upload) = &mut self.upload {
            match upload.poll(cx) {
                Poll::Ready(Ok(())) => {
                    self.taken = upload.taken;
                    self.upload = None;
                }
                Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
                Poll::Pending => {}
            }
        }
        Pin::new(&mut self.answer).poll(cx).map_err(|why| trouble(&why))
    }

    /// The request's body, where nothing was taken from it.
    pub(crate) fn untouched(self) -> Result<Option<Content>, ()> {
        match self.upload {
            Some(upload) if !upload.taken => Ok(Some(upload.body)),
            None if !self.taken => Ok(None),
            _ => Err(()),
        }
    }

    /// What follows the head.
    pub(crate) fn into_download(self, head: &Response<()>, stream: RecvStream) -> Download {
        let length = head.headers().get(header::CONTENT_LENGTH);
        let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let mut download = Download { stream, upload: self.upload, left, trailing: false };
        download.release();
        download
    }
}

/// A request's body on its way.
struct Upload {
    stream: SendStream<Bytes>,
    body: Content,
    /// Bytes that it may still have.
    room: u64,
    /// Whether anything was taken from the body: then the request cannot be made again.
    taken: bool,
    /// Whether some of it was sent. The first part goes with the head and waits for no room: that would be known only when the head
    /// has left, one more turn of both tasks and one more packet later.
    begun: bool,
    /// What waits until the server takes more, and whether it is the last.
    next: Option<(Bytes, bool)>,
}

impl Upload {
    /// Sends until the server takes no more or the body has nothing more yet. Ready when it is over, as the server sees it: that it
    /// wants no more shows in its answer. An error is the visitor's.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        loop {
            if self.begun && self.next.as_ref().is_some_and(|(data, _)| !data.is_empty()) {
                while self.stream.capacity() == 0 {
                    match ready!(self.stream.poll_capacity(cx)) {
                        Some(Ok(0)) => {}
                        Some(Ok(_)) => break,
                        Some(Err(_)) | None => return Poll::Ready(Ok(())),
                    }
                }
            }
            if let Some((data, last)) = self.next.take() {
                self.begun = true;
                if self.stream.send_data(data, last).is_err() || last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    self.taken = true;
                    match frame.into_data() {
                        Ok(data) => self.stage(data)?,
                        Err(frame) => {
                            if let Ok(trailers) = frame.into_trailers() {
                                let _ = self.stream.send_trailers(fields::trailers(trailers));
                                return Poll::Ready(Ok(()));
                            }
                        }
                    }
                }
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(Trouble::Visitor));
                }
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    fn stage(&mut self, data: Bytes) -> Result<(), Trouble> {
        let Some(room) = self.room.checked_sub(data.len() as u64) else {
            self.stream.send_reset(Reason::CANCEL);
            return Err(Trouble::TooLarge);
        };
        self.room = room;
        let last = self.body.is_end_stream();
        if data.is_empty() && !last {
            return Ok(());
        }
        // One byte is enough to be told when there is room; more would be held back from other streams (as hyper has it).
        if self.begun && !data.is_empty() {
            self.stream.reserve_capacity(1);
        }
        self.next = Some((data, last));
        Ok(())
    }

    /// Goes on by itself: the answer was there before the body's end.
    async fn rest(mut self) {
        let _ = poll_fn(|cx| {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            self.poll(cx)
        })
        .await;
    }
}

/// A response's body, with what is left of the request's.
pub(crate) struct Download {
    stream: RecvStream,
    upload: Option<Upload>,
    /// Bytes that will still come, where the server told.
    left: Option<u64>,
    /// Whether only trailers can still come.
    trailing: bool,
}

impl Download {
    /// Whether nothing more comes.
    pub(crate) fn ended(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// What is known of its length.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None if self.ended() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }

    /// The next part.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        if let Some(upload) = &mut self.upload
            && upload.poll(cx).is_ready()
        {
            self.upload = None;
        }
        if !self.trailing {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    self.release();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(why)) => return Poll::Ready(broken(&why)),
                None => self.trailing = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        self.release();
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|map| Ok(Frame::trailers(map))),
            Err(why) => broken(&why),
        })
    }

    /// After the whole answer the request's body goes on alone until the server has it or wants no more (RFC 9113 section 8.1).
    fn release(&mut self) {
        if self.stream.is_end_stream()
            && let Some(upload) = self.upload.take()
        {
            tokio::task::spawn_local(upload.rest());
        }
    }
}

/// A server that wants no more of a request ends it without an error (RFC 9113 section 8.1).
fn broken(why: &h2::Error) -> Option<Result<Frame<Bytes>, Trouble>> {
    (why.reason() != Some(Reason::NO_ERROR)).then(|| Err(Trouble::Http2(why.to_string())))
}
