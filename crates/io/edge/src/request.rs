//! One request: from its head to the head of its answer.

pub(crate) mod visit;

use crate::body::Body;
use crate::connections::Asked;
use crate::connections::{Place, Room};
use crate::content::Content;
use crate::forwarded::{self, Origin};
use crate::grpc;
use crate::head::{self, Has, Host, Wishes};
use crate::inbound::Inbound;
use crate::known::{CALLER, Recognized, Visitor};
use crate::line::{Busy, Line};
use crate::own::Own;
use crate::pool::Held;
use crate::refuse::{self, Refusal};
use crate::seeing::id::{TRACESTATE, TRACESTATE_BYTES_MAX};
use crate::seeing::{self, Ids, Open, Phase};
use crate::thread::{Homes, Near, Thread};
use crate::ticks::ticks;
use crate::tunnel;
use crate::upstream::h1::codec::Framing;
use crate::upstream::relay::{Ask, Got, Grpc, Turn};
use crate::upstream::replay::Replay;
use crate::upstream::trouble::Trouble;
use h2::RecvStream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use traffic::{Arrival, Class, Facts, Outcome, Quota, Route, Shed, ShedWhy, Tick, Who};
use types::config::{EdgeLimits, Protocol};
use visit::{Form, Visit};

/// A service whose pool the configuration does not have: `config` lets none through.
const NO_POOL: Shed = Shed { retry_after: Duration::from_secs(5), why: ShedWhy::NoServer };
/// Servers asked for one request, at most.
const ATTEMPTS_MAX: u32 = 3;

/// Serves one request of HTTP/1.1: at once where it is refused, so that a refusal costs no more than it must.
pub(crate) fn serve(
    thread: &Rc<Thread>,
    line: &Rc<Line>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let (parts, body) = request.into_parts();
    let started = start(thread, line, parts, Inbound::Http1(body));
    async move {
        match started {
            Ok(going) => {
                let line = Rc::clone(&going.line);
                let is_eleven = going.parts.version == Version::HTTP_11;
                let interim = |status: StatusCode, headers: &HeaderMap| {
                    // A 100 is hyper's to send, when the body is asked for. HTTP/1.0 knows no interim responses.
                    if is_eleven && status != StatusCode::CONTINUE {
                        line.inform(status, headers);
                    }
                };
                Ok(go_on(going, &interim).await)
            }
            Err(response) => Ok(response),
        }
    }
}

/// Judges a request: what it needs on its way, or the response that there is already.
#[allow(clippy::result_large_err, reason = "the refusal is what this is made for")]
pub(crate) fn start(
    thread: &Rc<Thread>,
    line: &Rc<Line>,
    mut parts: Parts,
    body: Inbound,
) -> Result<Going, Response<Body>> {
    let mut body = Some(body);
    match begin(thread, line, &mut parts, &mut body) {
        Ok(begun) => Ok(Going { thread: Rc::clone(thread), line: Rc::clone(line), parts, begun }),
        Err(response) => {
            thread.keep_map(parts.headers);
            Err(response)
        }
    }
}

/// A request on its way, and what it needs on it.
pub(crate) struct Going {
    thread: Rc<Thread>,
    line: Rc<Line>,
    parts: Parts,
    begun: Box<Begun>,
}

impl Going {
    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The stream and the place of a tunnel that is asked for by HTTP/2.
    pub(crate) fn take_tunnel(&mut self) -> Option<(RecvStream, Place)> {
        let (inbound, place) = self.begun.tunnel.take()?;
        match inbound {
            Inbound::Http2(inflow) => Some((inflow.into_stream()?, place)),
            Inbound::Http1(_) => None,
        }
    }

    /// Set when a body is asked for whose client waits for that.
    pub(crate) fn expected(&mut self) -> Option<Rc<Cell<bool>>> {
        self.begun.content.as_mut().filter(|_| self.begun.wishes.expects)?.expected()
    }
}

/// Asks for a response, and hands over the interim ones before it.
pub(crate) async fn go_on(going: Going, interim: &dyn Fn(StatusCode, &HeaderMap)) -> Response<Body> {
    let Going { thread, line, mut parts, begun } = going;
    let response = answer(&thread, &line, &mut parts, begun, interim).await;
    thread.keep_map(parts.headers);
    response
}

/// A request that is not refused yet.
struct Begun {
    near: Rc<Near>,
    /// The route's index.
    route: usize,
    host: Host,
    wishes: Wishes,
    form: Form,
    /// Bytes of its body, where that is told.
    length: Option<u64>,
    content: Option<Content>,
    /// What becomes a tunnel inside an HTTP/2 connection, and its place among the connections of its address.
    tunnel: Option<(Inbound, Place)>,
    passed: Passed,
    /// Who shows the cookie of the service.
    known: Option<Recognized>,
    /// What the pool said of it.
    announced: Result<(), Shed>,
    tick: Tick,
    open: Box<Open>,
    busy: Busy,
}

/// Up to the verdict: what needs neither a server nor a body.
#[allow(clippy::result_large_err, reason = "the refusal is what this is made for")]
fn begin(
    thread: &Rc<Thread>,
    line: &Rc<Line>,
    parts: &mut Parts,
    body: &mut Option<Inbound>,
) -> Result<Box<Begun>, Response<Body>> {
    let came = line.came.replace(0);
    let busy = line.begin();
    let near = thread.near();
    if near.view.edge.health_path.as_deref() == Some(parts.uri.path())
        && matches!(parts.method, Method::GET | Method::HEAD)
    {
        return Err(Visit { thread, line, form: Form::default() }.health(busy));
    }
    let peer = forwarded::plain(line.peer.ip());
    let origin = forwarded::origin(peer, &near.view.edge.trusted_proxies, &thread.habits, &parts.headers);
    let has = Has::of(&parts.headers);
    let is_http2 = line.http2.get();
    if is_http2 && has.cookie {
        head::join_cookies(&mut parts.headers);
    }
    let ids = if has.trace { Ids::of(&parts.headers) } else { Ids::fresh() };
    let tick = thread.tick();
    let mut open = thread.eye.open(tick.0, origin.client, ids);
    open.stamp(Phase::Head, tick.0);
    let visit = Visit { thread, line, form: Form::of(parts, has) };
    if is_http2 && let Err(refusal) = http2_only(&near, parts) {
        open.asks(parts.version, &parts.method, "", parts.uri.path());
        return Err(visit.malformed(refusal, open, busy));
    }
    let (host, wishes) = match head::examine(parts, has) {
        Ok(found) => found,
        Err(fault) => {
            open.asks(parts.version, &parts.method, "", parts.uri.path());
            let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
            return Err(visit.malformed(Refusal::new(status, fault.told()).and_close(), open, busy));
        }
    };
    let name = host.name();
    open.asks(parts.version, &parts.method, &name, parts.uri.path());
    let Some(route) = near.view.policy.route(&name) else {
        open.unknown_host(refuse::NO_SUCH_HOST.status.as_u16(), tick.0);
        return Err(visit.refuse(refuse::NO_SUCH_HOST, open, busy));
    };
    open.lane = near.lanes.get(route.index).copied().unwrap_or(seeing::Lane::NONE);
    if near.view.edge.redirect_to_https && !origin.https.unwrap_or(line.tls) {
        return Err(visit.redirect_to_https(&near, &host, parts, open, busy));
    }
    let length = body.as_ref().and_then(Inbound::exact);
    if length.is_some_and(|length| length > near.view.edge.limits.body_bytes) {
        return Err(visit.malformed(refuse::TOO_LARGE, open, busy));
    }
    let (passed, known) = match judge(&visit, &near, route, (parts, has), origin, tick, &mut open) {
        Ok(passed) => passed,
        Err(refusal) => return Err(visit.limited(&refusal, open, busy)),
    };
    let Some((place, pool)) = near.view.pool_of(route) else {
        return Err(visit.shed(&NO_POOL, open, busy));
    };
    line.pool.set(place);
    let is_empty = body.as_ref().is_none_or(Inbound::is_end_stream);
    let announced = pool.announce(tick, passed.class, passed.number);
    if let Err(shed) = &announced {
        // One whose body has not come yet is read first: else its connection would be closed.
        let is_here = || length.is_some_and(|length| came as u64 >= head::length(parts) as u64 + length);
        if is_empty || is_http2 || wishes.expects || is_here() {
            return Err(visit.shed(shed, open, busy));
        }
    }
    let upgrades = wishes.upgrade.is_some();
    let place = if upgrades && is_http2 { Some(tunnel_place(thread, line, &near)) } else { None };
    if let Some(None) = place {
        return Err(visit.malformed(refuse::TUNNELS, open, busy));
    }
    let tunnel = place.flatten().and_then(|place| Some((body.take()?, place)));
    let content = body.take().filter(|_| !is_empty && !upgrades).map(|body| Content::new(body, thread));
    let (form, route) = (visit.form, route.index);
    Ok(Box::new(Begun {
        near,
        route,
        host,
        wishes,
        form,
        length,
        content,
        tunnel,
        passed,
        known,
        announced,
        tick,
        open,
        busy,
    }))
}

/// What HTTP/2 leaves to its users to check.
fn http2_only(near: &Near, parts: &mut Parts) -> Result<(), Refusal> {
    let limits = &near.view.edge.limits;
    if parts.headers.len() > limits.headers as usize || head::length(parts) > limits.head_bytes as usize {
        return Err(refuse::TOO_LONG);
    }
    let Some(protocol) = parts.extensions.remove::<h2::ext::Protocol>() else { return Ok(()) };
    // Nothing else that is asked for in this way is an upgrade of HTTP/1.1 (RFC 8441).
    if protocol.as_str() != "websocket" {
        return Err(refuse::NOT_IMPLEMENTED);
    }
    parts.extensions.insert(hyper::ext::Protocol::from_static("websocket"));
    Ok(())
}

/// A place for a tunnel inside an HTTP/2 connection: it costs what a connection costs.
fn tunnel_place(thread: &Thread, line: &Line, near: &Near) -> Option<Place> {
    let (edge, from) = (&near.view.edge, line.peer.ip().to_canonical());
    let each =
        (!forwarded::declared(&edge.trusted_proxies, from)).then_some(edge.limits.max_connections_per_ip);
    let room = Room { all: edge.limits.max_connections, each };
    let place = thread.shared.connections.enter(from, room, thread.ticks.now())?;
    place.seat.busy();
    Some(place)
}

/// From the body to the answer of a server.
async fn answer(
    thread: &Rc<Thread>,
    line: &Rc<Line>,
    parts: &mut Parts,
    mut begun: Box<Begun>,
    interim: &dyn Fn(StatusCode, &HeaderMap),
) -> Response<Body> {
    let (near, host, wishes, passed) = (&begun.near, &begun.host, &begun.wishes, &begun.passed);
    let (mut open, busy, length) = (begun.open, begun.busy, begun.length);
    let visit = Visit { thread, line, form: std::mem::take(&mut begun.form) };
    let route = near.view.policy.routes().get(begun.route);
    let Some((route, (place, pool))) = route.and_then(|route| Some((route, near.view.pool_of(route)?)))
    else {
        return visit.shed(&NO_POOL, open, busy);
    };
    let tunnels = wishes.upgrade.is_some();
    let is_empty = begun.content.is_none();
    let limits = &near.view.edge.limits;
    let tick = match &mut begun.content {
        None => begun.tick,
        // Over HTTP/2 both sides may speak at once, as in gRPC: such a body may wait for the answer.
        Some(_) if pool.protocol == Protocol::Http2 && begun.announced.is_ok() => begun.tick,
        // Whether it is to be sent at all is the server's to say (RFC 9110 section 10.1.1).
        Some(_) if wishes.expects => begun.tick,
        Some(content) => match read_before(thread, content, limits, begun.tick).await {
            Ok(tick) => tick,
            Err(trouble) => return visit.failed(&trouble, route, open, busy),
        },
    };
    if let Err(shed) = &begun.announced {
        return visit.shed(shed, open, busy);
    }
    let http2 = pool.protocol == Protocol::Http2 && !tunnels;
    let grpc = if http2 { grpc::deadline(&parts.headers) } else { None };
    let span = grpc.flatten().unwrap_or(route.deadline);
    let arrival = Arrival {
        class: passed.class,
        visitor: passed.number,
        own: passed.own,
        deadline: span.min(route.deadline),
    };
    let grpc = grpc.map(|told| Grpc { own: told.is_some(), yields: thread.ticks.after(route.deadline) + 2 });
    // Without one of its own it counts from the end of the request: see `Grpc`.
    let open_ended = grpc.is_some_and(|grpc| !grpc.own);
    let deadline = thread.ticks.after(if open_ended { grpc::LONGEST } else { span });
    let (held, admitted) = match pool.arrive(tick, arrival).await {
        Ok(held) => held,
        Err(shed) => return visit.shed(&shed, open, busy),
    };
    open.stamp(Phase::Admitted, admitted.0);
    let own = own(thread.own(), line, near, parts, host, passed, &open.ids);
    let framing = match length {
        Some(0) if is_empty && !tells_length(&parts.method) => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    };
    let ask = Ask {
        thread,
        parts,
        host,
        wishes,
        framing: if tunnels { Framing::None } else { framing },
        hop: passed.origin.by.is_some(),
        own: &own,
        room: limits.body_bytes,
        wait: ticks(limits.body_timeout),
        deadline,
        span: ticks(span),
        grpc,
        interim,
    };
    let Some(homes) = near.pools.get(place) else {
        return visit.shed(&NO_POOL, open, busy);
    };
    let relayed =
        relay(&ask, homes, (held, admitted), begun.content.take().map(Replay::new), &mut open).await;
    let accept = wishes.upgrade.as_ref().filter(|to| tunnel::is_websocket(to)).and_then(|_| {
        let own = || own.iter().find(|(name, _)| *name == KEY).map(|(_, key)| key);
        tunnel::accept(parts.headers.get(KEY).map(HeaderValue::as_bytes).or_else(own)?)
    });
    thread.keep_own(own);
    match relayed {
        Ok(relayed) => {
            let upgrade = wishes.upgrade.as_ref().map(|_| accept);
            let mut response = visit.answer(relayed, upgrade, open, busy);
            let status = response.status();
            finish(near, route, line, parts, passed, begun.known, &mut response);
            if status == StatusCode::SWITCHING_PROTOCOLS && parts.version == http::Version::HTTP_2 {
                *response.status_mut() = StatusCode::OK;
            }
            response
        }
        Err(trouble) => visit.failed(&trouble, route, open, busy),
    }
}

/// Reads what is read of a body before a server is chosen, and tells when that was done: `tick` where it was there already.
async fn read_before(
    thread: &Rc<Thread>,
    content: &mut Content,
    limits: &EdgeLimits,
    tick: Tick,
) -> Result<Tick, Trouble> {
    match poll_fn(|cx| Poll::Ready(content.poll_before(cx, limits.body_bytes))).await {
        Poll::Ready(read) => read.map(|()| tick),
        Poll::Pending => {
            let read = content.read_before(ticks(limits.body_timeout), limits.body_bytes);
            Box::pin(read).await.map(|()| thread.tick())
        }
    }
}

/// What became of a judgement.
struct Passed {
    class: Class,
    number: u64,
    quota: Option<Quota>,
    /// The visitor as servers are told of it.
    visitor: Visitor,
    /// Whether a declared caller asked for it.
    told: bool,
    /// Whether one asks for itself.
    own: bool,
    origin: Origin,
}

/// Who asks, and whether it may. The second of the pair is who shows the cookie of the service.
fn judge(
    visit: &Visit<'_>,
    near: &Near,
    route: &Route,
    (parts, has): (&Parts, Has),
    origin: Origin,
    tick: Tick,
    open: &mut Open,
) -> Result<(Passed, Option<Recognized>), traffic::Refusal> {
    let (view, thread, line) = (&near.view, visit.thread, visit.line);
    let token = has.caller.then(|| parts.headers.get(CALLER)).flatten().map(HeaderValue::as_bytes);
    let caller = view.policy.caller(origin.client, token);
    let told = caller.and_then(|_| view.known.told(&parts.headers));
    let shown = (caller.is_none() && has.cookie)
        .then(|| view.known.visitor(&parts.headers, route.number(), line.tls))
        .flatten();
    let known = shown.map(|shown| shown.number).or(told.and_then(|told| told.known));
    let is_new = shown.is_some_and(Recognized::is_new) || told.is_some_and(|told| told.is_new);
    let client = told.map_or(origin.client, |told| told.client);
    let place = line.place(client, || thread.shared.geo.load().look_up(client));
    let who = match (caller, told, known) {
        (_, _, Some(number)) if is_new => Who::Newly(number),
        (_, _, Some(number)) => Who::Known(number),
        (Some(caller), None, None) => Who::Caller(caller),
        _ => Who::First,
    };
    let own = matches!(who, Who::Caller(_));
    line.asked.set((!own).then(|| Asked { service: route.number(), client, place }));
    open.client = client;
    open.visitor = known;
    open.country = place.country;
    open.asn = place.asn;
    open.caller = caller.and_then(|caller| thread.eye.caller(&caller.id));
    let facts = Facts {
        client,
        country: place.country,
        asn: place.asn,
        who,
        carried: told.map(|told| told.class),
        path: parts.uri.path(),
        agent: has.agent.then(|| parts.headers.get(header::USER_AGENT)).flatten().map(HeaderValue::as_bytes),
    };
    let verdict = route.judge(&facts, &thread.shared.meters, tick, fastrand::u64(..));
    open.stamp(Phase::Judged, tick.0);
    match verdict {
        traffic::Verdict::Pass { class, visitor: number, quota } => {
            open.class = class;
            let visitor = Visitor { known, is_new, class, client };
            Ok((Passed { class, number, quota, visitor, told: told.is_some(), own, origin }, shown))
        }
        traffic::Verdict::Refuse(refusal) => {
            open.why = refusal.denial.and_then(|denial| route.denial(denial)).unwrap_or_default().into();
            Err(refusal)
        }
    }
}

/// What the edge says itself to the server.
fn own(
    mut own: Own,
    line: &Line,
    near: &Near,
    parts: &Parts,
    host: &Host,
    passed: &Passed,
    ids: &Ids,
) -> Own {
    let origin = &passed.origin;
    let told = passed.told.then_some(passed.visitor.client);
    forwarded::fields(&mut own, origin, line, told, host, &parts.headers);
    own.put("traceparent", |out| out.extend_from_slice(&ids.outward()));
    // The companion of a trace that begins here would tell of another one.
    let state = ids.continued().then(|| parts.headers.get(TRACESTATE)).flatten();
    if let Some(state) = state.filter(|state| state.len() <= TRACESTATE_BYTES_MAX) {
        own.put("tracestate", |out| out.extend_from_slice(state.as_bytes()));
    }
    own.put("x-request-id", |out| out.extend_from_slice(&ids.trace.digits()));
    own.put(crate::known::VISITOR, |out| line.word(&near.view.known, &passed.visitor, out));
    if parts.extensions.get::<hyper::ext::Protocol>().is_some() && !parts.headers.contains_key(KEY) {
        // By HTTP/2 there is none (RFC 8441 section 5.1), by HTTP/1.1 there must be one.
        own.put("sec-websocket-key", |out| out.extend_from_slice(tunnel::key().as_bytes()));
    }
    own
}

const KEY: HeaderName = header::SEC_WEBSOCKET_KEY;

/// Whether a request without content says so, as servers expect of these methods (RFC 9110 section 8.6).
fn tells_length(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// What a server answered, and the permit for it.
struct Relayed {
    got: Got,
    held: Held,
    /// Since when the answer was waited for; `None` where the server waited for the body instead.
    from: Option<Tick>,
}

/// Asks servers until one answers or guard says that it is enough.
async fn relay(
    ask: &Ask<'_>,
    homes: &Homes,
    (held, mut from): (Held, Tick),
    mut body: Option<Replay>,
    open: &mut Open,
) -> Result<Relayed, Trouble> {
    let mut attempts = 0;
    let mut held = RefCell::new(held);
    loop {
        let Some(at) = held.get_mut().server() else { return Err(Trouble::Closed) };
        open.server = Some(at);
        let home = homes.of(at, &ask.thread.ticks);
        attempts += 1;
        let turn = Turn { at, from, held: &held, sent: Cell::new(None) };
        let asked = ask.at(&homes.pool, &home, &turn, body, open);
        let answered = match ask.grpc {
            None => asked.await,
            Some(grpc) => Box::pin(yielding(asked, &held, grpc.yields, ask.thread)).await,
        };
        let miss = match answered {
            Ok(got) => {
                // What a body takes is its client's time.
                let sent = turn.sent.get();
                let held = held.into_inner();
                return Ok(Relayed { got, from: sent.or((!held.yielded()).then_some(from)), held });
            }
            Err(miss) => miss,
        };
        let repeatable = miss.trouble.elsewhere()
            && attempts < ATTEMPTS_MAX
            && (!miss.sent || ask.parts.method.is_idempotent());
        let outcome = match miss.trouble {
            // Its own deadline is its client's word, and says nothing of the server.
            Trouble::Late if ask.grpc.is_some_and(|grpc| grpc.own) => Outcome::Left,
            _ => miss.trouble.outcome(),
        };
        let rest = match miss.body {
            Ok(rest) if repeatable => rest,
            _ => {
                held.into_inner().done(ask.thread.tick(), outcome);
                return Err(miss.trouble);
            }
        };
        match held.into_inner().retry(outcome) {
            Some(next) => {
                from = ask.thread.tick();
                open.retry(at, miss.trouble.failure(), from.0);
                held = RefCell::new(next);
                body = rest;
            }
            None => return Err(miss.trouble),
        }
    }
}

/// Waits for the answer to a gRPC call, from the tick `due` on without a place in the pool: a stream may have its first message
/// after hours, and its time is no measure of its server.
async fn yielding<T>(asked: impl Future<Output = T>, held: &RefCell<Held>, due: u32, thread: &Thread) -> T {
    let (mut asked, alarm) = (std::pin::pin!(asked), thread.ticks.alarm());
    poll_fn(|cx| {
        let polled = asked.as_mut().poll(cx);
        if polled.is_pending() && held.borrow().server().is_some() {
            if thread.ticks.now() >= due {
                held.borrow_mut().release(thread.tick());
            } else {
                alarm.set(due, cx);
            }
        }
        polled
    })
    .await
}

/// What the visitor is told besides the server's own words.
fn finish(
    near: &Near,
    route: &Route,
    line: &Line,
    parts: &Parts,
    passed: &Passed,
    known: Option<Recognized>,
    response: &mut Response<Body>,
) {
    let status = response.status().as_u16();
    if let Some(lasting) = route.makes_known(parts.method.as_str(), parts.uri.path(), status) {
        let service = route.number();
        let visitor = known.unwrap_or_else(|| near.view.known.recognize(service, passed.visitor.client));
        if let Some(cookie) = near.view.known.cookie(service, visitor, lasting, line.tls) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    // Whoever is near the end of a limit learns of it; for all others it would be noise.
    if let Some(quota) = passed.quota.as_ref().filter(|quota| quota.remaining <= quota.burst / 4)
        && !response.headers().contains_key("ratelimit")
    {
        refuse::quota(response.headers_mut(), quota);
    }
}
