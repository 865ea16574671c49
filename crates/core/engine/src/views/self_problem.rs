//! Problems of mainstay itself.

use oncall::FailedAttempt;
use serde::Serialize;
use std::time::Duration;
use types::{AlertId, IncidentId, Time};

/// A problem of mainstay itself. The engine adds the first two, the binary the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum SelfProblem {
    /// The wall clock stepped, now or within the last day.
    ClockJumped(ClockJump),
    /// A page has no accepted attempt.
    Unreached(Unreached),
    /// The journal refuses to write.
    JournalRefuses {
        /// Message of the journal.
        error: String,
    },
    /// The configuration on disk, or a file that it names, is not in force.
    ConfigNotInForce {
        /// Message of the reload.
        error: String,
    },
    /// The edge does not follow the configuration, or uses an unsuitable certificate.
    EdgeDiffers {
        /// Messages of the edge, joined by `; `.
        error: String,
    },
    /// A line of the system's resolver files is ignored.
    ResolverLineUnused {
        /// File, number and reason.
        error: String,
    },
    /// Probes run later than their intervals allow.
    ProbesLate {
        /// p99 of the schedule lag in the last minute.
        #[serde(rename = "p99_seconds")]
        p99: Duration,
    },
}

/// A step of the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockJump {
    /// Time of the step.
    pub at: Time,
    /// Milliseconds by which the wall clock was ahead afterwards; negative when behind.
    pub by_ms: i64,
    /// Its end; `None` while it is not confirmed.
    pub end: Option<ClockJumpEnd>,
}

/// End of a step of the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockJumpEnd {
    /// Time of the end.
    pub at: Time,
    /// Whether the new time was confirmed; otherwise the clock returned.
    pub confirmed: bool,
}

/// A page without an accepted attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// The incident.
    pub incident: IncidentId,
    /// Start of the escalation's current run.
    pub since: Time,
    /// The last failed attempt; `None` when no one is on call.
    pub failed: Option<FailedAttempt>,
}

/// mainstay has no connectivity itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The alert about it.
    pub alert: AlertId,
    /// Start.
    pub since: Time,
    /// The reason, as the alert's fault has it.
    pub why: String,
}
