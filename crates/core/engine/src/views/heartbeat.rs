//! Jobs that report by heartbeats.

use serde::Serialize;
use types::heartbeat::Pinged;
use types::{AlertId, Fault, Time};

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeartbeatRow {
    /// Its name.
    pub name: String,
    /// When it is due, in words: `0 3 * * * (Europe/Tallinn)`.
    pub schedule: String,
    /// How long after that it may still report, in seconds.
    pub grace_seconds: u64,
    /// When it is due next; `None` when that is not known.
    pub due: Option<Time>,
    /// Its last success.
    pub succeeded: Option<Time>,
    /// Since when it has been running.
    pub running_since: Option<Time>,
    /// What is wrong with it.
    pub trouble: Option<HeartbeatTrouble>,
    /// The last pings, newest first.
    pub recent: Vec<Pinged>,
}

/// What is wrong with a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeartbeatTrouble {
    /// Its alert.
    pub alert: AlertId,
    /// Since when.
    pub since: Time,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// The fault in words.
    pub text: String,
}
