//! DNS: the parent zone, every name server and every resolver, queried concurrently about one zone.
//!
//! | module | holds |
//! |---|---|
//! | `walk` | the walk from the roots to the parent, and the parent's delegation |
//! | `servers` | each delegated server, queried directly |
//! | `resolvers` | each configured resolver, and the time to live of its answers |
//! | `roots` | the root servers |

mod resolvers;
mod roots;
mod servers;
mod walk;

use crate::dns::records::{Addresses, Servers, addresses};
use crate::dns::wire::{self, code_fault, plain, question_name, within};
use crate::names::Names;
use hickory_proto::rr::{Name, RecordType};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use types::config::Config;
use types::fault::{DnsFault, Fault};
use types::probe_result::{Answer, DnsSeen, Phases};
use walk::CutCache;
pub(crate) use walk::Parent;

/// Names queried per zone.
const NAMES_MAX: usize = 20;
/// Timeout of one query; a fifth of the probe's timeout if that is shorter.
const QUESTION: Duration = Duration::from_secs(2);
/// Part of the probe's timeout reserved for returning partial results.
const LAST_WORD: Duration = Duration::from_millis(100);

/// The dns probe. Caches zone cuts between roots and parents, nothing else.
#[derive(Debug)]
pub(crate) struct Dns {
    names: Arc<Names>,
    roots: Vec<IpAddr>,
    port: u16,
    cuts: CutCache,
}

impl Dns {
    pub(crate) fn new(config: &Config, names: Arc<Names>) -> Self {
        let roots = if config.dns.roots.is_empty() { roots::real() } else { config.dns.roots.clone() };
        Self { names, roots, port: config.dns.port, cuts: CutCache::default() }
    }

    /// Queries parent, servers and resolvers about `zone` and the `hosts` below it. Returns within `timeout`; a server that did
    /// not answer by then counts as silent.
    pub(crate) async fn run(&self, zone: &str, hosts: &[String], timeout: Duration) -> (Answer, Phases) {
        let began = Instant::now();
        let answer = match question_name(zone) {
            Some(zone_name) => Answer::Dns(self.look(zone, &zone_name, hosts, timeout).await),
            None => Answer::Failed(Fault::NameNotFound),
        };
        let total = began.elapsed();
        (answer, Phases { dns: Some(total), total, ..Phases::default() })
    }

    async fn look(&self, zone: &str, zone_name: &Name, hosts: &[String], timeout: Duration) -> DnsSeen {
        let deadlines = Deadlines {
            until: Instant::now() + timeout.saturating_sub(LAST_WORD.min(timeout / 10)),
            step: QUESTION.min(timeout / 5),
        };
        let hosts: Vec<String> = hosts.iter().take(NAMES_MAX).cloned().collect();
        let authority = async {
            match self.delegation(zone_name, deadlines).await {
                Ok(delegated) => {
                    let said = self.servers(zone_name, &delegated, &hosts, deadlines).await;
                    (Ok(delegated.into_keys().collect::<BTreeSet<_>>()), said)
                }
                Err(fault) => (Err(fault), Vec::new()),
            }
        };
        let ((delegation, servers), resolvers) =
            futures_util::future::join(authority, self.resolvers(&hosts, deadlines)).await;
        DnsSeen { zone: zone.to_owned(), delegation, servers, resolvers }
    }

    /// Both address families of a name from one server; `Err` when the server has no definite answer.
    async fn addresses_at(
        &self,
        server: SocketAddr,
        name: &Name,
        recurse: bool,
        deadlines: Deadlines,
    ) -> Result<Addresses, DnsFault> {
        let one = |kind| async move {
            let answer = self.names.wire().query(server, name, kind, recurse, deadlines.step()).await;
            let answer = answer.map_err(wire::QueryError::fault)?;
            if let Some(fault) = code_fault(answer.metadata.response_code) {
                return Err(fault);
            }
            if !recurse && !answer.metadata.authoritative {
                return Err(DnsFault::NotAuthoritative);
            }
            addresses(&answer, name)
                .ok_or_else(|| DnsFault::Garbage { why: "its CNAME records lead in a circle".to_owned() })
        };
        let (a, aaaa) = futures_util::future::join(one(RecordType::A), one(RecordType::AAAA)).await;
        let mut a = a?;
        // A server that drops questions for IPv6 still serves those who come over IPv4.
        match aaaa {
            Ok(six) => {
                a.ttl = match (a.ttl, six.ttl) {
                    (Some(a), Some(six)) => Some(a.min(six)),
                    (a, six) => a.or(six),
                };
                a.found.extend(six.found);
                if !a.found.is_empty() {
                    a.alias = None;
                }
                Ok(a)
            }
            Err(_) if !a.found.is_empty() || a.alias.is_some() => Ok(a),
            Err(fault) => Err(fault),
        }
    }

    /// The addresses of a server: its glue, else those of its name. Only those that the configuration
    /// allows; IPv4 first.
    async fn places(&self, server: &str, glue: &BTreeSet<IpAddr>, deadlines: Deadlines) -> Vec<IpAddr> {
        let found = if glue.is_empty() {
            let looked_up = tokio::time::timeout_at(deadlines.until, self.names.resolve(server)).await;
            looked_up.ok().and_then(Result::ok).unwrap_or_default()
        } else {
            glue.iter().copied().collect()
        };
        found.into_iter().filter(|address| self.names.allows(*address)).collect()
    }

    /// Addresses of all servers, as many as are tried.
    async fn all_places(&self, servers: &Servers, deadlines: Deadlines) -> Vec<IpAddr> {
        let with_glue = servers.values().flatten().filter(|address| self.names.allows(**address));
        let mut places: Vec<IpAddr> = with_glue.copied().collect();
        if places.is_empty() {
            let asked = servers.keys().take(walk::TRIED_MAX);
            let looked_up =
                asked.map(|server| async move { self.places(server, &BTreeSet::new(), deadlines).await });
            places = futures_util::future::join_all(looked_up).await.into_iter().flatten().collect();
        }
        places.sort_by_key(IpAddr::is_ipv6);
        places.truncate(walk::TRIED_MAX);
        places
    }

    fn at(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.port)
    }
}

/// The deadline of the run and the timeout of one query.
#[derive(Clone, Copy, Debug)]
struct Deadlines {
    until: Instant,
    step: Duration,
}

impl Deadlines {
    /// The deadline of a query sent now.
    fn step(self) -> Instant {
        within(self.step, self.until)
    }
}

/// A fault of name resolution as a DNS fault.
fn looked_up(fault: Fault) -> DnsFault {
    match fault {
        Fault::NameNotFound => DnsFault::NxDomain,
        Fault::NameUnanswered { .. } => DnsFault::Silent,
        other => DnsFault::Garbage { why: other.to_string() },
    }
}

/// A name in canonical form, as a key.
fn key(name: &Name) -> String {
    plain(name)
}
