//! How far the trouble reaches: which services and names fail, which are well.

use crate::cause::{hurts, is_endpoint};
use crate::diagnose::Seen;
use crate::known::Case;
use crate::mend;
use model::{Fault, Kind, Plan, Thing, Time};
use std::collections::BTreeSet;

/// How far the trouble reaches.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Services that fail, or certainly will.
    pub(crate) affected: BTreeSet<Thing>,
    /// Services that were looked at and are well.
    pub(crate) unaffected: BTreeSet<Thing>,
    /// Hosts that stand on the cause.
    pub(crate) names: BTreeSet<String>,
    /// Those of them, or of the service at fault, that fail now.
    pub(crate) failing: BTreeSet<String>,
    /// Hosts that do not stand on the cause, were looked at and are well.
    pub(crate) well: Vec<String>,
}

/// The scope of a cause. `mended` is when the cause itself ended, if it did.
pub(crate) fn scope(
    plan: &Plan,
    cause: &Thing,
    cases: &[&Case],
    mended: Option<Time>,
    seen: &Seen<'_>,
) -> Scope {
    let graph = &plan.graph;
    let above = graph.above(cause);
    let open = || cases.iter().filter(|case| case.closed.is_none()).map(|case| &case.finding);
    let harmed: BTreeSet<&Thing> = open()
        .filter(|finding| hurts(finding) || matches!(finding.fault, Fault::Slow { .. }))
        .map(|finding| &finding.about)
        .collect();
    let failing: BTreeSet<String> =
        harmed.iter().filter(|thing| is_endpoint(thing.kind)).map(|thing| thing.name.clone()).collect();
    let cause_hurts = mended.is_none() && harmed.contains(cause);
    let everything = cause_hurts && mend::is_deep(cause);
    let unverified = |thing: &Thing| {
        mended.is_some_and(|mended| above.contains(thing) && !mend::seen_well((seen.looked)(thing), mended))
            && cases.iter().any(|case| hurts(&case.finding))
    };
    // A host fails with its certificate; a service with any of its hosts and probes.
    let fails = |endpoint: &Thing| {
        harmed.contains(endpoint)
            || graph.needs(endpoint).any(|need| need.kind == Kind::Tls && harmed.contains(need))
            || unverified(endpoint)
    };
    let endpoints = |service: &Thing| -> Vec<Thing> {
        graph.needs(service).filter(|need| is_endpoint(need.kind)).cloned().collect()
    };

    let mut scope = Scope { failing, ..Scope::default() };
    for service in plan.services.keys().map(|id| Thing::service(id.0.clone())) {
        let stands_on_it = above.contains(&service) || service == *cause;
        let broken = harmed.contains(&service) || endpoints(&service).iter().any(fails);
        if (everything && stands_on_it) || broken {
            scope.affected.insert(service);
        } else if !stands_on_it && cause.kind != Kind::Mainstay {
            let asked = endpoints(&service);
            let well = |endpoint: &Thing| (seen.looked)(endpoint).is_some_and(|looked| looked.well);
            if !asked.is_empty() && asked.iter().all(well) {
                scope.unaffected.insert(service);
            }
        }
    }
    let hosts = |thing: &&Thing| thing.kind == Kind::Host;
    scope.names = match cause.kind {
        Kind::Service => graph.needs(cause).filter(hosts).map(|host| host.name.clone()).collect(),
        _ => above.iter().filter(hosts).map(|host| host.name.clone()).collect(),
    };
    let services = || plan.services.values().flat_map(|service| &service.hosts);
    let others: BTreeSet<&String> = services()
        .filter(|host| !scope.names.contains(*host) && !scope.failing.contains(*host) && **host != cause.name)
        .collect();
    let is_well = |host: &String| (seen.looked)(&Thing::host(host.clone())).is_some_and(|looked| looked.well);
    if cause.kind != Kind::Mainstay {
        scope.well = others.into_iter().filter(|host| is_well(host)).cloned().collect();
    }
    scope
}
