//! Everything that can happen to the mind: one closed list, so that no callback can surprise it.

use crate::event::UpdateStatus;
use crate::notification::Delivery;
use crate::{Config, DenialId, DenyWhat, IncidentId, ProbeResult, Rollup, ServiceId, Time};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Something that reached the mind.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "answers of probes are nearly all inputs, and each lives for one call"
)]
pub enum Input {
    /// The process began; the journal has been folded.
    Booted {
        /// The last sign of life before this one.
        blind_since: Option<Time>,
    },
    /// Something about time itself.
    Clock(ClockNews),
    /// A configuration was read and is sound.
    ConfigRead(Arc<Config>),
    /// A probe was answered.
    Sampled(ProbeResult),
    /// The edge told what went through it in the last second.
    RolledUp(Rollup),
    /// Time went by.
    Tick,
    /// An attempt came to an end.
    Attempted(Delivery),
    /// A human has an incident in hand.
    Acknowledge {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: String,
        /// How: `link`, `console`, `command`.
        via: String,
    },
    /// A person saw or did something.
    Note {
        /// About which incident.
        incident: IncidentId,
        /// Who.
        by: String,
        /// In their words.
        text: String,
    },
    /// A person wants some traffic refused for a while.
    Deny {
        /// Which.
        what: DenyWhat,
        /// At which service; everywhere when `None`.
        service: Option<ServiceId>,
        /// For how long: it undoes itself.
        lasting: Duration,
        /// Who.
        by: String,
        /// Whether it is meant although it hits everybody, this machine, or declared hops and callers.
        everybody: bool,
    },
    /// A person lifts a denial before its time.
    Lift {
        /// Which.
        denial: DenialId,
        /// Who.
        by: String,
    },
    /// A person publishes an update on the status page.
    Update {
        /// About which incident.
        incident: IncidentId,
        /// Who.
        by: String,
        /// Status of the incident.
        status: UpdateStatus,
        /// Text of the update.
        body: String,
    },
    /// A person publishes the draft that waits.
    Approve {
        /// About which incident.
        incident: IncidentId,
        /// Who.
        by: String,
    },
    /// A person says that it is over.
    Resolve {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: String,
        /// Whether it is meant although something of it still fails. It opens again with the next bad answer.
        force: bool,
    },
}

/// What was noticed about the passing of time. A confirmed step of the wall clock is no input: it needs the whole journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockNews {
    /// The machine has been running for so long, by its own count.
    Anchored {
        /// Identifies the boot of the machine.
        boot: String,
        /// Suspended time included.
        running: Duration,
    },
    /// The wall clock stepped, or came back.
    Jumped {
        /// How far it is ahead of engine time now, in milliseconds; zero when it came back.
        by_ms: i64,
    },
    /// The process stood still.
    NotWatched {
        /// The last turn of the loop before.
        since: Time,
    },
}

/// Why an input of a person changed nothing. Inputs of machines are never refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// There is no such incident.
    #[error("there is no {0}; `mainstay incident list` shows those that exist")]
    NoSuchIncident(IncidentId),
    /// There is no such denial in force.
    #[error("there is no {0} in force; `mainstay deny list` shows those that are")]
    NoSuchDenial(DenialId),
    /// More denials than anybody could oversee.
    #[error("{0} denials are in force, and that is the most; lift some first, or deny a wider network")]
    TooManyDenials(usize),
    /// It hits more than its author may have meant.
    #[error("a denial of {what} would refuse {whom}")]
    HitsOthers {
        /// What was to be denied.
        what: DenyWhat,
        /// Who would be refused.
        whom: String,
    },
    /// Nothing is served, so nothing can be denied.
    #[error("the configuration has no edge, so nothing would be denied")]
    NoEdge,
    /// Nobody tells where an address comes from.
    #[error("{what} cannot be denied: the configuration names no file that tells where addresses come from")]
    NoPlaces {
        /// What was to be denied.
        what: DenyWhat,
        /// The key of `[edge]` that names such a file.
        key: &'static str,
    },
    /// There is no such service, or the edge does not serve it.
    #[error("{0} is not a service that the edge serves")]
    NoSuchService(ServiceId),
    /// No update waits to be published.
    #[error("{0} has no draft that waits to be published; `mainstay status` shows those that do")]
    NoDraft(IncidentId),
    /// It is over.
    #[error("{0} is over already")]
    Over(IncidentId),
    /// Something of it still fails.
    #[error("{incident} is not over: {what}")]
    StillFailing {
        /// Which.
        incident: IncidentId,
        /// What fails, in words.
        what: String,
    },
    /// It became part of another.
    #[error("{0} turned out to be part of {1}")]
    Merged(IncidentId, IncidentId),
}
