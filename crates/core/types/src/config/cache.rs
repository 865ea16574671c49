//! The response cache of the edge: the paths whose responses it keeps, and for how long.

use std::time::Duration;

/// The paths of a service whose responses are cached, and what holds for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    /// `/.well-known/openid-configuration`, or `/static/*` for everything below.
    pub path: String,
    /// Freshness lifetime of a response that declares none (RFC 9111 section 4.2.1); zero: it is validated every time.
    pub max_age: Duration,
    /// Time after the freshness lifetime for which a stale response is served while it is refreshed in the background
    /// (RFC 5861 section 3).
    pub stale_while_revalidate: Duration,
    /// Time after the freshness lifetime for which a stale response is served while the servers fail (RFC 5861 section 4).
    pub stale_if_error: Duration,
    /// Maximum size of a cached body, in bytes.
    pub max_size: u64,
    /// Request headers by which responses are kept apart, besides those that a response names in `Vary`. Lower case.
    pub vary: Vec<String>,
}

impl CacheRule {
    /// The default of `max_size`.
    pub const MAX_SIZE: u64 = 1_000_000;
    /// The default of `stale_if_error`.
    pub const STALE_IF_ERROR: Duration = Duration::from_secs(3_600);
}

/// The default of `edge.cache_size`, in bytes.
pub const CACHE_SIZE: u64 = 64_000_000;
