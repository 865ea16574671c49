//! The outage without mainstay: behind HAProxy, real PostgreSQL, real WebSockets.

use super::until;
use drill::Act;
use std::time::Duration;
use tempfile::TempDir;
use testbed::ShrinkingPool;
use testbed::surge::Proxy;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_query_stops_most_servers_and_its_fix_brings_none_back() {
    let folder = TempDir::new().unwrap();
    let fixture = ShrinkingPool::start(folder.path(), Proxy::Plain, 200).await.unwrap();
    assert!(fixture.proxy_name().unwrap().starts_with("haproxy "));
    fixture.clients_back(Duration::from_secs(60)).await.unwrap();

    fixture.act(&Act::SlowQuery).await.unwrap();
    // They stop working first, and end ten seconds later.
    let stopped = async || {
        let mut stopped = 0;
        for address in fixture.addresses() {
            stopped += usize::from(TcpStream::connect(address).await.is_err());
        }
        // How many give up depends on how clients spread; two older installations keep what they have.
        (stopped >= 10).then_some(())
    };
    until("stopped servers", stopped).await;
    let working = fixture.look().unwrap().working;
    assert!((2..=10).contains(&working), "{working}");

    fixture.act(&Act::FixQuery).await.unwrap();
    fixture.act(&Act::AddReplicas { count: 1 }).await.unwrap();
    let working = fixture.look().unwrap().working;
    assert!((2..=10).contains(&working), "the pool hides the fix: {working}");

    fixture.act(&Act::ReturnServers).await.unwrap();
    // Whether they stay is not certain: nothing paces the clients, and a server that too many reach gives up again.
    let seen = fixture.observations().pool.unwrap();
    assert!(seen.fell_at.is_some() && seen.replicas_added.is_some(), "{seen:?}");
    let notes: Vec<&str> = seen.fixes.iter().map(|(_, note, _)| note.as_str()).collect();
    assert_eq!(notes, ["fix the slow query", "add a database replica", "start the stopped API servers"]);
}

#[tokio::test]
async fn act_of_another_drill_is_refused() {
    let folder = TempDir::new().unwrap();
    let fixture = ShrinkingPool::start(folder.path(), Proxy::Mainstay, 0).await.unwrap();
    let error = fixture.act(&Act::FloodEnds).await.unwrap_err();
    assert!(error.to_string().contains("flood ends"), "{error}");
    let toml = fixture.config_toml(folder.path(), "127.0.0.1:1".parse().unwrap());
    config::read(&toml, "mainstay.toml", folder.path()).unwrap_or_else(|p| panic!("{p:?}\n{toml}"));
}
