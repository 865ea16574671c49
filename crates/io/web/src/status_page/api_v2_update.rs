//! Updates of incidents and maintenances in the Statuspage API, version 2.

use crate::design::text::iso;
use serde::Serialize;
use types::Time;

/// One update, with a status of incidents or of maintenances.
#[derive(Serialize)]
pub(super) struct Update<'a, S> {
    id: String,
    status: S,
    body: &'a str,
    incident_id: String,
    created_at: String,
    updated_at: String,
    display_at: String,
    pub(super) affected_components: Option<Vec<Affected<'a>>>,
    deliver_notifications: bool,
    custom_tweet: Option<()>,
    tweet_id: Option<()>,
}

/// A component whose status changed with an update.
#[derive(Serialize)]
pub(super) struct Affected<'a> {
    pub(super) code: &'a str,
    pub(super) name: &'a str,
    pub(super) old_status: &'static str,
    pub(super) new_status: &'static str,
}

impl<'a, S> Update<'a, S> {
    /// An update without affected components.
    pub(super) fn new(id: String, status: S, body: &'a str, incident_id: String, at: Time) -> Self {
        Self {
            id,
            status,
            body,
            incident_id,
            created_at: iso(at),
            updated_at: iso(at),
            display_at: iso(at),
            affected_components: None,
            deliver_notifications: true,
            custom_tweet: None,
            tweet_id: None,
        }
    }
}
