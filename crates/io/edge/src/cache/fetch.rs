//! What the cache does with a request that goes to a server.

use super::directives::split;
use super::entry::Entry;
use super::flight::Lead;
use super::status::Forward;
use super::store::{ResponseCache, Slot};
use super::validators::{self, Conditions};
use http::Method;
use http::header::{self, HeaderMap};
use http::request::Parts;
use std::sync::Arc;
use traffic::Tick;
use types::config::CacheRule;

/// What the cache does with a request that goes to a server.
pub(crate) struct Fetch {
    pub(crate) kind: Kind,
    pub(crate) cache: Arc<ResponseCache>,
    pub(crate) rule: Arc<CacheRule>,
    pub(crate) key: Box<str>,
    pub(crate) generation: u64,
    pub(crate) why: Forward,
    /// The stored response, stale.
    pub(crate) stored: Option<Arc<Entry>>,
    /// Whether it waits for another request for the same, and others for it.
    pub(crate) shares: bool,
    /// Whether the client's conditions stay: lately no response of this URL was stored.
    pub(crate) keeps_conditions: bool,
    pub(crate) has_cookies: bool,
    pub(crate) conditions: Conditions,
    /// Whether the server is asked whether the stored response is still right.
    pub(crate) validates: bool,
    pub(crate) lead: Option<Lead>,
    pub(crate) at: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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
    pub(crate) fn of(parts: &Parts, is_plain: bool) -> Self {
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

impl Fetch {
    pub(crate) fn new(
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

    pub(crate) fn with(mut self: Box<Self>, slot: Option<&Slot>, parts: &Parts) -> Box<Self> {
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
