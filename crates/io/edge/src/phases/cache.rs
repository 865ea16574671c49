//! Phase cache: between the limits and the pool, a stored response answers; after the pool, one is stored.
//!
//! A fresh response is served without a place at a server. Denials and limits of clients apply before.

pub(crate) mod fetch;
pub(crate) mod refresh;
pub(crate) mod serve;

use crate::cache::directives::split;
use crate::cache::entry::{Entry, Freshness};
use crate::cache::flight::Lead;
use crate::cache::status::Forward;
use crate::cache::store::{ResponseCache, Slot};
use crate::cache::validators::{self, Conditions};
use crate::forwarded::ForwardedInfo;
use crate::head::Host;
use crate::thread::ThreadView;
use http::Method;
use http::header::{self, HeaderMap};
use http::request::Parts;
use serve::{How, Served};
use std::fmt::Write as _;
use std::sync::Arc;
use traffic::{Route, Tick};
use types::config::CacheRule;

/// The result of the look-up.
pub(crate) enum Lookup {
    /// The path is not cached.
    Aside,
    /// A stored response answers. With a plan where it is to be refreshed in the background.
    Serve(Served, Option<Box<Plan>>),
    /// A server is asked.
    Ask(Box<Plan>),
}

/// What the cache does with a request that goes to a server.
pub(crate) struct Plan {
    kind: Kind,
    cache: Arc<ResponseCache>,
    rule: Arc<CacheRule>,
    key: Box<str>,
    generation: u64,
    why: Forward,
    /// The stored response, stale.
    stored: Option<Arc<Entry>>,
    /// Whether it waits for another request for the same, and others for it.
    shares: bool,
    /// Whether the client's conditions stay: lately no response of this URL was stored.
    keeps_conditions: bool,
    has_cookies: bool,
    conditions: Conditions,
    /// Whether the server is asked whether the stored response is still right.
    validates: bool,
    lead: Option<Lead>,
    at: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A GET whose response may be stored.
    Get,
    /// A HEAD: answered by the response to a GET, but not stored.
    Head,
    /// It passes by.
    Bypass,
    /// It may change the resource, whose stored responses are dropped then (RFC 9111 section 4.4).
    Unsafe,
}

impl Kind {
    fn of(parts: &Parts, is_plain: bool) -> Self {
        match parts.method {
            Method::GET | Method::HEAD => {
                let headers = &parts.headers;
                let passes = headers.contains_key(header::AUTHORIZATION) || validators::passes_by(headers);
                match (passes || !is_plain, parts.method == Method::HEAD) {
                    (true, _) => Self::Bypass,
                    (false, true) => Self::Head,
                    (false, false) => Self::Get,
                }
            }
            Method::OPTIONS | Method::TRACE | Method::CONNECT => Self::Bypass,
            _ => Self::Unsafe,
        }
    }
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
        return Lookup::Ask(Plan::new(kind, (cache, rule), key, why, None, now));
    }
    let slot = cache.get(&key);
    let entry = slot.as_ref().and_then(|slot| slot.select(rule, &parts.headers));
    let Some(entry) = entry else {
        let is_miss = slot.as_ref().is_none_or(|slot| slot.is_empty());
        let why = if is_miss { Forward::UriMiss } else { Forward::VaryMiss };
        let plan = Plan::new(kind, (cache, rule), key, why, None, now);
        return Lookup::Ask(plan.with(slot.as_deref(), parts));
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
    let plan = Plan::new(kind, (cache, rule), key, Forward::Stale, Some(Arc::clone(entry)), now);
    let plan = plan.with(slot.as_deref(), parts);
    if is_usable { Lookup::Serve(serve(How::WhileRevalidate(stale)), Some(plan)) } else { Lookup::Ask(plan) }
}

impl Plan {
    fn new(
        kind: Kind,
        (cache, rule): (&Arc<ResponseCache>, &Arc<CacheRule>),
        key: Box<str>,
        why: Forward,
        stored: Option<Arc<Entry>>,
        at: Tick,
    ) -> Box<Self> {
        Box::new(Self {
            kind,
            generation: cache.generation(&key),
            cache: Arc::clone(cache),
            rule: Arc::clone(rule),
            key,
            why,
            stored,
            shares: false,
            keeps_conditions: false,
            has_cookies: false,
            conditions: Conditions::default(),
            validates: false,
            lead: None,
            at,
        })
    }

    fn with(mut self: Box<Self>, slot: Option<&Slot>, parts: &Parts) -> Box<Self> {
        let is_alone = slot.is_some_and(|slot| slot.is_alone(self.at));
        // A response without a lifetime answers its own request only.
        let is_brief = self.stored.as_ref().is_some_and(|entry| entry.lifetime(&self.rule).is_zero());
        self.shares = self.kind == Kind::Get && !is_alone && !is_brief;
        self.keeps_conditions = is_alone && self.stored.is_none();
        self.has_cookies = has_cookies(&parts.headers);
        self
    }
}

/// Whether a request has cookies other than the edge's own.
fn has_cookies(headers: &HeaderMap) -> bool {
    let is_own = |pair: &str| ["mainstay=", "__Host-mainstay="].iter().any(|own| pair.starts_with(own));
    let mut values = headers.get_all(header::COOKIE).iter();
    values.any(|value| {
        value.to_str().is_ok_and(|text| split(text, b';').any(|pair| !is_own(pair)))
            || value.to_str().is_err()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cookie_is_no_cookie_of_the_site() {
        for (cookie, has) in [
            ("mainstay=abc", false),
            ("__Host-mainstay=abc", false),
            ("mainstay=abc; session=1", true),
            ("mainstayx=1", true),
            ("", false),
        ] {
            let headers: HeaderMap = [(header::COOKIE, cookie.parse().unwrap())].into_iter().collect();
            assert_eq!(has_cookies(&headers), has, "{cookie}");
        }
    }
}
