//! Notices: messages to the team that wake no one.

use crate::queue::{DeliveryQueue, Recipient};
use std::collections::{BTreeMap, BTreeSet};
use types::{AlertId, EscalationId, EventKind, MaintenanceId, PersonId, Time};

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

/// Begin of the occasion of a digest; its local date follows.
pub(crate) const DIGEST: &str = "digest-";

/// Begin of the occasion of a notice about alerts; the number of the first one follows.
pub(crate) const ALERTS: &str = "alerts-";

/// Whether an occasion is that of a digest.
pub(crate) fn is_digest(occasion: &str) -> bool {
    occasion.starts_with(DIGEST)
}

/// A notice that must be delivered to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) queued: Time,
    pub(crate) people: Vec<PersonId>,
    /// The escalation whose fallback contacts receive it too.
    pub(crate) fallback: Option<EscalationId>,
    /// Whether the team as a whole receives it.
    pub(crate) team: bool,
    pub(crate) queues: BTreeMap<Recipient, DeliveryQueue>,
}

impl Notice {
    /// A notice to the team and to no single person.
    pub(crate) fn to_team(queued: Time) -> Self {
        Self { queued, people: Vec::new(), fallback: None, team: true, queues: BTreeMap::new() }
    }

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

/// A notice to the team about several incidents or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TeamNotice {
    pub(crate) notice: Notice,
    /// Position in the journal: occasions are not in the order of time.
    pub(crate) seq: u64,
    pub(crate) since: Time,
    pub(crate) until: Time,
    /// The alerts that it is about; empty for a digest.
    pub(crate) alerts: BTreeSet<AlertId>,
}

/// Such notices of the last days, by occasion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TeamNotices(BTreeMap<String, TeamNotice>);

/// Notices of each kind that are kept: digests of a week and more, so that none is repeated after a step of the clock.
const TEAM_NOTICES_MAX: usize = 10;

impl TeamNotices {
    pub(crate) fn queue(&mut self, occasion: &str, notice: TeamNotice) {
        let is_same_kind = |other: &str| is_digest(other) == is_digest(occasion);
        self.0.insert(occasion.to_owned(), notice);
        while self.0.keys().filter(|other| is_same_kind(other)).count() > TEAM_NOTICES_MAX {
            let same_kind = self.0.iter().filter(|(other, _)| is_same_kind(other));
            let oldest = same_kind.min_by_key(|(_, notice)| notice.seq).map(|(other, _)| other.clone());
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &TeamNotice)> {
        self.0.iter()
    }

    pub(crate) fn get(&self, occasion: &str) -> Option<&TeamNotice> {
        self.0.get(occasion)
    }

    pub(crate) fn get_mut(&mut self, occasion: &str) -> Option<&mut TeamNotice> {
        self.0.get_mut(occasion)
    }

    pub(crate) fn newest_digest(&self) -> Option<&str> {
        self.newest(true).map(|(occasion, _)| occasion.as_str())
    }

    /// When the newest notice about alerts was queued.
    pub(crate) fn last_alerts(&self) -> Option<Time> {
        self.newest(false).map(|(_, newest)| newest.notice.queued)
    }

    fn newest(&self, digest: bool) -> Option<(&String, &TeamNotice)> {
        let same_kind = self.0.iter().filter(|(occasion, _)| is_digest(occasion) == digest);
        same_kind.max_by_key(|(_, notice)| notice.seq)
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
