//! One request by HTTP/2 from its verdict to the last byte of its response.

use crate::connection::http2_session::Session;
use crate::exchange::Exchange;
use crate::phases::respond::body::Body;
use crate::request;
use crate::thread::Thread;
use crate::ticks::Alarm;
use crate::tunnel::{self, Duplex};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::{Body as _, Frame};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Has a request answered, and sends the response.
pub(super) async fn answer(
    thread: Rc<Thread>,
    session: Rc<Session>,
    mut exchange: Exchange,
    respond: SendResponse<Bytes>,
) {
    let is_head = *exchange.method() == Method::HEAD;
    let tunnel = exchange.take_tunnel();
    let asked = exchange.expected();
    let respond = RefCell::new(respond);
    let answered = {
        let interim = |status: StatusCode, headers: &HeaderMap| {
            // A 100 is sent when the body is read.
            if status != StatusCode::CONTINUE {
                inform(&respond, status, headers.clone());
            }
        };
        let mut answering = pin!(request::finish(exchange, &interim));
        poll_fn(|cx| {
            if respond.borrow_mut().poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            let polled = answering.as_mut().poll(cx).map(Some);
            if polled.is_pending() && asked.as_ref().is_some_and(|asked| asked.replace(false)) {
                inform(&respond, StatusCode::CONTINUE, HeaderMap::new());
            }
            polled
        })
        .await
    };
    let Some(response) = answered else { return };
    // Set by this very response: no other task has run since.
    let switched = session.connection.tunnel.take();
    let mut respond = respond.into_inner();
    if let (Some(switched), Some((stream, place))) = (switched, tunnel) {
        let (parts, _) = response.into_parts();
        let Ok(sending) = respond.send_response(Response::from_parts(parts, ()), false) else { return };
        tunnel::http2(Duplex::new(stream, sending, session), switched).await;
        drop(place);
    } else if let Some((response, stream)) = head(&thread, response, is_head, &mut respond) {
        body(session, response, stream).await;
    }
}

fn inform(respond: &RefCell<SendResponse<Bytes>>, status: StatusCode, headers: HeaderMap) {
    let mut interim = Response::new(());
    *interim.status_mut() = status;
    *interim.headers_mut() = headers;
    if let Err(why) = respond.borrow_mut().send_informational(interim) {
        tracing::debug!("an interim response is not sent: {why}");
    }
}

/// Sends the head of a response, and all of a body that is there already. What is left to be sent otherwise.
pub(super) fn head(
    thread: &Thread,
    response: Response<Body>,
    is_head: bool,
    respond: &mut SendResponse<Bytes>,
) -> Option<(Body, SendStream<Bytes>)> {
    let (mut parts, mut body) = response.into_parts();
    if !parts.headers.contains_key(header::DATE) {
        parts.headers.insert(header::DATE, date(thread.ticks.now()));
    }
    let ends = body.is_end_stream();
    if !ends
        && let Some(length) = body.size_hint().exact()
        && !parts.headers.contains_key(header::CONTENT_LENGTH)
    {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let ends = ends || is_head;
    match respond.send_response(Response::from_parts(parts, ()), ends) {
        Ok(_) if ends => {
            body.finish();
            None
        }
        Ok(mut stream) => match body.take_whole() {
            Some(whole) => {
                let _ = stream.send_data(whole, true);
                None
            }
            None => Some((body, stream)),
        },
        Err(why) => {
            tracing::debug!("a response cannot be sent by HTTP/2: {why}");
            respond.send_reset(Reason::INTERNAL_ERROR);
            None
        }
    }
}

/// Sends the body of a response as it arrives and as the client reads it.
pub(super) async fn body(session: Rc<Session>, body: Body, stream: SendStream<Bytes>) {
    let moved = session.connection.ticks.now();
    let mut outflow = Outflow { session, body, stream, next: None, moved };
    let mut alarm: Option<Alarm> = None;
    poll_fn(|cx| {
        let polled = outflow.poll(cx);
        if polled.is_ready() || outflow.next.is_none() {
            if let Some(alarm) = &alarm {
                alarm.clear();
            }
            return polled;
        }
        // The client takes nothing.
        let ticks = &outflow.session.connection.ticks;
        let due = outflow.moved.saturating_add(crate::ticks::ticks(outflow.body.wait()));
        if ticks.now() >= due {
            outflow.stream.send_reset(Reason::CANCEL);
            return Poll::Ready(());
        }
        alarm.get_or_insert_with(|| ticks.alarm()).set(due, cx);
        Poll::Pending
    })
    .await;
}

/// The body of a response on its way to a client.
struct Outflow {
    session: Rc<Session>,
    body: Body,
    stream: SendStream<Bytes>,
    /// Data waiting until the client accepts more, and whether it is the last.
    next: Option<(Bytes, bool)>,
    /// The tick at which it last moved.
    moved: u32,
}

impl Outflow {
    /// Ready when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            if self.next.is_some() {
                while self.stream.capacity() == 0 {
                    match ready!(self.stream.poll_capacity(cx)) {
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return Poll::Ready(()),
                    }
                }
            }
            if let Some((data, last)) = self.next.take() {
                self.session.progress();
                if self.stream.send_data(data, last).is_err() || last {
                    return Poll::Ready(());
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    self.moved = self.session.connection.ticks.now();
                    if self.stage(frame) {
                        return Poll::Ready(());
                    }
                }
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(());
                }
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Takes one frame. Whether it was the last, and was sent.
    fn stage(&mut self, frame: Frame<Bytes>) -> bool {
        match frame.into_data() {
            Ok(data) => {
                let last = self.body.is_end_stream();
                if data.is_empty() {
                    return last && self.stream.send_data(data, true).is_ok();
                }
                // One byte is enough to be notified when there is room; more would be held back from other streams
                // (as hyper does).
                self.stream.reserve_capacity(1);
                self.next = Some((data, last));
                false
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.stream.reserve_capacity(0);
                    let _ = self.stream.send_trailers(trailers);
                }
                true
            }
        }
    }
}

thread_local! {
    /// The date as responses have it, and the tick for which it was made.
    static DATE: RefCell<(u32, Option<HeaderValue>)> = const { RefCell::new((0, None)) };
}

/// The date of a response whose server sent none (RFC 9110 section 6.6.1).
fn date(now: u32) -> HeaderValue {
    DATE.with_borrow_mut(|(tick, date)| {
        if let Some(date) = date
            && *tick == now
        {
            return date.clone();
        }
        let text = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&jiff::Timestamp::now())
            .ok()
            .and_then(|text| HeaderValue::try_from(text).ok());
        *tick = now;
        let fresh = text.unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        *date = Some(fresh.clone());
        fresh
    })
}
