//! Recovery: an incident ends when everything that failed has a healthy result after the last alert closed.
//!
//! The renewal of a domain does not end the outage: caches keep the parking address until their TTL is over. So after
//! such a cause all its dependents are probed again, failed or not.

use crate::impact::hurts;
use crate::state::Case;
use std::collections::BTreeSet;
use types::{Graph, Kind, LastResult, Resource, Time};

/// Whether a cause affects all its dependents sooner or later.
pub(crate) fn is_deep(cause: &Resource) -> bool {
    matches!(cause.kind, Kind::Domain | Kind::Dns)
}

/// Resources that need a healthy result before the incident ends.
pub(crate) fn to_verify(graph: &Graph, cause: &Resource, cases: &[&Case]) -> BTreeSet<Resource> {
    let hurt = cases.iter().filter(|case| hurts(&case.alert));
    let mut resources: BTreeSet<Resource> = hurt.map(|case| case.alert.about.clone()).collect();
    if resources.contains(cause) && is_deep(cause) {
        resources.extend(graph.above(cause));
    }
    resources.retain(|resource| matches!(resource.kind, Kind::Host | Kind::Tls | Kind::Dns | Kind::Probe));
    resources
}

/// Whether the last result is healthy and not older than `closed`.
pub(crate) fn is_healthy_since(last: Option<LastResult>, closed: Time) -> bool {
    last.is_some_and(|last| last.healthy && last.at >= closed)
}

/// Closing time of the last of these alerts; `None` while one is open, or without any.
pub(crate) fn last_closed<'a>(cases: impl Iterator<Item = &'a Case>) -> Option<Time> {
    let mut last = None;
    for case in cases {
        last = last.max(Some(case.closed?));
    }
    last
}
