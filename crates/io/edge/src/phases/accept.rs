//! Phase accept: the request is counted, the client's address is read behind trusted proxies, and its record begins.

use crate::connection::{Busy, Connection};
use crate::forwarded::{self, ForwardedInfo};
use crate::head::{self, HeaderPresence};
use crate::telemetry::{Ids, OpenRecord, Phase};
use crate::thread::{Thread, ThreadView};
use http::Method;
use http::request::Parts;
use std::rc::Rc;
use traffic::Tick;

/// A request in progress on its connection, and the policy that applies to it.
pub(crate) struct Accepted {
    /// Bytes received on the connection since the request before.
    pub(crate) came: usize,
    pub(crate) busy: Busy,
    pub(crate) view: Rc<ThreadView>,
}

/// Counts the request as in progress.
pub(crate) fn accept(thread: &Thread, connection: &Rc<Connection>) -> Accepted {
    let came = connection.came.replace(0);
    Accepted { came, busy: connection.begin(), view: thread.view() }
}

/// Whether it is a health check of the edge itself.
pub(crate) fn is_health_check(view: &ThreadView, parts: &Parts) -> bool {
    view.shared.edge.health_path.as_deref() == Some(parts.uri.path())
        && matches!(parts.method, Method::GET | Method::HEAD)
}

/// The start of a request's record, with what is read for it.
pub(crate) struct Started {
    pub(crate) forwarded: ForwardedInfo,
    pub(crate) has: HeaderPresence,
    pub(crate) tick: Tick,
    pub(crate) record: Box<OpenRecord>,
}

/// Reads the client's address and the trace ids, and begins the record.
pub(crate) fn start(
    thread: &Thread,
    connection: &Connection,
    view: &ThreadView,
    parts: &mut Parts,
) -> Started {
    let peer = forwarded::plain(connection.peer.ip());
    let proxies = &view.shared.edge.trusted_proxies;
    let forwarded = forwarded::client_info(peer, proxies, &thread.header_preferences, &parts.headers);
    let has = HeaderPresence::of(&parts.headers);
    if connection.http2.get() && has.cookie {
        head::join_cookies(&mut parts.headers);
    }
    let ids = if has.trace { Ids::of(&parts.headers) } else { Ids::fresh() };
    let tick = thread.tick();
    let mut record = thread.recorder.open(tick.0, forwarded.client, ids);
    record.stamp(Phase::Head, tick.0);
    Started { forwarded, has, tick, record }
}
