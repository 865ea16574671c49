//! The deepest broken thing that explains a finding.
//!
//! Only what hurts now explains anything: a domain that expires next week is no reason for a host that refuses
//! connections. What is broken beneath a thing explains it; so does what is broken beneath a service that its own service
//! needs. Several names of one service that fail without anything broken beneath them are one trouble of that service.

use crate::event::{self, Held};
use crate::place::Places;
use crate::traffic;
use types::fault::{DomainFault, TlsFault};
use types::{Fault, Finding, FindingId, Graph, Kind, Plan, Thing, Time, Weight};
use std::collections::{BTreeMap, BTreeSet};

/// Whether somebody is hurt already: a date that comes close hurts nobody before it has come.
pub(crate) fn hurts(finding: &Finding) -> bool {
    finding.weight == Weight::Breaks && !is_ahead(&finding.fault)
}

/// Whether somebody must be woken. A spare that is lost can wait for the morning: the servers that are left answer, and when
/// they do not, the probes say so. The last server of several is no spare.
pub(crate) fn wakes(finding: &Finding) -> bool {
    finding.weight == Weight::Breaks && !is_spare(&finding.fault)
}

/// Whether all that is lost is a spare.
pub(crate) fn is_spare(fault: &Fault) -> bool {
    match fault {
        Fault::PoolBelowFloor { serving, declared, .. } => *serving > 1 || (*serving == 1 && *declared <= 2),
        _ => false,
    }
}

/// A date ahead of us.
pub(crate) fn is_ahead(fault: &Fault) -> bool {
    date_ahead(fault).is_some()
}

/// The date ahead of us on which something that still holds runs out.
pub(crate) fn date_ahead(fault: &Fault) -> Option<Time> {
    match fault {
        Fault::Tls { tls: TlsFault::Expiring { at, .. } }
        | Fault::Domain { domain: DomainFault::Expires { at, .. } } => Some(*at),
        _ => None,
    }
}

/// Whether a finding has a life of its own, whatever else is broken: it would keep somebody else's incident open for weeks.
pub(crate) fn stands_alone(fault: &Fault) -> bool {
    is_ahead(fault)
        || matches!(
            fault,
            Fault::Domain {
                domain: DomainFault::Stale { .. } | DomainFault::Undated | DomainFault::PendingTransfer
            }
        )
}

/// Names, certificates and probes: what somebody can ask and be refused.
pub(crate) fn is_endpoint(kind: Kind) -> bool {
    matches!(kind, Kind::Host | Kind::Tls | Kind::Probe)
}

/// Everything that may explain trouble of a thing.
pub(crate) fn under(graph: &Graph, thing: &Thing) -> BTreeSet<Thing> {
    let mut all = graph.beneath(thing);
    if is_endpoint(thing.kind) {
        for service in services_on(graph, thing) {
            for need in graph.needs(&service).filter(|need| need.kind == Kind::Service) {
                all.extend(graph.beneath(need));
                all.insert(need.clone());
            }
        }
        // Two services may need one another: what stands beside the thing does not explain it.
        all.remove(thing);
    }
    all
}

/// The services that an endpoint speaks for.
pub(crate) fn services_on(graph: &Graph, thing: &Thing) -> BTreeSet<Thing> {
    let host = Thing::host(thing.name.clone());
    let of = |thing: &Thing| {
        graph.needed_by(thing).filter(|above| above.kind == Kind::Service).cloned().collect::<BTreeSet<_>>()
    };
    let own = of(thing);
    if own.is_empty() && thing.kind == Kind::Tls { of(&host) } else { own }
}

/// The cause of each finding.
pub(crate) fn roots(
    plan: &Plan,
    places: &Places,
    findings: &[&Finding],
    held: &[Held<'_>],
    goes_on: &BTreeMap<FindingId, &Held<'_>>,
) -> BTreeMap<FindingId, Thing> {
    let graph = &plan.graph;
    let mut broken: BTreeMap<&Thing, Time> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| hurts(finding)) {
        broken
            .entry(&finding.about)
            .and_modify(|since| *since = finding.since.min(*since))
            .or_insert(finding.since);
    }
    let mut found: BTreeMap<&Thing, Thing> = BTreeMap::new();
    let mut roots = BTreeMap::new();
    for finding in findings {
        let root = if stands_alone(&finding.fault) {
            finding.about.clone()
        } else {
            found
                .entry(&finding.about)
                .or_insert_with(|| root(graph, places, &finding.about, &broken))
                .clone()
        };
        roots.insert(finding.id, root);
    }
    traffic::explain(graph, places, findings, &mut roots);
    one_certificate(graph, places, findings, &mut roots);
    event::share(plan, places, findings, held, goes_on, &mut roots);
    lift(graph, places, findings, &mut roots);
    roots
}

fn root(graph: &Graph, places: &Places, about: &Thing, broken: &BTreeMap<&Thing, Time>) -> Thing {
    if broken.is_empty() {
        return about.clone();
    }
    let candidates: BTreeSet<Thing> =
        places.of(graph, about).under.iter().filter(|thing| broken.contains_key(thing)).cloned().collect();
    let explained_itself = |thing: &Thing| {
        let beneath = &places.of(graph, thing).under;
        candidates.iter().any(|other| {
            // In a circle nothing is deeper than anything else: the first by order stays.
            other != thing
                && beneath.contains(other)
                && (other < thing || !places.of(graph, other).under.contains(thing))
        })
    };
    let deepest = candidates.iter().filter(|thing| !explained_itself(thing));
    // Several independent ones: the deeper kind, then the one that broke first.
    let since = |thing: &Thing| std::cmp::Reverse(broken.get(thing).copied());
    deepest.max_by_key(|thing| (thing.kind, since(thing))).cloned().unwrap_or_else(|| about.clone())
}

/// Gives names of one service whose certificates run out at the same second the first of them as their cause: it is one
/// certificate, and it is renewed once.
fn one_certificate(
    graph: &Graph,
    places: &Places,
    findings: &[&Finding],
    roots: &mut BTreeMap<FindingId, Thing>,
) {
    let until = |finding: &&Finding| match finding.fault {
        Fault::Tls { tls: TlsFault::Expiring { at, .. } } => Some(at),
        _ => None,
    };
    let mut first: BTreeMap<(Thing, Time), Thing> = BTreeMap::new();
    let ahead = || findings.iter().filter_map(|finding| Some((finding, until(finding)?)));
    for (finding, at) in ahead() {
        for service in &places.of(graph, &finding.about).services {
            let first = first.entry((service.clone(), at)).or_insert_with(|| finding.about.clone());
            if finding.about < *first {
                first.clone_from(&finding.about);
            }
        }
    }
    for (finding, at) in ahead() {
        let services = &places.of(graph, &finding.about).services;
        let one = services.iter().filter_map(|service| first.get(&(service.clone(), at))).min();
        if let Some(one) = one {
            roots.insert(finding.id, one.clone());
        }
    }
}

/// Gives names of one service that fail each for itself their service as the cause they share.
fn lift(graph: &Graph, places: &Places, findings: &[&Finding], roots: &mut BTreeMap<FindingId, Thing>) {
    let joins = |finding: &&&Finding| !stands_alone(&finding.fault);
    let mut by_service: BTreeMap<Thing, BTreeSet<String>> = BTreeMap::new();
    let mut services: BTreeMap<Thing, BTreeSet<Thing>> = BTreeMap::new();
    for finding in findings.iter().filter(joins) {
        let Some(root) = roots.get(&finding.id).filter(|root| is_endpoint(root.kind)) else { continue };
        let on = services.entry(root.clone()).or_insert_with(|| places.of(graph, root).services.clone());
        for service in on.iter() {
            by_service.entry(service.clone()).or_default().insert(root.name.clone());
        }
    }
    for finding in findings.iter().filter(joins) {
        let Some(root) = roots.get_mut(&finding.id).filter(|root| is_endpoint(root.kind)) else { continue };
        let Some(on) = services.get(root) else { continue };
        let names = |service: &Thing| by_service.get(service).map_or(0, BTreeSet::len);
        let widest = on.iter().rev().max_by_key(|service| names(service));
        if let Some(service) = widest.filter(|service| names(service) > 1) {
            *root = service.clone();
        }
    }
}
