//! A small world to judge: a configuration by hand, a clock that is set, a journal that is kept.

use detect::Detect;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;
use types::config::{Config, Dns, Domain, Expect, Probe, ProbeKind, Registry, Site, StatusPage};
use types::event::Event;
use types::fault::{DnsFault, Fault};
use types::graph::Graph;
use types::probe_result::{
    Answer, Certificate, DnsSeen, DomainSeen, Hop, HttpSeen, Phases, ProbeResult, ResolverAnswer,
    ServerAnswer, TlsSeen,
};
use types::time::later;
use types::{EventKind, ProbeId, Resource, Rollup, Time};

pub fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A configuration with http, tls, dns and domain probes for each `(host, zone)`.
pub fn config(hosts: &[(&str, &str)]) -> Config {
    let mut graph = Graph::default();
    let mut probes = BTreeMap::new();
    let mut add = |id: String, about: Resource, kind: ProbeKind, every: u64| {
        let (failure_threshold, success_threshold) =
            if matches!(kind, ProbeKind::Domain { .. }) { (1, 1) } else { (3, 2) };
        let id = ProbeId(id);
        let probe = Probe {
            id: id.clone(),
            about,
            kind,
            interval: secs(every),
            timeout: secs(5),
            failure_threshold,
            success_threshold,
            failing_for: Duration::ZERO,
        };
        probes.insert(id, probe);
    };
    let zones: BTreeSet<&str> = hosts.iter().map(|(_, zone)| *zone).collect();
    for (host, zone) in hosts {
        let expect = Expect { max_latency: Some(Duration::from_millis(800)), ..Expect::default() };
        let kind = ProbeKind::Http { url: format!("https://{host}/"), expect };
        add(format!("http.{host}"), Resource::host(*host), kind, 30);
        let kind = ProbeKind::Tls { host: (*host).to_owned(), port: 443 };
        add(format!("tls.{host}"), Resource::tls(*host), kind, 300);
        graph.add_dependency(Resource::service("web"), Resource::host(*host));
        graph.add_dependency(Resource::host(*host), Resource::tls(*host));
        graph.add_dependency(Resource::host(*host), Resource::dns(*zone));
        graph.add_dependency(Resource::tls(*host), Resource::dns(*zone));
    }
    for zone in zones {
        let names = hosts.iter().filter(|(_, of)| *of == zone).map(|(host, _)| (*host).to_owned()).collect();
        let kind = ProbeKind::Dns { zone: zone.to_owned(), names };
        add(format!("dns.{zone}"), Resource::dns(zone), kind, 60);
        let kind = ProbeKind::Domain { name: zone.to_owned() };
        add(format!("domain.{zone}"), Resource::domain(zone), kind, 86_400);
        graph.add_dependency(Resource::dns(zone), Resource::domain(zone));
    }
    Config {
        digest: format!("{hosts:?}"),
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
        services: BTreeMap::new(),
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
    pub detect: Detect,
    pub now: Time,
    pub journal: Vec<Event>,
}

impl Fixture {
    pub fn new(hosts: &[(&str, &str)]) -> Self {
        let mut fixture = Self {
            config: config(hosts),
            detect: Detect::default(),
            now: at("2026-11-22T12:00:00Z"),
            journal: vec![],
        };
        fixture.record(vec![EventKind::Booted { unmonitored_since: None }]);
        fixture
    }

    pub fn declare(&mut self, domain: &str, expires: &str) {
        self.config.domains.insert(domain.to_owned(), Domain { expires: Some(at(expires)) });
    }

    fn record(&mut self, events: Vec<EventKind>) -> Vec<Event> {
        let mut new = vec![];
        for kind in events {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, kind };
            self.detect.apply(&event);
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
        self.result(ProbeResult::new(ProbeId(probe.into()), phases, answer))
    }

    pub fn result(&mut self, result: ProbeResult) -> String {
        let kind = self.detect.judge(&self.config, self.now, &result);
        let new = self.record(kind);
        self.words(&new)
    }

    /// One roll-up a second later; what followed, in words.
    pub fn roll(&mut self, rollup: &Rollup) -> String {
        self.pass(secs(1));
        let kind = self.detect.judge_rollup(&self.config, self.now, rollup);
        let new = self.record(kind);
        self.words(&new)
    }

    pub fn tick(&mut self) -> String {
        let kind = self.detect.tick(&self.config, self.now);
        let new = self.record(kind);
        self.words(&new)
    }

    /// Ticks whenever something is due until `span` has passed.
    pub fn let_pass(&mut self, span: Duration) -> String {
        let end = later(self.now, span);
        let mut words = String::new();
        while let Some(next) = self.detect.next_deadline(&self.config, self.now).filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let said = self.tick();
            words.push_str(&said);
            assert!(
                self.detect.next_deadline(&self.config, self.now).is_none_or(|next| next > self.now),
                "turns in a circle"
            );
        }
        self.now = end;
        words
    }

    /// The wish for one probe, in seconds from now.
    pub fn early(&self, probe: &str) -> Option<i64> {
        let sooner = self.detect.sooner(&self.config, self.now);
        sooner.get(&ProbeId(probe.into())).map(|at| at.as_second() - self.now.as_second())
    }

    pub fn restart(&mut self) {
        let mut detect = Detect::default();
        self.journal.iter().for_each(|event| detect.apply(event));
        assert_eq!(detect.state_text(), self.detect.state_text());
        self.detect = detect;
        self.record(vec![EventKind::Booted { unmonitored_since: None }]);
    }

    fn words(&self, events: &[Event]) -> String {
        let mut words = String::new();
        for event in events {
            let clock = &event.at.to_string()[11..19];
            match &event.kind {
                EventKind::AlertOpened { alert: f } => {
                    let since = &f.since.to_string()[11..19];
                    let (about, fault, severity, evidence) = (&f.about, &f.fault, f.severity, &f.evidence);
                    writeln!(words, "{clock} + {about} {fault} [{severity:?} since {since}] {evidence}")
                }
                EventKind::AlertChanged { alert, fault, severity, evidence } => {
                    writeln!(words, "{clock} ~ {alert} {fault} [{severity:?}] {evidence}")
                }
                EventKind::AlertClosed { alert } => writeln!(words, "{clock} - {alert}"),
                EventKind::DelegationLearned { zone, servers } => {
                    writeln!(words, "{clock} learned {zone} at {servers:?}")
                }
                EventKind::RegistrationLearned { seen } => writeln!(words, "{clock} learned {}", seen.domain),
                EventKind::TrafficLearned { service, usual_milli } => {
                    writeln!(words, "{clock} usual of {service}: {usual_milli}")
                }
                EventKind::Booted { .. } => Ok(()),
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
            .map(|(server, says)| ServerAnswer {
                server: (*server).to_owned(),
                address: Some([192, 0, 2, 53].into()),
                soa: says.clone().map(|_| 1),
                names: names.iter().map(|_| says.clone().map(address)).collect(),
                zone_servers: BTreeSet::new(),
            })
            .collect(),
        resolvers: names
            .iter()
            .map(|name| ResolverAnswer {
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
