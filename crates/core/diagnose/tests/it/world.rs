//! A small world to diagnose: two services on two domains, findings by hand, a journal that is kept.
//!
//! Sign-in stands on six names of acme.app, the API on one of them and on api.acme.io; the shop on shop.acme.io alone.

use diagnose::{Diagnose, Seen};
use types::event::Event;
use types::graph::Graph;
use types::plan::{Ask, Board, Dns, Expect, Plan, Probe, Registry, Service, Site};
use types::time::later;
use types::{
    Fault, Finding, FindingId, Happened, IncidentId, Kind, LadderId, Looked, ProbeId, SeenAt, ServiceId,
    Thing, Time, Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

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

pub fn plan() -> Plan {
    let mut graph = Graph::default();
    let mut services = BTreeMap::new();
    let mut probes: BTreeMap<ProbeId, Probe> = BTreeMap::new();
    let mut ask = |about: Thing, ask: Ask| {
        let id = ProbeId(about.to_string());
        let (every, timeout) = (secs(30), secs(5));
        probes.insert(
            id.clone(),
            Probe {
                id,
                about,
                ask,
                every,
                timeout,
                fail_after: 3,
                recover_after: 2,
                failing_for: Duration::ZERO,
            },
        );
    };
    let all: [(&str, &str, &[&str], &[&str]); 3] = [
        ("auth", "Sign-in", &NAMES, &[]),
        ("api", "API", &["a.acme.app", "api.acme.io"], &["auth"]),
        ("shop", "Shop", &["shop.acme.io"], &[]),
    ];
    for (id, title, hosts, needs) in all {
        let service = Service {
            id: ServiceId(id.into()),
            title: title.into(),
            group: None,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            declared_hosts: vec![],
            needs: needs.iter().map(|need| Thing::service(*need)).collect(),
            rota: None,
            ladder: LadderId("default".into()),
            public: true,
            guard: None,
        };
        for host in hosts {
            let zone = if host.ends_with("acme.app") { "acme.app" } else { "acme.io" };
            ask(Thing::host(*host), Ask::Http { url: format!("https://{host}/"), expect: Expect::default() });
            ask(Thing::tls(*host), Ask::Tls { host: (*host).into(), port: 443 });
            ask(Thing::dns(zone), Ask::Dns { zone: zone.into(), names: vec![] });
            ask(Thing::domain(zone), Ask::Domain { name: zone.into() });
            graph.add_need(Thing::service(id), Thing::host(*host));
            graph.add_need(Thing::host(*host), Thing::tls(*host));
            graph.add_need(Thing::host(*host), Thing::dns(zone));
            graph.add_need(Thing::tls(*host), Thing::dns(zone));
            graph.add_need(Thing::dns(zone), Thing::domain(zone));
        }
        for need in &service.needs {
            graph.add_need(Thing::service(id), need.clone());
        }
        services.insert(service.id.clone(), service);
    }
    Plan {
        digest: "by hand".into(),
        site: Site {
            name: "Acme".into(),
            zone: jiff::tz::TimeZone::UTC,
            data: "data".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            url: "http://127.0.0.1".into(),
            trust: vec![],
            inner: vec![],
        },
        dns: Dns { resolvers: vec![], roots: vec![], port: 53 },
        registry: Registry::default(),
        services,
        probes,
        domains: BTreeMap::new(),
        people: BTreeMap::new(),
        rotas: BTreeMap::new(),
        ladders: BTreeMap::new(),
        channels: BTreeMap::new(),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        board: Board { title: "Acme".into(), history_days: 90, ..Board::default() },
        graph,
    }
}

pub struct World {
    pub plan: Plan,
    pub diagnose: Diagnose,
    pub now: Time,
    pub journal: Vec<Event>,
    pub findings: BTreeMap<FindingId, Finding>,
    pub looked: BTreeMap<Thing, Looked>,
    /// Where things stand: what is at one address, or behind one alias.
    pub stands: BTreeMap<Thing, SeenAt>,
    /// How often a reaction took more than one round.
    pub rounds_max: usize,
}

/// What else stands at a place.
fn beside(stands: &BTreeMap<Thing, SeenAt>, place: &SeenAt, most: usize) -> BTreeSet<Thing> {
    let there = stands.iter().filter(|(_, at)| {
        !at.addresses.is_disjoint(&place.addresses) || (at.alias.is_some() && at.alias == place.alias)
    });
    there.map(|(thing, _)| thing.clone()).take(most).collect()
}

impl World {
    pub fn new() -> Self {
        Self {
            plan: plan(),
            diagnose: Diagnose::default(),
            now: at("2026-11-22T15:28:00Z"),
            journal: vec![],
            findings: BTreeMap::new(),
            looked: BTreeMap::new(),
            stands: BTreeMap::new(),
            rounds_max: 0,
        }
    }

    pub fn record(&mut self, happened: Happened) -> Event {
        let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, happened };
        match &event.happened {
            Happened::FindingOpened { finding } => _ = self.findings.insert(finding.id, finding.clone()),
            Happened::FindingClosed { finding } => _ = self.findings.remove(finding),
            Happened::FindingChanged { finding, fault, weight, evidence } => {
                if let Some(open) = self.findings.get_mut(finding) {
                    (open.fault, open.weight, open.evidence) = (fault.clone(), *weight, evidence.clone());
                }
            }
            _ => {}
        }
        self.diagnose.apply(&event);
        self.journal.push(event.clone());
        event
    }

    /// Something is wrong since now.
    pub fn open(&mut self, about: &str, fault: Fault, weight: Weight) -> FindingId {
        let last =
            self.journal.iter().filter(|e| matches!(e.happened, Happened::FindingOpened { .. })).count();
        let id = FindingId(last as u64 + 1);
        let about: Thing = about.parse().unwrap();
        let probe = ProbeId(about.to_string());
        self.looked.insert(about.clone(), Looked { at: self.now, well: weight != Weight::Breaks });
        let seen_at = self.stands.get(&about).cloned().unwrap_or_default();
        let finding =
            Finding { id, about, fault, weight, probe, since: self.now, evidence: "seen".into(), seen_at };
        self.record(Happened::FindingOpened { finding });
        id
    }

    pub fn breaks(&mut self, about: &str, fault: Fault) -> FindingId {
        self.open(about, fault, Weight::Breaks)
    }

    pub fn close(&mut self, finding: FindingId) {
        let about = self.findings[&finding].about.clone();
        self.looked.insert(about, Looked { at: self.now, well: true });
        self.record(Happened::FindingClosed { finding });
    }

    /// Everything is looked at now; what has a finding that breaks is not well.
    pub fn look_at_all(&mut self) {
        let things: Vec<Thing> =
            self.plan.graph.things().filter(|thing| thing.kind != Kind::Service).cloned().collect();
        for thing in things {
            let well = !self.findings.values().any(|f| f.about == thing && f.weight == Weight::Breaks);
            self.looked.insert(thing, Looked { at: self.now, well });
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
            let looked = |thing: &Thing| self.looked.get(thing).copied();
            let beside = |place: &SeenAt, most| beside(&self.stands, place, most);
            let seen = Seen { findings: &self.findings, looked: &looked, beside: &beside };
            let happened = self.diagnose.react(&self.plan, self.now, &seen);
            self.rounds_max = self.rounds_max.max(round);
            assert!(round <= 10, "no fixpoint: {happened:?}");
            if happened.is_empty() {
                break;
            }
            for happened in happened {
                let event = self.record(happened);
                words += &told(&event);
            }
        }
        words
    }

    /// The same, looked up in a map: for large worlds.
    pub fn beside_by_address(&self) -> impl Fn(&SeenAt, usize) -> BTreeSet<Thing> + use<> {
        let mut by_address: BTreeMap<std::net::IpAddr, BTreeSet<Thing>> = BTreeMap::new();
        for (thing, at) in &self.stands {
            for address in &at.addresses {
                by_address.entry(*address).or_default().insert(thing.clone());
            }
        }
        move |place, most| {
            let there = place.addresses.iter().filter_map(|address| by_address.get(address)).flatten();
            there.take(most).cloned().collect()
        }
    }

    /// Puts a thing at an address, written `lb.acme.com` for an alias.
    pub fn put(&mut self, thing: &str, place: &str) {
        let thing: Thing = thing.parse().unwrap();
        let at = self.stands.entry(thing).or_default();
        match place.parse() {
            Ok(address) => _ = at.addresses.insert(address),
            Err(_) => at.alias = Some(place.to_owned()),
        }
    }

    /// A service with one probe of its own, at an address.
    pub fn serve(&mut self, id: &str, port: u16, place: &str) -> String {
        let about = Thing::new(Kind::Probe, format!("p-{id}"));
        let service = Service {
            id: ServiceId(id.into()),
            title: id.to_uppercase(),
            group: None,
            hosts: vec![],
            declared_hosts: vec![],
            needs: BTreeSet::new(),
            rota: None,
            ladder: LadderId("default".into()),
            public: true,
            guard: None,
        };
        let (id, every, timeout) = (ProbeId(about.to_string()), secs(30), secs(5));
        let ask = Ask::Tcp { host: place.into(), port };
        let probe = Probe {
            id: id.clone(),
            about: about.clone(),
            ask,
            every,
            timeout,
            fail_after: 3,
            recover_after: 2,
            failing_for: Duration::ZERO,
        };
        self.plan.probes.insert(id, probe);
        self.plan.graph.add_need(Thing::service(service.id.0.clone()), about.clone());
        self.plan.services.insert(service.id.clone(), service);
        self.put(&about.to_string(), place);
        about.to_string()
    }

    pub fn sooner(&self) -> Vec<String> {
        let looked = |thing: &Thing| self.looked.get(thing).copied();
        let beside = |place: &SeenAt, most| beside(&self.stands, place, most);
        let seen = Seen { findings: &self.findings, looked: &looked, beside: &beside };
        self.diagnose.sooner(&self.plan, self.now, &seen).keys().map(|probe| probe.0.clone()).collect()
    }

    /// Lets findings settle with everything looked at; what follows.
    pub fn settle(&mut self) -> String {
        self.pass(1).look_at_all();
        self.react()
    }

    pub fn restart(&mut self) {
        let mut diagnose = Diagnose::default();
        self.journal.iter().for_each(|event| diagnose.apply(event));
        assert_eq!(diagnose.known_text(), self.diagnose.known_text());
        self.diagnose = diagnose;
    }

    pub fn sentence(&self, incident: u64) -> &str {
        &self.diagnose.incidents()[&IncidentId(incident)].diagnosis.sentence
    }
}

fn told(event: &Event) -> String {
    let mut words = String::new();
    let clock = &event.at.to_string()[11..19];
    let joined = |things: &BTreeSet<Thing>| {
        if things.is_empty() {
            "-".to_owned()
        } else {
            things.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(" ")
        }
    };
    match &event.happened {
        Happened::IncidentOpened { incident, diagnosis: d, .. }
        | Happened::IncidentDiagnosed { incident, diagnosis: d } => {
            let opened = if matches!(event.happened, Happened::IncidentOpened { .. }) { "+" } else { "~" };
            let wakes = if d.wakes { " wakes" } else { "" };
            writeln!(words, "{clock} {opened} {incident} {} {:?}{wakes}", d.cause, d.stage).unwrap();
            writeln!(words, "    {}", d.sentence).unwrap();
            writeln!(words, "    affected: {}; not: {}", joined(&d.affected), joined(&d.unaffected)).unwrap();
        }
        Happened::IncidentMerged { incident, into } => {
            writeln!(words, "{clock} {incident} > {into}").unwrap()
        }
        Happened::IncidentResolved { incident, sentence } => {
            writeln!(words, "{clock} - {incident} {sentence}").unwrap();
        }
        other => writeln!(words, "{clock} {other:?}").unwrap(),
    }
    words
}
