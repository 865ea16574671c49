//! The public status page as data: everything that is public, and nothing else.

use jiff::civil;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use types::event::{ServiceState, UpdateStatus};
use types::maintenance::MaintenanceState;
use types::subscription::{EARLIER_MAX, EarlierUpdate, SubjectStatus, UpdateSubject};
use types::{IncidentId, MaintenanceId, PublicUpdate, ServiceId, Time, UpdateId};

/// The whole status page at one instant. Rendered once per change, served from memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusPage {
    /// Name of the organization.
    pub name: String,
    /// Title of the page.
    pub title: String,
    /// Public URL, without a trailing slash.
    pub url: String,
    /// IANA name of the timezone of the page.
    pub timezone_name: String,
    /// The timezone itself.
    #[serde(skip)]
    pub timezone: TimeZone,
    /// Time of the last change of anything on the page.
    pub changed: Time,
    /// Shortest interval of any probe.
    pub check_interval: Duration,
    /// The worst state of any service.
    pub state: ServiceState,
    /// Open incidents, newest first.
    pub open: Vec<StatusPageIncident>,
    /// Maintenances: those that go on, those that are scheduled, and those that ended within the last days, by their
    /// start.
    pub maintenances: Vec<StatusPageMaintenance>,
    /// Services by group, in the order of the configuration.
    pub groups: Vec<Group>,
    /// The last days, newest first, including days without incidents.
    pub past: Vec<PastDay>,
    /// Whether it has charts of response times.
    pub response_times: bool,
    /// Whether visitors can subscribe by e-mail.
    pub subscriptions: bool,
}

impl StatusPage {
    /// Number of the newest update on the page; 0 without one.
    #[must_use]
    pub fn newest_update(&self) -> UpdateId {
        let of_incidents = self.incidents().flat_map(|incident| &incident.updates).map(|update| update.id);
        let of_maintenances = self.maintenances.iter().flat_map(|one| &one.updates).map(|update| update.id);
        of_incidents.chain(of_maintenances).max().unwrap_or(UpdateId(0))
    }

    /// Updates after this one, oldest first, as subscribers get them.
    #[must_use]
    pub fn updates_after(&self, last: UpdateId) -> Vec<PublicUpdate> {
        let of_incidents = self.incidents().flat_map(|incident| incident.updates_after(last));
        let of_maintenances = self.maintenances.iter().flat_map(|one| one.updates_after(last));
        let mut found: Vec<PublicUpdate> = of_incidents.chain(of_maintenances).collect();
        found.sort_by_key(|update| update.id);
        found
    }

    fn incidents(&self) -> impl Iterator<Item = &StatusPageIncident> {
        self.open.iter().chain(self.past.iter().flat_map(|day| &day.incidents))
    }
}

impl StatusPageIncident {
    fn updates_after(&self, last: UpdateId) -> impl Iterator<Item = PublicUpdate> {
        let titles: BTreeMap<&ServiceId, &String> =
            self.affected.iter().map(|(id, title, _)| (id, title)).collect();
        let mut concerned = BTreeSet::new();
        let mut earlier = VecDeque::new();
        // Oldest first, so that each update has what the earlier ones affected.
        let all = self.updates.iter().rev().map(move |update| {
            concerned.extend(update.affected.iter().map(|(id, _)| id.clone()));
            let title =
                |id: &ServiceId| titles.get(id).map_or_else(|| id.0.clone(), |title| (*title).clone());
            let status = SubjectStatus::Incident(update.status);
            let own = EarlierUpdate { id: update.id, at: update.at, status, body: update.body.clone() };
            let public = PublicUpdate {
                id: update.id,
                about: UpdateSubject::Incident(self.id),
                at: update.at,
                status,
                title: self.title.clone(),
                body: update.body.clone(),
                affected: update
                    .affected
                    .iter()
                    .map(|(id, state)| (id.clone(), title(id), Some(*state)))
                    .collect(),
                concerned: concerned.clone(),
                earlier: earlier.iter().cloned().collect(),
            };
            earlier.push_front(own);
            earlier.truncate(EARLIER_MAX);
            public
        });
        all.filter(move |update| update.id > last)
    }
}

/// Maintenance as the public sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusPageMaintenance {
    /// Its number.
    pub id: MaintenanceId,
    /// What is done.
    pub title: String,
    /// More about it.
    pub text: Option<String>,
    /// Its state.
    pub state: MaintenanceState,
    /// Its planned start.
    pub from: Time,
    /// Its planned end.
    pub to: Time,
    /// Services at which visitors may notice it, with their titles.
    pub services: Vec<(ServiceId, String)>,
    /// What was published about it, newest first.
    pub updates: Vec<MaintenanceUpdate>,
    /// When it was published.
    pub added: Time,
    /// When anything of it last changed.
    pub changed: Time,
    /// Whether it is one of a maintenance that repeats.
    pub repeats: bool,
    /// How often it changed: the sequence number of calendars.
    pub revision: u32,
    /// When it started.
    pub started: Option<Time>,
    /// When it ended; before its start it was cancelled.
    pub ended: Option<Time>,
}

impl StatusPageMaintenance {
    /// Whether it has started and not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state.is_active()
    }

    /// Updates after this one, as subscribers get them. Of a maintenance that repeats they get only what was not to be
    /// expected: the calendar has the rest, and who gets a mail each night stops reading them.
    fn updates_after(&self, last: UpdateId) -> impl Iterator<Item = PublicUpdate> {
        let has_overrun = self.updates.iter().any(|update| update.state == MaintenanceState::Overrun);
        let is_sent = move |update: &MaintenanceUpdate| match update.state {
            MaintenanceState::Scheduled | MaintenanceState::InProgress => !self.repeats,
            MaintenanceState::Completed => !self.repeats || has_overrun,
            MaintenanceState::Overrun | MaintenanceState::Cancelled => true,
        };
        // Of one that is added and started at once, only the start is sent.
        let starts_at_once = |n: usize| {
            let start = n.checked_sub(1).map(|next| &self.updates[next]);
            let start = start.filter(|start| start.state == MaintenanceState::InProgress);
            start.is_some_and(|start| start.at == self.updates[n].at)
        };
        let sent = self.updates.iter().enumerate();
        let sent = sent.filter(|(n, update)| is_sent(update) && !starts_at_once(*n));
        let sent: Vec<&MaintenanceUpdate> = sent.map(|(_, update)| update).collect();
        let earlier = |update: &&MaintenanceUpdate| EarlierUpdate {
            id: update.id,
            at: update.at,
            status: SubjectStatus::Maintenance(update.state),
            body: update.body.clone(),
        };
        let public = |(n, update): (usize, &&MaintenanceUpdate)| {
            let state = update.state.is_active().then_some(ServiceState::UnderMaintenance);
            let affected = self.services.iter().map(|(id, title)| (id.clone(), title.clone(), state));
            PublicUpdate {
                id: update.id,
                about: UpdateSubject::Maintenance(self.id),
                at: update.at,
                status: SubjectStatus::Maintenance(update.state),
                title: self.title.clone(),
                body: update.body.clone(),
                affected: affected.collect(),
                concerned: self.services.iter().map(|(id, _)| id.clone()).collect(),
                earlier: sent[n + 1..].iter().take(EARLIER_MAX).map(earlier).collect(),
            }
        };
        let new = sent.iter().enumerate().take_while(|(_, update)| last < update.id);
        new.map(public).collect::<Vec<_>>().into_iter()
    }
}

/// Update about a maintenance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaintenanceUpdate {
    /// Number of the update.
    pub id: UpdateId,
    /// Time of publication.
    pub at: Time,
    /// State as of this update.
    pub state: MaintenanceState,
    /// Text.
    pub body: String,
}

/// Incident as the public sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusPageIncident {
    /// Number of the incident.
    pub id: IncidentId,
    /// "Sign-in is failing".
    pub title: String,
    /// As of the newest post.
    pub status: UpdateStatus,
    /// Worst state of any affected service during the incident.
    pub impact: ServiceState,
    /// Start of its first alert.
    pub started: Time,
    /// Time of its end.
    pub resolved: Option<Time>,
    /// Affected services, with their titles and their states as of the newest update.
    pub affected: Vec<(ServiceId, String, ServiceState)>,
    /// Updates, newest first.
    pub updates: Vec<Update>,
    /// Promised time of the next update, while open.
    pub next_update_by: Option<Time>,
}

/// Update about an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Update {
    /// Number of the update.
    pub id: UpdateId,
    /// Time of publication.
    pub at: Time,
    /// Status of the incident.
    pub status: UpdateStatus,
    /// Text.
    pub body: String,
    /// State of each affected service as of this update.
    pub affected: Vec<(ServiceId, ServiceState)>,
}

/// Group of services.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Its name; empty for services without a group.
    pub name: String,
    /// Its services.
    pub components: Vec<Component>,
}

/// Service as the public sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Component {
    /// Its name in the configuration.
    pub id: ServiceId,
    /// Public name.
    pub title: String,
    /// Current state.
    pub state: ServiceState,
    /// What the team restricts on purpose.
    pub access: Option<Access>,
    /// Start of the current state.
    pub since: Option<Time>,
    /// One for each day of the history, oldest first, today last.
    pub days: Vec<Day>,
    /// Uptime in per cent of the monitored time; `None` before a whole day was monitored.
    /// Major outage counts 100 %, partial outage 30 %, degraded 0 %.
    pub uptime_percent: Option<f64>,
}

/// A restriction of a service on purpose: its valve is not fully open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Some visitors wait until they are let in.
    SomeWait,
    /// All visitors wait.
    AllWait,
    /// Only the most important paths are served.
    Limited,
    /// Only the most important paths are served, and not to all visitors.
    LimitedSomeWait,
}

impl Access {
    pub(crate) fn of(percent: u8, limited: bool) -> Option<Self> {
        match (limited, percent) {
            (true, 100..) => Some(Self::Limited),
            (true, _) => Some(Self::LimitedSomeWait),
            (false, 0) => Some(Self::AllWait),
            (false, 1..100) => Some(Self::SomeWait),
            (false, 100..) => None,
        }
    }

    /// The state of the service even if it works for all that are let in.
    pub(crate) fn state(self) -> ServiceState {
        match self {
            Self::Limited | Self::LimitedSomeWait => ServiceState::Degraded,
            Self::SomeWait => ServiceState::PartialOutage,
            Self::AllWait => ServiceState::MajorOutage,
        }
    }

    /// Returns the sentence that visitors read.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::SomeWait => "Some visitors have to wait until they are let in.",
            Self::AllWait => "All visitors have to wait at the moment.",
            Self::Limited => "Limited: some features are switched off.",
            Self::LimitedSomeWait => {
                "Limited: some features are switched off, and some visitors have to wait."
            }
        }
    }
}

/// One day of one service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    /// Date in the timezone of the page.
    pub date: civil::Date,
    /// Worst state of the day; `None` without data.
    pub worst: Option<ServiceState>,
    /// Duration of partial and major outages.
    pub out: Duration,
    /// Lost time: 100 % of a major outage, 30 % of a partial one.
    pub lost: Duration,
}

/// One past day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PastDay {
    /// Date in the timezone of the page.
    pub date: civil::Date,
    /// Incidents that ended on it, newest first.
    pub incidents: Vec<StatusPageIncident>,
}
