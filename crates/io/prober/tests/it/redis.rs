//! Conditions of a Redis server, provoked on a real one.

use crate::rounds::{facts, monitor, round, until, word};
use crate::server;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::Fault;
use types::database::{NodeAnswer, Role};

/// More time than a round needs on a busy machine.
const PATIENT: Duration = Duration::from_secs(20);

struct Redis {
    port: u16,
    process: Child,
    _folder: TempDir,
}

impl Redis {
    /// A server with a user of mainstay that may do nothing but `INFO`.
    async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(folder.path())
            .args(["--user", "mainstay", "on", ">p@ss", "-@all", "+info"])
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is not installed (cargo xtask ci)");
        let server = Self { port, process, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "redis-server does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn url(&self) -> String {
        format!("redis://mainstay:p%40ss@127.0.0.1:{}", self.port)
    }

    async fn command(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn full_memory_and_full_server_are_seen() {
    let server =
        Redis::start(&["--maxclients", "8", "--maxmemory", "1mb", "--maxmemory-policy", "noeviction"]).await;
    let mut inside = monitor(&[server.url()]);
    let seen = round(&mut inside).await;
    let facts_now = facts(&seen, 0);
    assert!(
        facts_now.version.starts_with("Redis 7") || facts_now.version.starts_with("Valkey"),
        "{facts_now:?}"
    );
    assert_eq!(facts_now.role, Role::Primary);
    let memory = facts_now.memory.known().unwrap();
    assert!(memory.max == 1 << 20 && !memory.evicts && memory.used > 0, "{memory:?}");
    let mut clients = Vec::new();
    for _ in 0..7 {
        clients.push(TcpStream::connect(("127.0.0.1", server.port)).await.unwrap());
    }
    let seen =
        until(&mut inside, "full", |seen| facts(seen, 0).connections.known().unwrap().percent() == 100).await;
    assert_eq!(facts(&seen, 0).connections.known().unwrap().max, 8);
    let seen = round(&mut monitor(&[server.url()])).await;
    assert!(matches!(&seen.nodes[0].answer, NodeAnswer::Saturated { .. }), "{seen:?}");
}

#[tokio::test]
async fn replica_without_its_primary_is_seen() {
    let mut primary = Redis::start(&[]).await;
    let port = primary.port.to_string();
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &port]).await;
    let mut monitor = monitor(&[primary.url(), replica.url()]);
    until(&mut monitor, "streaming", |seen| {
        let upstream = facts(seen, 1).upstream.known().unwrap();
        let standbys = facts(seen, 0).standbys.known().unwrap();
        upstream.streaming
            && upstream.lag_bytes == Some(0)
            && standbys.connected.first().is_some_and(|standby| standby.state == "online")
    })
    .await;
    primary.process.kill().unwrap();
    primary.process.wait().unwrap();
    let seen = until(&mut monitor, "cut", |seen| !facts(seen, 1).upstream.known().unwrap().streaming).await;
    assert!(matches!(seen.nodes[0].answer, NodeAnswer::Failed(Fault::Refused)), "{seen:?}");
}

#[tokio::test]
async fn wrong_password_and_other_protocols_have_their_words() {
    let redis = Redis::start(&[]).await;
    assert!(redis.command("PING").await.contains("PONG"));
    let wrong = redis.url().replace("p%40ss", "wrong");
    assert_eq!(word(wrong, PATIENT).await, "denied");
    for (reply, expected) in [
        (&b"220 mail.acme.net ESMTP\r\n"[..], "garbage"),
        (b"$1073741824\r\n", "too-large"),
        (b"$5\r\nab", "unreachable"),
        (b"$2\r\nab\r\n", "garbage"),
        (b"+", "unreachable"),
        (b"", "unreachable"),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            "Starting { said: \"LOADING Redis is loading the dataset in memory\" }",
        ),
    ] {
        let address = server::listen(move |mut stream| async move {
            let _ = stream.read(&mut [0; 512]).await;
            let _ = stream.write_all(reply).await;
        })
        .await;
        assert_eq!(word(format!("redis://{address}"), PATIENT).await, expected, "{reply:?}");
    }
    let endless = server::listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 512]).await;
        while stream.write_all(b"+aaaaaaaaaaaaaaaa").await.is_ok() {}
    })
    .await;
    assert_eq!(word(format!("redis://{endless}"), PATIENT).await, "too-large");
}
