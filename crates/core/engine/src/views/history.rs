//! What happened during an incident, as facts: its timeline and its pages.

use serde::Serialize;
use types::event::UpdateStatus;
use types::{
    Actor, AlertId, Change, ChannelId, Denial, DenialId, DenyTarget, Effect, EscalationId, Fault, IncidentId,
    LikelyCause, PageId, PersonId, Resource, ServiceId, SilenceId, Time, Valve, ValveReason,
};

/// An entry of an incident's timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimelineEntry {
    /// Time.
    pub at: Time,
    /// What happened.
    #[serde(flatten)]
    pub fact: TimelineFact,
}

/// Something that happened during an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TimelineFact {
    /// An alert of the incident opened.
    AlertOpened {
        /// The alert.
        alert: AlertId,
        /// Its resource.
        about: Resource,
        /// Its fault.
        fault: Fault,
    },
    /// An alert of the incident has another fault.
    AlertChanged {
        /// The alert.
        alert: AlertId,
        /// Its resource.
        about: Resource,
        /// The new fault.
        fault: Fault,
    },
    /// An alert of the incident resolved.
    AlertClosed {
        /// The alert.
        alert: AlertId,
        /// Its resource.
        about: Resource,
    },
    /// The diagnosis has another summary.
    Diagnosed {
        /// The summary.
        summary: String,
    },
    /// The incident was merged into another.
    Merged {
        /// The incident that continues.
        into: IncidentId,
    },
    /// The incident ended.
    Resolved {
        /// Cause, effect and duration.
        summary: String,
    },
    /// A person acknowledged.
    Acknowledged {
        /// The person.
        by: Actor,
        /// Its end.
        until: Time,
    },
    /// The acknowledgement expired without a note.
    AcknowledgementExpired,
    /// The last acknowledgement does not count, because the journal may not have it.
    AcknowledgementWithdrawn,
    /// A silence holds its page.
    PageHeld {
        /// The silence.
        silence: SilenceId,
        /// Its end, as it was then.
        until: Time,
    },
    /// Nothing holds its page any more.
    PageResumed,
    /// A person added a note.
    Noted {
        /// The person.
        by: Actor,
        /// The text.
        note: String,
        /// Sequence number of its event.
        seq: u64,
        /// Its measured effect.
        effect: Option<Effect>,
    },
    /// Other resources than before stand out in the measurements, or none any more.
    CausesRanked {
        /// The most exceptional first.
        likely: Vec<LikelyCause>,
    },
    /// An update was published.
    UpdatePublished {
        /// The person; `None` for mainstay itself.
        by: Option<Actor>,
        /// Status of the incident.
        status: UpdateStatus,
        /// Text of the update.
        body: String,
    },
    /// An update waits for approval.
    UpdateDrafted {
        /// Status of the incident.
        status: UpdateStatus,
        /// Text of the update.
        body: String,
    },
    /// A person denied traffic while the incident was open.
    Denied {
        /// The denial.
        denial: Denial,
    },
    /// A change was reported while the incident was open.
    Changed {
        /// The change.
        change: Change,
        /// Its measured effect on the incident.
        effect: Option<Effect>,
    },
    /// A denial ended while the incident was open.
    DenialEnded {
        /// The denial.
        denial: DenialId,
        /// The denied source; `None` when it is not known any more.
        what: Option<DenyTarget>,
        /// The only service that it applied to.
        service: Option<ServiceId>,
        /// The person who lifted it; `None` when it expired.
        by: Option<Actor>,
    },
    /// A person set a valve while the incident was open.
    ValveSet {
        /// The valve from then on.
        valve: Valve,
        /// Who set it.
        by: Actor,
    },
    /// A valve moved by itself while the incident was open.
    ValveMoved {
        /// The service.
        service: ServiceId,
        /// The position from then on, in per cent.
        percent: u8,
        /// Why.
        why: ValveReason,
    },
}

/// An entry of the history of an incident's pages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PagingEntry {
    /// Time.
    pub at: Time,
    /// What happened.
    #[serde(flatten)]
    pub fact: PagingFact,
}

/// Something that happened to a page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PagingFact {
    /// A page opened.
    Opened {
        /// The page.
        page: PageId,
        /// Its escalation.
        escalation: EscalationId,
    },
    /// A step was reached.
    Step {
        /// Counted from 0; one past the last step is the fallback.
        step: u32,
        /// The people on it.
        people: Vec<PersonId>,
        /// When the next step is due.
        until: Time,
    },
    /// An attempt ended.
    Attempted {
        /// The recipient; `None` for a fallback contact.
        person: Option<PersonId>,
        /// The channel.
        channel: ChannelId,
        /// The provider's reason for a failure; `None` when it accepted.
        failure: Option<String>,
    },
    /// A person acknowledged.
    Acknowledged {
        /// The person.
        by: Actor,
    },
    /// The last acknowledgement does not count, because the journal may not have it.
    AcknowledgementWithdrawn,
    /// A page closed.
    Closed {
        /// The page.
        page: PageId,
    },
}
