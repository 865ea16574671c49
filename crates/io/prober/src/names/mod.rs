//! Name resolution, and the addresses that the configuration allows.
//!
//! Nothing is kept: a monitor wants what is true now. Lookups of the same name that overlap are answered together.

mod system;

use crate::dns::records::addresses;
use crate::dns::wire::{Wire, code_fault, plain, question_name, within};
use hickory_proto::rr::{Name, RecordType};
use netaddr::Allowed;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system::{System, SystemConfig};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use types::config::Config;
use types::fault::{DnsFault, Fault};

/// Timeout of one lookup, all resolvers and aliases together.
const LOOK_UP: Duration = Duration::from_secs(4);
/// Minimum share of one resolver, so that a dead first one leaves time for the second.
const SHARE_MIN: Duration = Duration::from_millis(1_000);
/// Wait for IPv6 addresses after the IPv4 ones have arrived.
const SECOND_FAMILY: Duration = Duration::from_millis(500);
/// Aliases followed by own queries, when a resolver does not follow them.
const ALIASES_MAX: usize = 8;

/// Names whose alias is cached: more than any configuration has.
const ALIASES_KEPT: usize = 100_000;

type Found = Result<Vec<IpAddr>, Fault>;

/// Resolves names by the resolvers of the configuration, or those of the system if the configuration has none.
#[derive(Debug)]
pub struct Names {
    wire: Arc<Wire>,
    declared: Vec<SocketAddr>,
    system: System,
    allowed: Allowed,
    in_flight: Mutex<BTreeMap<String, Arc<OnceCell<Found>>>>,
    /// Rotation of the system's resolvers.
    turn: AtomicUsize,
    /// The alias of each name at its last lookup.
    aliases: Mutex<BTreeMap<String, String>>,
}

/// Skipped lines of the system's files, each as a message. Reads the files and so may block.
#[must_use]
pub fn unused_lines() -> Vec<String> {
    System::default().read_now().skipped
}

/// Whether a name is `localhost` or below it (RFC 6761, section 6.3). It is never queried.
pub(crate) fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost")
        || host
            .len()
            .checked_sub(".localhost".len())
            .and_then(|at| host.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(".localhost"))
}

impl Names {
    /// Name resolution by the settings of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            wire: Arc::default(),
            declared: config.dns.resolvers.clone(),
            system: System::default(),
            allowed: Allowed::new(config.site.allow_private.iter().copied()),
            in_flight: Mutex::default(),
            turn: AtomicUsize::new(0),
            aliases: Mutex::default(),
        }
    }

    /// The addresses of a host that the configuration allows, IPv4 first; never empty. One of them is enough: a private address
    /// beside it is not connected to and is no fault of the name. An address literal is returned as it is: it was written
    /// in the configuration. For a literal from outside (a redirect) check [`Names::allows`] first.
    ///
    /// # Errors
    /// [`Fault::NameNotFound`] when the name or its addresses do not exist, [`Fault::NameUnanswered`] when no resolver
    /// answered, [`Fault::InnerAddress`] when it leads only to private addresses that the configuration does not allow.
    pub async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        Ok(self.look_up_all(host).await?.0)
    }

    /// The addresses of a host that the configuration allows, never empty, and those beside them that it does not allow.
    ///
    /// # Errors
    /// As [`Names::look_up`].
    pub(crate) async fn look_up_all(&self, host: &str) -> Result<(Vec<IpAddr>, Vec<IpAddr>), Fault> {
        if let Some(address) = literal(host) {
            return Ok((vec![address], Vec::new()));
        }
        let found = self.resolve(host).await?;
        let (allowed, kept_out): (Vec<IpAddr>, Vec<IpAddr>) =
            found.into_iter().partition(|address| self.allows(*address));
        match kept_out.first() {
            Some(address) if allowed.is_empty() => Err(Fault::PrivateAddress { address: *address }),
            _ => Ok((allowed, kept_out)),
        }
    }

    /// Whether the configuration allows connecting to an address: it is public, or in `site.allow_private`.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allowed.permits(address)
    }

    /// The end of a name's chain of CNAME records at its last lookup.
    #[must_use]
    pub fn alias(&self, host: &str) -> Option<String> {
        let name = plain(&question_name(host)?);
        self.aliases.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    fn note_alias(&self, name: &Name, end: Option<&Name>) {
        let mut aliases = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        match end {
            Some(end) if aliases.len() < ALIASES_KEPT => _ = aliases.insert(plain(name), plain(end)),
            _ => _ = aliases.remove(&plain(name)),
        }
    }

    /// The resolvers, in order.
    pub(crate) fn resolvers(&self) -> Vec<SocketAddr> {
        if self.declared.is_empty() { self.system.read().resolvers.clone() } else { self.declared.clone() }
    }

    /// The DNS client, shared so that all queries of the process together are bounded.
    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// The addresses of a host, private ones included. Only for hosts that the configuration itself names.
    pub(crate) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        if let Some(address) = literal(host) {
            return Ok(vec![address]);
        }
        let name = question_name(host).ok_or(Fault::NameNotFound)?;
        // A name that ends in a dot is whole and is not completed.
        let key = if host.ends_with('.') { format!("{}.", plain(&name)) } else { plain(&name) };
        let cell = {
            let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(in_flight.entry(key.clone()).or_default())
        };
        // Another caller takes over when the first one is cancelled.
        let landing = LookupGuard { names: self, key: &key, cell: &cell };
        let found = cell.get_or_init(|| self.resolve_now(&name, &key)).await.clone();
        drop(landing);
        found
    }

    async fn resolve_now(&self, name: &Name, key: &str) -> Found {
        let host = key.trim_end_matches('.');
        if is_localhost(host) {
            return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        if !self.declared.is_empty() {
            return self.at_resolvers(&self.declared, name).await;
        }
        let system = self.system.read();
        if let Some(known) = system.hosts.get(host) {
            // One line may be for a network that the configuration keeps us out of; the others are still good.
            let allowed: Vec<IpAddr> = known.iter().copied().filter(|at| self.allows(*at)).collect();
            return Ok(if allowed.is_empty() { known.iter().copied().collect() } else { allowed });
        }
        let resolvers = self.turned(&system);
        let mut unanswered = None;
        // Only a name with few dots is completed, and before it is queried unchanged: trying `acme.app.corp.example` for
        // a vanished `acme.app` could find a wildcard there and call the vanished name well.
        if key == host && host.matches('.').count() < system.ndots {
            for domain in &system.search {
                let Some(full) = question_name(&format!("{host}.{domain}")) else { continue };
                match self.at_resolvers(&resolvers, &full).await {
                    Err(Fault::NameNotFound) => {}
                    Err(fault) => {
                        unanswered = Some(fault);
                        break;
                    }
                    found => return found,
                }
            }
        }
        match (self.at_resolvers(&resolvers, name).await, unanswered) {
            (Err(Fault::NameNotFound), Some(fault)) => Err(fault),
            (found, _) => found,
        }
    }

    /// The system's resolvers in the order of this lookup.
    fn turned(&self, system: &SystemConfig) -> Vec<SocketAddr> {
        let mut resolvers = system.resolvers.clone();
        if system.rotate && !resolvers.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % resolvers.len();
            resolvers.rotate_left(turn);
        }
        resolvers
    }

    /// The socket address to connect to; a link-local address of the hosts file with its interface.
    pub(crate) fn socket(&self, address: IpAddr, port: u16) -> SocketAddr {
        match address {
            IpAddr::V6(six) if six.is_unicast_link_local() && self.declared.is_empty() => {
                let scope = self.system.read().scopes.get(&six).copied().unwrap_or(0);
                SocketAddrV6::new(six, port, 0, scope).into()
            }
            _ => SocketAddr::new(address, port),
        }
    }

    /// Queries one resolver after the other until one gives a definite answer.
    async fn at_resolvers(&self, resolvers: &[SocketAddr], name: &Name) -> Found {
        let until = Instant::now() + LOOK_UP;
        let count = u32::try_from(resolvers.len()).unwrap_or(u32::MAX).max(1);
        let share = (LOOK_UP / count).max(SHARE_MIN);
        let mut failed = Fault::NameUnanswered { why: "no resolver is known".to_owned() };
        for resolver in resolvers {
            if Instant::now() >= until {
                break;
            }
            match self.at_resolver(*resolver, name, within(share, until)).await {
                Ok(found) if found.is_empty() => return Err(Fault::NameNotFound),
                Ok(found) => return Ok(found.into_iter().collect()),
                Err(Fault::NameNotFound) => return Err(Fault::NameNotFound),
                Err(fault) => failed = fault,
            }
        }
        Err(failed)
    }

    /// Queries both address families concurrently. IPv4 addresses do not wait long for IPv6 and do not fail with it.
    async fn at_resolver(
        &self,
        resolver: SocketAddr,
        name: &Name,
        until: Instant,
    ) -> Result<BTreeSet<IpAddr>, Fault> {
        let a = self.followed(resolver, name, RecordType::A, until);
        let aaaa = self.followed(resolver, name, RecordType::AAAA, until);
        tokio::pin!(a, aaaa);
        let (a, aaaa) = tokio::select! {
            a = &mut a => {
                let enough = a.as_ref().is_ok_and(|found| !found.is_empty());
                let patience = if enough { within(SECOND_FAMILY, until) } else { until };
                let late = Err(Fault::NameUnanswered { why: format!("the resolver {resolver} does not answer") });
                (a, timeout_at(patience, aaaa).await.unwrap_or(late))
            }
            aaaa = &mut aaaa => (a.await, aaaa),
        };
        match (a, aaaa) {
            (Ok(a), Ok(aaaa)) => Ok(a.into_iter().chain(aaaa).collect()),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(Fault::NameNotFound), _) | (_, Err(Fault::NameNotFound)) => Err(Fault::NameNotFound),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        }
    }

    /// Queries one address family, and the alias if the resolver does not follow it.
    async fn followed(
        &self,
        resolver: SocketAddr,
        name: &Name,
        kind: RecordType,
        until: Instant,
    ) -> Result<BTreeSet<IpAddr>, Fault> {
        let unanswered = |why: String| Fault::NameUnanswered { why };
        let circle = || unanswered(format!("the CNAME records of {} lead in a circle", plain(name)));
        let mut at = name.clone();
        for _ in 0..ALIASES_MAX {
            let answer = self
                .wire
                .query(resolver, &at, kind, true, until)
                .await
                .map_err(|trouble| unanswered(trouble.message(resolver)))?;
            match code_fault(answer.metadata.response_code) {
                None => {}
                Some(DnsFault::NxDomain) => return Err(Fault::NameNotFound),
                Some(fault) => return Err(unanswered(format!("the resolver {resolver} {fault}"))),
            }
            let read = addresses(&answer, &at).ok_or_else(circle)?;
            match read.alias {
                // A recursive resolver returns the whole chain, so this alias has no addresses.
                Some(alias) if !answer.metadata.recursion_available => at = alias,
                _ => {
                    let end = read.end.or_else(|| (at != *name).then(|| at.clone()));
                    if !read.found.is_empty() {
                        self.note_alias(name, end.as_ref());
                    }
                    return Ok(read.found);
                }
            }
        }
        Err(circle())
    }
}

/// Removes a finished lookup, so that the next one queries again.
struct LookupGuard<'a> {
    names: &'a Names,
    key: &'a str,
    cell: &'a Arc<OnceCell<Found>>,
}

impl Drop for LookupGuard<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.names.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = in_flight.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, self.cell));
        // Cancelled while others still wait: they keep it, and the last of them takes it off.
        let last = self.cell.initialized() || Arc::strong_count(self.cell) <= 2;
        if ours && last {
            in_flight.remove(self.key);
        }
    }
}

/// An address written as such, with or without the brackets of a URL.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}
