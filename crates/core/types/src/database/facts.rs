//! Facts of one node of a database.

use crate::Time;
use crate::database::Reading;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Facts of a node that let mainstay in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Product and version: `PostgreSQL 15.18`, `MariaDB 10.11.19`.
    pub version: String,
    /// Whether it accepts writes.
    pub role: Role,
    /// Protection of mainstay's own connection.
    pub encryption: Encryption,
    /// Time since its start.
    pub uptime: Duration,
    /// The right that mainstay's role lacks to read everything; `None` when it has all.
    pub lacks: Option<String>,
    /// Connection slots.
    pub connections: Reading<Connections>,
    /// What its sessions do.
    pub sessions: Reading<Sessions>,
    /// Sessions that wait for a lock, by the session that they wait for.
    pub blocked: Reading<Vec<BlockedChain>>,
    /// Who is connected, the most sessions first; mainstay's own and those of replicas are left out.
    #[serde(default, skip_serializing_if = "Reading::is_absent")]
    pub clients: Reading<Vec<ClientGroup>>,
    /// Identity and position in the write-ahead log.
    pub position: Reading<Position>,
    /// Of a replica: the stream from its primary.
    pub upstream: Reading<Upstream>,
    /// Replicas that it feeds.
    pub standbys: Reading<Standbys>,
    /// Replication slots.
    pub slots: Reading<Vec<Slot>>,
    /// Archiving of the write-ahead log.
    pub archiver: Reading<Archiver>,
    /// Age of the oldest transaction id, by database the worst.
    pub wraparound: Reading<Wraparound>,
    /// Counters of its work.
    pub work: Reading<Work>,
    /// Statements with the most execution time since the reading before, the first one has the most.
    pub statements: Reading<Vec<StatementLoad>>,
    /// Memory, where the node has a limit of its own.
    pub memory: Reading<Memory>,
}

/// Role of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Accepts writes.
    #[default]
    Primary,
    /// Follows a primary and refuses writes.
    Replica,
}

/// Protection of a connection to a database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// None.
    #[default]
    Plain,
    /// TLS; the certificate was not verified, or would be refused for this reason.
    Unverified {
        /// Why a strict client refuses it; empty when no reason was found.
        why: String,
    },
    /// TLS with a verified certificate.
    Verified,
}

/// Connection slots of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Slots in use by clients, mainstay's own included.
    pub used: u32,
    /// All slots.
    pub max: u32,
    /// Slots that ordinary clients do not get.
    pub reserved: u32,
    /// Connections that it refused since its start because all slots were in use, if it counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
}

impl Connections {
    /// Slots for ordinary clients.
    #[must_use]
    pub fn usable(&self) -> u32 {
        self.max.saturating_sub(self.reserved)
    }

    /// Share of the slots for ordinary clients that is in use, in percent.
    #[must_use]
    pub fn percent(&self) -> u32 {
        let usable = u64::from(self.usable().max(1));
        u32::try_from(u64::from(self.used) * 100 / usable).unwrap_or(u32::MAX)
    }
}

/// What the sessions of a node do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// Sessions that execute a statement.
    pub active: u32,
    /// Sessions in an open transaction without a statement.
    pub idle_in_transaction: u32,
    /// Sessions that wait for a lock.
    pub waiting_for_lock: u32,
    /// Sessions whose commit waits for a synchronous standby.
    pub waiting_for_standby: u32,
    /// Longest wait for a synchronous standby.
    pub longest_standby_wait: Duration,
    /// The statement that has been running for the longest time.
    pub longest_statement: Option<Session>,
    /// The session that has been idle in an open transaction for the longest time.
    pub longest_idle_in_transaction: Option<Session>,
    /// The statement that most of the active sessions execute, if at least two do.
    pub crowd: Option<Crowd>,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Process or connection number on the node; 0 is a prepared transaction, which has no session.
    pub pid: i64,
    /// Name that the client gave itself.
    pub application: String,
    /// `active`, `idle in transaction`, ...
    pub state: String,
    /// Time in this state: of an active session, that of its statement.
    pub age: Duration,
    /// Its current or last statement, without literals.
    pub statement: String,
}

/// Sessions of one client: the name that it gives itself, and its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientGroup {
    /// Name that the client gave itself; may be empty.
    pub application: String,
    /// Its address; empty over a local socket.
    pub address: String,
    /// Number of its sessions.
    pub sessions: u32,
    /// Those whose last statement was a write: a replica has refused it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub writes: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde demands")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Sessions that execute the same statement, literals aside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Crowd {
    /// Number of sessions.
    pub sessions: u32,
    /// Longest time that one of them has been executing it.
    pub longest: Duration,
    /// The statement, without literals.
    pub statement: String,
}

/// Sessions that wait for a lock, directly or through others, for one session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockedChain {
    /// The session that holds the lock and waits for none itself.
    pub head: Session,
    /// Number of sessions that wait for it.
    pub victims: u32,
    /// Longest time that one of them has been waiting.
    pub longest: Duration,
}

/// Identity of a cluster of nodes, and a node's position in its write-ahead log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Identifier that a primary and its replicas have in common.
    pub system_identifier: Option<String>,
    /// Timeline, which a promotion increases.
    pub timeline: Option<u64>,
    /// Position in bytes: of a primary the written one, of a replica the replayed one.
    pub bytes: u64,
}

/// The stream of a replica from its primary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Upstream {
    /// Whether a stream is open.
    pub streaming: bool,
    /// The primary, as the replica names it.
    pub from: Option<String>,
    /// Whether replay is paused by command.
    pub paused: bool,
    /// Bytes that the primary has written and this node has not replayed.
    pub lag_bytes: Option<u64>,
    /// Age of the primary's position that this node has replayed, by the primary's positions of earlier rounds.
    pub lag: Option<Duration>,
    /// Why it does not run, by the replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Replicas that a node feeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standbys {
    /// Standbys for which a commit waits, as configured; empty when commits wait for none.
    pub synchronous: String,
    /// Each connected standby.
    pub connected: Vec<Standby>,
}

/// One connected standby.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standby {
    /// Name that it gave itself.
    pub name: String,
    /// `streaming`, `catchup`, ...
    pub state: String,
    /// `sync`, `quorum`, `potential` or `async`.
    pub sync_state: String,
    /// Bytes that it has not replayed.
    pub lag_bytes: Option<u64>,
}

/// One replication slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether a consumer is connected.
    pub active: bool,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Write-ahead log that it keeps on disk, in bytes.
    pub retained_bytes: u64,
}

/// Archiving of the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archiver {
    /// Whether archiving is configured.
    pub on: bool,
    /// Segments archived.
    pub archived: u64,
    /// Failed attempts.
    pub failed: u64,
    /// Time since the last archived segment.
    pub since_archived: Option<Duration>,
    /// Time since the last failed attempt.
    pub since_failed: Option<Duration>,
}

/// Age of the oldest transaction id of the database that is nearest to wraparound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wraparound {
    /// The database.
    pub database: String,
    /// Share of the ids that is used, in percent; at 100 the node refuses writes.
    pub percent: u32,
}

/// Counters of a node's work since its statistics were reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Transactions, or commands where there are none.
    pub transactions: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Deadlocks.
    pub deadlocks: u64,
    /// Transactions of mainstay itself among them, since it connected.
    pub own_transactions: u64,
}

/// Load by one statement between two readings of the statistics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementLoad {
    /// Identifier of the statement on this node.
    pub id: i64,
    /// Executions.
    pub calls: u64,
    /// Mean execution time.
    pub mean: Duration,
    /// Seconds of execution per second: the number of sessions that it occupied on average.
    pub load: f64,
    /// The same between the two readings before; `None` when it is not known.
    pub load_before: Option<f64>,
    /// The statement, without literals; empty when its text is not readable.
    pub statement: String,
}

/// Memory of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Bytes in use.
    pub used: u64,
    /// Limit in bytes; 0 is none.
    pub max: u64,
    /// Entries evicted to make room.
    pub evicted: u64,
    /// Whether entries may be evicted. If not, writes are refused at the limit.
    pub evicts: bool,
}

/// State of the backups of one stanza.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// Whether its tool calls it sound.
    pub ok: bool,
    /// Message of the tool.
    pub status: String,
    /// End of the last complete backup without errors, by the repository that is oldest in this.
    pub last: Option<Time>,
    /// Number of repositories.
    pub repositories: u32,
}
