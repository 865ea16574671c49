//! Connections, locks, statements, memory.

use super::{Check, Round, violation};
use crate::violation::Violation;
use std::time::Duration;
use text::number::grouped;
use types::Severity;
use types::database::{Connections, NodeAnswer, NodeFacts, Session};
use types::fault::DatabaseFault;
use types::time::{between, spoken};

/// Time for which a high share of connections has to last: deploys double the pools for a moment.
const FILLED_FOR: Duration = Duration::from_mins(2);
/// Wait of a blocked session from which on a long chain counts.
const CHAIN_WAIT: Duration = Duration::from_secs(10);
/// Shortest statement that explains a full server.
const SLOW: Duration = Duration::from_secs(2);
/// Growth of a statement's load that explains a full server.
const GROWN: f64 = 2.0;
pub(super) fn saturated(round: &Round<'_>) -> Check {
    let refusing = round.seen.nodes.iter().filter_map(|seen| match &seen.answer {
        NodeAnswer::Saturated { said } => {
            let known = round.before(&seen.node).and_then(explanation);
            Some(full(&seen.node, None, Some(known.unwrap_or_else(|| format!("it says: {said}")))))
        }
        _ => None,
    });
    let filled = round.nodes().filter_map(|(node, facts)| {
        let connections = facts.connections.known()?;
        if connections.used >= connections.usable() {
            return Some(full(node, Some(connections), explanation(facts)));
        }
        if let Some(refusals) = refusals(round, node, connections) {
            let why = explanation(facts).map(|why| format!("; {why}")).unwrap_or_default();
            return Some(full(node, Some(connections), Some(format!("{refusals}{why}"))));
        }
        (connections.percent() >= round.thresholds.connections_percent).then(|| {
            let fault = saturation(node, Some(connections), explanation(facts));
            violation(fault, Severity::Warning).after_lasting(FILLED_FOR)
        })
    });
    round.worst(refusing.chain(filled))
}

/// Connections that a node has refused since the round before: between two rounds it was full for a moment.
fn refusals(round: &Round<'_>, node: &str, now: &Connections) -> Option<String> {
    let before = round.before(node)?.connections.known()?.refused?;
    let refused = now.refused?.checked_sub(before).filter(|refused| *refused > 0)?;
    let span = between(round.before?.at, round.seen.at);
    let new = if refused == 1 { "connection" } else { "connections" };
    Some(format!("it refused {} new {new} in the last {}", grouped(refused), spoken(span)))
}

fn full(node: &str, connections: Option<&Connections>, crowd: Option<String>) -> Violation {
    violation(saturation(node, connections, crowd), Severity::Critical).after_count(2)
}

fn saturation(node: &str, connections: Option<&Connections>, crowd: Option<String>) -> DatabaseFault {
    DatabaseFault::Saturated {
        node: node.to_owned(),
        used: connections.map(|connections| connections.used),
        usable: connections.map(Connections::usable),
        crowd,
    }
}

/// What occupies the connections: a lock, a statement that many sessions execute, one that is slow, one that grew.
fn explanation(facts: &NodeFacts) -> Option<String> {
    let sessions = facts.sessions.known()?;
    if let Some(chain) = facts.blocked.known().and_then(|chains| chains.first())
        && chain.victims * 2 >= sessions.active
    {
        return Some(format!("{} of its sessions wait for {}", chain.victims, described(&chain.head)));
    }
    if let Some(crowd) = &sessions.crowd
        && crowd.sessions * 2 >= sessions.active
    {
        let (count, longest) = (crowd.sessions, spoken(crowd.longest));
        return Some(format!(
            "{count} of {} active sessions execute `{}`, for up to {longest}",
            sessions.active.max(count),
            crowd.statement
        ));
    }
    if let Some(session) = sessions.longest_statement.as_ref().filter(|session| session.age >= SLOW) {
        return Some(format!("the longest statement is that of {}", described(session)));
    }
    let loads = facts.statements.known()?;
    let grown = |load: f64, before: f64| load >= 1.0 && load >= before * GROWN;
    let load = loads.iter().find(|load| load.load_before.is_some_and(|before| grown(load.load, before)))?;
    let before = load.load_before.unwrap_or_default();
    Some(format!(
        "`{}` occupies {:.1} sessions, {before:.1} before ({} ms each)",
        load.statement,
        load.load,
        load.mean.as_millis()
    ))
}

/// `pid 4711 (billing, idle in transaction for 3 min): UPDATE ...`
fn described(session: &Session) -> String {
    let Session { pid, application, state, age, statement } = session;
    let application = if application.is_empty() { String::new() } else { format!("{application}, ") };
    let who = match pid {
        0 => state.clone(),
        pid => format!("pid {pid} ({application}{state} for {})", spoken(*age)),
    };
    if statement.is_empty() { who } else { format!("{who}: `{statement}`") }
}

pub(super) fn blocked(round: &Round<'_>) -> Check {
    let thresholds = round.thresholds;
    round.worst(round.nodes().filter_map(|(node, facts)| {
        let chain = facts.blocked.known()?.first()?;
        let many = chain.victims >= thresholds.blocked_sessions && chain.longest >= CHAIN_WAIT;
        if !many && chain.longest < thresholds.blocked_wait {
            return None;
        }
        let fault = DatabaseFault::Blocked {
            node: node.to_owned(),
            victims: chain.victims,
            longest: chain.longest,
            head: described(&chain.head),
        };
        let severity = if many { Severity::Critical } else { Severity::Warning };
        Some(violation(fault, severity).after_count(2))
    }))
}

pub(super) fn long_statement(round: &Round<'_>) -> Check {
    round.worst(round.nodes().filter_map(|(node, facts)| {
        let session = facts.sessions.known()?.longest_statement.as_ref()?;
        (session.age >= round.thresholds.long_statement && !is_maintenance(session)).then(|| {
            let (node, age) = (node.to_owned(), session.age);
            let fault = DatabaseFault::LongStatement { node, age, session: described(session) };
            violation(fault, Severity::Warning).after_count(2)
        })
    }))
}

pub(super) fn idle_in_transaction(round: &Round<'_>) -> Check {
    round.worst(round.nodes().filter_map(|(node, facts)| {
        let session = facts.sessions.known()?.longest_idle_in_transaction.as_ref()?;
        (session.age >= round.thresholds.idle_in_transaction && !is_maintenance(session)).then(|| {
            let (node, age) = (node.to_owned(), session.age);
            let fault = DatabaseFault::IdleInTransaction { node, age, session: described(session) };
            violation(fault, Severity::Warning).after_count(2)
        })
    }))
}

/// Whether a session is a dump or maintenance, which may take hours. The leader of a parallel dump is idle in a transaction.
fn is_maintenance(session: &Session) -> bool {
    const PROGRAMS: [&str; 5] = ["pg_dump", "pg_restore", "pg_basebackup", "pgbackrest", "mysqldump"];
    const WORDS: [&str; 12] = [
        "vacuum",
        "analyze",
        "copy",
        "create index",
        "create unique index",
        "reindex",
        "cluster",
        "refresh",
        "alter table",
        "optimize",
        "load data",
        "autovacuum",
    ];
    let statement = session.statement.to_ascii_lowercase();
    PROGRAMS.iter().any(|program| session.application.to_ascii_lowercase().starts_with(program))
        || WORDS.iter().any(|word| statement.starts_with(word))
}

pub(super) fn memory(round: &Round<'_>) -> Check {
    round.worst(round.nodes().filter_map(|(node, facts)| {
        let memory = facts.memory.known().filter(|memory| memory.max > 0 && !memory.evicts)?;
        let percent = u32::try_from(memory.used.saturating_mul(100) / memory.max).unwrap_or(u32::MAX);
        if percent < round.thresholds.memory_percent {
            return None;
        }
        let fault = DatabaseFault::Memory {
            node: node.to_owned(),
            used: memory.used,
            max: memory.max,
            percent,
            evicts: memory.evicts,
        };
        // At the limit it refuses writes.
        let severity = if percent >= 99 { Severity::Critical } else { Severity::Warning };
        Some(violation(fault, severity).after_count(3))
    }))
}
