//! What we owe to people, and how it went. Derived from state, so that a crash cannot lose one.

use crate::{ChannelId, IncidentId, PageId, PersonId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Names one attempt for ever: a repetition after a crash carries the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationKey(pub String);

impl fmt::Display for NotificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message to one person over one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its idempotency key.
    pub key: NotificationKey,
    /// The page that it belongs to; `None` for a notice that wakes nobody.
    pub page: Option<PageId>,
    /// The incident that it is about; `None` for a test.
    pub incident: Option<IncidentId>,
    /// Whom it is for; `None` for the last resort, which is a number and not a person.
    pub person: Option<PersonId>,
    /// Over which channel, to which address there.
    pub reach: Reach,
    /// How loud.
    pub urgency: Urgency,
    /// First line.
    pub title: String,
    /// The rest.
    pub body: String,
}

/// An address on a channel: `ntfy:ana`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reach {
    /// The channel.
    pub channel: ChannelId,
    /// The address on it, in the channel's own spelling; may be empty for a webhook.
    pub address: String,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.address)
    }
}

/// How loud a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// To be read some time.
    Notice,
    /// To wake somebody; offers an acknowledgement.
    Page,
}

/// How an attempt went. It quotes the effect that it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The effect that it answers.
    pub key: NotificationKey,
    /// What the provider said.
    pub result: Result<Delivered, Undelivered>,
}

/// The provider accepted it. This is not an answer: a human has not been heard (P6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The provider's own id for it, where it gives one.
    pub receipt: Option<String>,
}

/// The provider did not accept it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// What it said, without secrets.
    pub why: String,
    /// Whether the same attempt may ever succeed. A refused token will not.
    pub retriable: bool,
    /// How long the provider asked us to wait.
    pub retry_after: Option<Duration>,
}
