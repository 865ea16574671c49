//! The declared edge: where it listens, what it serves, from which servers, by which limits.

use crate::config::SecretRef;
use crate::traffic::DenyTarget;
use crate::{PoolId, ServiceId};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// mainstay's own edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Where it listens for plain HTTP.
    pub listen: Vec<SocketAddr>,
    /// Where it listens for HTTPS.
    pub listen_tls: Vec<SocketAddr>,
    /// Whether plain HTTP is only told to come back by HTTPS.
    pub redirect_to_https: bool,
    /// The port of HTTPS as clients see it, where it is another one than is listened on.
    pub https_port: Option<u16>,
    /// The path by which load balancers ask whether the edge itself serves, at any host.
    pub health_path: Option<String>,
    /// Certificates by file; chosen by the names in them.
    pub certificates: Vec<CertificateFiles>,
    /// Networks whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that must begin a connection with the PROXY protocol, v1 or v2.
    pub proxy_protocol: Vec<IpNet>,
    /// Threads, one runtime each; as many as there are cores when `None`.
    pub threads: Option<u32>,
    /// What one request or connection may take.
    pub limits: EdgeLimits,
    /// An mmdb file with countries.
    pub geoip_country: Option<PathBuf>,
    /// An mmdb file with autonomous systems.
    pub geoip_asn: Option<PathBuf>,
    /// Whether every request is written to standard output as a line of JSON.
    pub access_log: bool,
    /// Where spans go by OTLP/HTTP: the full URL, `http://127.0.0.1:4318/v1/traces`.
    pub otlp: Option<String>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// What one request or connection may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Bytes of a request's head.
    pub head_bytes: u32,
    /// Header fields of a request.
    pub headers: u32,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// How long a whole head may take.
    pub header_timeout: Duration,
    /// How long a body may stand still in either direction.
    pub body_timeout: Duration,
    /// How long a connection may do nothing between requests.
    pub keepalive_timeout: Duration,
    /// Connections at once.
    pub max_connections: u32,
    /// Connections at once from one address (IPv6: one /64); declared hops are exempt.
    pub max_connections_per_ip: u32,
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
        }
    }
}

/// How the edge serves a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The servers behind it.
    pub pool: PoolId,
    /// What one visitor may ask for.
    pub client: Option<Rate>,
    /// What one network may: an IPv4 /24, an IPv6 /48.
    pub subnet: Option<Rate>,
    /// What one autonomous system may: all its networks together.
    pub asn: Option<Rate>,
    /// What one of our own callers may, for itself and not for a visitor.
    pub caller: Option<Rate>,
    /// What all together may.
    pub service: Option<Rate>,
    /// What is always refused.
    pub deny: Vec<DenyTarget>,
    /// What is never denied by country, network or address.
    pub allow: Vec<DenyTarget>,
    /// Which success makes a known visitor.
    pub recognize: Option<Recognize>,
    /// Paths that outrank all others: health, payments. `/pay/*` means everything below.
    pub priority_paths: Vec<String>,
    /// How long one request may take until the first byte of its answer.
    pub response_timeout: Duration,
}

/// So many, and so many more at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In what time.
    pub per: Duration,
    /// How many at once, when nothing was asked for a while.
    pub burst: u32,
}

/// A success that shows a visitor to be one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognize {
    /// `POST`; any method when `None`.
    pub method: Option<String>,
    /// The path, exactly, or `/account/*`.
    pub path: String,
    /// The status codes that mean success.
    pub status: Vec<u16>,
    /// For how long a visitor stays known.
    pub duration: Duration,
}

/// Servers able to answer alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name in the configuration.
    pub id: PoolId,
    /// The servers. Never empty.
    pub servers: Vec<PoolServer>,
    /// An alert when fewer serve.
    pub min_healthy: Option<u32>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The name in SNI and on the certificate, where servers speak TLS.
    pub tls: Option<String>,
    /// How the edge asks each server whether it is well; not at all when `None`.
    pub health: Option<Health>,
    /// Requests at once to one server, at most.
    pub max_concurrency: u32,
    /// The first limit of requests at once to the whole pool; it adapts from there.
    pub initial_concurrency: u32,
}

/// One server of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolServer {
    /// A name or an address, with a port. A name may lead to several servers.
    pub at: String,
    /// Its share beside the others; 1 unless told.
    pub weight: u16,
    /// Gets nothing new.
    pub drain: bool,
}

/// How servers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, connections kept.
    Http1,
    /// HTTP/2, over TLS or with prior knowledge: for gRPC.
    Http2,
}

/// How the edge asks a server whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// GET this; any 2xx or 3xx is well.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many bad answers in a row take it out.
    pub fall: u32,
    /// So many good ones in a row bring it back.
    pub rise: u32,
}

/// A program of our own that asks our own services: it is not a visitor; the one for whom it asks is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name for people: `auth-web`.
    pub id: crate::CallerId,
    /// The service whose part it is, where it is one's.
    pub service: Option<ServiceId>,
    /// The token that it shows as `mainstay-caller: TOKEN`.
    pub token: Option<SecretRef>,
    /// The addresses that it asks from.
    pub cidrs: Vec<IpNet>,
}
