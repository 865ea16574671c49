//! Every condition of a MariaDB database, provoked on a real server and seen with the user of the guide.

use crate::certs;
use crate::config;
use crate::rounds::{PAUSE, cpu_ticks, encryption, facts, five_minutes_pass, monitor, round, until};
use prober::DatabaseMonitor;
use rustix::process::Signal;
use std::time::Duration;
use testbed::mariadb::Mariadb;
use types::Fault;
use types::database::{DatabaseSeen, Encryption, NodeAnswer, Reading, Role, Work};

/// Settings by which the performance schema has the last statement of a session.
const PERFORMANCE_SCHEMA: [&str; 2] =
    ["--performance-schema=ON", "--performance-schema-consumer-events-statements-current=ON"];

fn upstream(seen: &DatabaseSeen, node: usize) -> &types::database::Upstream {
    facts(seen, node).upstream.known().unwrap()
}

fn waiting(seen: &DatabaseSeen) -> u32 {
    facts(seen, 0).sessions.known().unwrap().waiting_for_lock
}

#[tokio::test]
async fn healthy_server_gives_every_fact() {
    let server = Mariadb::start(&[]);
    let seen = round(&mut monitor(&[server.url()])).await;
    let facts = facts(&seen, 0);
    assert!(facts.version.starts_with("MariaDB 1"), "{facts:#?}");
    assert_eq!((facts.role, &facts.lacks, &facts.encryption), (Role::Primary, &None, &Encryption::Plain));
    let connections = facts.connections.known().unwrap();
    assert_eq!((connections.max, connections.usable(), connections.refused), (151, 151, Some(0)));
    assert!((1..10).contains(&connections.used), "{connections:?}");
    assert!(facts.position.known().unwrap().bytes > 0, "{facts:#?}");
    assert_eq!(facts.blocked.known(), Some(&Vec::new()));
    assert_eq!(facts.upstream, Reading::Absent);
    assert!(facts.work.known().unwrap().transactions > 0);
    let memory = facts.memory.known().unwrap();
    assert!(
        memory.max == 16 << 20 && memory.used > 0 && memory.used <= memory.max && memory.evicts,
        "{memory:?}"
    );
    assert_eq!(facts.standbys.known().unwrap().connected, []);
}

#[tokio::test]
async fn full_server_is_saturated_and_seen_from_inside() {
    let server = Mariadb::start(&["--max-connections=10"]);
    let mut inside = monitor(&[server.url()]);
    round(&mut inside).await;
    let sessions: Vec<_> = (0..9).map(|_| server.session("app", "select 1")).collect();
    let seen =
        until(&mut inside, "full", |seen| facts(seen, 0).connections.known().unwrap().percent() == 100).await;
    assert_eq!(facts(&seen, 0).connections.known().unwrap().used, 10);
    let refused = server.session("app", "select 1").ended();
    assert!(refused.contains("Too many connections"), "{refused}");
    // The server may hold the slot of administrators for one that it refused a moment longer.
    let used = |seen: &DatabaseSeen, count| facts(seen, 0).connections.known().unwrap().used == count;
    until(&mut inside, "the refused one gone", |seen| used(seen, 10)).await;

    let seen = round(&mut monitor(&[server.url()])).await;
    let NodeAnswer::Saturated { said } = &seen.nodes[0].answer else { panic!("{seen:?}") };
    assert_eq!(said, "Too many connections");
    until(&mut inside, "the probe gone", |seen| used(seen, 10)).await;
    // MariaDB counts those for whom not even the slot of administrators is free.
    let administrator = server.session("root", "select 1");
    until(&mut inside, "fuller", |seen| used(seen, 11)).await;
    assert!(server.session("app", "select 1").ended().contains("Too many connections"));
    drop((sessions, administrator));
    let seen = until(&mut inside, "room", |seen| facts(seen, 0).connections.known().unwrap().used <= 5).await;
    assert_eq!(facts(&seen, 0).connections.known().unwrap().refused, Some(1));
}

#[tokio::test]
async fn head_of_a_chain_is_named_with_its_statement() {
    let server = Mariadb::start(&PERFORMANCE_SCHEMA);
    let mut inside = monitor(&[server.url()]);
    let chain = |seen: &DatabaseSeen, victims| {
        let chains = facts(seen, 0).blocked.known().unwrap().clone();
        chains.into_iter().find(|chain| chain.victims == victims)
    };
    let head = server.session("app", "use s; begin; update t set v = 4711, name = 'secret' where id = 1");
    let second = "use s; begin; update t set v = 1 where id = 2; update t set v = 2 where id = 1";
    // The transaction has to be there before the other one waits for it.
    until(&mut inside, "idle", |seen| facts(seen, 0).sessions.known().unwrap().idle_in_transaction == 1)
        .await;
    let waiters = [server.session("app", second)];
    until(&mut inside, "one waits", |seen| waiting(seen) == 1).await;
    let seen =
        until(&mut inside, "named", |seen| chain(seen, 1).is_some_and(|chain| chain.head.pid > 0)).await;
    let found = chain(&seen, 1).unwrap().head;
    assert_eq!((found.application.as_str(), found.state.as_str()), ("app", "idle in transaction"));
    assert_eq!(
        found.statement, "",
        "what it executed last is in the performance schema, which is not granted"
    );

    server.sql("grant select on performance_schema.* to mainstay@'%'");
    let others = ["update s.t set v = 3 where id = 2", "update s.t set v = 4 where id = 2"];
    let others = others.map(|statement| server.session("app", statement));
    let mut inside = monitor(&[server.url()]);
    let seen = until(&mut inside, "three wait", |seen| chain(seen, 3).is_some()).await;
    let found = chain(&seen, 3).unwrap().head;
    assert_eq!(found.statement, "update t set v = ?, name = ? where id = ?");
    let sessions = facts(&seen, 0).sessions.known().unwrap();
    assert_eq!((sessions.active, sessions.idle_in_transaction, sessions.waiting_for_lock), (3, 1, 3));
    drop((head, waiters, others));
}

#[tokio::test]
async fn holder_of_a_metadata_lock_is_named_where_the_server_names_it() {
    let server = Mariadb::start(&[]);
    let mut inside = monitor(&[server.url()]);
    let idle = server.session("app", "use s; begin; select * from t where id = 3");
    // The transaction has to be there before the other one waits for it.
    until(&mut inside, "idle", |seen| facts(seen, 0).sessions.known().unwrap().idle_in_transaction == 1)
        .await;
    let alter = server.session("app", "alter table s.t add column w int");
    until(&mut inside, "one waits", |seen| waiting(seen) == 1).await;
    let select = server.session("app", "select * from s.t where name = 'secret'");
    let seen = until(&mut inside, "two wait", |seen| waiting(seen) == 2).await;
    let [chain] = &facts(&seen, 0).blocked.known().unwrap()[..] else { panic!("{seen:#?}") };
    assert_eq!((chain.head.pid, chain.victims), (0, 2));
    assert!(chain.head.state.contains("INSTALL SONAME 'metadata_lock_info'"), "{chain:?}");

    server.sql("install soname 'metadata_lock_info'");
    let named = |seen: &DatabaseSeen| matches!(&facts(seen, 0).blocked.known().unwrap()[..], [chain] if chain.head.pid > 0 && chain.victims == 2);
    let seen = until(&mut inside, "named", named).await;
    let head = &facts(&seen, 0).blocked.known().unwrap()[0].head;
    assert_eq!((head.application.as_str(), head.state.as_str()), ("app", "idle in transaction"));
    drop((idle, alter, select));
}

#[tokio::test]
async fn longest_statement_crowd_and_idle_transaction_are_named() {
    let server = Mariadb::start(&[]);
    let long = server.session("report", "select 1").ended();
    assert!(long.contains("Access denied"), "{long}");
    let sessions = |seen: &DatabaseSeen| facts(seen, 0).sessions.known().unwrap().clone();
    let report = server.session("root", "select sleep(600), 'secret' as why");
    let worker = server.session("app", "use s; begin; select 'secret', count(*) from t");
    let mut monitor = monitor(&[server.url()]);
    let seen = until(&mut monitor, "both", |seen| {
        let sessions = sessions(seen);
        sessions.longest_statement.is_some_and(|session| session.age >= Duration::from_secs(1))
            && sessions.longest_idle_in_transaction.is_some()
    })
    .await;
    let longest = sessions(&seen).longest_statement.unwrap();
    assert_eq!(
        (longest.application.as_str(), longest.statement.as_str()),
        ("root", "select sleep(?), ? as why")
    );
    let idle = sessions(&seen).longest_idle_in_transaction.unwrap();
    assert_eq!((idle.application.as_str(), idle.state.as_str()), ("app", "idle in transaction"));
    assert_eq!((sessions(&seen).active, sessions(&seen).idle_in_transaction), (1, 1));
    let others: Vec<_> = (0..5).map(|_| server.session("app", "select sleep(500), 'other' as why")).collect();
    let seen = until(&mut monitor, "a crowd", |seen| sessions(seen).active == 6).await;
    let crowd = sessions(&seen).crowd.unwrap();
    assert_eq!((crowd.sessions, crowd.statement.as_str()), (6, "select sleep(?), ? as why"));
    drop((report, worker, others));
}

#[tokio::test]
async fn replica_lags_idles_and_is_promoted() {
    let mut primary = Mariadb::start(&[]);
    let replica = primary.replica(&["--read-only=ON"]);
    let mut monitor = monitor(&[primary.url(), replica.url()]);
    // The replica gets the user of mainstay by replication.
    let seen = until(&mut monitor, "streaming", |seen| {
        matches!(&seen.nodes[1].answer, NodeAnswer::Facts(facts)
            if facts.upstream.known().is_some_and(|upstream| upstream.streaming && upstream.lag_bytes == Some(0)))
            && !facts(seen, 0).standbys.known().unwrap().connected.is_empty()
    })
    .await;
    let (first, second) = (facts(&seen, 0), facts(&seen, 1));
    assert_eq!((first.role, second.role), (Role::Primary, Role::Replica));
    assert_eq!(upstream(&seen, 1).from.as_deref(), Some(format!("127.0.0.1:{}", primary.port).as_str()));
    let standby = &first.standbys.known().unwrap().connected[0];
    assert_eq!((standby.state.as_str(), standby.sync_state.as_str()), ("streaming", "async"));

    idles(&primary, &mut monitor).await;

    replica.sql("stop slave sql_thread");
    primary.sql("insert into s.t (id, name) select seq, repeat('x', 40) from s.seq_100_to_30000");
    primary.sql("flush binary logs");
    primary.sql("insert into s.t (id) values (40000)");
    let seen = until(&mut monitor, "lag", |seen| {
        upstream(seen, 1).lag_bytes > Some(1_000_000) && upstream(seen, 1).lag > Some(Duration::from_secs(1))
    })
    .await;
    assert!(upstream(&seen, 1).paused && upstream(&seen, 1).streaming, "{seen:#?}");
    replica.sql("start slave sql_thread");
    let seen = until(&mut monitor, "no lag", |seen| upstream(seen, 1).lag_bytes == Some(0)).await;
    assert_eq!(upstream(&seen, 1).lag, Some(Duration::ZERO));

    // The primary dies, and the replica is promoted.
    primary.stop(Signal::KILL);
    let seen = until(&mut monitor, "cut", |seen| !upstream(seen, 1).streaming).await;
    assert!(matches!(&seen.nodes[0].answer, NodeAnswer::Failed(Fault::Refused)), "{:?}", seen.nodes[0]);
    let error = upstream(&seen, 1).error.clone().unwrap();
    assert!(error.starts_with("its receiver fails with error "), "{error}");
    replica.sql("set global read_only = off");
    until(&mut monitor, "promoted", |seen| facts(seen, 1).role == Role::Primary).await;
}

/// The primary works, the replica executes what mainstay asks.
async fn idles(primary: &Mariadb, monitor: &mut DatabaseMonitor) {
    let before = round(monitor).await;
    let work = |seen: &DatabaseSeen, node: usize| *facts(seen, node).work.known().unwrap();
    primary.sql(&"select * from s.t; update s.t set v = v + 1 where id = 1; ".repeat(1_500));
    let seen = until(monitor, "replicated", |seen| upstream(seen, 1).lag_bytes == Some(0)).await;
    let done = |node, of: fn(&Work) -> u64| of(&work(&seen, node)) - of(&work(&before, node));
    let own = done(1, |work| work.own_transactions);
    let (busy, idle) = (done(0, |work| work.transactions), done(1, |work| work.transactions) - own);
    let (busy_rows, idle_rows) = (done(0, |work| work.rows_read), done(1, |work| work.rows_read));
    assert!(busy >= 3_000 && busy_rows >= 15_000, "{busy} {busy_rows}");
    assert!(idle * 100 <= busy && idle_rows * 20 <= busy_rows, "{idle} {idle_rows}");
}

#[tokio::test]
async fn broken_stopped_and_delayed_replicas_are_told_apart() {
    let primary = Mariadb::start(&[]);
    let replica = primary.replica(&["--read-only=ON"]);
    let mut monitor = monitor(&[primary.url(), replica.url()]);
    let in_step = |seen: &DatabaseSeen| {
        matches!(&seen.nodes[1].answer, NodeAnswer::Facts(facts)
            if facts.upstream.known().is_some_and(|upstream| upstream.lag_bytes == Some(0)))
    };
    until(&mut monitor, "in step", in_step).await;

    // A row that is there already: the applier stops.
    replica.sql("insert into s.t (id, name) values (4711, 'secret')");
    primary.sql("insert into s.t (id, name) values (4711, 'secret')");
    let seen = until(&mut monitor, "broken", |seen| upstream(seen, 1).error.is_some()).await;
    let broken = upstream(&seen, 1);
    let error = broken.error.clone().unwrap();
    assert!(error.starts_with("its applier stopped with error 1062"), "{error}");
    assert!(!error.contains("4711") && !error.contains("secret"), "{error}");
    assert!(!broken.streaming && !broken.paused && broken.lag_bytes > Some(0), "{broken:?}");
    replica.sql("delete from s.t where id = 4711; start slave sql_thread");
    until(&mut monitor, "repaired", |seen| upstream(seen, 1).error.is_none() && in_step(seen)).await;

    // A replica that is an hour behind on purpose is not late.
    replica.sql("stop slave; change master to master_delay = 3600; start slave");
    primary.sql("insert into s.t (id) values (5000)");
    until(&mut monitor, "delayed", |seen| {
        upstream(seen, 1).lag_bytes > Some(0) && upstream(seen, 1).streaming
    })
    .await;
    assert_eq!(upstream(&round(&mut monitor).await, 1).lag, Some(Duration::ZERO));

    replica.sql("stop slave");
    let seen = until(&mut monitor, "stopped", |seen| !upstream(seen, 1).streaming).await;
    assert!(upstream(&seen, 1).paused && upstream(&seen, 1).error.is_none(), "{seen:#?}");
    assert_eq!(facts(&seen, 1).role, Role::Replica, "it refuses writes");
}

#[tokio::test]
async fn writable_replica_is_a_replica_until_it_follows_none() {
    let primary = Mariadb::start(&[]);
    let replica = primary.replica(&[]);
    let mut monitor = monitor(&[primary.url(), replica.url()]);
    let roles = |seen: &DatabaseSeen| match &seen.nodes[1].answer {
        NodeAnswer::Facts(second) => Some((facts(seen, 0).role, second.role)),
        _ => None,
    };
    until(&mut monitor, "a pair", |seen| roles(seen) == Some((Role::Primary, Role::Replica))).await;
    replica.sql("stop slave; reset slave all");
    until(&mut monitor, "two primaries", |seen| roles(seen) == Some((Role::Primary, Role::Primary))).await;
}

#[tokio::test]
async fn right_that_is_granted_later_is_used_without_a_restart() {
    let server = Mariadb::start(&[]);
    server.sql("revoke process, slave monitor, binlog monitor on *.* from mainstay@'%'");
    let mut monitor = monitor(&[server.url()]);
    assert!(facts(&round(&mut monitor).await, 0).lacks.is_some());
    server.sql("grant process, slave monitor, binlog monitor on *.* to mainstay@'%'");
    five_minutes_pass().await;
    let seen = round(&mut monitor).await;
    assert_eq!(facts(&seen, 0).lacks, None, "{seen:#?}");
    assert!(facts(&seen, 0).sessions.known().is_some(), "{seen:#?}");
}

#[tokio::test]
async fn missing_right_costs_only_the_facts_that_need_it() {
    let server = Mariadb::start(&[]);
    server.sql("revoke process, slave monitor, binlog monitor on *.* from mainstay@'%'");
    let seen = round(&mut monitor(&[server.url()])).await;
    let facts = facts(&seen, 0);
    assert_eq!(facts.lacks.as_deref(), Some("BINLOG MONITOR, PROCESS, SLAVE MONITOR"));
    assert!(matches!(&facts.sessions, Reading::NotPermitted { grant } if grant == "PROCESS"), "{facts:#?}");
    assert!(matches!(&facts.blocked, Reading::NotPermitted { .. }));
    assert!(matches!(&facts.upstream, Reading::NotPermitted { grant } if grant == "SLAVE MONITOR"));
    assert!(facts.connections.known().unwrap().used >= 1 && facts.memory.known().is_some());
    assert!(facts.work.known().is_some());
}

#[tokio::test]
async fn restart_between_rounds_is_not_an_outage() {
    let mut server = Mariadb::start(&[]);
    let mut monitor = monitor(&[server.url()]);
    round(&mut monitor).await;
    server.stop(Signal::TERM);
    server.run();
    let seen = round(&mut monitor).await;
    assert!(facts(&seen, 0).uptime < Duration::from_secs(60));
}

#[tokio::test]
async fn wrong_login_is_a_mistake_of_the_configuration() {
    let server = Mariadb::start(&["--plugin-load-add=auth_ed25519"]);
    server.sql("create user modern@'%' identified via ed25519 using password('x')");
    let modern = format!("mysql://modern:x@127.0.0.1:{}", server.port);
    for (url, word) in [
        (server.url().replace("p%40ss", "wrong"), "Access denied for user 'mainstay'"),
        (modern, "authentication plugin client_ed25519"),
    ] {
        let seen = round(&mut monitor(&[url])).await;
        let NodeAnswer::Denied { said } = &seen.nodes[0].answer else { panic!("{seen:?}") };
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn certificate_is_verified_before_the_password_is_sent() {
    let ca = certs::Authority::root("Acme test CA");
    let leaf = ca.leaf(&["localhost"], |_| {});
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let server = Mariadb::start(&[
        &format!("--ssl-cert={}", place("server.crt", leaf.certificate.pem())),
        &format!("--ssl-key={}", place("server.key", leaf.key.serialize_pem())),
    ]);
    let plain = Mariadb::start(&["--skip-ssl"]);
    let file = certs::trust(&[&ca.certificate]);
    let mut trusting = config::bare();
    trusting.site.extra_ca_files = vec![file.path().to_owned()];
    let by_name = server.url().replace("127.0.0.1", "localhost");
    for (config, url, mode, expected) in [
        (&trusting, &by_name, "VERIFY_IDENTITY", "verified"),
        (&config::bare(), &by_name, "VERIFY_IDENTITY", "refused"),
        (&trusting, &server.url(), "VERIFY_IDENTITY", "refused"),
        (&config::bare(), &server.url(), "REQUIRED", "unverified"),
        (&config::bare(), &server.url(), "PREFERRED", "unverified"),
        (&config::bare(), &server.url(), "DISABLED", "plain"),
        (&config::bare(), &plain.url(), "PREFERRED", "plain"),
        (&config::bare(), &plain.url(), "REQUIRED", "no TLS"),
    ] {
        let got = encryption(config, format!("{url}?ssl-mode={mode}")).await;
        assert_eq!(got, expected, "{url} {mode}");
    }
}

#[tokio::test]
async fn round_costs_the_server_a_few_milliseconds() {
    let server = Mariadb::start(&[]);
    // A server that is neither empty nor idle: sessions, and waiting ones among them.
    let head = server.session("app", "use s; begin; update t set v = 1 where id = 1");
    let mut inside = monitor(&[server.url()]);
    until(&mut inside, "idle", |seen| facts(seen, 0).sessions.known().unwrap().idle_in_transaction == 1)
        .await;
    let idle: Vec<_> = (0..50).map(|_| server.session("app", "select 1")).collect();
    let waiters: Vec<_> =
        (0..10).map(|_| server.session("app", "update s.t set v = 2 where id = 1")).collect();
    until(&mut inside, "waiting", |seen| {
        waiting(seen) == 10 && facts(seen, 0).connections.known().unwrap().used == 62
    })
    .await;
    let before = cpu_ticks(server.pid());
    for _ in 0..100 {
        tokio::time::sleep(PAUSE).await;
        round(&mut inside).await;
    }
    // 100 rounds at 10 ms a tick: ticks / 10 are milliseconds a round.
    let ticks = cpu_ticks(server.pid()) - before;
    println!("CPU of the server: {}.{} ms a round", ticks / 10, ticks % 10);
    assert!(ticks <= 50, "{ticks} ticks in 100 rounds");
    drop((head, idle, waiters));
}
