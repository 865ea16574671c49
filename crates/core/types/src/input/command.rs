//! Commands of people and programs, and why they are refused.

use crate::change::NewChange;
use crate::event::UpdateStatus;
use crate::external::AlertReport;
use crate::maintenance::NewMaintenance;
use crate::silence::NewSilence;
use crate::{
    DenialId, DenyTarget, IncidentId, LoadTest, MaintenanceId, PageTest, PhoneMessage, PhoneOutcome, Ping,
    Resource, Restore, ServiceId, SilenceId,
};
use std::time::Duration;
use thiserror::Error;

/// One command. Its [`Actor`](crate::Actor) travels beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Acknowledges an incident.
    Acknowledge {
        /// The incident.
        incident: IncidentId,
    },
    /// Reaches the next step of the escalation now.
    Escalate {
        /// The incident.
        incident: IncidentId,
    },
    /// Records what came of a call or SMS.
    ReportPhone {
        /// The call or SMS.
        message: PhoneMessage,
        /// What came of it.
        outcome: PhoneOutcome,
    },
    /// Adds a note.
    Note {
        /// The incident.
        incident: IncidentId,
        /// The text.
        text: String,
    },
    /// Denies some traffic for a while.
    Deny {
        /// The traffic.
        what: DenyTarget,
        /// The service; all services when `None`.
        service: Option<ServiceId>,
        /// How long it stays in force.
        lasting: Duration,
        /// Whether it is intended although it affects everybody, this machine, trusted proxies or callers.
        everybody: bool,
    },
    /// Lifts a denial early.
    Lift {
        /// The denial.
        denial: DenialId,
    },
    /// Publishes an update on the status page.
    Update {
        /// The incident.
        incident: IncidentId,
        /// Status of the incident.
        status: UpdateStatus,
        /// Text of the update.
        body: String,
    },
    /// Approves the pending draft.
    Approve {
        /// The incident.
        incident: IncidentId,
    },
    /// Resolves an incident.
    Resolve {
        /// The incident.
        incident: IncidentId,
        /// Whether it is intended although something still fails. The next bad answer opens a new incident.
        force: bool,
    },
    /// Records a change of the system.
    RecordChange {
        /// The change.
        change: NewChange,
    },
    /// Records what a load test measured.
    RecordLoadTest {
        /// The test.
        test: LoadTest,
    },
    /// Records the restore of a backup.
    RecordRestore {
        /// The restore.
        restore: Restore,
    },
    /// Records what a job says about itself.
    RecordPing {
        /// Its name.
        heartbeat: String,
        /// What it says.
        ping: Ping,
    },
    /// Takes over what another system reports about its alerts.
    ReportAlerts {
        /// Name of the source.
        source: String,
        /// Its reports, in their order.
        reports: Vec<AlertReport>,
    },
    /// Answers a test page.
    AnswerTestPage {
        /// The test.
        test: PageTest,
    },
    /// Schedules a maintenance.
    AddMaintenance {
        /// The maintenance.
        maintenance: NewMaintenance,
    },
    /// Moves the end of a maintenance.
    ExtendMaintenance {
        /// The maintenance.
        maintenance: MaintenanceId,
        /// How much longer it takes, from its planned end or from now, whichever is later.
        by: Duration,
    },
    /// Ends a maintenance that goes on, or cancels one that has not started.
    EndMaintenance {
        /// The maintenance.
        maintenance: MaintenanceId,
    },
    /// Sets a silence, or changes one.
    SetSilence {
        /// The silence.
        silence: NewSilence,
    },
    /// Ends a silence.
    ExpireSilence {
        /// Its source, which must be this one; `None` for any.
        source: Option<String>,
        /// The silence.
        silence: SilenceId,
    },
    /// Sets the valve of a service.
    Valve {
        /// The service.
        service: ServiceId,
        /// Share of clients that are let in, in per cent: 0 to 100.
        percent: u8,
        /// Whether only its priority paths are served.
        limited: bool,
        /// Whether it opens by itself, step by step, while the service is healthy.
        ramp: bool,
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
    #[error("the configuration has no edge: there is nothing to deny and no valve")]
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
    /// A change names a service that the configuration does not have.
    #[error("the configuration has no service `{0}`")]
    UnknownService(ServiceId),
    /// A load test names a target that the configuration does not have.
    #[error("the configuration has no `[load.{0}]`")]
    UnknownLoadTarget(String),
    /// A restore names a database that the configuration does not have.
    #[error("the configuration has no `[database.{0}]`")]
    UnknownDatabase(String),
    /// A ping names a job that the configuration does not have.
    #[error("the configuration has no `[heartbeat.{0}]`")]
    UnknownHeartbeat(String),
    /// Alerts come from a source that the configuration does not have.
    #[error("the configuration has no `[source.{0}]` that may hand in alerts")]
    UnknownSource(String),
    /// The limit of open alerts of one source is reached.
    #[error("the limit of {0} open alerts of one source is reached")]
    TooManyAlerts(usize),
    /// A test page names a person that the configuration does not have.
    #[error("the configuration has no person `{0}`")]
    UnknownPerson(crate::PersonId),
    /// A change was made too long ago.
    #[error("the change was made more than {0} days ago; mainstay keeps changes no longer")]
    ChangeTooOld(u64),
    /// The resource is not in the configuration.
    #[error(
        "there is no {0} in the configuration; resources are written like database.main, pool.auth, host.acme.com"
    )]
    UnknownResource(Resource),
    /// The maintenance does not exist.
    #[error("there is no {0}; `mainstay maintenance list` shows those that exist")]
    NoSuchMaintenance(MaintenanceId),
    /// The maintenance has ended.
    #[error("{0} has already ended")]
    MaintenanceOver(MaintenanceId),
    /// A maintenance names neither a service nor a resource.
    #[error("a maintenance names the services, databases or pools that are worked on")]
    MaintenanceOfNothing,
    /// A maintenance has no length, or is too long.
    #[error("a maintenance takes from 1 minute to 7 days")]
    MaintenanceLength,
    /// A maintenance would have ended already, or is too far away.
    #[error("a maintenance ends in the future, and starts within {0} days")]
    MaintenanceDate(u64),
    /// The limit of maintenances is reached.
    #[error("the limit of {0} maintenances that have not ended is reached; end some first")]
    TooManyMaintenances(usize),
    /// The silence does not exist.
    #[error("there is no {0}; `mainstay silence list` shows those that exist")]
    NoSuchSilence(SilenceId),
    /// The silence is over.
    #[error("{0} has already expired")]
    SilenceOver(SilenceId),
    /// A silence would silence every alert.
    #[error("a silence needs a matcher that does not match the empty string")]
    SilenceOfEverything,
    /// A silence ends before it starts.
    #[error("the start of a silence is before its end")]
    SilenceOrder,
    /// A silence would be over already.
    #[error("the end of a silence is in the future")]
    SilencePast,
    /// The limit of silences is reached.
    #[error("the limit of {0} silences that are not over is reached; end some first")]
    TooManySilences(usize),
    /// Limited mode of a service without priority paths would serve nothing.
    #[error("{0} has no `priority_paths`, so limited mode would serve nothing")]
    NoPriorityPaths(ServiceId),
    /// A ramp ends in serving everything, which limited mode does not.
    #[error("limited mode has no ramp: it ends when a person opens the valve")]
    LimitedRamp,
}
