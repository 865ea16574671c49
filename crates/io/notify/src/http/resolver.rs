//! Name resolution without private addresses.

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
    pub(super) allow_private: Vec<IpNet>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = allowed(found, &allow_private)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be used. One is enough: a private address beside it must not stop a page.
fn allowed(found: Vec<SocketAddr>, allow_private: &[IpNet]) -> Result<Vec<SocketAddr>, PrivateAddress> {
    let is_refused = |address: IpAddr| {
        is_private_address(address) && !allow_private.iter().any(|net| net.contains(&address))
    };
    let (refused, allowed): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| is_refused(at.ip()));
    match refused.first() {
        Some(at) if allowed.is_empty() => Err(PrivateAddress { address: at.ip() }),
        _ => Ok(allowed),
    }
}

/// Whether an address belongs to this machine or to a private network.
fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_address_v4(v4),
        IpAddr::V6(v6) => {
            v6.to_ipv4_mapped().map_or_else(|| is_private_address_v6(v6), is_private_address_v4)
        }
    }
}

fn is_private_address_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    // 0/8 is this host, 100.64/10 is shared address space (RFC 6598), 198.18/15 is for benchmarks (RFC 2544), 240/4 is
    // reserved.
    v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || a == 0
        || a == 100 && (64..128).contains(&b)
        || a == 198 && (18..20).contains(&b)
        || a >= 240
}

fn is_private_address_v6(v6: Ipv6Addr) -> bool {
    v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || v6.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_address_beside_public_one_is_skipped() {
        let run = |found: &[&str], allow_private: &[&str]| {
            let found = found.iter().map(|at| SocketAddr::new(at.parse().unwrap(), 443)).collect();
            let allow_private: Vec<IpNet> = allow_private.iter().map(|net| net.parse().unwrap()).collect();
            allowed(found, &allow_private).map_or_else(
                |refused| format!("refused {}", refused.address),
                |found| found.iter().map(|at| at.ip().to_string()).collect::<Vec<_>>().join(" "),
            )
        };
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &[]), "8.8.8.8");
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &["10.0.0.0/8"]), "8.8.8.8 10.0.0.1");
        assert_eq!(run(&["10.0.0.1", "fe80::1"], &[]), "refused 10.0.0.1");
    }

    #[test]
    fn private_addresses_are_recognized() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("0.0.0.0", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("169.254.169.254", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("198.18.0.1", true),
            ("224.0.0.1", true),
            ("255.255.255.255", true),
            ("8.8.8.8", false),
            ("::1", true),
            ("::", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("ff02::1", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("2001:4860:4860::8888", false),
        ] {
            assert_eq!(is_private_address(address.parse().unwrap()), expected, "{address}");
        }
    }
}
