//! Notices: messages to the team that wake no one.

use crate::queue::{DeliveryQueue, Recipient};
use std::collections::BTreeMap;
use types::{EscalationId, EventKind, MaintenanceId, PersonId, Time};

/// An incident that pages no one was opened.
pub(crate) const OPENED: &str = "opened";

/// The incident was resolved; for everybody who was paged.
pub(crate) const RESOLVED: &str = "resolved";

/// An incident ended before any page about it was delivered.
pub(crate) const MISSED: &str = "missed";

/// A draft update of the status page waits for review.
pub(crate) const DRAFTED: &str = "drafted";

/// An incident is still open: a line to the team each hour, named by the hour.
const HOURLY: &str = "hour-";

/// The last hour with such a line: an incident that is open for days has become known.
pub(crate) const HOURS_MAX: u64 = 24;

/// The occasion of the line of an hour, counted from the opening.
pub(crate) fn hourly(hour: u64) -> String {
    format!("{HOURLY}{hour}")
}

/// Whether an occasion is the line of an hour.
pub(crate) fn is_hourly(occasion: &str) -> bool {
    occasion.starts_with(HOURLY)
}

/// A maintenance starts soon.
pub(crate) const REMINDER: &str = "reminder-";

/// The planned end of a maintenance has passed, and something of it still fails.
pub(crate) const OVERRAN: &str = "overran-";

/// Whether an occasion is that of a maintenance that takes longer than planned.
pub(crate) fn is_overrun(occasion: &str) -> bool {
    occasion.starts_with(OVERRAN)
}

/// A notice that must be delivered to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) queued: Time,
    pub(crate) people: Vec<PersonId>,
    /// The escalation whose fallback contacts receive it too.
    pub(crate) fallback: Option<EscalationId>,
    pub(crate) queues: BTreeMap<Recipient, DeliveryQueue>,
}

impl Notice {
    pub(crate) fn queue(&self, recipient: &Recipient) -> DeliveryQueue {
        self.queues.get(recipient).cloned().unwrap_or_else(|| DeliveryQueue::new(self.queued))
    }

    pub(crate) fn queue_mut(&mut self, recipient: &Recipient) -> &mut DeliveryQueue {
        self.queues.entry(recipient.clone()).or_insert_with(|| DeliveryQueue::new(self.queued))
    }

    /// Whether a person is a recipient and no provider has accepted it for them yet.
    pub(crate) fn is_pending(&self, person: &PersonId) -> bool {
        let queue = self.queues.get(&Recipient::Person(person.clone()));
        self.people.contains(person) && queue.is_none_or(|queue| queue.accepted() == 0)
    }
}

/// Takes the recipients of notices that are outdated after an event: a notice without a recipient is never sent, and the
/// same notice is not queued again.
pub(crate) fn drop_outdated(
    notices: &mut BTreeMap<MaintenanceId, BTreeMap<String, Notice>>,
    kind: &EventKind,
) {
    let is_outdated: Box<dyn Fn(&str) -> bool>;
    let id = match kind {
        EventKind::MaintenanceScheduled { maintenance, .. } => {
            let reminder = format!("{REMINDER}{}", maintenance.from.as_second());
            let overran = format!("{OVERRAN}{}", maintenance.to.as_second());
            is_outdated = Box::new(move |occasion| occasion != reminder && occasion != overran);
            maintenance.id
        }
        EventKind::MaintenanceStarted { maintenance } => {
            is_outdated = Box::new(|occasion| !is_overrun(occasion));
            *maintenance
        }
        EventKind::MaintenanceEnded { maintenance, .. } => {
            is_outdated = Box::new(|_| true);
            *maintenance
        }
        _ => return,
    };
    let known = notices.get_mut(&id).into_iter().flatten();
    known.filter(|(occasion, _)| is_outdated(occasion)).for_each(|(_, notice)| notice.people.clear());
}
