//! A real PostgreSQL, watched by the program: what blocks it is named, and the service above it explained.

use crate::instance::{Instance, Web, config, until};
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};
use testbed::postgres::Postgres;
use tokio::runtime::Runtime;

/// Sessions that wait: more than the 10 from which on people are paged.
const WAITING: usize = 12;

/// The shop, and the database that it depends on.
fn with_database(web: &Web, title: &str) -> String {
    let service = format!("title = \"{title}\"\n");
    let needs = format!("{service}depends_on = [\"database.main\"]\n");
    config(web, title).replace(&service, &needs)
        + "[database.main]\nurl = \"file:database-url\"\ninterval = \"1s\"\n"
}

fn open_incidents(instance: &Instance) -> Vec<Value> {
    instance.json(&["status"])["open"].as_array().cloned().unwrap_or_default()
}

/// The process ids of mainstay's sessions.
fn own_sessions(runtime: &Runtime, server: &Postgres) -> Vec<i32> {
    runtime.block_on(async {
        let client = server.client("look").await;
        let rows = client.query("select pid from pg_stat_activity where usename = 'mainstay'", &[]).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    })
}

#[test]
fn head_of_a_blocked_chain_is_the_cause_until_it_is_released() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Postgres::start(&[]));
    let web = Web::start();
    let mut instance = Instance::with(&with_database(&web, "Shop"));
    fs::write(instance.folder.path().join("database-url"), server.url()).unwrap();
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    let sessions =
        until("one session", || Some(own_sessions(&runtime, &server)).filter(|sessions| sessions.len() == 1));
    assert_eq!(open_incidents(&instance), [] as [Value; 0]);

    let head = runtime.block_on(async {
        let head = server.client("billing").await;
        head.batch_execute("begin; update t set v = 987654321 where id = 1").await.unwrap();
        head
    });
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let client = runtime.block_on(server.client("shop"));
            runtime.spawn(async move { client.batch_execute("update t set v = 1 where id = 1").await })
        })
        .collect();
    let began = Instant::now();
    let open = until("an incident", || open_incidents(&instance).pop());
    println!("a blocked chain: named after {:.1} s: {}", began.elapsed().as_secs_f64(), open["incident"]);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let summary = open["incident"]["diagnosis"]["summary"].as_str().unwrap();
    assert_eq!(open["incident"]["diagnosis"]["cause"], "database.main");
    assert!(summary.contains("12 sessions"), "{summary}");
    assert!(summary.contains("(billing, idle in transaction"), "{summary}");
    assert!(summary.contains("`begin; update t set v = ? where id = ?`"), "{summary}");
    assert!(summary.contains("Shop depends on it"), "{summary}");
    assert_eq!(instance.state_of("shop"), "operational", "its probes are well");

    // Now the service fails too: because of the database, and not as an incident of its own.
    web.answers(503);
    until("an outage of the shop", || (instance.state_of("shop") == "major_outage").then_some(()));
    let open = open_incidents(&instance);
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!(open[0]["incident"]["diagnosis"]["cause"], "database.main", "{open:#?}");

    // A reload does not let go of the connection, from which alone a full server could be seen.
    instance.write_config(&with_database(&web, "Web shop"));
    until("the new title", || {
        (instance.json(&["status"])["services"][0]["title"] == "Web shop").then_some(())
    });
    assert_eq!(own_sessions(&runtime, &server), sessions);

    let public = instance.text("/") + &instance.text("/api/v2/incidents.json");
    let journal = instance.journal();
    assert!(journal.contains("database-blocked") || journal.contains("blocked"), "{journal}");
    for secret in ["p@ss", "p%40ss", "987654321"] {
        assert!(!journal.contains(secret) && !instance.log().contains(secret), "{secret}");
    }
    for internal in ["update t", "billing", &server.port.to_string()] {
        assert!(!public.contains(internal), "{internal}: {public}");
    }

    runtime.block_on(head.batch_execute("rollback")).unwrap();
    web.answers(200);
    until("the end", || open_incidents(&instance).is_empty().then_some(()));
    for session in waiting {
        runtime.block_on(session).unwrap().unwrap();
    }
    assert_eq!(instance.terminate(), Some(0));
}

/// The database with its replica.
fn with_replica(web: &Web) -> String {
    with_database(web, "Shop") + "replicas = [\"file:replica-url\"]\n"
}

fn summaries(instance: &Instance) -> Vec<String> {
    let summary =
        |open: &Value| open["incident"]["diagnosis"]["summary"].as_str().unwrap_or_default().to_owned();
    open_incidents(instance).iter().map(summary).collect()
}

/// Waits for a summary of an open incident with these words.
fn until_said(instance: &Instance, words: &str) -> String {
    until(words, || summaries(instance).into_iter().find(|summary| summary.contains(words)))
}

#[test]
fn promotion_is_followed_and_split_brain_is_named_with_its_clients() {
    let runtime = Runtime::new().unwrap();
    let mut primary = runtime.block_on(Postgres::start(&[]));
    let replica = runtime.block_on(primary.replica("standby1"));
    let web = Web::start();
    let mut instance = Instance::with(&(with_replica(&web) + "[probe_defaults]\nfailing_for = \"1s\"\n"));
    fs::write(instance.folder.path().join("database-url"), primary.url()).unwrap();
    fs::write(instance.folder.path().join("replica-url"), replica.url()).unwrap();
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    until("two sessions", || {
        [&primary, &replica].iter().all(|server| own_sessions(&runtime, server).len() == 1).then_some(())
    });

    let (old, new) = (format!("127.0.0.1:{}", primary.port), format!("127.0.0.1:{}", replica.port));
    primary.stop(rustix::process::Signal::KILL);
    let began = Instant::now();
    let lost = until_said(&instance, "has no node that accepts writes");
    let named = began.elapsed();
    assert!(lost.contains(&format!("{old} refuses connections; {new} is a replica")), "{lost}");

    runtime.block_on(replica.sql("select pg_promote()"));
    let began = Instant::now();
    until("the promotion", || instance.journal().contains("\"promoted\"").then_some(()));
    let followed = began.elapsed();
    until("the end", || open_incidents(&instance).is_empty().then_some(()));
    let ended = began.elapsed();
    let said = format!("; {new} was promoted at ");
    assert!(instance.journal().contains(&said), "{}", instance.journal());

    // The old primary comes back and accepts writes; the application connects to it again.
    runtime.block_on(primary.run());
    let began = Instant::now();
    let _api = runtime.block_on(primary.client("api"));
    let split = until_said(&instance, "has 2 nodes that accept writes");
    println!(
        "loss named after {:.1} s, promotion after {:.1} s, incident ended after {:.1} s, two primaries after {:.1} s",
        named.as_secs_f64(),
        followed.as_secs_f64(),
        ended.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    assert!(split.contains(&format!("stop {old}, which was replaced")), "{split}");
    assert!(split.contains(&format!("to {old}: api at 127.0.0.1 (1 connection)")), "{split}");
    until("clients at the old primary", || instance.journal().contains("left_behind").then_some(()));
    assert_eq!(instance.terminate(), Some(0));
}
