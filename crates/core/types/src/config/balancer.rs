//! Pools behind other load balancers, as declared.

use crate::PoolId;
use crate::config::SecretRef;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// A pool behind another load balancer, which mainstay asks for its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalPool {
    /// Its name in the configuration.
    pub id: PoolId,
    /// The load balancer.
    pub balancer: Balancer,
    /// Name of the pool at the load balancer, if declared: a backend, an upstream, a cluster, a service.
    pub backend: Option<String>,
    /// Members that must be there. Empty means those that the load balancer lists.
    pub members: BTreeSet<String>,
    /// Minimum number of serving members; an alert fires below it.
    pub min_healthy: Option<u32>,
}

/// A load balancer that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// Its product, and so the format of its answer.
    pub kind: BalancerKind,
    /// Where it answers.
    pub at: BalancerAddress,
    /// Token that it is asked with, sent as `Authorization: Bearer`.
    pub token: Option<SecretRef>,
    /// Login that it is asked with, `USER:PASSWORD`, sent as `Authorization: Basic`.
    pub login: Option<SecretRef>,
    /// PEM file with the root certificates that its certificate is verified against, besides those of the site.
    pub ca_file: Option<PathBuf>,
    /// Of a Prometheus page: the series of the members.
    pub series: Option<Series>,
}

impl fmt::Display for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind.as_str(), self.at)
    }
}

/// Where a load balancer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BalancerAddress {
    /// A URL, http or https, without a secret.
    Url(String),
    /// A Unix socket.
    Socket(PathBuf),
}

impl fmt::Display for BalancerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Product of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BalancerKind {
    /// HAProxy: its statistics as CSV, by HTTP or by its runtime socket.
    Haproxy,
    /// nginx Plus: the JSON of its API.
    NginxPlus,
    /// Caddy: its admin API.
    Caddy,
    /// Envoy: its admin interface.
    Envoy,
    /// Traefik: its API.
    Traefik,
    /// Any page in the text format of Prometheus.
    Prometheus,
    /// Kubernetes: EndpointSlices of a service.
    Kubernetes,
}

impl BalancerKind {
    /// Every product, with the word before the colon of `from`.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Haproxy, "haproxy"),
        (Self::NginxPlus, "nginx-plus"),
        (Self::Caddy, "caddy"),
        (Self::Envoy, "envoy"),
        (Self::Traefik, "traefik"),
        (Self::Prometheus, "prometheus"),
        (Self::Kubernetes, "kubernetes"),
    ];

    /// The word before the colon of `from`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("balancer", |(_, word)| word)
    }
}

/// Series of a Prometheus page, one for each member: a value above 0 means that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Name of the metric.
    pub metric: String,
    /// Labels that a series must have.
    pub labels: BTreeMap<String, String>,
    /// The label that names the member, if declared.
    pub member_label: Option<String>,
}
