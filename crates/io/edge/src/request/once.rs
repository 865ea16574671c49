//! A write with an idempotency key: it is forwarded once, whatever becomes of its client.
//!
//! The key is on disk before the request is forwarded. The request is forwarded by a task of its own, so that its answer is
//! stored also where the client's connection breaks meanwhile: that client will ask again.

use super::{Answered, ended, failed};
use crate::connection::Busy;
use crate::exchange::Exchange;
use crate::idempotency::{Keyed, RememberedKey, Reply, StoredAnswer, Unavailable};
use crate::phases::idempotency::begin;
use crate::phases::respond::body::Body;
use crate::phases::respond::{Responder, error_page};
use crate::telemetry::{OpenRecord, Verdict};
use crate::ticks::ticks;
use http::Response;
use std::time::Duration;
use tokio::sync::oneshot;
use traffic::idempotency::{ANSWER_MAX, IN_FLIGHT_RETRY, is_result};

/// Time after which a client asks again while keys cannot be written.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(5);
/// Time after which a client asks again that has too many keys.
const TOO_MANY_RETRY: Duration = Duration::from_secs(60);

/// Answers a request with a key.
pub(super) async fn answer(mut exchange: Exchange, keyed: Keyed) -> Response<Body> {
    let limits = &exchange.admitted.view.shared.edge.limits;
    let (wait, room) = (ticks(limits.body_timeout), keyed.max_body.min(limits.body_bytes));
    let has_room = match &mut exchange.admitted.body {
        Some(body) => match body.read_whole(wait, room).await {
            Ok(has_room) => has_room,
            Err(why) => return failed(exchange, why),
        },
        None => true,
    };
    let reply = if has_room { begin(&exchange, keyed).await } else { Err(Unavailable) };
    match reply {
        Ok(Reply::Forward(begun)) => {
            // The body and the disk took their time; the wait for a server begins now.
            exchange.admitted.tick = exchange.thread.tick();
            forward(exchange, begun).await
        }
        Ok(Reply::Replay(answer)) => {
            respond(exchange, |responder, record, busy| responder.replayed(answer, record, busy))
        }
        Ok(Reply::OtherRequest) => respond(exchange, |responder, record, busy| {
            responder.malformed(error_page::OTHER_REQUEST, record, busy)
        }),
        Ok(Reply::InFlight) => respond(exchange, |responder, record, busy| {
            responder.wait(error_page::IN_FLIGHT, IN_FLIGHT_RETRY, Verdict::Duplicate, record, busy)
        }),
        Ok(Reply::TooMany) => respond(exchange, |responder, record, busy| {
            responder.wait(error_page::TOO_MANY_KEYS, TOO_MANY_RETRY, Verdict::Limited, record, busy)
        }),
        Err(Unavailable) => respond(exchange, |responder, record, busy| {
            responder.wait(error_page::NO_KEYS, UNAVAILABLE_RETRY, Verdict::Shed, record, busy)
        }),
    }
}

/// Forwards the request, stores the answer, and returns it.
async fn forward(exchange: Exchange, begun: RememberedKey) -> Response<Body> {
    let (thread, connection) = (exchange.thread.clone(), exchange.connection.clone());
    let (sender, answered) = oneshot::channel();
    tokio::task::spawn_local(Box::pin(async move {
        let (mut response, by) = super::forward(exchange, &|_, _| {}).await;
        match by {
            Answered::ByServer if is_result(response.status().as_u16()) => {
                let body = response.body_mut().collect(ANSWER_MAX).await;
                begun.answered(StoredAnswer::new(response.status(), response.headers(), body));
            }
            Answered::ByServer | Answered::Unsent => begun.undone(),
            Answered::Unknown => drop(begun),
        }
        let _ = sender.send(response);
    }));
    match answered.await {
        Ok(response) => response,
        // Only when the thread ends, or the task panicked.
        Err(_) => ended(&thread, &connection),
    }
}

/// Answers without a server.
fn respond(
    exchange: Exchange,
    answer: impl FnOnce(&Responder<'_>, Box<OpenRecord>, Busy) -> Response<Body>,
) -> Response<Body> {
    let Exchange { thread, connection, parts, mut admitted } = exchange;
    let format = std::mem::take(&mut admitted.format);
    let responder = Responder { thread: &thread, connection: &connection, format };
    let response = answer(&responder, admitted.record, admitted.busy);
    thread.keep_map(parts.headers);
    response
}
