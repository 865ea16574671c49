//! How far the trouble reaches: which services and names fail, which are well.

use crate::cause::{hurts, is_endpoint};
use crate::diagnose::Seen;
use crate::known::Case;
use crate::mend;
use crate::traffic::{caller_of, is_of_the_edge};
use std::collections::BTreeSet;
use types::{Config, Kind, Resource, Time};

/// How far the trouble reaches.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Services that fail, or certainly will.
    pub(crate) affected: BTreeSet<Resource>,
    /// Services that were looked at and are well.
    pub(crate) unaffected: BTreeSet<Resource>,
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
    services: BTreeSet<Resource>,
    /// Names of services that are well.
    hosts: BTreeSet<String>,
}

impl Well {
    pub(crate) fn now(config: &Config, seen: &Seen<'_>) -> Self {
        let is_well = |resource: &Resource| (seen.looked)(resource).is_some_and(|looked| looked.well);
        let services = config.services.keys().map(|id| Resource::service(id.0.clone())).filter(|service| {
            let mut asked = config.graph.needs(service).filter(|need| is_endpoint(need.kind)).peekable();
            asked.peek().is_some() && asked.all(is_well)
        });
        let hosts: BTreeSet<&String> = config.services.values().flat_map(|service| &service.hosts).collect();
        let hosts = hosts.into_iter().filter(|host| is_well(&Resource::host(host.as_str())));
        Self { services: services.collect(), hosts: hosts.cloned().collect() }
    }
}

/// The scope of a cause. `mended` is when the cause itself ended, if it did.
pub(crate) fn scope(
    config: &Config,
    cause: &Resource,
    cases: &[&Case],
    mended: Option<Time>,
    seen: &Seen<'_>,
    well: &Well,
) -> Scope {
    let graph = &config.graph;
    let above = graph.above(cause);
    let open = || cases.iter().filter(|case| case.closed.is_none()).map(|case| &case.alert);
    let harmed: BTreeSet<&Resource> =
        open().filter(|alert| hurts(alert) || alert.fault.is_partial()).map(|alert| &alert.about).collect();
    let failing: BTreeSet<String> = harmed
        .iter()
        .filter(|resource| is_endpoint(resource.kind))
        .map(|resource| resource.name.clone())
        .collect();
    let cause_hurts = mended.is_none() && harmed.contains(cause);
    let everything = cause_hurts && mend::is_deep(cause);
    let unverified = |resource: &Resource| {
        mended.is_some_and(|mended| {
            above.contains(resource) && !mend::seen_well((seen.looked)(resource), mended)
        }) && cases.iter().any(|case| hurts(&case.alert))
    };
    // A host fails with its certificate; a service with any of its hosts and probes.
    let with_certificate =
        harmed.iter().filter(|resource| resource.kind == Kind::Tls).flat_map(|tls| graph.needed_by(tls));
    let late = above.iter().filter(|resource| mended.is_some() && unverified(resource));
    let failing_endpoints = harmed.iter().copied().chain(with_certificate).chain(late);
    // A service fails with the pool that it is served from, and with a caller of its own that is refused.
    let pools = harmed.iter().copied().filter(|resource| resource.kind == Kind::Pool);
    let of_pools = pools.flat_map(|pool| graph.needed_by(pool)).filter(|above| above.kind == Kind::Service);
    let refused: BTreeSet<Resource> =
        open().filter(|alert| hurts(alert)).filter_map(|alert| caller_of(config, alert)).collect();
    let broken: BTreeSet<&Resource> = failing_endpoints
        .filter(|resource| is_endpoint(resource.kind))
        .flat_map(|endpoint| graph.needed_by(endpoint))
        .filter(|above| above.kind == Kind::Service)
        .chain(of_pools)
        .chain(&refused)
        .collect();

    let mut scope = Scope { failing, ..Scope::default() };
    for service in config.services.keys().map(|id| Resource::service(id.0.clone())) {
        let stands_on_it = above.contains(&service) || service == *cause;
        if (everything && stands_on_it) || harmed.contains(&service) || broken.contains(&service) {
            scope.affected.insert(service);
        } else if !stands_on_it && cause.kind != Kind::Mainstay && well.services.contains(&service) {
            scope.unaffected.insert(service);
        }
    }
    let hosts = |resource: &&Resource| resource.kind == Kind::Host;
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
        let by_the_edge = |case: &&Case| case.alert.about == *cause && is_of_the_edge(&case.alert.fault);
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
