//! Rounds of measurements of a database.

use crate::config;
use prober::{DatabaseMonitor, DatabaseTarget};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::database::{DatabaseSeen, Encryption, NodeAnswer, NodeFacts, NodeSeen};
use types::{Config, Fault};

/// Time for a condition to become visible on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two rounds. InnoDB keeps its list of transactions until no one has read it for 0.1 s.
pub(crate) const PAUSE: Duration = Duration::from_millis(120);

/// A monitor of these nodes.
pub(crate) fn monitor(urls: &[String]) -> DatabaseMonitor {
    let target = DatabaseTarget { name: "main".to_owned(), urls: secret(urls), backups: None };
    DatabaseMonitor::new(&config::bare(), &target, Arc::new(types::Time::now)).unwrap()
}

/// URLs as the secrets that they are.
pub(crate) fn secret(urls: &[String]) -> Vec<SecretString> {
    urls.iter().map(|url| SecretString::from(url.as_str())).collect()
}

/// One round.
pub(crate) async fn round(monitor: &mut DatabaseMonitor) -> DatabaseSeen {
    monitor.round(Duration::from_secs(20)).await
}

/// The clock of the timers passes five minutes, after which rights are read again.
pub(crate) async fn five_minutes_pass() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
}

/// The facts of a node that must have answered.
pub(crate) fn facts(seen: &DatabaseSeen, node: usize) -> &NodeFacts {
    match &seen.nodes[node] {
        NodeSeen { answer: NodeAnswer::Facts(facts), .. } => facts,
        other => panic!("{other:?}"),
    }
}

/// Rounds until a condition holds.
pub(crate) async fn until(
    monitor: &mut DatabaseMonitor,
    what: &str,
    holds: impl Fn(&DatabaseSeen) -> bool,
) -> DatabaseSeen {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = round(monitor).await;
        if holds(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: {seen:#?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The word of what one round within `limit` finds at a URL.
pub(crate) async fn word(url: String, limit: Duration) -> String {
    let mut monitor = monitor(&[url]);
    let began = Instant::now();
    let seen = monitor.round(limit).await;
    assert!(began.elapsed() < limit + Duration::from_secs(5), "{:?}", began.elapsed());
    match &seen.nodes[0].answer {
        NodeAnswer::Failed(fault) => fault.as_str().to_owned(),
        NodeAnswer::Denied { .. } => "denied".to_owned(),
        other => format!("{other:?}"),
    }
}

/// How one round at a URL is encrypted, or why there is none.
pub(crate) async fn encryption(config: &Config, url: String) -> &'static str {
    let target = DatabaseTarget { name: "main".to_owned(), urls: secret(&[url]), backups: None };
    let mut monitor = DatabaseMonitor::new(config, &target, Arc::new(types::Time::now)).unwrap();
    match &round(&mut monitor).await.nodes[0].answer {
        NodeAnswer::Facts(facts) => match facts.encryption {
            Encryption::Plain => "plain",
            Encryption::Unverified { .. } => "unverified",
            Encryption::Verified => "verified",
        },
        NodeAnswer::Failed(Fault::Tls { .. }) => "refused",
        NodeAnswer::Failed(Fault::Handshake { why }) if why.contains("no TLS") => "no TLS",
        other => panic!("{other:?}"),
    }
}

/// CPU time of a process in ticks of 10 ms.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    after[11].parse::<u64>().unwrap() + after[12].parse::<u64>().unwrap()
}
