//! Configurations: from text, or part by part.

use crate::time::secs;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use types::config::{
    Channel, ChannelKind, Config, Dns, Escalation, Expect, Layer, Person, Probe, ProbeKind, Registry,
    Schedule, Service, Site, StatusPage,
};
use types::notification::Contact;
use types::{Graph, Resource, Severity};

/// Reads a configuration; its problems fail the test.
#[must_use]
#[track_caller]
pub fn read(text: &str) -> Config {
    config::read(text, "mainstay.toml", Path::new("/")).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// A configuration of Acme, in UTC, with the escalation `default` without steps, and nothing else.
#[must_use]
pub fn empty() -> Config {
    let escalation = Escalation { id: "default".into(), steps: Vec::new(), repeat: 0, fallback: Vec::new() };
    Config {
        digest: String::new(),
        site: Site {
            name: "Acme".to_owned(),
            timezone: TimeZone::UTC,
            data: "data".into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            url: "https://status.acme.net".to_owned(),
            extra_ca_files: Vec::new(),
            allow_private: Vec::new(),
            dead_mans_switch: None,
        },
        dns: Dns { resolvers: Vec::new(), roots: Vec::new(), port: 53 },
        registry: Registry::default(),
        services: Default::default(),
        probes: Default::default(),
        domains: Default::default(),
        databases: Default::default(),
        people: Default::default(),
        schedules: Default::default(),
        escalations: [(escalation.id.clone(), escalation)].into(),
        channels: Default::default(),
        notices: None,
        edge: None,
        pools: Default::default(),
        external_pools: Default::default(),
        loads: Default::default(),
        locations: Default::default(),
        heartbeats: Default::default(),
        maintenances: Default::default(),
        callers: Default::default(),
        sources: Default::default(),
        audit: types::audit::AuditSettings::default(),
        status_page: StatusPage {
            title: "Acme status".to_owned(),
            history_days: 90,
            response_times: true,
            ..StatusPage::default()
        },
        graph: Graph::default(),
    }
}

/// A public service without hosts, named like its id.
#[must_use]
pub fn service(id: &str) -> Service {
    Service {
        id: id.into(),
        title: id.to_owned(),
        group: None,
        hosts: Vec::new(),
        declared_hosts: Vec::new(),
        depends_on: BTreeSet::new(),
        schedule: None,
        escalation: "default".into(),
        public: true,
        traffic: None,
        runbook: None,
    }
}

/// A probe named after its resource, with the defaults: every 30 s, timeout 5 s, 3 failures, 2 successes.
#[must_use]
pub fn probe(about: Resource, kind: ProbeKind) -> Probe {
    Probe {
        id: about.to_string().as_str().into(),
        about,
        kind,
        interval: secs(30),
        timeout: secs(5),
        failure_threshold: 3,
        success_threshold: 2,
        failing_for: Duration::ZERO,
        severity: Severity::Critical,
    }
}

/// A GET request with the default expectations.
#[must_use]
pub fn get(url: impl Into<String>) -> ProbeKind {
    get_expecting(url, Expect::default())
}

/// A GET request with these expectations.
#[must_use]
pub fn get_expecting(url: impl Into<String>, expect: Expect) -> ProbeKind {
    ProbeKind::Http { url: url.into(), request: Box::default(), expect }
}

/// A person with contacts written `channel:address`.
#[must_use]
pub fn person(id: &str, timezone: TimeZone, contacts: &[&str]) -> Person {
    Person {
        id: id.into(),
        name: id.to_owned(),
        timezone,
        waking_hours: None,
        contacts: contacts.iter().map(|text| contact(text)).collect(),
    }
}

/// A schedule without overrides and time off.
#[must_use]
pub fn schedule(id: &str, timezone: TimeZone, layers: Vec<Layer>) -> Schedule {
    Schedule { id: id.into(), timezone, layers, overrides: Vec::new(), away: Default::default() }
}

/// A contact, written `channel:address`.
#[must_use]
pub fn contact(text: &str) -> Contact {
    let (channel, address) = text.split_once(':').unwrap();
    Contact { channel: channel.into(), address: address.to_owned() }
}

/// A channel without a secret.
#[must_use]
pub fn channel(id: &str, kind: ChannelKind) -> Channel {
    Channel { id: id.into(), kind, secret: None, accepted_when: None }
}

/// Adds what a host depends on, as the reader derives it: the service on the host, the host on its certificate and
/// domain.
pub fn add_host(graph: &mut Graph, service: &str, host: &str, domain: &str) {
    graph.add_dependency(Resource::service(service), Resource::host(host));
    graph.add_dependency(Resource::host(host), Resource::tls(host));
    graph.add_dependency(Resource::host(host), Resource::dns(domain));
    graph.add_dependency(Resource::tls(host), Resource::dns(domain));
    graph.add_dependency(Resource::dns(domain), Resource::domain(domain));
}

/// The four probes of a host: its pages, its certificate, its zone and its registration.
#[must_use]
pub fn probes_of(host: &str, domain: &str) -> [Probe; 4] {
    [
        probe(Resource::host(host), get(format!("https://{host}/"))),
        probe(Resource::tls(host), ProbeKind::Tls { host: host.to_owned(), port: 443 }),
        probe(Resource::dns(domain), ProbeKind::Dns { zone: domain.to_owned(), names: Vec::new() }),
        probe(Resource::domain(domain), ProbeKind::Domain { name: domain.to_owned() }),
    ]
}
