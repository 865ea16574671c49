//! One request from its head to the head of its response: the list of its phases.

mod once;

use crate::cache::fetch::Fetch;
use crate::cache::store::RefreshSlot;
use crate::client::RecognizedClient;
use crate::connection::{Busy, Connection};
use crate::exchange::{Admitted, Cleared, ErrorFormat, Exchange, opening};
use crate::forward_error::{ForwardError, Unanswered};
use crate::forwarded::ForwardedInfo;
use crate::head::Host;
use crate::inbound::Inbound;
use crate::phases::admit::{self, Deadlines, NO_POOL};
use crate::phases::cache::serve::Served;
use crate::phases::cache::{self, Lookup};
use crate::phases::forward::{self as forwarding, Relayed};
use crate::phases::respond::body::Body;
use crate::phases::respond::{self, Responder, error_page};
use crate::phases::{accept, idempotency, identify, offline, parse};
use crate::request_body::RequestBody;
use crate::telemetry::{OpenRecord, Phase};
use crate::thread::{Thread, ThreadView};
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use traffic::Route;

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
    let mut exchange = exchange;
    // A request that the pool refuses needs no key.
    if exchange.admitted.announced.is_ok()
        && let Some(keyed) = exchange.admitted.keyed.take()
    {
        return Box::pin(once::answer(exchange, *keyed)).await;
    }
    forward(exchange, interim).await.0
}

/// Asks the servers. Returns the response, and who made it.
async fn forward(exchange: Exchange, interim: &dyn Fn(StatusCode, &HeaderMap)) -> (Response<Body>, Answered) {
    let Exchange { thread, connection, mut parts, admitted } = exchange;
    let answered = from_verdict(&thread, &connection, &mut parts, admitted, interim).await;
    thread.keep_map(parts.headers);
    answered
}

/// Who made a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// A server.
    ByServer,
    /// The edge, and no server has the request.
    Unsent,
    /// The edge, and a server may have the request.
    Unknown,
}

/// The response to a request whose body did not come.
fn failed(exchange: Exchange, why: ForwardError) -> Response<Body> {
    let Exchange { thread, connection, parts, mut admitted } = exchange;
    let format = std::mem::take(&mut admitted.format);
    let responder = Responder { thread: &thread, connection: &connection, format };
    let view = Rc::clone(&admitted.view);
    match view.shared.policy.routes().get(admitted.route) {
        Some(route) => unanswered(&responder, &view, route, &parts, *admitted, &Unanswered::Failed(why)),
        None => responder.shed(&NO_POOL, admitted.record, admitted.busy),
    }
}

/// The response to a request whose task ended without one: its record is closed already, and nothing is known of the write.
fn ended(thread: &Rc<Thread>, connection: &Rc<Connection>) -> Response<Body> {
    let mut response =
        Responder { thread, connection, format: ErrorFormat::default() }.health(connection.begin());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// The phases accept, parse, identify, cache and the first part of admit: they need neither a server nor a body.
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
    let to = (route, &host);
    let identified =
        identify::identify((thread, connection), &view, to, (parts, has), &forwarded, &mut record);
    let cleared = match admit::check_limits(thread, route, &identified, tick, &mut record) {
        Ok(cleared) => cleared,
        Err(why) => return Err(responder.not_cleared(&why, route, &parts.method, record, busy)),
    };
    let shown = identified.shown;
    if let Some(file) = offline::file(&view, route, parts) {
        return Err(responder.offline_file(file, parts, record, busy));
    }
    let keyed = match idempotency::keyed(route, parts) {
        Ok(keyed) => keyed,
        Err(why) => return Err(responder.refused(why, record, busy)),
    };
    offline::prepare(route, parts);
    let is_empty = body.as_ref().is_none_or(Inbound::is_end_stream);
    let is_plain = is_empty && options.upgrade.is_none();
    let url = (&host, &forwarded, connection.tls);
    let fetch = match cache::look_up((&view, route), parts, url, is_plain, tick) {
        Lookup::Aside => None,
        Lookup::Ask(fetch) => Some(fetch),
        Lookup::Serve(served, fetch) => {
            let from = (&host, &forwarded, &cleared);
            refresh((thread, connection), (&view, route), parts, from, fetch);
            let client = (&cleared, shown);
            return Err(stored(&responder, (&view, route), parts, client, &served, (record, busy)));
        }
    };
    let admitted = Admitted {
        opening: opening(&options, &responder.format),
        format: responder.format,
        route: route.index,
        body: None,
        tunnel: None,
        announced: Ok(()),
        cache: fetch,
        keyed,
        host,
        options,
        length,
        forwarded,
        cleared,
        shown,
        tick,
        record,
        busy,
        view,
    };
    announce(thread, connection, parts, Box::new(admitted), body, (is_empty, came))
}

/// Refreshes a stored response in the background, where that is due.
fn refresh(
    (thread, connection): (&Rc<Thread>, &Rc<Connection>),
    (view, route): (&Rc<ThreadView>, &Route),
    parts: &Parts,
    from: (&Host, &ForwardedInfo, &Cleared),
    fetch: Option<Box<Fetch>>,
) {
    let request = fetch
        .and_then(|fetch| cache::refresh::request(thread, connection, (view, route), parts, from, fetch));
    if let Some((exchange, slot)) = request {
        spawn_refresh(exchange, slot);
    }
}

fn spawn_refresh(exchange: Exchange, slot: RefreshSlot) {
    tokio::task::spawn_local(Box::pin(async move {
        let response = finish(exchange, &|_, _| {}).await;
        let mut body = pin!(response.into_body());
        while let Some(Ok(_)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
        drop(slot);
    }));
}

/// The first part of admit: announces the request to its pool. A refused one is answered now, where that is possible.
#[allow(clippy::result_large_err, reason = "the refusal is what this is made for")]
fn announce(
    thread: &Rc<Thread>,
    connection: &Rc<Connection>,
    parts: &Parts,
    mut admitted: Box<Admitted>,
    body: &mut Option<Inbound>,
    (is_empty, came): (bool, usize),
) -> Result<Box<Admitted>, Response<Body>> {
    let view = Rc::clone(&admitted.view);
    let route = view.shared.policy.routes().get(admitted.route);
    let pool = route.and_then(|route| Some((route, view.pool_of(route)?)));
    let responder = |format| Responder { thread, connection, format };
    let Some((route, (place, servers))) = pool else {
        return Err(responder(admitted.format).shed(&NO_POOL, admitted.record, admitted.busy));
    };
    connection.pool.set(place);
    if admitted.opening.is_none() {
        let cleared = &admitted.cleared;
        let client = (cleared.number, cleared.subnet);
        admitted.announced = servers.pool.announce(admitted.tick, cleared.class, client);
    }
    if let Err(shed) = &admitted.announced
        && admit::may_answer_now(connection, (parts, &admitted.options), (is_empty, admitted.length), came)
    {
        let why = Unanswered::Shed(*shed);
        let format = std::mem::take(&mut admitted.format);
        return Err(unanswered(&responder(format), &view, route, parts, *admitted, &why));
    }
    let upgrades = admitted.options.upgrade.is_some();
    let slot = if upgrades && connection.http2.get() {
        Some(admit::tunnel_slot(thread, connection, &view))
    } else {
        None
    };
    if let Some(None) = slot {
        return Err(responder(admitted.format).malformed(
            error_page::TUNNELS,
            admitted.record,
            admitted.busy,
        ));
    }
    admitted.tunnel = slot.flatten().and_then(|slot| Some((body.take()?, slot)));
    admitted.body = body.take().filter(|_| !is_empty && !upgrades).map(|body| RequestBody::new(body, thread));
    Ok(admitted)
}

/// The second part of admit, which waits for a body and a server, then forward, cache and respond. The record is closed
/// with the response's body.
async fn from_verdict(
    thread: &Rc<Thread>,
    connection: &Rc<Connection>,
    parts: &mut Parts,
    mut admitted: Box<Admitted>,
    interim: &dyn Fn(StatusCode, &HeaderMap),
) -> (Response<Body>, Answered) {
    let format = std::mem::take(&mut admitted.format);
    admitted.record.opens = admitted.opening.is_some();
    let responder = Responder { thread, connection, format };
    let view = Rc::clone(&admitted.view);
    let Some(route) = view.shared.policy.routes().get(admitted.route) else {
        return (responder.shed(&NO_POOL, admitted.record, admitted.busy), Answered::Unsent);
    };
    if let Some(fetch) = &mut admitted.cache {
        if let Some(served) = Box::pin(fetch.join(&parts.headers, thread)).await {
            let client = (&admitted.cleared, admitted.shown);
            let record = (admitted.record, admitted.busy);
            let response = stored(&responder, (&view, route), parts, client, &served, record);
            return (response, Answered::ByServer);
        }
        fetch.prepare(&mut parts.headers);
    }
    let answered = ask((thread, connection), route, parts, &mut admitted, interim).await;
    if let Some(fetch) = &admitted.cache {
        fetch.restore(&mut parts.headers);
    }
    let (relayed, accept) = match answered {
        Ok(answered) => answered,
        Err(why) => {
            let by = if why.is_unsent(&parts.method) { Answered::Unsent } else { Answered::Unknown };
            return (unanswered(&responder, &view, route, parts, *admitted, &why), by);
        }
    };
    let upgrade = admitted.options.upgrade.as_ref().map(|_| accept);
    let (record, busy) = (admitted.record, admitted.busy);
    let mut response = match admitted.cache {
        None => responder.answer(relayed, upgrade, record, busy),
        Some(fetch) => (*fetch).answer(&responder, relayed, upgrade, parts, (record, busy)),
    };
    let status = response.status();
    let client = (&admitted.cleared, admitted.shown);
    offline::inject(route, parts, &mut response);
    respond::add_headers(&view, route, connection, parts, client, &mut response);
    if status == StatusCode::SWITCHING_PROTOCOLS && parts.version == Version::HTTP_2 {
        *response.status_mut() = StatusCode::OK;
    }
    (response, Answered::ByServer)
}

/// Waits for a body and a place, and asks servers. Returns the response of one, and the `Sec-WebSocket-Accept` that it
/// must have.
async fn ask(
    (thread, connection): (&Rc<Thread>, &Rc<Connection>),
    route: &Route,
    parts: &Parts,
    admitted: &mut Admitted,
    interim: &dyn Fn(StatusCode, &HeaderMap),
) -> Result<(Relayed, Option<HeaderValue>), Unanswered> {
    let view = Rc::clone(&admitted.view);
    let (_, servers) = view.pool_of(route).ok_or(Unanswered::Shed(NO_POOL))?;
    let pool = &servers.pool;
    let is_empty = admitted.body.is_none();
    let tick = admit::read_body(thread, admitted, pool.protocol).await.map_err(Unanswered::Failed)?;
    if let Err(shed) = admitted.announced {
        return Err(Unanswered::Shed(shed));
    }
    let tunnels = admitted.options.upgrade.is_some();
    let deadlines = Deadlines::new(thread, &parts.headers, (pool, tunnels), route, &admitted.cleared);
    let (held, from) =
        pool.arrive(tick, deadlines.arrival, admitted.opening).await.map_err(Unanswered::Shed)?;
    admitted.record.stamp(Phase::Admitted, from.0);
    let (forwarded, accept) = forwarding::forward(
        (thread, connection),
        parts,
        admitted,
        (is_empty, &deadlines),
        servers,
        (held, from),
        interim,
    )
    .await;
    forwarded.map(|relayed| (relayed, accept)).map_err(Unanswered::Failed)
}

/// A stale response in place of a failure, where the cache has one; otherwise the error page.
fn unanswered(
    responder: &Responder<'_>,
    view: &ThreadView,
    route: &Route,
    parts: &Parts,
    mut admitted: Admitted,
    why: &Unanswered,
) -> Response<Body> {
    let served =
        admitted.cache.as_mut().and_then(|fetch| fetch.instead(why, responder.thread, &mut admitted.record));
    match served {
        Some(served) => {
            let client = (&admitted.cleared, admitted.shown);
            let record = (admitted.record, admitted.busy);
            stored(responder, (view, route), parts, client, &served, record)
        }
        None => responder.unanswered(why, route, admitted.record, admitted.busy),
    }
}

/// A response from the cache, with what is the client's own.
fn stored(
    responder: &Responder<'_>,
    (view, route): (&ThreadView, &Route),
    parts: &Parts,
    client: (&Cleared, Option<RecognizedClient>),
    served: &Served,
    (record, busy): (Box<OpenRecord>, Busy),
) -> Response<Body> {
    let mut response = responder.stored(served, parts, record, busy);
    offline::inject(route, parts, &mut response);
    respond::add_headers(view, route, responder.connection, parts, client, &mut response);
    response
}
