//! Pauses: until when an incident pages no one, because it is acknowledged, because it can wait for the morning, or because
//! a maintenance explains it or a silence covers it.

use crate::OnCall;
use crate::escalation::{awake_from, route};
use crate::page::Page;
use std::collections::BTreeMap;
use std::time::Duration;
use types::held::HeldBy;
use types::time::later;
use types::{Config, Context, EventKind, Incident, IncidentId, Time};

/// An incident about a future date waits for the morning when at least this much time is left between morning and date.
const TIME_LEFT_MIN: Duration = Duration::from_secs(8 * 3_600);

impl OnCall {
    /// The end of the pause of each incident that has one. Ends in the past are included.
    pub(crate) fn paused_until(&self, context: &Context<'_>) -> BTreeMap<IncidentId, Time> {
        let mut paused = paused_until(context.config, context.now, context.incidents);
        for incident in context.incidents.values().filter(|incident| incident.is_open()) {
            if let Some(held) = self.held_until(context, incident) {
                let until = paused.entry(incident.id).or_insert(held);
                *until = (*until).max(held);
            }
        }
        paused
    }

    /// Until when a maintenance or a silence holds the page of an incident. A page that is open already is not held by a maintenance:
    /// a silence is set by somebody who knows of it.
    pub(crate) fn held_until(&self, context: &Context<'_>, incident: &Incident) -> Option<Time> {
        let (held_by, until) = context.held_by(incident)?;
        let holds = matches!(held_by, HeldBy::Silence(_)) || self.state.open_page(incident.id).is_none();
        holds.then_some(until)
    }

    /// The event of an open page that a silence holds from now on.
    pub(crate) fn page_held(&self, context: &Context<'_>, incident: &Incident) -> Option<EventKind> {
        let page = self.state.open_page(incident.id).filter(|page| page.held.is_none())?;
        match context.held_by(incident)? {
            (HeldBy::Silence(one), until) => {
                Some(EventKind::PageHeld { page: page.id, silence: one.silence.id, until })
            }
            (HeldBy::Maintenance(_), _) => None,
        }
    }
}

/// The end of the pause of each incident that has one without maintenance.
fn paused_until(
    config: &Config,
    now: Time,
    incidents: &BTreeMap<IncidentId, Incident>,
) -> BTreeMap<IncidentId, Time> {
    let mut paused = acknowledged_until(incidents);
    for incident in incidents.values().filter(|incident| incident.is_open() && incident.diagnosis.wakes) {
        if let Some(morning) = deferred_until(config, now, incident) {
            let until = paused.entry(incident.id).or_insert(morning);
            *until = (*until).max(morning);
        }
    }
    paused
}

/// The time at which the first recipient of an incident about a future date wakes up, if all of them sleep now and
/// enough time is left after that.
fn deferred_until(config: &Config, now: Time, incident: &Incident) -> Option<Time> {
    let date = incident.diagnosis.ahead?;
    let people = route(config, &incident.diagnosis)?.first_people(config, now)?;
    let people = people.iter().filter_map(|person| config.people.get(person));
    let morning = people.map(|person| awake_from(person, now)).min()?;
    (now < morning && later(morning, TIME_LEFT_MIN) <= date).then_some(morning)
}

/// The end of the acknowledgement of each incident. An acknowledgement of an incident that was merged into another one
/// holds for the other one: no one is woken twice for one cause.
fn acknowledged_until(incidents: &BTreeMap<IncidentId, Incident>) -> BTreeMap<IncidentId, Time> {
    let mut acknowledged: BTreeMap<IncidentId, Time> = BTreeMap::new();
    for incident in incidents.values() {
        let Some(acknowledgement) = &incident.acknowledged else { continue };
        let mut survivor = incident;
        // At most one merge for each incident: a cycle of merges, which is never written, would end here too.
        for _ in 0..incidents.len() {
            match survivor.merged_into.and_then(|into| incidents.get(&into)) {
                Some(into) => survivor = into,
                None => break,
            }
        }
        let until = acknowledged.entry(survivor.id).or_insert(acknowledgement.until);
        *until = (*until).max(acknowledgement.until);
    }
    acknowledged
}

/// Whether a page is sent now: its incident is open, needs a page, and is not paused.
pub(crate) fn is_paging(
    page: &Page,
    now: Time,
    incidents: &BTreeMap<IncidentId, Incident>,
    paused_until: &BTreeMap<IncidentId, Time>,
) -> bool {
    let incident = incidents.get(&page.incident);
    incident.is_some_and(|incident| incident.is_open() && needs_page(incident))
        && paused_until.get(&page.incident).is_none_or(|until| *until <= now)
}

/// Whether an incident needs a page: it is severe enough, and it still fails.
pub(crate) fn needs_page(incident: &Incident) -> bool {
    incident.diagnosis.wakes && !incident.diagnosis.calm
}
