//! What the state of the world asks for: pages opened, climbed and closed, acknowledgements run out, notices owed.

use crate::climb::climb;
use crate::escalation::{awake_from, ways, ways_of_page};
use crate::page::Page;
use crate::{Fresh, OnCall};
use std::collections::BTreeMap;
use std::time::Duration;
use types::time::later;
use types::{Config, EventKind, Incident, IncidentId, PageId, PersonId, Time};

/// Occasion of the notice that something began which wakes nobody.
pub(crate) const OPENED: &str = "opened";

/// Occasion of the notice to everybody who was woken that it is over.
pub(crate) const RESOLVED: &str = "resolved";

/// Occasion of the notice that something happened of which nobody could be told while it lasted.
pub(crate) const MISSED: &str = "missed";

/// Occasion of the notice that words for visitors wait until a person publishes them.
pub(crate) const DRAFTED: &str = "drafted";

/// What still lies ahead waits for the morning when that leaves at least so long before the date.
const MORNING_LEAVES: Duration = Duration::from_secs(8 * 3_600);

/// Until when each incident calls nobody: a human has it in hand, or it waits for the morning.
pub(crate) fn quiet(
    config: &Config,
    now: Time,
    incidents: &BTreeMap<IncidentId, Incident>,
) -> BTreeMap<IncidentId, Time> {
    let mut quiet = acknowledged(incidents);
    for incident in incidents.values().filter(|incident| incident.is_open() && incident.diagnosis.wakes) {
        if let Some(morning) = morning(config, now, incident) {
            let until = quiet.entry(incident.id).or_insert(morning);
            *until = (*until).max(morning);
        }
    }
    quiet
}

/// When somebody who would be called for what still lies ahead wakes up, if all of them sleep and it can wait for that.
fn morning(config: &Config, now: Time, incident: &Incident) -> Option<Time> {
    let date = incident.diagnosis.ahead?;
    let people = ways(config, &incident.diagnosis)?.first(config, now)?;
    let people = people.iter().filter_map(|person| config.people.get(person));
    let morning = people.map(|person| awake_from(person, now)).min()?;
    (now < morning && later(morning, MORNING_LEAVES) <= date).then_some(morning)
}

/// Until when a human has each incident in hand. An answer to an incident that became part of another holds for the other:
/// nobody is woken twice for one cause. Deadlines that passed are included.
fn acknowledged(incidents: &BTreeMap<IncidentId, Incident>) -> BTreeMap<IncidentId, Time> {
    let mut hands: BTreeMap<IncidentId, Time> = BTreeMap::new();
    for incident in incidents.values() {
        let Some(acknowledgement) = &incident.acknowledged else { continue };
        let mut survivor = incident;
        // As many steps as there are incidents: a circle of merges, which nobody writes, would end here too.
        for _ in 0..incidents.len() {
            match survivor.merged_into.and_then(|into| incidents.get(&into)) {
                Some(into) => survivor = into,
                None => break,
            }
        }
        let until = hands.entry(survivor.id).or_insert(acknowledgement.until);
        *until = (*until).max(acknowledgement.until);
    }
    hands
}

/// Whether a page calls people: its incident is open, wakes, something of it still fails, and nobody has it in hand.
pub(crate) fn calls(
    page: &Page,
    now: Time,
    incidents: &BTreeMap<IncidentId, Incident>,
    hands: &BTreeMap<IncidentId, Time>,
) -> bool {
    let incident = incidents.get(&page.incident);
    incident.is_some_and(|incident| incident.is_open() && rings(incident))
        && hands.get(&page.incident).is_none_or(|until| *until <= now)
}

/// Whether an incident is worth a call: it wakes, and is not only watched for a while before it ends.
fn rings(incident: &Incident) -> bool {
    incident.diagnosis.wakes && !incident.diagnosis.calm
}

impl OnCall {
    /// What follows from the incidents as they stand. Idempotent once its events were applied.
    pub fn react(
        &mut self,
        config: &Config,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
    ) -> Vec<EventKind> {
        let hands = quiet(config, now, incidents);
        let mut events = Vec::new();
        self.close(config, now, incidents, &mut events);
        let mut last_page = self.known.last_page;
        for incident in incidents.values().filter(|incident| incident.is_open()) {
            events.extend(self.drafted(config, now, incident));
            if !incident.diagnosis.wakes {
                self.notify(config, now, incident, &mut events);
                continue;
            }
            let lapsed = self.known.about.get(&incident.id).and_then(|about| about.lapsed);
            match hands.get(&incident.id) {
                Some(until) if now < *until => continue,
                // The climb goes on once this is written down: see `Page::begin_anew`.
                Some(until) if lapsed.is_none_or(|lapsed| lapsed < *until) => {
                    events.push(EventKind::AcknowledgementExpired { incident: incident.id });
                    continue;
                }
                _ => {}
            }
            if !rings(incident) {
                continue;
            }
            if let Some(page) = self.known.open_page(incident.id) {
                if let Some(ways) = ways_of_page(config, &page.escalation, Some(&incident.diagnosis)) {
                    events.extend(climb(config, &ways, page, now));
                }
            } else if let Some(ways) = ways(config, &incident.diagnosis) {
                last_page = last_page.saturating_add(1);
                let page = Page::new(PageId(last_page), incident.id, ways.escalation.id.clone(), now);
                events.push(EventKind::PageOpened {
                    page: page.id,
                    incident: incident.id,
                    escalation: page.escalation.clone(),
                });
                events.extend(climb(config, &ways, &page, now));
            }
        }
        events.extend(self.lost(now));
        self.fresh.remember(&self.known.pages, now, incidents, &hands);
        events
    }

    /// Ends the pages of incidents that ended, and owes a word to everybody who was woken for nothing more to do.
    fn close(
        &self,
        config: &Config,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
        events: &mut Vec<EventKind>,
    ) {
        for page in self.known.pages.values().filter(|page| page.is_open()) {
            let incident = incidents.get(&page.incident);
            if incident.is_some_and(Incident::is_open) {
                continue;
            }
            events.push(EventKind::PageClosed { page: page.id });
            let about = self.known.about.get(&page.incident);
            let resolved = incident.is_some_and(|incident| incident.resolved.is_some());
            let told = about.is_some_and(|about| about.notices.contains_key(RESOLVED));
            if !resolved || told {
                continue;
            }
            let mut people = about.map(|about| about.paged.clone()).unwrap_or_default();
            // A phone that rings at this very moment is a person woken too.
            let ringing = || self.fresh.in_flight.values().filter(|flight| flight.page == Some(page.id));
            people.extend(ringing().filter_map(|flight| flight.person.clone()));
            let fallback =
                about.is_some_and(|about| about.fallback) || ringing().any(|flight| flight.person.is_none());
            if !people.is_empty() || fallback {
                events.push(EventKind::NoticeOwed {
                    incident: page.incident,
                    occasion: RESOLVED.to_owned(),
                    people: people.into_iter().collect(),
                    fallback,
                });
            } else if incident.is_some_and(|incident| incident.acknowledged.is_none()) {
                events.extend(self.missed(config, now, page, incident));
            }
        }
    }

    /// One word afterwards about what nobody could be told. Whoever waits for such a word already gets all of it in that one.
    fn missed(
        &self,
        config: &Config,
        now: Time,
        page: &Page,
        incident: Option<&Incident>,
    ) -> Option<EventKind> {
        let mut people: Vec<PersonId> = page.called.iter().cloned().collect();
        if people.is_empty() {
            let ways = ways_of_page(config, &page.escalation, incident.map(|incident| &incident.diagnosis))?;
            people = ways.first(config, now).unwrap_or_default();
        }
        let waits = |person: &PersonId| {
            self.known.about.iter().any(|(id, about)| {
                let pending = about.notices.get(MISSED).is_some_and(|notice| notice.is_pending(person));
                // What is on its way at this moment does not speak of this one.
                pending && !self.is_on_its_way(*id, person)
            })
        };
        people.retain(|person| !waits(person));
        (!people.is_empty()).then(|| EventKind::NoticeOwed {
            incident: page.incident,
            occasion: MISSED.to_owned(),
            people,
            fallback: false,
        })
    }

    fn is_on_its_way(&self, incident: IncidentId, person: &PersonId) -> bool {
        let prefix = format!("{incident}/{MISSED}/{person}/");
        self.fresh.in_flight.keys().any(|key| key.0.starts_with(&prefix))
    }

    /// Whoever may publish is told once that words about an incident wait for it.
    fn drafted(&self, config: &Config, now: Time, incident: &Incident) -> Option<EventKind> {
        let about = self.known.about.get(&incident.id)?;
        about.draft.as_ref().filter(|_| !about.notices.contains_key(DRAFTED))?;
        let people = ways(config, &incident.diagnosis)?.first(config, now)?;
        let occasion = DRAFTED.to_owned();
        Some(EventKind::NoticeOwed { incident: incident.id, occasion, people, fallback: false })
    }

    /// An incident that wakes nobody is told once to whoever is on the first step that has anybody.
    fn notify(&self, config: &Config, now: Time, incident: &Incident, events: &mut Vec<EventKind>) {
        let about = self.known.about.get(&incident.id);
        if about.is_some_and(|about| about.page.is_some() || about.notices.contains_key(OPENED)) {
            return;
        }
        let Some(ways) = ways(config, &incident.diagnosis) else { return };
        if let Some(people) = ways.first(config, now) {
            events.push(EventKind::NoticeOwed {
                incident: incident.id,
                occasion: OPENED.to_owned(),
                people,
                fallback: false,
            });
        }
    }
}

impl Fresh {
    fn remember(
        &mut self,
        pages: &BTreeMap<PageId, Page>,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
        hands: &BTreeMap<IncidentId, Time>,
    ) {
        self.hushed = pages
            .values()
            .filter(|page| page.is_open() && !calls(page, now, incidents, hands))
            .map(|page| page.id)
            .collect();
        let wakes = |id: &IncidentId| {
            incidents.get(id).is_some_and(|incident| incident.is_open() && incident.diagnosis.wakes)
        };
        self.acknowledged_until =
            hands.iter().filter(|(id, until)| now < **until && wakes(id)).map(|(_, until)| *until).min();
    }
}
