//! Timeline and paging history of each incident: a fold of the journal, bounded.

use crate::views::{PagingLine, TimelineLine};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use types::event::{Event, EventKind};
use types::incident::Diagnosis;
use types::time::{clock, formatted};
use types::{Actor, AlertId, Denial, DenialId, IncidentId, PageId, Time};

/// Maximum of lines per incident, so that a long page does not use up memory.
const LINES_MAX: usize = 400;
/// Maximum of incidents with a history.
const INCIDENTS_MAX: usize = 100;

/// Histories of the last incidents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stories {
    incidents: BTreeMap<IncidentId, Story>,
    alerts: BTreeMap<AlertId, Vec<TimelineLine>>,
    pages: BTreeMap<PageId, IncidentId>,
    /// Open incidents: denials are added to all of them.
    open: BTreeSet<IncidentId>,
    denied: BTreeMap<DenialId, String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) timeline: Vec<TimelineLine>,
    pub(crate) paging: Vec<PagingLine>,
    alerts: BTreeSet<AlertId>,
    summary: String,
}

impl Story {
    fn add(&mut self, at: Time, text: String) {
        if self.timeline.len() < LINES_MAX {
            self.timeline.push(TimelineLine { at, text });
        }
    }

    fn add_paging(&mut self, at: Time, text: String) {
        if self.paging.len() == LINES_MAX {
            self.paging.remove(0);
        }
        self.paging.push(PagingLine { at, text });
    }
}

impl Stories {
    pub(crate) fn of(&self, incident: IncidentId) -> Option<&Story> {
        self.incidents.get(&incident)
    }

    pub(crate) fn apply(&mut self, event: &Event, zone: &TimeZone) {
        let at = event.at;
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                let text = format!("{} {}", alert.about, alert.fault);
                self.note_alert(alert.id, at, text);
            }
            EventKind::AlertChanged { alert, fault, .. } => {
                self.note_alert(*alert, at, format!("now {fault}"));
            }
            EventKind::AlertClosed { alert } => {
                self.note_alert(*alert, at, "recovered".to_owned());
                self.alerts.remove(alert);
            }
            EventKind::IncidentOpened { incident, diagnosis, .. }
            | EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.add_diagnosis(*incident, at, diagnosis);
            }
            EventKind::IncidentMerged { incident, into } => {
                self.open.remove(incident);
                self.story(*incident).add(at, format!("merged into {into}"));
            }
            EventKind::IncidentResolved { incident, summary, .. } => {
                self.open.remove(incident);
                self.story(*incident).add(at, format!("Resolved: {summary}"));
            }
            EventKind::TrafficDenied { denial, .. } => {
                self.add_denial(at, denial, &clock(denial.until, zone));
            }
            EventKind::DenialLifted { denial, by } => self.end_denial(at, *denial, by.as_ref()),
            EventKind::IncidentAcknowledged { incident, by, until } => {
                let until = clock(*until, zone);
                self.story(*incident).add_paging(at, format!("{by} acknowledged"));
                self.story(*incident).add(at, format!("{by} acknowledged ({}) until {until}", by.via));
            }
            EventKind::AcknowledgementExpired { incident } => {
                self.story(*incident).add(at, "acknowledgement expired: paging again".to_owned());
            }
            EventKind::AcknowledgementWithdrawn { incident, .. } => {
                let text = "the last acknowledgement could not be written to the journal and does not count"
                    .to_owned();
                self.story(*incident).add_paging(at, text.clone());
                self.story(*incident).add(at, text);
            }
            EventKind::IncidentNoted { incident, by, text } => {
                self.story(*incident).add(at, format!("{by}: {text}"));
            }
            EventKind::UpdatePublished { incident, status, body, by, .. } => {
                let who = by.as_ref().map_or("mainstay", |by| by.id.as_str());
                self.story(*incident)
                    .add(at, format!("{who} published an update ({}): {body}", status.title()));
            }
            EventKind::UpdateDrafted { incident, status, body, .. } => {
                let text = format!("an update waits for approval ({}): {body}", status.title());
                self.story(*incident).add(at, text);
            }
            kind => self.apply_paging(at, kind, zone),
        }
        while self.incidents.len() > INCIDENTS_MAX {
            self.incidents.pop_first();
        }
        while self.pages.len() > INCIDENTS_MAX {
            self.pages.pop_first();
        }
    }

    /// Applies the events of a page: its steps and the attempts to deliver it.
    fn apply_paging(&mut self, at: Time, kind: &EventKind, zone: &TimeZone) {
        match kind {
            EventKind::PageOpened { page, incident, escalation } => {
                self.pages.insert(*page, *incident);
                self.story(*incident).add_paging(at, format!("{page} opened with escalation {escalation}"));
            }
            EventKind::PageStep { page, step, people, until, .. } => {
                let whom = people.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let whom = if whom.is_empty() { "nobody".to_owned() } else { whom };
                let until = formatted(*until, zone, "%H:%M:%S");
                self.add_paging(
                    *page,
                    at,
                    format!("step {}: {whom}; the next step is due at {until}", step + 1),
                );
            }
            EventKind::AttemptEnded { page: Some(page), contact, person, delivery } => {
                let whom = person.as_ref().map_or("fallback", |person| person.0.as_str());
                let end = match &delivery.result {
                    Ok(_) => "accepted by the provider, not acknowledged yet".to_owned(),
                    Err(failure) => format!("failed: {}", failure.why),
                };
                self.add_paging(*page, at, format!("{whom} over {}: {end}", contact.channel));
            }
            EventKind::PageClosed { page } => self.add_paging(*page, at, format!("{page} closed")),
            _ => {}
        }
    }

    /// Adds the earlier lines of alerts that are new in the incident, and the diagnosis if its summary changed.
    fn add_diagnosis(&mut self, incident: IncidentId, at: Time, diagnosis: &Diagnosis) {
        self.open.insert(incident);
        let story = self.incidents.entry(incident).or_default();
        let before = story.timeline.len();
        for id in &diagnosis.alerts {
            if story.alerts.insert(*id) {
                let room = LINES_MAX.saturating_sub(story.timeline.len());
                let lines = self.alerts.get(id).into_iter().flatten().cloned();
                story.timeline.extend(lines.take(room));
            }
        }
        if story.timeline.len() > before {
            story.timeline.sort_by_key(|line| line.at);
        }
        if story.summary != diagnosis.summary {
            story.summary.clone_from(&diagnosis.summary);
            story.add(at, format!("Diagnosis: {}", diagnosis.summary));
        }
    }

    fn add_denial(&mut self, at: Time, denial: &Denial, until: &str) {
        let what = match &denial.service {
            Some(service) => format!("{} at {service}", denial.what),
            None => denial.what.to_string(),
        };
        self.add_to_open(at, &format!("{} denied {what} until {until}", denial.by));
        self.denied.insert(denial.id, what);
    }

    /// A denial was lifted by a person, or expired.
    fn end_denial(&mut self, at: Time, denial: DenialId, by: Option<&Actor>) {
        let what = self.denied.remove(&denial).unwrap_or_else(|| denial.to_string());
        let text = match by {
            Some(by) => format!("{by} lifted the denial of {what}"),
            None => format!("the denial of {what} expired"),
        };
        self.add_to_open(at, &text);
    }

    fn add_to_open(&mut self, at: Time, text: &str) {
        for id in self.open.clone() {
            self.story(id).add(at, text.to_owned());
        }
    }

    fn story(&mut self, incident: IncidentId) -> &mut Story {
        self.incidents.entry(incident).or_default()
    }

    fn add_paging(&mut self, page: PageId, at: Time, text: String) {
        if let Some(incident) = self.pages.get(&page).copied() {
            self.story(incident).add_paging(at, text);
        }
    }

    fn note_alert(&mut self, alert: AlertId, at: Time, text: String) {
        let line = TimelineLine { at, text };
        let story = self.incidents.values_mut().rev().find(|story| story.alerts.contains(&alert));
        if let Some(story) = story {
            let first = self.alerts.get(&alert).and_then(|lines| lines.first());
            let about = first.and_then(|line| line.text.split(' ').next()).unwrap_or("it").to_owned();
            story.add(at, format!("{about} {}", line.text));
        }
        let lines = self.alerts.entry(alert).or_default();
        if lines.len() < 20 {
            lines.push(line);
        }
    }
}
