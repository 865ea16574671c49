//! What thinking costs in a large configuration. Prints; asserts nothing about time, as machines differ.
//!
//! `cargo test -p diagnose speed -- --ignored --nocapture`

#![allow(clippy::print_stderr)] // figures are for whoever asks for them

use crate::fixture::*;
use std::time::{Duration, Instant};
use testkit::config::{add_host, probes_of, service};
use types::config::Config;
use types::{Context, Events, Fault, LastResult, Resource, ServiceId, Severity};

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
        config.probes.extend(probes_of(&host, &zone).map(|probe| (probe.id.clone(), probe)));
        add_host(&mut config.graph, &id.0, &host, &zone);
        let service = config.services.entry(id.clone()).or_insert_with(|| service(&id.0));
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
        let observed = w.large_world();
        let context = Context::new(&w.config, w.now).detected(&w.journal.alerts, &observed);
        let mut made = Events::new();
        let one = Instant::now();
        w.diagnose.react(&context, &mut made);
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
    let observed = w.large_world();
    let context = Context::new(&w.config, w.now).detected(&w.journal.alerts, &observed);
    let begun = Instant::now();
    let wanted = w.diagnose.sooner(&context).len();
    let wishing = begun.elapsed();
    eprintln!(
        "{what}: step {reacting:?} (slowest react {slowest:?}), sooner {wishing:?}; {events} events, {wanted} wanted"
    );
}

fn each(w: &mut Fixture, what: &str) {
    let observed = w.large_world();
    let context = Context::new(&w.config, w.now).detected(&w.journal.alerts, &observed);
    let (mut reacting, mut wishing) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..1_000 {
        let mut events = Events::new();
        let begun = Instant::now();
        w.diagnose.react(&context, &mut events);
        reacting += begun.elapsed();
        std::hint::black_box(events);
        let begun = Instant::now();
        std::hint::black_box(w.diagnose.sooner(&context));
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
