//! Events that follow from the incidents: pages opened, advanced and closed, acknowledgements expired, notices queued.

use crate::OnCall;
use crate::escalation::{advance, route, route_of_page};
use crate::notice::{DRAFTED, MISSED, OPENED, RESOLVED};
use crate::page::Page;
use crate::pause::needs_page;
use std::collections::BTreeMap;
use types::{Config, Context, EventKind, Events, Incident, IncidentId, PageId, PersonId, Time};

impl OnCall {
    /// Adds the events that follow from the incidents: nothing when called again after they were applied.
    pub fn react(&mut self, context: &Context<'_>, events: &mut Events) {
        let Context { config, now, incidents, .. } = *context;
        let paused_until = self.paused_until(context);
        self.close_pages(config, now, incidents, events);
        let mut last_page = self.state.last_page;
        for incident in incidents.values().filter(|incident| incident.is_open()) {
            if self.held_until(context, incident).is_some() {
                // Detection goes on; the maintenance or silence is known, so there is nothing to notify of.
                events.extend(self.page_held(context, incident));
                continue;
            }
            if let Some(page) = self.state.open_page(incident.id).filter(|page| page.held.is_some()) {
                // The page begins a new run when this event is applied.
                events.push(EventKind::PageResumed { page: page.id });
                continue;
            }
            events.extend(self.drafted_notice(config, now, incident));
            events.extend(self.hourly_notice(config, now, incident));
            events.extend(self.update_due_notice(config, now, incident));
            if !incident.diagnosis.wakes {
                events.extend(self.opened_notice(config, now, incident));
                continue;
            }
            let expired = self.state.incidents.get(&incident.id).and_then(|record| record.expired);
            match paused_until.get(&incident.id) {
                Some(until) if now < *until => continue,
                // The page begins a new run when this event is applied.
                Some(until) if expired.is_none_or(|expired| expired < *until) => {
                    events.push(EventKind::AcknowledgementExpired { incident: incident.id });
                    continue;
                }
                _ => {}
            }
            if !needs_page(incident) {
                continue;
            }
            if let Some(page) = self.state.open_page(incident.id) {
                if let Some(route) = route_of_page(config, &page.escalation, Some(&incident.diagnosis)) {
                    events.extend(advance(config, &route, page, now));
                }
            } else if let Some(route) = route(config, &incident.diagnosis) {
                last_page = last_page.saturating_add(1);
                let page = Page::new(PageId(last_page), incident.id, route.escalation.id.clone(), now);
                events.push(EventKind::PageOpened {
                    page: page.id,
                    incident: incident.id,
                    escalation: page.escalation.clone(),
                });
                events.extend(advance(config, &route, &page, now));
            }
        }
        events.extend(self.maintenance_reminders(context));
        events.extend(self.alert_notice(context));
        events.extend(self.digest(context));
        events.extend(self.lost(now));
        self.volatile.update(&self.state.pages, now, incidents, &paused_until);
    }

    /// Closes the pages of incidents that ended, and queues a notice to everybody who was paged, or about a missed
    /// incident.
    fn close_pages(
        &self,
        config: &Config,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
        events: &mut Events,
    ) {
        for page in self.state.pages.values().filter(|page| page.is_open()) {
            let incident = incidents.get(&page.incident);
            if incident.is_some_and(Incident::is_open) {
                continue;
            }
            events.push(EventKind::PageClosed { page: page.id });
            let record = self.state.incidents.get(&page.incident);
            let is_resolved = incident.is_some_and(|incident| incident.resolved.is_some());
            let is_queued = record.is_some_and(|record| record.notices.contains_key(RESOLVED));
            if !is_resolved || is_queued {
                continue;
            }
            let mut people = record.map(|record| record.paged.clone()).unwrap_or_default();
            // An attempt in flight may be delivered: its recipient counts as paged.
            let in_flight =
                || self.volatile.in_flight.values().filter(|attempt| attempt.page == Some(page.id));
            people.extend(in_flight().filter_map(|attempt| attempt.person.clone()));
            let fallback = record.is_some_and(|record| record.fallback)
                || in_flight().any(|attempt| attempt.person.is_none());
            let team = self.team_knows(page.incident);
            if !people.is_empty() || fallback || team {
                events.push(EventKind::NoticeQueued {
                    incident: page.incident,
                    occasion: RESOLVED.to_owned(),
                    people: people.iter().cloned().collect(),
                    fallback,
                    team,
                });
            }
            let is_reached = !people.is_empty() || fallback;
            if !is_reached && incident.is_some_and(|incident| incident.acknowledged.is_none()) {
                events.extend(self.missed_notice(config, now, page, incident));
            }
        }
    }

    /// The notice about an incident that ended before any page was delivered. A pending notice of this kind to the same
    /// person will list this incident too, so that person gets no second one.
    fn missed_notice(
        &self,
        config: &Config,
        now: Time,
        page: &Page,
        incident: Option<&Incident>,
    ) -> Option<EventKind> {
        let mut people: Vec<PersonId> = page.recipients.iter().cloned().collect();
        if people.is_empty() {
            let route =
                route_of_page(config, &page.escalation, incident.map(|incident| &incident.diagnosis))?;
            people = route.first_people(config, now).unwrap_or_default();
        }
        let has_pending_notice = |person: &PersonId| {
            self.state.incidents.iter().any(|(id, record)| {
                let pending = record.notices.get(MISSED).is_some_and(|notice| notice.is_pending(person));
                // The text of an attempt in flight does not contain this incident.
                pending && !self.is_missed_in_flight(*id, person)
            })
        };
        people.retain(|person| !has_pending_notice(person));
        (!people.is_empty()).then(|| EventKind::NoticeQueued {
            incident: page.incident,
            occasion: MISSED.to_owned(),
            people,
            fallback: false,
            team: false,
        })
    }

    fn is_missed_in_flight(&self, incident: IncidentId, person: &PersonId) -> bool {
        let prefix = format!("{incident}/{MISSED}/{person}/");
        self.volatile.in_flight.keys().any(|key| key.0.starts_with(&prefix))
    }

    /// The notice that a draft update waits for review, once per incident.
    fn drafted_notice(&self, config: &Config, now: Time, incident: &Incident) -> Option<EventKind> {
        let record = self.state.incidents.get(&incident.id)?;
        record.draft.as_ref().filter(|_| !record.notices.contains_key(DRAFTED))?;
        let people = route(config, &incident.diagnosis)?.first_people(config, now)?;
        let occasion = DRAFTED.to_owned();
        let (incident, fallback, team) = (incident.id, false, false);
        Some(EventKind::NoticeQueued { incident, occasion, people, fallback, team })
    }

    /// The notice about an incident that pages nobody, once per incident, to the team, or to the people on the first step
    /// that has any.
    fn opened_notice(&self, config: &Config, now: Time, incident: &Incident) -> Option<EventKind> {
        let record = self.state.incidents.get(&incident.id);
        if record.is_some_and(|record| record.page.is_some() || record.notices.contains_key(OPENED)) {
            return None;
        }
        let team = config.notices.is_some();
        let people = route(config, &incident.diagnosis).and_then(|route| route.first_people(config, now));
        let people = people.or_else(|| team.then(Vec::new))?;
        let (incident, occasion, fallback) = (incident.id, OPENED.to_owned(), false);
        Some(EventKind::NoticeQueued { incident, occasion, people, fallback, team })
    }
}
