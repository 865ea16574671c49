//! What the edge counted in a second, what the team denied, and the policy that the edge serves by.
//!
//! Facts, not judgements: `watch` judges a [`Rollup`] as it judges a sample.

use crate::{CallerId, Config, DenialId, PoolId, ServiceId, Time};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// What the edge serves by: published by the mind, never asked for.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// What the team denied and has not yet lapsed.
    pub denials: BTreeMap<DenialId, Denial>,
}

/// Traffic that the team refuses for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Its number.
    pub id: DenialId,
    /// Which traffic.
    pub what: DenyWhat,
    /// At which service; everywhere when `None`.
    pub service: Option<ServiceId>,
    /// From when.
    pub from: Time,
    /// Until when.
    pub until: Time,
    /// Who wanted it.
    pub by: String,
}

/// Traffic by where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyWhat {
    /// Two capital letters of ISO 3166-1.
    Country(String),
    /// The number of an autonomous system.
    Asn(u32),
    /// A network or a single address.
    Net(IpNet),
}

impl fmt::Display for DenyWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(code) => write!(f, "country {code}"),
            Self::Asn(number) => write!(f, "AS{number}"),
            Self::Net(net) => write!(f, "{net}"),
        }
    }
}

/// A network cut to its prefix; one of IPv4-mapped addresses (RFC 4291 section 2.5.5.2) as the network of IPv4 that it means.
#[must_use]
pub fn plain(net: IpNet) -> IpNet {
    let net = net.trunc();
    let IpAddr::V6(address) = net.addr() else { return net };
    let prefix = net.prefix_len().checked_sub(96);
    let mapped = address.to_ipv4_mapped().zip(prefix);
    mapped.and_then(|(four, prefix)| IpNet::new(four.into(), prefix).ok()).unwrap_or(net)
}

/// The address that connections are counted by where they are limited by address: of an IPv6 one its /64, which is one client's; an IPv4 one,
/// mapped or not, as it is.
#[must_use]
pub fn client_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        four => four,
    }
}

/// Whether a network is everybody or a large part of it: an eighth of all addresses is no source of traffic any more.
#[must_use]
pub fn is_everybody(net: IpNet) -> bool {
    net.prefix_len() < if net.addr().is_ipv4() { 4 } else { 8 }
}

/// Whom a denial of a network would hit besides those who are meant. A denial that hits any of them is asked back.
#[must_use]
pub fn hits(net: IpNet, config: &Config) -> Option<String> {
    let net = plain(net);
    if is_everybody(net) {
        return Some("everybody, or a large part of it".to_owned());
    }
    let overlaps = |other: &&IpNet| net.contains(*other) || other.contains(&net);
    let own = [IpAddr::from([127, 0, 0, 1]), IpAddr::from(1_u128.to_be_bytes())];
    let edge = config.edge.as_ref();
    let listening =
        edge.into_iter().flat_map(|edge| edge.listen.iter().chain(&edge.listen_tls)).map(|at| at.ip());
    if let Some(own) = own.into_iter().chain(listening).find(|own| net.contains(own)) {
        return Some(format!("this machine itself ({own}), its probes among it"));
    }
    let hops = edge.into_iter().flat_map(|edge| edge.trusted_proxies.iter().chain(&edge.proxy_protocol));
    if let Some(hop) = hops.into_iter().find(overlaps) {
        return Some(format!("the declared hop {hop}, and all whose requests come through it"));
    }
    let caller = config.callers.values().find(|caller| caller.cidrs.iter().any(|at| overlaps(&at)));
    caller.map(|caller| format!("the declared caller {}", caller.id))
}

/// It does not say where traffic comes from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a country (EE), nor a network by its number (AS64500), nor an address or range (192.0.2.0/24)"
)]
pub struct NotAnOrigin(String);

impl FromStr for DenyWhat {
    type Err = NotAnOrigin;

    /// Reads what is displayed and what people type: `EE`, `country ee`, `AS64500`, `192.0.2.7`, `2001:db8::/32`. A range
    /// is cut to its prefix, and IPv4 written as IPv6 (`::ffff:192.0.2.7`) is IPv4.
    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let word = text.trim();
        let country = |code: &str| {
            let letters = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
            letters.then(|| Self::Country(code.to_ascii_uppercase()))
        };
        let asn = || {
            let (head, number) = word.split_at_checked(2)?;
            let digits = head.eq_ignore_ascii_case("as") && number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse().ok().filter(|_| digits).map(Self::Asn)
        };
        let net = || {
            let single = word.parse::<IpAddr>().ok().map(IpNet::from);
            single.or_else(|| word.parse().ok()).map(|net| Self::Net(plain(net)))
        };
        let named = word.split_once(' ').filter(|(kind, _)| *kind == "country");
        named
            .map_or_else(|| country(word), |(_, code)| country(code.trim()))
            .or_else(asn)
            .or_else(net)
            .ok_or_else(|| NotAnOrigin(word.chars().take(60).collect()))
    }
}

/// What went through the edge in a stretch of time, usually a second. Every map in it is bounded by the edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollup {
    /// The stretch that it counts.
    pub span: Duration,
    /// By service; those without a request are there with zeros.
    pub services: BTreeMap<ServiceId, ServiceTraffic>,
    /// Every pool as it stands at the end of the stretch.
    pub pools: BTreeMap<PoolId, PoolSeen>,
    /// Names in `Host` that no service declares, and how often each was asked for; the most frequent few.
    pub strangers: BTreeMap<String, u64>,
    /// Connections open at the end.
    pub connections: u64,
}

/// What was asked of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceTraffic {
    /// Requests that came to a verdict, whatever it was.
    pub requests: u64,
    /// Let through to a server.
    pub passed: u64,
    /// Of known visitors: asked, and answered by a server with less than 500 and other than 429.
    pub known: Asked,
    /// Of first-time visitors, likewise.
    pub first: Asked,
    /// Of own callers, likewise.
    pub own: Asked,
    /// Refused by a rule of denial.
    pub denied: u64,
    /// Refused by a limit, by its name: `visitor`, `network`, `caller`, `service`.
    pub limited: BTreeMap<String, u64>,
    /// Refused because servers are at their limit.
    pub shed: u64,
    /// 429s that servers answered with.
    pub server_429: u64,
    /// 5xx that servers answered with, and failures to get an answer at all.
    pub failed: u64,
    /// Median and 99th hundredth of the time to the answer's head, of requests that were let through.
    pub p50: Duration,
    /// See `p50`.
    pub p99: Duration,
    /// Networks that sent most, with the share of each in per cent of `requests`, largest first; at most ten.
    pub networks: Vec<(String, u8)>,
    /// Visitors that asked most, likewise: an address, or `known:...` for a known visitor.
    pub visitors: Vec<(String, u8)>,
    /// Paths that were asked for most, likewise.
    pub paths: Vec<(String, u8)>,
    /// Own callers that were refused with 429, by the edge or by the service's servers.
    pub callers_refused: BTreeMap<CallerId, CallerRefused>,
}

/// How many asked and how many of them were served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Asked.
    pub asked: u64,
    /// Served.
    pub served: u64,
}

/// Refusals that hit one of our own callers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerRefused {
    /// How many 429s.
    pub count: u64,
    /// The id of one request that shows it, the latest.
    pub trace: Option<String>,
    /// The limits that the trace shows, outermost first, in words: `api-client of auth-web`, `per-address of api`.
    pub limits: Vec<String>,
}

/// A pool as it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolSeen {
    /// Every server.
    pub servers: Vec<ServerSeen>,
    /// Requests at once that it is given now.
    pub limit: u32,
    /// Requests at once that it has.
    pub inflight: u32,
    /// Requests that wait for it.
    pub waiting: u32,
    /// Whether it runs on the panic rule: too few are well, so that all but the draining get requests.
    pub panics: bool,
    /// The name that its servers should be certified for, and what is wrong instead; `None` when nothing is.
    pub certificate: Option<(String, String)>,
}

/// One server of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerSeen {
    /// Its address.
    pub address: String,
    /// How it is.
    pub state: ServerState,
    /// For how long it has been so.
    pub since: Duration,
    /// Why, when it does not serve.
    pub why: Option<String>,
    /// Requests at once that it has.
    pub inflight: u32,
    /// Requests that it answered in this stretch.
    pub answered: u64,
    /// Failures of it in this stretch.
    pub failed: u64,
    /// What it takes to answer, by its peak-sensitive moving average.
    pub latency: Duration,
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// Gets its share.
    Serving,
    /// Came back lately and gets a growing share.
    Warming,
    /// Failed, and gets nothing for a while.
    Ejected,
    /// Its health check fails.
    Down,
    /// Gets nothing new, because the configuration says so.
    Draining,
}

impl ServerState {
    /// Whether it gets new requests in quiet times.
    #[must_use]
    pub fn serves(self) -> bool {
        matches!(self, Self::Serving | Self::Warming)
    }

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Warming => "warming up",
            Self::Ejected => "ejected",
            Self::Down => "down",
            Self::Draining => "draining",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_people_type_them() {
        for (typed, wanted) in [
            ("ee", Some("country EE")),
            ("country EE", Some("country EE")),
            (" AS64500 ", Some("AS64500")),
            ("as64500", Some("AS64500")),
            ("AS", Some("country AS")),
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.7/24", Some("192.0.2.0/24")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("AS64500x", None),
            ("AS-1", None),
            ("AS99999999999", None),
            ("E1", None),
            ("é", None),
            ("192.0.2.0/33", None),
            ("", None),
        ] {
            let read = typed.parse::<DenyWhat>().ok();
            assert_eq!(read.as_ref().map(ToString::to_string).as_deref(), wanted, "{typed}");
            if let Some(read) = read {
                assert_eq!(read.to_string().parse(), Ok(read), "{typed}");
            }
        }
    }
}
