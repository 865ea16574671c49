//! One request: from its head to the head of its answer.

use crate::body::Body;
use crate::forwarded;
use crate::head::{self, Host, Wishes};
use crate::line::Line;
use crate::refuse::{self, Refusal};
use crate::thread::Thread;
use crate::ticks::ticks;
use crate::upstream::connect;
use crate::upstream::h1::codec::{self, Framing};
use crate::upstream::h1::conn::Conn;
use crate::upstream::h1::exchange::{Exchange, Upload};
use crate::upstream::trouble::Trouble;
use crate::view::View;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// Ticks for which a `100 Continue` is waited for before the body is sent anyway (RFC 9110 section 10.1.1).
const CONTINUE_TICKS: u32 = 10;

/// Serves one request.
pub(crate) async fn serve(
    thread: Rc<Thread>,
    line: Rc<Line>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let busy = line.begin();
    let (mut parts, body) = request.into_parts();
    let mut id = String::with_capacity(32);
    let _ = write!(id, "{:032x}", fastrand::u128(..));
    let page = head::wants_page(&parts.headers);
    let refused = |refusal: Refusal| Ok(refuse::response(refusal, &id, page, busy_of(&line)));
    let (host, wishes) = match head::examine(&mut parts) {
        Ok(found) => found,
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
            return refused(Refusal::new(status, why(fault)).and_close());
        }
    };
    let view = thread.view();
    let length = body.size_hint().exact();
    if length.is_some_and(|length| length > view.limits.body_bytes) {
        return refused(refuse::TOO_LARGE);
    }
    let framing = match length {
        Some(0) if body.is_end_stream() && !tells_length(&parts.method) => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    };
    let mut upload = (!body.is_end_stream()).then(|| {
        let mut upload = Upload::new(body, framing == Framing::Chunked, view.limits.body_bytes);
        if wishes.expects {
            upload.hold = Some(thread.ticks.now() + CONTINUE_TICKS);
        }
        upload
    });
    let mut fresh = false;
    loop {
        let at = thread.pick(&view);
        let home = thread.home(at);
        let idle = if fresh { None } else { home.take() };
        let mut conn = match idle {
            Some(conn) => conn,
            None => match Box::pin(connect::plain(at)).await {
                Ok(stream) => Box::new(Conn::new(stream)),
                Err(trouble) => return refused(told(&trouble)),
            },
        };
        write_head(&mut conn.head, &line, &view, &parts, &host, &wishes, framing);
        let mut exchange = Exchange::new(conn, home, upload);
        let mut map = thread.map();
        let deadline = thread.ticks.after(view.limits.body_wait);
        let alarm = thread.ticks.alarm();
        let answered = poll_fn(|cx| {
            let polled = exchange.poll_head(cx, &thread.ticks, &parts.method, &mut map);
            if polled.is_pending() {
                if alarm.late() {
                    return Poll::Ready(Err(Trouble::Late));
                }
                let hold = exchange.hold().unwrap_or(deadline);
                alarm.set(hold.min(deadline), cx);
            }
            polled
        })
        .await;
        drop(alarm);
        match answered {
            Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                let Some(to) = head.upgrade.filter(|_| wishes.upgrade.is_some()) else {
                    return refused(refuse::BAD_GATEWAY);
                };
                let mut response = Response::new(Body::whole(bytes::Bytes::new(), busy));
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                response.headers_mut().insert(header::UPGRADE, to);
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                line.tunnel.replace(Some(exchange.into_conn()));
                return Ok(response);
            }
            Ok(mut head) => {
                let headers = std::mem::take(&mut head.headers);
                let status = head.status;
                let answer = exchange.into_download(&head, &thread.ticks, ticks(view.limits.body_wait));
                let mut response = Response::new(Body::answer(answer, busy));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                if let Some(reason) = head.reason
                    && let Ok(reason) = hyper::ext::ReasonPhrase::try_from(reason)
                {
                    response.extensions_mut().insert(reason);
                }
                if let Ok(id) = HeaderValue::from_str(&id) {
                    response.headers_mut().insert("x-request-id", id);
                }
                thread.keep_map(parts.headers);
                return Ok(response);
            }
            Err(trouble) => {
                thread.keep_map(map);
                let stale = exchange.reused()
                    && !exchange.begun
                    && !fresh
                    && matches!(trouble, Trouble::Closed | Trouble::Reset(_));
                match exchange.untouched() {
                    Ok(rest) if stale && (rest.is_some() || parts.method.is_idempotent()) => {
                        upload = rest;
                        fresh = true;
                    }
                    _ => return refused(told(&trouble)),
                }
            }
        }
    }
}

fn busy_of(line: &Rc<Line>) -> crate::line::Busy {
    line.begin()
}

/// Whether a request without content says so, as servers expect of these methods (RFC 9110 section 8.6).
fn tells_length(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn write_head(
    out: &mut Vec<u8>,
    line: &Line,
    view: &View,
    parts: &Parts,
    host: &Host,
    wishes: &Wishes,
    framing: Framing,
) {
    let target = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    codec::request_line(out, &parts.method, target, host.value.as_bytes());
    for (name, value) in &parts.headers {
        if head::passes(name) {
            codec::line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    codec::framing(out, framing);
    if wishes.expects && framing != Framing::None {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    if let Some(to) = &wishes.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        codec::line(out, b"upgrade", to.as_bytes());
    }
    let peer = forwarded::plain(line.peer.ip());
    let origin = forwarded::origin(peer, &view.hops, &parts.headers);
    forwarded::write(out, &origin, peer, line.tls, host, &parts.headers);
    out.extend_from_slice(b"\r\n");
}

fn why(fault: head::Fault) -> &'static str {
    match fault {
        head::Fault::Host => "A request names its host exactly once; this one does not.",
        head::Fault::HostName => "The host's name has characters that no host's name has.",
        head::Fault::HostDiffers => "The host in the request line is not the one in the Host field.",
        head::Fault::Target => "The target of this request is not a path.",
        head::Fault::Method => "This method is not served here.",
        head::Fault::Coding => "Of the transfer codings only chunked is understood here.",
        head::Fault::Expectation => "This expectation cannot be met.",
    }
}

/// What a visitor is told of a server's trouble.
fn told(trouble: &Trouble) -> Refusal {
    match trouble {
        Trouble::Certificate { .. } => refuse::CERTIFICATE,
        Trouble::Late | Trouble::Stalled | Trouble::ConnectTime => refuse::LATE,
        Trouble::TooLarge => refuse::TOO_LARGE,
        Trouble::Visitor => refuse::BROKE_OFF,
        _ => refuse::BAD_GATEWAY,
    }
}
