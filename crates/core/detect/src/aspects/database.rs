//! Rounds of databases: availability of writes, and one check for each condition of a node.
//!
//! Each check is a function of a round and the round before to good, bad or not measured. What was not measured keeps its state,
//! so that a node that is gone closes no alert.
//!
//! | module | checks |
//! |---|---|
//! | `capacity` | nodes that get no work, and what starves them |
//! | `cluster` | nodes and their roles, replication, slots, archive, backups |
//! | `promotion` | the replica that replaced a primary, and clients that did not follow |
//! | `sessions` | connections, locks, statements, memory |

mod capacity;
mod cluster;
mod promotion;
mod sessions;
#[cfg(test)]
mod tests;

pub(crate) use capacity::NodeMemory;
pub(crate) use promotion::{ClientServices, PrimaryMemory};

use crate::aspect::Aspect;
use crate::violation::{Verdict, Violation};
use jiff::tz::TimeZone;
use types::database::{DatabaseSeen, DatabaseThresholds, NodeAnswer, NodeFacts, Role};
use types::fault::{DatabaseFault, Starving};
use types::{Fault, Severity, Time};

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

/// What is known about the surroundings of a round.
pub(crate) struct Capacity<'a> {
    pub(crate) nodes: &'a NodeMemory,
    pub(crate) primary: &'a PrimaryMemory,
    pub(crate) services: &'a ClientServices,
    /// The layer above the database that is short now, and since when.
    pub(crate) starved_by: Option<Starving>,
    pub(crate) short_since: Option<Time>,
    pub(crate) zone: &'a TimeZone,
    pub(crate) now: Time,
}

/// The code of a check's faults, and the check.
type NamedCheck = (&'static str, fn(&Round<'_>) -> Check);

const CHECKS: [NamedCheck; 21] = [
    ("database-saturated", sessions::saturated),
    ("database-blocked", sessions::blocked),
    ("database-long-statement", sessions::long_statement),
    ("database-idle-in-transaction", sessions::idle_in_transaction),
    ("database-memory", sessions::memory),
    ("database-no-primary", cluster::no_primary),
    ("database-two-primaries", cluster::two_primaries),
    ("database-promoted", promotion::promoted),
    ("database-left-behind", promotion::left_behind),
    ("database-writes-refused", promotion::writes_refused),
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

    /// The node that accepts writes; of several the one that was promoted last.
    fn primary(&self) -> Option<(&str, &NodeFacts)> {
        newest(self.nodes())
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

/// The timeline of a node, if it has one.
fn timeline(facts: &NodeFacts) -> Option<u64> {
    facts.position.known()?.timeline
}

/// The node that accepts writes on the highest timeline; the first of several.
fn newest<'a>(nodes: impl Iterator<Item = (&'a str, &'a NodeFacts)>) -> Option<(&'a str, &'a NodeFacts)> {
    let primaries = nodes.filter(|(_, facts)| facts.role == Role::Primary);
    primaries.reduce(|best, next| if timeline(next.1) > timeline(best.1) { next } else { best })
}

fn violation(fault: DatabaseFault, severity: Severity) -> Violation {
    Violation::new(Fault::Database { database: fault }, severity)
}
