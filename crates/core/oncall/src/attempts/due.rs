//! Attempts that are due now or later.

use crate::OnCall;
use crate::escalation::{awake_from, route_of_page, usable};
use crate::notice::{DRAFTED, Notice, OPENED, RESOLVED, is_hourly, is_overrun};
use crate::page::Page;
use crate::pause::is_paging;
use crate::promise::{is_current, is_update_due};
use crate::queue::{Attempt, DeliveryQueue, QueueKey, Recipient};
use crate::team;
use crate::volatile::{IN_FLIGHT_MAX, InFlight};
use types::notification::Contact;
use types::time::later;
use types::{Config, Context, IncidentId, Notification, NotificationKey, Time};

/// After this many sends without a delivery result, an attempt counts as failed and the next contact is tried.
pub(super) const SENDS_MAX: u32 = 2;

/// An attempt that is due now or later.
pub(super) struct PlannedAttempt {
    pub(super) queue: QueueKey,
    pub(super) attempt: Attempt,
    pub(super) contact: Contact,
}

impl PlannedAttempt {
    fn key(&self) -> NotificationKey {
        self.queue.attempt(self.attempt.contact, self.attempt.number)
    }
}

impl OnCall {
    /// The notifications that are due now. They are then in flight: none is returned again within 30 s unless its
    /// delivery result asks for another attempt.
    pub fn due(&mut self, context: &Context<'_>) -> Vec<Notification> {
        let Context { now, incidents, .. } = *context;
        let paused_until = self.paused_until(context);
        let planned = self.planned_attempts(context, |page| is_paging(page, now, incidents, &paused_until));
        let mut notifications = Vec::new();
        for planned in planned.into_iter().filter(|planned| planned.attempt.at <= now) {
            let key = planned.key();
            let sends = match self.volatile.in_flight.get(&key) {
                Some(attempt) if !attempt.is_overdue(now) || attempt.sends >= SENDS_MAX => continue,
                Some(attempt) => attempt.sends + 1,
                None => 1,
            };
            let Some(notification) = self.notification(context, &planned, key.clone()) else {
                continue;
            };
            let Notification { page, person, contact, .. } = notification.clone();
            self.volatile.in_flight.insert(key, InFlight { page, person, contact, sent: now, sends });
            notifications.push(notification);
        }
        notifications
    }

    /// When to react again if nothing else happens: the next attempt, the next step, the end of a pause.
    #[must_use]
    pub fn next_deadline(&self, context: &Context<'_>) -> Option<Time> {
        let Context { config, now, .. } = *context;
        let is_paging = |page: &Page| !self.volatile.paused.contains(&page.id);
        let attempts = self.planned_attempts(context, is_paging).into_iter().map(|planned| {
            match self.volatile.in_flight.get(&planned.key()) {
                Some(attempt) => later(attempt.sent, IN_FLIGHT_MAX),
                None => planned.attempt.at,
            }
        });
        let open = self.state.pages.values().filter(|page| page.is_open() && is_paging(page));
        let hours = context.incidents.values().filter_map(|incident| self.next_hour(now, incident));
        let reminders = self.next_reminder(context);
        let promises =
            context.incidents.values().filter_map(|incident| self.next_promise(config, now, incident));
        attempts
            .chain(reminders)
            .chain(promises)
            .chain(open.map(Page::deadline))
            .chain(self.volatile.pause_end)
            .chain(hours)
            .chain(self.next_team_notice(context))
            .min()
    }

    /// All attempts that are due now or later, for pages that are sent now and for notices.
    fn planned_attempts(
        &self,
        context: &Context<'_>,
        is_paging: impl Fn(&Page) -> bool,
    ) -> Vec<PlannedAttempt> {
        let Context { config, now, .. } = *context;
        let mut all = Vec::new();
        for page in self.state.pages.values().filter(|page| page.is_open() && is_paging(page)) {
            for (step, recipient) in page.recipients() {
                let person = recipient.person().and_then(|id| config.people.get(id));
                let contacts = person.map_or(&[][..], |person| &person.contacts);
                let queue = step.queue(&recipient);
                let key = QueueKey::Page { page: page.id, round: step.round, step: step.step, recipient };
                all.extend(planned(config, key, &queue, contacts));
            }
            all.extend(planned_fallback(config, page));
        }
        for (incident, occasion, notice) in self.current_notices() {
            let key = |recipient: Recipient| QueueKey::Notice {
                incident: *incident,
                occasion: occasion.clone(),
                recipient,
            };
            all.extend(planned_notice(config, now, (key, occasion != RESOLVED), notice));
        }
        for (maintenance, occasion, notice) in self.maintenance_notices() {
            let key = |recipient: Recipient| QueueKey::Maintenance {
                maintenance: *maintenance,
                occasion: occasion.clone(),
                recipient,
            };
            all.extend(planned_notice(config, now, (key, !is_overrun(occasion)), notice));
        }
        for (occasion, notice) in self.team_notices(context) {
            all.extend(planned_to_team(config, now, QueueKey::Team { occasion: occasion.clone() }, notice));
        }
        all
    }

    /// Notices that are not outdated.
    fn current_notices(&self) -> impl Iterator<Item = (&IncidentId, &String, &Notice)> {
        self.state.incidents.iter().flat_map(|(incident, record)| {
            let current = record.notices.iter().filter(|(occasion, _)| match occasion.as_str() {
                OPENED => !record.ended,
                DRAFTED => !record.ended && record.draft.is_some(),
                hourly if is_hourly(hourly) => !record.ended,
                due if is_update_due(due) => is_current(record, due),
                _ => true,
            });
            current.map(move |(occasion, notice)| (incident, occasion, notice))
        })
    }
}

/// The attempts of the newest fallback step. They continue while the next round begins.
fn planned_fallback(config: &Config, page: &Page) -> Vec<PlannedAttempt> {
    let Some(route) = route_of_page(config, &page.escalation, None) else { return Vec::new() };
    let Some(step) = page.steps.iter().rev().find(|step| step.step >= route.len()) else { return Vec::new() };
    let recipient = Recipient::Fallback;
    let queue = step.queue(&recipient);
    let key = QueueKey::Page { page: page.id, round: step.round, step: step.step, recipient };
    planned(config, key, &queue, &route.escalation.fallback)
}

/// The attempts of a notice. It waits for the waking hours of each person, except that an incident is resolved and that a
/// maintenance takes longer than planned.
fn planned_notice(
    config: &Config,
    now: Time,
    (key, waits): (impl Fn(Recipient) -> QueueKey, bool),
    notice: &Notice,
) -> Vec<PlannedAttempt> {
    let mut all = Vec::new();
    if notice.team {
        all.extend(planned_to_team(config, now, key(Recipient::Team), notice));
        let usable = usable(config, team::contacts(config));
        if waits && !team::is_unreachable(&notice.queue(&Recipient::Team), &usable) {
            // People get it themselves only where the team cannot be reached.
            return all;
        }
    }
    for id in &notice.people {
        let recipient = Recipient::Person(id.clone());
        let person = config.people.get(id);
        let contacts = person.map_or(&[][..], |person| &person.contacts);
        let queue = notice.queue(&recipient);
        let mut attempts = planned(config, key(recipient), &queue, contacts);
        if let Some(person) = person.filter(|_| waits) {
            for planned in &mut attempts {
                planned.attempt.at = awake_from(person, planned.attempt.at.max(now));
            }
        }
        all.extend(attempts);
    }
    let route = notice.fallback.as_ref().and_then(|escalation| route_of_page(config, escalation, None));
    if let Some(route) = route {
        let queue = notice.queue(&Recipient::Fallback);
        all.extend(planned(config, key(Recipient::Fallback), &queue, &route.escalation.fallback));
    }
    all
}

/// The attempts of a notice over the contacts of the team. It waits for the end of the quiet hours.
fn planned_to_team(config: &Config, now: Time, key: QueueKey, notice: &Notice) -> Vec<PlannedAttempt> {
    let queue = notice.queue(&Recipient::Team);
    let mut all = planned(config, key, &queue, team::contacts(config));
    for planned in &mut all {
        planned.attempt.at = team::after_quiet_hours(config, planned.attempt.at.max(now));
    }
    all
}

fn planned(
    config: &Config,
    key: QueueKey,
    queue: &DeliveryQueue,
    contacts: &[Contact],
) -> Vec<PlannedAttempt> {
    let attempts = queue.planned(&usable(config, contacts), key.mode());
    let planned = |attempt: Attempt| {
        let contact = contacts.get(attempt.contact)?.clone();
        Some(PlannedAttempt { queue: key.clone(), contact, attempt })
    };
    attempts.into_iter().filter_map(planned).collect()
}
