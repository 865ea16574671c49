//! Ordinary days and bad ones, by figures.

use super::*;
use crate::violation::{Judgement, Threshold};
use std::time::Duration;
use types::database::{
    Archiver, Backup, BlockedChain, Connections, Crowd, Memory, NodeSeen, Position, Reading, Session,
    Sessions, Slot, Standby, Standbys, StatementLoad, Upstream, Work, Wraparound,
};

const SECOND: Duration = Duration::from_secs(1);

fn noon() -> Time {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn session(pid: i64, application: &str, state: &str, secs: u64, statement: &str) -> Session {
    Session {
        pid,
        application: application.into(),
        state: state.into(),
        age: SECOND * u32::try_from(secs).unwrap(),
        statement: statement.into(),
    }
}

fn primary() -> NodeFacts {
    NodeFacts {
        connections: Reading::Known(Connections { used: 40, max: 100, reserved: 3, refused: None }),
        sessions: Reading::Known(Sessions { active: 12, ..Sessions::default() }),
        blocked: Reading::Known(Vec::new()),
        position: Reading::Known(Position {
            system_identifier: Some("7".into()),
            timeline: Some(1),
            bytes: 1 << 30,
        }),
        standbys: Reading::Known(Standbys::default()),
        slots: Reading::Known(Vec::new()),
        archiver: Reading::Known(Archiver::default()),
        wraparound: Reading::Known(Wraparound { database: "shop".into(), percent: 9 }),
        work: Reading::Known(Work { transactions: 1_000_000, rows_read: 50_000_000, ..Work::default() }),
        ..NodeFacts::default()
    }
}

fn replica() -> NodeFacts {
    let upstream =
        Upstream { streaming: true, lag_bytes: Some(0), lag: Some(Duration::ZERO), ..Upstream::default() };
    NodeFacts { role: Role::Replica, upstream: Reading::Known(upstream), ..primary() }
}

/// The primary `a` and the replica `b`.
fn pair(change: impl FnOnce(&mut NodeFacts, &mut NodeFacts)) -> DatabaseSeen {
    let (mut a, mut b) = (primary(), replica());
    change(&mut a, &mut b);
    of(vec![("a", NodeAnswer::Facts(Box::new(a))), ("b", NodeAnswer::Facts(Box::new(b)))])
}

fn of(nodes: Vec<(&str, NodeAnswer)>) -> DatabaseSeen {
    let nodes = nodes.into_iter().map(|(node, answer)| NodeSeen { node: node.to_owned(), answer }).collect();
    DatabaseSeen { at: noon(), nodes, backups: Reading::Absent }
}

fn known<T>(reading: &mut Reading<T>) -> &mut T {
    match reading {
        Reading::Known(fact) => fact,
        _ => panic!("not known"),
    }
}

fn judged(seen: &DatabaseSeen, before: Option<&DatabaseSeen>, thresholds: &DatabaseThresholds) -> Verdict {
    let mut nodes = NodeMemory::default();
    before.into_iter().for_each(|before| nodes.follow(before, None, before.at));
    nodes.follow(seen, before, seen.at);
    let zone = jiff::tz::TimeZone::UTC;
    let mut primary = PrimaryMemory::default();
    before.into_iter().chain([seen]).for_each(|seen| primary.follow(seen, seen.at));
    let services = ClientServices::default();
    let (nodes, primary, services, now) = (&nodes, &primary, &services, seen.at);
    let capacity =
        Capacity { nodes, primary, services, starved_by: None, short_since: None, zone: &zone, now };
    judge(seen, before, thresholds, &capacity)
}

/// Every violation as `severity threshold: text`.
fn said(seen: &DatabaseSeen, before: Option<&DatabaseSeen>) -> Vec<String> {
    let thresholds =
        DatabaseThresholds { backup_age: Some(Duration::from_hours(36)), ..DatabaseThresholds::default() };
    let verdict = judged(seen, before, &thresholds);
    let bad = verdict.aspects.iter().filter_map(|(aspect, judgement)| match judgement {
        Judgement::Good => None,
        Judgement::Bad(violation) => {
            assert_eq!(Aspect::of(&violation.fault), *aspect);
            let after = match violation.threshold {
                Threshold::OfProbe => "as the probe".to_owned(),
                Threshold::Count(count) => format!("{count} rounds"),
                Threshold::Lasting(span) => types::time::spoken(span),
            };
            Some(format!("{:?} after {after}: main {}", violation.severity, violation.fault))
        }
    });
    bad.collect()
}

fn starting() -> NodeAnswer {
    NodeAnswer::Starting { said: "the database system is starting up".into() }
}

/// The round before was ten seconds ago, and the primary alone has worked since.
fn silent(cases: Vec<(&str, DatabaseSeen)>) {
    let mut before = pair(|a, _| known(&mut a.work).transactions -= 5_000);
    before.at = types::time::earlier(noon(), SECOND * 10);
    for (name, seen) in cases {
        assert_eq!(said(&seen, Some(&before)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn ordinary_work_is_silent() {
    let dump = || session(9, "pg_dump", "active", 3 * 3_600, "COPY public.events TO stdout;");
    silent(vec![
        ("usual", pair(|_, _| {})),
        (
            "nightly dump",
            pair(|a, _| {
                let sessions = known(&mut a.sessions);
                sessions.longest_statement = Some(dump());
                sessions.longest_idle_in_transaction =
                    Some(session(8, "pg_dump", "idle in transaction", 9_000, "lock table t"));
            }),
        ),
        (
            "vacuum",
            pair(|a, _| {
                known(&mut a.sessions).longest_statement =
                    Some(session(9, "psql", "active", 7_200, "VACUUM ANALYZE events"));
            }),
        ),
        (
            "report of some minutes",
            pair(|a, b| {
                known(&mut a.sessions).longest_statement =
                    Some(session(9, "report", "active", 1_500, "select sum(x) from t"));
                known(&mut b.upstream).lag_bytes = Some(3 << 20);
                known(&mut b.upstream).lag = Some(SECOND * 900);
            }),
        ),
        (
            "bulk load",
            pair(|_, b| {
                known(&mut b.upstream).lag_bytes = Some(4 << 30);
                known(&mut b.upstream).lag = Some(SECOND * 90);
            }),
        ),
        (
            "short wait for a lock",
            pair(|a, _| {
                let head = session(4, "app", "active", 5, "update t set v = ?");
                *known(&mut a.blocked) = vec![BlockedChain { head, victims: 25, longest: SECOND * 4 }];
            }),
        ),
        ("peak", pair(|a, _| known(&mut a.connections).used = 85)),
    ]);
}

#[test]
fn ordinary_states_are_silent() {
    silent(vec![
        ("reserve replica without work", pair(|_, _| {})),
        (
            "slot of a replica in use",
            pair(|a, _| {
                let slot =
                    Slot { name: "b".into(), active: true, retained_bytes: 40 << 30, ..Slot::default() };
                *known(&mut a.slots) = vec![slot];
            }),
        ),
        (
            "archiver after one failure",
            pair(|a, _| {
                *known(&mut a.archiver) = Archiver {
                    on: true,
                    archived: 10,
                    failed: 1,
                    since_archived: Some(SECOND),
                    since_failed: Some(SECOND * 60),
                };
            }),
        ),
        ("aggressive vacuum due", pair(|a, _| known(&mut a.wraparound).percent = 12)),
        (
            "full cache",
            pair(|a, _| {
                a.memory = Reading::Known(Memory { used: 100, max: 100, evicted: 5, evicts: true });
            }),
        ),
        (
            "backup of last night",
            DatabaseSeen {
                backups: Reading::Known(vec![Backup {
                    name: "main".into(),
                    ok: true,
                    last: Some(types::time::earlier(noon(), Duration::from_hours(11))),
                    ..Backup::default()
                }]),
                ..pair(|_, _| {})
            },
        ),
    ]);
}

#[test]
fn short_absences_need_time() {
    let facts = || NodeAnswer::Facts(Box::new(primary()));
    for (seen, expected) in [
        (
            of(vec![("a", facts()), ("b", NodeAnswer::Failed(Fault::Refused))]),
            "Warning after 10 min: main has lost its node b: refuses connections",
        ),
        (
            of(vec![("a", facts()), ("b", starting())]),
            "Warning after 10 min: main has lost its node b: says: the database system is starting up",
        ),
        (
            pair(|a, _| known(&mut a.standbys).synchronous = "b".into()),
            "Warning after 2 min: main will hang at the next commit at a: no synchronous standby (b) is connected",
        ),
        (
            pair(|a, _| known(&mut a.connections).used = 90),
            "Warning after 2 min: main has 90 of 97 connections in use at a",
        ),
    ] {
        assert_eq!(said(&seen, None), [expected]);
    }
}

#[test]
fn refusals_between_two_rounds_are_named() {
    let with = |used, refused| {
        pair(|a, _| {
            let connections = known(&mut a.connections);
            (connections.used, connections.refused) = (used, Some(refused));
        })
    };
    let mut before = with(40, 7);
    before.at = types::time::earlier(noon(), SECOND * 10);
    for (now, expected) in [
        (with(60, 7), None),
        // It was started again.
        (with(60, 2), None),
        (
            with(60, 1_241),
            Some(
                "Critical after 2 rounds: main has 60 of 97 connections in use at a; it refused 1,234 new connections in the last 10 s",
            ),
        ),
    ] {
        assert_eq!(said(&now, Some(&before)), Vec::from_iter(expected));
    }
}

fn named(cases: Vec<(DatabaseSeen, &[&str])>) {
    for (seen, expected) in cases {
        assert_eq!(said(&seen, None), expected);
    }
}

fn head() -> Session {
    session(4_711, "billing", "idle in transaction", 200, "update accounts set v = ? where id = ?")
}

fn facts(facts: NodeFacts) -> NodeAnswer {
    NodeAnswer::Facts(Box::new(facts))
}

fn refused() -> NodeAnswer {
    let said = "remaining connection slots are reserved for non-replication superuser connections";
    NodeAnswer::Saturated { said: said.into() }
}

#[test]
fn full_server_and_sessions_are_named() {
    named(vec![
        (
            pair(|a, _| {
                known(&mut a.connections).used = 97;
                let crowd = Crowd {
                    sessions: 90,
                    longest: SECOND * 14,
                    statement: "select * from orders where note like ?".into(),
                };
                *known(&mut a.sessions) = Sessions { active: 95, crowd: Some(crowd), ..Sessions::default() };
            }),
            &[
                "Critical after 2 rounds: main has 97 of 97 connections in use at a, so it refuses new ones; 90 of 95 active sessions \
               execute `select * from orders where note like ?`, for up to 14 s",
            ],
        ),
        (
            pair(|a, _| {
                known(&mut a.connections).used = 97;
                let load = StatementLoad {
                    load: 61.0,
                    load_before: Some(0.4),
                    mean: Duration::from_millis(812),
                    statement: "select 1".into(),
                    ..StatementLoad::default()
                };
                a.statements = Reading::Known(vec![load]);
            }),
            &[
                "Critical after 2 rounds: main has 97 of 97 connections in use at a, so it refuses new ones; `select 1` occupies 61.0 \
               sessions, 0.4 before (812 ms each)",
            ],
        ),
        (
            of(vec![("a", refused())]),
            &[
                "Critical after 2 rounds: main refuses new connections at a: all connection slots are in use; it says: remaining \
            connection slots are reserved for non-replication superuser connections",
            ],
        ),
        (
            pair(|a, _| {
                *known(&mut a.blocked) =
                    vec![BlockedChain { head: head(), victims: 37, longest: SECOND * 120 }]
            }),
            &[
                "Critical after 2 rounds: main has 37 sessions at a blocked for 2 min by pid 4711 (billing, idle in transaction for 3 min 20 s): \
            `update accounts set v = ? where id = ?`",
            ],
        ),
        (
            pair(|a, _| {
                known(&mut a.sessions).longest_statement =
                    Some(session(5, "", "active", 4_000, "select x from t"))
            }),
            &[
                "Warning after 2 rounds: main executes one statement for 1 h 6 min at a: pid 5 (active for 1 h 6 min): `select x from t`",
            ],
        ),
    ]);
}

#[test]
fn replication_is_named() {
    named(vec![
        (
            pair(|a, _| known(&mut a.sessions).longest_idle_in_transaction = Some(head_for(1_000))),
            &[
                "Warning after 2 rounds: main has a transaction open and idle for 16 min 40 s at a: pid 6 (app, idle in transaction for 16 min \
            40 s): `begin`",
            ],
        ),
        (
            pair(|_, b| {
                *known(&mut b.upstream) = Upstream {
                    streaming: true,
                    paused: true,
                    lag_bytes: Some(3 << 30),
                    lag: Some(SECOND * 2_000),
                    ..Upstream::default()
                };
            }),
            &[
                "Warning after 2 min: main has a replica that is behind: b by 3.2 GB and 33 min 20 s (its replay is paused by command)",
            ],
        ),
        (
            pair(|_, b| {
                *known(&mut b.upstream) = Upstream {
                    from: Some("a:5432".into()),
                    lag_bytes: Some(9_000),
                    lag: Some(SECOND * 130),
                    ..Upstream::default()
                };
            }),
            &["Warning after 10 min: main has a replica that does not receive changes: b (last from a:5432)"],
        ),
        (
            pair(|_, b| {
                *known(&mut b.upstream) = Upstream {
                    from: Some("a:3306".into()),
                    error: Some("its applier stopped with error 1062: Duplicate entry".into()),
                    ..Upstream::default()
                };
            }),
            &[
                "Warning after 10 min: main has a replica that does not receive changes: b (last from a:3306); its applier stopped with error 1062: Duplicate entry",
            ],
        ),
        (
            pair(|a, _| {
                known(&mut a.standbys).synchronous = "b".into();
                known(&mut a.standbys).connected =
                    vec![Standby { sync_state: "async".into(), ..Standby::default() }];
                *known(&mut a.sessions) = Sessions {
                    waiting_for_standby: 12,
                    longest_standby_wait: SECOND * 30,
                    ..Sessions::default()
                };
            }),
            &[
                "Critical after 2 rounds: main hangs at a: 12 commits wait for up to 30 s, no synchronous standby (b) is connected",
            ],
        ),
    ]);
}

#[test]
fn lost_nodes_and_storage_are_named() {
    named(vec![
        (
            pair(|a, _| {
                let slot = |name: &str, gib: u64| Slot {
                    name: name.into(),
                    retained_bytes: gib << 30,
                    ..Slot::default()
                };
                *known(&mut a.slots) = vec![slot("small", 1), slot("old", 30)];
            }),
            &[
                "Warning after 15 min: main keeps 32 GB of write-ahead log at a for the unused slot old (reserved); reconnect its \
               consumer or drop it",
            ],
        ),
        (
            pair(|_, b| b.role = Role::Primary),
            &[
                "Critical after 2 rounds: main has 2 nodes that accept writes, of one cluster (system identifier 7): a (timeline 1) and b \
            (timeline 1); stop the one that was replaced before clients write to both",
            ],
        ),
        (
            pair(|a, _| known(&mut a.wraparound).percent = 61),
            &[
                "Warning after 2 rounds: main has used 61 % of its transaction ids in shop at a; at 100 % it refuses writes: vacuum it",
            ],
        ),
        (
            pair(|a, _| known(&mut a.wraparound).percent = 91),
            &[
                "Critical after 2 rounds: main has used 91 % of its transaction ids in shop at a; at 100 % it refuses writes: vacuum it",
            ],
        ),
        (
            pair(|a, _| {
                *known(&mut a.archiver) =
                    Archiver { on: true, failed: 7, since_failed: Some(SECOND), ..Archiver::default() }
            }),
            &[
                "Warning after 15 min: main fails to archive its write-ahead log at a, nothing archived yet: 7 failed attempts",
            ],
        ),
        (
            of(vec![("a", NodeAnswer::Failed(Fault::Refused)), ("b", facts(replica()))]),
            &[
                "Critical after as the probe: main has no node that accepts writes: a refuses connections; b is a replica",
            ],
        ),
        (
            of(vec![("a", starting())]),
            &[
                "Critical after as the probe: main has no node that accepts writes: a says: the database system is starting up",
            ],
        ),
        (
            of(vec![("a", NodeAnswer::Failed(Fault::Refused)), ("b", NodeAnswer::Failed(Fault::Refused))]),
            &["Critical after as the probe: main refuses connections"],
        ),
    ]);
}

#[test]
fn logins_and_backups_are_named() {
    named(vec![
        (
            of(vec![(
                "a",
                NodeAnswer::Denied { said: "password authentication failed for user \"mainstay\"".into() },
            )]),
            &[
                "Warning after as the probe: main refuses the login of mainstay at a: password authentication failed for user \
            \"mainstay\" (check the URL, and pg_hba.conf or the grants)",
            ],
        ),
        (
            pair(|a, _| a.lacks = Some("pg_monitor".into())),
            &[
                "Info after 1 rounds: main does not let mainstay read sessions, locks and replication at a: not permitted, grant pg_monitor",
            ],
        ),
        (
            pair(|a, _| {
                a.memory = Reading::Known(Memory { used: 995, max: 1_000, evicted: 0, evicts: false })
            }),
            &[
                "Critical after 3 rounds: main uses 99 % of its memory limit at a (995 B of 1.0 kB): it will refuse writes",
            ],
        ),
        (
            DatabaseSeen {
                backups: Reading::Known(vec![Backup { name: "shop".into(), ok: true, ..Backup::default() }]),
                ..pair(|_, _| {})
            },
            &["Warning after 2 rounds: main has no complete backup (shop)"],
        ),
        (
            DatabaseSeen {
                backups: Reading::Known(vec![Backup {
                    name: "shop".into(),
                    status: "no valid backups".into(),
                    ..Backup::default()
                }]),
                ..pair(|_, _| {})
            },
            &["Warning after 15 min: main has unsound backups (shop): no valid backups"],
        ),
    ]);
}

fn head_for(secs: u64) -> Session {
    session(6, "app", "idle in transaction", secs, "begin")
}

#[test]
fn replica_without_work_matters_under_pressure_only() {
    let mut before = pair(|_, _| {});
    before.at = types::time::earlier(noon(), SECOND * 10);
    // In ten seconds the primary does 5,000 transactions, the replica 20 for mainstay and `other` for clients.
    let now = |used: u32, other: u64| {
        pair(|a, b| {
            known(&mut a.connections).used = used;
            known(&mut a.work).transactions += 5_000;
            known(&mut a.work).rows_read += 500_000;
            let work = known(&mut b.work);
            work.transactions += 20 + other;
            work.own_transactions += 20;
            work.rows_read += 868;
        })
    };
    assert_eq!(said(&now(40, 0), Some(&before)), Vec::<String>::new());
    assert!(!said(&now(88, 2_000), Some(&before)).concat().contains("without work"));
    let under_pressure = said(&now(88, 0), Some(&before));
    assert_eq!(
        under_pressure[0],
        "Warning after 2 rounds: main has a replica without work: b serves 0 transactions/s since 11:59 UTC, its primary \
         500/s with 90 % of its connections in use; no layer above it is short: what distributes queries (driver, pooler, DNS) does not send any to it"
    );
}

#[test]
fn what_was_not_measured_keeps_its_state() {
    let down =
        of(vec![("a", NodeAnswer::Failed(Fault::Refused)), ("b", NodeAnswer::Facts(Box::new(replica())))]);
    let verdict = judged(&down, None, &DatabaseThresholds::default());
    let aspects: Vec<&Aspect> = verdict.aspects.keys().collect();
    assert_eq!(aspects, [&Aspect::Database("database-no-primary")]);
    assert!(!verdict.healthy);
}
