//! The one way out: trusted roots, no redirects, and no inner address unless the configuration means it.

use netaddr::Allowed;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tls_roots::Roots;
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
    let roots = Roots::load(&config.site.extra_ca_files).map_err(|e| format!("site.extra_ca_files: {e}"))?;
    let tls = tls_roots::client_config(Arc::clone(roots.store())).map_err(|e| e.to_string())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .dns_resolver(Arc::new(Names { private: Allowed::new(config.site.allow_private.iter().copied()) }))
        .connect_timeout(CONNECT)
        .timeout(total)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|e| e.to_string())
}

/// The system's resolver, and a look at what it says. Addresses written out in the configuration never come by here: whoever
/// wrote them meant them.
struct Names {
    private: Allowed,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = allowed(found, &private)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses that a page may go to. One good address is enough: an inner one beside it must not stop a page.
fn allowed(found: Vec<SocketAddr>, private: &Allowed) -> Result<Vec<SocketAddr>, InnerAddress> {
    let (allowed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| private.permits(at.ip()));
    match refused.first() {
        Some(at) if allowed.is_empty() => Err(InnerAddress { address: at.ip() }),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_address_beside_a_good_one_stops_no_page() {
        let run = |found: &[&str], inner: &[&str]| {
            let found = found.iter().map(|at| SocketAddr::new(at.parse().unwrap(), 443)).collect();
            let inner: Allowed = inner.iter().map(|net| net.parse().unwrap()).collect();
            allowed(found, &inner).map_or_else(
                |refused| format!("refused {}", refused.address),
                |found| found.iter().map(|at| at.ip().to_string()).collect::<Vec<_>>().join(" "),
            )
        };
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &[]), "8.8.8.8");
        assert_eq!(run(&["8.8.8.8", "fe80::1", "10.0.0.1"], &["10.0.0.0/8"]), "8.8.8.8 10.0.0.1");
        assert_eq!(run(&["10.0.0.1", "fe80::1"], &[]), "refused 10.0.0.1");
    }
}
