//! Phase cache: between the limits and the pool, a stored response answers; after the pool, one is stored.
//!
//! A fresh response is served without a place at a server. Denials and limits of clients apply before.

pub(crate) mod fetch;
pub(crate) mod refresh;
pub(crate) mod serve;

use crate::cache::entry::Freshness;
use crate::cache::fetch::{Fetch, Kind};
use crate::cache::status::Forward;
use crate::forwarded::ForwardedInfo;
use crate::head::Host;
use crate::thread::ThreadView;
use http::request::Parts;
use serve::{How, Served};
use std::fmt::Write as _;
use std::sync::Arc;
use traffic::{Route, Tick};

/// The result of the look-up.
pub(crate) enum Lookup {
    /// The path is not cached.
    Aside,
    /// A stored response answers. With a fetch where it is to be refreshed in the background.
    Serve(Served, Option<Box<Fetch>>),
    /// A server is asked.
    Ask(Box<Fetch>),
}

/// Looks a request up. `is_plain`: it has no body and asks for no other protocol.
pub(crate) fn look_up(
    (view, route): (&ThreadView, &Route),
    parts: &Parts,
    (host, forwarded, tls): (&Host, &ForwardedInfo, bool),
    is_plain: bool,
    now: Tick,
) -> Lookup {
    let Some(cache) = &view.shared.cache else { return Lookup::Aside };
    let Some(rule) = route.cache_rule(parts.uri.path()) else { return Lookup::Aside };
    let key = key(route, parts, (host, forwarded, tls));
    let kind = Kind::of(parts, is_plain);
    if matches!(kind, Kind::Bypass | Kind::Unsafe) {
        let why = if kind == Kind::Unsafe { Forward::Method } else { Forward::Bypass };
        return Lookup::Ask(Fetch::new(kind, (cache, rule), key, why, None, now));
    }
    let slot = cache.get(&key);
    let entry = slot.as_ref().and_then(|slot| slot.select(rule, &parts.headers));
    let Some(entry) = entry else {
        let is_miss = slot.as_ref().is_none_or(|slot| slot.is_empty());
        let why = if is_miss { Forward::UriMiss } else { Forward::VaryMiss };
        let fetch = Fetch::new(kind, (cache, rule), key, why, None, now);
        return Lookup::Ask(fetch.with(slot.as_deref(), parts));
    };
    let stale = match entry.freshness(rule, now) {
        Freshness::Fresh(ttl) => {
            return Lookup::Serve(Served { entry: Arc::clone(entry), how: How::Fresh(ttl) }, None);
        }
        Freshness::Stale(stale) => stale,
    };
    let serve = |how| Served { entry: Arc::clone(entry), how };
    if entry.is_waiting_to_retry(now) && entry.may_if_error(rule, stale) {
        return Lookup::Serve(serve(How::IfError { stale, is_overload: false }), None);
    }
    let is_usable = entry.may_while_revalidate(rule, stale);
    let fetch = Fetch::new(kind, (cache, rule), key, Forward::Stale, Some(Arc::clone(entry)), now);
    let fetch = fetch.with(slot.as_deref(), parts);
    if is_usable {
        Lookup::Serve(serve(How::WhileRevalidate(stale)), Some(fetch))
    } else {
        Lookup::Ask(fetch)
    }
}

/// The key of a URL, as its servers see it. See [`crate::cache::store`].
fn key(route: &Route, parts: &Parts, (host, forwarded, tls): (&Host, &ForwardedInfo, bool)) -> Box<str> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let name = host.name();
    let scheme = if forwarded.https.unwrap_or(tls) { "https" } else { "http" };
    let mut key = String::with_capacity(route.service.0.len() + name.len() + target.len() + 16);
    let _ = write!(key, "{}\n{scheme}\n{name}", route.service.0);
    if let Some(port) = host.port() {
        let _ = write!(key, ":{port}");
    }
    if let Some(other) = forwarded.host() {
        let _ = write!(key, " {other}");
    }
    key.push('\n');
    key.push_str(target);
    key.into_boxed_str()
}
