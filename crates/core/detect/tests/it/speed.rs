//! What an answer costs in a large configuration. Prints; asserts nothing about time, as machines differ.
//!
//! `cargo test -p watch speed -- --ignored --nocapture`

#![allow(clippy::print_stderr)] // figures are for whoever asks for them

use crate::fixture::*;
use std::time::{Duration, Instant};
use types::event::Event;
use types::fault::Fault;
use types::probe_result::{Phases, ProbeResult};
use types::{Answer, Context, ProbeId};

const HOSTS: usize = 10_000;
const ZONES: usize = 500;

fn large() -> Fixture {
    let names: Vec<(String, String)> = (0..HOSTS)
        .map(|n| (format!("h{n}.z{:03}.example", n % ZONES), format!("z{:03}.example", n % ZONES)))
        .collect();
    let hosts: Vec<(&str, &str)> = names.iter().map(|(host, zone)| (host.as_str(), zone.as_str())).collect();
    let mut w = Fixture::new(&hosts);
    w.config.digest = "large".into();
    w
}

fn samples(w: &Fixture, answer: &dyn Fn() -> Answer, count: usize) -> Vec<ProbeResult> {
    let http = w.config.probes.keys().filter(|id| id.0.starts_with("http."));
    let result = |id: &ProbeId| ProbeResult::new(id.clone(), Phases::default(), answer());
    http.take(count).map(result).collect()
}

/// Judges them all at one instant; how long each call of `judge` and `sooner` took on average, and the slowest.
fn judge(w: &mut Fixture, samples: &[ProbeResult]) -> (Duration, Duration, Duration, usize) {
    let (mut judging, mut worst, mut wishing) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut opened = 0;
    for (n, result) in samples.iter().enumerate() {
        let begun = Instant::now();
        let mut events = types::Events::new();
        w.detect.judge(&Context::new(&w.config, w.now), result, &mut events);
        let took = begun.elapsed();
        judging += took;
        worst = worst.max(took);
        opened += events.len();
        for kind in events {
            let seq = w.journal.events.len() as u64 + n as u64 + 1;
            w.detect.apply(&Event { seq, at: w.now, kind });
        }
        if n % 10 == 0 {
            let begun = Instant::now();
            std::hint::black_box(w.detect.sooner(&Context::new(&w.config, w.now)));
            wishing += begun.elapsed();
        }
    }
    let count = u32::try_from(samples.len()).unwrap();
    (judging / count, worst, wishing / count * 10, opened)
}

fn report(what: &str, (judging, worst, wishing, opened): (Duration, Duration, Duration, usize)) {
    eprintln!("{what}: judge {judging:?} (slowest {worst:?}), sooner {wishing:?}; {opened} events");
}

#[test]
#[ignore = "measures; prints figures"]
fn speed_in_a_large_config() {
    let mut w = large();
    let begun = Instant::now();
    w.tick();
    eprintln!("{} probes, index of the configuration {:?}", w.config.probes.len(), begun.elapsed());
    let registrations: Vec<ProbeResult> = (0..ZONES)
        .map(|n| {
            let name = format!("z{n:03}.example");
            let own = ["ns1.host.example"];
            let seen = domain(&name, w.now, Some(300), None, &["active"], &own);
            let probe = ProbeId(format!("domain.{name}"));
            ProbeResult::new(probe, Phases::default(), Answer::Domain(seen))
        })
        .collect();
    report("registrations", judge(&mut w, &registrations));
    let good = samples(&w, &|| http(200), HOSTS);
    report("good, for the first time", judge(&mut w, &good));
    w.pass(secs(30));
    report("good", judge(&mut w, &good));
    let bad = samples(&w, &|| failed(Fault::Refused), HOSTS / 2);
    for round in 1..=4 {
        w.pass(secs(1));
        report(&format!("5000 refused, round {round}"), judge(&mut w, &bad));
    }
    report("good among them", judge(&mut w, &good[HOSTS / 2..]));
    let begun = Instant::now();
    let mut events = types::Events::new();
    w.detect.react(&Context::new(&w.config, w.now), &mut events);
    std::hint::black_box(events);
    eprintln!("tick {:?}", begun.elapsed());
}
