//! Decides when an update is due, and with which status. [`crate::compose`] writes the text.

use crate::edge_cause;
use crate::state::{IncidentState, State};
use crate::{impact, public};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::Publish;
use types::event::{ServiceState, UpdateStatus};
use types::incident::{Stage, next_update_by};
use types::time::later;
use types::{Config, Context, Incident, IncidentId, ServiceId, Time};

/// Delay of the first automatic update after clients began to fail: most short failures are deployments.
pub(crate) const FIRST_UPDATE_DELAY: Duration = Duration::from_secs(60);

/// Minimum duration of a recovery before it is announced. A shorter recovery is only resolved.
pub(crate) const RECOVERY_DELAY: Duration = Duration::from_secs(120);

/// Minimum time between two automatic updates about one incident. The end may come sooner, unless recovery was just
/// announced.
pub(crate) const MIN_INTERVAL: Duration = Duration::from_secs(60);

/// Update that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueUpdate {
    pub(crate) status: UpdateStatus,
    pub(crate) reason: Reason,
}

/// Reason for an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The incident began, progressed, or spread.
    News,
    /// The promised time of the next update has come.
    Promised,
    /// The incident was merged into another one.
    Merged,
}

pub(crate) type States<'a> = dyn Fn(&ServiceId) -> ServiceState + 'a;

/// Incidents that have news to publish, whether or not [`held_until`] still delays it.
pub(crate) fn wanted<'a>(
    context: &Context<'a>,
    state: &State,
    states: &States<'_>,
) -> Vec<(&'a Incident, DueUpdate)> {
    if context.config.status_page.publish == Publish::Manual {
        return Vec::new();
    }
    let open = state.incidents.iter().filter(|(_, published)| !published.is_done());
    let incidents = open.filter_map(|(id, published)| Some((context.incidents.get(id)?, published)));
    incidents
        .filter_map(|(incident, published)| {
            Some((incident, news(context, state, published, incident, states)?))
        })
        .collect()
}

fn news(
    context: &Context<'_>,
    state: &State,
    published: &IncidentState,
    incident: &Incident,
    states: &States<'_>,
) -> Option<DueUpdate> {
    if !incident.is_open() {
        return end(context, published, incident, states);
    }
    let diagnosis = &incident.diagnosis;
    let affected = experienced(context.config, incident, states);
    let worst = affected.values().max().copied();
    let fails = impact::failing(incident, context.alerts).next().is_some();
    let begun = published.newest().filter(|(status, _)| *status != UpdateStatus::Resolved);
    let Some((status_before, before)) = begun else {
        let out = worst >= Some(ServiceState::PartialOutage);
        let elsewhere = || is_published_elsewhere(state, incident, &affected);
        let before = published.updates.last().map(|update| update.status);
        let due = DueUpdate { status: status(diagnosis.stage, before), reason: Reason::News };
        return (fails && out && !elsewhere()).then_some(due);
    };
    let status = status(diagnosis.stage, Some(status_before));
    let due = DueUpdate { status, reason: Reason::News };
    if diagnosis.stage == Stage::Recovering {
        let news = published.published_stage != Stage::Recovering && status_before < UpdateStatus::Monitoring;
        return (news && !published.updates.is_empty()).then_some(due);
    }
    if !fails {
        // The remaining alerts concern the team alone: everything works for clients.
        let well = !published.updates.is_empty()
            && before.keys().all(|service| states(service) == ServiceState::Operational);
        return well.then_some(DueUpdate { status: UpdateStatus::Resolved, reason: Reason::News });
    }
    // With another cause seen by the edge, clients can expect something else.
    let other_cause =
        edge_cause::edge_cause(context, incident).is_some() && diagnosis.cause != published.published_cause;
    let further = diagnosis.stage != published.published_stage && status != status_before;
    let spread = affected.keys().any(|service| !before.contains_key(service));
    let shrank = !affected.is_empty() && before.keys().any(|service| !affected.contains_key(service));
    let worse = worst > before.values().max().copied();
    (further || other_cause || spread || shrank || worse).then_some(due)
}

/// The last update of a published incident. Nothing is resolved while a service that it names is still out, for any
/// reason.
fn end(
    context: &Context<'_>,
    published: &IncidentState,
    incident: &Incident,
    states: &States<'_>,
) -> Option<DueUpdate> {
    let last = published.updates.last().filter(|update| update.status != UpdateStatus::Resolved)?;
    if published.draft.as_ref().is_some_and(|draft| draft.status == UpdateStatus::Resolved) {
        return None;
    }
    if incident.merged_into.is_some() {
        return Some(DueUpdate { status: UpdateStatus::Resolved, reason: Reason::Merged });
    }
    if impact::failing(incident, context.alerts).next().is_some() {
        return None;
    }
    let out = last.affected.iter().any(|(service, _)| states(service) >= ServiceState::PartialOutage);
    (!out).then_some(DueUpdate { status: UpdateStatus::Resolved, reason: Reason::News })
}

/// Whether an incident that has ended, but is not yet resolved publicly, already names every affected service.
fn is_published_elsewhere(
    state: &State,
    incident: &Incident,
    affected: &BTreeMap<ServiceId, ServiceState>,
) -> bool {
    state.incidents.iter().any(|(id, other)| {
        let last = other.updates.last().filter(|_| {
            *id != incident.id && other.ended.is_some() && other.merged_into.is_none() && !other.is_done()
        });
        last.is_some_and(|update| {
            affected.keys().all(|service| update.affected.iter().any(|(of, _)| of == service))
        })
    })
}

/// Public services that an incident affects and that do not work well for clients.
fn experienced(
    config: &Config,
    incident: &Incident,
    states: &States<'_>,
) -> BTreeMap<ServiceId, ServiceState> {
    let services = public(config, &incident.diagnosis.affected);
    let states = services.map(|service| (service.clone(), states(service)));
    states.filter(|(_, state)| *state >= ServiceState::Degraded).collect()
}

/// Status of the next update. It never returns from Identified to Investigating, nor from Monitoring to Investigating.
fn status(stage: Stage, before: Option<UpdateStatus>) -> UpdateStatus {
    match (stage, before) {
        (Stage::Recovering, _) => UpdateStatus::Monitoring,
        (Stage::Investigating, None | Some(UpdateStatus::Investigating)) => UpdateStatus::Investigating,
        (Stage::Investigating | Stage::Failing, _) => UpdateStatus::Identified,
    }
}

/// Time until which a due update is delayed.
pub(crate) fn held_until(
    config: &Config,
    state: &State,
    incident: &Incident,
    due: DueUpdate,
) -> Option<Time> {
    let published = state.incidents.get(&incident.id)?;
    let spaced = published.drafted.map(|drafted| later(drafted, MIN_INTERVAL));
    match due.status {
        UpdateStatus::Resolved if incident.is_open() => {
            let last = published.updates.last().into_iter().flat_map(|update| &update.affected);
            let well = last.filter_map(|(service, _)| state.service(service)).map(|(_, since)| since).max();
            well.map(|since| later(since, RECOVERY_DELAY)).max(spaced)
        }
        UpdateStatus::Resolved => {
            let last = published.updates.last();
            let announced = last.is_some_and(|update| update.status == UpdateStatus::Monitoring);
            spaced.filter(|_| announced)
        }
        UpdateStatus::Monitoring => {
            published.recovering_since.map(|since| later(since, RECOVERY_DELAY)).max(spaced)
        }
        _ if published.newest().is_none_or(|(status, _)| status == UpdateStatus::Resolved) => {
            let out = public(config, &incident.diagnosis.affected)
                .filter_map(|service| state.histories.get(service)?.out_since())
                .min();
            // A state change of this batch is not applied yet: it counts from now on, and this is evaluated again then.
            let again = published.updates.last().map(|update| later(update.at, FIRST_UPDATE_DELAY));
            Some(out.map_or(Time::MAX, |since| later(since, FIRST_UPDATE_DELAY))).max(again)
        }
        _ => spaced,
    }
}

/// Open published incidents with the promised time of the next update. Only automatic updates are promised.
pub(crate) fn promises<'a>(
    context: &Context<'a>,
    state: &State,
) -> impl Iterator<Item = (&'a Incident, Time)> {
    let promised = context.config.status_page.publish == Publish::Automatic;
    let open = state.incidents.iter().filter(move |(_, published)| promised && published.ended.is_none());
    open.filter_map(|(id, published)| {
        let last = published.updates.last().filter(|update| update.status != UpdateStatus::Resolved)?;
        let incident = context.incidents.get(id).filter(|incident| incident.is_open())?;
        Some((incident, next_update_by(last.at)))
    })
}

pub(crate) fn promises_due<'a>(context: &Context<'a>, state: &State) -> Vec<&'a Incident> {
    promises(context, state).filter(|(_, by)| *by <= context.now).map(|(incident, _)| incident).collect()
}

/// Update that says that there is no news. It keeps the status that a person may have published last.
pub(crate) fn no_news(state: &State, incident: IncidentId) -> DueUpdate {
    let last = state.incidents.get(&incident).and_then(|published| published.updates.last());
    let status = last.map_or(UpdateStatus::Investigating, |update| update.status);
    DueUpdate { status, reason: Reason::Promised }
}

/// Services that an update names: those that do not work well now; at the end, and where all work, those of the last
/// update or of the incident.
pub(crate) fn affected(
    config: &Config,
    state: &State,
    incident: &Incident,
    status: UpdateStatus,
    states: &States<'_>,
) -> BTreeMap<ServiceId, ServiceState> {
    let now = experienced(config, incident, states);
    if !now.is_empty() && status < UpdateStatus::Monitoring {
        return now;
    }
    let last = state.incidents.get(&incident.id).and_then(|published| published.updates.last());
    let mut services: BTreeSet<ServiceId> = now.into_keys().collect();
    services.extend(last.into_iter().flat_map(|update| &update.affected).map(|(service, _)| service.clone()));
    if services.is_empty() {
        services.extend(public(config, &incident.diagnosis.affected).cloned());
    }
    services.into_iter().map(|service| (service.clone(), states(&service))).collect()
}
