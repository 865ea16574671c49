//! What happened to each incident, told line by line for the team. A fold of the journal; bounded.

use crate::views::{PagingLine, TimelineLine};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use types::event::{Event, EventKind};
use types::time::{clock, formatted};
use types::{AlertId, DenialId, IncidentId, PageId, Time};

/// Lines kept for one incident. A page that rings for a week must not eat the memory.
const LINES_MAX: usize = 400;
/// Incidents whose story is kept.
const INCIDENTS_MAX: usize = 100;

/// The stories of the last incidents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stories {
    incidents: BTreeMap<IncidentId, Story>,
    alerts: BTreeMap<AlertId, Vec<TimelineLine>>,
    pages: BTreeMap<PageId, IncidentId>,
    /// What people do to traffic is part of whatever goes on.
    open: BTreeSet<IncidentId>,
    denied: BTreeMap<DenialId, String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) timeline: Vec<TimelineLine>,
    pub(crate) paging: Vec<PagingLine>,
    alerts: BTreeSet<AlertId>,
    said: String,
}

impl Story {
    fn tell(&mut self, at: Time, text: String) {
        if self.timeline.len() < LINES_MAX {
            self.timeline.push(TimelineLine { at, text });
        }
    }

    fn ring(&mut self, at: Time, text: String) {
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
                self.note_alert(*alert, at, format!("now it {fault}"));
            }
            EventKind::AlertClosed { alert } => {
                self.note_alert(*alert, at, "is as it should be again".to_owned());
                self.alerts.remove(alert);
            }
            EventKind::IncidentOpened { incident, diagnosis, .. }
            | EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.open.insert(*incident);
                let story = self.incidents.entry(*incident).or_default();
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
                if story.said != diagnosis.summary {
                    story.said.clone_from(&diagnosis.summary);
                    story.tell(at, format!("Diagnosis: {}", diagnosis.summary));
                }
            }
            EventKind::IncidentMerged { incident, into } => {
                self.open.remove(incident);
                self.story(*incident).tell(at, format!("turned out to be part of {into}"));
            }
            EventKind::IncidentResolved { incident, summary } => {
                self.open.remove(incident);
                self.story(*incident).tell(at, format!("Over: {summary}"));
            }
            EventKind::TrafficDenied { denial } => {
                let what = match &denial.service {
                    Some(service) => format!("{} at {service}", denial.what),
                    None => denial.what.to_string(),
                };
                let until = clock(denial.until, zone);
                self.tell_open(at, &format!("{} denied {what} until {until}", denial.by));
                self.denied.insert(denial.id, what);
            }
            EventKind::DenialLifted { denial, by } => {
                let what = self.denied.remove(denial).unwrap_or_else(|| denial.to_string());
                self.tell_open(
                    at,
                    &match by {
                        Some(by) => format!("{by} let {what} through again"),
                        None => format!("{what} is let through again: its time was over"),
                    },
                );
            }
            EventKind::IncidentAcknowledged { incident, by, via, until } => {
                let until = clock(*until, zone);
                self.story(*incident).ring(at, format!("{by} answered"));
                self.story(*incident).tell(at, format!("{by} has it in hand (by {via}), until {until}"));
            }
            EventKind::AcknowledgementExpired { incident } => {
                self.story(*incident).tell(at, "nobody was heard of since: waking people again".to_owned());
            }
            EventKind::AcknowledgementWithdrawn { incident, .. } => {
                let text = "the last answer could not be written down and does not count".to_owned();
                self.story(*incident).ring(at, text.clone());
                self.story(*incident).tell(at, text);
            }
            EventKind::IncidentNoted { incident, by, text } => {
                self.story(*incident).tell(at, format!("{by}: {text}"));
            }
            EventKind::UpdatePublished { incident, status, body, by, .. } => {
                let who = by.as_deref().unwrap_or("mainstay");
                self.story(*incident).tell(at, format!("{who} told visitors ({}): {body}", status.title()));
            }
            EventKind::UpdateDrafted { incident, status, body, .. } => {
                let text = format!("a draft for visitors waits to be published ({}): {body}", status.title());
                self.story(*incident).tell(at, text);
            }
            EventKind::PageOpened { page, incident, escalation } => {
                self.pages.insert(*page, *incident);
                self.story(*incident).ring(at, format!("{page} begins, by the escalation {escalation}"));
            }
            EventKind::PageStep { page, step, people, until, .. } => {
                let whom = people.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let whom = if whom.is_empty() { "nobody on it".to_owned() } else { whom };
                let until = formatted(*until, zone, "%H:%M:%S");
                self.ring(*page, at, format!("step {}: {whom}; the next step is due at {until}", step + 1));
            }
            EventKind::AttemptEnded { page: Some(page), reach, person, outcome } => {
                let whom = person.as_ref().map_or("the last resort", |person| person.0.as_str());
                let end = match &outcome.result {
                    Ok(_) => "accepted by the provider, not answered yet".to_owned(),
                    Err(failure) => format!("failed: {}", failure.why),
                };
                self.ring(*page, at, format!("{whom} over {}: {end}", reach.channel));
            }
            EventKind::PageClosed { page } => self.ring(*page, at, format!("{page} closed")),
            _ => {}
        }
        while self.incidents.len() > INCIDENTS_MAX {
            self.incidents.pop_first();
        }
        while self.pages.len() > INCIDENTS_MAX {
            self.pages.pop_first();
        }
    }

    fn tell_open(&mut self, at: Time, text: &str) {
        for id in self.open.clone() {
            self.story(id).tell(at, text.to_owned());
        }
    }

    fn story(&mut self, incident: IncidentId) -> &mut Story {
        self.incidents.entry(incident).or_default()
    }

    fn ring(&mut self, page: PageId, at: Time, text: String) {
        if let Some(incident) = self.pages.get(&page).copied() {
            self.story(incident).ring(at, text);
        }
    }

    fn note_alert(&mut self, alert: AlertId, at: Time, text: String) {
        let line = TimelineLine { at, text };
        let story = self.incidents.values_mut().rev().find(|story| story.alerts.contains(&alert));
        if let Some(story) = story {
            let first = self.alerts.get(&alert).and_then(|lines| lines.first());
            let about = first.and_then(|line| line.text.split(' ').next()).unwrap_or("it").to_owned();
            story.tell(at, format!("{about} {}", line.text));
        }
        let lines = self.alerts.entry(alert).or_default();
        if lines.len() < 20 {
            lines.push(line);
        }
    }
}
