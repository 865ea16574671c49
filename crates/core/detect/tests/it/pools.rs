//! Limit conflicts, pools below their minimum, unknown hosts, and an edge that falls silent.

use crate::edge::*;
use crate::fixture::*;
use insta::assert_snapshot;
use types::traffic::{Rollup, ServerState};
use types::{Fault, PoolId, Resource, ServiceId, Severity};

#[test]
fn limits_that_fight_are_named_with_the_trace_that_shows_them() {
    let mut w = world();
    let mut words = w.rolls(20, &quiet());
    words += "-- they fight\n";
    words += &w.rolls(60, &refused("auth-web", 13, 1));
    words += "-- they are fixed\n";
    words += &w.rolls(60, &quiet());
    assert_snapshot!(words, @r"
    12:00:15 usual of api: 10000
    12:00:15 usual of auth: 10000
    -- they fight
    12:00:22 + service.api rate-limits its own caller auth-web: 92 % of its 429 responses (api-client of auth-web, then per-address of api); see `mainstay trace 4bf92f35` [Critical since 12:00:20] 26 of 28 responses with 429 in 10 s went to auth-web; in total 0 by limits of the edge, 28 by servers
    -- they are fixed
    12:02:00 - alert-1
    ");
    w.restart();
}

#[test]
fn not_every_refusal_is_a_fight() {
    for (caller, count, others, expected, why) in [
        ("auth-web", 13, 1, Some((2, Severity::Critical)), "nearly all hit our own front end"),
        ("auth-web", 2, 1, Some((3, Severity::Critical)), "few, but most of them"),
        ("auth-web", 1, 0, Some((6, Severity::Critical)), "very few, but all of them, again and again"),
        ("auth-web", 5, 50, None, "visitors are refused, and our own with them"),
        ("auth-web", 0, 50, None, "only visitors are"),
        ("nightly", 20, 0, Some((2, Severity::Warning)), "a job that serves no visitor"),
    ] {
        let mut w = world();
        w.rolls(20, &quiet());
        let named = w.named("limit-conflict", &refused(caller, count, others), 10);
        let found = named.map(|rolls| (rolls, w.detect.alerts().values().next().unwrap().severity));
        assert_eq!(found, expected, "{why}");
    }
}

fn shrunk(states: &[ServerState]) -> Rollup {
    let mut rollup = quiet();
    let pool = rollup.pools.get_mut(&PoolId("auth".into())).unwrap();
    let servers = states.iter().enumerate();
    pool.servers = servers.map(|(at, state)| server(&format!("10.0.0.{}:80", at + 1), *state)).collect();
    rollup
}

#[test]
fn conflict_stays_open_while_the_edge_throttles_the_caller() {
    let mut w = world();
    assert!(w.named("limit-conflict", &refused("auth-web", 8, 0), 10).is_some());
    let mut held = quiet();
    held.pools.get_mut(&PoolId("auth".into())).unwrap().throttled = true;
    assert_eq!(w.closed("limit-conflict", &held, 600), None);
    assert!(w.closed("limit-conflict", &quiet(), 32).is_some_and(|rolls| rolls >= 30));
}

#[test]
fn pool_below_its_minimum_is_alerted_immediately_with_its_failed_servers() {
    use ServerState::{Down, Draining, Ejected, Serving, Warming};
    let mut w = world();
    let mut words = w.rolls(3, &shrunk(&[Serving, Serving, Serving]));
    words += "-- one leaves, which is allowed\n";
    words += &w.rolls(5, &shrunk(&[Serving, Serving, Down]));
    words += "-- another\n";
    words += &w.rolls(20, &shrunk(&[Serving, Ejected, Down]));
    words += "-- the last\n";
    words += &w.rolls(20, &shrunk(&[Draining, Ejected, Down]));
    assert_eq!(w.detect.last_result(&Resource::pool("auth")).map(|last| last.healthy), Some(false));
    assert_eq!(w.detect.last_result(&Resource::pool("api")).map(|last| last.healthy), Some(true));
    words += "-- back\n";
    words += &w.rolls(20, &shrunk(&[Serving, Warming, Down]));
    assert_snapshot!(words, @r"
    -- one leaves, which is allowed
    -- another
    12:00:10 + pool.auth has 1 of 3 servers healthy (minimum 2): 10.0.0.1:80 serves; 10.0.0.2:80 is ejected since 12:00 UTC (connection refused); 10.0.0.3:80 is down since 12:00 UTC (connection refused) [Critical since 12:00:05] 1 of 3 servers healthy; 0 requests in flight, 0 queued
    12:00:15 usual of api: 10000
    12:00:15 usual of auth: 10000
    -- the last
    12:00:29 ~ alert-1 has 0 of 3 servers healthy (minimum 2): 10.0.0.1:80 is draining since 12:00 UTC (connection refused); 10.0.0.2:80 is ejected since 12:00 UTC (connection refused); 10.0.0.3:80 is down since 12:00 UTC (connection refused) [Critical] 0 of 3 servers healthy; 0 requests in flight, 0 queued
    -- back
    12:00:53 - alert-1
    ");
}

#[test]
fn a_flicker_is_no_shrinking_and_names_being_looked_up_are_no_servers_lost() {
    let mut w = world();
    for _ in 0..20 {
        w.rolls(1, &shrunk(&[ServerState::Ejected]));
        w.rolls(1, &quiet());
    }
    assert!(w.detect.alerts().is_empty());
    assert_eq!(w.named("pool-below-minimum", &shrunk(&[]), 10), Some(5));
}

#[test]
fn certificate_for_another_name_is_reported_with_both_names() {
    let mut w = world();
    let mut wrong = quiet();
    let pool = wrong.pools.get_mut(&PoolId("api".into())).unwrap();
    pool.certificate = Some(("api.internal".into(), "it is for parking.example".into()));
    assert_eq!(w.named("server-certificate", &wrong, 5), Some(2));
    let alert = w.detect.alerts().values().next().unwrap();
    assert_eq!(alert.about, Resource::pool("api"));
    assert!(alert.fault.to_string().contains("not for api.internal: it is for parking.example"));
    assert_eq!(w.closed("server-certificate", &quiet(), 10), Some(5));
}

#[test]
fn unknown_hosts_are_alerted_but_scanners_fill_nothing() {
    let mut w = world();
    let mut asked = quiet();
    asked.unknown_hosts = (0..40).map(|n| (format!("x{n}.scanner.example"), 1)).collect();
    asked.unknown_hosts.insert("old.acme.com".into(), 2);
    asked.unknown_hosts.insert("${jndi}.acme.com".into(), 9);
    w.rolls(100, &asked);
    assert!(w.detect.alerts().is_empty(), "two minutes are not long enough");
    w.rolls(60, &asked);
    let names = |w: &Fixture| w.detect.alerts().values().map(|it| it.about.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&w), ["old.acme.com"]);
    for round in 0..200 {
        asked.unknown_hosts = (0..40).map(|n| (format!("y{round}-{n}.scanner.example"), 900)).collect();
        w.rolls(20, &asked);
    }
    assert_eq!(names(&w), ["old.acme.com"], "a name that comes once is nobody's");
    asked.unknown_hosts = (0..100).map(|n| (format!("z{n}.other.example"), 9)).collect();
    w.rolls(45 * 60, &asked);
    assert_eq!(names(&w).len(), 11, "of foreign names at most ten are told");
    assert!(w.detect.alerts().values().all(|alert| alert.severity == Severity::Info));

    // The configuration comes to watch it.
    w.config.digest = "another".into();
    w.config.graph.add(Resource::host("old.acme.com"));
    w.roll(&quiet());
    assert!(!names(&w).contains(&"old.acme.com".to_owned()));
    w.rolls(60, &quiet());
    w.pass(secs(90_000)).rolls(2, &quiet());
    assert!(names(&w).is_empty(), "after a day in which nobody asked it is gone");
}

#[test]
fn what_left_the_config_has_no_alerts() {
    let broken = || {
        let mut w = world();
        w.rolls(30, &quiet());
        let mut all = refused("auth-web", 13, 0);
        all.services.insert(ServiceId("auth".into()), traffic(5_000, 4_000));
        all.pools = shrunk(&[ServerState::Down]).pools;
        w.rolls(10, &all);
        assert_eq!(w.detect.alerts().len(), 3);
        w
    };
    type Change = fn(&mut types::Config);
    let table: [(&str, Change, &[&str]); 5] = [
        ("nothing", |_| {}, &["limit-conflict", "pool-below-minimum", "surge"]),
        ("the edge", |config| config.edge = None, &[]),
        (
            "a guard",
            |config| config.services.get_mut(&ServiceId("auth".into())).unwrap().traffic = None,
            &["limit-conflict", "pool-below-minimum"],
        ),
        ("a pool", |config| _ = config.pools.remove(&PoolId("auth".into())), &["limit-conflict", "surge"]),
        ("a caller", |config| config.callers.clear(), &["pool-below-minimum", "surge"]),
    ];
    for (what, change, left) in table {
        let mut w = broken();
        w.config.digest = "another".into();
        change(&mut w.config);
        w.tick();
        let mut words: Vec<&str> = w.detect.alerts().values().map(|alert| alert.fault.as_str()).collect();
        words.sort_unstable();
        assert_eq!(words, left, "without {what}");
    }
}

#[test]
fn an_edge_that_falls_silent_leaves_its_alerts_open_until_the_probes_speak_in_its_place() {
    let mut w = world();
    w.rolls(30, &quiet());
    w.rolls(10, &second(traffic(5_000, 4_000)));
    let mut words = w.let_pass(secs(700));
    assert!(w.is_open("surge"), "nobody has said that it is over");
    let seen = w.detect.last_result(&Resource::service("auth")).unwrap();
    assert!(!seen.healthy && w.now.as_second() - seen.at.as_second() >= 700, "what was seen grows old");
    words += "-- the probes of the name speak\n";
    words += &w.see(&format!("http.{HOST}"), http(503));
    words += &w.tick();
    assert!(w.is_open("surge"));
    words += &w.pass(secs(30)).see(&format!("http.{HOST}"), http(200));
    words += &w.tick();
    assert!(!w.is_open("surge"));
    words += "-- the edge is back\n";
    words += &w.roll(&quiet());
    assert_snapshot!(words, @r"
    12:01:10 + mainstay.edge has reported no traffic since 2026-11-22T12:00:40Z [Warning since 12:00:40] a roll-up is expected every second; alerts of the edge stay open
    -- the probes of the name speak
    12:12:50 - alert-1
    -- the edge is back
    12:12:51 - alert-2
    ");
    w.restart();
}

#[test]
fn edge_without_any_rollup_is_silent_too_and_a_config_without_an_edge_expects_none() {
    let mut w = world();
    w.let_pass(secs(60));
    assert!(w.detect.alerts().values().any(|alert| matches!(alert.fault, Fault::EdgeSilent { .. })));
    let mut w = Fixture::new(&[(HOST, "acme.com")]);
    w.let_pass(secs(60));
    w.rolls(5, &second(traffic(5_000, 4_900)));
    assert!(w.detect.alerts().is_empty());
}

/// A roll-up in which a pool of ten has this many servers, and sign-in was asked like this.
fn of_ten(serving: usize, requests: u64, shed: u64) -> Rollup {
    let states: Vec<ServerState> =
        (0..10).map(|at| if at < serving { ServerState::Serving } else { ServerState::Down }).collect();
    let mut rollup = shrunk(&states);
    rollup.services.insert(ServiceId("auth".into()), traffic(requests, shed));
    rollup
}

#[test]
fn half_a_pool_without_a_minimum_wakes_people_only_when_clients_are_refused() {
    let without_minimum = || {
        let mut w = world();
        w.config.pools.get_mut(&PoolId("auth".into())).unwrap().min_healthy = None;
        w.rolls(20, &of_ten(10, 20, 0));
        w
    };
    for (serving, shed, expected, why) in [
        (5, 10, None, "half of them"),
        (4, 0, None, "all clients are served"),
        (4, 10, Some(Severity::Critical), "clients are refused"),
    ] {
        let mut w = without_minimum();
        w.rolls(10, &of_ten(serving, 20, shed));
        let severity = w.detect.alerts().values().next().map(|alert| alert.severity);
        assert_eq!(severity, expected, "{why}");
    }
    let mut w = without_minimum();
    w.rolls(310, &of_ten(4, 20, 0));
    let severity = |w: &Fixture| w.detect.alerts().values().next().map(|alert| alert.severity);
    assert_eq!(severity(&w), Some(Severity::Warning), "the team knows it after five minutes");
    w.rolls(10, &of_ten(4, 20, 10));
    assert_eq!(severity(&w), Some(Severity::Critical));
    w.rolls(20, &of_ten(4, 20, 0));
    assert_eq!(severity(&w), Some(Severity::Warning), "they are served again");
    w.restart();
}

#[test]
fn pool_below_its_minimum_says_whether_clients_are_refused() {
    let mut w = world();
    w.rolls(20, &of_ten(10, 20, 0));
    w.rolls(20, &of_ten(1, 20, 0));
    let text = |w: &Fixture| {
        let mut alerts = w.detect.alerts().values();
        alerts.find(|alert| alert.fault.as_str() == "pool-below-minimum").unwrap().fault.to_string()
    };
    assert!(!text(&w).contains("clients are refused"), "{}", text(&w));
    w.rolls(20, &of_ten(1, 20, 5));
    assert!(text(&w).contains("(minimum 2), and clients are refused: "), "{}", text(&w));
    w.rolls(20, &of_ten(1, 20, 0));
    assert!(!text(&w).contains("clients are refused"), "{}", text(&w));
}
