//! Thresholds by which the facts of a database are judged.

use std::time::Duration;

/// Thresholds of one database. The defaults are silent on an ordinary day with a nightly backup, vacuum, a report of some
/// minutes and a restart of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseThresholds {
    /// Share of the connection slots in use that is worth a warning, in percent.
    pub connections_percent: u32,
    /// Wait for a lock that is worth a warning.
    pub blocked_wait: Duration,
    /// Sessions that wait for one other from which on people are paged.
    pub blocked_sessions: u32,
    /// Execution time of one statement; maintenance and dumps are exempt.
    pub long_statement: Duration,
    /// Time without a statement in an open transaction; dumps are exempt.
    pub idle_in_transaction: Duration,
    /// Lag of a replica as time ...
    pub lag: Duration,
    /// ... and, together with it, in bytes.
    pub lag_bytes: u64,
    /// Write-ahead log that an unused slot may keep.
    pub slot_bytes: u64,
    /// Share of the transaction ids that is worth a warning, in percent.
    pub wraparound_percent: u32,
    /// Wait for a synchronous standby from which on people are paged.
    pub standby_wait: Duration,
    /// Maximum age of the last good backup; without it only the tool's own opinion counts.
    pub backup_age: Option<Duration>,
    /// Share of the memory limit that is worth a warning, in percent.
    pub memory_percent: u32,
}

impl Default for DatabaseThresholds {
    fn default() -> Self {
        Self {
            connections_percent: 90,
            blocked_wait: Duration::from_mins(2),
            blocked_sessions: 10,
            long_statement: Duration::from_hours(1),
            idle_in_transaction: Duration::from_mins(15),
            lag: Duration::from_mins(5),
            lag_bytes: 16 << 20,
            slot_bytes: 10 << 30,
            wraparound_percent: 50,
            standby_wait: Duration::from_secs(20),
            backup_age: None,
            memory_percent: 90,
        }
    }
}
