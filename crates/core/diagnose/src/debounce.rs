//! Debounce: dependencies of a failing resource are probed before its incident opens, within a time limit.
//!
//! A host is probed every few seconds, its registration once a day, so the symptom comes before the cause. For a new
//! alert all dependencies are probed immediately, and the incident opens with the results: with the cause, or without a
//! deeper one.

use crate::location;
use crate::state::Case;
use crate::topology::{NEIGHBOURS_MAX, Topology};
use crate::traffic::is_edge_fault;
use std::collections::BTreeSet;
use std::time::Duration;
use types::time::{earlier, later};
use types::{Context, Graph, Kind, LastResult, Resource, SeenAt, Time};

/// Longest wait for results while no dependency is suspicious ...
const WAIT: Duration = Duration::from_secs(3);
/// ... and in any case.
const WAIT_MAX: Duration = Duration::from_secs(6);
/// Time for which an answer of the registry counts: one domain may have hundreds of names.
const REGISTRY_TTL: Duration = Duration::from_secs(30);

/// Whether a last result is recent enough for alerts of which the first began at `since` and opened at `opened`.
/// `cause` is the deepest of them so far.
pub(crate) fn has_result_since(
    resource: &Resource,
    last: Option<LastResult>,
    cause: &Resource,
    since: Time,
    opened: Time,
) -> bool {
    let after = match (resource.kind, cause.kind) {
        // After a change of name servers, earlier answers of the registry do not count.
        (Kind::Domain, Kind::Dns) => since,
        (Kind::Domain, _) => earlier(opened, REGISTRY_TTL),
        _ => opened,
    };
    last.is_some_and(|last| last.at > after)
}

/// Context of the checks.
#[derive(Clone, Copy)]
pub(crate) struct Checks<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) topology: &'a Topology,
    /// Whether a resource has a probe.
    pub(crate) has_probe: &'a dyn Fn(&Resource) -> bool,
    /// Resources with an alert.
    pub(crate) failing: &'a BTreeSet<Resource>,
}

/// Whether the cause of a group of alerts is final; `Err` is the latest time to wait for.
pub(crate) fn debounced(
    checks: &Checks<'_>,
    cause: &Resource,
    cases: &[&Case],
    context: &Context<'_>,
) -> Result<(), Time> {
    let now = context.now;
    let Some(first) = cases.iter().map(|case| case.opened).min() else { return Ok(()) };
    let since = cases.iter().map(|case| case.alert.since).min().unwrap_or(first);
    // An alert of the edge about the cause needs no further check.
    let seen_by_the_edge =
        cases.iter().any(|case| case.alert.about == *cause && is_edge_fault(&case.alert.fault));
    if seen_by_the_edge
        || matches!(cause.kind, Kind::Domain | Kind::Mainstay)
        || now >= later(first, WAIT_MAX)
    {
        return Ok(());
    }
    let (mut complete, mut suspicious, mut database_fails) = (true, false, false);
    let resources: BTreeSet<&Resource> = cases.iter().map(|case| &case.alert.about).collect();
    for about in &resources {
        let under = &checks.topology.of(checks.graph, about).below;
        for resource in under.iter().filter(|resource| (checks.has_probe)(resource)) {
            let last = context.last_result(resource);
            complete &= has_result_since(resource, last, cause, since, first);
            let is_bad = last.is_some_and(|last| !last.healthy) && !resources.contains(resource);
            suspicious |= is_bad;
            database_fails |= is_bad && resource.kind == Kind::Database;
        }
    }
    // Resources at the same place: if they fail as well, it is one incident.
    let seen_at: BTreeSet<&SeenAt> =
        cases.iter().map(|case| &case.alert.seen_at).filter(|place| !place.is_empty()).collect();
    for place in seen_at.into_iter().take(NEIGHBOURS_MAX) {
        for resource in context
            .colocated(place, NEIGHBOURS_MAX)
            .iter()
            .filter(|resource| !checks.failing.contains(resource))
        {
            let last = context.last_result(resource);
            complete &= has_result_since(resource, last, cause, since, first);
            suspicious |= last.is_some_and(|last| !last.healthy);
        }
    }
    // Members of one location: if they fail as well, it is one incident.
    let silent = cases.iter().filter(|case| location::is_silent(&case.alert)).map(|case| &case.alert.about);
    let mut looked_at = BTreeSet::new();
    for about in silent {
        if location::of(context.config, about).is_none_or(|location| !looked_at.insert(location)) {
            continue;
        }
        let others = location::neighbours(context.config, about, NEIGHBOURS_MAX);
        for resource in others.iter().filter(|resource| !checks.failing.contains(resource)) {
            let last = context.last_result(resource);
            complete &= has_result_since(resource, last, cause, since, first);
            suspicious |= last.is_some_and(|last| !last.healthy);
        }
    }
    match () {
        // A bad answer of a database is no alert yet: it is asked again, and the page names it.
        () if database_fails => Err(later(first, WAIT_MAX)),
        () if complete => Ok(()),
        () if suspicious => Err(later(first, WAIT_MAX)),
        () if now >= later(first, WAIT) => Ok(()),
        () => Err(later(first, WAIT)),
    }
}
