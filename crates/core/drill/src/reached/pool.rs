//! Milestones of a shrinking pool: the statement, the members of the pool, and the idle replica are named.

use crate::script::Script;
use std::collections::{BTreeMap, BTreeSet};
use types::fault::DatabaseFault;
use types::{AlertId, Event, EventKind, Fault, IncidentId, PageId, Time};

/// Time at which an incident first named the slow statement in its summary.
pub(super) fn statement_named<'a>(
    script: &Script,
    mut events: impl Iterator<Item = &'a Event>,
) -> Option<Time> {
    let statement = script.statement.as_deref()?;
    let named = |event: &&Event| match &event.kind {
        EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. } => {
            diagnosis.summary.contains(statement)
        }
        _ => false,
    };
    events.find(named).map(|event| event.at)
}

/// Time at which people on call knew of the pool, and the text of its alert: a page of an incident with this alert was delivered,
/// or the alert joined an incident that had been paged.
pub(crate) fn pool_named<'a>(events: impl Iterator<Item = &'a Event>) -> Option<(Time, String)> {
    let mut pools: BTreeMap<AlertId, String> = BTreeMap::new();
    let mut incidents: BTreeMap<IncidentId, BTreeSet<AlertId>> = BTreeMap::new();
    let mut pages: BTreeMap<PageId, IncidentId> = BTreeMap::new();
    let mut paged: BTreeSet<IncidentId> = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::AlertOpened { alert } if matches!(alert.fault, Fault::PoolBelowMinimum { .. }) => {
                pools.insert(alert.id, format!("{} {}", alert.about.name, alert.fault));
            }
            EventKind::IncidentOpened { incident, diagnosis, .. }
            | EventKind::IncidentDiagnosed { incident, diagnosis } => {
                incidents.insert(*incident, diagnosis.alerts.clone());
            }
            EventKind::PageOpened { page, incident, .. } => _ = pages.insert(*page, *incident),
            EventKind::AttemptEnded { page: Some(page), delivery, .. } if delivery.result.is_ok() => {
                paged.extend(pages.get(page));
            }
            _ => continue,
        }
        let of_pool = |incident: &IncidentId| {
            incidents.get(incident)?.iter().find_map(|alert| pools.get(alert)).cloned()
        };
        if let Some(text) = paged.iter().find_map(of_pool) {
            return Some((event.at, text));
        }
    }
    None
}

/// Time at which a replica was first named as idle.
pub(super) fn idle_named<'a>(mut events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    let is_idle =
        |fault: &Fault| matches!(fault, Fault::Database { database: DatabaseFault::ReplicaIdle { .. } });
    let named = |event: &&Event| match &event.kind {
        EventKind::AlertOpened { alert } => is_idle(&alert.fault),
        EventKind::AlertChanged { fault, .. } => is_idle(fault),
        _ => false,
    };
    events.find(named).map(|event| event.at)
}
