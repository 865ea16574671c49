//! The notifier with real servers on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers may panic")]

mod fake_provider;
mod hostile;
mod queues;
mod requests;
mod responses;
mod safety;
mod smtp;

use testkit::config::{channel, empty};
use tokens::Key;
use types::config::{Channel, ChannelKind, SecretRef};
use types::notification::{Contact, Notification, Urgency};
use types::{Config, IncidentId, NotificationKey, PageId, Time};

/// The clock of all notifiers in these tests.
fn noon() -> Time {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn key() -> Key {
    Key::new([7; 32])
}

/// A configuration with one channel of each kind at an address, and secrets that Cargo sets for its tests.
fn config(ntfy: &str, webhook: &str, secret: Option<SecretRef>) -> Config {
    let channels = [
        channel("ntfy", ChannelKind::Ntfy { url: ntfy.to_owned() }),
        channel("hook", ChannelKind::Webhook { url: webhook.to_owned() }),
    ];
    let with_secret = |channel: Channel| Channel { secret: secret.clone(), ..channel };
    Config { channels: channels.map(|channel| (channel.id.clone(), with_secret(channel))).into(), ..empty() }
}

/// A secret whose text is `mainstay-notify`.
fn secret() -> SecretRef {
    SecretRef::Env("CARGO_PKG_NAME".to_owned())
}

fn page(channel: &str) -> Notification {
    Notification {
        key: NotificationKey(format!("page-3/0/0/ana/{channel}/1")),
        page: Some(PageId(3)),
        incident: Some(IncidentId(7)),
        person: Some("ana".into()),
        contact: Contact { channel: channel.into(), address: "ana".to_owned() },
        urgency: Urgency::Page,
        title: "Sign-in: acme.app abgelaufen 🔔".to_owned(),
        body: "acme.app expired at 15:28; 41 names fail because of it.".to_owned(),
    }
}
