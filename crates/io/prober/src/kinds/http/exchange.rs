//! One request and its response on a connection of its own. RFC 9110.

use super::body::Reader;
use super::cookies::CookieJar;
use super::head::Head;
use super::message::{Failure, Request, Response};
use super::stream::Stream;
use super::{http1, http2};
use crate::connect;
use tokio::time::{Instant, timeout_at};
use types::Fault;
use types::fault::Phase;
use types::probe_result::Phases;
use url::Url;

/// Treatment of the body.
pub(super) enum Body<'a> {
    /// It is not read: the response is a redirect.
    Leave,
    /// It is read up to the limit and searched for this text.
    Read(Option<&'a str>),
}

/// Requests the URL. `body` decides on the body, given the head.
pub(super) async fn exchange<'a>(
    wire: Stream,
    url: &Url,
    (jar, token): (&CookieJar, Option<String>),
    body: impl FnOnce(&Head) -> Body<'a>,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<Response, Failure> {
    let began = Instant::now();
    let first = wire.first_byte();
    let request = Request::new(url, jar, token);
    let reader = |head: &Head| match body(head) {
        Body::Leave => None,
        Body::Read(needle) => Some(Reader::new(head, needle)),
    };
    let whole = async {
        match wire.is_http2() {
            true => http2::exchange(wire, &request, reader).await,
            false => http1::exchange(wire, &request, reader).await.map_err(Failure::Fault),
        }
    };
    let done = timeout_at(deadline, whole).await;
    let heard = first.get().copied();
    connect::add(&mut phases.first_byte, heard.unwrap_or_else(Instant::now) - began);
    done.unwrap_or_else(|_| {
        let phase = if heard.is_some() { Phase::Body } else { Phase::FirstByte };
        Err(Failure::Fault(Fault::TimedOut { phase }))
    })
}
