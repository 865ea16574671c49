//! What is looked at before an incident opens, and how long that may take.
//!
//! A host is asked every few seconds, its registration once a day: the symptom always comes first. So a fresh alert has
//! everything beneath it looked at at once, and the incident opens when that is done: with the cause, or with the
//! certainty that there is none deeper.

use crate::cause::is_endpoint;
use crate::diagnose::Seen;
use crate::known::Case;
use crate::place::Places;
use crate::traffic::is_of_the_edge;
use std::collections::BTreeSet;
use std::time::Duration;
use types::time::{earlier, later};
use types::{Config, Graph, Kind, LastResult, Resource, SeenAt, Time};

/// With nothing suspicious beneath, an alert waits no longer than this for the rest to be looked at ...
const PATIENCE: Duration = Duration::from_secs(3);
/// ... and no longer than this whatever may still come.
const PATIENCE_MAX: Duration = Duration::from_secs(6);
/// A registry's answer stays true for this long: one domain may carry hundreds of names.
const REGISTRY_FRESH: Duration = Duration::from_secs(30);
/// So many neighbours are looked at to see how far the trouble reaches.
pub(crate) const NEIGHBOURS_MAX: usize = 64;

/// Whether a thing was looked at late enough to speak about alerts of which the first began at `since` and opened at
/// `opened`. `cause` is the deepest of them so far.
pub(crate) fn looked_since(
    resource: &Resource,
    looked: Option<LastResult>,
    cause: &Resource,
    since: Time,
    opened: Time,
) -> bool {
    let after = match (resource.kind, cause.kind) {
        // Its name servers changed: what the registry said before is what is in doubt.
        (Kind::Domain, Kind::Dns) => since,
        (Kind::Domain, _) => earlier(opened, REGISTRY_FRESH),
        _ => opened,
    };
    looked.is_some_and(|looked| looked.at > after)
}

/// What tells whether enough was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Looks<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) places: &'a Places,
    /// Whether any probe asks about a thing.
    pub(crate) asked: &'a dyn Fn(&Resource) -> bool,
    /// What has an alert.
    pub(crate) failing: &'a BTreeSet<Resource>,
}

/// Whether a group of alerts has settled on its cause; `Err` says until when to wait at most.
pub(crate) fn settled(
    looks: &Looks<'_>,
    cause: &Resource,
    cases: &[&Case],
    now: Time,
    seen: &Seen<'_>,
) -> Result<(), Time> {
    let Some(first) = cases.iter().map(|case| case.opened).min() else { return Ok(()) };
    let since = cases.iter().map(|case| case.alert.since).min().unwrap_or(first);
    // The edge sees it happen: nothing beneath is needed to believe it.
    let seen_by_the_edge =
        cases.iter().any(|case| case.alert.about == *cause && is_of_the_edge(&case.alert.fault));
    if seen_by_the_edge
        || matches!(cause.kind, Kind::Domain | Kind::Mainstay)
        || now >= later(first, PATIENCE_MAX)
    {
        return Ok(());
    }
    let (mut complete, mut suspicious) = (true, false);
    let resources: BTreeSet<&Resource> = cases.iter().map(|case| &case.alert.about).collect();
    for about in &resources {
        let under = &looks.places.of(looks.graph, about).under;
        for resource in under.iter().filter(|resource| (looks.asked)(resource)) {
            let looked = (seen.looked)(resource);
            complete &= looked_since(resource, looked, cause, since, first);
            suspicious |= looked.is_some_and(|looked| !looked.well) && !resources.contains(resource);
        }
    }
    // What is asked at the same place: if that fails as well it is one event, and is told as one.
    let seen_at: BTreeSet<&SeenAt> =
        cases.iter().map(|case| &case.alert.seen_at).filter(|place| !place.is_empty()).collect();
    for place in seen_at.into_iter().take(NEIGHBOURS_MAX) {
        for resource in
            (seen.beside)(place, NEIGHBOURS_MAX).iter().filter(|resource| !looks.failing.contains(resource))
        {
            let looked = (seen.looked)(resource);
            complete &= looked_since(resource, looked, cause, since, first);
            suspicious |= looked.is_some_and(|looked| !looked.well);
        }
    }
    match () {
        () if complete => Ok(()),
        () if suspicious => Err(later(first, PATIENCE_MAX)),
        () if now >= later(first, PATIENCE) => Ok(()),
        () => Err(later(first, PATIENCE)),
    }
}

/// The names of all services above a thing, and those of one service that does not stand on it.
pub(crate) fn neighbours(config: &Config, about: &Resource) -> BTreeSet<Resource> {
    let graph = &config.graph;
    let above = graph.above(about);
    let endpoints = |service: &Resource| -> Vec<Resource> {
        graph.needs(service).filter(|need| is_endpoint(need.kind)).cloned().collect()
    };
    let mut all: BTreeSet<Resource> =
        above.iter().filter(|resource| is_endpoint(resource.kind)).take(NEIGHBOURS_MAX).cloned().collect();
    for service in above.iter().filter(|resource| resource.kind == Kind::Service) {
        let room = NEIGHBOURS_MAX.saturating_sub(all.len());
        all.extend(endpoints(service).into_iter().take(room));
    }
    let services = config.services.keys().map(|id| Resource::service(id.0.clone()));
    let involved: BTreeSet<Resource> = above
        .iter()
        .filter(|resource| resource.kind == Kind::Service)
        .flat_map(|service| graph.beneath(service))
        .collect();
    let mut others = services
        .filter(|service| service != about && !above.contains(service) && !involved.contains(service));
    if let Some(other) = others.find(|service| !endpoints(service).is_empty()) {
        all.extend(endpoints(&other).into_iter().take(3));
    }
    all
}
