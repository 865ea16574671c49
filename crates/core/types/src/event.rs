//! Events of the journal. Their serialized form is stable: fields and kinds are only added.

use crate::alert::{Alert, Severity};
use crate::audit::Criterion;
use crate::change::Change;
use crate::database::KnownPrimary;
use crate::effect::{ChangePoint, Effect};
use crate::fault::Fault;
use crate::incident::{Acknowledgement, Diagnosis};
use crate::likely_cause::LikelyCause;
use crate::notification::{Contact, Delivery};
use crate::probe_result::DomainSeen;
use crate::silence::Silence;
use crate::traffic::Denial;
use crate::valve::{Valve, ValveReason};
use crate::{
    Actor, AlertId, DenialId, EscalationId, IncidentId, LoadTest, Maintenance, MaintenanceId,
    NotificationKey, PageId, PageTest, PersonId, PhoneOutcome, Ping, PoolId, ProbeId, Resource, Restore,
    ServiceId, SilenceId, Time, UpdateId,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

mod text;

/// One event, with its time and its position in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Sequence number from 1, assigned by the engine; permanently unique.
    pub seq: u64,
    /// Time of the decision.
    pub at: Time,
    /// Its kind and data.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Events of one reaction, not numbered and not applied yet.
pub type Events = Vec<EventKind>;

/// Kinds of events. The journal records changes, not measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    // -- mainstay itself
    /// The process started.
    Booted {
        /// Last sign of the process before, if any. Nothing was monitored in between.
        unmonitored_since: Option<Time>,
    },
    /// Relates the journal's time to the running time of the machine: a later process on the same boot knows the
    /// elapsed time without the wall clock.
    ClockAnchored {
        /// Identifies the boot of the machine.
        boot: String,
        /// Milliseconds that the machine had been running, suspended time included.
        running_ms: u64,
    },
    /// The wall clock stepped. Deadlines continue by monotonic time.
    ClockJumped {
        /// Milliseconds by which the wall clock is ahead of the journal's time; negative when behind, zero after its
        /// return.
        by_ms: i64,
    },
    /// A step of the wall clock was confirmed. The journal's time continues from `to`, which may be earlier than events
    /// before: the order is that of `seq`.
    ClockSet {
        /// The journal's time before.
        from: Time,
        /// The wall clock at the same instant.
        to: Time,
    },
    /// Nothing was monitored for a while, as on a suspended machine.
    Unmonitored {
        /// Last turn of the event loop before.
        since: Time,
    },
    /// A configuration took effect.
    ConfigAdopted {
        /// SHA-256 of its text, in hex.
        digest: String,
    },

    // -- detection
    /// An alert fires.
    AlertOpened {
        /// The alert.
        alert: Alert,
    },
    /// An open alert changed.
    AlertChanged {
        /// The alert.
        alert: AlertId,
        /// New fault.
        fault: Fault,
        /// New severity.
        severity: Severity,
        /// New evidence.
        evidence: String,
    },
    /// An alert resolved.
    AlertClosed {
        /// The alert.
        alert: AlertId,
    },
    /// Name servers of a zone were learned, or a change of them was accepted.
    DelegationLearned {
        /// The registrable domain.
        zone: String,
        /// Its name servers.
        servers: BTreeSet<String>,
    },
    /// The usual status code of a web address without a declared one was learned.
    BaselineLearned {
        /// The probe.
        probe: ProbeId,
        /// The status code.
        status: u16,
    },
    /// The registry gave a new answer. Failed lookups write no event (P12).
    RegistrationLearned {
        /// The answer.
        seen: DomainSeen,
    },

    // -- incidents
    /// An incident opened: one cause for one or more alerts.
    IncidentOpened {
        /// Its number.
        incident: IncidentId,
        /// Start of its first alert.
        since: Time,
        /// The diagnosis.
        diagnosis: Diagnosis,
    },
    /// The diagnosis of an incident changed.
    IncidentDiagnosed {
        /// The incident.
        incident: IncidentId,
        /// The new diagnosis.
        diagnosis: Diagnosis,
    },
    /// Two incidents have one cause and were merged.
    IncidentMerged {
        /// The incident that ends.
        incident: IncidentId,
        /// The incident that continues.
        into: IncidentId,
    },
    /// An incident ended: everything that failed has a healthy result since, or a person resolved it.
    IncidentResolved {
        /// The incident.
        incident: IncidentId,
        /// Cause, effect and duration in one sentence.
        summary: String,
        /// Who resolved it; `None` when it ended by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
    },

    // -- traffic
    /// Some traffic is denied from now on.
    TrafficDenied {
        /// The denial.
        denial: Denial,
        /// Who denied it.
        by: Actor,
    },
    /// A denial ended.
    DenialLifted {
        /// The denial.
        denial: DenialId,
        /// Who lifted it; `None` when it expired.
        by: Option<Actor>,
    },
    /// The usual traffic of a service was learned or changed.
    TrafficLearned {
        /// The service.
        service: ServiceId,
        /// Requests per second, in thousandths.
        usual_milli: u64,
    },

    // -- people
    /// A person acknowledged an incident.
    IncidentAcknowledged {
        /// The incident.
        incident: IncidentId,
        /// Who, and by which means.
        by: Actor,
        /// End of the acknowledgement.
        until: Time,
    },
    /// An acknowledgement expired without a note, so paging resumes (P8).
    AcknowledgementExpired {
        /// The incident.
        incident: IncidentId,
    },
    /// An acknowledgement that may be in the journal is withdrawn, because its author got an error.
    AcknowledgementWithdrawn {
        /// The incident.
        incident: IncidentId,
        /// The acknowledgement that is in force again.
        #[serde(default)]
        before: Option<Acknowledgement>,
    },
    /// A person added a note.
    IncidentNoted {
        /// The incident.
        incident: IncidentId,
        /// The author.
        by: Actor,
        /// The text.
        text: String,
    },

    // -- paging
    /// A page opened: people on call are notified until one acknowledges.
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
        /// The step, counted from 0. One past the last step is the fallback.
        step: u32,
        /// Who is on it, in the order in which they are reached.
        people: Vec<PersonId>,
        /// When the next step is due, unless a human answers before.
        until: Time,
    },
    /// A silence covers everything of the incident of an open page: nobody is notified while it lasts.
    PageHeld {
        /// Which page.
        page: PageId,
        /// The silence.
        silence: SilenceId,
        /// Its end, as it was then.
        until: Time,
    },
    /// What held a page is over, and the incident goes on: a new run begins.
    PageResumed {
        /// Which page.
        page: PageId,
    },
    /// A page ended: answered for good, or nothing left to answer.
    PageClosed {
        /// Which page.
        page: PageId,
    },
    /// A notice to the team must be delivered. It wakes no one.
    NoticeQueued {
        /// The incident that it is about.
        incident: IncidentId,
        /// Kind of the notice, unique in an incident: `opened`, `drafted`, `resolved`, `missed`, `hour-3`.
        occasion: String,
        /// Its recipients.
        people: Vec<PersonId>,
        /// Whether the fallback contacts of the page's escalation receive it too.
        #[serde(default)]
        fallback: bool,
        /// Whether it goes to the team as a whole. Its people then receive it only where the team cannot be reached,
        /// except that of a resolved incident.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        team: bool,
    },
    /// A notice to the team as a whole, about more than one incident or about none, must be delivered. It wakes no one.
    TeamNoticeQueued {
        /// Kind of the notice, unique in the journal: `digest-2026-11-16`, `alerts-12`.
        occasion: String,
        /// Begin of the period that it is about.
        since: Time,
        /// End of the period.
        until: Time,
        /// The alerts that it is about; empty for a digest.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        alerts: BTreeSet<AlertId>,
    },
    /// A delivery attempt ended, accepted or not.
    AttemptEnded {
        /// The page that it belonged to; `None` for a notice.
        page: Option<PageId>,
        /// The contact that was used.
        contact: Contact,
        /// The recipient; `None` for a fallback contact and for the team.
        person: Option<PersonId>,
        /// The result, with the key of the notification.
        delivery: Delivery,
    },
    /// A person asked for the next step of the escalation.
    PageEscalated {
        /// The page.
        page: PageId,
        /// Who.
        by: Actor,
    },
    /// The provider of a phone reports that a call or SMS that it had accepted reached nobody.
    PhoneUnreached {
        /// The page that it belonged to.
        page: PageId,
        /// The contact, written `channel:number`.
        contact: String,
        /// The recipient; `None` for a fallback contact.
        person: Option<PersonId>,
        /// Key of the attempt.
        key: NotificationKey,
        /// What came of it.
        outcome: PhoneOutcome,
    },
    /// A contact is not tried again for a page or notice: another attempt cannot succeed.
    AttemptsAbandoned {
        /// The common prefix of the keys of its attempts.
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
        /// Who wrote or approved it; `None` when mainstay published it by itself.
        by: Option<Actor>,
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

    // -- changes
    /// A change was reported. A later event with the same number replaces it: it was reported complete.
    ChangeRecorded {
        /// The change.
        change: Change,
        /// Who reported it.
        by: Actor,
    },
    /// The effect of a note or change on an incident is final.
    EffectJudged {
        /// The note or change.
        of: ChangePoint,
        /// The effect.
        effect: Effect,
    },
    // -- maintenance
    /// A maintenance was scheduled. A later event with the same number replaces its plan.
    MaintenanceScheduled {
        /// The maintenance.
        maintenance: Maintenance,
        /// Who scheduled it.
        by: Actor,
    },
    /// A maintenance started as planned.
    MaintenanceStarted {
        /// The maintenance.
        maintenance: MaintenanceId,
    },
    /// The planned end of a maintenance passed while a service of it was still failing.
    MaintenanceOverran {
        /// The maintenance.
        maintenance: MaintenanceId,
    },
    /// A maintenance ended; before its start it was cancelled.
    MaintenanceEnded {
        /// The maintenance.
        maintenance: MaintenanceId,
        /// Who ended it; `None` when its time was over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
    },
    /// A notice to the team about a maintenance must be delivered. It wakes no one.
    MaintenanceNoticeQueued {
        /// The maintenance.
        maintenance: MaintenanceId,
        /// Kind of the notice, unique for a maintenance: `reminder`, `started`, `overran`, `ended`.
        occasion: String,
        /// Its recipients.
        people: Vec<PersonId>,
    },
    // -- silences
    /// A silence was set. A later event with the same number replaces it.
    SilenceSet {
        /// The silence.
        silence: Silence,
        /// Who set it.
        by: Actor,
    },
    /// A silence was ended before its time.
    SilenceExpired {
        /// The silence.
        silence: SilenceId,
        /// Who ended it.
        by: Actor,
    },
    // -- valve
    /// A person set the valve of a service; at 100 % without limited mode it is open.
    ValveSet {
        /// The valve from now on.
        valve: Valve,
        /// Who set it.
        by: Actor,
    },
    /// A valve moved by itself: a step of its ramp. At 100 % it is open.
    ValveMoved {
        /// The service.
        service: ServiceId,
        /// The position from now on, in per cent.
        percent: u8,
        /// Why.
        why: ValveReason,
    },
    // -- pools behind other load balancers
    /// The peak of a pool was learned, or confirmed a day later: the highest number of members that served together for a
    /// minute.
    PoolPeakLearned {
        /// The pool.
        pool: PoolId,
        /// Number of members.
        serving: u32,
    },
    // -- databases
    /// The primary of a database was seen for the first time, or is another one.
    PrimaryLearned {
        /// The database.
        database: String,
        /// Its primary.
        primary: KnownPrimary,
    },
    // -- likely causes
    /// Other resources than before stand out in the measurements of an incident, or none any more.
    CausesRanked {
        /// The incident.
        incident: IncidentId,
        /// The most exceptional first; empty when nothing stands out.
        #[serde(default)]
        likely: Vec<LikelyCause>,
    },
    // -- acceptance
    /// A load test ended.
    LoadTested {
        /// What it measured.
        test: LoadTest,
        /// Who ran it.
        by: Actor,
    },
    // -- heartbeats
    /// A job that reports by heartbeats is configured: from now on it is due.
    HeartbeatDeclared {
        /// Its name.
        heartbeat: String,
    },
    /// A job is not configured any more. What was known of it is forgotten.
    HeartbeatRemoved {
        /// Its name.
        heartbeat: String,
    },
    /// A job reported.
    HeartbeatPinged {
        /// Its name.
        heartbeat: String,
        /// What it says.
        #[serde(flatten)]
        ping: Ping,
        /// The job.
        by: Actor,
    },

    /// A backup was restored, or its restore failed.
    BackupRestored {
        /// The restore.
        restore: Restore,
        /// Who restored it.
        by: Actor,
    },
    /// A person answered by the link of a test page.
    TestPageAnswered {
        /// The test.
        test: PageTest,
    },
    /// A resource no longer meets a criterion of the audit, or meets it again.
    CriterionChanged {
        /// The criterion.
        criterion: Criterion,
        /// The resource.
        resource: Resource,
        /// Whether it is met from now on.
        is_met: bool,
        /// What was seen when it was lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<String>,
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
    /// Worked on as planned: whether it works now says nothing.
    UnderMaintenance,
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
            Self::UnderMaintenance => "Under maintenance",
            Self::Unknown => "No data",
            Self::Degraded => "Degraded",
            Self::PartialOutage => "Partial outage",
            Self::MajorOutage => "Major outage",
        }
    }
}
