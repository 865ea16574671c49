//! HTTP client of all channels: trusted roots, no redirects, and no private address unless the configuration allows it.

use crate::response;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;
use types::notification::Undelivered;
use types::{Config, time};

/// Timeout of an attempt, from the name lookup to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of a connection, with the name lookup.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Timeout of reading a body after the status has arrived.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an idle connection is kept for the next message to the same provider.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a body that are read: enough for an id or a reason.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The client cannot be created.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    #[error("the trusted roots in {}: {why}", path.display())]
    Roots { path: PathBuf, why: String },
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// A name resolves to a private address that the configuration does not allow.
#[derive(Debug, Error)]
#[error(
    "the name resolves to the private address {address}; if this is intended, add its CIDR range to site.allow_private"
)]
pub(crate) struct PrivateAddress {
    address: IpAddr,
}

/// A response, as far as it was read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body was read to its end.
    pub(crate) complete: bool,
}

#[derive(Debug)]
pub(crate) struct HttpClient(reqwest::Client);

impl HttpClient {
    pub(crate) fn new(config: &Config) -> Result<Self, HttpError> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for path in &config.site.extra_ca_files {
            add_roots(&mut roots, path).map_err(|why| HttpError::Roots { path: path.clone(), why })?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::new(Resolver { allow_private: config.site.allow_private.clone() }))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(KEEPALIVE_TIMEOUT)
            .build()?;
        Ok(Self(client))
    }

    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.0.post(url)
    }

    /// Sends a request and reads its response. Returns after ten seconds at most.
    pub(crate) async fn send(request: RequestBuilder) -> Result<Response, Undelivered> {
        let deadline = Instant::now() + TIMEOUT;
        let response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(response::unanswered(&error)),
            Err(_) => {
                let why = format!("no response within {}", time::spoken(TIMEOUT));
                return Err(Undelivered { why, retriable: true, retry_after: None });
            }
        };
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (body, complete) = read(response, deadline.min(Instant::now() + BODY_TIMEOUT)).await;
        Ok(Response { status, retry_after, body, complete })
    }
}

/// Reads a body until its end, a limit or the deadline. Returns whether it was read to its end.
async fn read(mut response: reqwest::Response, deadline: Instant) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = BODY_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == BODY_BYTES_MAX {
                    return (body, false);
                }
            }
            Ok(Ok(None)) => return (body, true),
            Ok(Err(_)) | Err(_) => return (body, false),
        }
    }
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let mut found = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())? {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        found += 1;
    }
    if found == 0 { Err("the file contains no certificate".to_owned()) } else { Ok(()) }
}

/// The resolver of the system, without private addresses. A URL with an IP address does not use a resolver: an address in the
/// configuration is allowed.
struct Resolver {
    allow_private: Vec<IpNet>,
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
