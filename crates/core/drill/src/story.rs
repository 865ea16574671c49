//! The story of a run: its essential events without times, compared with a golden file.
//!
//! A golden story has chapters, separated by blank lines. Chapters come in order; within a chapter the order is free,
//! because the order of events of one batch has no meaning. A line after `? ` may happen at any time and may be missing, because it
//! depends on the load of the machine; `*` in it matches anything.

use crate::script::matches;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use types::incident::{Diagnosis, Stage};
use types::{Alert, AlertId, Event, EventKind, Fault, IncidentId, Kind, PersonId, Resource};

/// The essential events in order, one line each, without times and without numbers that differ between runs.
#[must_use]
pub fn story(events: &[Event]) -> String {
    let mut transcript = Transcript::new(events);
    for event in events {
        transcript.add(&event.kind);
    }
    let mut text = String::new();
    for line in transcript.lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

struct Transcript {
    lines: Vec<String>,
    /// The last cause of each incident.
    causes: BTreeMap<IncidentId, Resource>,
    /// Numbers of incidents in the order of opening: the first is 1, independent of its id.
    numbers: BTreeMap<IncidentId, usize>,
    affected: BTreeMap<IncidentId, BTreeSet<Resource>>,
    unaffected: BTreeMap<IncidentId, BTreeSet<Resource>>,
    /// Alerts of the edge: resource, and text for the story.
    edge: BTreeMap<AlertId, (Resource, String)>,
    has_alert: bool,
    seen: BTreeSet<String>,
}

impl Transcript {
    fn new(events: &[Event]) -> Self {
        let mut causes = BTreeMap::new();
        for event in events {
            if let EventKind::IncidentOpened { incident, diagnosis, .. }
            | EventKind::IncidentDiagnosed { incident, diagnosis } = &event.kind
            {
                causes.insert(*incident, diagnosis.cause.clone());
            }
        }
        Self {
            lines: Vec::new(),
            causes,
            numbers: BTreeMap::new(),
            affected: BTreeMap::new(),
            unaffected: BTreeMap::new(),
            edge: BTreeMap::new(),
            has_alert: false,
            seen: BTreeSet::new(),
        }
    }

    /// Adds a line unless it is there already.
    fn once(&mut self, line: String) {
        if self.seen.insert(line.clone()) {
            self.lines.push(line);
        }
    }

    fn number(&mut self, incident: IncidentId) -> usize {
        let next = self.numbers.len() + 1;
        *self.numbers.entry(incident).or_insert(next)
    }

    fn add(&mut self, kind: &EventKind) {
        if let EventKind::AlertOpened { alert } = kind {
            self.note(alert);
        }
        match kind {
            EventKind::AlertOpened { alert } if !self.has_alert => {
                self.has_alert = true;
                // Whether the parent zone or the registry is first is chance.
                let line = match alert.about.kind {
                    Kind::Dns | Kind::Domain => format!("first alert: {}", alert.about.name),
                    _ => format!("first alert: {}", alert.about),
                };
                self.lines.push(line);
            }
            EventKind::IncidentOpened { incident, diagnosis, .. } => {
                let number = self.number(*incident);
                self.once(format!("incident {number} opens"));
                self.diagnosed(*incident, diagnosis);
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => self.diagnosed(*incident, diagnosis),
            EventKind::IncidentMerged { incident, into } => {
                let (number, into) = (self.number(*incident), self.number(*into));
                self.once(format!("incident {number} is merged into incident {into}"));
            }
            EventKind::IncidentResolved { incident, .. } => {
                let number = self.number(*incident);
                self.once(format!("incident {number} is resolved"));
                let affected = self.affected.remove(incident).unwrap_or_default();
                let mut unaffected = self.unaffected.remove(incident).unwrap_or_default();
                unaffected.retain(|resource| !affected.contains(resource));
                self.once(format!("incident {number} affected: {}", named(&affected)));
                self.once(format!("incident {number} did not affect: {}", named(&unaffected)));
            }
            EventKind::IncidentAcknowledged { incident, by, .. } => {
                let number = self.number(*incident);
                self.once(format!("{by} acknowledges incident {number}"));
            }
            EventKind::AcknowledgementExpired { incident } => {
                let number = self.number(*incident);
                self.once(format!("the acknowledgement of incident {number} expires"));
            }
            EventKind::PageOpened { incident, .. } => {
                let number = self.number(*incident);
                self.lines.push(format!("a page opens for incident {number}"));
            }
            EventKind::AttemptEnded { page: Some(_), person, delivery, .. } if delivery.result.is_ok() => {
                let whom: &str = person.as_ref().map_or("the fallback", |PersonId(name)| name);
                self.once(format!("{whom} is paged"));
            }
            EventKind::UpdatePublished { incident, status, .. } => {
                let number = self.number(*incident);
                self.once(match status {
                    types::event::UpdateStatus::Resolved => {
                        format!("incident {number}: resolved update published")
                    }
                    _ => format!("incident {number}: update published"),
                });
            }
            _ => {}
        }
    }

    fn note(&mut self, alert: &Alert) {
        let about = &alert.about;
        let text = match &alert.fault {
            Fault::Surge { .. } => format!("a surge on {about}"),
            Fault::LimitConflict { caller, .. } => format!("{about} rejecting its own caller {caller}"),
            _ => return,
        };
        self.edge.insert(alert.id, (about.clone(), text));
    }

    fn diagnosed(&mut self, incident: IncidentId, diagnosis: &Diagnosis) {
        let number = self.number(incident);
        if self.causes.get(&incident) == Some(&diagnosis.cause) {
            self.once(format!("incident {number} has the cause: {}", diagnosis.cause));
        }
        // An incident whose cause changes has one line for each.
        let own = diagnosis.alerts.iter().filter_map(|id| self.edge.get(id));
        let own: Vec<String> =
            own.filter(|(about, _)| *about == diagnosis.cause).map(|(_, text)| text.clone()).collect();
        own.into_iter().for_each(|text| self.once(format!("incident {number} is attributed to {text}")));
        if diagnosis.stage == Stage::Recovering {
            self.once(format!("incident {number} recovers"));
        }
        self.affected.entry(incident).or_default().extend(diagnosis.affected.iter().cloned());
        self.unaffected.entry(incident).or_default().extend(diagnosis.unaffected.iter().cloned());
    }
}

fn named(resources: &BTreeSet<Resource>) -> String {
    if resources.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<String> = resources.iter().map(Resource::to_string).collect();
    names.join(", ")
}

/// Differences between a story and the golden one, one text each; empty when they match.
///
/// In the golden text `#` starts a comment, a blank line ends a chapter, and `? ` begins a line that may be missing; `*` in it
/// matches anything.
#[must_use]
pub fn differences(golden: &str, story: &str) -> Vec<String> {
    let (chapters, possible) = chapters(golden);
    let lines: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut differences = Vec::new();
    let place = |line: &str| chapters.iter().position(|chapter| chapter.contains(line));
    let mut furthest: Option<(usize, &str)> = None;
    for &line in &lines {
        match (place(line), furthest) {
            (None, _) if possible.iter().any(|pattern| matches(pattern, line)) => {}
            (None, _) => differences.push(format!("unexpected: {line}")),
            (Some(here), Some((there, before))) if here < there => {
                differences.push(format!("too late: {line} (after: {before})"));
            }
            (Some(here), _) => furthest = Some((here, line)),
        }
    }
    for expected in chapters.iter().flatten() {
        if !lines.contains(expected) {
            differences.push(format!("never happened: {expected}"));
        }
    }
    differences
}

/// The chapters, and the patterns of lines that may be missing.
fn chapters(golden: &str) -> (Vec<BTreeSet<&str>>, Vec<&str>) {
    let (mut chapters, mut possible) = (vec![BTreeSet::new()], Vec::new());
    for raw in golden.lines() {
        let line = raw.split('#').next().unwrap_or_default().trim();
        if raw.trim().is_empty() {
            chapters.push(BTreeSet::new());
        } else if let Some(line) = line.strip_prefix("? ") {
            possible.push(line.trim());
        } else if let Some(chapter) = chapters.last_mut().filter(|_| !line.is_empty()) {
            chapter.insert(line);
        }
    }
    chapters.retain(|chapter| !chapter.is_empty());
    (chapters, possible)
}
