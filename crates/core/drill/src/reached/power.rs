//! Milestones of a power cut.

use crate::script::{Milestone, Script};
use std::collections::BTreeSet;
use types::fault::DatabaseFault;
use types::{AlertId, Event, EventKind, Fault, Time};

/// Time at which a milestone was first reached; `None` for those of other drills.
pub(super) fn named<'a>(
    script: &Script,
    milestone: Milestone,
    mut events: impl Iterator<Item = &'a Event>,
) -> Option<Time> {
    match milestone {
        Milestone::LossNamed => loss_named(script, events),
        Milestone::PromotionNamed => fault(events, |fault| {
            matches!(fault, Fault::Database { database: DatabaseFault::Promoted { .. } })
        }),
        Milestone::ConnectionNamed => connection_named(events),
        Milestone::CreepingNamed => creeping_named(events),
        Milestone::MaintenanceStarted => events
            .find(|event| matches!(event.kind, EventKind::MaintenanceStarted { .. }))
            .map(|event| event.at),
        Milestone::MaintenanceEnded => events
            .find(|event| matches!(event.kind, EventKind::MaintenanceEnded { .. }))
            .map(|event| event.at),
        _ => None,
    }
}

/// Time at which an incident with the right cause first had the loss of the primary.
fn loss_named<'a>(script: &Script, events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    let mut losses: BTreeSet<AlertId> = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::AlertOpened { alert }
                if alert.about == script.cause
                    && matches!(
                        alert.fault,
                        Fault::Database { database: DatabaseFault::NoPrimary { .. } }
                    ) =>
            {
                losses.insert(alert.id);
            }
            EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. }
                if diagnosis.cause == script.cause && !losses.is_disjoint(&diagnosis.alerts) =>
            {
                return Some(event.at);
            }
            _ => {}
        }
    }
    None
}

/// Time at which clients of the replaced primary were first named.
pub(crate) fn connection_named<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    fault(events, |fault| match fault {
        Fault::Database { database: DatabaseFault::TwoPrimaries { replaced, clients, .. } } => {
            let is_old = |client: &String| replaced.iter().any(|node| client.contains(node.as_str()));
            clients.iter().any(is_old)
        }
        Fault::Database { database: DatabaseFault::LeftBehind { clients, .. } } => !clients.is_empty(),
        _ => false,
    })
}

/// Time at which a level that creeps towards its limit was first named.
pub(crate) fn creeping_named<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    fault(events, |fault| matches!(fault, Fault::Creeping { .. }))
}

fn fault<'a>(mut events: impl Iterator<Item = &'a Event>, is_it: impl Fn(&Fault) -> bool) -> Option<Time> {
    let named = |event: &&Event| match &event.kind {
        EventKind::AlertOpened { alert } => is_it(&alert.fault),
        EventKind::AlertChanged { fault, .. } => is_it(fault),
        _ => false,
    };
    events.find(named).map(|event| event.at)
}
