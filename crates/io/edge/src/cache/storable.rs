//! Whether a response may be stored, and for how long it is fresh (RFC 9111 sections 3, 4.2 and 5.2).
//!
//! The crate `http-cache-semantics` decides; it gets only the fields that it needs. What it does otherwise than a
//! shared cache in front of one site should: it compares directives with their case, takes `proxy-revalidate` for
//! `no-cache`, and guesses a lifetime from `Last-Modified`.

use super::directives::{Directives, seconds};
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, Response, StatusCode, Uri};
use http_cache_semantics::{CacheOptions, CachePolicy};
use std::time::{Duration, SystemTime};

/// The response fields that decide.
const DECIDE: [HeaderName; 4] = [header::EXPIRES, header::DATE, header::PRAGMA, header::VARY];
/// No age is more than this.
const AGE_MAX: Duration = Duration::from_secs(1 << 31);

/// What a response says about its reuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Freshness lifetime; `None` where the response declares none.
    pub(crate) lifetime: Option<Duration>,
    /// Its age when it came.
    pub(crate) age: Duration,
    /// Whether it is never served stale: `must-revalidate`, `proxy-revalidate`, `no-cache`.
    pub(crate) never_stale: bool,
    /// Whether only the response itself may allow stale service: `s-maxage` includes `proxy-revalidate` (RFC 9111
    /// section 5.2.2.10).
    pub(crate) own_stale_only: bool,
    /// Its `stale-while-revalidate`.
    pub(crate) while_revalidate: Option<Duration>,
    /// Its `stale-if-error`.
    pub(crate) if_error: Option<Duration>,
}

/// What is done with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storable {
    /// Stored.
    Yes(Terms),
    /// Not stored, because of this request or of an error; what was stored before is kept.
    NotThis,
    /// Not stored, and what was stored before is dropped: the resource has changed.
    No,
}

/// A request as far as it matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// Whether it has cookies other than the edge's own.
    pub(crate) has_cookies: bool,
}

/// Decides on a response to a GET.
pub(crate) fn decide(asked: Asked<'_>, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Storable {
    if asked.headers.contains_key(header::AUTHORIZATION) {
        return Storable::NotThis;
    }
    let otherwise = if replaces(status) { Storable::No } else { Storable::NotThis };
    if headers.contains_key(header::SET_COOKIE) {
        return Storable::NotThis;
    }
    let directives = Directives::of(headers);
    let Some(policy) = policy(asked.headers, status, headers, &directives, now) else { return otherwise };
    if !policy.is_storable() || headers.get_all(header::VARY).iter().any(|vary| vary.as_bytes() == b"*") {
        return otherwise;
    }
    let declares = ["max-age", "s-maxage", "no-cache"].iter().any(|name| directives.has(name))
        || headers.contains_key(header::EXPIRES)
        || headers.contains_key(header::PRAGMA);
    // Without a word of the server: not the answer to one person, and not a failure.
    if !declares && asked.has_cookies {
        return Storable::NotThis;
    }
    if !declares && !may_be_undeclared(status) {
        return otherwise;
    }
    let must = ["must-revalidate", "proxy-revalidate", "no-cache"].iter().any(|name| directives.has(name));
    let is_pragma = !headers.contains_key(header::CACHE_CONTROL) && headers.contains_key(header::PRAGMA);
    Storable::Yes(Terms {
        lifetime: declares.then(|| policy.time_to_live(now)),
        age: age(headers),
        never_stale: must || directives.contradict || is_pragma,
        own_stale_only: directives.has("s-maxage"),
        while_revalidate: directives.seconds("stale-while-revalidate"),
        if_error: directives.seconds("stale-if-error"),
    })
}

/// Age by the response's own account (RFC 9111 section 5.1).
fn age(headers: &HeaderMap) -> Duration {
    let text = headers.get(header::AGE).and_then(|age| age.to_str().ok());
    text.map_or(Duration::ZERO, |text| seconds(text.split(',').next().unwrap_or_default())).min(AGE_MAX)
}

/// Whether a response of this status is the resource itself, so that an earlier one has no value any more.
fn replaces(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection() || matches!(status.as_u16(), 404 | 410)
}

/// Whether a response that declares no lifetime may be stored by the configuration's `max_age`.
fn may_be_undeclared(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 301 | 308)
}

/// The policy for the fields that decide. Without `Age`, so that its time to live is the whole freshness lifetime.
fn policy(
    asked: &HeaderMap,
    status: StatusCode,
    headers: &HeaderMap,
    directives: &Directives,
    now: SystemTime,
) -> Option<CachePolicy> {
    let mut request = Request::builder().method(Method::GET).uri(Uri::from_static("/"));
    if Directives::of(asked).has("no-store") {
        request = request.header(header::CACHE_CONTROL, "no-store");
    }
    let mut response = Response::builder().status(status);
    for name in DECIDE {
        for value in headers.get_all(&name) {
            response = response.header(name.clone(), value.clone());
        }
    }
    if let Some(control) = directives.without(&["proxy-revalidate"]) {
        response = response.header(header::CACHE_CONTROL, control);
    }
    let (request, response) = (request.body(()).ok()?, response.body(()).ok()?);
    let options = CacheOptions {
        shared: true,
        cache_heuristic: 0.0,
        immutable_min_time_to_live: Duration::ZERO,
        ignore_cargo_cult: false,
    };
    Some(CachePolicy::new_options(&request, &response, now, options))
}

#[cfg(test)]
mod tests;
