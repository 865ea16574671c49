//! One stored response: its age, and whether it may be served stale.

use super::storable::Terms;
use super::variant::{Variant, owned};
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use traffic::Tick;
use types::config::CacheRule;

/// After a failure stale responses are served for this long before a request tries the servers again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What one entry costs besides its texts and its body.
const OVERHEAD: usize = 320;

/// Fields that are not kept: each response gets its own, or they are about one client or one connection.
const NOT_KEPT: [HeaderName; 8] = [
    header::AGE,
    header::CONTENT_LENGTH,
    header::SET_COOKIE,
    header::CONNECTION,
    header::TRAILER,
    header::PROXY_AUTHENTICATE,
    header::RETRY_AFTER,
    HeaderName::from_static("x-request-id"),
];
/// Beginnings of such names.
const NOT_KEPT_SETS: [&str; 3] = ["ratelimit", "x-ratelimit", "x-rate-limit"];
/// Fields of a 304 that describe a body, which it does not have (RFC 9111 section 3.2).
const OF_BODY: [HeaderName; 3] = [header::CONTENT_ENCODING, header::CONTENT_RANGE, header::CONTENT_TYPE];

/// All of a stored response but its body.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) status: StatusCode,
    /// Without what is not kept.
    pub(crate) headers: HeaderMap,
    pub(crate) variant: Variant,
    pub(crate) terms: Terms,
    /// When it was requested: its age counts from here.
    pub(crate) at: Tick,
}

/// A stored response.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) draft: Draft,
    pub(crate) body: Bytes,
    /// The tick since which its servers fail; 0 while they do not.
    failing_since: AtomicU64,
    /// The tick at which they are tried again.
    retry_at: AtomicU64,
}

/// Whether a response is fresh, and for how long still or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh(Duration),
    Stale(Duration),
}

impl Entry {
    pub(crate) fn new(draft: Draft, body: Bytes) -> Self {
        Self { draft, body, failing_since: AtomicU64::new(0), retry_at: AtomicU64::new(0) }
    }

    /// Current age (RFC 9111 section 4.2.3).
    pub(crate) fn age(&self, now: Tick) -> Duration {
        self.draft.terms.age.saturating_add(now.since(self.draft.at))
    }

    /// Freshness lifetime: the response's own, or the rule's.
    pub(crate) fn lifetime(&self, rule: &CacheRule) -> Duration {
        self.draft.terms.lifetime.unwrap_or(rule.max_age)
    }

    pub(crate) fn freshness(&self, rule: &CacheRule, now: Tick) -> Freshness {
        let (age, lifetime) = (self.age(now), self.lifetime(rule));
        if age < lifetime { Freshness::Fresh(lifetime - age) } else { Freshness::Stale(age - lifetime) }
    }

    /// Whether it may be served while it is refreshed, this long after its lifetime.
    pub(crate) fn may_while_revalidate(&self, rule: &CacheRule, stale: Duration) -> bool {
        self.may_stale(self.draft.terms.while_revalidate, rule.stale_while_revalidate, stale)
    }

    /// Whether it may be served while its servers fail, this long after its lifetime.
    pub(crate) fn may_if_error(&self, rule: &CacheRule, stale: Duration) -> bool {
        self.may_stale(self.draft.terms.if_error, rule.stale_if_error, stale)
    }

    fn may_stale(&self, own: Option<Duration>, rule: Duration, stale: Duration) -> bool {
        let terms = &self.draft.terms;
        let window = match own {
            Some(own) => own,
            None if terms.own_stale_only => Duration::ZERO,
            None => rule,
        };
        !terms.never_stale && stale < window
    }

    /// Notes that its servers failed. Returns whether they did not before.
    pub(crate) fn failed(&self, now: Tick) -> bool {
        self.retry_at.store(now.after(RETRY_AFTER).0, Ordering::Relaxed);
        self.failing_since.compare_exchange(0, now.0.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Notes that its servers answered, though with nothing that is stored.
    pub(crate) fn recovered(&self) {
        self.failing_since.store(0, Ordering::Relaxed);
    }

    /// How long its servers have failed.
    pub(crate) fn failing_for(&self, now: Tick) -> Option<Duration> {
        let since = self.failing_since.load(Ordering::Relaxed);
        (since != 0).then(|| now.since(Tick(since)))
    }

    /// Whether they failed a moment ago and are not tried yet.
    pub(crate) fn is_waiting_to_retry(&self, now: Tick) -> bool {
        self.failing_since.load(Ordering::Relaxed) != 0 && now.0 < self.retry_at.load(Ordering::Relaxed)
    }

    /// Bytes in memory, roughly.
    pub(crate) fn size(&self) -> usize {
        let headers = &self.draft.headers;
        let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 72).sum();
        OVERHEAD + self.body.len() + fields + self.draft.variant.size()
    }
}

/// The fields of a response that are kept.
pub(crate) fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| is_kept(name)) {
        kept.append(name.clone(), owned(value));
    }
    kept
}

fn is_kept(name: &HeaderName) -> bool {
    !NOT_KEPT.contains(name) && !NOT_KEPT_SETS.iter().any(|set| name.as_str().starts_with(set))
}

/// The fields of a stored response after a 304 (RFC 9111 section 3.2): each that the 304 has replaces the stored ones
/// of its name.
pub(crate) fn updated(stored: &HeaderMap, fresh: &HeaderMap) -> HeaderMap {
    let mut updated = stored.clone();
    for name in fresh.keys().filter(|name| is_kept(name) && !OF_BODY.contains(name)) {
        updated.remove(name);
        for value in fresh.get_all(name) {
            updated.append(name.clone(), owned(value));
        }
    }
    updated
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn rule(max_age: u64, error: u64) -> CacheRule {
        let secs = Duration::from_secs;
        CacheRule {
            path: "/x".to_owned(),
            max_age: secs(max_age),
            stale_while_revalidate: secs(5),
            stale_if_error: secs(error),
            max_size: 1_000,
            vary: Vec::new(),
        }
    }

    fn entry(terms: Terms) -> Entry {
        let draft = Draft {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            variant: Variant::default(),
            terms,
            at: Tick(1_000_000),
        };
        Entry::new(draft, Bytes::new())
    }

    fn at(secs: u64) -> Tick {
        Tick(1_000_000 + secs * 1_000_000)
    }

    #[test]
    fn age_counts_what_other_caches_added() {
        let terms = Terms {
            lifetime: Some(Duration::from_secs(60)),
            age: Duration::from_secs(50),
            ..Terms::default()
        };
        let entry = entry(terms);
        assert_eq!(entry.freshness(&rule(0, 0), at(9)), Freshness::Fresh(Duration::from_secs(1)));
        assert_eq!(entry.freshness(&rule(0, 0), at(10)), Freshness::Stale(Duration::ZERO));
    }

    #[test]
    fn undeclared_lifetime_is_that_of_the_rule_in_force() {
        let entry = entry(Terms::default());
        assert_eq!(entry.freshness(&rule(10, 0), at(4)), Freshness::Fresh(Duration::from_secs(6)));
        assert_eq!(entry.freshness(&rule(0, 0), at(4)), Freshness::Stale(Duration::from_secs(4)));
    }

    #[test]
    fn failure_is_remembered_for_a_second_and_its_begin_until_recovery() {
        let entry = entry(Terms::default());
        assert!(!entry.is_waiting_to_retry(at(0)) && entry.failing_for(at(0)).is_none());
        assert!(entry.failed(at(10)) && !entry.failed(at(20)));
        assert!(entry.is_waiting_to_retry(at(20)) && !entry.is_waiting_to_retry(at(21)));
        assert_eq!(entry.failing_for(at(25)), Some(Duration::from_secs(15)));
        entry.recovered();
        assert!(entry.failing_for(at(25)).is_none());
    }

    #[test]
    fn fields_of_one_client_are_not_kept() {
        let names =
            ["set-cookie", "x-request-id", "age", "content-length", "ratelimit-remaining", "etag", "link"];
        let all: HeaderMap =
            names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect();
        assert_eq!(kept(&all).keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["etag", "link"]);
    }

    #[test]
    fn revalidation_replaces_fields_and_keeps_the_others() {
        let map = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            map
        };
        let stored = map(&[("link", "a"), ("link", "b"), ("etag", "1"), ("content-type", "text/css")]);
        let fresh =
            map(&[("etag", "2"), ("content-type", "text/html"), ("set-cookie", "x"), ("date", "now")]);
        let expected = map(&[
            ("link", "a"),
            ("link", "b"),
            ("etag", "2"),
            ("content-type", "text/css"),
            ("date", "now"),
        ]);
        assert_eq!(updated(&stored, &fresh), expected);
    }

    proptest! {
        #[test]
        fn must_revalidate_is_never_served_stale(
            own in prop::option::of(0..1_000_u64), error in 0..1_000_u64, secs in 0..2_000_u64, never in any::<bool>(),
        ) {
            let terms = Terms { never_stale: never, if_error: own.map(Duration::from_secs), ..Terms::default() };
            let stale = Duration::from_secs(secs);
            let may = entry(terms).may_if_error(&rule(0, error), stale);
            prop_assert_eq!(may, !never && secs < own.unwrap_or(error));
        }
    }
}
