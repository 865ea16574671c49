//! What a running process provides for subscriptions.

use crate::problem::Problem;
use axum::http::StatusCode;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use types::subscription::{SubscriberKind, SubscriberState};
use types::{ServiceId, Subscriber, SubscriberId};

/// What a running process provides for subscriptions. Every method may wait for the disk.
pub trait Subscriptions: fmt::Debug + Send + Sync {
    /// Records the request of a visitor, and sends a mail to the address. Says nothing about whether it was known.
    ///
    /// # Errors
    /// See [`SubscriptionsError`].
    fn request(
        &self,
        address: &str,
        components: &BTreeSet<ServiceId>,
        client: IpAddr,
    ) -> Result<(), SubscriptionsError>;

    /// Confirms a subscription; `None` when there is none.
    ///
    /// # Errors
    /// See [`SubscriptionsError`].
    fn confirm(&self, id: SubscriberId) -> Result<Option<Subscriber>, SubscriptionsError>;

    /// Returns a subscriber.
    ///
    /// # Errors
    /// See [`SubscriptionsError`].
    fn subscriber(&self, id: SubscriberId) -> Result<Option<Subscriber>, SubscriptionsError>;

    /// Changes the components of a subscription; `false` when there is none.
    ///
    /// # Errors
    /// See [`SubscriptionsError`].
    fn change(&self, id: SubscriberId, components: &BTreeSet<ServiceId>) -> Result<bool, SubscriptionsError>;

    /// Deletes a subscriber; `false` when there is none.
    ///
    /// # Errors
    /// See [`SubscriptionsError`].
    fn remove(&self, id: SubscriberId) -> Result<bool, SubscriptionsError>;

    /// Adds subscribers of the team, all or none.
    ///
    /// # Errors
    /// See [`SubscriptionsError`].
    fn add(&self, new: Vec<NewSubscriber>) -> Result<Vec<AddedSubscriber>, SubscriptionsError>;

    /// Returns the subscribers after a number, at most `max`.
    ///
    /// # Errors
    /// See [`SubscriptionsError`].
    fn page(&self, after: SubscriberId, max: usize) -> Result<Vec<Subscriber>, SubscriptionsError>;

    /// Returns the newest counts. Does not wait.
    fn counts(&self) -> SubscriptionCounts;
}

/// A subscriber that the team adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscriber {
    /// How it gets updates.
    pub kind: SubscriberKind,
    /// E-mail address or URL.
    pub address: String,
    /// Its components; empty means all.
    pub components: BTreeSet<ServiceId>,
}

/// A subscriber that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedSubscriber {
    /// Its number.
    pub id: SubscriberId,
    /// Whether its address was not there before.
    pub is_new: bool,
    /// Key that signs the updates to a webhook.
    pub secret: Option<String>,
}

/// Counts for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionCounts {
    /// Subscribers by kind and state.
    pub subscribers: Vec<(SubscriberKind, SubscriberState, u64)>,
    /// Messages about recent updates by progress.
    pub messages: Vec<(&'static str, u64)>,
}

/// A request about subscribers failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionsError {
    /// The request cannot be fulfilled as it is.
    #[error("{0}")]
    Invalid(String),
    /// The file of subscribers cannot be read or written.
    #[error("{0}")]
    Unavailable(String),
}

impl From<SubscriptionsError> for Problem {
    fn from(error: SubscriptionsError) -> Self {
        match error {
            SubscriptionsError::Invalid(detail) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Correct the request, and send it again.")
            }
            SubscriptionsError::Unavailable(why) => {
                tracing::warn!(%why, "subscribers cannot be read or written");
                let detail = "Subscriptions are not available right now.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail, "Try again in a few minutes.")
            }
        }
    }
}
