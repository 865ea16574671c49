//! Addresses that a load test must not reach: servers of pools, and the listeners of this installation.

use std::net::{IpAddr, SocketAddr};
use types::Config;

/// A host with its port, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Host and port, to be resolved.
    pub host: String,
    /// Whose it is: `a server of pool auth`.
    pub whose: String,
}

/// What of production the configuration knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Production {
    /// Hosts, to be resolved.
    pub hosts: Vec<Protected>,
    /// Listen addresses of this installation.
    pub listeners: Vec<SocketAddr>,
}

impl Production {
    /// What a configuration knows.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let own = config.pools.iter().flat_map(|(pool, declared)| {
            declared
                .servers
                .iter()
                .map(move |server| protected(&server.at, format!("a server of pool {pool}")))
        });
        let external = config.external_pools.iter().flat_map(|(pool, declared)| {
            declared.members.iter().map(move |member| protected(member, format!("a member of pool {pool}")))
        });
        let edge = config.edge.iter().flat_map(|edge| edge.listen.iter().chain(&edge.listen_tls).copied());
        Self { hosts: own.chain(external).collect(), listeners: edge.chain([config.site.listen]).collect() }
    }

    /// Whether an address is a listener of this installation. `is_local`: whether the address is one of this machine.
    #[must_use]
    pub fn is_listener(&self, address: SocketAddr, is_local: impl Fn(IpAddr) -> bool) -> bool {
        self.listeners.iter().any(|listener| {
            let is_same = listener.ip().to_canonical() == address.ip().to_canonical();
            listener.port() > 0
                && listener.port() == address.port()
                && (is_same || listener.ip().is_unspecified() && is_local(address.ip()))
        })
    }
}

fn protected(host: &str, whose: String) -> Protected {
    Protected { host: host.to_owned(), whose }
}
