//! Rounds of measurements of a database.

use crate::config;
use prober::{DatabaseMonitor, DatabaseTarget};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::database::{DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen};

/// Time for a condition to become visible on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two rounds. InnoDB keeps its list of transactions until no one has read it for 0.1 s.
pub(crate) const PAUSE: Duration = Duration::from_millis(120);

/// A monitor of these nodes.
pub(crate) fn monitor(urls: &[String]) -> DatabaseMonitor {
    let target = DatabaseTarget { name: "main".to_owned(), urls: secret(urls), pgbackrest: None };
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

/// CPU time of a process in ticks of 10 ms.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    after[11].parse::<u64>().unwrap() + after[12].parse::<u64>().unwrap()
}
