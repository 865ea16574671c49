//! Scope of an incident: failing and healthy services and names.

use crate::impact::{hurts, is_endpoint};
use crate::recovery;
use crate::state::Case;
use crate::traffic::{caller_of, is_crash_loop, is_edge_fault};
use std::collections::BTreeSet;
use types::{Context, Graph, Kind, Resource, Time};

/// Scope of an incident.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Services that fail or will fail.
    pub(crate) affected: BTreeSet<Resource>,
    /// Services with healthy results.
    pub(crate) unaffected: BTreeSet<Resource>,
    /// Hosts that depend on the cause; hosts and probes of a service.
    pub(crate) names: BTreeSet<String>,
    /// Names that fail now.
    pub(crate) failing: BTreeSet<String>,
    /// Number of healthy hosts that do not depend on the cause, and the first two of them.
    pub(crate) healthy_count: usize,
    pub(crate) healthy: Vec<String>,
}

/// Healthy services and hosts, whatever the cause; computed once for all incidents.
#[derive(Debug, Default)]
pub(crate) struct Healthy {
    /// Services with endpoints, all of them healthy.
    services: BTreeSet<Resource>,
    /// Healthy hosts.
    hosts: BTreeSet<String>,
}

impl Healthy {
    pub(crate) fn now(context: &Context<'_>) -> Self {
        let config = context.config;
        let is_healthy = |resource: &Resource| context.last_result(resource).is_some_and(|last| last.healthy);
        let services = config.services.keys().map(|id| Resource::service(id.0.clone())).filter(|service| {
            let mut asked = config.graph.depends_on(service).filter(|need| is_endpoint(need.kind)).peekable();
            asked.peek().is_some() && asked.all(is_healthy)
        });
        let hosts: BTreeSet<&String> = config.services.values().flat_map(|service| &service.hosts).collect();
        let hosts = hosts.into_iter().filter(|host| is_healthy(&Resource::host(host.as_str())));
        Self { services: services.collect(), hosts: hosts.cloned().collect() }
    }
}

/// The scope of a cause. `recovered_at` is the recovery time of the cause itself.
pub(crate) fn scope(
    context: &Context<'_>,
    cause: &Resource,
    cases: &[&Case],
    recovered_at: Option<Time>,
    healthy: &Healthy,
) -> Scope {
    let config = context.config;
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
    let cause_hurts = recovered_at.is_none() && harmed.contains(cause);
    let everything = cause_hurts && recovery::is_deep(cause);
    let unverified = |resource: &Resource| {
        recovered_at.is_some_and(|recovered_at| {
            above.contains(resource)
                && !recovery::is_healthy_since(context.last_result(resource), recovered_at)
        }) && cases.iter().any(|case| hurts(&case.alert))
    };
    // A host fails with its certificate; a service with any of its hosts and probes.
    let with_certificate =
        harmed.iter().filter(|resource| resource.kind == Kind::Tls).flat_map(|tls| graph.dependents(tls));
    let late = above.iter().filter(|resource| recovered_at.is_some() && unverified(resource));
    let failing_endpoints = harmed.iter().copied().chain(with_certificate).chain(late);
    // A service fails with its pool or database, and with a caller of its own that is refused.
    let pools = harmed.iter().copied().filter(|about| matches!(about.kind, Kind::Pool | Kind::Database));
    let of_pools = pools.flat_map(|pool| graph.dependents(pool)).filter(|above| above.kind == Kind::Service);
    let refused: BTreeSet<Resource> =
        open().filter(|alert| hurts(alert)).filter_map(|alert| caller_of(config, alert)).collect();
    let broken: BTreeSet<&Resource> = failing_endpoints
        .filter(|resource| is_endpoint(resource.kind))
        .flat_map(|endpoint| graph.dependents(endpoint))
        .filter(|above| above.kind == Kind::Service)
        .chain(of_pools)
        .chain(&refused)
        .collect();

    let mut scope = Scope { failing, ..Scope::default() };
    for service in config.services.keys().map(|id| Resource::service(id.0.clone())) {
        let stands_on_it = above.contains(&service) || service == *cause;
        if (everything && stands_on_it) || harmed.contains(&service) || broken.contains(&service) {
            scope.affected.insert(service);
        } else if !stands_on_it && cause.kind != Kind::Mainstay && healthy.services.contains(&service) {
            scope.unaffected.insert(service);
        }
    }
    let hosts = |resource: &&Resource| resource.kind == Kind::Host;
    scope.names = match cause.kind {
        // Configured probes count like hosts: a service does not fail as a whole while one of them answers.
        Kind::Service => {
            let asked = graph.depends_on(cause).filter(|need| matches!(need.kind, Kind::Host | Kind::Probe));
            asked.map(|need| need.name.clone()).collect()
        }
        _ => above.iter().filter(hosts).map(|host| host.name.clone()).collect(),
    };
    if cause.kind != Kind::Mainstay {
        scope.add_healthy(graph, cause, cases, healthy);
    }
    scope
}

impl Scope {
    /// Counts the healthy hosts that do not depend on the cause.
    fn add_healthy(&mut self, graph: &Graph, cause: &Resource, cases: &[&Case], healthy: &Healthy) {
        let mut not_other: BTreeSet<&String> = self.names.union(&self.failing).chain([&cause.name]).collect();
        // A host of a service with an alert of the edge may answer probes, but is not unaffected.
        let by_the_edge = |case: &&Case| {
            let is_open_loop = case.closed.is_none() && is_crash_loop(&case.alert.fault);
            is_open_loop || (case.alert.about == *cause && is_edge_fault(&case.alert.fault))
        };
        if cases.iter().any(by_the_edge) {
            let needs = self.affected.iter().flat_map(|service| graph.depends_on(service));
            not_other.extend(needs.filter(|need| need.kind == Kind::Host).map(|host| &host.name));
        }
        let other = |host: &&String| !not_other.contains(*host);
        self.healthy_count = healthy.hosts.iter().filter(other).count();
        self.healthy = healthy.hosts.iter().filter(other).take(2).cloned().collect();
    }
}
