//! When it is truly over: what had failed has been seen well after the last finding closed.
//!
//! Renewing a domain does not end the outage: names asked while it was parked keep the parking address until their time is
//! up. So after a cause that reaches through caches everything above it is looked at again, failed or not.

use crate::cause::hurts;
use crate::known::Case;
use types::{Graph, Kind, Looked, Thing, Time};
use std::collections::BTreeSet;

/// Whether a cause reaches everything above it sooner or later.
pub(crate) fn is_deep(cause: &Thing) -> bool {
    matches!(cause.kind, Kind::Domain | Kind::Dns)
}

/// What must be seen well before an incident ends.
pub(crate) fn to_verify(graph: &Graph, cause: &Thing, cases: &[&Case]) -> BTreeSet<Thing> {
    let hurt = cases.iter().filter(|case| hurts(&case.finding));
    let mut things: BTreeSet<Thing> = hurt.map(|case| case.finding.about.clone()).collect();
    if things.contains(cause) && is_deep(cause) {
        things.extend(graph.above(cause));
    }
    things.retain(|thing| matches!(thing.kind, Kind::Host | Kind::Tls | Kind::Dns | Kind::Probe));
    things
}

/// Whether a thing has been seen well since `closed`.
pub(crate) fn seen_well(looked: Option<Looked>, closed: Time) -> bool {
    looked.is_some_and(|looked| looked.well && looked.at >= closed)
}

/// When the last of these findings closed; `None` while one is open, or when there is none.
pub(crate) fn last_closed<'a>(cases: impl Iterator<Item = &'a Case>) -> Option<Time> {
    let mut last = None;
    for case in cases {
        last = last.max(Some(case.closed?));
    }
    last
}
