//! Keys of delivery queues and attempts: derived from state, so that a repetition after a crash carries the same key
//! (P3).
//!
//! | key | attempt |
//! |---|---|
//! | `page-3/r0/1/ana/0/2` | page 3, first round, second step, Ana, her first contact, third attempt |
//! | `page-3/r3/3/*/0/0` | a fallback contact |
//! | `incident-7/opened/ana/0/0` | a notice |
//! | `incident-7/hour-1/@team/0/0` | a notice to the team, about an incident |
//! | `maintenance-2/reminder/ana/0/0` | a notice about a maintenance |
//! | `team/digest-2026-11-16/0/0` | a notice to the team, about several incidents or none |
//!
//! A retry after a failure is the same attempt with the same key: a provider that accepted the first try without
//! answering does not deliver twice. After an accepted attempt, or after its last retry, the next attempt has a new
//! key.

use super::Mode;
use std::fmt;
use types::{IncidentId, MaintenanceId, NotificationKey, PageId, PersonId};

/// The recipient of a delivery queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// A person on the step.
    Person(PersonId),
    /// The fallback contacts of the escalation, which belong to no person.
    Fallback,
    /// The contacts of the team as a whole.
    Team,
}

/// The team in a key. No person has this name.
const TEAM: &str = "@team";

/// Begin of the keys of notices to the team about several incidents or none.
const TEAM_OWNER: &str = "team";

impl Recipient {
    fn read(text: &str) -> Self {
        match text {
            "*" => Self::Fallback,
            TEAM => Self::Team,
            person => Self::Person(person.into()),
        }
    }

    /// The person, if it is one.
    #[must_use]
    pub fn person(&self) -> Option<&PersonId> {
        match self {
            Self::Person(person) => Some(person),
            Self::Fallback | Self::Team => None,
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => person.fmt(f),
            Self::Fallback => f.write_str("*"),
            Self::Team => f.write_str(TEAM),
        }
    }
}

/// Identifies a delivery queue: a recipient on one step of one round, or a recipient of a notice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QueueKey {
    Page { page: PageId, round: u32, step: u32, recipient: Recipient },
    Notice { incident: IncidentId, occasion: String, recipient: Recipient },
    Maintenance { maintenance: MaintenanceId, occasion: String, recipient: Recipient },
    Team { occasion: String },
}

impl fmt::Display for QueueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page { page, round, step, recipient } => write!(f, "{page}/r{round}/{step}/{recipient}"),
            Self::Notice { incident, occasion, recipient } => write!(f, "{incident}/{occasion}/{recipient}"),
            Self::Maintenance { maintenance, occasion, recipient } => {
                write!(f, "{maintenance}/{occasion}/{recipient}")
            }
            Self::Team { occasion } => write!(f, "{TEAM_OWNER}/{occasion}"),
        }
    }
}

impl QueueKey {
    pub(crate) fn recipient(&self) -> &Recipient {
        match self {
            Self::Page { recipient, .. }
            | Self::Notice { recipient, .. }
            | Self::Maintenance { recipient, .. } => recipient,
            Self::Team { .. } => &Recipient::Team,
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        match self {
            Self::Page { recipient: Recipient::Person(_), .. } => Mode::Page,
            Self::Page { recipient: Recipient::Fallback | Recipient::Team, .. } => Mode::Fallback,
            Self::Notice { recipient: Recipient::Person(_), .. }
            | Self::Maintenance { recipient: Recipient::Person(_), .. } => Mode::Notice,
            Self::Notice { recipient: Recipient::Fallback | Recipient::Team, .. }
            | Self::Maintenance { recipient: Recipient::Fallback | Recipient::Team, .. }
            | Self::Team { .. } => Mode::NoticeToAll,
        }
    }

    /// The common prefix of the keys of all attempts over one contact.
    pub(crate) fn contact(&self, contact: usize) -> NotificationKey {
        NotificationKey(format!("{self}/{contact}"))
    }

    /// The key of one attempt.
    pub(crate) fn attempt(&self, contact: usize, number: u32) -> NotificationKey {
        NotificationKey(format!("{self}/{contact}/{number}"))
    }

    /// Reads the key of an attempt: queue, contact and number. `None` for any other key.
    pub(crate) fn of_attempt(key: &NotificationKey) -> Option<(Self, usize, u32)> {
        let (contact, number) = key.0.rsplit_once('/')?;
        let (queue, contact) = Self::read_contact(contact)?;
        Some((queue, contact, number.parse().ok()?))
    }

    /// Reads the common prefix of the keys of all attempts over one contact.
    pub(crate) fn of_contact(key: &NotificationKey) -> Option<(Self, usize)> {
        Self::read_contact(&key.0)
    }

    fn read_contact(text: &str) -> Option<(Self, usize)> {
        let (queue, contact) = text.rsplit_once('/')?;
        Some((Self::read(queue)?, contact.parse().ok()?))
    }

    /// The recipient is the last part, because the name of a person may contain slashes.
    fn read(text: &str) -> Option<Self> {
        let (owner, rest) = text.split_once('/')?;
        if owner.starts_with("page-") {
            let mut parts = rest.splitn(3, '/');
            let round = parts.next()?.strip_prefix('r')?.parse().ok()?;
            let step = parts.next()?.parse().ok()?;
            let recipient = Recipient::read(parts.next()?);
            Some(Self::Page { page: owner.parse().ok()?, round, step, recipient })
        } else if owner == TEAM_OWNER {
            Some(Self::Team { occasion: rest.to_owned() })
        } else if owner.starts_with("incident-") {
            let (occasion, recipient) = rest.split_once('/')?;
            Some(Self::Notice {
                incident: owner.parse().ok()?,
                occasion: occasion.to_owned(),
                recipient: Recipient::read(recipient),
            })
        } else if owner.starts_with("maintenance-") {
            let (occasion, recipient) = rest.split_once('/')?;
            Some(Self::Maintenance {
                maintenance: owner.parse().ok()?,
                occasion: occasion.to_owned(),
                recipient: Recipient::read(recipient),
            })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_written_keys_are_read() {
        for text in [
            "page-3/r0/1/ana/0/2",
            "page-3/r3/3/*/0/0",
            "incident-7/opened/ana/1/0",
            "incident-7/resolved/*/0/0",
            "page-1/r0/0/odd/name/0/0",
            "maintenance-2/reminder/ana/0/0",
            "incident-7/hour-1/@team/1/0",
            "team/digest-2026-11-16/0/0",
        ] {
            let (queue, contact, number) = QueueKey::of_attempt(&NotificationKey(text.to_owned())).unwrap();
            assert_eq!(queue.attempt(contact, number).0, text);
            assert_eq!(QueueKey::of_contact(&queue.contact(contact)), Some((queue, contact)));
        }
        for text in
            ["", "page", "test/ana/0/0", "page-x/r0/0/ana/0/0", "page-1/0/0/ana/0/0", "page-1/r0/0/ana/0/x"]
        {
            assert_eq!(QueueKey::of_attempt(&NotificationKey(text.to_owned())), None, "{text:?}");
        }
    }
}
