//! Milestones: which ones the events of a run have reached, and when.

mod pool;
mod power;

pub(crate) use pool::pool_named;
pub(crate) use power::{connection_named, creeping_named};

use crate::script::{Milestone, Script};
use std::collections::{BTreeMap, BTreeSet};
use types::effect::ChangePoint;
use types::incident::Stage;
use types::{AlertId, Event, EventKind, Fault, IncidentId, Resource, Time};

/// Time at which a milestone was reached; `None` when it was not, or when events cannot show it
/// ([`Milestone::is_of_fixture`]).
///
/// `since` is the time of the fault once it has happened: events before it count for [`Milestone::Learned`] only.
#[must_use]
pub fn reached(script: &Script, milestone: Milestone, since: Option<Time>, events: &[Event]) -> Option<Time> {
    if milestone == Milestone::Learned {
        return learned(script, events);
    }
    let after = events.iter().filter(|event| since.is_none_or(|since| event.at >= since));
    match milestone {
        Milestone::Resolved => return resolved(after),
        Milestone::EffectsJudged => return effects_judged(after),
        Milestone::SurgeNamed | Milestone::ConflictNamed => return named(milestone, after),
        Milestone::StatementNamed => return pool::statement_named(script, after),
        Milestone::PoolNamed => return pool_named(after).map(|(at, _)| at),
        Milestone::IdleNamed => return pool::idle_named(after),
        Milestone::LossNamed
        | Milestone::PromotionNamed
        | Milestone::ConnectionNamed
        | Milestone::CreepingNamed
        | Milestone::MaintenanceStarted
        | Milestone::MaintenanceEnded => return power::named(script, milestone, after),
        _ => {}
    }
    after
        .into_iter()
        .find(|event| match (&event.kind, milestone) {
            (EventKind::AlertOpened { alert }, Milestone::AlertOpen) => script.touches(&alert.about),
            (EventKind::IncidentOpened { .. }, Milestone::IncidentOpen)
            | (EventKind::UpdatePublished { .. }, Milestone::UpdatePublished)
            | (EventKind::IncidentAcknowledged { .. }, Milestone::Acknowledged) => true,
            (
                EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. },
                Milestone::CauseFound,
            ) => diagnosis.cause == script.cause,
            (EventKind::IncidentDiagnosed { diagnosis, .. }, Milestone::Recovering) => {
                diagnosis.stage == Stage::Recovering
            }
            (EventKind::AttemptEnded { page: Some(_), delivery, .. }, Milestone::PersonPaged) => {
                delivery.result.is_ok()
            }
            _ => false,
        })
        .map(|event| event.at)
}

/// Time at which an incident named a surge with its sources, or had conflicting limits as its cause.
fn named<'a>(milestone: Milestone, events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    let mut alerts: BTreeMap<AlertId, (Resource, bool)> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                alerts.insert(alert.id, (alert.about.clone(), names(milestone, &alert.fault)));
            }
            EventKind::AlertChanged { alert, fault, .. } => {
                if let Some((_, is_named)) = alerts.get_mut(alert) {
                    *is_named = names(milestone, fault);
                }
            }
            EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. } => {
                let is_cause = |id: &AlertId| {
                    alerts.get(id).is_some_and(|(about, is_named)| *is_named && *about == diagnosis.cause)
                };
                if diagnosis.alerts.iter().any(is_cause) {
                    return Some(event.at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a fault carries what a milestone requires: the sources, or a traced request.
fn names(milestone: Milestone, fault: &Fault) -> bool {
    match fault {
        Fault::Surge { networks, .. } => milestone == Milestone::SurgeNamed && !networks.is_empty(),
        Fault::LimitConflict { trace, .. } => milestone == Milestone::ConflictNamed && trace.is_some(),
        _ => false,
    }
}

/// Time at which everything under `learns` was known: a domain by its parent zone and its registry, a service by its
/// traffic.
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

/// Time at which the last note on an incident had its final effect. Those of a merged incident are not judged.
fn effects_judged<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    let mut open: BTreeSet<(IncidentId, u64)> = BTreeSet::new();
    let mut judged = None;
    for event in events {
        match &event.kind {
            EventKind::IncidentNoted { incident, .. } => _ = open.insert((*incident, event.seq)),
            EventKind::EffectJudged { of: ChangePoint::Note { incident, seq }, .. } => {
                open.remove(&(*incident, *seq));
                judged = Some(event.at);
            }
            EventKind::IncidentMerged { incident, .. } => open.retain(|(of, _)| of != incident),
            _ => {}
        }
    }
    judged.filter(|_| open.is_empty())
}

/// Time at which the last open incident ended; a merged incident has ended.
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
