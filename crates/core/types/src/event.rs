//! A line of the journal. Serializable: these shapes are a wire promise and only ever grow.

use crate::alert::{Alert, Severity};
use crate::fault::Fault;
use crate::incident::{Acknowledgement, Diagnosis};
use crate::notification::{Delivery, Reach};
use crate::probe_result::DomainSeen;
use crate::traffic::Denial;
use crate::{
    AlertId, DenialId, EscalationId, IncidentId, NotificationKey, PageId, PersonId, ProbeId, ServiceId, Time,
    UpdateId,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

mod text;

/// Something that happened, when, and its place in the order of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1, 2, 3 ...: assigned by the engine, kept by the journal, unique for ever.
    pub seq: u64,
    /// When it was decided.
    pub at: Time,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Everything that can stand in the journal. What changed, never what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    // -- the house itself
    /// The process began.
    Booted {
        /// The last sign of life before, when there was one: what lies between was not watched.
        blind_since: Option<Time>,
    },
    /// Ties the time of the journal to the running time of the machine: a later process on the same boot of it needs no
    /// wall clock to tell how much time has passed.
    ClockAnchored {
        /// Identifies the boot of the machine.
        boot: String,
        /// Milliseconds that the machine had been running, suspended time included.
        running_ms: u64,
    },
    /// The wall clock stepped. Nothing follows from that by itself: waits go on by monotonic time.
    ClockJumped {
        /// How far the wall clock is ahead of the journal's time, in milliseconds; negative when it is behind. Zero when
        /// it came back.
        by_ms: i64,
    },
    /// A step of the wall clock was confirmed. From here on the journal's time is counted from `to`, which may be earlier
    /// than events before it: their order is that of `seq`.
    ClockSet {
        /// The time of the journal just before.
        from: Time,
        /// The time of the same instant by the wall clock.
        to: Time,
    },
    /// The process stood still, as on a suspended machine: nothing was watched since.
    NotWatched {
        /// The last turn of the loop before.
        since: Time,
    },
    /// A configuration came into force.
    ConfigAdopted {
        /// SHA-256 of its text, in hex: tells whether two runs saw the same configuration.
        digest: String,
    },

    // -- watch
    /// Something is not as it should be.
    AlertOpened {
        /// All of it.
        alert: Alert,
    },
    /// An alert became worse or better without ending.
    AlertChanged {
        /// Which.
        alert: AlertId,
        /// What is wrong now.
        fault: Fault,
        /// How heavy it weighs now.
        severity: Severity,
        /// What was seen.
        evidence: String,
    },
    /// It is as it should be again.
    AlertClosed {
        /// Which.
        alert: AlertId,
    },
    /// A zone's name servers were seen for the first time, or a change of them was accepted as meant.
    DelegationLearned {
        /// The registrable domain.
        zone: String,
        /// Its name servers.
        servers: BTreeSet<String>,
    },
    /// The status code of a web address whose right answer nobody declared: what it answers from the first look on.
    BaselineLearned {
        /// The probe that asks it.
        probe: ProbeId,
        /// The status code.
        status: u16,
    },
    /// The registry told something that it had not told before. Failed lookups write nothing here (P12).
    RegistrationLearned {
        /// What it told.
        seen: DomainSeen,
    },

    // -- diagnose
    /// One cause was found behind one or more alerts.
    IncidentOpened {
        /// Its number.
        incident: IncidentId,
        /// When the first of its alerts began.
        since: Time,
        /// What we hold to be so.
        diagnosis: Diagnosis,
    },
    /// We know more, or it spread, or it shrank.
    IncidentDiagnosed {
        /// Which.
        incident: IncidentId,
        /// What we hold to be so now.
        diagnosis: Diagnosis,
    },
    /// Two incidents turned out to be one.
    IncidentMerged {
        /// The one that ends.
        incident: IncidentId,
        /// The one that goes on.
        into: IncidentId,
    },
    /// Everything that it broke has truly recovered.
    IncidentResolved {
        /// Which.
        incident: IncidentId,
        /// The story in one sentence.
        summary: String,
    },

    // -- guard
    /// Some traffic is refused from now on.
    TrafficDenied {
        /// All of it.
        denial: Denial,
    },
    /// It is let through again.
    DenialLifted {
        /// Which.
        denial: DenialId,
        /// Who lifted it; `None` when its time was over.
        by: Option<String>,
    },
    /// The usual traffic of a service was learned, or has become another.
    TrafficLearned {
        /// Which service.
        service: ServiceId,
        /// Requests a second, in thousandths.
        usual_milli: u64,
    },

    // -- people
    /// A human has it in hand.
    IncidentAcknowledged {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: String,
        /// How: `link`, `console`, `command`.
        via: String,
        /// Until when nobody else is woken.
        until: Time,
    },
    /// Nobody has been heard of since: back to waking people (P8).
    AcknowledgementExpired {
        /// Which.
        incident: IncidentId,
    },
    /// An acknowledgement was answered with "not taken in", and may stand in the journal all the same: it does not count.
    AcknowledgementWithdrawn {
        /// Which.
        incident: IncidentId,
        /// What held before it, and holds again.
        #[serde(default)]
        before: Option<Acknowledgement>,
    },
    /// A person saw or did something.
    IncidentNoted {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: String,
        /// In their words.
        text: String,
    },

    // -- wake
    /// Somebody must be woken.
    PageOpened {
        /// Its number.
        page: PageId,
        /// For which incident.
        incident: IncidentId,
        /// By which escalation.
        escalation: EscalationId,
    },
    /// A step was reached. Its end is an absolute instant: a restart neither skips it nor waits it again (P4).
    PageStep {
        /// Which page.
        page: PageId,
        /// How often the whole escalation was climbed before: 0 at first.
        round: u32,
        /// The step, counted from 0. One past the last step is the last resort.
        step: u32,
        /// Who is on it, in the order in which they are reached.
        people: Vec<PersonId>,
        /// When the next step is due, unless a human answers before.
        until: Time,
    },
    /// A page ended: answered for good, or nothing left to answer.
    PageClosed {
        /// Which page.
        page: PageId,
    },
    /// The team is owed a word that wakes nobody.
    NoticeOwed {
        /// About which incident.
        incident: IncidentId,
        /// Names the notice among those of the incident: `opened`, `resolved`, `missed`.
        occasion: String,
        /// To whom.
        people: Vec<PersonId>,
        /// Whether the last resort of the page's escalation is owed it too.
        #[serde(default)]
        fallback: bool,
    },
    /// An attempt came to an end, well or badly.
    AttemptEnded {
        /// The page that it belonged to, if any.
        page: Option<PageId>,
        /// Over which way it went.
        reach: Reach,
        /// For whom.
        person: Option<PersonId>,
        /// Its end. Quotes the effect's key.
        outcome: Delivery,
    },
    /// A message was given up after so many failures that another try is pointless.
    AttemptsAbandoned {
        /// The first part of the keys of all tries.
        key: NotificationKey,
        /// The last reason.
        why: String,
    },

    // -- status page
    /// An update was published on the status page.
    UpdatePublished {
        /// Its number.
        update: UpdateId,
        /// About which incident.
        incident: IncidentId,
        /// Status of the incident.
        status: UpdateStatus,
        /// Title of the incident for visitors: names services, not machines.
        title: String,
        /// Text of the update.
        body: String,
        /// The state of each affected service as of this update.
        affected: BTreeMap<ServiceId, ServiceState>,
        /// Who wrote it; `None` when mainstay drafted it from the cause.
        by: Option<String>,
    },
    /// An update was drafted and is waiting for approval. A newer draft replaces it.
    UpdateDrafted {
        /// About which incident.
        incident: IncidentId,
        /// Status of the incident.
        status: UpdateStatus,
        /// Title of the incident for visitors.
        title: String,
        /// Text of the update.
        body: String,
        /// The state of each affected service as of this draft.
        affected: BTreeMap<ServiceId, ServiceState>,
    },
    /// A service is in another state than before, as visitors see it.
    ServiceStateChanged {
        /// Which.
        service: ServiceId,
        /// Its state now.
        state: ServiceState,
    },
}

/// Status of an incident as an update states it: the four statuses of Statuspage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateStatus {
    /// Something is wrong, the cause is being looked for.
    Investigating,
    /// The cause is known.
    Identified,
    /// The cause is fixed, recovery is monitored.
    Monitoring,
    /// The incident has ended.
    Resolved,
}

impl UpdateStatus {
    /// Capitalised name, as the status page shows it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Investigating => "Investigating",
            Self::Identified => "Identified",
            Self::Monitoring => "Monitoring",
            Self::Resolved => "Resolved",
        }
    }
}

/// What visitors can expect of a service now. Ordered from best to worst; unknown is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Works.
    Operational,
    /// Not looked at, or we cannot see out. Never shown green.
    Unknown,
    /// Works, but slowly or with faults.
    Degraded,
    /// Fails for some.
    PartialOutage,
    /// Fails for all.
    MajorOutage,
}

impl ServiceState {
    /// The word that visitors read.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Operational => "Operational",
            Self::Unknown => "No data",
            Self::Degraded => "Degraded",
            Self::PartialOutage => "Partial outage",
            Self::MajorOutage => "Major outage",
        }
    }
}
