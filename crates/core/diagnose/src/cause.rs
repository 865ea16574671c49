//! The deepest broken thing that explains an alert.
//!
//! Only what hurts now explains anything: a domain that expires next week is no reason for a host that refuses
//! connections. What is broken beneath a thing explains it; so does what is broken beneath a service that its own service
//! needs. Several names of one service that fail without anything broken beneath them are one trouble of that service.

use crate::event::{self, Held};
use crate::place::Places;
use crate::traffic;
use std::collections::{BTreeMap, BTreeSet};
use types::fault::{DomainFault, TlsFault};
use types::{Alert, AlertId, Config, Fault, Graph, Kind, Resource, Severity, Time};

/// Whether somebody is hurt already: a date that comes close hurts nobody before it has come.
pub(crate) fn hurts(alert: &Alert) -> bool {
    alert.severity == Severity::Critical && !is_ahead(&alert.fault)
}

/// Whether somebody must be woken. A spare that is lost can wait for the morning: the servers that are left answer, and when
/// they do not, the probes say so. The last server of several is no spare.
pub(crate) fn wakes(alert: &Alert) -> bool {
    alert.severity == Severity::Critical && !is_spare(&alert.fault)
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

/// Whether an alert has a life of its own, whatever else is broken: it would keep somebody else's incident open for weeks.
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
pub(crate) fn under(graph: &Graph, resource: &Resource) -> BTreeSet<Resource> {
    let mut all = graph.beneath(resource);
    if is_endpoint(resource.kind) {
        for service in services_on(graph, resource) {
            for need in graph.needs(&service).filter(|need| need.kind == Kind::Service) {
                all.extend(graph.beneath(need));
                all.insert(need.clone());
            }
        }
        // Two services may need one another: what stands beside the thing does not explain it.
        all.remove(resource);
    }
    all
}

/// The services that an endpoint speaks for.
pub(crate) fn services_on(graph: &Graph, resource: &Resource) -> BTreeSet<Resource> {
    let host = Resource::host(resource.name.clone());
    let of = |resource: &Resource| {
        graph
            .needed_by(resource)
            .filter(|above| above.kind == Kind::Service)
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    let own = of(resource);
    if own.is_empty() && resource.kind == Kind::Tls { of(&host) } else { own }
}

/// The cause of each alert.
pub(crate) fn roots(
    config: &Config,
    places: &Places,
    alerts: &[&Alert],
    held: &[Held<'_>],
    goes_on: &BTreeMap<AlertId, &Held<'_>>,
) -> BTreeMap<AlertId, Resource> {
    let graph = &config.graph;
    let mut broken: BTreeMap<&Resource, Time> = BTreeMap::new();
    for alert in alerts.iter().filter(|alert| hurts(alert)) {
        broken
            .entry(&alert.about)
            .and_modify(|since| *since = alert.since.min(*since))
            .or_insert(alert.since);
    }
    let mut found: BTreeMap<&Resource, Resource> = BTreeMap::new();
    let mut roots = BTreeMap::new();
    for alert in alerts {
        let root = if stands_alone(&alert.fault) {
            alert.about.clone()
        } else {
            found.entry(&alert.about).or_insert_with(|| root(graph, places, &alert.about, &broken)).clone()
        };
        roots.insert(alert.id, root);
    }
    traffic::explain(graph, places, alerts, &mut roots);
    one_certificate(graph, places, alerts, &mut roots);
    event::share(config, places, alerts, held, goes_on, &mut roots);
    lift(graph, places, alerts, &mut roots);
    roots
}

fn root(graph: &Graph, places: &Places, about: &Resource, broken: &BTreeMap<&Resource, Time>) -> Resource {
    if broken.is_empty() {
        return about.clone();
    }
    let candidates: BTreeSet<Resource> = places
        .of(graph, about)
        .under
        .iter()
        .filter(|resource| broken.contains_key(resource))
        .cloned()
        .collect();
    let explained_itself = |resource: &Resource| {
        let beneath = &places.of(graph, resource).under;
        candidates.iter().any(|other| {
            // In a circle nothing is deeper than anything else: the first by order stays.
            other != resource
                && beneath.contains(other)
                && (other < resource || !places.of(graph, other).under.contains(resource))
        })
    };
    let deepest = candidates.iter().filter(|resource| !explained_itself(resource));
    // Several independent ones: the deeper kind, then the one that broke first.
    let since = |resource: &Resource| std::cmp::Reverse(broken.get(resource).copied());
    deepest.max_by_key(|resource| (resource.kind, since(resource))).cloned().unwrap_or_else(|| about.clone())
}

/// Gives names of one service whose certificates run out at the same second the first of them as their cause: it is one
/// certificate, and it is renewed once.
fn one_certificate(
    graph: &Graph,
    places: &Places,
    alerts: &[&Alert],
    roots: &mut BTreeMap<AlertId, Resource>,
) {
    let until = |alert: &&Alert| match alert.fault {
        Fault::Tls { tls: TlsFault::Expiring { at, .. } } => Some(at),
        _ => None,
    };
    let mut first: BTreeMap<(Resource, Time), Resource> = BTreeMap::new();
    let ahead = || alerts.iter().filter_map(|alert| Some((alert, until(alert)?)));
    for (alert, at) in ahead() {
        for service in &places.of(graph, &alert.about).services {
            let first = first.entry((service.clone(), at)).or_insert_with(|| alert.about.clone());
            if alert.about < *first {
                first.clone_from(&alert.about);
            }
        }
    }
    for (alert, at) in ahead() {
        let services = &places.of(graph, &alert.about).services;
        let one = services.iter().filter_map(|service| first.get(&(service.clone(), at))).min();
        if let Some(one) = one {
            roots.insert(alert.id, one.clone());
        }
    }
}

/// Gives names of one service that fail each for itself their service as the cause they share.
fn lift(graph: &Graph, places: &Places, alerts: &[&Alert], roots: &mut BTreeMap<AlertId, Resource>) {
    let joins = |alert: &&&Alert| !stands_alone(&alert.fault);
    let mut by_service: BTreeMap<Resource, BTreeSet<String>> = BTreeMap::new();
    let mut services: BTreeMap<Resource, BTreeSet<Resource>> = BTreeMap::new();
    for alert in alerts.iter().filter(joins) {
        let Some(root) = roots.get(&alert.id).filter(|root| is_endpoint(root.kind)) else { continue };
        let on = services.entry(root.clone()).or_insert_with(|| places.of(graph, root).services.clone());
        for service in on.iter() {
            by_service.entry(service.clone()).or_default().insert(root.name.clone());
        }
    }
    for alert in alerts.iter().filter(joins) {
        let Some(root) = roots.get_mut(&alert.id).filter(|root| is_endpoint(root.kind)) else { continue };
        let Some(on) = services.get(root) else { continue };
        let names = |service: &Resource| by_service.get(service).map_or(0, BTreeSet::len);
        let widest = on.iter().rev().max_by_key(|service| names(service));
        if let Some(service) = widest.filter(|service| names(service) > 1) {
            *root = service.clone();
        }
    }
}
