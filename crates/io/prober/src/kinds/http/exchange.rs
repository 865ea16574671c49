//! One request and its response on a connection of its own. RFC 9110.

use super::body::Reader;
use super::head::Head;
use super::message::{Failure, Request, Response, Turn};
use super::stream::Stream;
use super::{http1, http2};
use crate::connect;
use tokio::time::{Instant, timeout_at};
use types::Fault;
use types::fault::Phase;
use types::probe_result::Phases;

/// Requests the URL. `leaves` says, given the head, that the body is not read: the response is a redirect.
pub(super) async fn exchange(
    wire: Stream,
    turn: &Turn<'_>,
    leaves: impl FnOnce(&Head) -> bool,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<Response, Failure> {
    let began = Instant::now();
    let first = wire.first_byte();
    let (request, expect) = (Request::new(turn), &turn.question.expect);
    let reader = |head: &Head| (!leaves(head)).then(|| Reader::new(head, expect));
    let whole = async {
        match wire.is_http2() {
            true => http2::exchange(wire, &request, expect, reader).await,
            false => http1::exchange(wire, &request, expect, reader).await.map_err(Failure::Fault),
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
