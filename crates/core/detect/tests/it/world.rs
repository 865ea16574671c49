//! A small world to judge: a plan by hand, a clock that is told, a journal that is kept.

use types::event::Event;
use types::fault::{DnsFault, Fault};
use types::graph::Graph;
use types::plan::{Ask, Board, Dns, Domain, Expect, Plan, Probe, Registry, Site};
use types::sample::{
    Answer, Certificate, DnsSeen, DomainSeen, Hop, HttpSeen, Phases, ResolverSaid, Sample, ServerSaid,
    TlsSeen,
};
use types::time::later;
use types::{Happened, ProbeId, Rollup, Thing, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;
use detect::Detect;

pub fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A plan with http, tls, dns and domain probes for each `(host, zone)`.
pub fn plan(hosts: &[(&str, &str)]) -> Plan {
    let mut graph = Graph::default();
    let mut probes = BTreeMap::new();
    let mut add = |id: String, about: Thing, ask: Ask, every: u64| {
        let (fail_after, recover_after) = if matches!(ask, Ask::Domain { .. }) { (1, 1) } else { (3, 2) };
        let id = ProbeId(id);
        let probe = Probe {
            id: id.clone(),
            about,
            ask,
            every: secs(every),
            timeout: secs(5),
            fail_after,
            recover_after,
            failing_for: Duration::ZERO,
        };
        probes.insert(id, probe);
    };
    let zones: BTreeSet<&str> = hosts.iter().map(|(_, zone)| *zone).collect();
    for (host, zone) in hosts {
        let expect = Expect { within: Some(Duration::from_millis(800)), ..Expect::default() };
        let ask = Ask::Http { url: format!("https://{host}/"), expect };
        add(format!("http.{host}"), Thing::host(*host), ask, 30);
        let ask = Ask::Tls { host: (*host).to_owned(), port: 443 };
        add(format!("tls.{host}"), Thing::tls(*host), ask, 300);
        graph.add_need(Thing::service("web"), Thing::host(*host));
        graph.add_need(Thing::host(*host), Thing::tls(*host));
        graph.add_need(Thing::host(*host), Thing::dns(*zone));
        graph.add_need(Thing::tls(*host), Thing::dns(*zone));
    }
    for zone in zones {
        let names = hosts.iter().filter(|(_, of)| *of == zone).map(|(host, _)| (*host).to_owned()).collect();
        let ask = Ask::Dns { zone: zone.to_owned(), names };
        add(format!("dns.{zone}"), Thing::dns(zone), ask, 60);
        let ask = Ask::Domain { name: zone.to_owned() };
        add(format!("domain.{zone}"), Thing::domain(zone), ask, 86_400);
        graph.add_need(Thing::dns(zone), Thing::domain(zone));
    }
    Plan {
        digest: format!("{hosts:?}"),
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
        services: BTreeMap::new(),
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
    pub watch: Detect,
    pub now: Time,
    pub journal: Vec<Event>,
}

impl World {
    pub fn new(hosts: &[(&str, &str)]) -> Self {
        let mut world = Self {
            plan: plan(hosts),
            watch: Detect::default(),
            now: at("2026-11-22T12:00:00Z"),
            journal: vec![],
        };
        world.record(vec![Happened::Booted { blind_since: None }]);
        world
    }

    pub fn declare(&mut self, domain: &str, expires: &str) {
        self.plan.domains.insert(domain.to_owned(), Domain { expires: Some(at(expires)) });
    }

    fn record(&mut self, happened: Vec<Happened>) -> Vec<Event> {
        let mut new = vec![];
        for happened in happened {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, happened };
            self.watch.apply(&event);
            self.journal.push(event.clone());
            new.push(event);
        }
        new
    }

    pub fn pass(&mut self, span: Duration) -> &mut Self {
        self.now = later(self.now, span);
        self
    }

    /// One answer; what followed, in words.
    pub fn see(&mut self, probe: &str, answer: Answer) -> String {
        let phases = Phases { total: Duration::from_millis(120), ..Phases::default() };
        self.sample(Sample::new(ProbeId(probe.into()), phases, answer))
    }

    pub fn sample(&mut self, sample: Sample) -> String {
        let happened = self.watch.judge(&self.plan, self.now, &sample);
        let new = self.record(happened);
        self.words(&new)
    }

    /// One roll-up a second later; what followed, in words.
    pub fn roll(&mut self, rollup: &Rollup) -> String {
        self.pass(secs(1));
        let happened = self.watch.roll_up(&self.plan, self.now, rollup);
        let new = self.record(happened);
        self.words(&new)
    }

    pub fn tick(&mut self) -> String {
        let happened = self.watch.tick(&self.plan, self.now);
        let new = self.record(happened);
        self.words(&new)
    }

    /// Ticks whenever something is due until `span` has passed.
    pub fn let_pass(&mut self, span: Duration) -> String {
        let end = later(self.now, span);
        let mut words = String::new();
        while let Some(next) = self.watch.next(&self.plan, self.now).filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let said = self.tick();
            words.push_str(&said);
            assert!(
                self.watch.next(&self.plan, self.now).is_none_or(|next| next > self.now),
                "turns in a circle"
            );
        }
        self.now = end;
        words
    }

    /// The wish for one probe, in seconds from now.
    pub fn wish(&self, probe: &str) -> Option<i64> {
        let sooner = self.watch.sooner(&self.plan, self.now);
        sooner.get(&ProbeId(probe.into())).map(|at| at.as_second() - self.now.as_second())
    }

    pub fn restart(&mut self) {
        let mut watch = Detect::default();
        self.journal.iter().for_each(|event| watch.apply(event));
        assert_eq!(watch.known_text(), self.watch.known_text());
        self.watch = watch;
        self.record(vec![Happened::Booted { blind_since: None }]);
    }

    fn words(&self, events: &[Event]) -> String {
        let mut words = String::new();
        for event in events {
            let clock = &event.at.to_string()[11..19];
            match &event.happened {
                Happened::FindingOpened { finding: f } => {
                    let since = &f.since.to_string()[11..19];
                    let (about, fault, weight, evidence) = (&f.about, &f.fault, f.weight, &f.evidence);
                    writeln!(words, "{clock} + {about} {fault} [{weight:?} since {since}] {evidence}")
                }
                Happened::FindingChanged { finding, fault, weight, evidence } => {
                    writeln!(words, "{clock} ~ {finding} {fault} [{weight:?}] {evidence}")
                }
                Happened::FindingClosed { finding } => writeln!(words, "{clock} - {finding}"),
                Happened::DelegationLearned { zone, servers } => {
                    writeln!(words, "{clock} learned {zone} at {servers:?}")
                }
                Happened::RegistrationLearned { seen } => writeln!(words, "{clock} learned {}", seen.domain),
                Happened::TrafficLearned { service, usual_milli } => {
                    writeln!(words, "{clock} usual of {service}: {usual_milli}")
                }
                Happened::Booted { .. } => Ok(()),
                other => writeln!(words, "{clock} {other:?}"),
            }
            .unwrap();
        }
        words
    }
}

pub fn failed(fault: Fault) -> Answer {
    Answer::Failed(fault)
}

pub fn http(status: u16) -> Answer {
    Answer::Http(HttpSeen {
        status,
        address: "192.0.2.1:443".parse().unwrap(),
        body_bytes: 100,
        body_found: None,
        hops: vec![Hop { url: "https://a/".into(), status, tls: None }],
    })
}

pub fn tls(name: &str, faults: Vec<types::fault::TlsFault>, from: &str, until: &str) -> Answer {
    Answer::Tls(TlsSeen {
        address: "192.0.2.1:443".parse().unwrap(),
        name: name.into(),
        chain: vec![Certificate {
            subject: format!("CN={name}"),
            issuer: "CN=CA".into(),
            names: vec![name.into()],
            not_before: at(from),
            not_after: at(until),
            key: "EC P-256".into(),
        }],
        faults,
        spare: Vec::new(),
        outdated: None,
    })
}

/// What name servers say: delegation, then for each server its name, whether it serves, and the last byte of the address
/// that it gives for every name.
pub fn dns(
    zone: &str,
    names: &[&str],
    delegation: Result<&[&str], DnsFault>,
    servers: &[(&str, Result<u8, DnsFault>)],
) -> Answer {
    let address = |byte: u8| [std::net::IpAddr::from([192, 0, 2, byte])].into_iter().collect::<BTreeSet<_>>();
    Answer::Dns(DnsSeen {
        zone: zone.into(),
        delegation: delegation.map(set),
        servers: servers
            .iter()
            .map(|(server, says)| ServerSaid {
                server: (*server).to_owned(),
                address: Some([192, 0, 2, 53].into()),
                soa: says.clone().map(|_| 1),
                names: names.iter().map(|_| says.clone().map(address)).collect(),
                zone_servers: BTreeSet::new(),
            })
            .collect(),
        resolvers: names
            .iter()
            .map(|name| ResolverSaid {
                resolver: "127.0.0.53:53".parse().unwrap(),
                name: (*name).to_owned(),
                addresses: Ok(address(1)),
                ttl_secs: Some(60),
            })
            .collect(),
    })
}

/// A registration: days until the registry's and the registrar's date, status codes, name servers.
pub fn domain(
    name: &str,
    now: Time,
    registry: Option<i64>,
    registrar: Option<i64>,
    statuses: &[&str],
    servers: &[&str],
) -> DomainSeen {
    let days = |days: i64| now + jiff::SignedDuration::from_hours(days * 24);
    DomainSeen {
        domain: name.into(),
        source: "https://registry.example/".into(),
        registry_expires: registry.map(days),
        registrar_expires: registrar.map(days),
        statuses: set(statuses),
        name_servers: set(servers),
        registrar: Some("Example Registrar, Inc.".into()),
        database_updated: Some(now),
    }
}
