//! How far the trouble reaches: which services and names fail, which are well.

use crate::cause::{hurts, is_endpoint};
use crate::diagnose::Seen;
use crate::known::Case;
use crate::mend;
use crate::traffic::{caller_of, is_of_the_edge};
use types::{Kind, Plan, Thing, Time};
use std::collections::BTreeSet;

/// How far the trouble reaches.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Services that fail, or certainly will.
    pub(crate) affected: BTreeSet<Thing>,
    /// Services that were looked at and are well.
    pub(crate) unaffected: BTreeSet<Thing>,
    /// Hosts that stand on the cause; hosts and probes of a service.
    pub(crate) names: BTreeSet<String>,
    /// Those of them, or of the service at fault, that fail now.
    pub(crate) failing: BTreeSet<String>,
    /// How many hosts do not stand on the cause, were looked at and are well; and the first two of them.
    pub(crate) well_count: usize,
    pub(crate) well: Vec<String>,
}

/// Who is well just now, whatever the cause: found out once for all incidents.
#[derive(Debug, Default)]
pub(crate) struct Well {
    /// Services that have names or probes, all of them well.
    services: BTreeSet<Thing>,
    /// Names of services that are well.
    hosts: BTreeSet<String>,
}

impl Well {
    pub(crate) fn now(plan: &Plan, seen: &Seen<'_>) -> Self {
        let is_well = |thing: &Thing| (seen.looked)(thing).is_some_and(|looked| looked.well);
        let services = plan.services.keys().map(|id| Thing::service(id.0.clone())).filter(|service| {
            let mut asked = plan.graph.needs(service).filter(|need| is_endpoint(need.kind)).peekable();
            asked.peek().is_some() && asked.all(is_well)
        });
        let hosts: BTreeSet<&String> = plan.services.values().flat_map(|service| &service.hosts).collect();
        let hosts = hosts.into_iter().filter(|host| is_well(&Thing::host(host.as_str())));
        Self { services: services.collect(), hosts: hosts.cloned().collect() }
    }
}

/// The scope of a cause. `mended` is when the cause itself ended, if it did.
pub(crate) fn scope(
    plan: &Plan,
    cause: &Thing,
    cases: &[&Case],
    mended: Option<Time>,
    seen: &Seen<'_>,
    well: &Well,
) -> Scope {
    let graph = &plan.graph;
    let above = graph.above(cause);
    let open = || cases.iter().filter(|case| case.closed.is_none()).map(|case| &case.finding);
    let harmed: BTreeSet<&Thing> = open()
        .filter(|finding| hurts(finding) || finding.fault.is_partial())
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
    let with_certificate =
        harmed.iter().filter(|thing| thing.kind == Kind::Tls).flat_map(|tls| graph.needed_by(tls));
    let late = above.iter().filter(|thing| mended.is_some() && unverified(thing));
    let failing_endpoints = harmed.iter().copied().chain(with_certificate).chain(late);
    // A service fails with the pool that it is served from, and with a caller of its own that is refused.
    let pools = harmed.iter().copied().filter(|thing| thing.kind == Kind::Pool);
    let of_pools = pools.flat_map(|pool| graph.needed_by(pool)).filter(|above| above.kind == Kind::Service);
    let refused: BTreeSet<Thing> =
        open().filter(|finding| hurts(finding)).filter_map(|finding| caller_of(plan, finding)).collect();
    let broken: BTreeSet<&Thing> = failing_endpoints
        .filter(|thing| is_endpoint(thing.kind))
        .flat_map(|endpoint| graph.needed_by(endpoint))
        .filter(|above| above.kind == Kind::Service)
        .chain(of_pools)
        .chain(&refused)
        .collect();

    let mut scope = Scope { failing, ..Scope::default() };
    for service in plan.services.keys().map(|id| Thing::service(id.0.clone())) {
        let stands_on_it = above.contains(&service) || service == *cause;
        if (everything && stands_on_it) || harmed.contains(&service) || broken.contains(&service) {
            scope.affected.insert(service);
        } else if !stands_on_it && cause.kind != Kind::Mainstay && well.services.contains(&service) {
            scope.unaffected.insert(service);
        }
    }
    let hosts = |thing: &&Thing| thing.kind == Kind::Host;
    scope.names = match cause.kind {
        // Probes written by hand are asked as names are: a service is not failing as a whole while one answers.
        Kind::Service => {
            let asked = graph.needs(cause).filter(|need| matches!(need.kind, Kind::Host | Kind::Probe));
            asked.map(|need| need.name.clone()).collect()
        }
        _ => above.iter().filter(hosts).map(|host| host.name.clone()).collect(),
    };
    if cause.kind != Kind::Mainstay {
        let mut not_other: BTreeSet<&String> =
            scope.names.union(&scope.failing).chain([&cause.name]).collect();
        // A name of a service that the edge sees suffer may answer probes: that is no reason to call it unaffected.
        let by_the_edge = |case: &&Case| case.finding.about == *cause && is_of_the_edge(&case.finding.fault);
        let suffering = if cases.iter().copied().any(|case| by_the_edge(&case)) {
            scope.affected.iter().flat_map(|service| graph.needs(service)).filter(hosts).collect()
        } else {
            Vec::new()
        };
        not_other.extend(suffering.into_iter().map(|host| &host.name));
        let other = |host: &&String| !not_other.contains(*host);
        scope.well_count = well.hosts.iter().filter(other).count();
        scope.well = well.hosts.iter().filter(other).take(2).cloned().collect();
    }
    scope
}
