//! Attempts that ended: delivery results, and attempts without one.

use super::due::SENDS_MAX;
use crate::OnCall;
use crate::escalation::route_of_page;
use crate::notice::MISSED;
use crate::queue::{Mode, NOTICE_ATTEMPTS_MAX, QueueKey, Recipient};
use crate::team;
use types::notification::{Contact, Undelivered};
use types::{Config, Context, Delivery, EventKind, Events, Time};

/// A notice about a missed incident is abandoned over a contact after this many attempts, which takes about a week. The
/// console still shows the incident.
const MISSED_ATTEMPTS_MAX: u32 = 170;

impl OnCall {
    /// Adds the events that follow from a delivery result. A repeated result, or one for a key of another component, has
    /// none.
    pub fn attempted(&mut self, context: &Context<'_>, delivery: &Delivery, events: &mut Events) {
        let Some((queue, contact, number)) = QueueKey::of_attempt(&delivery.key) else { return };
        let in_flight = self.volatile.in_flight.remove(&delivery.key);
        let next = self.state.next_attempt(&queue, contact);
        let is_next = next == Some(number);
        let ended = self.state.ended_attempts(&queue, contact);
        // A retry has the same key: a failure without an attempt in flight is a repeated result.
        if is_next && in_flight.is_none() && delivery.result.is_err() && ended > 0 {
            return;
        }
        // A result for a page that was closed meanwhile is recorded: a person was woken.
        if !is_next && (next.is_some() || in_flight.is_none()) {
            return;
        }
        let page = match &queue {
            QueueKey::Page { page, .. } => Some(*page),
            QueueKey::Notice { .. } | QueueKey::Maintenance { .. } | QueueKey::Team { .. } => None,
        };
        let person = queue.recipient().person().cloned();
        let used = in_flight.map(|attempt| attempt.contact);
        let Some(used) = used.or_else(|| self.contact(context.config, &queue, contact)) else { return };
        events.push(EventKind::AttemptEnded { page, contact: used, person, delivery: delivery.clone() });
        if is_next
            && let Err(undelivered) = &delivery.result
            && is_pointless(&queue, ended, undelivered)
        {
            events.push(EventKind::AttemptsAbandoned {
                key: queue.contact(contact),
                why: undelivered.why.clone(),
            });
        }
    }

    /// Ends the attempts that were sent [`SENDS_MAX`] times without a delivery result, so that the next contact is
    /// tried.
    pub(crate) fn lost(&mut self, now: Time) -> Events {
        let mut events = Vec::new();
        let state = &self.state;
        self.volatile.in_flight.retain(|key, attempt| {
            let is_next = QueueKey::of_attempt(key)
                .is_some_and(|(queue, contact, number)| state.next_attempt(&queue, contact) == Some(number));
            if attempt.is_overdue(now) && is_next && attempt.sends >= SENDS_MAX {
                let why = "no delivery result was reported".to_owned();
                let result = Err(Undelivered { why, retriable: true, retry_after: None });
                events.push(EventKind::AttemptEnded {
                    page: attempt.page,
                    contact: attempt.contact.clone(),
                    person: attempt.person.clone(),
                    delivery: Delivery { key: key.clone(), result },
                });
            }
            is_next || !attempt.is_overdue(now)
        });
        events
    }

    fn contact(&self, config: &Config, queue: &QueueKey, contact: usize) -> Option<Contact> {
        let escalation = match queue {
            QueueKey::Page { recipient: Recipient::Person(person), .. }
            | QueueKey::Notice { recipient: Recipient::Person(person), .. }
            | QueueKey::Maintenance { recipient: Recipient::Person(person), .. } => {
                return config.people.get(person)?.contacts.get(contact).cloned();
            }
            QueueKey::Team { .. } | QueueKey::Notice { recipient: Recipient::Team, .. } => {
                return team::contacts(config).get(contact).cloned();
            }
            QueueKey::Maintenance { .. } | QueueKey::Page { recipient: Recipient::Team, .. } => return None,
            QueueKey::Notice { incident, occasion, recipient: Recipient::Fallback } => {
                self.state.incidents.get(incident)?.notices.get(occasion)?.fallback.as_ref()?
            }
            QueueKey::Page { page, recipient: Recipient::Fallback, .. } => {
                &self.state.pages.get(page)?.escalation
            }
        };
        route_of_page(config, escalation, None)?.escalation.fallback.get(contact).cloned()
    }
}

/// Whether a contact is abandoned after this failure and `ended` earlier attempts. A fallback contact never is. A
/// notice about a missed incident waits until the provider works again, even after a rejection.
fn is_pointless(queue: &QueueKey, ended: u32, undelivered: &Undelivered) -> bool {
    let is_missed = matches!(queue, QueueKey::Notice { occasion, .. } if occasion == MISSED);
    match queue.mode() {
        Mode::Page => !undelivered.retriable,
        Mode::Fallback => false,
        Mode::Notice | Mode::NoticeToAll if is_missed => ended >= MISSED_ATTEMPTS_MAX,
        Mode::Notice | Mode::NoticeToAll => !undelivered.retriable || ended + 1 >= NOTICE_ATTEMPTS_MAX,
    }
}
