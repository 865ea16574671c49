//! Facts about a request, and the verdict on it.

use crate::caller::Caller;
use std::net::IpAddr;
use std::time::Duration;

/// Facts about a request before its verdict.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client's address: behind trusted proxies, and the forwarded one where a declared caller asks for a
    /// client.
    pub address: IpAddr,
    /// The country of that address, two capital letters of ISO 3166-1.
    pub country: Option<[u8; 2]>,
    /// The autonomous system of that address.
    pub asn: Option<u32>,
    /// The identity of the sender.
    pub identity: Identity<'a>,
    /// The class in a verified `mainstay-client` header: a request keeps the class that it had where it entered.
    pub forwarded_class: Option<Class>,
    /// The path, without its query.
    pub path: &'a str,
    /// `User-Agent`.
    pub agent: Option<&'a [u8]>,
    /// Whether it is a probe of mainstay, by its signed header.
    pub is_probe: bool,
}

/// The identity of the sender.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// A client that once succeeded, by the number in the cookie or in the header that a caller showed.
    Recognized(u64),
    /// A client that was recognized a few minutes ago: the limit of its address applies as well, so that a new
    /// cookie is no new limit.
    NewlyRecognized(u64),
    /// Any other client, identified by its address: an IPv4 address, an IPv6 /64.
    FirstTime,
    /// A declared caller, for itself: it showed no client. It is never counted by its address.
    Caller(&'a Caller),
}

/// Priority of requests under overload. A smaller class goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Paths that the configuration calls urgent: health, payments.
    Priority,
    /// Recognized clients, and declared callers on their own behalf.
    Recognized,
    /// First-time clients.
    FirstTime,
    /// Robots that declare themselves, and tools that do not say who uses them.
    Bot,
}

impl Class {
    /// All of them, the first to be served first.
    pub const ALL: [Self; 4] = [Self::Priority, Self::Recognized, Self::FirstTime, Self::Bot];

    /// Returns the display text.
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

/// The verdict on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may ask the pool for a server.
    Pass {
        /// Its class.
        class: Class,
        /// The number of its client, for [`Arrival`](crate::Arrival): the same for all requests of a client, a
        /// different one each time for a caller on its own behalf.
        client: u64,
        /// The state of the limit that is reported to the client.
        quota: Option<Quota>,
    },
    /// It is refused.
    Refuse(Refusal),
    /// The valve of the service holds it out; [`Route::valve_text`](crate::Route::valve_text) describes the valve.
    Hold(Held),
}

/// A request that the valve holds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// When to ask again, with jitter.
    pub retry_after: Duration,
    /// How long until its client is let in, if all stays well; `None` when that is not known.
    pub estimate: Option<Duration>,
    /// Whether only priority paths are served.
    pub limited: bool,
}

/// The reason of a refusal, and when to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 403 when it is denied, 429 when there were too many.
    pub status: u16,
    /// The limit or denial.
    pub limit: Limit,
    /// When to retry, with jitter; `None` for a denial.
    pub retry_after: Option<Duration>,
    /// The limit in its current state; none for a denial.
    pub quota: Option<Quota>,
    /// Which denial, for [`Route::denial`](crate::Route::denial).
    pub denial: Option<u32>,
}

/// The limits and denials that can refuse a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// A denied country.
    DeniedCountry,
    /// A denied autonomous system.
    DeniedAsn,
    /// A denied CIDR range.
    DeniedCidr,
    /// The limit of one client.
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

    /// Returns its name in headers, roll-ups and traces.
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

/// The state of a limit, for RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Which.
    pub limit: Limit,
    /// The burst: `q` of RateLimit-Policy.
    pub burst: u32,
    /// Time in which the burst is granted again, in whole seconds, at least 1: `w` of RateLimit-Policy.
    pub window_secs: u32,
    /// Requests left now: `r` of RateLimit.
    pub remaining: u32,
    /// Seconds until all are available again: `t` of RateLimit.
    pub reset_secs: u32,
}
