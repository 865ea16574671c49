//! Views: what the I/O crates read. Published after every change.

use jiff::civil;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use types::event::ServiceState;
use types::{
    Headroom, Incident, IncidentId, KnownSilence, MaintenanceId, PersonId, RecordedChange, Resource,
    ScheduledMaintenance, SilenceId, Time,
};

pub use crate::acceptance::Acceptance;
pub use heartbeat::{HeartbeatRow, HeartbeatTrouble};
pub use history::{PagingEntry, PagingFact, TimelineEntry, TimelineFact};
pub use oncall::FailedAttempt;
pub use self_problem::{ClockJump, ClockJumpEnd, Isolation, SelfProblem, Unreached};
pub use statuspage::Draft;
pub use statuspage::status_page::{self, StatusPage};
pub use traffic::Traffic;

pub mod heartbeat;
pub mod history;
pub mod scaling;
pub mod self_problem;
pub mod traffic;

/// Everything that web shows. Swapped in as a whole.
#[derive(Clone, Debug)]
pub struct Views {
    /// Sequence number of the last event that they include.
    pub seq: u64,
    /// The public status page.
    pub status_page: StatusPage,
    /// The console.
    pub now: Now,
    /// The console's page of traffic; `None` when the configuration declares no edge.
    pub traffic: Option<Traffic>,
    /// Headroom of pools that the edge serves, and of databases.
    pub headroom: Arc<[Headroom]>,
    /// The audit; `None` where there is none, as in tests.
    pub acceptance: Option<Acceptance>,
}

/// The console's first page as data.
#[derive(Clone, Debug)]
pub struct Now {
    /// When this view was made.
    pub at: Time,
    /// Open incidents, oldest first.
    pub open: Vec<OpenIncident>,
    /// Incidents that are over, newest first, at most a hundred.
    pub past: Vec<Incident>,
    /// Open alerts, heaviest first, those of no incident included.
    pub alerts: Vec<types::Alert>,
    /// The last alerts that closed, newest first, at most five hundred.
    pub ended_alerts: Vec<Arc<EndedAlert>>,
    /// Who is on call, by schedule.
    pub on_call: Vec<OnCall>,
    /// Every service, worst first.
    pub services: Vec<ServiceRow>,
    /// Every node of the graph with its state.
    pub nodes: Vec<Node>,
    /// Every edge: from the one that needs to the one that is needed; hot when a failure came this way.
    pub edges: Vec<Edge>,
    /// What is known of registrations.
    pub domains: Vec<DomainRow>,
    /// Last result of every probe that has one since boot.
    pub probes: Vec<ProbeRow>,
    /// Set while mainstay has no connectivity itself.
    pub isolated: Option<Isolation>,
    /// Problems of mainstay itself.
    pub self_problems: Vec<SelfProblem>,
    /// Pools behind other load balancers.
    pub pools: Vec<PoolRow>,
    /// Pages without an accepted attempt, oldest first.
    pub unreached: Vec<Unreached>,
    /// Ended delivery attempts by channel, since the journal began.
    pub attempts: Vec<Attempts>,
    /// p99 of the schedule lag of probes in the last minute; `None` in the first half minute. Added by the binary.
    pub probe_lag_p99: Option<Duration>,
    /// Updates that are waiting for approval.
    pub drafts: Vec<Draft>,
    /// Changes, newest first, at most a hundred.
    pub changes: Vec<RecordedChange>,
    /// Maintenances: scheduled, going on, and those that ended lately, by number.
    pub maintenances: Vec<ScheduledMaintenance>,
    /// Silences: pending, active, and those that ended lately, by number.
    pub silences: Vec<KnownSilence>,
    /// Jobs that report by heartbeats, by name.
    pub heartbeats: Vec<HeartbeatRow>,
    /// IANA name of the timezone of texts.
    pub timezone: String,
}

impl Now {
    /// Summary of an open incident.
    #[must_use]
    pub fn summary(&self, incident: IncidentId) -> Option<&str> {
        let open = self.open.iter().map(|open| &open.incident).find(|open| open.id == incident)?;
        Some(&open.diagnosis.summary)
    }
}

/// An open incident with what the team needs beside it.
#[derive(Clone, Debug)]
pub struct OpenIncident {
    /// The incident.
    pub incident: Incident,
    /// Time without an acknowledgement; `None` while it is acknowledged.
    pub unacknowledged_for: Option<Duration>,
    /// Steps and attempts of its pages, oldest first.
    pub paging: Vec<PagingEntry>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// Runbooks of its services, that of the cause first.
    pub runbooks: Vec<Runbook>,
    /// What holds its page, and until when.
    pub held: Option<Held>,
}

/// What holds the page of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Held {
    /// A maintenance that explains it.
    Maintenance {
        /// Its number.
        maintenance: MaintenanceId,
        /// Its title.
        title: String,
        /// When a page is sent if the incident still goes on.
        until: Time,
    },
    /// A silence that covers it.
    Silence {
        /// Its number.
        silence: SilenceId,
        /// Who set it, as its client says.
        author: String,
        /// Why.
        comment: String,
        /// When people are paged if the incident still goes on.
        until: Time,
    },
}

/// The page that says what to do about a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Runbook {
    /// Name of the service.
    pub title: String,
    /// Its link: `http` or `https`.
    pub url: String,
}

/// How the attempts over a channel ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// The channel.
    pub channel: String,
    /// Accepted by its provider.
    pub accepted: u64,
    /// Refused, failed or never answered.
    pub failed: u64,
}

/// An alert that has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedAlert {
    /// The alert as it was last.
    pub alert: types::Alert,
    /// When it closed.
    pub closed: Time,
}

/// Last result of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeRow {
    /// The probe.
    pub probe: types::ProbeId,
    /// Resource that it probes.
    pub resource: Resource,
    /// Time between two runs.
    #[serde(rename = "interval_seconds")]
    pub interval: Duration,
    /// Duration of the last run, successful or not.
    #[serde(rename = "duration_seconds")]
    pub duration: Duration,
    /// Earliest expiry in the last certificate chain that it received.
    pub certificate_expires: Option<Time>,
}

/// A pool behind another load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolRow {
    /// Its name in the configuration.
    pub pool: String,
    /// Product of its load balancer.
    pub balancer: &'static str,
    /// Configured minimum of serving members.
    pub min_healthy: Option<u32>,
    /// The most that served together in the last 7 days; 0 while unknown.
    pub peak: u32,
    /// Time of the last look that saw its members; `None` before the first.
    pub seen_at: Option<Time>,
    /// Its members by state at that time.
    pub members: Option<types::pool::PoolCounts>,
}

/// Who is on call.
#[derive(Clone, Debug, Serialize)]
pub struct OnCall {
    /// The schedule's name.
    pub schedule: String,
    /// The people, with their names.
    pub people: Vec<(PersonId, String)>,
    /// Until when.
    pub until: Option<Time>,
}

/// A service on the console.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceRow {
    /// Its name in the configuration.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its state.
    pub state: ServiceState,
    /// Since when.
    pub since: Option<Time>,
    /// Its uptime over the status page's history, in per cent.
    pub uptime_percent: Option<f64>,
    /// Monitored time in that history; the uptime of less than a day is not representative.
    #[serde(rename = "monitored_seconds")]
    pub monitored: Duration,
    /// Whether it is on the public status page.
    pub public: bool,
    /// The oldest open incident that affects it.
    pub incident: Option<IncidentId>,
    /// Probes that ask it as its clients do, over HTTP or TCP.
    pub probes: Vec<types::ProbeId>,
}

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// The resource.
    pub resource: Resource,
    /// The title of a service, from the configuration.
    #[serde(skip)]
    pub title: Option<String>,
    /// Its state.
    pub state: NodeState,
}

/// How a node of the graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Asked and well.
    Well,
    /// Not asked yet.
    Unknown,
    /// A warning is open.
    Warned,
    /// Fails because of something beneath it.
    Failing,
    /// The cause.
    Cause,
}

/// An edge of the graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// The one that needs.
    pub above: Resource,
    /// The one that is needed.
    pub below: Resource,
    /// Whether a failure came this way.
    pub hot: bool,
}

/// What is known of a registration (P12).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DomainRow {
    /// The registrable domain.
    pub domain: String,
    /// When it expires, by the best knowledge there is.
    pub expires: Option<Time>,
    /// How good the knowledge of the date is.
    pub knowledge: Knowledge,
    /// The registrar.
    pub registrar: Option<String>,
    /// Day of the last confirmation.
    pub confirmed: Option<civil::Date>,
}

/// How good the knowledge of an expiry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// Declared, or confirmed recently.
    #[serde(rename = "known")]
    Current,
    /// Not confirmed for three days.
    Stale,
    /// No date.
    Unknown,
}

impl Knowledge {
    /// Name in the API and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "known",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }
}
