//! Inputs of the engine: one closed list.

use crate::event::UpdateStatus;
use crate::notification::Delivery;
use crate::{Config, DenialId, DenyTarget, IncidentId, ProbeResult, Rollup, ServiceId, Time};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// One input of the engine.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "answers of probes are nearly all inputs, and each lives for one call"
)]
pub enum Input {
    /// The process has started and the journal is folded.
    Booted {
        /// Last sign of the process before, if any.
        unmonitored_since: Option<Time>,
    },
    /// A change of the machine's clocks.
    Clock(ClockChange),
    /// A valid configuration was loaded.
    ConfigRead(Arc<Config>),
    /// A probe has a result.
    Sampled(ProbeResult),
    /// The edge reports its traffic of the last second.
    RolledUp(Rollup),
    /// Time has passed.
    Tick,
    /// A delivery attempt has ended.
    Attempted(Delivery),
    /// A person acknowledges an incident.
    Acknowledge {
        /// The incident.
        incident: IncidentId,
        /// The person.
        by: String,
        /// Means: `link`, `console`, `command`.
        via: String,
    },
    /// A person adds a note.
    Note {
        /// The incident.
        incident: IncidentId,
        /// The person.
        by: String,
        /// The text.
        text: String,
    },
    /// A person denies some traffic for a while.
    Deny {
        /// The traffic.
        what: DenyTarget,
        /// The service; all services when `None`.
        service: Option<ServiceId>,
        /// How long it stays in force.
        lasting: Duration,
        /// The person.
        by: String,
        /// Whether it is intended although it affects everybody, this machine, trusted proxies or callers.
        everybody: bool,
    },
    /// A person lifts a denial early.
    Lift {
        /// The denial.
        denial: DenialId,
        /// The person.
        by: String,
    },
    /// A person has words for the status page.
    Update {
        /// The incident.
        incident: IncidentId,
        /// The person.
        by: String,
        /// Status of the incident.
        status: UpdateStatus,
        /// Text of the update.
        body: String,
    },
    /// A person approves the pending draft.
    Approve {
        /// The incident.
        incident: IncidentId,
        /// The person.
        by: String,
    },
    /// A person resolves an incident.
    Resolve {
        /// The incident.
        incident: IncidentId,
        /// The person.
        by: String,
        /// Whether it is intended although something still fails. The next bad answer opens a new incident.
        force: bool,
    },
}

/// Change of the machine's clocks. A confirmed step of the wall clock is not an input: it needs the whole journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Running time of the machine.
    Anchored {
        /// Identifies the boot of the machine.
        boot: String,
        /// Suspended time included.
        running: Duration,
    },
    /// The wall clock stepped or returned.
    Jumped {
        /// Milliseconds by which it is ahead of engine time; zero after its return.
        by_ms: i64,
    },
    /// The process was suspended.
    Unmonitored {
        /// Last turn of the event loop before.
        since: Time,
    },
}

/// Reason why a command was refused. Other inputs are never refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The incident does not exist.
    #[error("there is no {0}; `mainstay incident list` shows those that exist")]
    NoSuchIncident(IncidentId),
    /// The denial is not in force.
    #[error("there is no {0} in force; `mainstay deny list` shows those that are")]
    NoSuchDenial(DenialId),
    /// The limit of denials is reached.
    #[error("the limit of {0} denials is reached; lift some first, or deny a larger CIDR range")]
    TooManyDenials(usize),
    /// The denial affects more than its author may intend.
    #[error("a denial of {what} would also deny {whom}")]
    HitsOthers {
        /// The traffic.
        what: DenyTarget,
        /// What else would be denied.
        whom: String,
    },
    /// The configuration has no edge.
    #[error("the configuration has no edge, so nothing can be denied")]
    NoEdge,
    /// The configuration has no GeoIP file for this kind of denial.
    #[error("{what} cannot be denied: `edge.geoip.{key}` is not configured")]
    NoPlaces {
        /// The traffic.
        what: DenyTarget,
        /// The missing key of `edge.geoip`.
        key: &'static str,
    },
    /// The edge does not serve the service.
    #[error("{0} is not a service that the edge serves")]
    NoSuchService(ServiceId),
    /// There is no pending draft.
    #[error("{0} has no pending draft; `mainstay status` shows pending drafts")]
    NoDraft(IncidentId),
    /// The incident has ended.
    #[error("{0} is already resolved")]
    Over(IncidentId),
    /// Something still fails.
    #[error("{incident} still fails: {what}")]
    StillFailing {
        /// The incident.
        incident: IncidentId,
        /// What fails.
        what: String,
    },
    /// The incident was merged.
    #[error("{0} was merged into {1}")]
    Merged(IncidentId, IncidentId),
}
