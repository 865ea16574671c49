//! Signed links in mails to subscribers.

use crate::problem::Problem;
use crate::state::WebState;
use axum::http::StatusCode;
use tokens::{Key, TokenError};
use types::{SubscriberId, Time};

/// Purpose of tokens that confirm a subscription. Their text is the number of the subscriber.
const CONFIRM: &str = "subscription-confirm";
/// Purpose of tokens that change and end a subscription.
const MANAGE: &str = "subscription";

/// The link that confirms a subscription.
#[must_use]
pub fn confirm_link(key: &Key, url: &str, id: SubscriberId, until: Time) -> String {
    format!("{url}/subscriptions/confirm/{}", key.sign(CONFIRM, &id.to_string(), until))
}

/// The link that changes a subscription.
#[must_use]
pub fn manage_link(key: &Key, url: &str, id: SubscriberId, until: Time) -> String {
    format!("{url}{}", manage_path(key, id, until))
}

/// The link that ends a subscription.
#[must_use]
pub fn unsubscribe_link(key: &Key, url: &str, id: SubscriberId, until: Time) -> String {
    format!("{url}{}/unsubscribe", manage_path(key, id, until))
}

/// The path of the page that changes a subscription.
pub(super) fn manage_path(key: &Key, id: SubscriberId, until: Time) -> String {
    format!("/subscriptions/{}", key.sign(MANAGE, &id.to_string(), until))
}

pub(super) fn opened_confirm(state: &WebState, token: &str) -> Result<SubscriberId, Problem> {
    open(state, CONFIRM, token)
}

pub(super) fn opened_manage(state: &WebState, token: &str) -> Result<SubscriberId, Problem> {
    open(state, MANAGE, token)
}

fn open(state: &WebState, purpose: &str, token: &str) -> Result<SubscriberId, Problem> {
    let hint = "Subscribe again on the status page: the new mail has new links.";
    let text = state.verified(purpose, token, hint)?;
    let invalid = |_| Problem::new(StatusCode::FORBIDDEN, TokenError::Invalid.to_string(), hint);
    text.parse().map(SubscriberId).map_err(invalid)
}
