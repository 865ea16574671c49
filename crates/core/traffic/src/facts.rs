//! What is known of a request, and what is made of it.

use crate::caller::Caller;
use std::net::IpAddr;
use std::time::Duration;

/// What is known of a request before it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The address of the one who asks: after trusted proxies, and the client's own where a caller showed for whom it asks.
    pub address: IpAddr,
    /// The country of that address, two capital letters of ISO 3166-1.
    pub country: Option<[u8; 2]>,
    /// The autonomous system of that address.
    pub asn: Option<u32>,
    /// Who asks.
    pub identity: Identity<'a>,
    /// The class in a verified client header: the request was ranked where it came in, and keeps its rank from proxy to proxy.
    pub forwarded_class: Option<Class>,
    /// The path, without its query.
    pub path: &'a str,
    /// `User-Agent`.
    pub agent: Option<&'a [u8]>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// A client that once succeeded, by the number in the cookie or in the header that a caller showed.
    Recognized(u64),
    /// One who succeeded a few minutes ago: the limit of its address bears as well, so that a new cookie is no new limit.
    NewlyRecognized(u64),
    /// Any other client; told apart by address: an IPv4 address, an IPv6 /64.
    FirstTime,
    /// A declared caller, for itself: it showed no client. It is never counted by its address.
    Caller(&'a Caller),
}

/// How requests outrank each other when there are too many. A smaller one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Paths that the configuration calls urgent: health, payments.
    Priority,
    /// Recognized clients, and declared callers that ask for themselves.
    Recognized,
    /// First-time clients.
    FirstTime,
    /// Robots that say so, and tools that do not say who uses them.
    Bot,
}

impl Class {
    /// All of them, the first to be served first.
    pub const ALL: [Self; 4] = [Self::Priority, Self::Recognized, Self::FirstTime, Self::Bot];

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Recognized => "recognized",
            Self::FirstTime => "first-time",
            Self::Bot => "bot",
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may ask the pool for a server.
    Pass {
        /// Its rank.
        class: Class,
        /// Whose request it is, for [`Arrival`](crate::Arrival): the same number for the same client,
        /// another one each time for a caller that asks for itself.
        client: u64,
        /// What is left of the limit that the asker can see.
        quota: Option<Quota>,
    },
    /// It is refused.
    Refuse(Refusal),
}

/// Why a request is refused, and when to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 403 when it is denied, 429 when there were too many.
    pub status: u16,
    /// By what.
    pub limit: Limit,
    /// When to come again, jittered; never for a denial.
    pub retry_after: Option<Duration>,
    /// The limit in its current state; none for a denial.
    pub quota: Option<Quota>,
    /// Which denial, for [`Route::denial`](crate::Route::denial).
    pub denial: Option<u32>,
}

/// What a request can be refused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Its country is denied.
    DeniedCountry,
    /// Its autonomous system is denied.
    DeniedAsn,
    /// Its network or address is denied.
    DeniedCidr,
    /// One client's limit.
    Client,
    /// The limit of a network: /24 or /48.
    Subnet,
    /// The limit of an autonomous system.
    Asn,
    /// A caller's own limit.
    Caller,
    /// The limit of all together.
    Service,
}

impl Limit {
    /// Whether it denies rather than limits.
    #[must_use]
    pub fn denies(self) -> bool {
        matches!(self, Self::DeniedCountry | Self::DeniedAsn | Self::DeniedCidr)
    }

    /// Its name in headers, roll-ups and traces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeniedCountry => "denied-country",
            Self::DeniedAsn => "denied-asn",
            Self::DeniedCidr => "denied-cidr",
            Self::Client => "client",
            Self::Subnet => "subnet",
            Self::Asn => "asn",
            Self::Caller => "caller",
            Self::Service => "service",
        }
    }
}

/// A limit in its current state: what RateLimit and RateLimit-Policy say (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Which.
    pub limit: Limit,
    /// How many at once: `q` of RateLimit-Policy.
    pub burst: u32,
    /// In what time so many are granted again, in whole seconds, at least 1: `w` of RateLimit-Policy.
    pub window_secs: u32,
    /// How many are left now: `r` of RateLimit.
    pub remaining: u32,
    /// In how many whole seconds all are there again: `t` of RateLimit.
    pub reset_secs: u32,
}
