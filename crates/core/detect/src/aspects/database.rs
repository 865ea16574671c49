//! Rounds of databases: availability of writes, and one check for each condition of a node.
//!
//! Each check is a function of a round and the round before to good, bad or not measured. What was not measured keeps its state,
//! so that a node that is gone closes no alert.
//!
//! | module | checks |
//! |---|---|
//! | `capacity` | nodes that get no work, and what starves them |
//! | `cluster` | nodes and their roles, replication, slots, archive, backups |
//! | `sessions` | connections, locks, statements, memory |

mod capacity;
mod cluster;
mod sessions;
#[cfg(test)]
mod tests;

pub(crate) use capacity::{Capacity, NodeMemory};

use crate::aspect::Aspect;
use crate::violation::{Verdict, Violation};
use types::database::{DatabaseSeen, DatabaseThresholds, NodeAnswer, NodeFacts, Role};
use types::fault::DatabaseFault;
use types::{Fault, Severity};

/// Result of one check.
enum Check {
    NotMeasured,
    Good,
    Bad(Violation),
}

/// A round with what its checks compare it with.
struct Round<'a> {
    seen: &'a DatabaseSeen,
    before: Option<&'a DatabaseSeen>,
    thresholds: &'a DatabaseThresholds,
    capacity: &'a Capacity<'a>,
}

/// The code of a check's faults, and the check.
type NamedCheck = (&'static str, fn(&Round<'_>) -> Check);

const CHECKS: [NamedCheck; 18] = [
    ("database-saturated", sessions::saturated),
    ("database-blocked", sessions::blocked),
    ("database-long-statement", sessions::long_statement),
    ("database-idle-in-transaction", sessions::idle_in_transaction),
    ("database-memory", sessions::memory),
    ("database-no-primary", cluster::no_primary),
    ("database-two-primaries", cluster::two_primaries),
    ("database-node-fails", cluster::node_fails),
    ("database-denied", cluster::denied),
    ("database-not-permitted", cluster::not_permitted),
    ("database-lag", cluster::lag),
    ("database-not-streaming", cluster::not_streaming),
    ("database-replica-idle", capacity::replica_idle),
    ("database-standby-lost", cluster::standby_lost),
    ("database-slot-retains", cluster::slot_retains),
    ("database-wraparound", cluster::wraparound),
    ("database-archiver-fails", cluster::archiver_fails),
    ("database-backup-fails", cluster::backups),
];

/// Judges a round of a database.
pub(crate) fn judge(
    seen: &DatabaseSeen,
    before: Option<&DatabaseSeen>,
    thresholds: &DatabaseThresholds,
    capacity: &Capacity<'_>,
) -> Verdict {
    let round = Round { seen, before, thresholds, capacity };
    let mut verdict = match round.unanswered() {
        Some(fault) => Verdict::unreached(fault).bad(Violation::new(fault.clone(), Severity::Critical)),
        None if round.primary().is_some() => Verdict::default().good(Aspect::Answer),
        None => Verdict::default(),
    };
    for (code, check) in CHECKS {
        verdict = match check(&round) {
            Check::NotMeasured => verdict,
            Check::Good => verdict.good(Aspect::Database(code)),
            Check::Bad(violation) => verdict.bad(violation),
        };
    }
    verdict.with_health()
}

impl Round<'_> {
    /// The nodes that answered, with their names.
    fn nodes(&self) -> impl Iterator<Item = (&str, &NodeFacts)> {
        self.seen.nodes.iter().filter_map(|seen| match &seen.answer {
            NodeAnswer::Facts(facts) => Some((seen.node.as_str(), &**facts)),
            _ => None,
        })
    }

    fn replicas(&self) -> impl Iterator<Item = (&str, &NodeFacts)> {
        self.nodes().filter(|(_, facts)| facts.role == Role::Replica)
    }

    /// The first node that accepts writes.
    fn primary(&self) -> Option<(&str, &NodeFacts)> {
        self.nodes().find(|(_, facts)| facts.role == Role::Primary)
    }

    /// The facts of a node in the round before.
    fn before(&self, node: &str) -> Option<&NodeFacts> {
        self.before?.nodes.iter().find(|seen| seen.node == node).and_then(|seen| match &seen.answer {
            NodeAnswer::Facts(facts) => Some(&**facts),
            _ => None,
        })
    }

    /// The fault of the first node when no node gave an answer of any kind.
    fn unanswered(&self) -> Option<&Fault> {
        let faults: Option<Vec<&Fault>> = self
            .seen
            .nodes
            .iter()
            .map(|seen| match &seen.answer {
                NodeAnswer::Failed(fault) => Some(fault),
                _ => None,
            })
            .collect();
        faults?.first().copied()
    }

    /// The worst of several violations. Nothing is good while the primary was not measured.
    fn worst(&self, violations: impl Iterator<Item = Violation>) -> Check {
        match violations.reduce(|worst, next| if next.severity > worst.severity { next } else { worst }) {
            Some(violation) => Check::Bad(violation),
            None if self.primary().is_some() => Check::Good,
            None => Check::NotMeasured,
        }
    }
}

fn violation(fault: DatabaseFault, severity: Severity) -> Violation {
    Violation::new(Fault::Database { database: fault }, severity)
}
