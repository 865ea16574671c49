//! Rounds of measurements of a database.

use crate::config;
use prober::{DatabaseMonitor, DatabaseTarget};
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::database::{DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen};

/// Time for a condition to become visible on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A monitor of these nodes.
pub(crate) fn monitor(urls: &[String]) -> DatabaseMonitor {
    let target = DatabaseTarget { name: "main".to_owned(), urls: urls.to_vec(), pgbackrest: None };
    DatabaseMonitor::new(&config::bare(), &target, Arc::new(types::Time::now)).unwrap()
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
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
