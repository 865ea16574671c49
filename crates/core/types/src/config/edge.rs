//! The declared edge: listeners, traffic policies, pools, callers.

use crate::config::{CacheRule, Offline, SecretRef};
use crate::deny_target::DenyTarget;
use crate::{PoolId, ServiceId};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The edge: mainstay's reverse proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Listen addresses for HTTP.
    pub listen: Vec<SocketAddr>,
    /// Listen addresses for HTTPS.
    pub listen_tls: Vec<SocketAddr>,
    /// Whether HTTP requests are redirected to HTTPS (308).
    pub redirect_to_https: bool,
    /// HTTPS port as clients see it, if it is declared.
    pub https_port: Option<u16>,
    /// Health check path of the edge itself, for any host.
    pub health_path: Option<String>,
    /// Certificate files; selected by SNI.
    pub certificates: Vec<CertificateFiles>,
    /// CIDR ranges from which `Forwarded` and `X-Forwarded-For` are accepted.
    pub trusted_proxies: Vec<IpNet>,
    /// CIDR ranges whose connections must begin with the PROXY protocol, v1 or v2.
    pub proxy_protocol: Vec<IpNet>,
    /// Worker threads, one runtime each; the number of cores when `None`.
    pub threads: Option<u32>,
    /// Limits of one request and one connection.
    pub limits: EdgeLimits,
    /// MMDB file with countries.
    pub geoip_country: Option<PathBuf>,
    /// MMDB file with autonomous systems.
    pub geoip_asn: Option<PathBuf>,
    /// Whether each request is written to standard output as one line of JSON.
    pub access_log: bool,
    /// OTLP/HTTP endpoint for traces, the full URL: `http://127.0.0.1:4318/v1/traces`.
    pub otlp: Option<String>,
    /// Maximum size of the response cache with its keys, in bytes.
    pub cache_size: u64,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// Limits of one request and one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Maximum size of request line and headers, in bytes.
    pub head_bytes: u32,
    /// Maximum number of request headers.
    pub headers: u32,
    /// Maximum size of a request body, in bytes.
    pub body_bytes: u64,
    /// Timeout for receiving all headers of a request.
    pub header_timeout: Duration,
    /// Timeout between two reads or writes of a body.
    pub body_timeout: Duration,
    /// Idle timeout of a connection between requests.
    pub keepalive_timeout: Duration,
    /// Maximum concurrent connections.
    pub max_connections: u32,
    /// Maximum concurrent connections from one address (IPv6: one /64); trusted proxies are exempt.
    pub max_connections_per_ip: u32,
    /// Longest time over which long-lived connections are closed when their server or the edge drains.
    pub drain_timeout: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            head_bytes: 16 << 10,
            headers: 100,
            body_bytes: 64 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(75),
            max_connections: 20_000,
            max_connections_per_ip: 2_000,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// Traffic policy: how the edge serves a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The pool that serves it.
    pub pool: PoolId,
    /// Limit of one client.
    pub client: Option<Rate>,
    /// Limit of one subnet: an IPv4 /24 or an IPv6 /48.
    pub subnet: Option<Rate>,
    /// Limit of one autonomous system, all its subnets together.
    pub asn: Option<Rate>,
    /// Limit of one caller for requests of its own.
    pub caller: Option<Rate>,
    /// Limit of all requests together.
    pub service: Option<Rate>,
    /// Origins that are always denied.
    pub deny: Vec<DenyTarget>,
    /// Origins that are never denied.
    pub allow: Vec<DenyTarget>,
    /// The successful request after which a client is recognized.
    pub recognize: Option<Recognize>,
    /// Paths that are served before all others under overload. `/pay/*` matches everything below.
    pub priority_paths: Vec<String>,
    /// Timeout from the request to the first byte of the response.
    pub response_timeout: Duration,
    /// Paths whose responses are cached; the first that matches applies.
    pub cache: Vec<CacheRule>,
    /// What browsers keep of the site; `None`: the site has no offline kit.
    pub offline: Option<Offline>,
}

/// A rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Number of requests.
    pub count: u32,
    /// Per this duration.
    pub per: Duration,
    /// Burst size: requests accepted immediately after a pause.
    pub burst: u32,
}

/// A successful request after which a client is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognize {
    /// `POST`; any method when `None`.
    pub method: Option<String>,
    /// The exact path, or a pattern such as `/account/*`.
    pub path: String,
    /// Status codes that only a success has.
    pub status: Vec<u16>,
    /// How long a client stays recognized.
    pub duration: Duration,
}

/// A pool of interchangeable servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name in the configuration.
    pub id: PoolId,
    /// The servers. Never empty.
    pub servers: Vec<PoolServer>,
    /// Minimum number of healthy servers; an alert fires below it.
    pub min_healthy: Option<u32>,
    /// Protocol of its servers.
    pub protocol: Protocol,
    /// Name for SNI and certificate verification, if servers use TLS.
    pub tls: Option<String>,
    /// Active health check, if declared.
    pub health: Option<Health>,
    /// Maximum concurrent requests to one server.
    pub max_concurrency: u32,
    /// Initial limit of concurrent requests to the whole pool; it adapts from there.
    pub initial_concurrency: u32,
    /// Whether `initial_concurrency` is declared; where it is not, a load test may raise it.
    pub is_initial_declared: bool,
    /// Maximum open WebSockets and event streams of one server; no limit when `None`.
    pub max_connections: Option<u32>,
}

/// One server of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolServer {
    /// Host and port. A host name may resolve to several addresses.
    pub at: String,
    /// Relative share of requests.
    pub weight: u16,
    /// Whether it gets no new requests.
    pub drain: bool,
}

/// Protocol of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with persistent connections.
    Http1,
    /// HTTP/2, over TLS or with prior knowledge: for gRPC.
    Http2,
}

/// Active health check of the servers of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Requested by GET; any 2xx or 3xx is healthy.
    pub path: String,
    /// Time between checks.
    pub interval: Duration,
    /// Timeout of one check.
    pub timeout: Duration,
    /// Consecutive failures before a server is unhealthy.
    pub fall: u32,
    /// Consecutive successes before a server is healthy again.
    pub rise: u32,
}

/// An own program that calls own services. Requests that it makes for a client count as that client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name in the configuration: `auth-web`.
    pub id: crate::CallerId,
    /// The service that it belongs to, if any.
    pub service: Option<ServiceId>,
    /// The token that it sends as `mainstay-caller: TOKEN`.
    pub token: Option<SecretRef>,
    /// Its CIDR ranges.
    pub cidrs: Vec<IpNet>,
}
