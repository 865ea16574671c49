//! A journal in memory that folds alerts and incidents as the engine does.

use crate::incident::incident;
use std::collections::BTreeMap;
use types::incident::{Acknowledgement, Note};
use types::{Alert, AlertId, Event, EventKind, Incident, IncidentId, Time};

/// Events so far, with the alerts and incidents that follow from them.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// All events, numbered from 1.
    pub events: Vec<Event>,
    /// Open alerts.
    pub alerts: BTreeMap<AlertId, Alert>,
    /// All incidents.
    pub incidents: BTreeMap<IncidentId, Incident>,
}

impl Journal {
    /// Appends an event and folds it.
    pub fn append(&mut self, at: Time, kind: EventKind) -> Event {
        let event = Event { seq: self.events.len() as u64 + 1, at, kind };
        self.fold(&event);
        self.events.push(event.clone());
        event
    }

    fn fold(&mut self, event: &Event) {
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                self.alerts.insert(alert.id, alert.clone());
            }
            EventKind::AlertChanged { alert, fault, severity, evidence } => {
                if let Some(open) = self.alerts.get_mut(alert) {
                    (open.fault, open.severity, open.evidence) = (fault.clone(), *severity, evidence.clone());
                }
            }
            EventKind::AlertClosed { alert } => {
                self.alerts.remove(alert);
            }
            EventKind::IncidentOpened { incident: id, since, diagnosis } => {
                self.incidents.insert(*id, incident(id.0, *since, event.at, diagnosis.clone()));
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.change(*incident, |incident| incident.diagnosis = diagnosis.clone());
            }
            EventKind::IncidentAcknowledged { incident, by, until, .. } => {
                let ack = Acknowledgement { by: by.id.clone(), at: event.at, until: *until };
                self.change(*incident, |incident| incident.acknowledged = Some(ack));
            }
            EventKind::AcknowledgementExpired { incident } => {
                self.change(*incident, |incident| incident.acknowledged = None);
            }
            EventKind::IncidentNoted { incident, by, text } => {
                let note = Note {
                    by: by.id.clone(),
                    at: event.at,
                    text: text.clone(),
                    seq: event.seq,
                    effect: None,
                };
                self.change(*incident, |incident| incident.notes.push(note));
            }
            EventKind::IncidentResolved { incident, .. } => {
                self.change(*incident, |incident| incident.resolved = Some(event.at));
            }
            EventKind::IncidentMerged { incident, into } => {
                self.change(*incident, |incident| incident.merged_into = Some(*into));
            }
            _ => {}
        }
    }

    /// Events about unknown incidents change nothing, as in the engine.
    fn change(&mut self, id: IncidentId, change: impl FnOnce(&mut Incident)) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            change(incident);
        }
    }
}
