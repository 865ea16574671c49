//! What the journal told us: the fold, and nothing else.

use types::event::Event;
use types::incident::{Acknowledgement, Note};
use types::time::later;
use types::{Finding, FindingId, Happened, Incident, IncidentId, Thing, Time, Weight};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many incidents that are over are kept at hand; the journal has all of them.
const ENDED_MAX: usize = 200;

/// A note shows that somebody is still at it for this long.
const NOTE_PROLONGS: Duration = Duration::from_secs(30 * 60);

/// A finding with the times that it does not carry itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) finding: Finding,
    pub(crate) opened: Time,
    pub(crate) closed: Option<Time>,
}

/// A finding whose incident was ended over its head: a person said that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dismissed {
    /// The weight it had then.
    pub(crate) weight: Weight,
    pub(crate) at: Time,
}

/// What an incident remembers beyond its present diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Memory {
    /// When it was last diagnosed.
    pub(crate) diagnosed: Time,
    /// Every service that it ever affected.
    pub(crate) affected: BTreeSet<Thing>,
}

/// Everything folded from events. Two folds of one journal are equal.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Open ones, and the last ones that ended.
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) last_incident: u64,
    /// Findings that are open, and those closed ones that belong to an open incident.
    pub(crate) cases: BTreeMap<FindingId, Case>,
    /// Findings of incidents that ended over their heads.
    pub(crate) dismissed: BTreeMap<FindingId, Dismissed>,
    pub(crate) memories: BTreeMap<IncidentId, Memory>,
}

impl Known {
    pub(crate) fn open(&self) -> impl Iterator<Item = &Incident> {
        self.memories.keys().filter_map(|id| self.incidents.get(id))
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        match &event.happened {
            Happened::FindingOpened { finding } => {
                let case = Case { finding: finding.clone(), opened: at, closed: None };
                self.cases.insert(finding.id, case);
            }
            Happened::FindingChanged { finding, fault, weight, evidence } => {
                if let Some(case) = self.cases.get_mut(finding) {
                    case.finding.fault = fault.clone();
                    case.finding.weight = *weight;
                    case.finding.evidence.clone_from(evidence);
                }
                if self.dismissed.get(finding).is_some_and(|was| was.weight != *weight) {
                    self.dismissed.remove(finding);
                }
            }
            Happened::FindingClosed { finding } => {
                self.dismissed.remove(finding);
                // Of thousands that close one by one each is looked at alone.
                if !self.open().any(|incident| incident.diagnosis.findings.contains(finding)) {
                    self.cases.remove(finding);
                } else if let Some(case) = self.cases.get_mut(finding) {
                    case.closed = Some(at);
                }
            }
            Happened::IncidentOpened { incident, since, diagnosis } => {
                self.last_incident = self.last_incident.max(incident.0);
                self.dismissed.retain(|id, _| !diagnosis.findings.contains(id));
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
            Happened::IncidentDiagnosed { incident, diagnosis } => {
                self.dismissed.retain(|id, _| !diagnosis.findings.contains(id));
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.diagnosis = diagnosis.clone();
                }
                if let Some(memory) = self.memories.get_mut(incident) {
                    memory.diagnosed = at;
                    memory.affected.extend(diagnosis.affected.iter().cloned());
                }
                self.forget_closed();
            }
            Happened::IncidentMerged { incident, into } => self.merge(*incident, *into),
            Happened::IncidentResolved { incident, sentence } => {
                if let Some(known) = self.incidents.get_mut(incident).filter(|known| known.is_open()) {
                    known.resolved = Some(at);
                    known.diagnosis.sentence.clone_from(sentence);
                    let members = known.diagnosis.findings.clone();
                    self.dismiss(&members, at);
                }
                self.end(*incident);
            }
            Happened::IncidentAcknowledged { incident, by, until, .. } => {
                if let Some(known) = self.incidents.get_mut(incident).filter(|known| known.is_open()) {
                    known.acknowledged = Some(Acknowledgement { by: by.clone(), at, until: *until });
                }
            }
            Happened::AcknowledgementWithdrawn { incident, before } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.acknowledged = before.clone();
                }
            }
            Happened::AcknowledgementExpired { incident } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.acknowledged = None;
                }
            }
            Happened::IncidentNoted { incident, by, text } => {
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
    fn dismiss(&mut self, members: &BTreeSet<FindingId>, at: Time) {
        for id in members {
            if let Some(case) = self.cases.get(id).filter(|case| case.closed.is_none()) {
                self.dismissed.insert(*id, Dismissed { weight: case.finding.weight, at });
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
            stays.diagnosis.findings.extend(swallowed.diagnosis.findings);
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
        let wanted: BTreeSet<FindingId> =
            self.open().flat_map(|incident| incident.diagnosis.findings.iter().copied()).collect();
        self.cases.retain(|id, case| case.closed.is_none() || wanted.contains(id));
    }
}
