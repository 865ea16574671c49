//! The smallest configuration there is, for tests to add probes to.

use std::collections::BTreeMap;
use std::time::Duration;
use types::config::{Config, Dns, Escalation, Expect, Probe, ProbeKind, Registry, Site, StatusPage};
use types::{EscalationId, ProbeId, Resource};

/// A configuration that allows loopback and asks nothing.
pub(crate) fn bare() -> Config {
    let escalation = EscalationId::from("default");
    Config {
        digest: String::new(),
        site: Site {
            name: "Acme".to_owned(),
            timezone: jiff::tz::TimeZone::UTC,
            data: "data".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            url: "https://status.acme.net".to_owned(),
            extra_ca_files: Vec::new(),
            allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        },
        dns: Dns { resolvers: Vec::new(), roots: Vec::new(), port: 53 },
        registry: Registry::default(),
        services: BTreeMap::new(),
        probes: BTreeMap::new(),
        domains: BTreeMap::new(),
        people: BTreeMap::new(),
        schedules: BTreeMap::new(),
        escalations: BTreeMap::from([(
            escalation.clone(),
            Escalation { id: escalation, steps: Vec::new(), repeat: 0, fallback: Vec::new() },
        )]),
        channels: BTreeMap::new(),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        status_page: StatusPage {
            title: "Acme status".to_owned(),
            history_days: 90,
            ..StatusPage::default()
        },
        graph: types::Graph::default(),
    }
}

/// The same with these probes.
#[allow(dead_code)]
pub(crate) fn with(probes: impl IntoIterator<Item = Probe>) -> Config {
    Config { probes: probes.into_iter().map(|probe| (probe.id.clone(), probe)).collect(), ..bare() }
}

/// A question with a timeout that a slow machine keeps.
pub(crate) fn probe(id: &str, ask: ProbeKind) -> Probe {
    Probe {
        id: ProbeId::from(id),
        about: Resource::host(id),
        ask,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(10),
        failure_threshold: 3,
        failing_for: Duration::ZERO,
        success_threshold: 2,
    }
}

/// GET this.
pub(crate) fn get(url: impl Into<String>) -> ProbeKind {
    ProbeKind::Http { url: url.into(), expect: Expect::default() }
}
