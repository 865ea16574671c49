//! Whether the events of a run have reached a milestone, and when.

use crate::script::{Milestone, Script};
use std::collections::{BTreeMap, BTreeSet};
use types::incident::Stage;
use types::{AlertId, Event, EventKind, Fault, IncidentId, Resource, Time};

/// When the milestone was reached, by the events so far; `None` when it was not, or when only the world can tell
/// ([`Milestone::CachesExpired`]).
///
/// `since` is the instant of the fault once it has happened: what was before it reaches nothing but
/// [`Milestone::Learned`].
#[must_use]
pub fn reached(script: &Script, milestone: Milestone, since: Option<Time>, events: &[Event]) -> Option<Time> {
    if milestone == Milestone::Learned {
        return learned(script, events);
    }
    let after = events.iter().filter(|event| since.is_none_or(|since| event.at >= since));
    match milestone {
        Milestone::Resolved => return resolved(after),
        Milestone::SurgeNamed | Milestone::ConflictNamed => return named(milestone, after),
        _ => {}
    }
    after
        .into_iter()
        .find(|event| match (&event.kind, milestone) {
            (EventKind::AlertOpened { alert }, Milestone::AlertOpen) => script.touches(&alert.about),
            (EventKind::IncidentOpened { .. }, Milestone::IncidentOpen)
            | (EventKind::UpdatePublished { .. }, Milestone::UpdatePublished)
            | (EventKind::IncidentAcknowledged { .. }, Milestone::HumanAnswered) => true,
            (
                EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. },
                Milestone::CauseFound,
            ) => diagnosis.cause == script.cause,
            (EventKind::IncidentDiagnosed { diagnosis, .. }, Milestone::Mending) => {
                diagnosis.stage == Stage::Mending
            }
            (EventKind::AttemptEnded { page: Some(_), outcome, .. }, Milestone::HumanAsked) => {
                outcome.result.is_ok()
            }
            _ => false,
        })
        .map(|event| event.at)
}

/// When an incident named a surge with its networks, or had limits that fight as its cause.
fn named<'a>(milestone: Milestone, events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    let mut told: BTreeMap<AlertId, (Resource, bool)> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                told.insert(alert.id, (alert.about.clone(), tells(milestone, &alert.fault)));
            }
            EventKind::AlertChanged { alert, fault, .. } => {
                if let Some((_, told)) = told.get_mut(alert) {
                    *told = tells(milestone, fault);
                }
            }
            EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. } => {
                let tells = |id: &AlertId| {
                    told.get(id).is_some_and(|(about, tells)| *tells && *about == diagnosis.cause)
                };
                if diagnosis.alerts.iter().any(tells) {
                    return Some(event.at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a fault tells what a milestone waits for: from where, or by which request.
fn tells(milestone: Milestone, fault: &Fault) -> bool {
    match fault {
        Fault::Surge { networks, .. } => milestone == Milestone::SurgeNamed && !networks.is_empty(),
        Fault::LimitConflict { trace, .. } => milestone == Milestone::ConflictNamed && trace.is_some(),
        _ => false,
    }
}

/// When the last of what the script learns was known: a domain by its parent and by its registry, a service by its traffic.
fn learned(script: &Script, events: &[Event]) -> Option<Time> {
    let (services, domains): (Vec<&str>, Vec<&str>) =
        script.learns.iter().map(String::as_str).partition(|name| name.starts_with("service."));
    let mut missing: BTreeSet<(&str, bool)> =
        domains.into_iter().flat_map(|name| [(name, true), (name, false)]).collect();
    let mut without_traffic: BTreeSet<&str> =
        services.into_iter().filter_map(|name| name.strip_prefix("service.")).collect();
    for event in events {
        match &event.kind {
            EventKind::DelegationLearned { zone, .. } => missing.remove(&(zone.as_str(), true)),
            EventKind::RegistrationLearned { seen } => missing.remove(&(seen.domain.as_str(), false)),
            EventKind::TrafficLearned { service, .. } => without_traffic.remove(service.0.as_str()),
            _ => continue,
        };
        if missing.is_empty() && without_traffic.is_empty() {
            return Some(event.at);
        }
    }
    None
}

/// When the last open incident ended; an incident merged into another is over.
fn resolved<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    let mut open: BTreeSet<IncidentId> = BTreeSet::new();
    let mut ended = None;
    for event in events {
        match &event.kind {
            EventKind::IncidentOpened { incident, .. } => {
                open.insert(*incident);
                ended = None;
            }
            EventKind::IncidentResolved { incident, .. } | EventKind::IncidentMerged { incident, .. } => {
                open.remove(incident);
                if open.is_empty() {
                    ended = Some(event.at);
                }
            }
            _ => {}
        }
    }
    ended
}
