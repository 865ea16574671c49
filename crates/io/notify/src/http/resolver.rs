//! Name resolution without private addresses.

use netaddr::Allowed;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// A name resolves to a private address that the configuration does not allow.
#[derive(Debug, Error)]
#[error(
    "the name resolves to the private address {address}; if this is intended, add its CIDR range to site.allow_private"
)]
pub(super) struct PrivateAddress {
    address: IpAddr,
}

/// The resolver of the system, without private addresses. A URL with an IP address does not use a resolver: an address
/// in the configuration is allowed.
pub(super) struct Resolver {
    pub(super) private: Allowed,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = allowed(found, &private)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be used. One is enough: a private address beside it must not stop a page.
fn allowed(found: Vec<SocketAddr>, private: &Allowed) -> Result<Vec<SocketAddr>, PrivateAddress> {
    let (allowed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| private.permits(at.ip()));
    match refused.first() {
        Some(at) if allowed.is_empty() => Err(PrivateAddress { address: at.ip() }),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_address_beside_public_one_is_skipped() {
        let run = |found: &[&str], allow_private: &[&str]| {
            let found = found.iter().map(|at| SocketAddr::new(at.parse().unwrap(), 443)).collect();
            let private: Allowed = allow_private.iter().map(|net| net.parse().unwrap()).collect();
            allowed(found, &private).map_or_else(
                |refused| format!("refused {}", refused.address),
                |found| found.iter().map(|at| at.ip().to_string()).collect::<Vec<_>>().join(" "),
            )
        };
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &[]), "8.8.8.8");
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &["10.0.0.0/8"]), "8.8.8.8 10.0.0.1");
        assert_eq!(run(&["10.0.0.1", "fe80::1"], &[]), "refused 10.0.0.1");
    }
}
