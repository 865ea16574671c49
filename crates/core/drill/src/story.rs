//! What must happen, without times: compared with a golden file.
//!
//! A golden story is read in chapters, separated by blank lines. The chapters come in their order; within a chapter
//! the order is free, because two things decided in one breath are written down in an order that means nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use types::incident::{Diagnosis, Stage};
use types::{Alert, AlertId, Event, EventKind, Fault, IncidentId, Kind, PersonId, Resource};

/// The essential events in the order in which they happened, a line each, without times and without numbers that
/// another run would count differently.
#[must_use]
pub fn story(events: &[Event]) -> String {
    let mut teller = Teller::new(events);
    for event in events {
        teller.hear(&event.kind);
    }
    let mut text = String::new();
    for line in teller.lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

struct Teller {
    lines: Vec<String>,
    /// The cause that each incident ended up with.
    causes: BTreeMap<IncidentId, Resource>,
    /// Incidents in the order of their opening: the first is 1, whatever its number in the journal.
    numbers: BTreeMap<IncidentId, usize>,
    affected: BTreeMap<IncidentId, BTreeSet<Resource>>,
    unaffected: BTreeMap<IncidentId, BTreeSet<Resource>>,
    /// What the edge found, by alert: about what, and what of it a story tells.
    edge: BTreeMap<AlertId, (Resource, String)>,
    found: bool,
    told: BTreeSet<String>,
}

impl Teller {
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
            found: false,
            told: BTreeSet::new(),
        }
    }

    /// A line that stands only once, however often its reason comes.
    fn once(&mut self, line: String) {
        if self.told.insert(line.clone()) {
            self.lines.push(line);
        }
    }

    fn number(&mut self, incident: IncidentId) -> usize {
        let next = self.numbers.len() + 1;
        *self.numbers.entry(incident).or_insert(next)
    }

    fn hear(&mut self, kind: &EventKind) {
        if let EventKind::AlertOpened { alert } = kind {
            self.note(alert);
        }
        match kind {
            EventKind::AlertOpened { alert } if !self.found => {
                self.found = true;
                // Whether the parent or the registry speaks first is chance; that it is one of them is not.
                let line = match alert.about.kind {
                    Kind::Dns | Kind::Domain => format!("found: {}", alert.about.name),
                    _ => format!("found: {}", alert.about),
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
                self.once(format!("incident {number} is part of incident {into}"));
            }
            EventKind::IncidentResolved { incident, .. } => {
                let number = self.number(*incident);
                self.once(format!("incident {number} is over"));
                let affected = self.affected.remove(incident).unwrap_or_default();
                let mut unaffected = self.unaffected.remove(incident).unwrap_or_default();
                unaffected.retain(|resource| !affected.contains(resource));
                self.once(format!("incident {number} affected: {}", named(&affected)));
                self.once(format!("incident {number} spared: {}", named(&unaffected)));
            }
            EventKind::IncidentAcknowledged { incident, by, .. } => {
                let number = self.number(*incident);
                self.once(format!("{by} answers for incident {number}"));
            }
            EventKind::AcknowledgementExpired { incident } => {
                let number = self.number(*incident);
                self.once(format!("the answer for incident {number} expires"));
            }
            EventKind::PageOpened { incident, .. } => {
                let number = self.number(*incident);
                self.lines.push(format!("a page opens for incident {number}"));
            }
            EventKind::AttemptEnded { page: Some(_), person, outcome, .. } if outcome.result.is_ok() => {
                let whom: &str = person.as_ref().map_or("the last resort", |PersonId(name)| name);
                self.once(format!("{whom} is asked"));
            }
            EventKind::UpdatePublished { incident, status, .. } => {
                let number = self.number(*incident);
                self.once(match status {
                    types::event::UpdateStatus::Resolved => {
                        format!("the status page says that incident {number} is over")
                    }
                    _ => format!("the status page tells of incident {number}"),
                });
            }
            _ => {}
        }
    }

    fn note(&mut self, alert: &Alert) {
        let about = &alert.about;
        let told = match &alert.fault {
            Fault::Surge { .. } => format!("a surge on {about}"),
            Fault::LimitConflict { caller, .. } => format!("{about} refusing its own caller {caller}"),
            _ => return,
        };
        self.edge.insert(alert.id, (about.clone(), told));
    }

    fn diagnosed(&mut self, incident: IncidentId, diagnosis: &Diagnosis) {
        let number = self.number(incident);
        if self.causes.get(&incident) == Some(&diagnosis.cause) {
            self.once(format!("incident {number} has its cause: {}", diagnosis.cause));
        }
        // An incident whose cause changes half way tells of each.
        let own = diagnosis.alerts.iter().filter_map(|id| self.edge.get(id));
        let own: Vec<String> =
            own.filter(|(about, _)| *about == diagnosis.cause).map(|(_, told)| told.clone()).collect();
        own.into_iter().for_each(|told| self.once(format!("incident {number} is put down to {told}")));
        if diagnosis.stage == Stage::Mending {
            self.once(format!("incident {number} mends"));
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

/// How a story differs from a golden one, a sentence each; empty when it tells the same.
///
/// In the golden text `#` begins a comment and a blank line ends a chapter.
#[must_use]
pub fn differences(golden: &str, story: &str) -> Vec<String> {
    let chapters = chapters(golden);
    let lines: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut differences = Vec::new();
    let place = |line: &str| chapters.iter().position(|chapter| chapter.contains(line));
    let mut furthest: Option<(usize, &str)> = None;
    for &line in &lines {
        match (place(line), furthest) {
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

fn chapters(golden: &str) -> Vec<BTreeSet<&str>> {
    let mut chapters = vec![BTreeSet::new()];
    for raw in golden.lines() {
        let line = raw.split('#').next().unwrap_or_default().trim();
        if raw.trim().is_empty() {
            chapters.push(BTreeSet::new());
        } else if let Some(chapter) = chapters.last_mut().filter(|_| !line.is_empty()) {
            chapter.insert(line);
        }
    }
    chapters.retain(|chapter| !chapter.is_empty());
    chapters
}
