//! A stale response is refreshed while its clients are served: one request in the background for each URL, after all
//! others in the queue of its pool.

use crate::cache::fetch::{Fetch, Kind};
use crate::cache::flight::Part;
use crate::cache::store::RefreshSlot;
use crate::connection::Connection;
use crate::connection_table::Activity;
use crate::exchange::{Admitted, Cleared, ErrorFormat, Exchange};
use crate::forwarded::ForwardedInfo;
use crate::head::{ConnectionOptions, Host};
use crate::telemetry::Ids;
use crate::thread::{Thread, ThreadView};
use http::Method;
use http::header;
use http::request::Parts;
use std::rc::Rc;
use traffic::{Class, Route};

/// The request of a refresh. `None` where one is in progress, its servers failed a moment ago, or too many are in
/// progress.
pub(crate) fn request(
    thread: &Rc<Thread>,
    connection: &Connection,
    (view, route): (&Rc<ThreadView>, &Route),
    parts: &Parts,
    (host, forwarded, cleared): (&Host, &ForwardedInfo, &Cleared),
    mut fetch: Box<Fetch>,
) -> Option<(Exchange, RefreshSlot)> {
    let tick = thread.tick();
    if fetch.stored.as_ref().is_some_and(|entry| entry.is_waiting_to_retry(tick)) {
        return None;
    }
    let slot = fetch.cache.refresh()?;
    let Part::First(lead) = fetch.cache.flights.join(&fetch.key) else { return None };
    fetch.lead = Some(lead);
    fetch.kind = Kind::Get;
    let (_, servers) = view.pool_of(route)?;
    // A connection of its own: the client's may end before.
    let own = Connection::new(
        connection.peer,
        connection.tls,
        Rc::clone(&thread.ticks),
        Activity::new(thread.ticks.now()),
    );
    let (mut own_parts, ()) = http::Request::new(()).into_parts();
    own_parts.method = Method::GET;
    own_parts.uri = parts.uri.clone();
    own_parts.version = parts.version;
    own_parts.headers = parts.headers.clone();
    // For everybody, not for the person who happened to ask.
    own_parts.headers.remove(header::COOKIE);
    fetch.has_cookies = false;
    let mut record = thread.recorder.open(tick.0, forwarded.client, Ids::fresh());
    record.uncounted();
    let admitted = Box::new(Admitted {
        view: Rc::clone(view),
        route: route.index,
        host: Host { value: host.value.clone() },
        options: ConnectionOptions::default(),
        format: ErrorFormat::default(),
        opening: None,
        length: Some(0),
        body: None,
        tunnel: None,
        forwarded: forwarded.clone(),
        cleared: Cleared { class: Class::Bot, quota: None, ..*cleared },
        shown: None,
        announced: servers.pool.announce(tick, Class::Bot, (cleared.number, cleared.subnet)),
        tick,
        record,
        busy: own.begin(),
        cache: Some(fetch),
        keyed: None,
    });
    Some((Exchange { thread: Rc::clone(thread), connection: own, parts: own_parts, admitted }, slot))
}
