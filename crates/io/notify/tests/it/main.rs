//! The notifier with real servers on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers may panic")]

mod fake_provider;
mod hostile;
mod queues;
mod requests;
mod responses;
mod safety;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use tokens::Key;
use types::config::{Channel, ChannelKind, Dns, Registry, SecretRef, Site, StatusPage};
use types::notification::{Contact, Notification, Urgency};
use types::{Config, Graph, IncidentId, NotificationKey, PageId, Time};

/// The clock of all notifiers in these tests.
fn noon() -> Time {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn key() -> Key {
    Key::new([7; 32])
}

/// A configuration with one channel of each kind at an address, and secrets that Cargo sets for its tests.
fn config(ntfy: &str, webhook: &str, secret: Option<SecretRef>) -> Config {
    let channel = |id: &str, kind| {
        (id.into(), Channel { id: id.into(), kind, secret: secret.clone(), accepted_when: None })
    };
    Config {
        digest: String::new(),
        site: Site {
            name: "Acme".to_owned(),
            timezone: jiff::tz::TimeZone::UTC,
            data: "unused".into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            url: "https://status.acme.net".to_owned(),
            extra_ca_files: vec![],
            allow_private: vec![],
        },
        dns: Dns { resolvers: vec![], roots: vec![], port: 53 },
        registry: Registry::default(),
        services: BTreeMap::new(),
        probes: BTreeMap::new(),
        domains: BTreeMap::new(),
        people: BTreeMap::new(),
        schedules: BTreeMap::new(),
        escalations: BTreeMap::new(),
        channels: BTreeMap::from([
            channel("ntfy", ChannelKind::Ntfy { url: ntfy.to_owned() }),
            channel("hook", ChannelKind::Webhook { url: webhook.to_owned() }),
        ]),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        status_page: StatusPage {
            title: "Acme status".to_owned(),
            history_days: 90,
            ..StatusPage::default()
        },
        graph: Graph::default(),
    }
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
