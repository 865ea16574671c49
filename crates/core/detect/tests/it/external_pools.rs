//! Pools behind other load balancers: below their minimum, shrunken, unseen, idle; and the ordinary day.

use crate::fixture::{Fixture, failed, secs};
use insta::assert_snapshot;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::config::probe;
use types::config::{Balancer, BalancerAddress, BalancerKind, ExternalPool, Probe, ProbeKind};
use types::pool::{MemberState, PoolMember, PoolSeen};
use types::probe_result::Answer;
use types::time::earlier;
use types::{Fault, PoolId, ProbeId, Resource};

use MemberState::{Checking, Down, Draining, Maintenance, Serving};

const PROBE: &str = "pool.api";

fn world(min_healthy: Option<u32>) -> Fixture {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    let id = PoolId::from("api");
    let balancer = Balancer {
        kind: BalancerKind::Haproxy,
        at: BalancerAddress::Url("http://10.0.0.2:8404/stats;csv".into()),
        token: None,
        login: None,
        ca_file: None,
        series: None,
    };
    let pool =
        ExternalPool { id: id.clone(), balancer, backend: None, members: BTreeSet::new(), min_healthy };
    w.config.external_pools.insert(id.clone(), pool);
    let probe = Probe { interval: secs(2), ..probe(Resource::pool("api"), ProbeKind::Pool { name: id }) };
    w.config.probes.insert(ProbeId::from(PROBE), Probe { id: ProbeId::from(PROBE), ..probe });
    w.config.graph.add_dependency(Resource::service("web"), Resource::pool("api"));
    w.config.digest = "with a pool".into();
    w
}

/// A look at `api-01`, `api-02`, ... in these states.
fn look(w: &Fixture, states: &[MemberState]) -> PoolSeen {
    let members = states.iter().enumerate().map(|(n, state)| {
        let why = (*state == Down).then(|| "Layer7 timeout (L7TOUT)".to_owned());
        PoolMember { why, ..PoolMember::new(format!("api-{:02}", n + 1), *state) }
    });
    PoolSeen { at: w.now, queued: 0, members: members.collect() }
}

/// Looks every 2 s for a while; what followed.
fn looks(w: &mut Fixture, span: Duration, states: &[MemberState]) -> String {
    let mut words = String::new();
    for _ in 0..span.as_secs() / 2 {
        w.pass(secs(2));
        let seen = look(w, states);
        words += &w.see(PROBE, Answer::Pool(Box::new(seen)));
    }
    words
}

fn states(counts: &[(usize, MemberState)]) -> Vec<MemberState> {
    counts.iter().flat_map(|(count, state)| std::iter::repeat_n(*state, *count)).collect()
}

fn without_peaks(words: &str) -> String {
    words.lines().filter(|line| !line.contains("PoolPeakLearned")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn fall_below_the_minimum_names_who_serves_and_who_does_not_since_when_and_why() {
    let mut w = world(Some(10));
    let mut words = looks(&mut w, secs(80), &states(&[(20, Serving)]));
    words += "-- one after the other leaves\n";
    words += &looks(&mut w, secs(10), &states(&[(2, Down), (18, Serving)]));
    let started = w.now;
    words += &looks(&mut w, secs(10), &states(&[(1, Maintenance), (17, Down), (2, Serving)]));
    let alert = w.detect.alerts().values().next().unwrap();
    assert!(types::time::between(started, alert.since) <= secs(2), "{alert:?}");
    words += "-- back\n";
    words += &looks(&mut w, secs(10), &states(&[(20, Serving)]));
    assert_snapshot!(without_peaks(&words));
    w.restart();
}

#[test]
fn backup_that_answers_is_no_member_that_serves() {
    let mut w = world(Some(1));
    looks(&mut w, secs(70), &states(&[(2, Serving)]));
    let mut words = String::new();
    for _ in 0..3 {
        w.pass(secs(2));
        let mut seen = look(&w, &[Down, Down, Serving]);
        seen.members[2].backup = true;
        // The load balancer knows since when.
        seen.members[0].since = Some(earlier(w.now, secs(3_600)));
        words += &w.see(PROBE, Answer::Pool(Box::new(seen)));
    }
    assert_snapshot!(without_peaks(&words));
}

#[test]
fn without_a_minimum_half_of_the_peak_is_missed_after_minutes_and_all_after_seconds() {
    let mut w = world(None);
    looks(&mut w, secs(70), &states(&[(8, Serving)]));
    let mut words = looks(&mut w, secs(290), &states(&[(3, Serving), (5, Down)]));
    assert_eq!(words, "", "not yet");
    words += &looks(&mut w, secs(20), &states(&[(3, Serving), (5, Down)]));
    words += "-- all\n";
    words += &looks(&mut w, secs(60), &states(&[(8, Down)]));
    words += "-- back\n";
    words += &looks(&mut w, secs(20), &states(&[(8, Serving)]));
    assert_snapshot!(without_peaks(&words));
}

/// Seconds, and the states of the servers meanwhile.
type Phase = (u64, &'static [(usize, MemberState)]);

/// Ordinary days: what happens, the configured minimum, the phases.
fn ordinary_days() -> [(&'static str, Option<u32>, &'static [Phase]); 9] {
    [
        (
            "deploy, one drained after the other",
            None,
            &[
                (90, &[(4, Serving)]),
                (60, &[(1, Draining), (3, Serving)]),
                (60, &[(1, Maintenance), (3, Serving)]),
                (60, &[(4, Serving)]),
            ],
        ),
        (
            "deploy without draining, half at a time",
            None,
            &[
                (90, &[(4, Serving)]),
                (120, &[(2, Down), (2, Serving)]),
                (120, &[(2, Serving), (2, Down)]),
                (60, &[(4, Serving)]),
            ],
        ),
        (
            "deploy with a minimum",
            Some(3),
            &[(90, &[(4, Serving)]), (60, &[(1, Down), (3, Serving)]), (60, &[(4, Serving)])],
        ),
        (
            "all restart together, for seconds",
            None,
            &[(90, &[(4, Serving)]), (20, &[(4, Down)]), (60, &[(4, Serving)])],
        ),
        (
            "autoscaling at night by removal",
            None,
            &[
                (120, &[(20, Serving)]),
                (1_200, &[(4, Serving)]),
                (1_200, &[(2, Serving)]),
                (60, &[(20, Serving)]),
            ],
        ),
        (
            "autoscaling at night by maintenance",
            None,
            &[(120, &[(20, Serving)]), (3_600, &[(3, Serving), (17, Maintenance)]), (60, &[(20, Serving)])],
        ),
        (
            "new servers that start slowly",
            None,
            &[(120, &[(2, Serving)]), (900, &[(2, Serving), (8, Down)]), (60, &[(10, Serving)])],
        ),
        (
            "reload: not checked yet",
            Some(3),
            &[
                (120, &[(4, Serving)]),
                (20, &[(4, Checking)]),
                (4, &[(2, Serving), (2, Checking)]),
                (60, &[(4, Serving)]),
            ],
        ),
        ("a pool that is not in use yet", None, &[(3_600, &[(4, Down)])]),
    ]
}

#[test]
fn ordinary_days_have_no_alerts() {
    for (what, min, phases) in ordinary_days() {
        let mut w = world(min);
        for (span, counts) in phases {
            let words = looks(&mut w, secs(*span), &states(counts));
            assert_eq!(without_peaks(&words), "", "{what}");
        }
        assert!(w.detect.alerts().is_empty(), "{what}");
    }
}

#[test]
fn load_balancer_that_cannot_be_asked_is_an_alert_of_its_own_and_says_nothing_about_servers() {
    let mut w = world(Some(10));
    looks(&mut w, secs(70), &states(&[(20, Serving)]));
    let away = |w: &mut Fixture, span: u64, fault: Fault| {
        let mut words = String::new();
        for _ in 0..span / 2 {
            words += &w.pass(secs(2)).see(PROBE, failed(fault.clone()));
        }
        words
    };
    assert_eq!(away(&mut w, 40, Fault::Refused), "", "a reload");
    assert_eq!(without_peaks(&looks(&mut w, secs(10), &states(&[(20, Serving)]))), "");
    let mut words = away(&mut w, 70, Fault::Refused);
    words += "-- another reason, and back with fewer\n";
    words += &away(&mut w, 10, Fault::PoolUnseen { why: "answers with status 503: it fails itself".into() });
    words += &looks(&mut w, secs(10), &states(&[(3, Serving), (17, Down)]));
    assert_snapshot!(without_peaks(&words));
    let open: Vec<&str> = w.detect.alerts().values().map(|alert| alert.fault.as_str()).collect();
    assert_eq!(open, ["pool-below-minimum"]);
}

#[test]
fn peak_survives_a_restart_and_removed_servers_are_named_as_gone() {
    let mut w = world(Some(2));
    let words = looks(&mut w, secs(70), &states(&[(4, Serving)]));
    assert!(words.contains("PoolPeakLearned { pool: PoolId(\"api\"), serving: 4 }"), "{words}");
    w.restart();
    assert_eq!(w.detect.pool_peak(&"api".into(), w.now), 4);
    // Two looks, then three of four are no longer listed.
    looks(&mut w, secs(4), &states(&[(4, Serving)]));
    let words = looks(&mut w, secs(4), &states(&[(1, Serving)]));
    assert_snapshot!(without_peaks(&words));
}

/// `api-01` and `api-02` work at their limit of 100, `api-03` serves and gets this much in 2 s.
fn loaded(w: &Fixture, turn: u64, inflight: u64, third: u64) -> Answer {
    let mut seen = look(w, &[Serving, Serving, Serving]);
    for (member, gained) in seen.members.iter_mut().zip([50, 50, third]) {
        member.work = Some(1_000 + turn * gained);
        (member.inflight, member.limit) = (Some(if gained > 0 { inflight } else { 0 }), Some(100));
    }
    Answer::Pool(Box::new(seen))
}

#[test]
fn member_without_work_is_an_alert_only_while_the_others_have_too_much() {
    for (what, inflight, third, fires) in [
        ("a night with little traffic", 3, 0, false),
        ("all work", 99, 50, false),
        ("added, and left alone", 99, 0, true),
    ] {
        let mut w = world(None);
        let mut words = String::new();
        for turn in 0..12 {
            let answer = loaded(&w, turn, inflight, third);
            words += &w.pass(secs(2)).see(PROBE, answer);
        }
        assert_eq!(
            words.contains(
                "has servers without work: api-03 since 12:00 UTC while 2 of 2 others are at their limit"
            ),
            fires,
            "{what}: {words}"
        );
        assert_eq!(!w.detect.alerts().is_empty(), fires, "{what}");
    }
}

#[test]
fn pool_that_left_the_config_has_no_alerts() {
    let mut w = world(Some(10));
    looks(&mut w, secs(10), &states(&[(3, Serving)]));
    assert_eq!(w.detect.alerts().len(), 1);
    w.config.external_pools.clear();
    w.config.probes.remove(&ProbeId::from(PROBE));
    w.config.digest = "another".into();
    w.tick();
    assert!(w.detect.alerts().is_empty());
}

mod replicas {
    //! Replicas that were added and get no work.

    use super::*;
    use types::database::{Connections, DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen, Reading, Role, Work};

    fn node(name: &str, role: Role, used: u32, transactions: u64, rows_read: u64) -> NodeSeen {
        let facts = NodeFacts {
            role,
            uptime: Duration::from_secs(90 * 86_400),
            connections: Reading::Known(Connections { used, max: 103, reserved: 3, refused: None }),
            work: Reading::Known(Work { transactions, rows_read, ..Work::default() }),
            ..NodeFacts::default()
        };
        NodeSeen { node: name.into(), answer: NodeAnswer::Facts(Box::new(facts)) }
    }

    /// A round of a primary with this many connections and these replicas, none of which has work.
    fn round(w: &Fixture, turn: u64, used: u32, replicas: &[&str]) -> Answer {
        let primary = node("db1:5432", Role::Primary, used, turn * 2_000, turn * 90_000);
        let idle = replicas.iter().map(|name| node(name, Role::Replica, 3, turn * 2, turn * 10));
        let nodes = std::iter::once(primary).chain(idle).collect();
        Answer::Database(Box::new(DatabaseSeen { at: w.now, nodes, backups: Reading::Absent }))
    }

    fn with_database() -> Fixture {
        let mut w = world(Some(10));
        let about = Resource::database("main");
        let probe = probe(about.clone(), ProbeKind::Database { name: "main".into() });
        w.config.probes.insert(ProbeId::from("database.main"), probe);
        w.config.graph.add_dependency(Resource::service("web"), about);
        w.config.digest = "with a database".into();
        w
    }

    /// Rounds every 10 s with looks at the pool between them; what followed about the database.
    fn rounds(
        w: &mut Fixture,
        turns: std::ops::Range<u64>,
        used: u32,
        replicas: &[&str],
        pool: &[(usize, MemberState)],
    ) -> String {
        let mut words = String::new();
        for turn in turns {
            looks(w, secs(10), &states(pool));
            let answer = round(w, turn, used, replicas);
            words += &w.see("database.main", answer);
        }
        words
    }

    #[test]
    fn replicas_added_to_a_pool_that_is_short_are_named_with_the_layer_that_starves_them() {
        let mut w = with_database();
        assert_eq!(rounds(&mut w, 1..6, 40, &["old:5432"], &[(20, Serving)]), "", "a warm standby");
        let short = [(2, Serving), (18, Down)];
        assert_eq!(rounds(&mut w, 6..10, 40, &["old:5432"], &short), "", "it was there before");
        let added = w.now;
        let words = rounds(&mut w, 10..13, 40, &["old:5432", "new:5432"], &short);
        let alert =
            w.detect.alerts().values().find(|alert| alert.about == Resource::database("main")).unwrap();
        assert!(types::time::between(added, w.now) <= secs(30), "{words}");
        assert_snapshot!(alert.fault.to_string(), @"has a replica without work: new:5432 serves 0 transactions/s since 12:01 UTC, its primary 200/s with 40 % of its connections in use; pool.api has only 2 of 20 servers serving: it is the layer that starves it");
        assert_eq!(alert.severity, types::Severity::Warning);
    }

    /// A round in which a replica has done this many transactions since it was started.
    fn worked(w: &Fixture, turn: u64, transactions: u64) -> Answer {
        let primary = node("db1:5432", Role::Primary, 40, turn * 2_000, turn * 90_000);
        let replica = node("new:5432", Role::Replica, 3, transactions, transactions * 40);
        let nodes = vec![primary, replica];
        Answer::Database(Box::new(DatabaseSeen { at: w.now, nodes, backups: Reading::Absent }))
    }

    #[test]
    fn idle_replica_does_not_flap_and_ends_with_work_or_with_the_shortage_above_it() {
        let idle = |w: &Fixture| {
            w.detect.alerts().values().find(|alert| alert.fault.is_idle_capacity()).map(|alert| alert.id)
        };
        let short = [(2, Serving), (18, Down)];
        let starved = || {
            let mut w = with_database();
            rounds(&mut w, 1..4, 40, &[], &[(20, Serving)]);
            rounds(&mut w, 4..6, 40, &[], &short);
            rounds(&mut w, 6..10, 40, &["new:5432"], &short);
            assert!(idle(&w).is_some());
            w
        };
        let mut w = starved();
        let (first, mut done) = (idle(&w), 1_000);
        for turn in 10..40 {
            looks(&mut w, secs(10), &states(&short));
            done += if turn % 2 == 0 { 900 } else { 0 };
            let answer = worked(&w, turn, done);
            w.see("database.main", answer);
            assert_eq!(idle(&w), first, "a few statements every 20 s are no work");
        }
        for turn in 40..43 {
            looks(&mut w, secs(10), &states(&short));
            done += 900;
            let answer = worked(&w, turn, done);
            w.see("database.main", answer);
        }
        assert_eq!(idle(&w), None, "it works");

        let mut w = starved();
        let words = looks(&mut w, secs(4), &states(&[(20, Serving)]));
        assert_eq!(idle(&w), None, "it ends with the first look at which enough servers serve: {words}");
        w.restart();
    }

    #[test]
    fn replica_beside_a_full_primary_is_named_with_or_without_a_short_layer() {
        for (pool, ending) in [
            (
                &[(2, Serving), (18, Down)][..],
                "pool.api has only 2 of 20 servers serving: it is the layer that starves it",
            ),
            (
                &[(20, Serving)],
                "no layer above it is short: what distributes queries (driver, pooler, DNS) does not send any to it",
            ),
        ] {
            let mut w = with_database();
            looks(&mut w, secs(80), &states(&[(20, Serving)]));
            rounds(&mut w, 1..5, 98, &["new:5432"], pool);
            let idle = w
                .detect
                .alerts()
                .values()
                .find(|alert| alert.fault.as_str() == "database-replica-idle")
                .unwrap();
            assert!(idle.fault.to_string().ends_with(ending), "{}", idle.fault);
        }
    }
}

#[test]
fn events_of_a_busy_month_are_few() {
    let mut w = world(Some(2));
    let mut events = 0;
    // Every ten minutes for 30 days: 20 servers by day, 6 at night, a deploy each noon.
    for turn in 0..30 * 144_u64 {
        w.pass(secs(600));
        let hour = turn / 6 % 24;
        let serving = if hour < 8 { 6 } else { 20 };
        let seen = look(&w, &states(&[(serving, Serving)]));
        events += w.see(PROBE, Answer::Pool(Box::new(seen))).lines().count();
    }
    assert!(w.detect.alerts().is_empty());
    assert!(events <= 34, "{events}");
    assert_eq!(w.detect.pool_peak(&"api".into(), w.now), 20);
}

#[test]
fn members_that_refuse_connections_again_and_again_are_named_and_timeouts_are_not() {
    for (why, expected) in [
        ("Layer4 connection problem (L4CON): Connection refused", Some(types::Severity::Warning)),
        ("Layer4 timeout (L4TOUT)", None),
    ] {
        let mut w = world(None);
        for second in (0..240_u64).step_by(2) {
            w.pass(secs(2));
            let state = if second % 30 < 20 { Serving } else { Down };
            let mut seen = look(&w, &[state, Serving, Serving]);
            seen.members[0].why = (state == Down).then(|| why.to_owned());
            w.see(PROBE, Answer::Pool(Box::new(seen)));
        }
        let open = w.detect.alerts().values().find(|alert| alert.fault.as_str() == "crash-loop");
        assert_eq!(open.map(|alert| alert.severity), expected, "{why}");
        assert!(open.is_none_or(|alert| alert.fault.to_string().contains("api-01")), "{open:?}");
        looks(&mut w, secs(200), &states(&[(3, Serving)]));
        assert!(w.detect.alerts().is_empty(), "{:?}", w.detect.alerts());
    }
}
