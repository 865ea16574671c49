//! State of diagnosis: a fold of the journal and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::effect::{ChangePoint, Effect};
use types::event::Event;
use types::incident::{Acknowledgement, Diagnosis, Note};
use types::time::later;
use types::{Alert, AlertId, EventKind, Incident, IncidentId, Resource, Severity, Time};

/// Maximum of ended incidents in memory; the journal has all of them.
const ENDED_MAX: usize = 200;

/// Extension of an acknowledgement by a note.
const NOTE_EXTENDS: Duration = Duration::from_secs(30 * 60);

/// An alert with its opening and closing times.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) alert: Alert,
    pub(crate) opened: Time,
    pub(crate) closed: Option<Time>,
}

/// An open alert whose incident was resolved by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dismissed {
    /// Its severity at that time.
    pub(crate) severity: Severity,
    pub(crate) at: Time,
}

/// History of an open incident beyond its present diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    /// Time of the last diagnosis.
    pub(crate) diagnosed: Time,
    /// Every service that was affected at any time.
    pub(crate) affected: BTreeSet<Resource>,
}

/// Everything folded from events. Two folds of one journal are equal.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Open and recently ended incidents.
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) last_incident: u64,
    /// Open alerts, and closed alerts of open incidents.
    pub(crate) cases: BTreeMap<AlertId, Case>,
    /// Open alerts of incidents that a person resolved.
    pub(crate) dismissed: BTreeMap<AlertId, Dismissed>,
    pub(crate) histories: BTreeMap<IncidentId, History>,
}

impl State {
    pub(crate) fn open(&self) -> impl Iterator<Item = &Incident> {
        self.histories.keys().filter_map(|id| self.incidents.get(id))
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
            EventKind::AlertClosed { alert } => self.close(*alert, at),
            EventKind::IncidentOpened { incident, since, diagnosis } => {
                self.open_incident(*incident, *since, at, diagnosis);
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.update_diagnosis(*incident, at, diagnosis);
            }
            EventKind::IncidentMerged { incident, into } => self.merge(*incident, *into),
            EventKind::IncidentResolved { incident, summary, .. } => self.resolve(*incident, at, summary),
            EventKind::IncidentAcknowledged { incident, by, until, .. } => {
                if let Some(known) = self.incidents.get_mut(incident).filter(|known| known.is_open()) {
                    known.acknowledged = Some(Acknowledgement { by: by.id.clone(), at, until: *until });
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
                    let (by, text) = (by.id.clone(), text.clone());
                    known.notes.push(Note { by, at, text, seq: event.seq, effect: None });
                    if let Some(ack) = &mut known.acknowledged {
                        ack.until = ack.until.max(later(at, NOTE_EXTENDS));
                    }
                }
            }
            EventKind::CausesRanked { incident, likely } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.likely_causes.clone_from(likely);
                }
            }
            EventKind::EffectJudged { of: ChangePoint::Note { seq, .. }, effect } => {
                self.judge(*seq, effect);
            }
            _ => {}
        }
    }

    /// Sets the effect of a note, which two incidents have after a merge.
    fn judge(&mut self, note: u64, effect: &Effect) {
        let notes = self.incidents.values_mut().flat_map(|incident| &mut incident.notes);
        for note in notes.filter(|known| known.seq == note) {
            note.effect = Some(effect.clone());
        }
    }

    fn close(&mut self, alert: AlertId, at: Time) {
        self.dismissed.remove(&alert);
        // Checked one by one, also when thousands close.
        if !self.open().any(|incident| incident.diagnosis.alerts.contains(&alert)) {
            self.cases.remove(&alert);
        } else if let Some(case) = self.cases.get_mut(&alert) {
            case.closed = Some(at);
        }
    }

    fn open_incident(&mut self, id: IncidentId, since: Time, at: Time, diagnosis: &Diagnosis) {
        self.last_incident = self.last_incident.max(id.0);
        self.dismissed.retain(|alert, _| !diagnosis.alerts.contains(alert));
        let history = History { diagnosed: at, affected: diagnosis.affected.clone() };
        self.histories.insert(id, history);
        let opened = Incident {
            id,
            since,
            opened: at,
            diagnosis: diagnosis.clone(),
            acknowledged: None,
            notes: Vec::new(),
            resolved: None,
            merged_into: None,
            likely_causes: Vec::new(),
        };
        self.incidents.insert(id, opened);
    }

    fn update_diagnosis(&mut self, incident: IncidentId, at: Time, diagnosis: &Diagnosis) {
        self.dismissed.retain(|alert, _| !diagnosis.alerts.contains(alert));
        if let Some(known) = self.incidents.get_mut(&incident) {
            known.diagnosis = diagnosis.clone();
        }
        if let Some(history) = self.histories.get_mut(&incident) {
            history.diagnosed = at;
            history.affected.extend(diagnosis.affected.iter().cloned());
        }
        self.forget_closed();
    }

    fn resolve(&mut self, incident: IncidentId, at: Time, summary: &String) {
        if let Some(known) = self.incidents.get_mut(&incident).filter(|known| known.is_open()) {
            known.resolved = Some(at);
            known.diagnosis.summary.clone_from(summary);
            let members = known.diagnosis.alerts.clone();
            self.dismiss(&members, at);
        }
        self.end(incident);
    }

    /// Dismisses the open alerts of an incident that a person resolved. A warning opens no incident again while it does
    /// not change; an alert that affects users does with the next bad result.
    fn dismiss(&mut self, members: &BTreeSet<AlertId>, at: Time) {
        for id in members {
            if let Some(case) = self.cases.get(id).filter(|case| case.closed.is_none()) {
                self.dismissed.insert(*id, Dismissed { severity: case.alert.severity, at });
            }
        }
    }

    fn merge(&mut self, incident: IncidentId, into: IncidentId) {
        if incident == into || !self.histories.contains_key(&into) {
            return;
        }
        let Some(merged) = self.incidents.get_mut(&incident).filter(|known| known.is_open()) else {
            return;
        };
        merged.merged_into = Some(into);
        let merged = merged.clone();
        if let Some(remaining) = self.incidents.get_mut(&into) {
            remaining.since = remaining.since.min(merged.since);
            remaining.diagnosis.alerts.extend(merged.diagnosis.alerts);
            remaining.notes.extend(merged.notes);
            remaining.notes.sort_by_key(|note| note.at);
            if remaining.likely_causes.is_empty() {
                remaining.likely_causes = merged.likely_causes;
            }
            // An acknowledgement of one is an acknowledgement of both.
            remaining.acknowledged = remaining.acknowledged.take().or(merged.acknowledged);
        }
        let affected =
            self.histories.get(&incident).map(|history| history.affected.clone()).unwrap_or_default();
        if let Some(history) = self.histories.get_mut(&into) {
            history.affected.extend(affected);
        }
        self.end(incident);
    }

    fn end(&mut self, incident: IncidentId) {
        self.histories.remove(&incident);
        self.forget_closed();
        let ended: Vec<IncidentId> =
            self.incidents.keys().filter(|id| !self.histories.contains_key(id)).copied().collect();
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
