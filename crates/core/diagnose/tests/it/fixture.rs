//! A small world to diagnose: two services on two domains, alerts by hand, a journal that is kept.
//!
//! Sign-in stands on six names of acme.app, the API on one of them and on api.acme.io; the shop on shop.acme.io alone.

use diagnose::{Diagnose, Observations};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;
use types::config::{Config, Dns, Expect, Probe, ProbeKind, Registry, Service, Site, StatusPage};
use types::event::Event;
use types::graph::Graph;
use types::time::later;
use types::{
    Alert, AlertId, EscalationId, EventKind, Fault, IncidentId, Kind, LastResult, ProbeId, Resource, SeenAt,
    ServiceId, Severity, Time,
};

pub fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub const NAMES: [&str; 6] =
    ["a.acme.app", "b.acme.app", "c.acme.app", "d.acme.app", "e.acme.app", "f.acme.app"];

/// Services with their hosts and the services that they need.
const SERVICES: [(&str, &str, &[&str], &[&str]); 3] = [
    ("auth", "Sign-in", &NAMES, &[]),
    ("api", "API", &["a.acme.app", "api.acme.io"], &["auth"]),
    ("shop", "Shop", &["shop.acme.io"], &[]),
];

fn service(id: &str, title: &str, hosts: &[&str], needs: &[&str]) -> Service {
    Service {
        id: ServiceId(id.into()),
        title: title.into(),
        group: None,
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        declared_hosts: vec![],
        depends_on: needs.iter().map(|need| Resource::service(*need)).collect(),
        schedule: None,
        escalation: EscalationId("default".into()),
        public: true,
        traffic: None,
    }
}

fn probe(about: Resource, ask: ProbeKind) -> (ProbeId, Probe) {
    let id = ProbeId(about.to_string());
    let probe = Probe {
        id: id.clone(),
        about,
        ask,
        interval: secs(30),
        timeout: secs(5),
        failure_threshold: 3,
        success_threshold: 2,
        failing_for: Duration::ZERO,
    };
    (id, probe)
}

fn zone_of(host: &str) -> &'static str {
    if host.ends_with("acme.app") { "acme.app" } else { "acme.io" }
}

/// Probes of a host, its certificate, its zone and its domain.
fn probes_of(host: &str) -> [(ProbeId, Probe); 4] {
    let zone = zone_of(host);
    let http = ProbeKind::Http { url: format!("https://{host}/"), expect: Expect::default() };
    [
        probe(Resource::host(host), http),
        probe(Resource::tls(host), ProbeKind::Tls { host: host.into(), port: 443 }),
        probe(Resource::dns(zone), ProbeKind::Dns { zone: zone.into(), names: vec![] }),
        probe(Resource::domain(zone), ProbeKind::Domain { name: zone.into() }),
    ]
}

fn add_needs(graph: &mut Graph, service: &Service) {
    let of_service = || Resource::service(service.id.0.clone());
    for host in &service.hosts {
        let zone = zone_of(host);
        graph.add_dependency(of_service(), Resource::host(host.as_str()));
        graph.add_dependency(Resource::host(host.as_str()), Resource::tls(host.as_str()));
        graph.add_dependency(Resource::host(host.as_str()), Resource::dns(zone));
        graph.add_dependency(Resource::tls(host.as_str()), Resource::dns(zone));
        graph.add_dependency(Resource::dns(zone), Resource::domain(zone));
    }
    for need in &service.depends_on {
        graph.add_dependency(of_service(), need.clone());
    }
}

pub fn config() -> Config {
    let mut graph = Graph::default();
    let mut services = BTreeMap::new();
    let mut probes: BTreeMap<ProbeId, Probe> = BTreeMap::new();
    for (id, title, hosts, needs) in SERVICES {
        let service = service(id, title, hosts, needs);
        probes.extend(hosts.iter().flat_map(|host| probes_of(host)));
        add_needs(&mut graph, &service);
        services.insert(service.id.clone(), service);
    }
    Config {
        digest: "by hand".into(),
        site: Site {
            name: "Acme".into(),
            timezone: jiff::tz::TimeZone::UTC,
            data: "data".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            url: "http://127.0.0.1".into(),
            extra_ca_files: vec![],
            allow_private: vec![],
        },
        dns: Dns { resolvers: vec![], roots: vec![], port: 53 },
        registry: Registry::default(),
        services,
        probes,
        domains: BTreeMap::new(),
        people: BTreeMap::new(),
        schedules: BTreeMap::new(),
        escalations: BTreeMap::new(),
        channels: BTreeMap::new(),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        status_page: StatusPage { title: "Acme".into(), history_days: 90, ..StatusPage::default() },
        graph,
    }
}

pub struct Fixture {
    pub config: Config,
    pub diagnose: Diagnose,
    pub now: Time,
    pub journal: Vec<Event>,
    pub alerts: BTreeMap<AlertId, Alert>,
    pub last_results: BTreeMap<Resource, LastResult>,
    /// Where things stand: what is at one address, or behind one alias.
    pub stands: BTreeMap<Resource, SeenAt>,
    /// How often a reaction took more than one round.
    pub rounds_max: usize,
}

/// What else stands at a place.
fn beside(stands: &BTreeMap<Resource, SeenAt>, place: &SeenAt, most: usize) -> BTreeSet<Resource> {
    let there = stands.iter().filter(|(_, at)| {
        !at.addresses.is_disjoint(&place.addresses) || (at.alias.is_some() && at.alias == place.alias)
    });
    there.map(|(resource, _)| resource.clone()).take(most).collect()
}

impl Fixture {
    pub fn new() -> Self {
        Self {
            config: config(),
            diagnose: Diagnose::default(),
            now: at("2026-11-22T15:28:00Z"),
            journal: vec![],
            alerts: BTreeMap::new(),
            last_results: BTreeMap::new(),
            stands: BTreeMap::new(),
            rounds_max: 0,
        }
    }

    pub fn record(&mut self, kind: EventKind) -> Event {
        let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, kind };
        match &event.kind {
            EventKind::AlertOpened { alert } => _ = self.alerts.insert(alert.id, alert.clone()),
            EventKind::AlertClosed { alert } => _ = self.alerts.remove(alert),
            EventKind::AlertChanged { alert, fault, severity, evidence } => {
                if let Some(open) = self.alerts.get_mut(alert) {
                    (open.fault, open.severity, open.evidence) = (fault.clone(), *severity, evidence.clone());
                }
            }
            _ => {}
        }
        self.diagnose.apply(&event);
        self.journal.push(event.clone());
        event
    }

    /// Something is wrong since now.
    pub fn open(&mut self, about: &str, fault: Fault, severity: Severity) -> AlertId {
        let last = self.journal.iter().filter(|e| matches!(e.kind, EventKind::AlertOpened { .. })).count();
        let id = AlertId(last as u64 + 1);
        let about: Resource = about.parse().unwrap();
        let probe = ProbeId(about.to_string());
        self.last_results
            .insert(about.clone(), LastResult { at: self.now, healthy: severity != Severity::Critical });
        let seen_at = self.stands.get(&about).cloned().unwrap_or_default();
        let alert =
            Alert { id, about, fault, severity, probe, since: self.now, evidence: "seen".into(), seen_at };
        self.record(EventKind::AlertOpened { alert });
        id
    }

    pub fn breaks(&mut self, about: &str, fault: Fault) -> AlertId {
        self.open(about, fault, Severity::Critical)
    }

    pub fn close(&mut self, alert: AlertId) {
        let about = self.alerts[&alert].about.clone();
        self.last_results.insert(about, LastResult { at: self.now, healthy: true });
        self.record(EventKind::AlertClosed { alert });
    }

    /// Everything is looked at now; what has an alert that breaks is not well.
    pub fn look_at_all(&mut self) {
        let resources: Vec<Resource> = self
            .config
            .graph
            .resources()
            .filter(|resource| resource.kind != Kind::Service)
            .cloned()
            .collect();
        for resource in resources {
            let well = !self.alerts.values().any(|f| f.about == resource && f.severity == Severity::Critical);
            self.last_results.insert(resource, LastResult { at: self.now, healthy: well });
        }
    }

    pub fn pass(&mut self, n: u64) -> &mut Self {
        self.now = later(self.now, secs(n));
        self
    }

    /// What follows, to the fixpoint, in words.
    pub fn react(&mut self) -> String {
        let mut words = String::new();
        for round in 1.. {
            let last_result = |resource: &Resource| self.last_results.get(resource).copied();
            let colocated = |place: &SeenAt, most| beside(&self.stands, place, most);
            let seen =
                Observations { alerts: &self.alerts, last_result: &last_result, colocated: &colocated };
            let events = self.diagnose.react(&self.config, self.now, &seen);
            self.rounds_max = self.rounds_max.max(round);
            assert!(round <= 10, "no fixpoint: {events:?}");
            if events.is_empty() {
                break;
            }
            for kind in events {
                let event = self.record(kind);
                words += &describe(&event);
            }
        }
        words
    }

    /// The same, looked up in a map: for large worlds.
    pub fn beside_by_address(&self) -> impl Fn(&SeenAt, usize) -> BTreeSet<Resource> + use<> {
        let mut by_address: BTreeMap<std::net::IpAddr, BTreeSet<Resource>> = BTreeMap::new();
        for (resource, at) in &self.stands {
            for address in &at.addresses {
                by_address.entry(*address).or_default().insert(resource.clone());
            }
        }
        move |place, most| {
            let there = place.addresses.iter().filter_map(|address| by_address.get(address)).flatten();
            there.take(most).cloned().collect()
        }
    }

    /// Puts a thing at an address, written `lb.acme.com` for an alias.
    pub fn put(&mut self, resource: &str, place: &str) {
        let resource: Resource = resource.parse().unwrap();
        let at = self.stands.entry(resource).or_default();
        match place.parse() {
            Ok(address) => _ = at.addresses.insert(address),
            Err(_) => at.alias = Some(place.to_owned()),
        }
    }

    /// A service with one probe of its own, at an address.
    pub fn serve(&mut self, id: &str, port: u16, place: &str) -> String {
        let about = Resource::new(Kind::Probe, format!("p-{id}"));
        let service = Service {
            id: ServiceId(id.into()),
            title: id.to_uppercase(),
            group: None,
            hosts: vec![],
            declared_hosts: vec![],
            depends_on: BTreeSet::new(),
            schedule: None,
            escalation: EscalationId("default".into()),
            public: true,
            traffic: None,
        };
        let (id, every, timeout) = (ProbeId(about.to_string()), secs(30), secs(5));
        let ask = ProbeKind::Tcp { host: place.into(), port };
        let probe = Probe {
            id: id.clone(),
            about: about.clone(),
            ask,
            interval: every,
            timeout,
            failure_threshold: 3,
            success_threshold: 2,
            failing_for: Duration::ZERO,
        };
        self.config.probes.insert(id, probe);
        self.config.graph.add_dependency(Resource::service(service.id.0.clone()), about.clone());
        self.config.services.insert(service.id.clone(), service);
        self.put(&about.to_string(), place);
        about.to_string()
    }

    pub fn sooner(&self) -> Vec<String> {
        let last_result = |resource: &Resource| self.last_results.get(resource).copied();
        let colocated = |place: &SeenAt, most| beside(&self.stands, place, most);
        let seen = Observations { alerts: &self.alerts, last_result: &last_result, colocated: &colocated };
        self.diagnose.sooner(&self.config, self.now, &seen).keys().map(|probe| probe.0.clone()).collect()
    }

    /// Lets debounce end with everything looked at; what follows.
    pub fn debounce(&mut self) -> String {
        self.pass(1).look_at_all();
        self.react()
    }

    pub fn restart(&mut self) {
        let mut diagnose = Diagnose::default();
        self.journal.iter().for_each(|event| diagnose.apply(event));
        assert_eq!(diagnose.state_text(), self.diagnose.state_text());
        self.diagnose = diagnose;
    }

    pub fn summary(&self, incident: u64) -> &str {
        &self.diagnose.incidents()[&IncidentId(incident)].diagnosis.summary
    }
}

fn describe(event: &Event) -> String {
    let mut words = String::new();
    let clock = &event.at.to_string()[11..19];
    let joined = |resources: &BTreeSet<Resource>| {
        if resources.is_empty() {
            "-".to_owned()
        } else {
            resources.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(" ")
        }
    };
    match &event.kind {
        EventKind::IncidentOpened { incident, diagnosis: d, .. }
        | EventKind::IncidentDiagnosed { incident, diagnosis: d } => {
            let opened = if matches!(event.kind, EventKind::IncidentOpened { .. }) { "+" } else { "~" };
            let wakes = if d.wakes { " wakes" } else { "" };
            writeln!(words, "{clock} {opened} {incident} {} {:?}{wakes}", d.cause, d.stage).unwrap();
            writeln!(words, "    {}", d.summary).unwrap();
            writeln!(words, "    affected: {}; not: {}", joined(&d.affected), joined(&d.unaffected)).unwrap();
        }
        EventKind::IncidentMerged { incident, into } => {
            writeln!(words, "{clock} {incident} > {into}").unwrap()
        }
        EventKind::IncidentResolved { incident, summary } => {
            writeln!(words, "{clock} - {incident} {summary}").unwrap();
        }
        other => writeln!(words, "{clock} {other:?}").unwrap(),
    }
    words
}
