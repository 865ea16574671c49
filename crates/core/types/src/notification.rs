//! Messages to people and their delivery results. Notifications are derived from state, so that a crash cannot lose
//! one.

use crate::{ChannelId, IncidentId, PageId, PersonId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Idempotency key of one attempt: a repetition after a crash carries the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationKey(pub String);

impl NotificationKey {
    /// Begin of the keys of test pages.
    pub const TEST: &str = "test/";
}

impl fmt::Display for NotificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message to one recipient over one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its idempotency key.
    pub key: NotificationKey,
    /// The page that it belongs to; `None` for a notice and for a test.
    pub page: Option<PageId>,
    /// The incident that it is about; `None` for a test, and for a notice about several or none.
    pub incident: Option<IncidentId>,
    /// The recipient; `None` for a fallback contact and for the team, which are no person.
    pub person: Option<PersonId>,
    /// The contact that it goes to.
    pub contact: Contact,
    /// Whether it wakes its reader.
    pub urgency: Urgency,
    /// First line.
    pub title: String,
    /// The text after the title.
    pub body: String,
}

/// A contact method: a channel and an address on it, written `ntfy:ana`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Contact {
    /// The channel.
    pub channel: ChannelId,
    /// The address, in the channel's own format; may be empty for a webhook.
    pub address: String,
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.address)
    }
}

/// Urgency of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Read when convenient, and shown without a sound: a notice to the team as a whole.
    Quiet,
    /// Read when convenient.
    Notice,
    /// Wakes its reader and offers an acknowledgement.
    Page,
}

/// The result of one attempt to deliver a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The key of the notification.
    pub key: NotificationKey,
    /// The provider's answer.
    pub result: Result<Delivered, Undelivered>,
}

/// The provider accepted the notification. This is not an acknowledgement: no human has answered (P6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The provider's own id for the message, if it returned one.
    pub receipt: Option<String>,
}

/// The provider did not accept the notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// The reason, without secrets.
    pub why: String,
    /// Whether the same attempt may succeed later. A rejected token will not.
    pub retriable: bool,
    /// The delay that the provider asked for (`Retry-After`).
    pub retry_after: Option<Duration>,
}
