//! Timeline and paging history of each incident: a fold of the journal, bounded.

use crate::views::{PagingEntry, PagingFact, TimelineEntry, TimelineFact};
use std::collections::{BTreeMap, BTreeSet};
use types::event::{Event, EventKind};
use types::incident::Diagnosis;
use types::{
    Actor, AlertId, Denial, DenialId, DenyTarget, Fault, IncidentId, PageId, Resource, ServiceId, Time,
};

/// Maximum of entries per incident, so that a long page does not use up memory.
const ENTRIES_MAX: usize = 400;
/// Maximum of entries of an alert that belongs to no incident yet.
const ALERT_ENTRIES_MAX: usize = 20;
/// Maximum of incidents with a history.
const INCIDENTS_MAX: usize = 100;

/// Histories of the last incidents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stories {
    incidents: BTreeMap<IncidentId, Story>,
    alerts: BTreeMap<AlertId, AlertStory>,
    pages: BTreeMap<PageId, IncidentId>,
    /// Open incidents: denials are added to all of them.
    open: BTreeSet<IncidentId>,
    denied: BTreeMap<DenialId, (DenyTarget, Option<ServiceId>)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) timeline: Vec<TimelineEntry>,
    pub(crate) paging: Vec<PagingEntry>,
    alerts: BTreeSet<AlertId>,
    summary: String,
}

#[derive(Clone, Debug)]
struct AlertStory {
    about: Resource,
    entries: Vec<TimelineEntry>,
}

/// A resource that had an alert of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) about: Resource,
    /// Whether the alert is about slowness.
    pub(crate) is_slow: bool,
}

impl Story {
    /// Resources that had an alert, in the order of their first ones.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let mut subjects: Vec<Subject> = Vec::new();
        for entry in &self.timeline {
            let TimelineFact::AlertOpened { about, fault, .. } = &entry.fact else { continue };
            if !subjects.iter().any(|known| known.about == *about) {
                let is_slow = matches!(fault, Fault::Slow { .. });
                subjects.push(Subject { about: about.clone(), is_slow });
            }
        }
        subjects
    }

    fn add(&mut self, at: Time, fact: TimelineFact) {
        if self.timeline.len() < ENTRIES_MAX {
            self.timeline.push(TimelineEntry { at, fact });
        }
    }

    fn add_paging(&mut self, at: Time, fact: PagingFact) {
        if self.paging.len() == ENTRIES_MAX {
            self.paging.remove(0);
        }
        self.paging.push(PagingEntry { at, fact });
    }
}

impl Stories {
    pub(crate) fn of(&self, incident: IncidentId) -> Option<&Story> {
        self.incidents.get(&incident)
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        use TimelineFact as Fact;
        let at = event.at;
        match &event.kind {
            EventKind::AlertOpened { .. }
            | EventKind::AlertChanged { .. }
            | EventKind::AlertClosed { .. } => {
                self.apply_alert(at, &event.kind);
            }
            EventKind::IncidentOpened { incident, diagnosis, .. }
            | EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.add_diagnosis(*incident, at, diagnosis);
            }
            EventKind::IncidentMerged { incident, into } => {
                self.open.remove(incident);
                self.story(*incident).add(at, Fact::Merged { into: *into });
            }
            EventKind::IncidentResolved { incident, summary, .. } => {
                self.open.remove(incident);
                self.story(*incident).add(at, Fact::Resolved { summary: summary.clone() });
            }
            EventKind::TrafficDenied { denial, .. } => self.add_denial(at, denial),
            EventKind::DenialLifted { denial, by } => self.end_denial(at, *denial, by.clone()),
            EventKind::ValveSet { valve, by } => {
                self.add_to_open(at, &Fact::ValveSet { valve: valve.clone(), by: by.clone() });
            }
            EventKind::ValveMoved { service, percent, why } => {
                let (service, percent, why) = (service.clone(), *percent, why.clone());
                self.add_to_open(at, &Fact::ValveMoved { service, percent, why });
            }
            EventKind::IncidentAcknowledged { incident, by, until } => {
                let story = self.story(*incident);
                story.add_paging(at, PagingFact::Acknowledged { by: by.clone() });
                story.add(at, Fact::Acknowledged { by: by.clone(), until: *until });
            }
            EventKind::PageHeld { page, silence, until } => {
                self.add_of_page(at, *page, Fact::PageHeld { silence: *silence, until: *until });
            }
            EventKind::PageResumed { page } => self.add_of_page(at, *page, Fact::PageResumed),
            EventKind::AcknowledgementExpired { incident } => {
                self.story(*incident).add(at, Fact::AcknowledgementExpired);
            }
            EventKind::AcknowledgementWithdrawn { incident, .. } => {
                let story = self.story(*incident);
                story.add_paging(at, PagingFact::AcknowledgementWithdrawn);
                story.add(at, Fact::AcknowledgementWithdrawn);
            }
            EventKind::IncidentNoted { incident, by, text } => {
                self.story(*incident).add(
                    at,
                    Fact::Noted { by: by.clone(), note: text.clone(), seq: event.seq, effect: None },
                );
            }
            EventKind::CausesRanked { .. } | EventKind::ChangeRecorded { .. } => {
                self.add_hint(at, &event.kind)
            }
            EventKind::UpdatePublished { .. } | EventKind::UpdateDrafted { .. } => {
                self.add_update(at, &event.kind);
            }
            kind => self.apply_paging(at, kind),
        }
        while self.incidents.len() > INCIDENTS_MAX {
            self.incidents.pop_first();
        }
        while self.pages.len() > INCIDENTS_MAX {
            self.pages.pop_first();
        }
    }

    fn add_of_page(&mut self, at: Time, page: PageId, fact: TimelineFact) {
        if let Some(incident) = self.pages.get(&page).copied() {
            self.story(incident).add(at, fact);
        }
    }

    fn add_update(&mut self, at: Time, kind: &EventKind) {
        use TimelineFact as Fact;
        match kind {
            EventKind::UpdatePublished { incident, status, body, by, .. } => {
                let (by, status, body) = (by.clone(), *status, body.clone());
                self.story(*incident).add(at, Fact::UpdatePublished { by, status, body });
            }
            EventKind::UpdateDrafted { incident, status, body, .. } => {
                let (status, body) = (*status, body.clone());
                self.story(*incident).add(at, Fact::UpdateDrafted { status, body });
            }
            _ => {}
        }
    }

    /// Applies the events of an alert. Before it belongs to an incident, its entries are kept for that.
    fn apply_alert(&mut self, at: Time, kind: &EventKind) {
        match kind {
            EventKind::AlertOpened { alert } => {
                let (about, fault) = (alert.about.clone(), alert.fault.clone());
                let fact = TimelineFact::AlertOpened { alert: alert.id, about: about.clone(), fault };
                let entries = vec![TimelineEntry { at, fact }];
                self.alerts.insert(alert.id, AlertStory { about, entries });
            }
            EventKind::AlertChanged { alert, fault, .. } => {
                if let Some(about) = self.about(*alert) {
                    let fact = TimelineFact::AlertChanged { alert: *alert, about, fault: fault.clone() };
                    self.note_alert(*alert, at, fact);
                }
            }
            EventKind::AlertClosed { alert } => {
                if let Some(about) = self.about(*alert) {
                    self.note_alert(*alert, at, TimelineFact::AlertClosed { alert: *alert, about });
                }
                self.alerts.remove(alert);
            }
            _ => {}
        }
    }

    /// Applies the events of a page: its steps and the attempts to deliver it.
    fn apply_paging(&mut self, at: Time, kind: &EventKind) {
        let (page, fact) = match kind {
            EventKind::PageOpened { page, incident, escalation } => {
                self.pages.insert(*page, *incident);
                (page, PagingFact::Opened { page: *page, escalation: escalation.clone() })
            }
            EventKind::PageStep { page, step, people, until, .. } => {
                (page, PagingFact::Step { step: *step, people: people.clone(), until: *until })
            }
            EventKind::AttemptEnded { page: Some(page), contact, person, delivery } => {
                let failure = delivery.result.as_ref().err().map(|undelivered| undelivered.why.clone());
                let (person, channel) = (person.clone(), contact.channel.clone());
                (page, PagingFact::Attempted { person, channel, failure })
            }
            EventKind::PhoneUnreached { page, contact, person, outcome, .. } => {
                let channel = contact.split(':').next().unwrap_or_default().into();
                let failure = Some(outcome.to_string());
                (page, PagingFact::Attempted { person: person.clone(), channel, failure })
            }
            EventKind::PageClosed { page } => (page, PagingFact::Closed { page: *page }),
            _ => return,
        };
        if let Some(incident) = self.pages.get(page).copied() {
            self.story(incident).add_paging(at, fact);
        }
    }

    /// Adds the earlier entries of alerts that are new in the incident, and the diagnosis if its summary changed.
    fn add_diagnosis(&mut self, incident: IncidentId, at: Time, diagnosis: &Diagnosis) {
        self.open.insert(incident);
        let story = self.incidents.entry(incident).or_default();
        let before = story.timeline.len();
        for id in diagnosis.alerts.iter().chain(&diagnosis.symptoms) {
            if story.alerts.insert(*id) {
                let room = ENTRIES_MAX.saturating_sub(story.timeline.len());
                let entries = self.alerts.get(id).into_iter().flat_map(|alert| &alert.entries);
                story.timeline.extend(entries.take(room).cloned());
            }
        }
        if story.timeline.len() > before {
            story.timeline.sort_by_key(|entry| entry.at);
        }
        if story.summary != diagnosis.summary {
            story.summary.clone_from(&diagnosis.summary);
            story.add(at, TimelineFact::Diagnosed { summary: diagnosis.summary.clone() });
        }
    }

    /// Adds what may explain an incident: a change, or what its measurements point at.
    fn add_hint(&mut self, at: Time, kind: &EventKind) {
        match kind {
            EventKind::CausesRanked { incident, likely } => {
                let fact = TimelineFact::CausesRanked { likely: likely.clone() };
                self.story(*incident).add(at, fact);
            }
            EventKind::ChangeRecorded { change, .. } => {
                self.add_to_open(at, &TimelineFact::Changed { change: change.clone(), effect: None });
            }
            _ => {}
        }
    }

    fn add_denial(&mut self, at: Time, denial: &Denial) {
        self.add_to_open(at, &TimelineFact::Denied { denial: denial.clone() });
        self.denied.insert(denial.id, (denial.what.clone(), denial.service.clone()));
    }

    /// A denial was lifted by a person, or expired.
    fn end_denial(&mut self, at: Time, denial: DenialId, by: Option<Actor>) {
        let (what, service) =
            self.denied.remove(&denial).map_or((None, None), |(what, service)| (Some(what), service));
        self.add_to_open(at, &TimelineFact::DenialEnded { denial, what, service, by });
    }

    fn add_to_open(&mut self, at: Time, fact: &TimelineFact) {
        for id in self.open.clone() {
            self.story(id).add(at, fact.clone());
        }
    }

    fn story(&mut self, incident: IncidentId) -> &mut Story {
        self.incidents.entry(incident).or_default()
    }

    fn about(&self, alert: AlertId) -> Option<Resource> {
        self.alerts.get(&alert).map(|known| known.about.clone())
    }

    fn note_alert(&mut self, alert: AlertId, at: Time, fact: TimelineFact) {
        let story = self.incidents.values_mut().rev().find(|story| story.alerts.contains(&alert));
        if let Some(story) = story {
            story.add(at, fact.clone());
        }
        if let Some(known) = self.alerts.get_mut(&alert).filter(|it| it.entries.len() < ALERT_ENTRIES_MAX) {
            known.entries.push(TimelineEntry { at, fact });
        }
    }
}
