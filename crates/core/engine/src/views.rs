//! What touchers may know: views published after every change. They never ask the engine.

use jiff::civil;
use serde::Serialize;
use std::time::Duration;
use types::event::ServiceState;
use types::{Incident, IncidentId, PersonId, Resource, Time};

pub use statuspage::Draft;
pub use statuspage::status_page::{self, StatusPage};
pub use traffic::Traffic;

pub mod traffic;

/// Everything that the site shows. Swapped in as a whole.
#[derive(Clone, Debug)]
pub struct Views {
    /// Number of the last event that they show.
    pub seq: u64,
    /// For visitors.
    pub status_page: StatusPage,
    /// For the team.
    pub now: Now,
    /// The console's page of traffic; `None` when the configuration declares no edge.
    pub traffic: Option<Traffic>,
}

/// The console's first page as data.
#[derive(Clone, Debug, Serialize)]
pub struct Now {
    /// When this view was made.
    pub at: Time,
    /// Open incidents, oldest first.
    pub open: Vec<OpenIncident>,
    /// Incidents that are over, newest first, at most a hundred.
    pub past: Vec<Incident>,
    /// Open alerts, heaviest first, those of no incident included.
    pub alerts: Vec<types::Alert>,
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
    /// The last look of every probe that has been answered since the process began.
    pub looks: Vec<LookRow>,
    /// Why we cannot see out, when we cannot.
    pub blind: Option<String>,
    /// Trouble of the house itself, in plain words: people who cannot be reached, a configuration on disk that is not sound, a journal
    /// that cannot be written. The engine knows of people; the rest is filled in by whoever owns the organs.
    pub house: Vec<String>,
    /// Pages of which nobody has heard since they began to call, oldest first.
    pub unreached: Vec<Unreached>,
    /// Attempts to reach somebody that ended, by channel, since the journal began.
    pub attempts: Vec<Attempts>,
    /// The p99 of the schedule lag within the last minute; `None` in the first half minute. Filled in like `house`.
    pub late_p99: Option<Duration>,
    /// The same sentence that visitors read now, so that nobody forgets a status page that lags reality.
    pub visitors_read: String,
    /// Updates for visitors that wait until a person publishes them.
    pub drafts: Vec<Draft>,
    /// IANA name of the zone for texts.
    pub zone: String,
}

/// An open incident with what the team needs beside it.
#[derive(Clone, Debug, Serialize)]
pub struct OpenIncident {
    /// The incident.
    pub incident: Incident,
    /// For how long nobody has had it in hand; `None` when somebody has.
    pub unacknowledged_for: Option<Duration>,
    /// Whom we have tried to reach and when the next step is due, in plain words, oldest first.
    pub paging: Vec<PagingLine>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineLine>,
}

/// A page that calls and has reached nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// Which incident nobody heard of.
    pub incident: IncidentId,
    /// Since when somebody is to be called.
    pub since: Time,
    /// The last failure: over which channel, and why. `None` when there is nobody to call.
    pub why: Option<String>,
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

/// The last look of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookRow {
    /// Which probe.
    pub probe: types::ProbeId,
    /// What it looks at.
    pub resource: Resource,
    /// How long it took, whatever came of it.
    pub took: Duration,
    /// When the first certificate of the chain that it last saw ends to be good.
    pub certificate_ends: Option<Time>,
}

/// One thing that happened during an incident, as a person tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineLine {
    /// When.
    pub at: Time,
    /// What, in plain words.
    pub text: String,
}

/// One step of waking somebody, as a person tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PagingLine {
    /// When it happened or is due.
    pub at: Time,
    /// What, in plain words.
    pub text: String,
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
    /// How long it was watched in that time: the share of less than a day says little.
    pub watched: Duration,
    /// Whether visitors see it.
    pub public: bool,
    /// The sentence of what is wrong with it, if anything.
    pub why: Option<String>,
}

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// The thing.
    pub resource: Resource,
    /// Its words for people.
    pub label: String,
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
    /// `known`, `stale` or `unknown`.
    pub knowledge: String,
    /// The registrar.
    pub registrar: Option<String>,
    /// Day of the last confirmation.
    pub confirmed: Option<civil::Date>,
}
