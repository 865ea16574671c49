//! How it is found out that there are fewer places than concurrent clients: before servers that no client asked
//! much, before servers of which nothing is known at all, and where the edge itself gets too little of the processor.

use crate::fixture::{SEC, ServerShape, Story, Surge, World};
use crate::surge::surge;

/// A flood of `times` the capacity, of clients that try once; before it 21 seconds of a few requests, or nothing.
fn flood(server: ServerShape, times: f64, cold: bool, seed: u64) -> Surge {
    let from = if cold { 0 } else { 21 * SEC };
    Surge {
        recognized: 0.1,
        quiet: 0.05,
        flood: times,
        from,
        to: from + 20 * SEC,
        end: from + 30 * SEC,
        tries: 1,
        seed,
        ..surge(server, times)
    }
}

/// Over several seeds: the mean and the least goodput, and the highest p99.
#[expect(clippy::print_stdout, reason = "the table is what people run this for")]
fn of_seeds(server: ServerShape, times: f64, cold: bool) -> (f64, f64, u64) {
    let stories: Vec<(Surge, Story)> =
        (0..4).map(|seed| flood(server, times, cold, seed)).map(|surge| (surge, World::run(surge))).collect();
    let goodput: Vec<f64> = stories.iter().map(|(surge, story)| story.goodput(surge)).collect();
    let p99 = stories.into_iter().map(|(_, mut story)| story.p99()).max().unwrap_or_default();
    let mean = goodput.iter().sum::<f64>() / goodput.len() as f64;
    let least = goodput.iter().copied().fold(f64::INFINITY, f64::min);
    let (places, each) = (server.permits, server.service / 1_000);
    let times_vary = if server.varies { ", times vary" } else { "" };
    println!(
        "{places} x {each} ms{times_vary}, {times:>4} times, {}: goodput {mean:.3} (least {least:.3}), p99 {} ms",
        if cold { "nothing known" } else { "quiet before" },
        p99 / 1_000,
    );
    (mean, least, p99)
}

fn check(permits: u32, service: u64, times: f64, goodput: f64) {
    let server = ServerShape { permits, service, varies: false };
    for cold in [false, true] {
        let goodput = if cold { 0.9 * goodput } else { goodput };
        let (mean, least, p99) = of_seeds(server, times, cold);
        assert!(mean >= goodput, "{server:?} {cold} {mean}");
        assert!(least >= 0.9 * goodput, "{server:?} {cold} {least}");
        // With the onset, when eight clients are let in to servers whose behaviour under load is unknown. Where nothing is
        // known at all, further clients wait: no client is refused before something was seen to be slow.
        assert!(p99 <= if cold { SEC } else { 5 * service }, "{server:?} {cold} {p99}");
    }
}

/// 32,000 requests a second where there were three.
#[test]
fn two_places() {
    check(2, 100_000, 1_600.0, 0.90);
}

#[test]
fn ten_slow_places() {
    check(10, 250_000, 800.0, 0.90);
}

#[test]
fn one_place() {
    check(1, 200_000, 1_000.0, 0.70);
}

/// Of eight concurrent requests only four could be answered before their clients leave.
#[test]
fn two_places_so_slow_that_clients_leave() {
    check(2, 500_000, 1_000.0, 0.70);
}

#[test]
fn ten_quick_places() {
    for times in [2.0, 100.0] {
        check(10, 50_000, times, 0.95);
    }
}

/// A median of a few times that vary says little: whatever is concluded from it, the limit does not end at the bottom.
#[test]
fn where_times_vary() {
    for (permits, service, times, goodput) in [
        (2, 100_000, 1_600.0, 0.80),
        (10, 250_000, 800.0, 0.75),
        (1, 200_000, 1_000.0, 0.50),
        (10, 50_000, 2.0, 0.90),
        (10, 50_000, 100.0, 0.90),
    ] {
        let server = ServerShape { permits, service, varies: true };
        for cold in [false, true] {
            let (mean, least, _) = of_seeds(server, times, cold);
            assert!(mean >= goodput, "{server:?} {cold} {mean}");
            assert!(least >= 0.75 * goodput, "{server:?} {cold} {least}");
        }
    }
}

/// The edge gets no processor for 20 to 50 ms now and then: every answer of that time looks slow, and the clients that came
/// meanwhile arrive together. There is room for all of them.
#[test]
fn where_the_edge_has_to_wait_for_the_processor() {
    for (permits, service, load) in
        [(64, 400, 0.3), (64, 5_000, 0.3), (10, 1_000, 0.3), (10, 50_000, 0.3), (10, 50_000, 0.6)]
    {
        for (stalls, seed) in [(100_000, 1), (100_000, 2), (300_000, 3), (300_000, 4)] {
            let server = ServerShape { permits, service, varies: true };
            let (known, others) = (load / 3.0, load * 2.0 / 3.0);
            let surge = Surge {
                recognized: known,
                quiet: others,
                flood: others,
                tries: 1,
                stalls,
                seed,
                ..surge(server, load)
            };
            let surge = Surge { from: 2 * SEC, to: 6 * SEC, end: 6 * SEC, ..surge };
            let story = World::run(surge);
            assert!(story.recognized.part() >= 0.999, "{server:?} {load} {:?}", story.recognized);
            assert!(story.first.part() >= 0.98, "{server:?} {load} {:?} {:?}", story.first, story.limits);
        }
    }
}
