//! Traffic of the edge: the policy that it enforces, denials, and its counters per second.
//!
//! Observations, not verdicts: `detect` evaluates a [`Rollup`] as it evaluates a probe result.

use crate::deny_target::{DenyTarget, plain};
use crate::{CallerId, Config, DenialId, PoolId, ServiceId, Time, Valve};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// The policy that the edge enforces; the engine publishes a new one on each change.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Denials by the team that have not expired.
    pub denials: BTreeMap<DenialId, Denial>,
    /// Valves that are not fully open.
    pub valves: BTreeMap<ServiceId, Valve>,
    /// Initial limits of concurrent requests that load tests raise, by pool.
    pub initial_concurrency: BTreeMap<PoolId, u32>,
}

/// A temporary rule that refuses traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The denial's number.
    pub id: DenialId,
    /// The denied source.
    pub what: DenyTarget,
    /// The only service that it applies to; all services when `None`.
    pub service: Option<ServiceId>,
    /// Start.
    pub from: Time,
    /// Expiry.
    pub until: Time,
    /// The person who added it.
    pub by: String,
}

/// Returns the address by which connections are counted for the limit per IP address: an IPv6 address is cut to its
/// /64, which belongs to one client; an IPv4 address, mapped or not, is returned as IPv4.
#[must_use]
pub fn client_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        four => four,
    }
}

/// Returns the subnet of an address, as limits, counters and traces use it: an IPv4 /24, an IPv6 /48.
#[must_use]
pub fn subnet(address: IpAddr) -> IpNet {
    let net = match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Net::new(address, 24).map(IpNet::V4),
        IpAddr::V6(address) => Ipv6Net::new(address, 48).map(IpNet::V6),
    };
    net.map_or_else(|_| IpNet::from(address), |net| net.trunc())
}

/// Whether a range covers an eighth of all IPv4 or 1/128 of all IPv6 addresses, or more: too large for one source of
/// traffic.
#[must_use]
pub fn is_everybody(net: IpNet) -> bool {
    net.prefix_len() < if net.addr().is_ipv4() { 4 } else { 8 }
}

/// Describes what else a denial of this range would block: this machine, a trusted proxy, a declared caller. Such a
/// denial must be confirmed.
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
        return Some(format!("this machine itself ({own}), including its probes"));
    }
    let proxies = edge.into_iter().flat_map(|edge| edge.trusted_proxies.iter().chain(&edge.proxy_protocol));
    if let Some(proxy) = proxies.into_iter().find(overlaps) {
        return Some(format!("the trusted proxy {proxy}, and every client behind it"));
    }
    let caller = config.callers.values().find(|caller| caller.cidrs.iter().any(|at| overlaps(&at)));
    caller.map(|caller| format!("the declared caller {}", caller.id))
}

/// Counters of the edge over an interval, usually one second. The edge bounds the size of every map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollup {
    /// Length of the interval.
    pub interval: Duration,
    /// By service. A service without requests is present with zeros.
    pub services: BTreeMap<ServiceId, ServiceTraffic>,
    /// Every pool at the end of the interval.
    pub pools: BTreeMap<PoolId, PoolStatus>,
    /// `Host` names that no service declares, with their requests; only the most frequent.
    pub unknown_hosts: BTreeMap<String, u64>,
    /// Open connections at the end of the interval.
    pub connections: u64,
    /// Calls as their callers see them: of the edge to each server of a service, and of each declared caller to a service.
    #[serde(default)]
    pub calls: Vec<CallTraffic>,
}

/// Requests from one caller to one callee, measured at the caller's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallTraffic {
    /// The service whose requests they are.
    pub service: ServiceId,
    /// The other side.
    pub side: CallSide,
    /// Requests with a response, or without one.
    pub requests: u64,
    /// Of which failed or were refused.
    pub failed: u64,
    /// Median of the time to first byte; zero when nothing was forwarded.
    pub p50: Duration,
}

/// Which calls of a service are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallSide {
    /// Those of the edge to this server of its pool.
    Server(String),
    /// Those of this declared caller to the service.
    Caller(CallerId),
}

/// Counters of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceTraffic {
    /// Requests with a verdict.
    pub requests: u64,
    /// Forwarded to a server.
    pub passed: u64,
    /// Of recognized clients. Served: a server answered with a status below 500 other than 429.
    pub recognized: Asked,
    /// Of first-time clients.
    pub first: Asked,
    /// Of declared callers.
    pub callers: Asked,
    /// Refused by a deny rule.
    pub denied: u64,
    /// Refused by a limit, by its name: `client`, `subnet`, `asn`, `caller`, `service`.
    pub limited: BTreeMap<String, u64>,
    /// Refused because the pool is overloaded or has no server.
    pub shed: u64,
    /// Responses 429 of servers.
    pub server_429: u64,
    /// Responses 5xx of servers, and requests without a response of a server.
    pub failed: u64,
    /// Median of the time to first byte of forwarded requests.
    pub p50: Duration,
    /// 99th percentile of the same.
    pub p99: Duration,
    /// Subnets (/24, /48) with the most requests and their share of `requests` in percent, largest first; at most ten.
    pub subnets: Vec<(String, u8)>,
    /// Clients with the most requests, likewise: an address, or `recognized:...` for a recognized client.
    pub clients: Vec<(String, u8)>,
    /// Paths with the most requests, likewise.
    pub paths: Vec<(String, u8)>,
    /// Declared callers that got a 429, from the edge or from the service's servers.
    pub callers_refused: BTreeMap<CallerId, CallerRefused>,
    /// Held out by the valve: neither forwarded nor a failure.
    #[serde(default)]
    pub held: u64,
    /// Requests for cached paths, by what the response cache did.
    #[serde(default)]
    pub cache: CacheTraffic,
    /// Opens among the requests: they begin a WebSocket or an event stream, and are paced by their pool.
    #[serde(default)]
    pub opens: u64,
    /// Opens that were shed, refused by a server with a 429, or failed.
    #[serde(default)]
    pub opens_refused: u64,
    /// Different clients of the last five minutes, estimated.
    #[serde(default)]
    pub distinct_clients: u64,
}

/// Requests for cached paths, by what the response cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheTraffic {
    /// Answered with a fresh response.
    pub hit: u64,
    /// Answered by a server.
    pub miss: u64,
    /// Answered with a stale response: it was being refreshed, or the servers failed.
    pub stale: u64,
    /// Answered with a cached response that a server confirmed.
    pub revalidated: u64,
    /// Answered with the response that another request was just fetching.
    pub coalesced: u64,
}

/// Requests of one kind of client, and how many of them were served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Requests.
    pub asked: u64,
    /// Of which served.
    pub served: u64,
}

/// Refusals of one declared caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerRefused {
    /// Responses 429.
    pub count: u64,
    /// The trace id of the latest example.
    pub trace: Option<String>,
    /// Descriptions of the limits in that trace, outermost first: `api-client of auth-web`, `per-address of api`.
    pub limits: Vec<String>,
}

/// Status of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Status of every server.
    pub servers: Vec<ServerStatus>,
    /// Current limit of concurrent requests.
    pub limit: u32,
    /// Concurrent requests.
    pub inflight: u32,
    /// Requests in the queue.
    pub waiting: u32,
    /// Whether the pool is in panic mode: too few servers are healthy, so all servers except draining ones get
    /// requests.
    pub panic_mode: bool,
    /// Whether fewer requests are forwarded than clients ask, because servers refused more.
    #[serde(default)]
    pub throttled: bool,
    /// The expected certificate name and the problem found; `None` when there is no problem.
    pub certificate: Option<(String, String)>,
    /// Opens: WebSockets and event streams that began.
    #[serde(default)]
    pub opens: OpensStatus,
}

/// Opens of a pool: requests that begin a WebSocket or an event stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpensStatus {
    /// Sent to a server in this interval.
    pub admitted: u64,
    /// Held in this interval before that, or before they were refused.
    pub held: u64,
    /// Refused in this interval.
    pub refused: u64,
    /// Held now.
    pub waiting: u32,
    /// Opens a second that servers complete.
    pub per_sec: u32,
    /// Opens a second that servers are given at most.
    pub limit_per_sec: u32,
}

/// Status of one server of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its address.
    pub address: String,
    /// Its state.
    pub state: ServerState,
    /// Time in this state.
    pub since: Duration,
    /// The reason, when it gets no requests.
    pub why: Option<String>,
    /// Concurrent requests.
    pub inflight: u32,
    /// Open WebSockets and event streams.
    #[serde(default)]
    pub connections: u32,
    /// Requests answered in this interval.
    pub answered: u64,
    /// Failed requests in this interval.
    pub failed: u64,
    /// Peak-sensitive moving average of its response time.
    pub latency: Duration,
    /// Attempts to connect to it.
    #[serde(default)]
    pub connects: ConnectsStatus,
}

/// Attempts to connect to a server in an interval, those of health checks included, and requests that it did not end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectsStatus {
    /// Accepted connections: a process listens.
    pub accepted: u32,
    /// Refused connections: no process listens.
    pub refused: u32,
    /// Changes between the two. One process has few in a second; an address with several behind it has many.
    pub changes: u32,
    /// Whether the last one was accepted.
    pub listens: bool,
    /// Requests whose connection broke before a response.
    pub broken: u32,
    /// The last of them: `GET /login`.
    pub request: Option<String>,
}

/// State of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// Gets its full share of requests.
    Serving,
    /// Slow start: recovered recently and gets a growing share.
    Warming,
    /// Ejected after failures; gets no requests for a while.
    Ejected,
    /// Its health check fails.
    Down,
    /// Draining by configuration: gets no new requests.
    Draining,
}

impl ServerState {
    /// Whether it gets new requests outside panic mode.
    #[must_use]
    pub fn serves(self) -> bool {
        matches!(self, Self::Serving | Self::Warming)
    }

    /// Returns the display text.
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
    fn subnet_of_either_family() {
        for (address, expected) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ] {
            assert_eq!(subnet(address.parse().unwrap()).to_string(), expected);
        }
    }
}
