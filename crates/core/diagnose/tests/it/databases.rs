//! A database below services: what its faults explain, and who learns of them.

use crate::fixture::*;
use insta::assert_snapshot;
use testkit::config::probe;
use types::config::ProbeKind;
use types::fault::{DatabaseFault, Fault};
use types::{LastResult, Resource, Severity};

const HEAD: &str = "pid 4711 (billing, idle in transaction for 3 min): `update orders set paid = ?`";

fn database(database: DatabaseFault) -> Fault {
    Fault::Database { database }
}

fn saturated() -> Fault {
    database(DatabaseFault::Saturated {
        node: "db1:5432".into(),
        used: Some(97),
        usable: Some(97),
        crowd: Some(format!("61 of its sessions wait for {HEAD}")),
    })
}

fn backup_old() -> Fault {
    database(DatabaseFault::BackupOld { name: "main".into(), age: Some(secs(72_000)), max: secs(43_200) })
}

/// The world with `database.main` below Sign-in.
fn with_database() -> Fixture {
    let mut w = Fixture::new();
    let probe = probe(Resource::database("main"), ProbeKind::Database { name: "main".into() });
    w.config.probes.insert(probe.id.clone(), probe);
    w.config.graph.add_dependency(Resource::service("auth"), Resource::database("main"));
    w.look_at_all();
    w
}

#[test]
fn saturated_database_is_the_cause_of_the_failing_hosts_of_its_service() {
    let mut w = with_database();
    let hosts: Vec<_> = NAMES[1..4]
        .iter()
        .map(|name| w.breaks(&format!("host.{name}"), Fault::Status { got: 503 }))
        .collect();
    w.react();
    assert!(w.sooner().iter().any(|probe| probe == "database.main"), "{:?}", w.sooner());
    w.pass(2);
    let full = w.breaks("database.main", saturated());
    let mut words = w.debounce();
    w.pass(300).close(full);
    hosts.into_iter().for_each(|host| w.close(host));
    words += &w.react();
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:28:03 + incident-1 database.main Failing wakes
        database main has 97 of 97 connections in use at db1:5432, so it refuses new ones; 61 of its sessions wait for pid 4711 (billing, idle in transaction for 3 min): `update orders set paid = ?` since 15:28 UTC; Sign-in is affected; 5 other names are not affected
        affected: auth; not: shop
    15:33:03 - incident-1 database main had 97 of 97 connections in use at db1:5432, so it refuses new ones; 61 of its sessions wait for pid 4711 (billing, idle in transaction for 3 min): `update orders set paid = ?`; 3 names and 1 service failed for 5 min 3 s
    ");
}

#[test]
fn first_bad_answer_of_a_database_is_waited_for_at_most_six_seconds() {
    for becomes_an_alert in [true, false] {
        let mut w = with_database();
        w.open("database.main", backup_old(), Severity::Warning);
        w.debounce();
        w.breaks("host.b.acme.app", Fault::Status { got: 503 });
        for _ in 0..3 {
            w.pass(1).look_at_all();
            w.last_results.insert(Resource::database("main"), LastResult { at: w.now, healthy: false });
            assert_eq!(w.react(), "", "the database is asked again");
        }
        if becomes_an_alert {
            w.breaks("database.main", saturated());
            let words = w.debounce();
            assert!(words.contains("~ incident-1 database.main Failing wakes"), "{words}");
            assert!(
                words.contains("database main has 97 of 97 connections in use"),
                "not the backup: {words}"
            );
        } else {
            w.pass(3);
            assert!(w.react().contains("+ incident-2 host.b.acme.app Failing wakes"));
        }
    }
}

#[test]
fn database_alone_pages_those_who_depend_on_it() {
    let mut w = with_database();
    let blocked = w.breaks(
        "database.main",
        database(DatabaseFault::Blocked {
            node: "db1:5432".into(),
            victims: 12,
            longest: secs(14),
            head: HEAD.into(),
        }),
    );
    let mut words = w.debounce();
    w.pass(60).close(blocked);
    words += &w.react();
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:28:01 + incident-1 database.main Failing wakes
        database main has 12 sessions at db1:5432 blocked for 14 s by pid 4711 (billing, idle in transaction for 3 min): `update orders set paid = ?` since 15:28 UTC; Sign-in depends on it; 8 other names are not affected
        affected: auth; not: shop
    15:29:01 - incident-1 database main had 12 sessions at db1:5432 blocked for 14 s by pid 4711 (billing, idle in transaction for 3 min): `update orders set paid = ?`; 1 service affected for 1 min 1 s
    ");
}

#[test]
fn warning_of_a_database_explains_no_failure() {
    let mut w = with_database();
    let lag =
        DatabaseFault::Lag { node: "db2:5432".into(), bytes: 64 << 20, lag: Some(secs(600)), paused: false };
    w.open("database.main", database(lag), Severity::Warning);
    w.breaks("host.b.acme.app", Fault::Refused);
    assert_snapshot!(w.debounce(), @r"
    15:28:01 + incident-1 host.b.acme.app Failing wakes
        b.acme.app refuses connections since 15:28 UTC; Sign-in is affected; 7 other names are not affected
        affected: auth; not: shop
    15:28:01 + incident-2 database.main Failing
        database main has a replica that is behind: db2:5432 by 67 MB and 10 min since 15:28 UTC
        affected: -; not: shop
    ");
}

#[test]
fn slowness_is_named_beside_a_failure_but_opens_nothing_and_keeps_nothing_open() {
    let mut w = with_database();
    let slower = |usual: u64, level: u64| Fault::SlowerThanUsual {
        since: at("2026-11-22T15:28:00Z"),
        usual: std::time::Duration::from_millis(usual),
        level: std::time::Duration::from_millis(level),
    };
    w.open("database.main", slower(2, 40), Severity::Info);
    w.open("host.www.acme.com", slower(100, 200), Severity::Info);
    assert_eq!(w.debounce(), "", "slowness alone is no incident");
    w.pass(120);
    let refused = w.breaks("host.b.acme.app", Fault::Status { got: 503 });
    let mut words = w.debounce();
    let symptoms = |w: &Fixture| {
        w.diagnose.incidents().values().next().map(|incident| incident.diagnosis.symptoms.len())
    };
    assert_eq!(symptoms(&w), Some(1), "that of another service is none");
    w.pass(60).close(refused);
    words += &w.react();
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:30:02 + incident-1 host.b.acme.app Failing wakes
        b.acme.app answers with status 503 since 15:30 UTC; Sign-in is affected; 7 other names are not affected; database main is slower than usual: 2.0 ms -> 40 ms since 15:28 UTC
        affected: auth; not: shop
    15:31:02 - incident-1 b.acme.app answered with status 503; 1 service affected for 1 min 1 s
    ");
}
