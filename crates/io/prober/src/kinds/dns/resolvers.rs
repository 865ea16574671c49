//! Each configured resolver: its answer for each name, and the time to live of it.

use super::{Deadlines, Dns};
use crate::dns::wire::question_name;
use futures_util::future::join_all;
use std::net::SocketAddr;
use types::fault::DnsFault;
use types::probe_result::ResolverAnswer;

/// Resolvers compared.
const RESOLVERS_MAX: usize = 8;

impl Dns {
    /// Queries every resolver for every host. In the order of the configuration, hosts within resolvers.
    pub(super) async fn resolvers(&self, hosts: &[String], deadlines: Deadlines) -> Vec<ResolverAnswer> {
        let resolvers = self.names.resolvers().into_iter().take(RESOLVERS_MAX);
        let asked = resolvers.map(|resolver| async move {
            let Some((first, rest)) = hosts.split_first() else { return Vec::new() };
            let first = self.resolver(resolver, first, deadlines).await;
            let silent = first.addresses == Err(DnsFault::Silent);
            let mut said = vec![first];
            if silent {
                // A silent resolver is not queried for the other names.
                said.extend(rest.iter().map(|host| ResolverAnswer {
                    resolver,
                    name: host.clone(),
                    addresses: Err(DnsFault::Silent),
                    ttl_secs: None,
                }));
            } else {
                said.extend(join_all(rest.iter().map(|host| self.resolver(resolver, host, deadlines))).await);
            }
            said
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn resolver(&self, resolver: SocketAddr, host: &str, deadlines: Deadlines) -> ResolverAnswer {
        let said = match question_name(host) {
            Some(name) => self.addresses_at(resolver, &name, true, deadlines).await,
            None => Err(DnsFault::NxDomain),
        };
        let ttl_secs = said.as_ref().ok().and_then(|said| said.ttl);
        ResolverAnswer { resolver, name: host.to_owned(), addresses: said.map(|said| said.found), ttl_secs }
    }
}
