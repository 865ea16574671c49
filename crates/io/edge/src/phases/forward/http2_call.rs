//! A request and its response on one HTTP/2 stream to a server.

use super::replay::ReplayableBody;
use crate::forward_error::{ForwardError, Malformed};
use crate::ticks::Ticks;
use crate::upstream::http2::{INTERIM_MAX, error};
use crate::upstream::http2_pool::Lease;
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Asks on a connection, and takes the body. Where the server allows no further stream, the request waits in the
/// connection.
///
/// # Errors
/// When the connection accepts no request; the body is left.
pub(crate) fn ask(
    lease: Lease,
    head: Request<()>,
    body: &mut Option<ReplayableBody>,
    room: u64,
    (hold, now): (Option<u32>, u32),
) -> Result<Call, ForwardError> {
    let ends = body.as_ref().is_none_or(ReplayableBody::ended);
    let (answer, stream) = lease.sender().send(head, ends)?;
    let whole = body.take();
    let (upload, spent) = match whole {
        Some(body) if !ends => (
            Some(Upload { stream, body, room, hold, moved: now, starved: false, begun: false, next: None }),
            Ok(None),
        ),
        whole => (None, Ok(whole)),
    };
    Ok(Call { answer, upload, spent, interim: 0, ended: now, lease })
}

/// A request in progress whose response has not begun.
pub(crate) struct Call {
    answer: ResponseFuture,
    upload: Option<Upload>,
    /// The body that is all sent.
    spent: Result<Option<ReplayableBody>, ()>,
    interim: u32,
    /// The tick at which the request ended.
    ended: u32,
    lease: Lease,
}

impl Call {
    /// Sends the request, and receives the head of the response. `interim` is called with each interim response.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        ticks: &Ticks,
        interim: &dyn Fn(StatusCode, &HeaderMap),
    ) -> Poll<Result<Response<RecvStream>, ForwardError>> {
        while let Poll::Ready(Some(head)) = self.answer.poll_informational(cx) {
            let head = head.map_err(|why| error(&why))?;
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Poll::Ready(Err(Malformed::Interim.into()));
            }
            if head.status() == StatusCode::CONTINUE
                && let Some(upload) = &mut self.upload
            {
                upload.hold = None;
            }
            interim(head.status(), head.headers());
        }
        if let Some(upload) = &mut self.upload
            && upload.hold.is_none_or(|until| ticks.now() >= until)
        {
            if upload.hold.take().is_some() {
                // The server sent no 100: the client may begin, and its timeout starts.
                upload.moved = ticks.now();
            }
            let room = upload.room;
            let polled = upload.poll(cx);
            if upload.room != room {
                upload.moved = ticks.now();
            }
            match polled {
                Poll::Ready(Ok(())) => {
                    if let Some(upload) = self.upload.take() {
                        self.ended = ticks.now();
                        self.spent = upload.body.rewind().map(Some);
                    }
                }
                Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
                Poll::Pending => {}
            }
        }
        let head = ready!(Pin::new(&mut self.answer).poll(cx)).map_err(|why| error(&why))?;
        self.lease.answered();
        Poll::Ready(Ok(head))
    }

    /// The tick until which the body is held back.
    pub(crate) fn hold(&self) -> Option<u32> {
        self.upload.as_ref().and_then(|upload| upload.hold)
    }

    /// The tick at which the request ended, if it has.
    pub(crate) fn ended(&self) -> Option<u32> {
        self.upload.is_none().then_some(self.ended)
    }

    /// The tick at which the body last made progress.
    pub(crate) fn moved(&self) -> Option<u32> {
        self.upload.as_ref().map(|upload| upload.moved)
    }

    /// Bytes that have come of the body that is on its way.
    pub(crate) fn came(&self) -> Option<u64> {
        self.upload.as_ref().map(|upload| upload.body.came())
    }

    /// Whether all that was sent can be sent again.
    pub(crate) fn is_kept(&self) -> bool {
        self.upload.as_ref().map_or(self.spent.is_ok(), |upload| upload.body.is_kept())
    }

    /// Whether it is the client, with its body, that is waited for.
    pub(crate) fn starved(&self) -> bool {
        self.upload.as_ref().is_some_and(|upload| upload.starved && upload.hold.is_none())
    }

    /// Whether the connection had answered before.
    pub(crate) fn reused(&self) -> bool {
        self.lease.reused
    }

    /// The request's body, to be sent once more.
    ///
    /// # Errors
    /// When part of it is gone.
    pub(crate) fn into_body(self) -> Result<Option<ReplayableBody>, ()> {
        match self.upload {
            Some(upload) => upload.body.rewind().map(Some),
            None => self.spent,
        }
    }

    /// Returns the body of the response.
    pub(crate) fn into_download(self, head: &Response<()>, stream: RecvStream) -> Download {
        let length = head.headers().get(header::CONTENT_LENGTH);
        let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let mut upload = self.upload;
        if let Some(upload) = &mut upload {
            upload.hold = None;
            upload.body.forget();
        }
        let mut download = Download { stream, upload, left, trailing: false, lease: Some(self.lease) };
        download.release();
        download
    }
}

/// A request's body on its way.
struct Upload {
    stream: SendStream<Bytes>,
    body: ReplayableBody,
    /// Bytes that it may still have.
    room: u64,
    /// The tick until which a `100 Continue` is waited for.
    hold: Option<u32>,
    /// The tick at which it last moved.
    moved: u32,
    /// Whether all that has come of it was sent: then it is the client that is waited for.
    starved: bool,
    /// Whether some of it was sent. The first part goes with the head and waits for no room: that would be known only
    /// when the head has left, one more turn of both tasks and one more packet later.
    begun: bool,
    /// Data waiting until the server accepts more, and whether it is the last.
    next: Option<(Bytes, bool)>,
}

impl Upload {
    /// Sends until the server accepts no more or no more data has arrived. Ready when it is over for the server:
    /// that it wants no more shows in its response. An error is the client's.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ForwardError>> {
        self.starved = false;
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
            let polled = self.body.poll_frame(cx);
            self.starved = polled.is_pending();
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.stage(data)?,
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            let _ = self.stream.send_trailers(trailers);
                            return Poll::Ready(Ok(()));
                        }
                    }
                },
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(ForwardError::ClientClosed));
                }
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    fn stage(&mut self, data: Bytes) -> Result<(), ForwardError> {
        let Some(room) = self.room.checked_sub(data.len() as u64) else {
            self.stream.send_reset(Reason::CANCEL);
            return Err(ForwardError::TooLarge);
        };
        self.room = room;
        let last = self.body.ended();
        if data.is_empty() && !last {
            return Ok(());
        }
        // One byte is enough to be notified when there is room; more would be held back from other streams (as
        // hyper does).
        if self.begun && !data.is_empty() {
            self.stream.reserve_capacity(1);
        }
        self.next = Some((data, last));
        Ok(())
    }

    /// Goes on by itself: the response was there before the body's end.
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
    /// Bytes still to come, where the length is declared.
    left: Option<u64>,
    /// Whether only trailers can still come.
    trailing: bool,
    lease: Option<Lease>,
}

impl Download {
    /// Whether it has ended.
    pub(crate) fn ended(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// The known bounds of its length.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None if self.ended() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }

    /// The next part.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ForwardError>>> {
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

    /// After the complete response the request's body is still sent until the server has it or wants no more (RFC
    /// 9113 section 8.1).
    fn release(&mut self) {
        if self.stream.is_end_stream()
            && let Some(upload) = self.upload.take()
        {
            let lease = self.lease.take();
            tokio::task::spawn_local(async move {
                upload.rest().await;
                drop(lease);
            });
        }
    }
}

/// A server that wants no more of a request ends it without an error (RFC 9113 section 8.1).
fn broken(why: &h2::Error) -> Option<Result<Frame<Bytes>, ForwardError>> {
    (why.reason() != Some(Reason::NO_ERROR)).then(|| Err(ForwardError::Http2(why.to_string())))
}
