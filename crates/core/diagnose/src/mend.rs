//! When it is truly over: what had failed has been seen well after the last alert closed.
//!
//! Renewing a domain does not end the outage: names asked while it was parked keep the parking address until their time is
//! up. So after a cause that reaches through caches everything above it is looked at again, failed or not.

use crate::cause::hurts;
use crate::known::Case;
use std::collections::BTreeSet;
use types::{Graph, Kind, LastResult, Resource, Time};

/// Whether a cause reaches everything above it sooner or later.
pub(crate) fn is_deep(cause: &Resource) -> bool {
    matches!(cause.kind, Kind::Domain | Kind::Dns)
}

/// What must be seen well before an incident ends.
pub(crate) fn to_verify(graph: &Graph, cause: &Resource, cases: &[&Case]) -> BTreeSet<Resource> {
    let hurt = cases.iter().filter(|case| hurts(&case.alert));
    let mut resources: BTreeSet<Resource> = hurt.map(|case| case.alert.about.clone()).collect();
    if resources.contains(cause) && is_deep(cause) {
        resources.extend(graph.above(cause));
    }
    resources.retain(|resource| matches!(resource.kind, Kind::Host | Kind::Tls | Kind::Dns | Kind::Probe));
    resources
}

/// Whether a thing has been seen well since `closed`.
pub(crate) fn seen_well(looked: Option<LastResult>, closed: Time) -> bool {
    looked.is_some_and(|looked| looked.well && looked.at >= closed)
}

/// When the last of these alerts closed; `None` while one is open, or when there is none.
pub(crate) fn last_closed<'a>(cases: impl Iterator<Item = &'a Case>) -> Option<Time> {
    let mut last = None;
    for case in cases {
        last = last.max(Some(case.closed?));
    }
    last
}
