//! Far more traffic than usual: named when, how heavy, and when it is over.

use crate::edge::*;
use insta::assert_snapshot;
use proptest::prelude::*;
use std::collections::BTreeSet;
use testkit::config::probe;
use types::config::ProbeKind;
use types::probe_result::Answer;
use types::traffic::{ServerState, ServiceTraffic};
use types::{Fault, PoolId, ProbeId, Resource, Severity};

#[test]
fn flood_is_alerted_within_seconds_and_again_only_when_it_changed() {
    let mut w = world();
    let mut words = w.rolls(60, &quiet());
    let flood = |requests, shed| {
        let mut flood = traffic(requests, shed);
        flood.subnets =
            [("203.0.113.0/24", 60), ("198.51.100.0/24", 22), ("AS64500", 10), ("192.0.2.0/24", 3)]
                .map(|(net, share)| (net.to_owned(), share))
                .to_vec();
        second(flood)
    };
    words += "-- it begins\n";
    words += &w.rolls(30, &flood(54_321, 50_000));
    words += "-- it doubles\n";
    words += &w.rolls(30, &flood(120_000, 110_000));
    words += "-- the team denies most of it\n";
    let mut denied = flood(120_000, 0);
    let auth = denied.services.values_mut().find(|auth| auth.requests > 1_000).unwrap();
    (auth.denied, auth.passed) = (119_990, 10);
    words += &w.rolls(60, &denied);
    words += "-- it ends\n";
    words += &w.rolls(60, &quiet());
    assert_snapshot!(words, @r"
    12:00:15 usual of api: 10000
    12:00:15 usual of auth: 10000
    -- it begins
    12:01:02 + service.auth receives 5,400 times its usual traffic (54,000 requests/s), 89 % of it from 3 networks: 203.0.113.0/24, 198.51.100.0/24, AS64500 [Critical since 12:01:00] in 3 s: 108,652 requests, 100,000 shed; usual rate 10.0 requests/s
    -- it doubles
    12:01:31 ~ alert-1 receives 12,000 times its usual traffic (120,000 requests/s), 92 % of it from 3 networks: 203.0.113.0/24, 198.51.100.0/24, AS64500 [Critical] in 3 s: 228,642 requests, 210,000 shed; usual rate 10.0 requests/s
    -- the team denies most of it
    12:02:12 ~ alert-1 receives 12,000 times its usual traffic (120,000 requests/s), 92 % of it from 3 networks: 203.0.113.0/24, 198.51.100.0/24, AS64500 [Warning] in 3 s: 360,000 requests, 359,970 denied; usual rate 10.0 requests/s
    -- it ends
    12:03:06 - alert-1
    ");
    w.restart();
}

#[test]
fn how_much_is_a_surge_depends_on_what_is_usual_and_on_whether_it_hurts() {
    for (minutes, usual, requests, shed, expected, why) in [
        (2, 10, 2_000, 1_900, Some((2, Severity::Critical)), "two hundred times, nearly all turned away"),
        (2, 10, 2_000, 0, Some((2, Severity::Warning)), "as much, and all served"),
        (2, 10, 60, 30, Some((4, Severity::Critical)), "six times, and it hurts"),
        (2, 10, 100, 0, None, "ten times, all served, hardly known"),
        (90, 10, 100, 0, Some((3, Severity::Warning)), "ten times, all served, well known"),
        (90, 10, 40, 0, None, "four times"),
        (90, 1, 15, 0, None, "fifteen a second is never a flood"),
        (90, 300, 900, 800, None, "three times: turned away for another reason"),
        (0, 0, 5_000, 4_500, Some((4, Severity::Critical)), "never seen before, and nearly all turned away"),
        (0, 0, 5_000, 0, None, "never seen before, and all served"),
    ] {
        let mut w = world();
        w.rolls(minutes * 60, &second(traffic(usual, 0)));
        let named = w.named("surge", &second(traffic(requests, shed)), 10);
        let found = named.map(|rolls| (rolls, w.detect.alerts().values().next().unwrap().severity));
        assert_eq!(found, expected, "{why}");
        assert!(named.is_none_or(|rolls| rolls <= 5), "{why}");
    }
}

/// The first minute of mainstay in front of a service whose database has just gone.
#[test]
fn a_database_that_fails_is_not_called_a_surge_while_the_usual_traffic_is_unknown() {
    let refused = || second(traffic(100, 90));
    let failed = second(ServiceTraffic { failed: 90, ..traffic(100, 0) });
    for (database, rollup, is_surge, why) in [
        (Some(true), refused(), true, "its database is well"),
        (None, refused(), true, "nothing is known of its database"),
        (Some(false), refused(), false, "its database does not answer: the edge sheds what waits for it"),
        (Some(true), failed, false, "errors of servers do not tell how many clients there are"),
    ] {
        let mut w = world();
        let about = Resource::database("main");
        let kind = ProbeKind::Database { name: "main".into() };
        w.config.probes.insert(ProbeId::from("database.main"), probe(about.clone(), kind));
        w.config.graph.add_dependency(Resource::service("auth"), about);
        w.config.digest = "with a database".into();
        if database == Some(false) {
            w.see("database.main", Answer::Failed(Fault::Refused));
        }
        assert_eq!(w.named("surge", &rollup, 10).is_some(), is_surge, "{why}");
    }
    let mut known = world();
    known.rolls(60, &quiet());
    assert!(known.named("surge", &refused(), 5).is_some(), "ten times the usual rate");
}

/// What sign-in asks of its API ends, and is counted, before the requests that asked for it.
#[test]
fn a_service_is_not_called_first_that_only_passes_on_what_another_gets() {
    for (over, named) in [(true, &["auth", "api"][..]), (false, &["api"])] {
        let mut w = world();
        w.config.graph.add_dependency(Resource::service("auth"), Resource::service("api"));
        w.rolls(60, &quiet());
        let mut only_api = quiet();
        only_api.services.insert("api".into(), traffic(2_000, 1_900));
        let mut both = only_api.clone();
        both.services.insert("auth".into(), traffic(2_000, 1_900));
        w.roll(&only_api);
        w.roll(if over { &both } else { &only_api });
        assert_eq!(w.is_open("surge"), !over, "nothing points at sign-in, or it has a second more");
        w.roll(if over { &both } else { &only_api });
        let about: BTreeSet<Resource> = w.detect.alerts().values().map(|found| found.about.clone()).collect();
        assert_eq!(about, named.iter().map(|name| Resource::service(*name)).collect());
    }
    // One second of many clients delays the detection no longer.
    let mut w = world();
    w.config.graph.add_dependency(Resource::service("auth"), Resource::service("api"));
    w.rolls(60, &quiet());
    let mut api = second(traffic(2_000, 0));
    api.services.insert("api".into(), traffic(2_000, 1_900));
    w.roll(&api);
    api.services.insert("auth".into(), traffic(10, 0));
    assert!(w.named("surge", &api, 5).is_some());
}

#[test]
fn where_nothing_is_known_no_number_of_times_is_made_up() {
    let mut w = world();
    w.rolls(6, &second(traffic(5_000, 4_500)));
    let alert = w.detect.alerts().values().next().unwrap();
    assert_eq!(alert.fault.to_string(), "receives 5,000 requests/s, more than it can serve");
}

#[test]
fn it_is_over_when_the_rate_was_back_for_a_while_and_not_between_two_waves() {
    let mut w = world();
    w.rolls(60, &quiet());
    let flood = second(traffic(2_000, 1_900));
    w.rolls(10, &flood);
    for _ in 0..5 {
        w.rolls(5, &quiet());
        assert!(w.is_open("surge"), "a lull of five seconds");
        w.rolls(3, &flood);
    }
    assert!((6..=10).contains(&w.closed("surge", &quiet(), 60).unwrap()));
    w.rolls(10, &flood);
    assert!(
        w.closed("surge", &second(traffic(40, 0)), 120).unwrap() > 50,
        "four times the usual is not back to it"
    );
    w.rolls(6, &flood);
    w.restart();
    assert!(
        w.closed("surge", &quiet(), 60).is_some(),
        "a restart forgets neither that it is on nor what is usual"
    );
}

#[test]
fn a_lot_that_is_served_for_hours_becomes_usual() {
    let mut w = world();
    w.rolls(90 * 60, &quiet());
    let written = w.learned();
    let much = second(traffic(100, 0));
    assert!(w.named("surge", &much, 10).is_some());
    assert!(w.closed("surge", &much, 6 * 3_600).is_some());
    assert!(w.learned() - written <= 3, "what is usual is written down seldom");
    assert!(w.named("surge", &second(traffic(5_000, 4_000)), 5).is_some());
}

#[test]
fn what_is_usual_survives_a_restart_in_the_midst_of_a_flood() {
    let mut w = world();
    w.rolls(60, &quiet());
    w.restart();
    let flood = second(traffic(2_000, 1_900));
    assert!(w.named("surge", &flood, 5).is_some());
    w.rolls(1_800, &flood);
    w.restart();
    w.rolls(1_800, &flood);
    let alert = w.detect.alerts().values().next().unwrap();
    let Fault::Surge { times, .. } = &alert.fault else { panic!("{alert:?}") };
    assert_eq!(*times, Some(200), "an hour of it is not what is usual");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Any traffic at all, with gaps, restarts and changes of the configuration: one alert a thing and word, none from the
    /// future, no turning in a circle, and a journal that says seldom what is usual.
    #[test]
    fn whatever_the_edge_counts(steps in prop::collection::vec((0u64..3, 0u64..6, 0u8..30, 0u8..4), 1..250)) {
        let mut w = world();
        let begun = w.now;
        for (rate, share, special, state) in steps {
            match special {
                0 => w.restart(),
                1 => _ = w.let_pass(std::time::Duration::from_secs(40)),
                2 => _ = w.let_pass(std::time::Duration::from_secs(4_000)),
                3 => {
                    w.config.digest += "+";
                    w.tick();
                }
                _ => {
                    let requests = 10u64.pow(u32::try_from(rate * 2).unwrap());
                    let mut rollup = refused("auth-web", share * rate, 2);
                    rollup.interval = std::time::Duration::from_millis(300 + 700 * u64::from(state));
                    rollup.services.insert("auth".into(), traffic(requests, requests * share / 6));
                    let states = [ServerState::Serving, ServerState::Down, ServerState::Ejected, ServerState::Draining];
                    let pool = rollup.pools.get_mut(&PoolId("auth".into())).unwrap();
                    pool.servers[0].state = states[usize::from(state)];
                    rollup.unknown_hosts.insert(format!("s{share}.acme.com"), 5);
                    w.rolls(usize::from(special), &rollup);
                }
            }
            let mut words = BTreeSet::new();
            for alert in w.detect.alerts().values() {
                prop_assert!(words.insert((alert.about.clone(), alert.fault.as_str())), "twice: {alert:?}");
                prop_assert!(alert.since <= w.now);
            }
        }
        let hours = usize::try_from((w.now.as_second() - begun.as_second()) / 3_600).unwrap();
        prop_assert!(w.learned() <= 2 * (hours + 1), "{} lines of what is usual in {hours} h", w.learned());
        w.restart();
    }
}

/// A second with these requests, of which this many begin WebSockets, and this many of those are refused.
fn with_opens(requests: u64, opens: u64, opens_refused: u64) -> types::traffic::Rollup {
    second(types::traffic::ServiceTraffic { opens, opens_refused, ..traffic(requests, opens_refused) })
}

#[test]
fn clients_that_connect_again_are_no_surge() {
    for (opens, refused) in [(2_000, 0), (2_000, 1_900), (200, 200)] {
        let mut w = world();
        w.rolls(60, &quiet());
        let connecting = with_opens(10 + opens, opens, refused);
        assert_eq!(w.named("surge", &connecting, 120), None, "{opens} opens, {refused} refused");
    }
    let mut w = world();
    w.rolls(60, &quiet());
    assert!(
        w.named("surge", &with_opens(2_000, 100, 50), 10).is_some(),
        "beside a surge they change nothing"
    );
}
