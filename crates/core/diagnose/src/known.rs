//! What the journal told us: the fold, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::event::Event;
use types::incident::{Acknowledgement, Note};
use types::time::later;
use types::{Alert, AlertId, EventKind, Incident, IncidentId, Resource, Severity, Time};

/// So many incidents that are over are kept at hand; the journal has all of them.
const ENDED_MAX: usize = 200;

/// A note shows that somebody is still at it for this long.
const NOTE_PROLONGS: Duration = Duration::from_secs(30 * 60);

/// An alert with the times that it does not carry itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) alert: Alert,
    pub(crate) opened: Time,
    pub(crate) closed: Option<Time>,
}

/// An alert whose incident was ended over its head: a person said that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dismissed {
    /// The weight it had then.
    pub(crate) severity: Severity,
    pub(crate) at: Time,
}

/// What an incident remembers beyond its present diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Memory {
    /// When it was last diagnosed.
    pub(crate) diagnosed: Time,
    /// Every service that it ever affected.
    pub(crate) affected: BTreeSet<Resource>,
}

/// Everything folded from events. Two folds of one journal are equal.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Open ones, and the last ones that ended.
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) last_incident: u64,
    /// Alerts that are open, and those closed ones that belong to an open incident.
    pub(crate) cases: BTreeMap<AlertId, Case>,
    /// Alerts of incidents that ended over their heads.
    pub(crate) dismissed: BTreeMap<AlertId, Dismissed>,
    pub(crate) memories: BTreeMap<IncidentId, Memory>,
}

impl Known {
    pub(crate) fn open(&self) -> impl Iterator<Item = &Incident> {
        self.memories.keys().filter_map(|id| self.incidents.get(id))
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                let case = Case { alert: alert.clone(), opened: at, closed: None };
                self.cases.insert(alert.id, case);
            }
            EventKind::AlertChanged { alert, fault, severity, evidence } => {
                if let Some(case) = self.cases.get_mut(alert) {
                    case.alert.fault = fault.clone();
                    case.alert.severity = *severity;
                    case.alert.evidence.clone_from(evidence);
                }
                if self.dismissed.get(alert).is_some_and(|was| was.severity != *severity) {
                    self.dismissed.remove(alert);
                }
            }
            EventKind::AlertClosed { alert } => {
                self.dismissed.remove(alert);
                // Of thousands that close one by one each is looked at alone.
                if !self.open().any(|incident| incident.diagnosis.alerts.contains(alert)) {
                    self.cases.remove(alert);
                } else if let Some(case) = self.cases.get_mut(alert) {
                    case.closed = Some(at);
                }
            }
            EventKind::IncidentOpened { incident, since, diagnosis } => {
                self.last_incident = self.last_incident.max(incident.0);
                self.dismissed.retain(|id, _| !diagnosis.alerts.contains(id));
                let memory = Memory { diagnosed: at, affected: diagnosis.affected.clone() };
                self.memories.insert(*incident, memory);
                let opened = Incident {
                    id: *incident,
                    since: *since,
                    opened: at,
                    diagnosis: diagnosis.clone(),
                    acknowledged: None,
                    notes: Vec::new(),
                    resolved: None,
                    merged_into: None,
                };
                self.incidents.insert(*incident, opened);
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.dismissed.retain(|id, _| !diagnosis.alerts.contains(id));
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.diagnosis = diagnosis.clone();
                }
                if let Some(memory) = self.memories.get_mut(incident) {
                    memory.diagnosed = at;
                    memory.affected.extend(diagnosis.affected.iter().cloned());
                }
                self.forget_closed();
            }
            EventKind::IncidentMerged { incident, into } => self.merge(*incident, *into),
            EventKind::IncidentResolved { incident, summary } => {
                if let Some(known) = self.incidents.get_mut(incident).filter(|known| known.is_open()) {
                    known.resolved = Some(at);
                    known.diagnosis.summary.clone_from(summary);
                    let members = known.diagnosis.alerts.clone();
                    self.dismiss(&members, at);
                }
                self.end(*incident);
            }
            EventKind::IncidentAcknowledged { incident, by, until, .. } => {
                if let Some(known) = self.incidents.get_mut(incident).filter(|known| known.is_open()) {
                    known.acknowledged = Some(Acknowledgement { by: by.clone(), at, until: *until });
                }
            }
            EventKind::AcknowledgementWithdrawn { incident, before } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.acknowledged = before.clone();
                }
            }
            EventKind::AcknowledgementExpired { incident } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.acknowledged = None;
                }
            }
            EventKind::IncidentNoted { incident, by, text } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.notes.push(Note { by: by.clone(), at, text: text.clone() });
                    if let Some(ack) = &mut known.acknowledged {
                        ack.until = ack.until.max(later(at, NOTE_PROLONGS));
                    }
                }
            }
            _ => {}
        }
    }

    /// What a person declared over: a warning opens nothing again while it stays as it is, what hurts does as soon as it is
    /// seen again.
    fn dismiss(&mut self, members: &BTreeSet<AlertId>, at: Time) {
        for id in members {
            if let Some(case) = self.cases.get(id).filter(|case| case.closed.is_none()) {
                self.dismissed.insert(*id, Dismissed { severity: case.alert.severity, at });
            }
        }
    }

    fn merge(&mut self, incident: IncidentId, into: IncidentId) {
        if incident == into || !self.memories.contains_key(&into) {
            return;
        }
        let Some(swallowed) = self.incidents.get_mut(&incident).filter(|known| known.is_open()) else {
            return;
        };
        swallowed.merged_into = Some(into);
        let swallowed = swallowed.clone();
        if let Some(stays) = self.incidents.get_mut(&into) {
            stays.since = stays.since.min(swallowed.since);
            stays.diagnosis.alerts.extend(swallowed.diagnosis.alerts);
            stays.notes.extend(swallowed.notes);
            stays.notes.sort_by_key(|note| note.at);
            // Whoever has the one in hand has both.
            stays.acknowledged = stays.acknowledged.take().or(swallowed.acknowledged);
        }
        let affected = self.memories.get(&incident).map(|memory| memory.affected.clone()).unwrap_or_default();
        if let Some(memory) = self.memories.get_mut(&into) {
            memory.affected.extend(affected);
        }
        self.end(incident);
    }

    fn end(&mut self, incident: IncidentId) {
        self.memories.remove(&incident);
        self.forget_closed();
        let ended: Vec<IncidentId> =
            self.incidents.keys().filter(|id| !self.memories.contains_key(id)).copied().collect();
        for id in ended.iter().take(ended.len().saturating_sub(ENDED_MAX)) {
            self.incidents.remove(id);
        }
    }

    fn forget_closed(&mut self) {
        let wanted: BTreeSet<AlertId> =
            self.open().flat_map(|incident| incident.diagnosis.alerts.iter().copied()).collect();
        self.cases.retain(|id, case| case.closed.is_none() || wanted.contains(id));
    }
}
