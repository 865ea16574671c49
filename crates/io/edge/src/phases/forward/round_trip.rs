//! A request and its response on one HTTP/1.1 connection, in both directions concurrently: an early response does
//! not wait for the request's body.

use super::replay::ReplayableBody;
use crate::forward_error::{ForwardError, Malformed};
use crate::ticks::{Alarm, Ticks};
use crate::upstream::h1::chunked::{Chunked, Step};
use crate::upstream::h1::codec::{self, Framing, Head};
use crate::upstream::h1::conn::Conn;
use crate::upstream::server_connections::ServerConnections;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A request in progress.
pub(crate) struct RoundTrip {
    conn: Box<Conn>,
    server: Rc<ServerConnections>,
    upload: Option<Upload>,
    /// The body that is all sent, until the response begins.
    spent: Result<Option<ReplayableBody>, ()>,
    /// Whether any of the response was received.
    pub(crate) begun: bool,
    /// Interim responses received.
    interim: u32,
}

/// Interim responses (RFC 9110 section 15.2) that are passed on before the one that counts.
const INTERIM_MAX: u32 = 32;

/// The request's body on its way.
pub(crate) struct Upload {
    pub(crate) body: ReplayableBody,
    pub(crate) chunked: bool,
    /// The tick until which a `100 Continue` is waited for.
    pub(crate) hold: Option<u32>,
    /// Bytes that it may still have.
    pub(crate) room: u64,
    /// The tick at which it last moved.
    moved: u32,
    /// Whether all that has come of it was sent: then it is the client that is waited for.
    starved: bool,
    ended: bool,
    /// The error that ended the upload, while the response may still come.
    failed: Option<ForwardError>,
}

impl Upload {
    pub(crate) fn new(body: ReplayableBody, chunked: bool, room: u64, now: u32) -> Self {
        Self { body, chunked, hold: None, room, moved: now, starved: false, ended: false, failed: None }
    }
}

impl RoundTrip {
    /// Begins on a connection whose outbox holds the head.
    pub(crate) fn new(conn: Box<Conn>, server: Rc<ServerConnections>, upload: Option<Upload>) -> Self {
        Self { conn, server, upload, spent: Ok(None), begun: false, interim: 0 }
    }

    /// Whether the connection had answered before: then a failure may be that it was stale.
    pub(crate) fn reused(&self) -> bool {
        self.conn.answered > 0
    }

    /// The tick until which the body is held back.
    pub(crate) fn hold(&self) -> Option<u32> {
        self.upload.as_ref().and_then(|upload| upload.hold)
    }

    /// The tick at which the body last made progress.
    pub(crate) fn moved(&self) -> Option<u32> {
        self.upload
            .as_ref()
            .filter(|upload| upload.failed.is_none() && !upload.ended)
            .map(|upload| upload.moved)
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
        self.upload.as_ref().is_some_and(|upload| upload.starved && upload.failed.is_none())
    }

    /// Whether nothing of the request was written to the socket.
    pub(crate) fn unsent(&self) -> bool {
        self.conn.unsent()
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

    /// Sends the request, and receives the head of the response. `interim` is called with each interim response.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        ticks: &Ticks,
        method: &Method,
        map: &mut HeaderMap,
        interim: &dyn Fn(StatusCode, &HeaderMap),
    ) -> Poll<Result<Head, ForwardError>> {
        match self.poll_send(cx, ticks) {
            // A server may answer and close before it has read everything: the response counts.
            Poll::Ready(Err(why)) if self.upload.is_none() && !self.reused() => {
                return Poll::Ready(Err(why));
            }
            Poll::Ready(Err(why @ (ForwardError::ClientClosed | ForwardError::TooLarge))) => {
                return Poll::Ready(Err(why));
            }
            Poll::Ready(_) | Poll::Pending => {}
        }
        loop {
            if !self.conn.read.is_empty() {
                self.begun = true;
                if let Some(head) = codec::response(&mut self.conn.read, method, map)? {
                    if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                        return Poll::Ready(self.intact(cx, &head).map(|()| head));
                    }
                    self.interim += 1;
                    if self.interim > INTERIM_MAX {
                        return Poll::Ready(Err(Malformed::Interim.into()));
                    }
                    interim(head.status, &head.headers);
                    *map = head.headers;
                    if head.status == StatusCode::CONTINUE
                        && let Some(upload) = &mut self.upload
                        && upload.hold.take().is_some()
                    {
                        match self.poll_send(cx, ticks) {
                            Poll::Ready(Err(why @ (ForwardError::ClientClosed | ForwardError::TooLarge))) => {
                                return Poll::Ready(Err(why));
                            }
                            Poll::Ready(_) | Poll::Pending => {}
                        }
                    }
                    continue;
                }
            }
            match ready!(self.conn.poll_read(cx, 0)) {
                Ok(0) => {
                    let failed = self.upload.as_mut().and_then(|upload| upload.failed.take());
                    return Poll::Ready(Err(failed.unwrap_or(ForwardError::Closed)));
                }
                Ok(_) => {}
                Err(why) => return Poll::Ready(Err(ForwardError::Reset(why))),
            }
        }
    }

    /// Checks that the response goes on: if the server has already closed the connection, nothing need be
    /// forwarded, and another server may be tried. The data read here would be read next anyway; if none has
    /// arrived, the runtime knows it without a system call.
    fn intact(&mut self, cx: &mut Context<'_>, head: &Head) -> Result<(), ForwardError> {
        let length = match head.framing {
            Framing::Length(length) => Some(usize::try_from(length).unwrap_or(usize::MAX)),
            Framing::Chunked if self.conn.read.ends_with(b"0\r\n\r\n") => return Ok(()),
            Framing::Chunked => None,
            Framing::None | Framing::UntilClose => return Ok(()),
        };
        for _ in 0..2 {
            let want = length.map_or(0, |length| length.saturating_sub(self.conn.read.len()));
            if length.is_some() && want == 0 {
                return Ok(());
            }
            match self.conn.poll_read(cx, want) {
                Poll::Ready(Ok(0)) if length.is_none() && is_whole(&self.conn.read) => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(ForwardError::Truncated),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(why)) => return Err(ForwardError::Reset(why)),
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }

    /// Sends what there is to send.
    fn poll_send(&mut self, cx: &mut Context<'_>, ticks: &Ticks) -> Poll<Result<(), ForwardError>> {
        let Some(upload) = &mut self.upload else {
            return self.conn.poll_write(cx).map_err(ForwardError::Reset);
        };
        if upload.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        let sent = send(&mut self.conn, upload, cx, ticks);
        match sent {
            Poll::Ready(Ok(())) => {
                if let Some(upload) = self.upload.take() {
                    self.spent = upload.body.rewind().map(Some);
                }
            }
            Poll::Ready(Err(ForwardError::Reset(ref why))) => {
                upload.failed = Some(ForwardError::Reset(std::io::Error::from(why.kind())));
            }
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        sent
    }

    /// The connection itself, after a 101.
    pub(crate) fn into_conn(self) -> Box<Conn> {
        self.conn
    }

    /// Returns the body of the response: complete where it arrived with the head.
    pub(crate) fn into_download(mut self, head: &Head, ticks: &Rc<Ticks>, wait: u32) -> Answer {
        self.spent = Ok(None);
        if let Some(upload) = &mut self.upload {
            upload.body.forget();
        }
        let sent = self.upload.is_none() && self.conn.written();
        match head.framing {
            Framing::None | Framing::Length(0) => {
                if head.keep && sent && self.conn.read.is_empty() {
                    self.server.put(self.conn);
                }
                return Answer::Whole(Bytes::new());
            }
            Framing::Length(length) if sent && self.conn.read.len() as u64 == length => {
                let whole = self.conn.read.split().freeze();
                if head.keep {
                    self.server.put(self.conn);
                }
                return Answer::Whole(whole);
            }
            Framing::Length(_) | Framing::Chunked | Framing::UntilClose => {}
        }
        Answer::Rest(Box::new(Download {
            left: match head.framing {
                Framing::Length(length) => Left::Bytes(length),
                Framing::Chunked => Left::Chunks(Chunked::new()),
                Framing::None | Framing::UntilClose => Left::All,
            },
            keep: head.keep,
            round_trip: Some(self),
            alarm: None,
            ticks: Rc::clone(ticks),
            wait,
        }))
    }
}

/// Whether the chunked coding ends within what has come.
fn is_whole(read: &BytesMut) -> bool {
    let (mut chunks, mut rest) = (Chunked::new(), read.clone());
    loop {
        match chunks.decode(&mut rest) {
            Ok(Step::Data(_)) => {}
            Ok(Step::End(_)) => return true,
            Ok(Step::Need) | Err(_) => return false,
        }
    }
}

/// Sends head and body until the socket takes no more or the body has nothing more yet.
fn send(
    conn: &mut Conn,
    upload: &mut Upload,
    cx: &mut Context<'_>,
    ticks: &Ticks,
) -> Poll<Result<(), ForwardError>> {
    if upload.hold.is_some_and(|until| ticks.now() >= until) {
        // The server sent no 100: the client may begin, and its timeout starts.
        upload.hold = None;
        upload.moved = ticks.now();
    }
    let held = upload.hold.is_some();
    upload.starved = false;
    loop {
        let mut blocked = held;
        if !held && conn.data.is_empty() && conn.tail.is_empty() && !upload.ended {
            match upload.body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    upload.moved = ticks.now();
                    stage(conn, upload, frame)?;
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(ForwardError::ClientClosed)),
                Poll::Ready(None) => {
                    upload.ended = true;
                    if upload.chunked {
                        conn.tail = b"0\r\n\r\n";
                    }
                }
                Poll::Pending => blocked = true,
            }
        }
        ready!(conn.poll_write(cx)).map_err(ForwardError::Reset)?;
        if upload.ended {
            return Poll::Ready(Ok(()));
        }
        if blocked {
            upload.starved = !held;
            return Poll::Pending;
        }
    }
}

/// Puts one frame of the body into the outbox.
fn stage(conn: &mut Conn, upload: &mut Upload, frame: Frame<Bytes>) -> Result<(), ForwardError> {
    match frame.into_data() {
        Ok(data) => {
            upload.room = upload.room.checked_sub(data.len() as u64).ok_or(ForwardError::TooLarge)?;
            if data.is_empty() {
                return Ok(());
            }
            if upload.chunked {
                conn.head.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                conn.tail = b"\r\n";
            } else if upload.body.ended() {
                upload.ended = true;
            }
            conn.data = data;
        }
        Err(frame) => {
            if let Ok(trailers) = frame.into_trailers() {
                upload.ended = true;
                if upload.chunked {
                    conn.head.extend_from_slice(b"0\r\n");
                    for (name, value) in &trailers {
                        codec::line(&mut conn.head, name.as_str().as_bytes(), value.as_bytes());
                    }
                    conn.tail = b"\r\n";
                }
            }
        }
    }
    Ok(())
}

/// The body of a response.
pub(crate) enum Answer {
    /// All of it has come.
    Whole(Bytes),
    /// To be received.
    Rest(Box<Download>),
}

enum Left {
    Bytes(u64),
    Chunks(Chunked),
    All,
}

/// A response's body, read from the socket as the client takes it.
pub(crate) struct Download {
    round_trip: Option<RoundTrip>,
    left: Left,
    keep: bool,
    alarm: Option<Alarm>,
    ticks: Rc<Ticks>,
    /// Ticks for which it may stall.
    wait: u32,
}

impl Download {
    /// The known bounds of its length.
    pub(crate) fn size_hint(&self) -> http_body::SizeHint {
        match &self.left {
            Left::Bytes(left) => http_body::SizeHint::with_exact(*left),
            Left::Chunks(_) | Left::All => http_body::SizeHint::default(),
        }
    }

    /// Whether its end is marked, so that a part is not taken for the whole.
    pub(crate) fn has_end(&self) -> bool {
        !matches!(self.left, Left::All)
    }

    /// Whether it has ended.
    pub(crate) fn ended(&self) -> bool {
        self.round_trip.is_none()
    }

    /// The next part.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ForwardError>>> {
        let polled = self.poll_next(cx);
        match &polled {
            Poll::Pending => {
                let alarm = self.alarm.get_or_insert_with(|| self.ticks.alarm());
                if alarm.late() {
                    self.round_trip = None;
                    return Poll::Ready(Some(Err(ForwardError::Stalled)));
                }
                alarm.set(self.ticks.now().saturating_add(self.wait), cx);
            }
            Poll::Ready(Some(Err(_))) => self.round_trip = None,
            Poll::Ready(_) => {
                if let Some(alarm) = &self.alarm {
                    alarm.clear();
                }
            }
        }
        polled
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ForwardError>>> {
        loop {
            let Some(round_trip) = &mut self.round_trip else { return Poll::Ready(None) };
            if round_trip.upload.is_some() || !round_trip.conn.written() {
                // Once the server has answered, it decides whether it needs the rest of the request.
                let _ = round_trip.poll_send(cx, &self.ticks);
            }
            let want = match &mut self.left {
                Left::Bytes(left) => {
                    if !round_trip.conn.read.is_empty() {
                        let data = take(&mut round_trip.conn.read, *left);
                        *left -= data.len() as u64;
                        if *left == 0 {
                            self.finish();
                        }
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    usize::try_from(*left).unwrap_or(usize::MAX)
                }
                Left::Chunks(chunks) => match chunks.decode(&mut round_trip.conn.read) {
                    Ok(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(Step::End(trailers)) => {
                        self.finish();
                        return Poll::Ready(trailers.map(|map| Ok(Frame::trailers(map))));
                    }
                    Ok(Step::Need) => 0,
                    Err(_) => return Poll::Ready(Some(Err(ForwardError::Chunks))),
                },
                Left::All => {
                    if !round_trip.conn.read.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(round_trip.conn.read.split().freeze()))));
                    }
                    0
                }
            };
            match ready!(round_trip.conn.poll_read(cx, want)) {
                Ok(0) => {
                    self.round_trip = None;
                    return Poll::Ready(match self.left {
                        Left::All => None,
                        Left::Bytes(_) | Left::Chunks(_) => Some(Err(ForwardError::Truncated)),
                    });
                }
                Ok(_) => {}
                Err(why) => return Poll::Ready(Some(Err(ForwardError::Reset(why)))),
            }
        }
    }

    /// The response is complete: the connection goes home if another request may follow.
    fn finish(&mut self) {
        if let Some(round_trip) = self.round_trip.take()
            && self.keep
            && round_trip.upload.is_none()
            && round_trip.conn.written()
            && round_trip.conn.read.is_empty()
        {
            round_trip.server.put(round_trip.conn);
        }
    }
}

fn take(buf: &mut BytesMut, most: u64) -> Bytes {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(buf.len());
    buf.split_to(length).freeze()
}
