//! Delegation of a zone, its name servers, and the resolvers' answers.
//!
//! The parent zone changes before any cache does, so a moved delegation is the earliest sign of a lost domain, and also
//! the usual sign of a planned move. The difference: a planned move leaves the registration in order, and the new
//! servers answer for the names as the old ones did.

use crate::aspect::Aspect;
use crate::violation::{Reachability, Verdict, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use types::fault::DnsFault;
use types::probe_result::{DnsSeen, ServerAnswer};
use types::{Fault, Severity};

/// Maximum of addresses remembered for one name: enough for a rotating load balancer.
const ADDRESSES_MAX: usize = 64;

/// Earlier answers about a zone.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    /// Addresses of each name under the intended delegation.
    pub(crate) addresses: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Name servers in the parent zone, when they differ from the intended ones.
    pub(crate) moved_to: Option<BTreeSet<String>>,
}

/// Judges a zone. `intended` are the known name servers, `lost` is the trouble of the registration, `asked` are the
/// names of the question in its order.
pub(crate) fn judge(
    seen: &DnsSeen,
    asked: &[String],
    intended: Option<&BTreeSet<String>>,
    zone: &Zone,
    lost: Option<String>,
) -> Verdict {
    if is_local_failure(seen) {
        return Verdict { reachability: Reachability::LocalFailure, ..Verdict::default() };
    }
    let verdict = delegation(seen, asked, intended, zone, lost, Verdict::default());
    let verdict = servers(seen, verdict);
    agreement(seen, asked, verdict).with_health()
}

/// Whether the failure is local: nothing answered, or the zone is fine and the resolvers do not answer or refuse.
/// SERVFAIL does not count: it is also the sign of broken signatures, a fault of the zone.
fn is_local_failure(seen: &DnsSeen) -> bool {
    let failed = |fault: &DnsFault| matches!(fault, DnsFault::Silent | DnsFault::Lame);
    let mut resolvers = seen.resolvers.iter();
    let resolvers_fail =
        !seen.resolvers.is_empty() && resolvers.all(|answer| answer.addresses.as_ref().is_err_and(failed));
    let servers_silent = seen.servers.iter().all(|answer| matches!(answer.soa, Err(DnsFault::Silent)));
    let nobody = matches!(seen.delegation, Err(DnsFault::Silent)) && servers_silent;
    let zone_fine = seen.delegation.is_ok() && seen.servers.iter().any(|answer| answer.soa.is_ok());
    let resolvers_silent =
        seen.resolvers.iter().all(|answer| matches!(answer.addresses, Err(DnsFault::Silent)));
    (nobody && resolvers_silent) || (resolvers_fail && zone_fine)
}

fn delegation(
    seen: &DnsSeen,
    asked: &[String],
    intended: Option<&BTreeSet<String>>,
    zone: &Zone,
    lost: Option<String>,
    verdict: Verdict,
) -> Verdict {
    let to = match &seen.delegation {
        Ok(to) if !to.is_empty() => to,
        Ok(_) | Err(DnsFault::NotDelegated | DnsFault::NxDomain) => {
            let fault = Fault::Dns { dns: DnsFault::NotDelegated };
            return verdict.bad(Violation::new(fault, Severity::Critical).after_count(2));
        }
        // Trouble of the parent zone is no fault of this zone: the aspect keeps its state.
        Err(_) => return verdict,
    };
    let Some(from) = intended.filter(|intended| *intended != to) else {
        return verdict.good(Aspect::Delegation);
    };
    let why = lost.or_else(|| unlike_before(seen, asked, to, zone));
    let severity = if why.is_some() { Severity::Critical } else { Severity::Info };
    let fault = Fault::Dns { dns: DnsFault::DelegationMoved { from: from.clone(), to: to.clone() } };
    let seen_text = match why {
        Some(why) => format!("the parent zone names {}; {why}", joined(to)),
        None => format!("the parent zone names {}; they give the same answers as the old ones", joined(to)),
    };
    verdict.bad(Violation::new(fault, severity).seen(seen_text).after_count(2))
}

/// Reason why the new servers do not serve the names as the old ones did; `None` when they do.
fn unlike_before(seen: &DnsSeen, asked: &[String], to: &BTreeSet<String>, zone: &Zone) -> Option<String> {
    let new: Vec<&ServerAnswer> = seen.servers.iter().filter(|answer| to.contains(&answer.server)).collect();
    if !new.iter().any(|answer| answer.soa.is_ok()) {
        return Some("none of them serves the zone".to_owned());
    }
    let mut compared = 0;
    let mut kept = 0;
    for (place, name) in asked.iter().enumerate() {
        let Some(known) = zone.addresses.get(name).filter(|known| !known.is_empty()) else { continue };
        let now: BTreeSet<IpAddr> =
            new.iter().filter_map(|answer| answer.names.get(place)).flatten().flatten().copied().collect();
        if now.is_empty() {
            return Some(format!("they know no address for {name}"));
        }
        compared += 1;
        kept += usize::from(!now.is_disjoint(known));
    }
    (compared > 0 && kept == 0).then(|| "they give other addresses for every name".to_owned())
}

fn servers(seen: &DnsSeen, verdict: Verdict) -> Verdict {
    // A server may have addresses of a protocol without a route from here: one that answers is enough.
    let mut serves: BTreeMap<&str, bool> = BTreeMap::new();
    for answer in &seen.servers {
        *serves.entry(&answer.server).or_default() |= answer.soa.is_ok();
    }
    let lame: BTreeSet<String> =
        serves.iter().filter(|(_, ok)| !**ok).map(|(name, _)| (*name).to_owned()).collect();
    if serves.is_empty() {
        verdict
    } else if lame.is_empty() {
        verdict.good(Aspect::Servers)
    } else {
        let seen_text = answers_of(seen, &lame);
        let (dns, severity) = if lame.len() == serves.len() {
            (DnsFault::NoServer, Severity::Critical)
        } else {
            (DnsFault::LameServers { servers: lame }, Severity::Warning)
        };
        verdict.bad(Violation::new(Fault::Dns { dns }, severity).seen(seen_text))
    }
}

/// Judges the agreement of the servers. They disagree when one has addresses for a name and another has none, or when
/// they have no address in common. Serials may differ during a transfer. If all names agree but one server lists other
/// name servers for the zone, it may have an old zone: that is an alert of severity info.
fn agreement(seen: &DnsSeen, asked: &[String], verdict: Verdict) -> Verdict {
    let serving: Vec<&ServerAnswer> = seen.servers.iter().filter(|answer| answer.soa.is_ok()).collect();
    if serving.len() < 2 {
        return verdict;
    }
    let alike = |one: &BTreeSet<IpAddr>, two: &BTreeSet<IpAddr>| {
        one.is_empty() && two.is_empty() || !one.is_disjoint(two)
    };
    for (place, name) in asked.iter().enumerate() {
        let mut answers: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
        for answer in &serving {
            match answer.names.get(place) {
                Some(Ok(addresses)) => answers.entry(&answer.server).or_default().extend(addresses),
                Some(Err(DnsFault::NxDomain)) => _ = answers.entry(&answer.server).or_default(),
                _ => {}
            }
        }
        if let Some(odd) = odd(&answers, alike) {
            let seen_text = format!("for {name}, the answers of {} differ from the rest", joined(&odd));
            return verdict.bad(disagree(odd, Severity::Warning, seen_text));
        }
    }
    let mut answers: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for answer in serving.iter().filter(|answer| !answer.zone_servers.is_empty()) {
        answers.entry(&answer.server).or_default().extend(&answer.zone_servers);
    }
    if let Some(odd) = odd(&answers, |one, two| one == two) {
        let names = if odd.len() == 1 { "lists" } else { "list" };
        let seen_text = format!("{} {names} other name servers for the zone than the rest", joined(&odd));
        return verdict.bad(disagree(odd, Severity::Info, seen_text));
    }
    verdict.good(Aspect::Agreement)
}

/// Servers that differ from the majority. The largest group with equal answers is the majority; ties go to the first
/// name.
fn odd<T>(answers: &BTreeMap<&str, T>, alike: impl Fn(&T, &T) -> bool) -> Option<BTreeSet<String>> {
    let groups = answers.values().map(|one| answers.values().filter(|two| alike(one, two)).count());
    let (most, _) = answers.values().zip(groups).rev().max_by_key(|(_, size)| *size)?;
    let odd = answers.iter().filter(|(_, one)| !alike(one, most));
    let odd: BTreeSet<String> = odd.map(|(server, _)| (*server).to_owned()).collect();
    (!odd.is_empty()).then_some(odd)
}

fn disagree(servers: BTreeSet<String>, severity: Severity, seen_text: String) -> Violation {
    Violation::new(Fault::Dns { dns: DnsFault::Disagree { servers } }, severity).seen(seen_text)
}

impl Zone {
    /// Remembers the addresses of the names under the intended delegation.
    pub(crate) fn remember(&mut self, seen: &DnsSeen, asked: &[String]) {
        let from_servers = seen.servers.iter().flat_map(|answer| asked.iter().zip(&answer.names));
        let from_resolvers = seen.resolvers.iter().map(|answer| (&answer.name, &answer.addresses));
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

fn answers_of(seen: &DnsSeen, lame: &BTreeSet<String>) -> String {
    let mut parts = BTreeSet::new();
    for answer in seen.servers.iter().filter(|answer| lame.contains(&answer.server)) {
        let address = answer.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
        if let Err(fault) = &answer.soa {
            parts.insert(format!("{} ({address}) {fault}", answer.server));
        }
    }
    parts.into_iter().take(4).collect::<Vec<_>>().join("; ")
}
