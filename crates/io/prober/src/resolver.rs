//! What HTTP clients of the library reqwest need from the prober: name resolution, and errors in one line.

use crate::names::Names;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use text::{escape, truncate};

/// Name resolution by the configuration's resolvers and allowed private networks.
pub(crate) struct Resolver {
    pub(crate) names: Arc<Names>,
    /// Whether private addresses that the configuration does not allow are refused.
    pub(crate) guard: bool,
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
