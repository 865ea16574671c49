//! A small world to judge: a configuration by hand, a clock that is set, a journal that is kept.

use detect::Detect;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use testkit::config::{add_host, empty, get_expecting, probe};
use testkit::journal::Journal;
pub use testkit::probe::{dns, http, set, tls};
use testkit::probe::{registration, result};
pub use testkit::time::{at, secs};
use types::config::{Config, Domain, Expect, Probe, ProbeKind};
use types::event::Event;
use types::fault::Fault;
use types::probe_result::{Answer, DomainSeen, ProbeResult};
use types::time::later;
use types::{Context, EventKind, Events, ProbeId, Resource, Rollup, Time};

/// A configuration with http, tls, dns and domain probes for each `(host, zone)`.
pub fn config(hosts: &[(&str, &str)]) -> Config {
    let mut config = empty();
    config.digest = format!("{hosts:?}");
    let mut add = |id: String, about: Resource, kind: ProbeKind, interval: u64| {
        let id = ProbeId(id);
        let probe = Probe { id: id.clone(), interval: secs(interval), ..probe(about, kind) };
        config.probes.insert(id, probe);
    };
    let zones: BTreeSet<&str> = hosts.iter().map(|(_, zone)| *zone).collect();
    for (host, _) in hosts {
        let expect = Expect { max_latency: Some(Duration::from_millis(800)), ..Expect::default() };
        let kind = get_expecting(format!("https://{host}/"), expect);
        add(format!("http.{host}"), Resource::host(*host), kind, 30);
        let kind = ProbeKind::Tls { host: (*host).to_owned(), port: 443 };
        add(format!("tls.{host}"), Resource::tls(*host), kind, 300);
    }
    for zone in zones {
        let names = hosts.iter().filter(|(_, of)| *of == zone).map(|(host, _)| (*host).to_owned()).collect();
        let kind = ProbeKind::Dns { zone: zone.to_owned(), names };
        add(format!("dns.{zone}"), Resource::dns(zone), kind, 60);
        let kind = ProbeKind::Domain { name: zone.to_owned() };
        add(format!("domain.{zone}"), Resource::domain(zone), kind, 86_400);
    }
    for probe in config.probes.values_mut().filter(|probe| matches!(probe.kind, ProbeKind::Domain { .. })) {
        (probe.failure_threshold, probe.success_threshold) = (1, 1);
    }
    for (host, zone) in hosts {
        add_host(&mut config.graph, "web", host, zone);
    }
    config
}

pub struct Fixture {
    pub config: Config,
    pub detect: Detect,
    pub now: Time,
    pub journal: Journal,
}

impl Fixture {
    pub fn new(hosts: &[(&str, &str)]) -> Self {
        let mut fixture = Self {
            config: config(hosts),
            detect: Detect::default(),
            now: at("2026-11-22T12:00:00Z"),
            journal: Journal::default(),
        };
        fixture.record(vec![EventKind::Booted { unmonitored_since: None }]);
        fixture
    }

    pub fn declare(&mut self, domain: &str, expires: &str) {
        self.config
            .domains
            .insert(domain.to_owned(), Domain { expires: Some(at(expires)), auto_renew: false });
    }

    fn record(&mut self, events: Vec<EventKind>) -> Vec<Event> {
        let mut new = vec![];
        for kind in events {
            let event = self.journal.append(self.now, kind);
            self.detect.apply(&event);
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
        self.result(result(probe, 120, answer))
    }

    pub fn result(&mut self, result: ProbeResult) -> String {
        let mut kind = Events::new();
        let context = Context::new(&self.config, self.now);
        let result = self.detect.with_backups(&context, &result).into_owned();
        self.detect.judge(&context, &result, &mut kind);
        let new = self.record(kind);
        self.words(&new)
    }

    /// One roll-up a second later; what followed, in words.
    pub fn roll(&mut self, rollup: &Rollup) -> String {
        self.pass(secs(1));
        let mut kind = Events::new();
        self.detect.judge_rollup(&Context::new(&self.config, self.now), rollup, &mut kind);
        let new = self.record(kind);
        self.words(&new)
    }

    /// Events of a call, recorded; in words.
    pub fn follow(&mut self, kinds: Events) -> String {
        let new = self.record(kinds);
        self.words(&new)
    }

    pub fn tick(&mut self) -> String {
        let mut kind = Events::new();
        self.detect.react(&Context::new(&self.config, self.now), &mut kind);
        let new = self.record(kind);
        self.words(&new)
    }

    /// Ticks whenever something is due until `span` has passed.
    pub fn let_pass(&mut self, span: Duration) -> String {
        let end = later(self.now, span);
        let mut words = String::new();
        while let Some(next) =
            self.detect.next_deadline(&Context::new(&self.config, self.now)).filter(|next| *next <= end)
        {
            self.now = self.now.max(next);
            let said = self.tick();
            words.push_str(&said);
            assert!(
                self.detect
                    .next_deadline(&Context::new(&self.config, self.now))
                    .is_none_or(|next| next > self.now),
                "turns in a circle"
            );
        }
        self.now = end;
        words
    }

    /// The wish for one probe, in seconds from now.
    pub fn early(&self, probe: &str) -> Option<i64> {
        let sooner = self.detect.sooner(&Context::new(&self.config, self.now));
        sooner.get(&ProbeId(probe.into())).map(|at| at.as_second() - self.now.as_second())
    }

    pub fn restart(&mut self) {
        let mut detect = Detect::default();
        self.journal.events.iter().for_each(|event| detect.apply(event));
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
                EventKind::Booted { .. }
                | EventKind::HeartbeatDeclared { .. }
                | EventKind::HeartbeatRemoved { .. } => Ok(()),
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
        registry_expires: registry.map(days),
        registrar_expires: registrar.map(days),
        statuses: set(statuses),
        name_servers: set(servers),
        database_updated: Some(now),
        ..registration(name)
    }
}
