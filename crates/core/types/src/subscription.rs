//! Subscribers of the status page, and the updates that they get.

use crate::event::{ServiceState, UpdateStatus};
use crate::maintenance::MaintenanceState;
use crate::{IncidentId, MaintenanceId, ServiceId, Time, UpdateId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Maximum length of an e-mail address (RFC 5321, section 4.5.3.1.3).
const ADDRESS_MAX: usize = 254;
/// Maximum length of its part before the `@` (RFC 5321, section 4.5.3.1.1).
const LOCAL_MAX: usize = 64;

/// Number of a subscriber. The number of one that was removed is not given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriberId(pub i64);

impl fmt::Display for SubscriberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A person or program that gets the updates of the status page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Its number.
    pub id: SubscriberId,
    /// How it gets updates.
    pub kind: SubscriberKind,
    /// E-mail address, or URL.
    pub address: String,
    /// The services whose updates it gets; empty means all.
    pub components: BTreeSet<ServiceId>,
    /// Whether it gets updates.
    pub state: SubscriberState,
    /// Time of its first request.
    pub since: Time,
    /// Permanent failures without a success in between.
    pub failures: u32,
}

/// How a subscriber gets updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriberKind {
    /// E-mail.
    Mail,
    /// A POST with JSON.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Microsoft Teams that takes an adaptive card.
    Teams,
}

impl SubscriberKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Webhook, Self::Slack, Self::Teams];

    /// Its name in commands and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whether a subscriber gets updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriberState {
    /// Not yet: its address is not confirmed.
    Pending,
    /// Yes.
    Confirmed,
    /// No longer: its address was refused several times.
    Paused,
}

impl SubscriberState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Confirmed, Self::Paused];

    /// Its name in JSON and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Paused => "paused",
        }
    }
}

/// An update as subscribers get it: words and states of the status page, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicUpdate {
    /// Its number.
    pub id: UpdateId,
    /// What it is about.
    #[serde(flatten)]
    pub about: UpdateSubject,
    /// Time of its publication.
    pub at: Time,
    /// Status of what it is about.
    pub status: SubjectStatus,
    /// Title of what it is about.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Affected services, with their titles and their states as of this update; no state before and after a maintenance.
    pub affected: Vec<(ServiceId, String, Option<ServiceState>)>,
    /// Services that this or an earlier update of the same affects: who got the first update gets the last one too.
    pub concerned: BTreeSet<ServiceId>,
    /// Earlier updates of the same, newest first, at most [`EARLIER_MAX`]: a subscriber who may have missed one gets it
    /// with this one.
    pub earlier: Vec<EarlierUpdate>,
}

/// What an update is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateSubject {
    /// An incident.
    Incident(IncidentId),
    /// A scheduled maintenance.
    Maintenance(MaintenanceId),
}

impl fmt::Display for UpdateSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident(incident) => incident.fmt(f),
            Self::Maintenance(maintenance) => maintenance.fmt(f),
        }
    }
}

/// Status of what an update is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SubjectStatus {
    /// Of an incident.
    Incident(UpdateStatus),
    /// Of a maintenance.
    Maintenance(MaintenanceState),
}

impl SubjectStatus {
    /// Its name at the beginning of a message: `Investigating`, `Maintenance scheduled`.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::Incident(status) => status.title().to_owned(),
            Self::Maintenance(state) => format!("Maintenance {}", state.title().to_lowercase()),
        }
    }

    /// Whether nothing more is to be expected.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Incident(status) => status == UpdateStatus::Resolved,
            Self::Maintenance(state) => {
                matches!(state, MaintenanceState::Completed | MaintenanceState::Cancelled)
            }
        }
    }
}

/// Earlier updates that an update carries.
pub const EARLIER_MAX: usize = 10;

/// An earlier update about the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierUpdate {
    /// Its number.
    pub id: UpdateId,
    /// Time of its publication.
    pub at: Time,
    /// Status as of this update.
    pub status: SubjectStatus,
    /// Its text.
    pub body: String,
}

/// Whether a text is an e-mail address that any mail server takes: ASCII, `local@domain.tld`, without quotes or comments.
#[must_use]
pub fn is_mail_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let dots = |part: &str| part.starts_with('.') || part.ends_with('.') || part.contains("..");
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= ADDRESS_MAX
        && (1..=LOCAL_MAX).contains(&local.len())
        && local.chars().all(atom)
        && !dots(local)
        && domain.contains('.')
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses() {
        for (text, is_one) in [
            ("ana@acme.com", true),
            ("ana.b+status@mail.acme.co.uk", true),
            ("o'neil@acme.com", true),
            ("ana@acme", false),
            ("@acme.com", false),
            ("ana@", false),
            ("ana@@acme.com", false),
            ("ana@acme.com\r\nBcc: x@y.com", false),
            ("ana@acme.com, ben@acme.com", false),
            ("ana <ana@acme.com>", false),
            (".ana@acme.com", false),
            ("a..b@acme.com", false),
            ("\"a b\"@acme.com", false),
            ("ana@-acme.com", false),
            ("ana@[127.0.0.1]", false),
            ("änä@acme.com", false),
            ("ana@münchen.de", false),
        ] {
            assert_eq!(is_mail_address(text), is_one, "{text:?}");
        }
        assert!(!is_mail_address(&format!("{}@acme.com", "a".repeat(65))));
    }
}
