//! Series that are stored for the ranking, beside the latency and the failures of probes and services.

use crate::effects::{EDGE_FAILED, EDGE_LATENCY, FAILED, LATENCY, edge_subject};
use std::time::Duration;
use types::database::NodeAnswer;
use types::likely_cause::Measured;
use types::{CallerId, DatabaseSeen, ServiceId};

/// Interval at which requests of services and calls at the edge are stored.
pub const CALLS_STEP: Duration = Duration::from_secs(10);
/// Metric of a service: requests a second at the edge, those that the valve held out excepted.
pub const EDGE_REQUESTS: &str = "edge_requests";
/// Metric of a database's probe: seconds for which the longest statement of any node has been running; zero when none runs.
pub const LONGEST_STATEMENT: &str = "longest_statement_seconds";
/// Metric of a database's probe: sessions that execute a statement, of the busiest node.
const ACTIVE_SESSIONS: &str = "sessions_inflight";
/// Metric of a database's probe: sessions that wait for a lock, of the worst node.
const LOCK_QUEUE: &str = "lock_queue";
/// Metric of a database's probe: connection slots in use in percent, of the fullest node.
pub(crate) const CONNECTIONS: &str = "connections_percent";
/// Metric of a database's probe: memory in use in percent of its limit, of the fullest node.
pub(crate) const MEMORY: &str = "memory_percent";

/// Metrics of a probe that measures a database.
pub(super) const OF_DATABASE: [&str; 7] =
    [LATENCY, FAILED, LONGEST_STATEMENT, ACTIVE_SESSIONS, LOCK_QUEUE, CONNECTIONS, MEMORY];

/// What a stored metric measures; `None` of a number of requests, which is no figure of its own.
pub(super) fn measured(metric: &str, is_call: bool) -> Option<Measured> {
    Some(match metric {
        LATENCY => Measured::Latency,
        EDGE_LATENCY if is_call => Measured::LatencyForCallers,
        EDGE_LATENCY => Measured::Latency,
        FAILED | EDGE_FAILED => Measured::FailureShare,
        LONGEST_STATEMENT => Measured::LongestStatement,
        ACTIVE_SESSIONS => Measured::ActiveSessions,
        LOCK_QUEUE => Measured::WaitingForLock,
        CONNECTIONS => Measured::Connections,
        MEMORY => Measured::Memory,
        _ => return None,
    })
}

/// Figures of one round of a database, each the worst of its nodes; those that no node has are left out.
#[must_use]
pub fn database_figures(seen: &DatabaseSeen) -> Vec<(&'static str, f64)> {
    let facts = || {
        seen.nodes.iter().filter_map(|node| match &node.answer {
            NodeAnswer::Facts(facts) => Some(facts.as_ref()),
            _ => None,
        })
    };
    let sessions = || facts().filter_map(|facts| facts.sessions.known());
    let worst = |values: &mut dyn Iterator<Item = f64>| values.reduce(f64::max);
    let longest = |sessions: &types::database::Sessions| {
        sessions.longest_statement.as_ref().map_or(0.0, |session| session.age.as_secs_f64())
    };
    let percent = |memory: &types::database::Memory| {
        (memory.max > 0).then(|| memory.used as f64 * 100.0 / memory.max as f64)
    };
    let connections = facts().filter_map(|facts| facts.connections.known());
    let memory = facts().filter_map(|facts| facts.memory.known());
    [
        (LONGEST_STATEMENT, worst(&mut sessions().map(longest))),
        (ACTIVE_SESSIONS, worst(&mut sessions().map(|sessions| f64::from(sessions.active)))),
        (LOCK_QUEUE, worst(&mut sessions().map(|sessions| f64::from(sessions.waiting_for_lock)))),
        (CONNECTIONS, worst(&mut connections.map(|connections| f64::from(connections.percent())))),
        (MEMORY, worst(&mut memory.filter_map(percent))),
    ]
    .into_iter()
    .filter_map(|(metric, value)| Some((metric, value?)))
    .collect()
}

/// Subject of the series of one server of a service, as the edge measures it: `service.shop server 10.0.0.3:80`.
#[must_use]
pub fn server_subject(service: &ServiceId, server: &str) -> String {
    format!("{} server {server}", edge_subject(service))
}

/// Subject of the series of the calls of a declared caller, as the edge measures them: `service.api caller shop-web`.
#[must_use]
pub fn caller_subject(service: &ServiceId, caller: &CallerId) -> String {
    format!("{} caller {caller}", edge_subject(service))
}

#[cfg(test)]
mod tests {
    use super::*;
    use statistics::rank::MetricKind;
    use std::time::Duration;
    use types::Time;
    use types::database::{Connections, NodeFacts, NodeSeen, Reading, Session, Sessions};

    #[test]
    fn metrics_mean_what_their_names_say() {
        for (metric, kind) in [
            (LATENCY, MetricKind::Latency),
            (EDGE_LATENCY, MetricKind::Latency),
            (LONGEST_STATEMENT, MetricKind::Latency),
            (FAILED, MetricKind::Errors),
            (EDGE_FAILED, MetricKind::Errors),
            (EDGE_REQUESTS, MetricKind::Traffic),
            (ACTIVE_SESSIONS, MetricKind::Saturation),
            (LOCK_QUEUE, MetricKind::Saturation),
            (CONNECTIONS, MetricKind::Saturation),
            (MEMORY, MetricKind::Memory),
        ] {
            assert_eq!(MetricKind::of(metric), kind, "{metric}");
        }
    }

    #[test]
    fn figures_are_those_of_the_worst_node() {
        let node = |used, active, age: Option<u64>| NodeSeen {
            node: format!("db{used}:5432"),
            answer: NodeAnswer::Facts(Box::new(NodeFacts {
                connections: Reading::Known(Connections { used, max: 110, reserved: 10, refused: None }),
                sessions: Reading::Known(Sessions {
                    active,
                    longest_statement: age
                        .map(|age| Session { age: Duration::from_secs(age), ..Session::default() }),
                    ..Sessions::default()
                }),
                ..NodeFacts::default()
            })),
        };
        let full = NodeSeen {
            node: "db3:5432".to_owned(),
            answer: NodeAnswer::Saturated { said: "sorry, too many clients already".to_owned() },
        };
        let seen = |nodes| DatabaseSeen { at: Time::UNIX_EPOCH, nodes, backups: Reading::Absent };
        let all = database_figures(&seen(vec![node(20, 3, Some(41)), node(90, 1, None), full.clone()]));
        let expected =
            [(LONGEST_STATEMENT, 41.0), (ACTIVE_SESSIONS, 3.0), (LOCK_QUEUE, 0.0), (CONNECTIONS, 90.0)];
        assert_eq!(all, expected);
        assert_eq!(database_figures(&seen(vec![full])), [], "nothing is known, so nothing is stored");
    }
}
