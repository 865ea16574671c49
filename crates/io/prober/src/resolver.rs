//! What HTTP clients of the library reqwest need from the prober: a builder, name resolution, and errors in one line.

use crate::names::Names;
use reqwest::{ClientBuilder, redirect};
use rustls::ClientConfig;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use text::{escape, truncate};

/// Builder of a client that sends each request once, over HTTP/1, to the server of its URL and nowhere else. `guard`:
/// whether private addresses that the configuration does not allow are refused.
pub(crate) fn client_builder(tls: ClientConfig, names: Arc<Names>, guard: bool) -> ClientBuilder {
    ClientBuilder::new()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(Resolver { names, guard }))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .http1_only()
        .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
}

/// Name resolution by the configuration's resolvers and allowed private networks.
struct Resolver {
    names: Arc<Names>,
    guard: bool,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (names, guard) = (Arc::clone(&self.names), self.guard);
        Box::pin(async move {
            let found =
                if guard { names.look_up(name.as_str()).await } else { names.resolve(name.as_str()).await };
            let found = found.map_err(Box::new)?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// The innermost cause: the outer ones only state that something failed.
pub(crate) fn deepest(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    truncate::chars(&escape::hidden(&error.to_string()), 160)
}
