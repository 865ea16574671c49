//! The one way out: trusted roots, no redirects, and no inner address unless the configuration means it.

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use types::Config;

/// How long a connection may take, the looking up of the name included.
const CONNECT: Duration = Duration::from_secs(3);

/// How long a connection may wait for the next message to the same provider.
const IDLE: Duration = Duration::from_secs(30);

/// A name led where the configuration did not mean to go.
#[derive(Debug, Error)]
#[error(
    "its name leads to the inner address {address}; when that is meant, add its network to site.allow_private"
)]
pub(crate) struct InnerAddress {
    address: IpAddr,
}

/// A client for all channels of a configuration.
pub(crate) fn client(config: &Config, total: Duration) -> Result<reqwest::Client, String> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for path in &config.site.extra_ca_files {
        trust(&mut roots, path).map_err(|why| format!("the trusted roots in {}: {why}", path.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .dns_resolver(Arc::new(Names { inner: config.site.allow_private.clone() }))
        .connect_timeout(CONNECT)
        .timeout(total)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|e| e.to_string())
}

fn trust(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let mut found = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())? {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        found += 1;
    }
    if found == 0 { Err("there is no certificate in it".to_owned()) } else { Ok(()) }
}

/// The system's resolver, and a look at what it says. Addresses written out in the configuration never come by here: whoever
/// wrote them meant them.
struct Names {
    inner: Vec<IpNet>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let inner = self.inner.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = allowed(found, &inner)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses that a page may go to. One good address is enough: an inner one beside it must not stop a page.
fn allowed(found: Vec<SocketAddr>, inner: &[IpNet]) -> Result<Vec<SocketAddr>, InnerAddress> {
    let refused = |address: IpAddr| is_inner(address) && !inner.iter().any(|net| net.contains(&address));
    let (kept_out, allowed): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| refused(at.ip()));
    match kept_out.first() {
        Some(at) if allowed.is_empty() => Err(InnerAddress { address: at.ip() }),
        _ => Ok(allowed),
    }
}

/// Whether an address belongs to this machine or to a network behind it rather than to the world.
fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_inner_v4(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_inner_v6(v6), is_inner_v4),
    }
}

fn is_inner_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    // 0/8 is this host, 100.64/10 is shared by carriers (RFC 6598), 198.18/15 is for benchmarks (RFC 2544), 240/4 is
    // nobody's.
    v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || a == 0
        || a == 100 && (64..128).contains(&b)
        || a == 198 && (18..20).contains(&b)
        || a >= 240
}

fn is_inner_v6(v6: Ipv6Addr) -> bool {
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
    fn an_inner_address_beside_a_good_one_stops_no_page() {
        let run = |found: &[&str], inner: &[&str]| {
            let found = found.iter().map(|at| SocketAddr::new(at.parse().unwrap(), 443)).collect();
            let inner: Vec<IpNet> = inner.iter().map(|net| net.parse().unwrap()).collect();
            allowed(found, &inner).map_or_else(
                |refused| format!("refused {}", refused.address),
                |found| found.iter().map(|at| at.ip().to_string()).collect::<Vec<_>>().join(" "),
            )
        };
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &[]), "8.8.8.8");
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &["10.0.0.0/8"]), "8.8.8.8 10.0.0.1");
        assert_eq!(run(&["10.0.0.1", "fe80::1"], &[]), "refused 10.0.0.1");
    }

    #[test]
    fn inner_is_told_from_outer() {
        for (address, wanted) in [
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
            assert_eq!(is_inner(address.parse().unwrap()), wanted, "{address}");
        }
    }
}
