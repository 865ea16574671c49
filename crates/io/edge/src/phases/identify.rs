//! Phase identify: the client or declared caller that sends the request, and where its address is.

use crate::client::{CALLER, Client, RecognizedClient};
use crate::connection::{Asked, Connection};
use crate::forwarded::ForwardedInfo;
use crate::head::{HeaderPresence, Host};
use crate::telemetry::OpenRecord;
use crate::thread::{Thread, ThreadView};
use http::header::{self, HeaderValue};
use http::request::Parts;
use traffic::{Facts, Identity, Route};

/// The sender of a request.
pub(crate) struct Identified<'a> {
    /// The facts for the policy.
    pub(crate) facts: Facts<'a>,
    /// The client in the request's cookie.
    pub(crate) shown: Option<RecognizedClient>,
    /// The client that a declared caller forwards.
    pub(crate) forwarded: Option<Client>,
    /// The number of a recognized client.
    pub(crate) recognized: Option<u64>,
    /// Whether it was recognized only a few minutes ago.
    pub(crate) is_new: bool,
}

impl Identified<'_> {
    /// Whether a declared caller sends it on its own behalf.
    pub(crate) fn is_caller(&self) -> bool {
        matches!(self.facts.identity, Identity::Caller(_))
    }
}

/// Identifies the sender of the request, and writes it into the record.
pub(crate) fn identify<'a>(
    (thread, connection): (&Thread, &Connection),
    view: &'a ThreadView,
    (route, host): (&Route, &Host),
    (parts, has): (&'a Parts, HeaderPresence),
    origin: &ForwardedInfo,
    record: &mut OpenRecord,
) -> Identified<'a> {
    let shared = &view.shared;
    let token = has.caller.then(|| parts.headers.get(CALLER)).flatten().map(HeaderValue::as_bytes);
    let caller = shared.policy.caller(origin.client, token);
    let forwarded = caller.and_then(|_| shared.client_tokens.forwarded(&parts.headers));
    let shown = (caller.is_none() && has.cookie)
        .then(|| shared.client_tokens.client(&parts.headers, route.number(), connection.tls))
        .flatten();
    let recognized = shown.map(|shown| shown.number).or(forwarded.and_then(|forwarded| forwarded.recognized));
    let is_new =
        shown.is_some_and(RecognizedClient::is_new) || forwarded.is_some_and(|forwarded| forwarded.is_new);
    let address = forwarded.map_or(origin.client, |forwarded| forwarded.address);
    let location = connection.location(address, || thread.shared.geo.load().look_up(address));
    let identity = match (caller, forwarded, recognized) {
        (_, _, Some(number)) if is_new => Identity::NewlyRecognized(number),
        (_, _, Some(number)) => Identity::Recognized(number),
        (Some(caller), None, None) => Identity::Caller(caller),
        _ => Identity::FirstTime,
    };
    let is_caller = matches!(identity, Identity::Caller(_));
    connection.asked.set((!is_caller).then(|| Asked { service: route.number(), address, location }));
    record.client = address;
    record.recognized = recognized;
    record.country = location.country;
    record.asn = location.asn;
    record.caller = caller.and_then(|caller| thread.recorder.caller(&caller.id));
    let agent = has.agent.then(|| parts.headers.get(header::USER_AGENT)).flatten();
    let facts = Facts {
        address,
        country: location.country,
        asn: location.asn,
        identity,
        forwarded_class: forwarded.map(|forwarded| forwarded.class),
        path: parts.uri.path(),
        agent: agent.map(HeaderValue::as_bytes),
        // Only a valve asks for it.
        is_probe: has.probe
            && route.valve().is_some()
            && shared.probe_tokens.shown(&parts.headers, &host.name()),
    };
    Identified { facts, shown, forwarded, recognized, is_new }
}
