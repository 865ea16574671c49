//! Faults of databases.

use crate::shown::clean;
use crate::time::spoken;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

mod clause;

use super::pool::{Starving, starved_replica};
use clause::{
    behind, connected, full, left_behind, not_streaming, reason, sessions, since, size, standby_lost, stop,
};

/// A replica that replaced its primary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The primary before.
    pub from: String,
    /// Its state.
    pub how: String,
    /// Time of day since when.
    pub since: String,
    /// The primary now.
    pub to: String,
    /// Time of day at which it first accepted writes.
    pub at: String,
    /// Its timeline.
    pub timeline: u64,
}

impl fmt::Display for Promotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, how, since, to, at, timeline } = self;
        write!(
            f,
            "has lost its primary {from} since {since} ({how}); {to} was promoted at {at} (timeline {timeline})"
        )
    }
}

/// A fault of a database. `node` is the host and port of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "database", rename_all = "snake_case")]
pub enum DatabaseFault {
    /// No free connection slots for ordinary clients.
    #[error("{}{}", full(node, *used, *usable), reason(crowd))]
    Saturated {
        /// The node.
        node: String,
        /// Slots in use, if mainstay has a connection that can tell.
        used: Option<u32>,
        /// Slots for ordinary clients.
        usable: Option<u32>,
        /// What occupies the slots: the statement that most sessions execute, or the message of the server.
        crowd: Option<String>,
    },
    /// No node accepts writes.
    #[error("has no node that accepts writes: {how}")]
    NoPrimary {
        /// Each node and its state.
        how: String,
    },
    /// A node gives no answer while another one accepts writes.
    #[error("has lost its node {node}: {how}")]
    NodeFails {
        /// The node.
        node: String,
        /// The fault.
        how: String,
    },
    /// The login of mainstay is refused.
    #[error("refuses the login of mainstay at {node}: {said} (check the URL, and pg_hba.conf or the grants)")]
    Denied {
        /// The node.
        node: String,
        /// Message of the server.
        said: String,
    },
    /// The role of mainstay may not read everything.
    #[error("does not let mainstay read {what} at {node}: not permitted, grant {grant}")]
    NotPermitted {
        /// The node.
        node: String,
        /// The facts that are missing.
        what: String,
        /// The right that is missing.
        grant: String,
    },
    /// Two nodes of one cluster accept writes: their data diverges.
    #[error(
        "has {} nodes that accept writes, of one cluster (system identifier {system_identifier}): {}; {}{}",
        nodes.len(), nodes.join(" and "), stop(replaced), connected(clients)
    )]
    TwoPrimaries {
        /// The nodes.
        nodes: Vec<String>,
        /// Their common identifier.
        system_identifier: String,
        /// The nodes that were replaced: those with a lower timeline than another one. Empty where that is not known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        replaced: Vec<String>,
        /// Each node with its clients, where they are known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        clients: Vec<String>,
    },
    /// The primary is lost, and a replica was promoted: clients can write again, with one node fewer.
    #[error("{promotion}")]
    Promoted {
        /// What is known of it.
        promotion: Box<Promotion>,
    },
    /// Clients of the old primary did not follow a promotion.
    #[error("{}", left_behind(from, to, clients, gone))]
    LeftBehind {
        /// The primary before.
        from: String,
        /// The primary now.
        to: String,
        /// Clients that are connected to the old one and not to the new one.
        clients: Vec<String>,
        /// Clients that were connected to the old one, and are connected to none of them.
        gone: Vec<String>,
    },
    /// Clients write to a replica, which refuses it.
    #[error(
        "has clients that write to its replica {node}, which refuses it (\"cannot execute in a read-only \
         transaction\"): {}",
        clients.join(", ")
    )]
    WritesRefused {
        /// The replica.
        node: String,
        /// The clients.
        clients: Vec<String>,
    },
    /// Sessions wait for a lock of one session.
    #[error("has {} at {node} blocked for {} by {head}", sessions(*victims), spoken(*longest))]
    Blocked {
        /// The node.
        node: String,
        /// Number of sessions that wait.
        victims: u32,
        /// Longest wait.
        longest: Duration,
        /// The session at the head of the chain, with its statement.
        head: String,
    },
    /// A statement runs for very long.
    #[error("executes one statement for {} at {node}: {session}", spoken(*age))]
    LongStatement {
        /// The node.
        node: String,
        /// Execution time until now.
        age: Duration,
        /// The session, with its statement.
        session: String,
    },
    /// A transaction is open without a statement: it keeps locks, and keeps vacuum from removing rows.
    #[error("has a transaction open and idle for {} at {node}: {session}", spoken(*age))]
    IdleInTransaction {
        /// The node.
        node: String,
        /// Time without a statement.
        age: Duration,
        /// The session, with its last statement.
        session: String,
    },
    /// A replica is far behind.
    #[error("has a replica that is behind: {node} by {}", behind(*bytes, *lag, *paused))]
    Lag {
        /// The replica.
        node: String,
        /// Bytes not replayed.
        bytes: u64,
        /// The same as time.
        lag: Option<Duration>,
        /// Whether replay is paused by command.
        paused: bool,
    },
    /// A replica receives nothing.
    #[error("has a replica that does not receive changes: {node}{}", not_streaming(from.as_deref(), error.as_deref()))]
    NotStreaming {
        /// The replica.
        node: String,
        /// The primary, as the replica names it.
        from: Option<String>,
        /// Why, by the replica.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A replica gets no work while the primary has too much.
    #[error(
        "has a replica without work: {node} serves {replica} transactions/s{}, its primary {primary}/s with {percent} % \
         of its connections in use; {}",
        idle_since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default(),
        starved_replica(starved_by.as_deref())
    )]
    ReplicaIdle {
        /// The replica.
        node: String,
        /// Transactions per second, mainstay's own subtracted.
        replica: u64,
        /// Transactions per second of the primary.
        primary: u64,
        /// Connection slots of the primary in use, in percent.
        percent: u32,
        /// Time of day since when.
        #[serde(default)]
        idle_since: Option<String>,
        /// The layer that starves it, if one is short.
        #[serde(default)]
        starved_by: Option<Box<Starving>>,
    },
    /// Commits wait for a synchronous standby that is not connected.
    #[error("{}", standby_lost(node, *waiting, *longest, synchronous))]
    StandbyLost {
        /// The primary.
        node: String,
        /// Commits that wait.
        waiting: u32,
        /// Longest wait.
        longest: Duration,
        /// Standbys for which a commit waits, as configured.
        synchronous: String,
    },
    /// A slot without a consumer keeps write-ahead log until the disk is full.
    #[error(
        "keeps {} of write-ahead log at {node} for the unused slot {slot} ({status}); reconnect its consumer or drop it",
        size(*bytes)
    )]
    SlotRetains {
        /// The node.
        node: String,
        /// The slot.
        slot: String,
        /// Bytes kept.
        bytes: u64,
        /// State of the slot.
        status: String,
    },
    /// Transaction ids are running out.
    #[error(
        "has used {percent} % of its transaction ids in {name} at {node}; at 100 % it refuses writes: vacuum it"
    )]
    Wraparound {
        /// The node.
        node: String,
        /// The database.
        name: String,
        /// Share that is used.
        percent: u32,
    },
    /// Archiving fails, so that the newest changes are in no backup and write-ahead log accumulates.
    #[error("fails to archive its write-ahead log at {node}{}: {failed} failed attempts", since(*age))]
    ArchiverFails {
        /// The node.
        node: String,
        /// Time since the last archived segment; `None` when there was none.
        age: Option<Duration>,
        /// Failed attempts.
        failed: u64,
    },
    /// The last good backup is too old.
    #[error("has no {} ({name}){}", backup_since(*age), allowed(*age, *max))]
    BackupOld {
        /// Name of the stanza.
        name: String,
        /// Age of the last good backup; `None` when there is none.
        age: Option<Duration>,
        /// The configured maximum.
        max: Duration,
    },
    /// The backup tool reports an error.
    #[error("has unsound backups ({name}): {status}")]
    BackupFails {
        /// Name of the stanza.
        name: String,
        /// Message of the tool.
        status: String,
    },
    /// Memory is at its limit.
    #[error("uses {percent} % of its memory limit at {node} ({} of {}){}", size(*used), size(*max), if *evicts { ": it evicts entries" } else { ": it will refuse writes" })]
    Memory {
        /// The node.
        node: String,
        /// Bytes in use.
        used: u64,
        /// The limit.
        max: u64,
        /// Share in use.
        percent: u32,
        /// Whether entries may be evicted.
        evicts: bool,
    },
}

impl DatabaseFault {
    /// The code for machines.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Saturated { .. } => "database-saturated",
            Self::NoPrimary { .. } => "database-no-primary",
            Self::NodeFails { .. } => "database-node-fails",
            Self::Denied { .. } => "database-denied",
            Self::NotPermitted { .. } => "database-not-permitted",
            Self::TwoPrimaries { .. } => "database-two-primaries",
            Self::Promoted { .. } => "database-promoted",
            Self::LeftBehind { .. } => "database-left-behind",
            Self::WritesRefused { .. } => "database-writes-refused",
            Self::Blocked { .. } => "database-blocked",
            Self::LongStatement { .. } => "database-long-statement",
            Self::IdleInTransaction { .. } => "database-idle-in-transaction",
            Self::Lag { .. } => "database-lag",
            Self::NotStreaming { .. } => "database-not-streaming",
            Self::ReplicaIdle { .. } => "database-replica-idle",
            Self::StandbyLost { .. } => "database-standby-lost",
            Self::SlotRetains { .. } => "database-slot-retains",
            Self::Wraparound { .. } => "database-wraparound",
            Self::ArchiverFails { .. } => "database-archiver-fails",
            Self::BackupOld { .. } => "database-backup-old",
            Self::BackupFails { .. } => "database-backup-fails",
            Self::Memory { .. } => "database-memory",
        }
    }

    /// What it is about within the database: a node, or the stanza of a backup. Two faults with the same code and
    /// subject mean the same, although their figures differ from round to round.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::NoPrimary { .. } => "",
            Self::TwoPrimaries { system_identifier, .. } => system_identifier,
            Self::Promoted { promotion } => &promotion.to,
            Self::LeftBehind { to, .. } => to,
            Self::BackupOld { name, .. } | Self::BackupFails { name, .. } => name,
            Self::Saturated { node, .. }
            | Self::NodeFails { node, .. }
            | Self::WritesRefused { node, .. }
            | Self::Denied { node, .. }
            | Self::NotPermitted { node, .. }
            | Self::Blocked { node, .. }
            | Self::LongStatement { node, .. }
            | Self::IdleInTransaction { node, .. }
            | Self::Lag { node, .. }
            | Self::NotStreaming { node, .. }
            | Self::ReplicaIdle { node, .. }
            | Self::StandbyLost { node, .. }
            | Self::SlotRetains { node, .. }
            | Self::Wraparound { node, .. }
            | Self::ArchiverFails { node, .. }
            | Self::Memory { node, .. } => node,
        }
    }

    /// Escapes external text in it.
    pub(crate) fn clean(&mut self) {
        match self {
            Self::Saturated { crowd: Some(text), .. }
            | Self::NoPrimary { how: text }
            | Self::NodeFails { how: text, .. }
            | Self::Denied { said: text, .. }
            | Self::Blocked { head: text, .. }
            | Self::LongStatement { session: text, .. }
            | Self::IdleInTransaction { session: text, .. }
            | Self::StandbyLost { synchronous: text, .. }
            | Self::Wraparound { name: text, .. }
            | Self::BackupOld { name: text, .. } => clean(text),
            Self::NotStreaming { from, error, .. } => {
                from.iter_mut().for_each(clean);
                error.iter_mut().for_each(clean);
            }
            Self::SlotRetains { slot, status, .. } => {
                clean(slot);
                clean(status);
            }
            Self::BackupFails { name, status } => {
                clean(name);
                clean(status);
            }
            Self::TwoPrimaries { system_identifier, clients, .. } => {
                clean(system_identifier);
                clients.iter_mut().for_each(clean);
            }
            Self::Promoted { promotion } => clean(&mut promotion.how),
            Self::LeftBehind { clients, gone, .. } => clients.iter_mut().chain(gone).for_each(clean),
            Self::WritesRefused { clients, .. } => clients.iter_mut().for_each(clean),
            Self::ReplicaIdle { starved_by: Some(by), .. } => by.clean(),
            _ => {}
        }
    }
}

/// The backup that is missing, by the age of the last one.
fn backup_since(age: Option<Duration>) -> String {
    age.map_or_else(|| "complete backup".to_owned(), |age| format!("backup since {} ago", spoken(age)))
}

/// What is allowed, after the age of the last backup.
fn allowed(age: Option<Duration>, max: Duration) -> String {
    age.map_or_else(String::new, |_| format!(", more than the {} that are allowed", spoken(max)))
}
