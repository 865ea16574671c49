//! A small world to diagnose: two services on two domains, alerts by hand, a journal that is kept.
//!
//! Sign-in has six hosts of acme.app, the API on one of them and on api.acme.io; the shop on shop.acme.io alone.

use diagnose::Diagnose;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use testkit::config::{add_host, empty, probe, probes_of};
use testkit::journal::Journal;
pub use testkit::probe::set;
pub use testkit::time::{at, secs};
use types::config::{Config, ProbeKind, Service};
use types::event::Event;
use types::time::later;
use types::{
    Alert, AlertId, Context, EventKind, Events, Fault, IncidentId, Kind, LastResult, Observed, Resource,
    SeenAt, Severity, Time,
};

pub const NAMES: [&str; 6] =
    ["a.acme.app", "b.acme.app", "c.acme.app", "d.acme.app", "e.acme.app", "f.acme.app"];

/// Services with their hosts and the services that they depend on.
const SERVICES: [(&str, &str, &[&str], &[&str]); 3] = [
    ("auth", "Sign-in", &NAMES, &[]),
    ("api", "API", &["a.acme.app", "api.acme.io"], &["auth"]),
    ("shop", "Shop", &["shop.acme.io"], &[]),
];

fn zone_of(host: &str) -> &'static str {
    if host.ends_with("acme.app") { "acme.app" } else { "acme.io" }
}

pub fn config() -> Config {
    let mut config = empty();
    for (id, title, hosts, depends_on) in SERVICES {
        for host in hosts {
            let probes = probes_of(host, zone_of(host));
            config.probes.extend(probes.map(|probe| (probe.id.clone(), probe)));
            add_host(&mut config.graph, id, host, zone_of(host));
        }
        for other in depends_on {
            config.graph.add_dependency(Resource::service(id), Resource::service(*other));
        }
        let service = Service {
            title: title.to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            depends_on: depends_on.iter().map(|other| Resource::service(*other)).collect(),
            ..testkit::config::service(id)
        };
        config.services.insert(service.id.clone(), service);
    }
    config
}

pub struct Fixture {
    pub config: Config,
    pub diagnose: Diagnose,
    pub now: Time,
    pub journal: Journal,
    pub last_results: BTreeMap<Resource, LastResult>,
    /// Where things stand: what is at one address, or behind one alias.
    pub stands: BTreeMap<Resource, SeenAt>,
    /// How often a reaction took more than one round.
    pub rounds_max: usize,
}

/// What was observed.
struct World<'a> {
    last_results: &'a BTreeMap<Resource, LastResult>,
    stands: &'a BTreeMap<Resource, SeenAt>,
}

impl Observed for World<'_> {
    fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        self.last_results.get(resource).copied()
    }

    fn colocated(&self, _: &Config, place: &SeenAt, most: usize) -> BTreeSet<Resource> {
        let there = self.stands.iter().filter(|(_, at)| {
            !at.addresses.is_disjoint(&place.addresses) || (at.alias.is_some() && at.alias == place.alias)
        });
        there.map(|(resource, _)| resource.clone()).take(most).collect()
    }

    fn is_isolated(&self) -> bool {
        false
    }
}

/// The same, places looked up in a map: for large worlds.
pub struct LargeWorld {
    last_results: BTreeMap<Resource, LastResult>,
    by_address: BTreeMap<IpAddr, BTreeSet<Resource>>,
}

impl Observed for LargeWorld {
    fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        self.last_results.get(resource).copied()
    }

    fn colocated(&self, _: &Config, place: &SeenAt, most: usize) -> BTreeSet<Resource> {
        let there = place.addresses.iter().filter_map(|address| self.by_address.get(address)).flatten();
        there.take(most).cloned().collect()
    }

    fn is_isolated(&self) -> bool {
        false
    }
}

impl Fixture {
    pub fn new() -> Self {
        Self {
            config: config(),
            diagnose: Diagnose::default(),
            now: at("2026-11-22T15:28:00Z"),
            journal: Journal::default(),
            last_results: BTreeMap::new(),
            stands: BTreeMap::new(),
            rounds_max: 0,
        }
    }

    pub fn record(&mut self, kind: EventKind) -> Event {
        let event = self.journal.append(self.now, kind);
        self.diagnose.apply(&event);
        event
    }

    /// Something is wrong since now.
    pub fn open(&mut self, about: &str, fault: Fault, severity: Severity) -> AlertId {
        let last =
            self.journal.events.iter().filter(|e| matches!(e.kind, EventKind::AlertOpened { .. })).count();
        let id = AlertId(last as u64 + 1);
        let about: Resource = about.parse().unwrap();
        self.last_results
            .insert(about.clone(), LastResult { at: self.now, healthy: severity != Severity::Critical });
        let seen_at = self.stands.get(&about).cloned().unwrap_or_default();
        let alert = testkit::incident::alert(id.0, about, fault, self.now);
        let alert = Alert { severity, evidence: "seen".into(), seen_at, ..alert };
        self.record(EventKind::AlertOpened { alert });
        id
    }

    pub fn breaks(&mut self, about: &str, fault: Fault) -> AlertId {
        self.open(about, fault, Severity::Critical)
    }

    pub fn close(&mut self, alert: AlertId) {
        let about = self.journal.alerts[&alert].about.clone();
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
            let well = !self
                .journal
                .alerts
                .values()
                .any(|f| f.about == resource && f.severity == Severity::Critical);
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
            let observed = World { last_results: &self.last_results, stands: &self.stands };
            let context = Context::new(&self.config, self.now).detected(&self.journal.alerts, &observed);
            let mut events = Events::new();
            self.diagnose.react(&context, &mut events);
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

    /// What was observed, for a large world.
    pub fn large_world(&self) -> LargeWorld {
        let mut by_address: BTreeMap<IpAddr, BTreeSet<Resource>> = BTreeMap::new();
        for (resource, at) in &self.stands {
            for address in &at.addresses {
                by_address.entry(*address).or_default().insert(resource.clone());
            }
        }
        LargeWorld { last_results: self.last_results.clone(), by_address }
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
        let service = Service { title: id.to_uppercase(), ..testkit::config::service(id) };
        let probe = probe(about.clone(), ProbeKind::Tcp { host: place.into(), port });
        self.config.probes.insert(probe.id.clone(), probe);
        self.config.graph.add_dependency(Resource::service(id), about.clone());
        self.config.services.insert(service.id.clone(), service);
        self.put(&about.to_string(), place);
        about.to_string()
    }

    pub fn sooner(&self) -> Vec<String> {
        let observed = World { last_results: &self.last_results, stands: &self.stands };
        let context = Context::new(&self.config, self.now).detected(&self.journal.alerts, &observed);
        self.diagnose.sooner(&context).keys().map(|probe| probe.0.clone()).collect()
    }

    /// Lets debounce end with everything looked at; what follows.
    pub fn debounce(&mut self) -> String {
        self.pass(1).look_at_all();
        self.react()
    }

    pub fn restart(&mut self) {
        let mut diagnose = Diagnose::default();
        self.journal.events.iter().for_each(|event| diagnose.apply(event));
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
        EventKind::IncidentResolved { incident, summary, .. } => {
            writeln!(words, "{clock} - {incident} {summary}").unwrap();
        }
        other => writeln!(words, "{clock} {other:?}").unwrap(),
    }
    words
}
