//! Cost of samples in large configurations, also while a service is uncertain.

use super::*;
use std::time::Instant;
use types::AddressSeen;

/// Probes at one address, three or four per service. The last one never gets a response, so its service stays uncertain.
fn many(probes: usize) -> Bench {
    let services = (probes * 3 / 10).max(1);
    let mut text = CONFIG.split("[service.shop]").next().unwrap().to_owned();
    for n in 0..services {
        text += &format!("[service.s{n}]\ntitle = \"S{n}\"\n");
    }
    for n in 0..probes {
        let service = n % services;
        text += &format!(
            "[probe.p{n}]\nhttp = \"http://h{n}.acme.net/\"\ninterval = \"30s\"\nservice = \"s{service}\"\n"
        );
    }
    text += &CONFIG[CONFIG.find("[person.ana]").unwrap()..];
    Bench::with(read(&text))
}

fn sample(n: usize, fault: Option<Fault>) -> Input {
    let address = "127.0.0.9".parse().unwrap();
    let answer = fault.clone().map_or_else(|| http(200), Answer::Failed);
    let mut sample = result(&format!("p{n}"), 0, answer);
    sample.addresses.push(AddressSeen { address, fault });
    sample.into()
}

/// One turn of the loop: a batch of inputs and the tick at its end.
fn turn(bench: &mut Bench, inputs: impl Iterator<Item = Input>) {
    for input in inputs {
        bench.events.extend(bench.engine.observe(bench.now, &input).unwrap());
    }
    bench.input(System::Tick).unwrap();
}

fn millis(bench: &mut Bench, millis: u64) {
    bench.now = time::later(bench.now, Duration::from_millis(millis));
}

/// Good responses, one per turn, 3 ms apart.
fn calm(bench: &mut Bench, probes: usize, turns: usize) -> Duration {
    let begun = Instant::now();
    for n in 0..turns {
        millis(bench, 3);
        turn(bench, [sample(n % (probes - 1), None)].into_iter());
        std::hint::black_box(bench.engine.next_deadline());
    }
    begun.elapsed()
}

#[test]
fn sample_in_a_config_of_100_times_the_size_costs_about_the_same() {
    let mut cost = Vec::new();
    for probes in [100, 10_000] {
        let mut bench = many(probes);
        for n in 0..probes - 1 {
            bench.engine.observe(bench.now, &sample(n, None)).unwrap();
        }
        bench.input(System::Tick).unwrap();
        calm(&mut bench, probes, 20);
        cost.push(calm(&mut bench, probes, 1_000));
    }
    // Judging all services for each sample costs as many times more as the configuration is larger, which is 100.
    assert!(cost[1] < cost[0] * 20, "{cost:?}");
}

#[test]
fn refusal_of_10_000_probes_is_one_page_within_seconds() {
    let probes = 10_000;
    let mut bench = many(probes);
    turn(&mut bench, (0..probes).map(|n| sample(n, None)));
    let begun = Instant::now();
    let mut paged = None;
    // A turn takes at most 256 samples; every probe responds about once per second.
    for step in 0..800 {
        millis(&mut bench, 25);
        let first = step * 256 % probes;
        turn(&mut bench, (first..probes.min(first + 256)).map(|n| sample(n, Some(Fault::Refused))));
        if paged.is_none() && !bench.engine.due(bench.now).is_empty() {
            paged = Some(step * 25);
        }
    }
    let paged = paged.expect("a page");
    assert!(paged <= 15_000, "first page after {paged} ms of engine time");
    assert_eq!(bench.count(|it| matches!(it, EventKind::PageOpened { .. })), 1);
    assert!(begun.elapsed() < Duration::from_secs(120), "20 s took {:?}", begun.elapsed());
}
