//! Persistent state of the status page: the fold of journal events, and nothing else.

use crate::history::History;
use crate::maintenance::Published;
use crate::status_page::{Access, Update};
use std::collections::BTreeMap;
use types::event::{ServiceState, UpdateStatus};
use types::incident::{Diagnosis, Stage};
use types::{Event, EventKind, IncidentId, Resource, ServiceId, Time, UpdateId};

/// Maximum number of ended incidents that are kept for the history.
const ENDED_MAX: usize = 200;

/// Maximum number of updates that are kept per incident. The oldest are dropped first, except the very first.
const UPDATES_MAX: usize = 200;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) histories: BTreeMap<ServiceId, History>,
    pub(crate) incidents: BTreeMap<IncidentId, IncidentState>,
    /// What was published about maintenances.
    pub(crate) maintenances: Published,
    pub(crate) last_update: u64,
    /// Time of the last change of anything that is public.
    pub(crate) changed: Option<Time>,
    /// Services whose valve is not fully open.
    pub(crate) access: BTreeMap<ServiceId, Access>,
    /// Time of the first event of the journal: there is no data before it.
    pub(crate) begun: Option<Time>,
}

/// One incident as the public knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IncidentState {
    pub(crate) since: Time,
    /// Current stage of the incident.
    stage: Stage,
    /// Current cause of the incident.
    cause: Resource,
    pub(crate) ended: Option<Time>,
    pub(crate) merged_into: Option<IncidentId>,
    pub(crate) title: String,
    pub(crate) impact: ServiceState,
    /// Published updates, oldest first.
    pub(crate) updates: Vec<Update>,
    /// Stage of the incident as of the newest update.
    pub(crate) published_stage: Stage,
    /// Cause of the incident as of the newest update.
    pub(crate) published_cause: Resource,
    /// Time of the last update that mainstay wrote, published or not.
    pub(crate) drafted: Option<Time>,
    /// Start of the recovery, while the incident is recovering.
    pub(crate) recovering_since: Option<Time>,
    /// Update that is waiting for approval.
    pub(crate) draft: Option<PendingDraft>,
}

/// Update that is waiting for approval by a person.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PendingDraft {
    pub(crate) at: Time,
    pub(crate) status: UpdateStatus,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) affected: BTreeMap<ServiceId, ServiceState>,
}

impl IncidentState {
    fn opened(since: Time, diagnosis: &Diagnosis, at: Time) -> Self {
        Self {
            since,
            stage: diagnosis.stage,
            cause: diagnosis.cause.clone(),
            ended: None,
            merged_into: None,
            title: String::new(),
            impact: ServiceState::Operational,
            updates: Vec::new(),
            published_stage: diagnosis.stage,
            published_cause: diagnosis.cause.clone(),
            drafted: None,
            recovering_since: (diagnosis.stage == Stage::Recovering).then_some(at),
            draft: None,
        }
    }

    /// Records that the newest update describes the current stage and cause.
    fn note_published(&mut self) {
        self.published_stage = self.stage;
        self.published_cause.clone_from(&self.cause);
    }

    /// Status and affected services of the newest update, published or waiting for approval.
    pub(crate) fn newest(&self) -> Option<(UpdateStatus, BTreeMap<ServiceId, ServiceState>)> {
        let published =
            || self.updates.last().map(|update| (update.status, update.affected.iter().cloned().collect()));
        self.draft.as_ref().map(|draft| (draft.status, draft.affected.clone())).or_else(published)
    }

    /// Whether the newest published update is Resolved, whatever the team still has to do.
    pub(crate) fn is_resolved_publicly(&self) -> bool {
        self.updates.last().is_some_and(|update| update.status == UpdateStatus::Resolved)
    }

    /// Whether the incident has ended and no update about it is missing.
    pub(crate) fn is_done(&self) -> bool {
        self.ended.is_some()
            && self.updates.last().is_none_or(|update| update.status == UpdateStatus::Resolved)
    }
}

impl State {
    /// Current state of a service and its start; `None` before the first probe result.
    pub(crate) fn service(&self, service: &ServiceId) -> Option<(ServiceState, Time)> {
        self.histories.get(service)?.current()
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        self.begun.get_or_insert(at);
        let next = UpdateId(self.last_update.saturating_add(1));
        if let Some(number) = self.maintenances.apply(event, next) {
            self.last_update = number.0;
        }
        match &event.kind {
            EventKind::Booted { unmonitored_since: Some(since) } | EventKind::Unmonitored { since } => {
                self.histories.values_mut().for_each(|history| history.unmonitored(*since, at));
                self.changed = Some(at);
            }
            EventKind::ServiceStateChanged { service, state } => {
                self.apply_service_state(at, service, *state);
            }
            EventKind::IncidentOpened { incident, since, diagnosis } => {
                self.incidents.insert(*incident, IncidentState::opened(*since, diagnosis, at));
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                if let Some(incident) = self.incidents.get_mut(incident) {
                    incident.stage = diagnosis.stage;
                    let recovering = diagnosis.stage == Stage::Recovering;
                    incident.recovering_since = recovering.then(|| incident.recovering_since.unwrap_or(at));
                    incident.cause.clone_from(&diagnosis.cause);
                }
            }
            EventKind::IncidentMerged { incident, into } => {
                if let Some(incident) = self.incidents.get_mut(incident) {
                    incident.ended = Some(at);
                    incident.merged_into = Some(*into);
                }
                self.forget();
            }
            EventKind::IncidentResolved { incident, .. } => {
                if let Some(incident) = self.incidents.get_mut(incident) {
                    incident.ended = Some(at);
                }
                self.forget();
            }
            EventKind::UpdateDrafted { incident, status, title, body, affected } => {
                let Some(incident) = self.incidents.get_mut(incident) else { return };
                incident.drafted = Some(at);
                incident.note_published();
                let (title, body, affected) = (title.clone(), body.clone(), affected.clone());
                incident.draft = Some(PendingDraft { at, status: *status, title, body, affected });
            }
            EventKind::UpdatePublished { update, incident, status, title, body, affected, by } => {
                let affected = affected.iter().map(|(service, state)| (service.clone(), *state)).collect();
                let update = Update { id: *update, at, status: *status, body: body.clone(), affected };
                self.apply_update(*incident, update, title, by.is_none());
            }
            EventKind::ValveSet { valve, .. } => {
                self.apply_access(at, &valve.service, Access::of(valve.percent, valve.limited));
            }
            EventKind::ValveMoved { service, percent, .. } => {
                self.apply_access(at, service, Access::of(*percent, false));
            }
            _ => {}
        }
    }

    fn apply_access(&mut self, at: Time, service: &ServiceId, access: Option<Access>) {
        let before = match access {
            Some(access) => self.access.insert(service.clone(), access),
            None => self.access.remove(service),
        };
        if before != access {
            self.changed = Some(at);
        }
    }

    fn apply_service_state(&mut self, at: Time, service: &ServiceId, state: ServiceState) {
        self.histories.entry(service.clone()).or_default().changed(at, state);
        for incident in self.incidents.values_mut().filter(|incident| !incident.is_resolved_publicly()) {
            let affected = incident.updates.last().into_iter().flat_map(|update| &update.affected);
            if affected.into_iter().any(|(affected, _)| affected == service) {
                incident.impact = incident.impact.max(state);
            }
        }
        self.changed = Some(at);
    }

    fn apply_update(&mut self, incident: IncidentId, update: Update, title: &str, automatic: bool) {
        self.last_update = self.last_update.max(update.id.0);
        self.changed = Some(update.at);
        let Some(incident) = self.incidents.get_mut(&incident) else { return };
        let states = update.affected.iter().map(|(_, state)| *state);
        incident.impact = states.fold(incident.impact, ServiceState::max);
        title.clone_into(&mut incident.title);
        incident.note_published();
        incident.draft = None;
        if automatic {
            incident.drafted = Some(update.at);
        }
        if incident.updates.len() >= UPDATES_MAX {
            incident.updates.remove(1);
        }
        incident.updates.push(update);
        self.forget();
    }

    /// Drops ended incidents beyond the maximum, oldest first, and immediately those that were never published.
    fn forget(&mut self) {
        self.incidents.retain(|_, incident| incident.ended.is_none() || !incident.updates.is_empty());
        let done: Vec<IncidentId> =
            self.incidents.iter().filter(|(_, incident)| incident.is_done()).map(|(id, _)| *id).collect();
        for id in done.iter().take(done.len().saturating_sub(ENDED_MAX)) {
            self.incidents.remove(id);
        }
    }
}
