//! Cause of an alert: the deepest failing resource that explains it.
//!
//! Only alerts that affect users now explain others: a domain that expires next week is no reason for a refused
//! connection. A failing dependency explains a resource, and so does a failing dependency of a service that its own
//! service depends on. Several failing names of one service without a failing dependency have the service as their
//! cause.

use crate::colocation::{self, PlaceIncident};
use crate::impact::{hurts, is_endpoint, is_independent};
use crate::location;
use crate::topology::Topology;
use crate::traffic;
use std::collections::{BTreeMap, BTreeSet};
use types::fault::TlsFault;
use types::{Alert, AlertId, Config, Fault, Graph, Resource, Time};

/// The cause of each alert. `recovered` are the closed alerts of open incidents, `locations` those that are the cause of one.
pub(crate) fn causes(
    config: &Config,
    topology: &Topology,
    alerts: &[&Alert],
    place_incidents: &[PlaceIncident<'_>],
    continuing: &BTreeMap<AlertId, &PlaceIncident<'_>>,
    recovered: &[&Alert],
    locations: &BTreeSet<&str>,
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
    let mut causes = BTreeMap::new();
    for alert in alerts {
        let root = if is_independent(&alert.fault) {
            alert.about.clone()
        } else {
            found
                .entry(&alert.about)
                .or_insert_with(|| deepest(graph, topology, &alert.about, &broken))
                .clone()
        };
        causes.insert(alert.id, root);
    }
    traffic::explain(graph, topology, alerts, recovered, &mut causes);
    one_certificate(graph, topology, alerts, &mut causes);
    colocation::assign_shared_places(config, topology, alerts, place_incidents, continuing, &mut causes);
    share_service(graph, topology, alerts, &mut causes);
    location::assign(config, alerts, locations, &mut causes);
    traffic::join_idle(alerts, &mut causes);
    causes
}

fn deepest(
    graph: &Graph,
    topology: &Topology,
    about: &Resource,
    broken: &BTreeMap<&Resource, Time>,
) -> Resource {
    if broken.is_empty() {
        return about.clone();
    }
    let candidates: BTreeSet<Resource> = topology
        .of(graph, about)
        .below
        .iter()
        .filter(|resource| broken.contains_key(resource))
        .cloned()
        .collect();
    let is_explained = |resource: &Resource| {
        let beneath = &topology.of(graph, resource).below;
        candidates.iter().any(|other| {
            // In a cycle no resource is deeper: the first in order is the cause.
            other != resource
                && beneath.contains(other)
                && (other < resource || !topology.of(graph, other).below.contains(resource))
        })
    };
    let deepest = candidates.iter().filter(|resource| !is_explained(resource));
    // Of several independent ones the deeper kind, then the earliest.
    let since = |resource: &Resource| std::cmp::Reverse(broken.get(resource).copied());
    deepest.max_by_key(|resource| (resource.kind, since(resource))).cloned().unwrap_or_else(|| about.clone())
}

/// Assigns one cause to names of one service with the same certificate expiry: they share a certificate, renewed once.
fn one_certificate(
    graph: &Graph,
    topology: &Topology,
    alerts: &[&Alert],
    causes: &mut BTreeMap<AlertId, Resource>,
) {
    let until = |alert: &&Alert| match alert.fault {
        Fault::Tls { tls: TlsFault::Expiring { at, .. } } => Some(at),
        _ => None,
    };
    let mut first: BTreeMap<(Resource, Time), Resource> = BTreeMap::new();
    let ahead = || alerts.iter().filter_map(|alert| Some((alert, until(alert)?)));
    for (alert, at) in ahead() {
        for service in &topology.of(graph, &alert.about).services {
            let first = first.entry((service.clone(), at)).or_insert_with(|| alert.about.clone());
            if alert.about < *first {
                first.clone_from(&alert.about);
            }
        }
    }
    for (alert, at) in ahead() {
        let services = &topology.of(graph, &alert.about).services;
        let one = services.iter().filter_map(|service| first.get(&(service.clone(), at))).min();
        if let Some(one) = one {
            causes.insert(alert.id, one.clone());
        }
    }
}

/// Assigns the service as the cause to several failing names of it.
fn share_service(
    graph: &Graph,
    topology: &Topology,
    alerts: &[&Alert],
    causes: &mut BTreeMap<AlertId, Resource>,
) {
    let joins = |alert: &&&Alert| !is_independent(&alert.fault);
    let mut by_service: BTreeMap<Resource, BTreeSet<String>> = BTreeMap::new();
    let mut services: BTreeMap<Resource, BTreeSet<Resource>> = BTreeMap::new();
    for alert in alerts.iter().filter(joins) {
        let Some(root) = causes.get(&alert.id).filter(|root| is_endpoint(root.kind)) else { continue };
        let on = services.entry(root.clone()).or_insert_with(|| topology.of(graph, root).services.clone());
        for service in on.iter() {
            by_service.entry(service.clone()).or_default().insert(root.name.clone());
        }
    }
    for alert in alerts.iter().filter(joins) {
        let Some(root) = causes.get_mut(&alert.id).filter(|root| is_endpoint(root.kind)) else { continue };
        let Some(on) = services.get(root) else { continue };
        let names = |service: &Resource| by_service.get(service).map_or(0, BTreeSet::len);
        let widest = on.iter().rev().max_by_key(|service| names(service));
        if let Some(service) = widest.filter(|service| names(service) > 1) {
            *root = service.clone();
        }
    }
}
