//! Nodes and their roles, replication, slots, transaction ids, archive, backups.

use super::{Check, Round, timeline, violation};
use std::collections::BTreeMap;
use std::time::Duration;
use types::Severity;
use types::database::{Backup, NodeAnswer, NodeFacts, Role};
use types::fault::DatabaseFault;
use types::time::between;

/// Time that a replica may be away: a restart, an upgrade.
const AWAY: Duration = Duration::from_mins(10);
/// Time for which a lag has to last: a bulk load ends.
const BEHIND_FOR: Duration = Duration::from_mins(2);
/// Lag of a replica without a stream from which on the stream is missed. One that replays an archive has none.
const UNFED: Duration = Duration::from_mins(2);
/// Time that an unused slot, an archiver or the tool of the backups may be in trouble.
const TROUBLE: Duration = Duration::from_mins(15);
/// Time without a synchronous standby while no commit waits.
const UNPROTECTED: Duration = Duration::from_mins(2);
/// Share of the transaction ids in use from which on people are paged, in percent.
const WRAPAROUND_CRITICAL: u32 = 85;

pub(super) fn no_primary(round: &Round<'_>) -> Check {
    if round.primary().is_some() {
        return Check::Good;
    }
    // A node whose role is unknown may be the primary; when all failed, the failure itself is the fault.
    let unknown =
        |answer: &NodeAnswer| matches!(answer, NodeAnswer::Saturated { .. } | NodeAnswer::Denied { .. });
    if round.seen.nodes.iter().any(|seen| unknown(&seen.answer)) || round.unanswered().is_some() {
        return Check::NotMeasured;
    }
    let states = round.seen.nodes.iter().map(|seen| format!("{} {}", seen.node, state(&seen.answer)));
    let how = states.collect::<Vec<_>>().join("; ");
    Check::Bad(violation(DatabaseFault::NoPrimary { how }, Severity::Critical))
}

/// State of a node as a predicate.
pub(super) fn state(answer: &NodeAnswer) -> String {
    match answer {
        NodeAnswer::Facts(facts) if facts.role == Role::Replica => "is a replica".to_owned(),
        NodeAnswer::Facts(_) => "accepts writes".to_owned(),
        NodeAnswer::Saturated { said } | NodeAnswer::Starting { said } | NodeAnswer::Denied { said } => {
            format!("says: {said}")
        }
        NodeAnswer::Failed(fault) => fault.to_string(),
    }
}

pub(super) fn two_primaries(round: &Round<'_>) -> Check {
    let mut clusters: BTreeMap<&str, Vec<(&str, &NodeFacts)>> = BTreeMap::new();
    for (node, facts) in round.nodes().filter(|(_, facts)| facts.role == Role::Primary) {
        let position = facts.position.known();
        if let Some(id) = position.and_then(|position| position.system_identifier.as_deref()) {
            clusters.entry(id).or_default().push((node, facts));
        }
    }
    round.worst(clusters.into_iter().filter(|(_, nodes)| nodes.len() > 1).map(|(id, nodes)| {
        let newest = nodes.iter().filter_map(|(_, facts)| timeline(facts)).max();
        let is_replaced = |facts| timeline(facts).is_some_and(|timeline| Some(timeline) < newest);
        let replaced = nodes.iter().filter(|(_, facts)| is_replaced(facts));
        let clients = nodes.iter().filter_map(|(node, facts)| {
            let groups = facts.clients.known()?;
            let names = round.capacity.services.names(groups.iter());
            let names = if names.is_empty() { "no one".to_owned() } else { names.join(", ") };
            Some(format!("to {node}: {names}"))
        });
        let fault = DatabaseFault::TwoPrimaries {
            replaced: replaced.map(|(node, _)| (*node).to_owned()).collect(),
            clients: clients.collect(),
            nodes: nodes.iter().map(|(node, facts)| on_timeline(node, timeline(facts))).collect(),
            system_identifier: id.to_owned(),
        };
        violation(fault, Severity::Critical).after_count(2)
    }))
}

fn on_timeline(node: &str, timeline: Option<u64>) -> String {
    timeline.map_or_else(|| node.to_owned(), |timeline| format!("{node} (timeline {timeline})"))
}

pub(super) fn node_fails(round: &Round<'_>) -> Check {
    if round.primary().is_none() {
        return Check::NotMeasured;
    }
    let away = round
        .seen
        .nodes
        .iter()
        .filter(|seen| matches!(seen.answer, NodeAnswer::Failed(_) | NodeAnswer::Starting { .. }));
    round.worst(away.map(|seen| {
        let fault = DatabaseFault::NodeFails { node: seen.node.clone(), how: state(&seen.answer) };
        violation(fault, Severity::Warning).after_lasting(AWAY)
    }))
}

pub(super) fn denied(round: &Round<'_>) -> Check {
    round.worst(round.seen.nodes.iter().filter_map(|seen| match &seen.answer {
        NodeAnswer::Denied { said } => {
            let fault = DatabaseFault::Denied { node: seen.node.clone(), said: said.clone() };
            Some(violation(fault, Severity::Warning))
        }
        _ => None,
    }))
}

pub(super) fn not_permitted(round: &Round<'_>) -> Check {
    round.worst(round.nodes().filter_map(|(node, facts)| {
        let fault = DatabaseFault::NotPermitted {
            node: node.to_owned(),
            what: "sessions, locks and replication".to_owned(),
            grant: facts.lacks.clone()?,
        };
        Some(violation(fault, Severity::Info).after_count(1))
    }))
}

pub(super) fn lag(round: &Round<'_>) -> Check {
    round.worst(round.replicas().filter_map(|(node, facts)| {
        let upstream = facts.upstream.known()?;
        let bytes = upstream.lag_bytes?;
        let late = upstream.lag? >= round.thresholds.lag && bytes >= round.thresholds.lag_bytes;
        let (lag, paused) = (upstream.lag, upstream.paused);
        let fault = DatabaseFault::Lag { node: node.to_owned(), bytes, lag, paused };
        late.then(|| violation(fault, Severity::Warning).after_lasting(BEHIND_FOR))
    }))
}

pub(super) fn not_streaming(round: &Round<'_>) -> Check {
    if round.primary().is_none() {
        return Check::NotMeasured;
    }
    round.worst(round.replicas().filter_map(|(node, facts)| {
        let upstream = facts.upstream.known()?;
        let unfed = !upstream.streaming && (upstream.error.is_some() || upstream.lag? >= UNFED);
        let (from, error) = (upstream.from.clone(), upstream.error.clone());
        let fault = DatabaseFault::NotStreaming { node: node.to_owned(), from, error };
        unfed.then(|| violation(fault, Severity::Warning).after_lasting(AWAY))
    }))
}

pub(super) fn standby_lost(round: &Round<'_>) -> Check {
    round.worst(round.nodes().filter(|(_, facts)| facts.role == Role::Primary).filter_map(|(node, facts)| {
        let standbys = facts.standbys.known()?;
        let protects = |state: &str| matches!(state, "sync" | "quorum");
        if standbys.synchronous.is_empty()
            || standbys.connected.iter().any(|standby| protects(&standby.sync_state))
        {
            return None;
        }
        let sessions = facts.sessions.known()?;
        let (waiting, longest) = (sessions.waiting_for_standby, sessions.longest_standby_wait);
        let synchronous = standbys.synchronous.clone();
        let fault = DatabaseFault::StandbyLost { node: node.to_owned(), waiting, longest, synchronous };
        Some(if waiting > 0 && longest >= round.thresholds.standby_wait {
            violation(fault, Severity::Critical).after_count(2)
        } else {
            violation(fault, Severity::Warning).after_lasting(UNPROTECTED)
        })
    }))
}

pub(super) fn slot_retains(round: &Round<'_>) -> Check {
    let slots = round
        .nodes()
        .flat_map(|(node, facts)| facts.slots.known().into_iter().flatten().map(move |slot| (node, slot)));
    let unused = slots.filter(|(_, slot)| !slot.active).filter(|(_, slot)| {
        let lost = matches!(slot.wal_status.as_deref(), Some("lost" | "unreserved"));
        lost || slot.retained_bytes >= round.thresholds.slot_bytes
    });
    let largest = unused.max_by_key(|(_, slot)| slot.retained_bytes);
    round.worst(largest.into_iter().map(|(node, slot)| {
        let fault = DatabaseFault::SlotRetains {
            node: node.to_owned(),
            slot: slot.name.clone(),
            bytes: slot.retained_bytes,
            status: slot.wal_status.clone().unwrap_or_else(|| "reserved".to_owned()),
        };
        violation(fault, Severity::Warning).after_lasting(TROUBLE)
    }))
}

pub(super) fn wraparound(round: &Round<'_>) -> Check {
    round.worst(round.nodes().filter_map(|(node, facts)| {
        let wraparound = facts.wraparound.known()?;
        let (name, percent) = (wraparound.database.clone(), wraparound.percent);
        if percent < round.thresholds.wraparound_percent {
            return None;
        }
        let severity = if percent >= WRAPAROUND_CRITICAL { Severity::Critical } else { Severity::Warning };
        let fault = DatabaseFault::Wraparound { node: node.to_owned(), name, percent };
        Some(violation(fault, severity).after_count(2))
    }))
}

pub(super) fn archiver_fails(round: &Round<'_>) -> Check {
    round.worst(round.nodes().filter_map(|(node, facts)| {
        let archiver = facts.archiver.known().filter(|archiver| archiver.on)?;
        let failed = archiver.since_failed?;
        let fails = archiver.since_archived.is_none_or(|archived| failed < archived);
        let (age, failed) = (archiver.since_archived, archiver.failed);
        let fault = DatabaseFault::ArchiverFails { node: node.to_owned(), age, failed };
        fails.then(|| violation(fault, Severity::Warning).after_lasting(TROUBLE))
    }))
}

/// Age and soundness of the backups share a check: an unsound one has no age that counts.
pub(super) fn backups(round: &Round<'_>) -> Check {
    let Some(backups) = round.seen.backups.known() else { return Check::NotMeasured };
    let age = |backup: &Backup| backup.last.map(|last| between(last, round.seen.at));
    let bad = backups.iter().find_map(|backup| {
        if !backup.ok {
            let (name, status) = (backup.name.clone(), backup.status.clone());
            let fault = DatabaseFault::BackupFails { name, status };
            return Some(violation(fault, Severity::Warning).after_lasting(TROUBLE));
        }
        let max = round.thresholds.backup_age?;
        if age(backup).is_some_and(|age| age <= max) {
            return None;
        }
        let fault = DatabaseFault::BackupOld { name: backup.name.clone(), age: age(backup), max };
        Some(violation(fault, Severity::Warning).after_count(2))
    });
    bad.map_or(Check::Good, Check::Bad)
}
