//! What the parent, the name servers and the resolvers said about a zone.
//!
//! The parent changes before any cache does, so a moved delegation is the earliest sign of a lost domain, and also the
//! usual sign of a planned move. What tells them apart: whether the registration is in order, and whether the new servers
//! answer for the names as the old ones did.

use crate::lane::Lane;
use crate::verdict::{Charge, Dark, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use types::fault::DnsFault;
use types::probe_result::{DnsSeen, ServerSaid};
use types::{Fault, Severity};

/// Addresses remembered for one name: enough for any balancer that rotates, and no more.
const ADDRESSES_MAX: usize = 64;

/// What was known about a zone before this answer.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    /// Addresses that each name had while the delegation was the one that is meant.
    pub(crate) addresses: BTreeMap<String, BTreeSet<IpAddr>>,
    /// The servers that the parent names now, when they are others than those that are meant.
    pub(crate) moved_to: Option<BTreeSet<String>>,
}

/// The verdict on a zone. `meant` are the servers that we hold to be meant; `lost` tells that the registration is not in
/// order; `asked` are the names of the question, in its order.
pub(crate) fn judge(
    seen: &DnsSeen,
    asked: &[String],
    meant: Option<&BTreeSet<String>>,
    zone: &Zone,
    lost: Option<String>,
) -> Verdict {
    if dark(seen) {
        return Verdict { dark: Dark::Night, ..Verdict::default() };
    }
    let verdict = delegation(seen, asked, meant, zone, lost, Verdict::default());
    let verdict = servers(seen, verdict);
    agreement(seen, asked, verdict).weighed()
}

/// Whether it was us who could not ask: nobody answered, or the zone is fine and our resolvers are silent or turn us
/// away. SERVFAIL is not among that: broken signatures look so, and they are the zone's.
fn dark(seen: &DnsSeen) -> bool {
    let failed = |fault: &DnsFault| matches!(fault, DnsFault::Silent | DnsFault::Lame);
    let mut resolvers = seen.resolvers.iter();
    let resolvers_fail =
        !seen.resolvers.is_empty() && resolvers.all(|said| said.addresses.as_ref().is_err_and(failed));
    let servers_silent = seen.servers.iter().all(|said| matches!(said.soa, Err(DnsFault::Silent)));
    let nobody = matches!(seen.delegation, Err(DnsFault::Silent)) && servers_silent;
    let zone_fine = seen.delegation.is_ok() && seen.servers.iter().any(|said| said.soa.is_ok());
    let resolvers_silent = seen.resolvers.iter().all(|said| matches!(said.addresses, Err(DnsFault::Silent)));
    (nobody && resolvers_silent) || (resolvers_fail && zone_fine)
}

fn delegation(
    seen: &DnsSeen,
    asked: &[String],
    meant: Option<&BTreeSet<String>>,
    zone: &Zone,
    lost: Option<String>,
    verdict: Verdict,
) -> Verdict {
    let to = match &seen.delegation {
        Ok(to) if !to.is_empty() => to,
        Ok(_) | Err(DnsFault::NotDelegated | DnsFault::NxDomain) => {
            let fault = Fault::Dns { dns: DnsFault::NotDelegated };
            return verdict.bad(Charge::new(fault, Severity::Critical).sure(2));
        }
        // The parent's own trouble is no fault of the zone: the lane stays as it was.
        Err(_) => return verdict,
    };
    let Some(from) = meant.filter(|meant| *meant != to) else { return verdict.well(Lane::Delegation) };
    let why = lost.or_else(|| unlike_before(seen, asked, to, zone));
    let severity = if why.is_some() { Severity::Critical } else { Severity::Info };
    let fault = Fault::Dns { dns: DnsFault::DelegationMoved { from: from.clone(), to: to.clone() } };
    let told = match why {
        Some(why) => format!("the parent zone names {}; {why}", joined(to)),
        None => format!("the parent zone names {}; they answer as the old ones did", joined(to)),
    };
    verdict.bad(Charge::new(fault, severity).seen(told).sure(2))
}

/// Why the new servers do not serve the names as the old ones did; `None` when they do.
fn unlike_before(seen: &DnsSeen, asked: &[String], to: &BTreeSet<String>, zone: &Zone) -> Option<String> {
    let new: Vec<&ServerSaid> = seen.servers.iter().filter(|said| to.contains(&said.server)).collect();
    if !new.iter().any(|said| said.soa.is_ok()) {
        return Some("none of them serves the zone".to_owned());
    }
    let mut compared = 0;
    let mut kept = 0;
    for (place, name) in asked.iter().enumerate() {
        let Some(known) = zone.addresses.get(name).filter(|known| !known.is_empty()) else { continue };
        let now: BTreeSet<IpAddr> =
            new.iter().filter_map(|said| said.names.get(place)).flatten().flatten().copied().collect();
        if now.is_empty() {
            return Some(format!("they know no address for {name}"));
        }
        compared += 1;
        kept += usize::from(!now.is_disjoint(known));
    }
    (compared > 0 && kept == 0).then(|| "they lead every name elsewhere".to_owned())
}

fn servers(seen: &DnsSeen, verdict: Verdict) -> Verdict {
    // A server has several addresses, some perhaps of a protocol that we lack: one that answers is enough.
    let mut serves: BTreeMap<&str, bool> = BTreeMap::new();
    for said in &seen.servers {
        *serves.entry(&said.server).or_default() |= said.soa.is_ok();
    }
    let lame: BTreeSet<String> =
        serves.iter().filter(|(_, ok)| !**ok).map(|(name, _)| (*name).to_owned()).collect();
    if serves.is_empty() {
        verdict
    } else if lame.is_empty() {
        verdict.well(Lane::Servers)
    } else {
        let told = said(seen, &lame);
        let (dns, severity) = if lame.len() == serves.len() {
            (DnsFault::NoServer, Severity::Critical)
        } else {
            (DnsFault::LameServers { servers: lame }, Severity::Warning)
        };
        verdict.bad(Charge::new(Fault::Dns { dns }, severity).seen(told))
    }
}

/// Servers disagree when for some name one has addresses and another says there are none, or when they have no address
/// in common. Serials that differ while a transfer is under way are nobody's trouble. Where all names are alike but the
/// servers name others for the zone than the rest does, one of them may hold an old zone: that is noted.
fn agreement(seen: &DnsSeen, asked: &[String], verdict: Verdict) -> Verdict {
    let serving: Vec<&ServerSaid> = seen.servers.iter().filter(|said| said.soa.is_ok()).collect();
    if serving.len() < 2 {
        return verdict;
    }
    let alike = |one: &BTreeSet<IpAddr>, two: &BTreeSet<IpAddr>| {
        one.is_empty() && two.is_empty() || !one.is_disjoint(two)
    };
    for (place, name) in asked.iter().enumerate() {
        let mut answers: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
        for said in &serving {
            match said.names.get(place) {
                Some(Ok(addresses)) => answers.entry(&said.server).or_default().extend(addresses),
                Some(Err(DnsFault::NxDomain)) => _ = answers.entry(&said.server).or_default(),
                _ => {}
            }
        }
        if let Some(odd) = odd(&answers, alike) {
            let told = format!("for {name}, {} say otherwise than the rest", joined(&odd));
            return verdict.bad(disagree(odd, Severity::Warning, told));
        }
    }
    let mut answers: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for said in serving.iter().filter(|said| !said.zone_servers.is_empty()) {
        answers.entry(&said.server).or_default().extend(&said.zone_servers);
    }
    if let Some(odd) = odd(&answers, |one, two| one == two) {
        let names = if odd.len() == 1 { "names" } else { "name" };
        let told = format!("{} {names} other servers for the zone than the rest", joined(&odd));
        return verdict.bad(disagree(odd, Severity::Info, told));
    }
    verdict.well(Lane::Agreement)
}

/// Who says otherwise than most. The largest circle of servers that say alike is right; ties go to the first by name.
fn odd<T>(answers: &BTreeMap<&str, T>, alike: impl Fn(&T, &T) -> bool) -> Option<BTreeSet<String>> {
    let circles = answers.values().map(|one| answers.values().filter(|two| alike(one, two)).count());
    let (most, _) = answers.values().zip(circles).rev().max_by_key(|(_, size)| *size)?;
    let odd = answers.iter().filter(|(_, one)| !alike(one, most));
    let odd: BTreeSet<String> = odd.map(|(server, _)| (*server).to_owned()).collect();
    (!odd.is_empty()).then_some(odd)
}

fn disagree(servers: BTreeSet<String>, severity: Severity, told: String) -> Charge {
    Charge::new(Fault::Dns { dns: DnsFault::Disagree { servers } }, severity).seen(told)
}

impl Zone {
    /// Remembers which addresses the names have, while the delegation is the one that is meant.
    pub(crate) fn remember(&mut self, seen: &DnsSeen, asked: &[String]) {
        let from_servers = seen.servers.iter().flat_map(|said| asked.iter().zip(&said.names));
        let from_resolvers = seen.resolvers.iter().map(|said| (&said.name, &said.addresses));
        for (name, addresses) in from_servers.chain(from_resolvers) {
            let Ok(addresses) = addresses else { continue };
            if addresses.is_empty() || !asked.contains(name) {
                continue;
            }
            let known = self.addresses.entry(name.clone()).or_default();
            if known.len() + addresses.len() > ADDRESSES_MAX {
                known.clear();
            }
            known.extend(addresses.iter().take(ADDRESSES_MAX));
        }
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn said(seen: &DnsSeen, lame: &BTreeSet<String>) -> String {
    let mut parts = BTreeSet::new();
    for said in seen.servers.iter().filter(|said| lame.contains(&said.server)) {
        let address = said.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
        if let Err(fault) = &said.soa {
            parts.insert(format!("{} ({address}) {fault}", said.server));
        }
    }
    parts.into_iter().take(4).collect::<Vec<_>>().join("; ")
}
