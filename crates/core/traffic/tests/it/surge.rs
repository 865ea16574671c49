//! The surge: goodput, recognized clients, delay, recovery, newcomers, sign-ins of three steps.
//!
//! A server with ten permits sleeps for 50 ms a request (250 ms at 8,000 times, so that numbers stay small) and goes
//! on with what no client waits for. Clients wait a second, and try three times. Recognized clients ask for six tenths
//! of the capacity. `cargo test -p the load balancer --test it surge -- --nocapture` prints the table.

use crate::fixture::{Refuses, SEC, ServerShape, Story, Surge, World};
use std::time::Duration;

const FAST: ServerShape = ServerShape { permits: 10, service: 50_000, varies: false };
const SLOW: ServerShape = ServerShape { permits: 10, service: 250_000, varies: false };

pub(crate) fn surge(server: ServerShape, times: f64) -> Surge {
    let to = if times > 1_000.0 { 14 } else { 30 };
    Surge {
        server,
        refuses: Refuses::Nothing,
        recognized: 0.6,
        quiet: 0.2,
        flood: times - 0.6,
        crowd: 0.0,
        crowd_subnets: 1,
        flows: 0.0,
        from: 10 * SEC,
        to: to * SEC,
        end: (to + 10) * SEC,
        tries: 3,
        random: false,
        priority: false,
        then: None,
        stalls: 0,
        seed: 7,
    }
}

#[expect(clippy::print_stdout, reason = "the table is what people run this for")]
pub(crate) fn run(surge: Surge, times: f64) -> Story {
    let mut story = World::run(surge);
    println!(
        "{times:>6} times: goodput {:.3}, known {:.3} (at once {:.3}), newcomers {:.4}, p99 {} ms, normal after {:?}, {} tries",
        story.goodput(&surge),
        story.recognized.part(),
        f64::from(story.recognized.at_once) / f64::from(story.recognized.asked),
        story.first.part(),
        story.p99() / 1_000,
        story.normal_after(&surge),
        story.attempts,
    );
    story
}

fn check(server: ServerShape, times: f64, goodput: f64, recognized: f64) {
    let surge = surge(server, times);
    let mut story = run(surge, times);
    assert!(story.goodput(&surge) >= goodput, "{}", story.goodput(&surge));
    // Counted at the first try, without the clients' patience.
    assert!(
        f64::from(story.recognized.at_once) >= recognized * f64::from(story.recognized.asked),
        "{:?}",
        story.recognized
    );
    // 99 of 100 exponential times are below 4.6 times their mean.
    let unloaded = if server.varies { server.service * 46 / 10 } else { server.service };
    assert!(story.p99() <= 5 * unloaded, "{}", story.p99());
    assert!(story.normal_after(&surge) <= Duration::from_secs(2));
    assert!(story.first.served > 0);
}

#[test]
fn once() {
    check(FAST, 1.0, 0.95, 0.99);
}

#[test]
fn twice() {
    check(FAST, 2.0, 0.95, 0.98);
}

#[test]
fn tenfold() {
    check(FAST, 10.0, 0.95, 0.95);
}

#[test]
fn hundredfold() {
    check(FAST, 100.0, 0.95, 0.95);
}

#[test]
fn eight_thousandfold() {
    check(SLOW, 8_000.0, 0.85, 0.90);
}

/// A server that can do less than it is given at first, and so slowly that no client would stay for the response.
#[test]
fn a_server_of_two_places() {
    let surge = surge(ServerShape { permits: 2, service: 500_000, varies: false }, 1_000.0);
    let surge = Surge { to: 40 * SEC, end: 50 * SEC, tries: 1, ..surge };
    let mut story = run(surge, 1_000.0);
    assert!(story.goodput(&surge) >= 0.75, "{}", story.goodput(&surge));
    assert!(story.recognized.part() >= 0.6, "{:?}", story.recognized);
    assert!(story.p99() <= SEC);
}

/// Answers within a fraction of a millisecond that take twice as long while a neighbour is busy: no overload, there
/// is room.
#[test]
fn quick_servers_on_a_busy_machine() {
    let quick = ServerShape { permits: 64, service: 400, varies: true };
    let busy = ServerShape { service: 800, ..quick };
    // Three tenths of what it can, and then six tenths.
    let surge =
        Surge { recognized: 0.1, quiet: 0.2, flood: 0.2, tries: 1, then: Some(busy), ..surge(quick, 0.3) };
    let surge = Surge { from: 2 * SEC, to: 6 * SEC, end: 6 * SEC, ..surge };
    let story = run(surge, 0.3);
    assert!(story.recognized.part() >= 0.999, "{:?}", story.recognized);
    assert!(story.first.part() >= 0.98, "{:?}", story.first);
}

#[test]
fn with_times_that_vary() {
    for times in [2.0, 10.0] {
        check(ServerShape { varies: true, ..FAST }, times, 0.90, 0.95);
    }
}

/// Recognized clients alone ask five times what fits: they share it, and newcomers keep their part.
#[test]
fn newcomers_keep_their_part() {
    let surge = Surge { recognized: 5.0, flood: 25.0, ..surge(FAST, 30.0) };
    let story = run(surge, 30.0);
    assert!(story.goodput(&surge) >= 0.90);
    let capacity = surge.server.capacity() * 20.0;
    let newcomers = f64::from(story.first.served) / capacity;
    assert!((0.025..0.10).contains(&newcomers), "{newcomers}");
}

/// Any client may ask for an urgent path: a flood of it leaves recognized clients half of the servers.
#[test]
fn priority_paths_do_not_starve_recognized_clients() {
    let surge = Surge { recognized: 0.4, priority: true, ..surge(FAST, 10.0) };
    let story = run(surge, 10.0);
    assert!(story.recognized.part() >= 0.95, "{:?}", story.recognized);
    assert!(story.goodput(&surge) >= 0.90);
}

/// A client that got through the first step gets through the others.
#[test]
fn sign_ins_of_three_steps() {
    // Of several worlds: by chance alone one or two get through in one of them.
    let of = |random: bool| -> f64 {
        let part = |seed| {
            let surge = Surge { recognized: 0.3, flows: 40.0, tries: 1, random, seed, ..surge(FAST, 10.0) };
            World::run(surge).flows.part()
        };
        (7..11).map(part).sum::<f64>() / 4.0
    };
    let (consistent, random) = (of(false), of(true));
    println!("sign-ins of three steps: {consistent:.4} consistent, {random:.4} random");
    assert!(consistent >= 0.03, "{consistent}");
    assert!(consistent >= 20.0 * random.max(0.001), "{consistent} {random}");
}

/// The limit follows a server that becomes another one in the middle of a surge.
#[test]
fn the_server_changes() {
    let slower = ServerShape { permits: 10, service: 150_000, varies: false };
    let narrower = ServerShape { permits: 4, service: 50_000, varies: false };
    let wider = ServerShape { permits: 30, service: 50_000, varies: false };
    for (then, least) in [(slower, 0.85), (narrower, 0.85), (wider, 0.7)] {
        let surge =
            Surge { then: Some(then), recognized: 0.2, to: 50 * SEC, end: 60 * SEC, ..surge(FAST, 10.0) };
        let story = World::run(surge);
        // From ten seconds after the change until the end of the surge.
        let good: u32 = story.good[40..50].iter().sum();
        let part = f64::from(good) / 10.0 / then.capacity();
        println!("{then:?}: {part:.3} of what it can, limits {:?}", &story.limits[25..50]);
        assert!(part >= least, "{then:?} {part}");
    }
}
