//! What thinking costs in a large configuration. Prints; asserts nothing about time, as machines differ.
//!
//! `cargo test -p diagnose speed -- --ignored --nocapture`

#![allow(clippy::print_stderr)] // figures are for whoever asks for them

use crate::fixture::*;
use diagnose::Observations;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use types::config::{Config, Expect, Probe, ProbeKind, Service};
use types::{EscalationId, Fault, LastResult, ProbeId, Resource, ServiceId, Severity};

const HOSTS: usize = 10_000;
const ZONES: usize = 500;
const SERVICES: usize = 100;

/// Ten thousand names over five hundred domains, a hundred services of a hundred names each.
fn large() -> Config {
    let mut config = config();
    config.digest = "large".into();
    config.services.clear();
    config.probes.clear();
    config.graph = types::Graph::default();
    for n in 0..HOSTS {
        let zone = format!("z{:03}.example", n % ZONES);
        let host = format!("h{n}.{zone}");
        let id = ServiceId(format!("s{:02}", n % ZONES % SERVICES));
        let mut ask = |about: Resource, ask: ProbeKind| {
            let id = ProbeId(about.to_string());
            let (every, timeout) = (secs(30), secs(5));
            let probe = Probe {
                id: id.clone(),
                about,
                ask,
                interval: every,
                timeout,
                failure_threshold: 3,
                success_threshold: 2,
                failing_for: Duration::ZERO,
            };
            config.probes.insert(id, probe);
        };
        ask(
            Resource::host(&host),
            ProbeKind::Http { url: format!("https://{host}/"), expect: Expect::default() },
        );
        ask(Resource::tls(&host), ProbeKind::Tls { host: host.clone(), port: 443 });
        ask(Resource::dns(&zone), ProbeKind::Dns { zone: zone.clone(), names: vec![] });
        ask(Resource::domain(&zone), ProbeKind::Domain { name: zone.clone() });
        config.graph.add_dependency(Resource::service(&id.0), Resource::host(&host));
        config.graph.add_dependency(Resource::host(&host), Resource::tls(&host));
        config.graph.add_dependency(Resource::host(&host), Resource::dns(&zone));
        config.graph.add_dependency(Resource::tls(&host), Resource::dns(&zone));
        config.graph.add_dependency(Resource::dns(&zone), Resource::domain(&zone));
        let service = config.services.entry(id.clone()).or_insert_with(|| Service {
            id: id.clone(),
            title: id.0.clone(),
            group: None,
            hosts: vec![],
            declared_hosts: vec![],
            depends_on: BTreeSet::new(),
            schedule: None,
            escalation: EscalationId("default".into()),
            public: true,
            traffic: None,
        });
        service.hosts.push(host);
    }
    config
}

/// One step: react, what it says applied, and once more; then the wishes.
fn step(w: &mut Fixture, what: &str) {
    let mut slowest = Duration::ZERO;
    let mut events = 0;
    let begun = Instant::now();
    for _ in 0..10 {
        let last_result = |resource: &Resource| w.last_results.get(resource).copied();
        let colocated = w.beside_by_address();
        let seen = Observations { alerts: &w.alerts, last_result: &last_result, colocated: &colocated };
        let one = Instant::now();
        let made = w.diagnose.react(&w.config, w.now, &seen);
        slowest = slowest.max(one.elapsed());
        if made.is_empty() {
            break;
        }
        events += made.len();
        for kind in made {
            w.record(kind);
        }
    }
    let reacting = begun.elapsed();
    let last_result = |resource: &Resource| w.last_results.get(resource).copied();
    let colocated = w.beside_by_address();
    let begun = Instant::now();
    let wanted = w
        .diagnose
        .sooner(
            &w.config,
            w.now,
            &Observations { alerts: &w.alerts, last_result: &last_result, colocated: &colocated },
        )
        .len();
    let wishing = begun.elapsed();
    eprintln!(
        "{what}: step {reacting:?} (slowest react {slowest:?}), sooner {wishing:?}; {events} events, {wanted} wanted"
    );
}

fn each(w: &mut Fixture, what: &str) {
    let last_result = |resource: &Resource| w.last_results.get(resource).copied();
    let colocated = w.beside_by_address();
    let (mut reacting, mut wishing) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..1_000 {
        let seen = Observations { alerts: &w.alerts, last_result: &last_result, colocated: &colocated };
        let begun = Instant::now();
        std::hint::black_box(w.diagnose.react(&w.config, w.now, &seen));
        reacting += begun.elapsed();
        let begun = Instant::now();
        std::hint::black_box(w.diagnose.sooner(&w.config, w.now, &seen));
        wishing += begun.elapsed();
    }
    eprintln!("{what}: react {:?}, sooner {:?}", reacting / 1_000, wishing / 1_000);
}

/// A thousand addresses, ten names each.
fn large_world() -> Fixture {
    let mut w = Fixture::new();
    w.config = large();
    let resources: Vec<Resource> = w.config.probes.values().map(|probe| probe.about.clone()).collect();
    for resource in resources {
        if let Some(n) =
            resource.name.strip_prefix('h').and_then(|rest| rest.split_once('.')?.0.parse::<u32>().ok())
        {
            w.put(&resource.to_string(), &format!("10.0.{}.{}", n % 1_000 / 100, n % 100));
        }
        w.last_results.insert(resource, LastResult { at: w.now, healthy: true });
    }
    step(&mut w, "configuration read");
    w
}

#[test]
#[ignore = "measures; prints figures"]
fn speed_in_a_large_config() {
    for (outage, zones) in [("5000 names over 250 domains", 250), ("5000 names over 500 domains", 500)] {
        let mut w = large_world();
        each(&mut w, "all is well, each sample");
        let hosts = (0..HOSTS).filter(|n| n % ZONES < zones).take(5_000);
        let names: Vec<String> = hosts.map(|n| format!("h{n}.z{:03}.example", n % ZONES)).collect();
        w.pass(1);
        for name in &names {
            w.open(&format!("host.{name}"), Fault::Refused, Severity::Critical);
        }
        step(&mut w, &format!("{outage}: opened"));
        each(&mut w, "  each sample meanwhile");
        w.pass(1);
        step(&mut w, "  a second later");
        w.pass(6);
        step(&mut w, "  settled");
        each(&mut w, "  each sample meanwhile");
        let zone = w.pass(1).open(
            "domain.z001.example",
            Fault::Domain { domain: types::fault::DomainFault::NotRegistered },
            Severity::Critical,
        );
        step(&mut w, "  one of the domains is the cause of its own");
        each(&mut w, "  each sample meanwhile");
        w.pass(5).close(zone);
        step(&mut w, "  and is well again");
    }
}
