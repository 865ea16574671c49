//! What the state of the world asks for: pages opened, climbed and closed, acknowledgements run out, notices owed.

use crate::climb::climb;
use crate::ladder::{awake_from, ways, ways_of_page};
use crate::page::Page;
use crate::{Fresh, Wake};
use types::time::later;
use types::{Happened, Incident, IncidentId, PageId, PersonId, Plan, Time};
use std::collections::BTreeMap;
use std::time::Duration;

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
    plan: &Plan,
    now: Time,
    incidents: &BTreeMap<IncidentId, Incident>,
) -> BTreeMap<IncidentId, Time> {
    let mut quiet = in_hand(incidents);
    for incident in incidents.values().filter(|incident| incident.is_open() && incident.diagnosis.wakes) {
        if let Some(morning) = morning(plan, now, incident) {
            let until = quiet.entry(incident.id).or_insert(morning);
            *until = (*until).max(morning);
        }
    }
    quiet
}

/// When somebody who would be called for what still lies ahead wakes up, if all of them sleep and it can wait for that.
fn morning(plan: &Plan, now: Time, incident: &Incident) -> Option<Time> {
    let date = incident.diagnosis.ahead?;
    let people = ways(plan, &incident.diagnosis)?.first(plan, now)?;
    let people = people.iter().filter_map(|person| plan.people.get(person));
    let morning = people.map(|person| awake_from(person, now)).min()?;
    (now < morning && later(morning, MORNING_LEAVES) <= date).then_some(morning)
}

/// Until when a human has each incident in hand. An answer to an incident that became part of another holds for the other:
/// nobody is woken twice for one cause. Deadlines that passed are included.
fn in_hand(incidents: &BTreeMap<IncidentId, Incident>) -> BTreeMap<IncidentId, Time> {
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

impl Wake {
    /// What follows from the incidents as they stand. Idempotent once its events were applied.
    pub fn react(
        &mut self,
        plan: &Plan,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
    ) -> Vec<Happened> {
        let hands = quiet(plan, now, incidents);
        let mut happened = Vec::new();
        self.close(plan, now, incidents, &mut happened);
        let mut last_page = self.known.last_page;
        for incident in incidents.values().filter(|incident| incident.is_open()) {
            happened.extend(self.drafted(plan, now, incident));
            if !incident.diagnosis.wakes {
                self.notify(plan, now, incident, &mut happened);
                continue;
            }
            let lapsed = self.known.about.get(&incident.id).and_then(|about| about.lapsed);
            match hands.get(&incident.id) {
                Some(until) if now < *until => continue,
                // The climb goes on once this is written down: see `Page::begin_anew`.
                Some(until) if lapsed.is_none_or(|lapsed| lapsed < *until) => {
                    happened.push(Happened::AcknowledgementExpired { incident: incident.id });
                    continue;
                }
                _ => {}
            }
            if !rings(incident) {
                continue;
            }
            if let Some(page) = self.known.open_page(incident.id) {
                if let Some(ways) = ways_of_page(plan, &page.ladder, Some(&incident.diagnosis)) {
                    happened.extend(climb(plan, &ways, page, now));
                }
            } else if let Some(ways) = ways(plan, &incident.diagnosis) {
                last_page = last_page.saturating_add(1);
                let page = Page::new(PageId(last_page), incident.id, ways.ladder.id.clone(), now);
                happened.push(Happened::PageOpened {
                    page: page.id,
                    incident: incident.id,
                    ladder: page.ladder.clone(),
                });
                happened.extend(climb(plan, &ways, &page, now));
            }
        }
        happened.extend(self.lost(now));
        self.fresh.remember(&self.known.pages, now, incidents, &hands);
        happened
    }

    /// Ends the pages of incidents that ended, and owes a word to everybody who was woken for nothing more to do.
    fn close(
        &self,
        plan: &Plan,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
        happened: &mut Vec<Happened>,
    ) {
        for page in self.known.pages.values().filter(|page| page.is_open()) {
            let incident = incidents.get(&page.incident);
            if incident.is_some_and(Incident::is_open) {
                continue;
            }
            happened.push(Happened::PageClosed { page: page.id });
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
            let last_resort = about.is_some_and(|about| about.last_resort)
                || ringing().any(|flight| flight.person.is_none());
            if !people.is_empty() || last_resort {
                happened.push(Happened::NoticeOwed {
                    incident: page.incident,
                    occasion: RESOLVED.to_owned(),
                    people: people.into_iter().collect(),
                    last_resort,
                });
            } else if incident.is_some_and(|incident| incident.acknowledged.is_none()) {
                happened.extend(self.missed(plan, now, page, incident));
            }
        }
    }

    /// One word afterwards about what nobody could be told. Whoever waits for such a word already gets all of it in that one.
    fn missed(&self, plan: &Plan, now: Time, page: &Page, incident: Option<&Incident>) -> Option<Happened> {
        let mut people: Vec<PersonId> = page.called.iter().cloned().collect();
        if people.is_empty() {
            let ways = ways_of_page(plan, &page.ladder, incident.map(|incident| &incident.diagnosis))?;
            people = ways.first(plan, now).unwrap_or_default();
        }
        let waits = |person: &PersonId| {
            self.known.about.iter().any(|(id, about)| {
                let pending = about.notices.get(MISSED).is_some_and(|notice| notice.is_pending(person));
                // What is on its way at this moment does not speak of this one.
                pending && !self.is_on_its_way(*id, person)
            })
        };
        people.retain(|person| !waits(person));
        (!people.is_empty()).then(|| Happened::NoticeOwed {
            incident: page.incident,
            occasion: MISSED.to_owned(),
            people,
            last_resort: false,
        })
    }

    fn is_on_its_way(&self, incident: IncidentId, person: &PersonId) -> bool {
        let prefix = format!("{incident}/{MISSED}/{person}/");
        self.fresh.in_flight.keys().any(|key| key.0.starts_with(&prefix))
    }

    /// Whoever may publish is told once that words about an incident wait for it.
    fn drafted(&self, plan: &Plan, now: Time, incident: &Incident) -> Option<Happened> {
        let about = self.known.about.get(&incident.id)?;
        about.draft.as_ref().filter(|_| !about.notices.contains_key(DRAFTED))?;
        let people = ways(plan, &incident.diagnosis)?.first(plan, now)?;
        let occasion = DRAFTED.to_owned();
        Some(Happened::NoticeOwed { incident: incident.id, occasion, people, last_resort: false })
    }

    /// An incident that wakes nobody is told once to whoever is on the first rung that has anybody.
    fn notify(&self, plan: &Plan, now: Time, incident: &Incident, happened: &mut Vec<Happened>) {
        let about = self.known.about.get(&incident.id);
        if about.is_some_and(|about| about.page.is_some() || about.notices.contains_key(OPENED)) {
            return;
        }
        let Some(ways) = ways(plan, &incident.diagnosis) else { return };
        if let Some(people) = ways.first(plan, now) {
            happened.push(Happened::NoticeOwed {
                incident: incident.id,
                occasion: OPENED.to_owned(),
                people,
                last_resort: false,
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
        self.in_hand_until =
            hands.iter().filter(|(id, until)| now < **until && wakes(id)).map(|(_, until)| *until).min();
    }
}
