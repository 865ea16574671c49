//! Every condition of a PostgreSQL database, provoked on a real server and seen with the role of the guide.

use crate::certs;
use crate::config;
use crate::rounds::{cpu_ticks, encryption, facts, five_minutes_pass, monitor, round, until};
use prober::{DatabaseMonitor, Prober};
use rustix::process::Signal;
use std::time::Duration;
use testbed::postgres::Postgres;
use tokio_postgres::Client;
use types::config::{Config, Database, ProbeKind, SecretRef};
use types::database::{DatabaseSeen, DatabaseThresholds, Encryption, NodeAnswer, Reading, Role};
use types::{Answer, Fault};

/// Executes statements in a session that stays busy with them.
fn busy(client: Client, statements: &'static str) -> tokio::task::JoinHandle<Client> {
    tokio::spawn(async move {
        // It ends with an error when the server does.
        let _ = client.batch_execute(statements).await;
        client
    })
}

fn lag(seen: &DatabaseSeen, node: usize) -> u64 {
    facts(seen, node).upstream.known().unwrap().lag_bytes.unwrap()
}

#[tokio::test]
async fn healthy_server_gives_every_fact() {
    let server = Postgres::start(&[]).await;
    let mut monitor = monitor(&[server.url()]);
    let seen = round(&mut monitor).await;
    let facts = facts(&seen, 0);
    assert!(facts.version.starts_with("PostgreSQL 1"), "{facts:#?}");
    assert_eq!((facts.role, &facts.lacks, &facts.encryption), (Role::Primary, &None, &Encryption::Plain));
    let connections = facts.connections.known().unwrap();
    assert_eq!((connections.max, connections.reserved), (100, 3));
    assert!((1..10).contains(&connections.used), "{connections:?}");
    let position = facts.position.known().unwrap();
    assert_eq!(position.timeline, Some(1));
    assert!(position.system_identifier.as_ref().is_some_and(|id| id.len() > 15), "{position:?}");
    assert_eq!(facts.blocked.known(), Some(&Vec::new()));
    assert!(!facts.archiver.known().unwrap().on);
    assert_eq!(facts.wraparound.known().unwrap().percent, 0);
    assert!(facts.work.known().unwrap().transactions > 0);
    assert_eq!(facts.slots.known(), Some(&Vec::new()));
    assert_eq!(facts.standbys.known().unwrap().synchronous, "");
}

#[tokio::test]
async fn full_server_is_saturated_and_seen_from_inside() {
    let server =
        Postgres::start(&["max_connections=8", "superuser_reserved_connections=3", "max_wal_senders=0"])
            .await;
    server.sql("create role app login").await;
    let mut inside = monitor(&[server.url()]);
    round(&mut inside).await;
    let mut clients = Vec::new();
    let refusal = loop {
        match server.session("app", "app").await {
            Ok(client) => clients.push(client),
            Err(refusal) => break refusal,
        }
    };
    assert!(refusal.contains("remaining connection slots are reserved"), "{refusal}");
    let seen = round(&mut inside).await;
    let connections = *facts(&seen, 0).connections.known().unwrap();
    assert_eq!((connections.used, connections.usable(), connections.percent()), (5, 5, 100));

    let seen = round(&mut monitor(&[server.url()])).await;
    let NodeAnswer::Saturated { said } = &seen.nodes[0].answer else { panic!("{seen:?}") };
    assert!(said.contains("remaining connection slots are reserved"), "{said}");
}

#[tokio::test]
async fn head_of_a_chain_is_named_with_its_statement() {
    let server = Postgres::start(&[]).await;
    let head = server.client("billing").await;
    head.batch_execute("begin; update t set v = 4711 where id = 1").await.unwrap();
    let second = busy(
        server.client("second").await,
        "begin; update t set v = 1 where id = 2; update t set v = 2 where id = 1",
    );
    let mut monitor = monitor(&[server.url()]);
    until(&mut monitor, "one waits", |seen| facts(seen, 0).sessions.known().unwrap().waiting_for_lock == 1)
        .await;
    let third = busy(server.client("third").await, "update t set v = 3 where id = 2");
    let fourth = busy(server.client("fourth").await, "update t set v = 4 where id = 2");
    let seen = until(&mut monitor, "three wait", |seen| {
        facts(seen, 0).blocked.known().is_some_and(|chains| chains.iter().any(|chain| chain.victims == 3))
    })
    .await;
    let [chain] = &facts(&seen, 0).blocked.known().unwrap()[..] else { panic!("{seen:?}") };
    assert_eq!(chain.head.application, "billing");
    assert_eq!(chain.head.state, "idle in transaction");
    assert_eq!(chain.head.statement, "begin; update t set v = ? where id = ?");
    for waiting in [second, third, fourth] {
        waiting.abort();
    }
}

#[tokio::test]
async fn longest_statement_crowd_and_idle_transaction_are_named() {
    let server = Postgres::start(&[]).await;
    let long = busy(server.client("report").await, "select pg_sleep(600), 'secret' as why");
    let idle = server.client("worker").await;
    idle.batch_execute("begin; select 'secret', count(*) from t").await.unwrap();
    let mut monitor = monitor(&[server.url()]);
    let seen = until(&mut monitor, "a second passes", |seen| {
        let sessions = facts(seen, 0).sessions.known().unwrap();
        sessions.longest_statement.as_ref().is_some_and(|session| session.age >= Duration::from_secs(1))
    })
    .await;
    let sessions = facts(&seen, 0).sessions.known().unwrap();
    let longest = sessions.longest_statement.as_ref().unwrap();
    assert_eq!(
        (longest.application.as_str(), longest.statement.as_str()),
        ("report", "select pg_sleep(?), ? as why")
    );
    let idle_one = sessions.longest_idle_in_transaction.as_ref().unwrap();
    assert_eq!(
        (idle_one.application.as_str(), idle_one.statement.as_str()),
        ("worker", "begin; select ?, count(*) from t")
    );
    assert_eq!((sessions.active, sessions.idle_in_transaction, &sessions.crowd), (1, 1, &None));
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(busy(server.client("app").await, "select pg_sleep(500), 'other' as why"));
    }
    let seen =
        until(&mut monitor, "a crowd", |seen| facts(seen, 0).sessions.known().unwrap().active == 6).await;
    let crowd = facts(&seen, 0).sessions.known().unwrap().crowd.clone().unwrap();
    assert_eq!((crowd.sessions, crowd.statement.as_str()), (6, "select pg_sleep(?), ? as why"));
    long.abort();
    others.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn replica_lags_idles_and_is_promoted() {
    let mut primary = Postgres::start(&[]).await;
    let replica = primary.replica("standby1").await;
    let mut monitor = monitor(&[primary.url(), replica.url()]);
    let seen = until(&mut monitor, "streaming", |seen| {
        facts(seen, 1)
            .upstream
            .known()
            .is_some_and(|upstream| upstream.streaming && upstream.lag_bytes == Some(0))
    })
    .await;
    let (first, second) = (facts(&seen, 0), facts(&seen, 1));
    assert_eq!((first.role, second.role), (Role::Primary, Role::Replica));
    let standby = &first.standbys.known().unwrap().connected[0];
    assert_eq!(
        (standby.name.as_str(), standby.state.as_str(), standby.sync_state.as_str()),
        ("standby1", "streaming", "async")
    );
    let upstream = second.upstream.known().unwrap();
    assert_eq!(upstream.from.as_deref(), Some(format!("127.0.0.1:{}", primary.port).as_str()));

    // Idle: the primary works, the replica executes what mainstay asks. Statistics arrive up to a second late.
    let own = |seen: &DatabaseSeen, node| *facts(seen, node).work.known().unwrap();
    let before = seen.clone();
    let worker = primary.client("app").await;
    for _ in 0..3_000 {
        worker.query("select sum(v) from t", &[]).await.unwrap();
    }
    drop(worker);
    let seen = until(&mut monitor, "counted", |seen| {
        own(seen, 0).transactions - own(&before, 0).transactions > 3_000
    })
    .await;
    let done = |node| {
        let (before, after) = (own(&before, node), own(&seen, node));
        let own = i64::try_from(after.own_transactions - before.own_transactions).unwrap();
        i64::try_from(after.transactions - before.transactions).unwrap() - own
    };
    let rows = |node| own(&seen, node).rows_read - own(&before, node).rows_read;
    println!("primary {} transactions {} rows, replica {} and {}", done(0), rows(0), done(1), rows(1));
    assert!(done(0) >= 2_500 && rows(0) >= 30_000, "{} {}", done(0), rows(0));
    // Each round's own transactions arrive up to a second late.
    assert!(done(1) * 20 <= done(0) && rows(1) * 10 <= rows(0), "{} {}", done(1), rows(1));

    replica.sql("select pg_wal_replay_pause()").await;
    primary.sql("insert into t select i, i from generate_series(1, 20000) as i").await;
    let seen = until(&mut monitor, "lag", |seen| {
        lag(seen, 1) > 1_000_000
            && facts(seen, 1).upstream.known().unwrap().lag > Some(Duration::from_secs(1))
    })
    .await;
    assert!(facts(&seen, 1).upstream.known().unwrap().paused);
    replica.sql("select pg_wal_replay_resume()").await;
    let seen = until(&mut monitor, "no lag", |seen| lag(seen, 1) == 0).await;
    assert_eq!(facts(&seen, 1).upstream.known().unwrap().lag, Some(Duration::ZERO));

    promoted_behind_its_back(&mut primary, &replica, &mut monitor).await;
}

/// The primary dies, the replica is promoted, the primary comes back.
async fn promoted_behind_its_back(primary: &mut Postgres, replica: &Postgres, monitor: &mut DatabaseMonitor) {
    let _api = primary.client("api").await;
    let groups = |seen: &DatabaseSeen, node| facts(seen, node).clients.known().unwrap().clone();
    let seen =
        until(monitor, "api", |seen| groups(seen, 0).iter().any(|group| group.application == "api")).await;
    let api = groups(&seen, 0).into_iter().find(|group| group.application == "api").unwrap();
    assert_eq!((api.address.as_str(), api.sessions, api.writes), ("127.0.0.1", 1, 0));
    assert!(groups(&seen, 1).iter().all(|group| group.application != "standby1"), "replication is no client");
    let writer = replica.client("writer").await;
    let refused = writer.batch_execute("insert into t values (0, 0)").await.unwrap_err();
    assert!(refused.as_db_error().unwrap().message().contains("read-only transaction"), "{refused}");
    until(monitor, "refused writes", |seen| groups(seen, 1).iter().any(|group| group.writes == 1)).await;
    primary.stop(Signal::KILL);
    let seen = until(monitor, "dead", |seen| matches!(seen.nodes[0].answer, NodeAnswer::Failed(_))).await;
    assert!(matches!(&seen.nodes[0].answer, NodeAnswer::Failed(Fault::Refused)), "{:?}", seen.nodes[0]);
    replica.sql("select pg_promote()").await;
    let seen = until(monitor, "promoted", |seen| facts(seen, 1).role == Role::Primary).await;
    assert_eq!(facts(&seen, 1).position.known().unwrap().timeline, Some(2));
    primary.run().await;
    let seen =
        until(monitor, "two primaries", |seen| matches!(seen.nodes[0].answer, NodeAnswer::Facts(_))).await;
    let (first, second) = (facts(&seen, 0), facts(&seen, 1));
    assert_eq!((first.role, second.role), (Role::Primary, Role::Primary));
    let identifier =
        |facts: &types::database::NodeFacts| facts.position.known().unwrap().system_identifier.clone();
    assert_eq!(identifier(first), identifier(second));
}

#[tokio::test]
async fn dead_synchronous_standby_and_unused_slot_are_seen() {
    let primary = Postgres::start(&[]).await;
    let mut standby = primary.replica("standby1").await;
    primary.sql("alter system set synchronous_standby_names = 'standby1'").await;
    primary.sql("select pg_create_physical_replication_slot('old', true)").await;
    primary.sql("select pg_reload_conf()").await;
    let mut monitor = monitor(&[primary.url()]);
    let sync = |seen: &DatabaseSeen| {
        facts(seen, 0).standbys.known().unwrap().connected.iter().any(|standby| standby.sync_state == "sync")
    };
    until(&mut monitor, "synchronous", sync).await;
    standby.stop(Signal::KILL);
    let hanging =
        busy(primary.client("app").await, "insert into t select i, i from generate_series(1, 20000) as i");
    let seen = until(&mut monitor, "hanging", |seen| {
        !sync(seen) && facts(seen, 0).sessions.known().unwrap().waiting_for_standby == 1
    })
    .await;
    assert_eq!(facts(&seen, 0).standbys.known().unwrap().synchronous, "standby1");
    let [slot] = &facts(&seen, 0).slots.known().unwrap()[..] else { panic!("{seen:?}") };
    assert_eq!(
        (slot.name.as_str(), slot.active, slot.wal_status.as_deref()),
        ("old", false, Some("reserved"))
    );
    assert!(slot.retained_bytes > 1_000_000, "{slot:?}");
    hanging.abort();
}

#[tokio::test]
async fn failing_archiver_is_seen() {
    let server = Postgres::start(&["archive_mode=on", "archive_command=false"]).await;
    server.sql("select pg_switch_wal()").await;
    let mut monitor = monitor(&[server.url()]);
    let seen = until(&mut monitor, "failed", |seen| {
        facts(seen, 0).archiver.known().is_some_and(|archiver| archiver.failed > 0)
    })
    .await;
    let archiver = facts(&seen, 0).archiver.known().unwrap();
    assert!(
        archiver.on && archiver.since_archived.is_none() && archiver.since_failed.is_some(),
        "{archiver:?}"
    );
}

#[tokio::test]
async fn statement_that_grew_is_named() {
    let server = Postgres::start(&[]).await;
    let mut monitor = monitor(&[server.url()]);
    round(&mut monitor).await;
    server.sql("select pg_sleep(0.3)").await;
    let seen = until(&mut monitor, "load", |seen| {
        facts(seen, 0)
            .statements
            .known()
            .is_some_and(|loads| loads.iter().any(|load| load.statement.contains("pg_sleep")))
    })
    .await;
    let loads = facts(&seen, 0).statements.known().unwrap();
    assert_eq!((loads[0].statement.as_str(), loads[0].calls), ("select pg_sleep($1)", 1));
    assert!(loads[0].mean >= Duration::from_millis(300), "{loads:?}");
}

#[tokio::test]
async fn right_that_is_granted_later_is_used_without_a_restart() {
    let server = Postgres::start(&[]).await;
    server.sql("revoke pg_monitor from mainstay").await;
    let mut monitor = monitor(&[server.url()]);
    assert!(facts(&round(&mut monitor).await, 0).lacks.is_some());
    server.sql("grant pg_monitor to mainstay").await;
    five_minutes_pass().await;
    let seen = round(&mut monitor).await;
    assert_eq!(facts(&seen, 0).lacks, None, "{seen:#?}");
    assert!(facts(&seen, 0).sessions.known().is_some(), "{seen:#?}");
}

#[tokio::test]
async fn missing_right_costs_only_the_facts_that_need_it() {
    let server = Postgres::start(&[]).await;
    server
        .sql("revoke pg_monitor from mainstay; revoke execute on function pg_control_system() from public")
        .await;
    let seen = round(&mut monitor(&[server.url()])).await;
    let facts = facts(&seen, 0);
    assert_eq!(facts.lacks.as_deref(), Some("pg_monitor"));
    let hidden = |grant: &str| grant == "pg_monitor";
    assert!(matches!(&facts.sessions, Reading::NotPermitted { grant } if hidden(grant)), "{facts:#?}");
    assert!(matches!(&facts.standbys, Reading::NotPermitted { grant } if hidden(grant)));
    assert!(facts.connections.known().unwrap().used >= 1);
    assert!(
        facts
            .position
            .known()
            .is_some_and(|position| position.system_identifier.is_none() && position.bytes > 0)
    );
    assert!(facts.work.known().is_some() && facts.wraparound.known().is_some());
}

#[tokio::test]
async fn restart_between_rounds_is_not_an_outage() {
    let mut server = Postgres::start(&[]).await;
    let mut monitor = monitor(&[server.url()]);
    round(&mut monitor).await;
    server.stop(Signal::INT);
    server.run().await;
    let seen = round(&mut monitor).await;
    assert!(facts(&seen, 0).uptime < Duration::from_secs(60));
}

#[tokio::test]
async fn wrong_login_is_a_mistake_of_the_configuration() {
    let server = Postgres::start(&[]).await;
    for (url, word) in [
        (server.url().replace("p%40ss", "wrong"), "password authentication failed"),
        (server.url().replace("/postgres", "/nothing"), "does not exist"),
    ] {
        let seen = round(&mut monitor(&[url])).await;
        let NodeAnswer::Denied { said } = &seen.nodes[0].answer else { panic!("{seen:?}") };
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn certificate_is_verified_before_the_password_is_sent() {
    let server = Postgres::start(&[]).await;
    let ca = certs::Authority::root("Acme test CA");
    let leaf = ca.leaf(&["localhost"], |_| {});
    server.place("server.crt", &leaf.certificate.pem());
    server.place("server.key", &leaf.key.serialize_pem());
    server.sql("alter system set ssl = on").await;
    server.sql("select pg_reload_conf()").await;
    let file = certs::trust(&[&ca.certificate]);
    let mut trusting = config::bare();
    trusting.site.extra_ca_files = vec![file.path().to_owned()];
    let by_name = server.url().replace("127.0.0.1", "localhost");
    for (config, url, mode, expected) in [
        (&trusting, &by_name, "verify-full", "verified"),
        (&config::bare(), &by_name, "verify-full", "refused"),
        (&trusting, &server.url(), "verify-full", "refused"),
        (&config::bare(), &server.url(), "require", "unverified"),
        (&config::bare(), &server.url(), "disable", "plain"),
    ] {
        let got = encryption(config, format!("{url}?sslmode={mode}")).await;
        assert_eq!(got, expected, "{url} {mode}");
    }
}

/// A configuration with `database.main`, whose URL is in a file.
fn declared(url: &SecretRef) -> Config {
    let main = Database {
        url: url.clone(),
        replicas: Vec::new(),
        backups: None,
        needs_backups: true,
        offsite: false,
        restore_every: Duration::from_secs(30 * 86_400),
        thresholds: DatabaseThresholds::default(),
    };
    Config { databases: [("main".to_owned(), main)].into(), ..config::bare() }
}

/// Measures `database.main` once; process ids of the sessions that mainstay has then.
async fn sessions_after(prober: &Prober, server: &Postgres) -> Vec<i32> {
    let probe = config::probe("main", ProbeKind::Database { name: "main".to_owned() });
    let Answer::Database(seen) = prober.run(&probe).await.answer else { panic!("no round") };
    facts(&seen, 0);
    let client = server.client("look").await;
    let rows = client.query("select pid from pg_stat_activity where usename = 'mainstay'", &[]).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn connection_is_kept_between_rounds_and_while_the_url_is_the_same() {
    let server = Postgres::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let url = SecretRef::File(folder.path().join("url"));
    let write = |text: &str| std::fs::write(folder.path().join("url"), text).unwrap();
    write(&server.url());
    let mut config = declared(&url);
    let prober = Prober::new(&config).unwrap();
    let first = sessions_after(&prober, &server).await;
    assert_eq!((first.len(), &sessions_after(&prober, &server).await), (1, &first));

    config.databases.get_mut("main").unwrap().thresholds.blocked_sessions = 3;
    let reloaded = prober.adopt(&config).unwrap();
    assert_eq!(sessions_after(&reloaded, &server).await, first, "a threshold needs no new connection");
    drop(prober);

    write(&format!("{}?sslmode=disable\n", server.url()));
    let replaced = reloaded.adopt(&config).unwrap();
    drop(reloaded);
    let seen = until_sessions(&replaced, &server, |sessions| sessions.len() == 1).await;
    assert_ne!(seen, first, "another URL is another connection, and the old one ends");
}

async fn until_sessions(prober: &Prober, server: &Postgres, holds: impl Fn(&[i32]) -> bool) -> Vec<i32> {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let sessions = sessions_after(prober, server).await;
        if holds(&sessions) {
            return sessions;
        }
        assert!(std::time::Instant::now() < deadline, "{sessions:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn missing_or_wrong_url_is_reported_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = SecretRef::File(folder.path().join("url"));
    std::fs::write(folder.path().join("url"), "oracle://mainstay:hunter2@db1").unwrap();
    for (url, expected) in [
        (
            SecretRef::Env("NO_SUCH_URL_OF_OURS".to_owned()),
            "the URL of node 1 of database.main cannot be used: the environment variable NO_SUCH_URL_OF_OURS is not set",
        ),
        (
            file,
            "the URL of node 1 of database.main cannot be used: it must begin with postgres://, mysql://, mariadb:// or redis://",
        ),
    ] {
        let config = declared(&url);
        assert_eq!(Prober::new(&config).unwrap_err().to_string(), expected);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn round_costs_the_server_a_few_milliseconds() {
    let server = Postgres::start(&[]).await;
    // A server that is neither empty nor idle: sessions, waiting ones among them, and 500 statements in the statistics.
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(server.client("app").await);
    }
    clients[0].batch_execute("begin; update t set v = 1 where id = 1").await.unwrap();
    let waiting =
        clients.split_off(50).into_iter().map(|client| busy(client, "update t set v = 2 where id = 1"));
    let waiting: Vec<_> = waiting.collect();
    for number in 0..500 {
        clients[1].batch_execute(&format!("select {number} as column_{number}")).await.unwrap();
    }
    let mut monitor = monitor(&[server.url()]);
    until(&mut monitor, "waiting", |seen| facts(seen, 0).sessions.known().unwrap().waiting_for_lock == 10)
        .await;
    let row = clients[1]
        .query_one("select pid from pg_stat_activity where application_name = 'mainstay'", &[])
        .await
        .unwrap();
    let pid: i32 = row.get(0);
    let before = cpu_ticks(pid.cast_unsigned());
    for _ in 0..100 {
        round(&mut monitor).await;
    }
    // 100 rounds at 10 ms a tick: ticks / 10 are milliseconds a round.
    let ticks = cpu_ticks(pid.cast_unsigned()) - before;
    println!("CPU of the server's backend: {}.{} ms a round", ticks / 10, ticks % 10);
    // 1.2 to 1.7 ms on a quiet machine; on a busy one the same work takes longer.
    assert!(ticks <= 50, "{ticks} ticks in 100 rounds");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
