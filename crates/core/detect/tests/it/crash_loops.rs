//! Servers of a pool of the edge that end and are started again: which histories are a crash loop, and how bad it is.

use crate::edge::*;
use crate::fixture::*;
use insta::assert_snapshot;
use types::database::{DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen, Reading, Role};
use types::probe_result::Answer;
use types::traffic::{ConnectsStatus, Rollup, ServerState};
use types::{Fault, PoolId, Severity};

/// A second of a server: it accepts, refuses, or its health checks time out.
#[derive(Clone, Copy, PartialEq)]
enum Second {
    Up,
    Down,
    Late,
    Drained,
}

/// A second of the pool of sign-in.
fn seconds(servers: &[Second]) -> Rollup {
    let mut rollup = quiet();
    let pool = rollup.pools.get_mut(&PoolId("auth".into())).unwrap();
    pool.servers = servers
        .iter()
        .enumerate()
        .map(|(at, second)| {
            let state = match second {
                Second::Up => ServerState::Serving,
                Second::Drained => ServerState::Draining,
                Second::Down | Second::Late => ServerState::Down,
            };
            let mut status = server(&format!("10.0.0.{}:80", at + 1), state);
            let is_up = *second == Second::Up;
            let refused = if matches!(second, Second::Down | Second::Drained) { 2 } else { 0 };
            status.connects = ConnectsStatus {
                accepted: is_up.into(),
                refused,
                listens: is_up,
                ..ConnectsStatus::default()
            };
            status
        })
        .collect();
    rollup
}

/// What happens to a server, second by second.
type History<'a> = &'a dyn Fn(usize) -> Second;
/// Minimum, seconds, servers, expectation.
type Case<'a> = (Option<u32>, usize, &'a [History<'a>], Option<Severity>, &'a str);

/// Periods of a server, repeated: seconds up and down, with an offset.
fn periodic(up: usize, down: usize, offset: usize) -> impl Fn(usize) -> Second {
    move |second| if (second + offset) % (up + down) < up { Second::Up } else { Second::Down }
}

/// Whether a crash loop of the pool was named within some minutes, and its highest severity.
fn judged(min_healthy: Option<u32>, secs: usize, servers: &[History<'_>]) -> Option<Severity> {
    let mut w = world();
    w.config.pools.get_mut(&PoolId("auth".into())).unwrap().min_healthy = min_healthy;
    let mut worst = None;
    for second in 0..secs {
        let states: Vec<Second> = servers.iter().map(|server| server(second)).collect();
        w.roll(&seconds(&states));
        let open = w.detect.alerts().values().filter(|alert| alert.fault.as_str() == "crash-loop");
        worst = worst.max(open.map(|alert| alert.severity).max());
    }
    worst
}

#[test]
fn only_servers_that_end_again_and_again_are_named() {
    let steady = |_: usize| Second::Up;
    let once = |at: usize| {
        move |second: usize| if (at..at + 5).contains(&second) { Second::Down } else { Second::Up }
    };
    let twice = |second: usize| if second % 300 >= 290 { Second::Down } else { Second::Up };
    let by_hand = |second: usize| if matches!(second, 60..70 | 90..95) { Second::Down } else { Second::Up };
    let drained = |second: usize| if second % 20 >= 15 { Second::Drained } else { Second::Up };
    let late = |second: usize| if second % 20 >= 15 { Second::Late } else { Second::Up };
    let gone = |second: usize| if second > 60 { Second::Down } else { Second::Up };
    let (first, second, third) = (periodic(20, 5, 0), periodic(20, 5, 7), periodic(18, 5, 13));
    let (critical, warning) = (Some(Severity::Critical), Some(Severity::Warning));
    let cases: [Case<'_>; 11] = [
        (None, 300, &[&first, &steady, &steady], warning, "a spare is lost"),
        (Some(2), 300, &[&first, &steady, &steady], warning, "enough are left"),
        (Some(2), 300, &[&first, &second, &steady], critical, "the pool is below its minimum"),
        (None, 300, &[&first, &second, &third], critical, "no server is left"),
        (None, 300, &[&first], critical, "its only server"),
        (Some(3), 400, &[&once(60), &once(90), &once(120)], None, "a rolling deploy"),
        (None, 900, &[&twice, &twice, &twice], None, "deploys every five minutes"),
        (None, 600, &[&by_hand, &steady, &steady], None, "an operator restarts it twice"),
        (None, 600, &[&late, &late, &steady], None, "health checks that time out"),
        (None, 600, &[&drained, &drained, &steady], None, "drained before each restart"),
        (None, 900, &[&gone, &steady], None, "it stays down"),
    ];
    for (min, secs, servers, expected, why) in cases {
        assert_eq!(judged(min, secs, servers), expected, "{why}");
    }
}

#[test]
fn autoscaling_is_no_crash_loop() {
    let mut w = world();
    for second in 0..900 {
        // A server is added, refuses while it starts, serves, and is removed after half a minute.
        let mut servers = vec![Second::Up, Second::Up];
        match second % 60 {
            10..15 => servers.push(Second::Down),
            15..45 => servers.push(Second::Up),
            _ => {}
        }
        w.roll(&seconds(&servers));
        assert!(!w.is_open("crash-loop"), "{second}");
    }
}

#[test]
fn one_alert_names_the_servers_with_figures_until_they_run() {
    let mut w = world();
    w.config.pools.get_mut(&PoolId("auth".into())).unwrap().min_healthy = None;
    let (first, second) = (periodic(20, 5, 0), periodic(20, 5, 7));
    let mut words = String::new();
    for at in 0..180 {
        let mut rollup = seconds(&[first(at), second(at)]);
        // The request that ends the first one.
        if at % 25 == 20 {
            let pool = rollup.pools.get_mut(&PoolId("auth".into())).unwrap();
            pool.servers[0].connects.broken = 1;
            pool.servers[0].connects.request = Some("GET /login".into());
        }
        words += &w.roll(&rollup);
    }
    words += "-- fixed\n";
    words += &w.rolls(180, &seconds(&[Second::Up, Second::Up]));
    assert_snapshot!(words);
    w.restart();
}

#[test]
fn shortage_lasts_as_long_as_the_loop_that_makes_it() {
    let mut w = world();
    w.config.pools.get_mut(&PoolId("auth".into())).unwrap().min_healthy = None;
    let both = periodic(20, 8, 0);
    let mut opened = 0;
    for at in 0..300 {
        opened += w.roll(&seconds(&[both(at), both(at)])).matches("+ pool.auth has 0 of 2").count();
    }
    assert_eq!(opened, 3, "once for each end until the loop is known");
    let up = seconds(&[Second::Up, Second::Up]);
    assert!(w.closed("crash-loop", &up, 150).is_some() && w.closed("pool-below-minimum", &up, 9).is_some());
}

#[test]
fn alert_from_before_a_restart_of_mainstay_stays_open_until_its_servers_have_run_for_minutes() {
    let mut w = world();
    for at in 0..150 {
        w.roll(&seconds(&[periodic(20, 5, 0)(at), Second::Up, Second::Up]));
    }
    assert!(w.is_open("crash-loop"));
    w.restart();
    let up = seconds(&[Second::Up, Second::Up, Second::Up]);
    assert!(w.closed("crash-loop", &up, 300).is_some_and(|rolls| rolls >= 120));
}

/// A host that is probed every 5 s, and sooner after a failure, as its answers by the second of the day.
fn probed(history: impl Fn(u64) -> bool, secs: u64) -> (Fixture, String) {
    let mut w = Fixture::new(&[(HOST, "acme.com")]);
    let probe = format!("http.{HOST}");
    let mut words = String::new();
    let mut due = 0;
    for second in 0..secs {
        w.pass(std::time::Duration::from_secs(1));
        if second < due {
            continue;
        }
        let is_up = history(second);
        words += &w.see(&probe, if is_up { http(200) } else { failed(Fault::Refused) });
        due = second + if is_up { 5 } else { 2 };
    }
    (w, words)
}

#[test]
fn probed_host_that_restarts_again_and_again_is_one_alert_and_is_paged_once() {
    let (w, words) = probed(|second| second % 40 < 30 || second > 400, 600);
    assert_snapshot!(words);
    assert!(w.detect.alerts().is_empty());
    for (secs, up, down, why) in [
        (600, 290, 10, "deploys"),
        (600, 8, 1, "a lone refusal between answers"),
        (900, 140, 20, "minutes between"),
    ] {
        let (_, words) = probed(|second| second % (up + down) < up, secs);
        assert!(!words.contains("again and again"), "{why}: {words}");
    }
    let (_, words) = probed(|second| !(100..140).contains(&second) || second % 10 >= 5, 600);
    assert!(!words.contains("again and again"), "away for moments, four times in half a minute: {words}");
}

/// A round of a database whose node started then.
fn round(now: types::Time, uptime: u64, role: Role) -> Answer {
    let facts = NodeFacts { uptime: secs(uptime), role, ..NodeFacts::default() };
    let node = NodeSeen { node: "db1:5432".into(), answer: NodeAnswer::Facts(Box::new(facts)) };
    Answer::Database(Box::new(DatabaseSeen { at: now, nodes: vec![node], backups: Reading::Absent }))
}

#[test]
fn database_with_a_new_start_again_and_again_is_in_a_crash_loop() {
    for (role, every, severity) in [
        (Role::Primary, 40, Some(Severity::Critical)),
        (Role::Replica, 40, Some(Severity::Warning)),
        (Role::Primary, 300, None),
    ] {
        let mut w = Fixture::new(&[(HOST, "acme.com")]);
        for second in (0..900_u64).step_by(10) {
            w.pass(secs(10));
            // Before, it ran for an hour.
            let uptime = if second < every { 3_600 + second } else { second % every + 1 };
            w.see(&format!("http.{HOST}"), round(w.now, uptime, role));
        }
        let open = w.detect.alerts().values().find(|alert| alert.fault.as_str() == "crash-loop");
        assert_eq!(open.map(|alert| alert.severity), severity, "{role:?} every {every} s");
    }
}
