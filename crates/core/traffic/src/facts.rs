//! What is known of a request, and what is made of it.

use crate::caller::Caller;
use std::net::IpAddr;
use std::time::Duration;

/// What is known of a request before it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The address of the one who asks: after declared hops, and the visitor's own where a caller showed for whom it asks.
    pub client: IpAddr,
    /// The country of that address, two capital letters of ISO 3166-1.
    pub country: Option<[u8; 2]>,
    /// The autonomous system of that address.
    pub asn: Option<u32>,
    /// Who asks.
    pub who: Who<'a>,
    /// The class in a verified visitor header: the request was ranked where it came in, and keeps its rank from hop to hop.
    pub carried: Option<Class>,
    /// The path, without its query.
    pub path: &'a str,
    /// `User-Agent`.
    pub agent: Option<&'a [u8]>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A visitor who once succeeded, by the number in the cookie or in the header that a caller showed.
    Known(u64),
    /// One who succeeded a few minutes ago: the limit of its address bears as well, so that a new cookie is no new limit.
    Newly(u64),
    /// Anybody else; told apart by address: an IPv4 address, an IPv6 /64.
    First,
    /// One of our own callers, for itself: it showed no visitor. It is never counted by its address.
    Caller(&'a Caller),
}

/// How requests outrank each other when there are too many. A smaller one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Paths that the configuration calls urgent: health, payments.
    Urgent,
    /// Known visitors, and own callers that ask for themselves.
    Known,
    /// First-time visitors.
    First,
    /// Robots that say so, and tools that do not say who uses them.
    Bot,
}

impl Class {
    /// All of them, the first to be served first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::Known, Self::First, Self::Bot];

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Known => "known",
            Self::First => "first-time",
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
        /// Whose request it is, for [`Arrival`](crate::Arrival): the same number for the same visitor,
        /// another one each time for a caller that asks for itself.
        visitor: u64,
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
    /// The limit as it stands; none for a denial.
    pub quota: Option<Quota>,
    /// Which denial, for [`Route::denial`](crate::Route::denial).
    pub denial: Option<u32>,
}

/// What a request can be refused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Its country is denied.
    Country,
    /// Its autonomous system is denied.
    System,
    /// Its network or address is denied.
    Address,
    /// One visitor's limit.
    Visitor,
    /// The limit of a network: /24 or /48.
    Network,
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
        matches!(self, Self::Country | Self::System | Self::Address)
    }

    /// Its name in headers, roll-ups and traces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Country => "denied-country",
            Self::System => "denied-network",
            Self::Address => "denied-address",
            Self::Visitor => "visitor",
            Self::Network => "network",
            Self::Asn => "asn",
            Self::Caller => "caller",
            Self::Service => "service",
        }
    }
}

/// A limit as it stands: what RateLimit and RateLimit-Policy say (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Which.
    pub limit: Limit,
    /// How many at once: `q` of RateLimit-Policy.
    pub burst: u32,
    /// In what time so many are granted anew, in whole seconds, at least 1: `w` of RateLimit-Policy.
    pub window_secs: u32,
    /// How many are left now: `r` of RateLimit.
    pub remaining: u32,
    /// In how many whole seconds all are there again: `t` of RateLimit.
    pub reset_secs: u32,
}
