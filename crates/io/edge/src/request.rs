//! One request from its head to the head of its response: the list of its phases.

use crate::connection::Connection;
use crate::exchange::{Admitted, ErrorFormat, Exchange, opening};
use crate::inbound::Inbound;
use crate::phases::admit::{self, Deadlines, NO_POOL};
use crate::phases::respond::body::Body;
use crate::phases::respond::{self, Responder, error_page};
use crate::phases::{accept, forward, identify, parse};
use crate::request_body::RequestBody;
use crate::telemetry::Phase;
use crate::thread::Thread;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;
use traffic::Shed;

/// Serves one request of HTTP/1.1. A request that is refused is answered without a future of its own, so that a
/// refusal costs no more than it must.
pub(crate) fn serve(
    thread: &Rc<Thread>,
    connection: &Rc<Connection>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let (parts, body) = request.into_parts();
    let started = start(thread, connection, parts, Inbound::Http1(body));
    async move {
        match started {
            Ok(exchange) => {
                let connection = Rc::clone(&exchange.connection);
                let is_eleven = exchange.parts.version == Version::HTTP_11;
                let interim = |status: StatusCode, headers: &HeaderMap| {
                    // hyper sends a 100 when the body is read. HTTP/1.0 knows no interim responses.
                    if is_eleven && status != StatusCode::CONTINUE {
                        connection.inform(status, headers);
                    }
                };
                Ok(finish(exchange, &interim).await)
            }
            Err(response) => Ok(response),
        }
    }
}

/// Runs the phases up to the verdict. Returns the admitted request, or the response of a refused one.
#[allow(clippy::result_large_err, reason = "the refusal is what this is made for")]
pub(crate) fn start(
    thread: &Rc<Thread>,
    connection: &Rc<Connection>,
    mut parts: Parts,
    body: Inbound,
) -> Result<Exchange, Response<Body>> {
    let mut body = Some(body);
    match until_verdict(thread, connection, &mut parts, &mut body) {
        Ok(admitted) => {
            let (thread, connection) = (Rc::clone(thread), Rc::clone(connection));
            Ok(Exchange { thread, connection, parts, admitted })
        }
        Err(response) => {
            thread.keep_map(parts.headers);
            Err(response)
        }
    }
}

/// Runs the phases after the verdict. `interim` is called with the interim responses before the final one.
pub(crate) async fn finish(exchange: Exchange, interim: &dyn Fn(StatusCode, &HeaderMap)) -> Response<Body> {
    let Exchange { thread, connection, mut parts, admitted } = exchange;
    let response = from_verdict(&thread, &connection, &mut parts, admitted, interim).await;
    thread.keep_map(parts.headers);
    response
}

/// The phases accept, parse, identify and the first part of admit: they need neither a server nor a body.
#[allow(clippy::result_large_err, reason = "the refusal is what this is made for")]
fn until_verdict(
    thread: &Rc<Thread>,
    connection: &Rc<Connection>,
    parts: &mut Parts,
    body: &mut Option<Inbound>,
) -> Result<Box<Admitted>, Response<Body>> {
    let accept::Accepted { came, busy, view } = accept::accept(thread, connection);
    if accept::is_health_check(&view, parts) {
        let responder = Responder { thread, connection, format: ErrorFormat::default() };
        return Err(responder.health(busy));
    }
    let accept::Started { forwarded, has, tick, mut record } =
        accept::start(thread, connection, &view, parts);
    let responder = Responder { thread, connection, format: ErrorFormat::of(parts, has) };
    let parsed = parse::parse(connection, &view, (parts, has), body.as_ref(), forwarded.https, &mut record);
    let parse::Parsed { host, options, route, length } = match parsed {
        Ok(parsed) => parsed,
        Err(why) => return Err(responder.refused(why, record, busy)),
    };
    let (from, to) = ((thread, connection), (route, &host));
    let identified = identify::identify(from, &view, to, (parts, has), &forwarded, &mut record);
    let cleared = match admit::check_limits(thread, route, &identified, tick, &mut record) {
        Ok(cleared) => cleared,
        Err(why) => return Err(responder.not_cleared(&why, route, &parts.method, record, busy)),
    };
    let shown = identified.shown;
    let Some((place, pool)) = view.shared.pool_of(route) else {
        return Err(responder.shed(&NO_POOL, record, busy));
    };
    connection.pool.set(place);
    let is_empty = body.as_ref().is_none_or(Inbound::is_end_stream);
    let announced = match opening(&options, &responder.format) {
        None => pool.announce(tick, cleared.class, (cleared.number, cleared.subnet())),
        Some(_) => Ok(()),
    };
    if let Err(shed) = &announced
        && admit::may_answer_now(connection, (parts, &options), (is_empty, length), came)
    {
        return Err(responder.shed(shed, record, busy));
    }
    let upgrades = options.upgrade.is_some();
    let slot = if upgrades && connection.http2.get() {
        Some(admit::tunnel_slot(thread, connection, &view))
    } else {
        None
    };
    if let Some(None) = slot {
        return Err(responder.malformed(error_page::TUNNELS, record, busy));
    }
    let tunnel = slot.flatten().and_then(|slot| Some((body.take()?, slot)));
    let body = body.take().filter(|_| !is_empty && !upgrades).map(|body| RequestBody::new(body, thread));
    let (format, route) = (responder.format, route.index);
    Ok(Box::new(Admitted {
        view,
        route,
        host,
        options,
        format,
        length,
        body,
        tunnel,
        forwarded,
        cleared,
        shown,
        announced,
        tick,
        record,
        busy,
    }))
}

/// The second part of admit, which waits for a body and a server, then forward and respond. The record is closed with
/// the response's body.
async fn from_verdict(
    thread: &Rc<Thread>,
    connection: &Rc<Connection>,
    parts: &mut Parts,
    mut admitted: Box<Admitted>,
    interim: &dyn Fn(StatusCode, &HeaderMap),
) -> Response<Body> {
    let format = std::mem::take(&mut admitted.format);
    let opening = opening(&admitted.options, &format);
    let responder = Responder { thread, connection, format };
    let view = Rc::clone(&admitted.view);
    let route = view.shared.policy.routes().get(admitted.route);
    let Some((route, (place, pool))) = route.and_then(|route| Some((route, view.shared.pool_of(route)?)))
    else {
        return responder.shed(&NO_POOL, admitted.record, admitted.busy);
    };
    let is_empty = admitted.body.is_none();
    let tick = match admit::read_body(thread, &mut admitted, pool.protocol).await {
        Ok(tick) => tick,
        Err(error) => return responder.failed(&error, route, admitted.record, admitted.busy),
    };
    let shed: Option<Shed> = admitted.announced.as_ref().err().copied();
    if let Some(shed) = shed {
        return responder.shed(&shed, admitted.record, admitted.busy);
    }
    let tunnels = admitted.options.upgrade.is_some();
    let deadlines = Deadlines::new(thread, &parts.headers, (pool, tunnels), route, &admitted.cleared);
    let (held, from) = match pool.arrive(tick, deadlines.arrival, opening).await {
        Ok(held) => held,
        Err(shed) => return responder.shed(&shed, admitted.record, admitted.busy),
    };
    admitted.record.stamp(Phase::Admitted, from.0);
    let Some(servers) = view.pools.get(place) else {
        return responder.shed(&NO_POOL, admitted.record, admitted.busy);
    };
    let (forwarded, accept) = forward::forward(
        (thread, connection),
        parts,
        &mut admitted,
        (is_empty, &deadlines),
        servers,
        (held, from),
        interim,
    )
    .await;
    match forwarded {
        Ok(relayed) => {
            let upgrade = admitted.options.upgrade.as_ref().map(|_| accept);
            let mut response = responder.answer(relayed, upgrade, admitted.record, admitted.busy);
            let status = response.status();
            let client = (&admitted.cleared, admitted.shown);
            respond::add_headers(&view, route, connection, parts, client, &mut response);
            if status == StatusCode::SWITCHING_PROTOCOLS && parts.version == Version::HTTP_2 {
                *response.status_mut() = StatusCode::OK;
            }
            response
        }
        Err(error) => responder.failed(&error, route, admitted.record, admitted.busy),
    }
}
