//! Incidents: one cause and its alerts.

use crate::change::Concerned;
use crate::config::Service;
use crate::time::later;
use crate::{
    AlertId, ChangeId, Effect, Graph, IncidentId, Kind, LikelyCause, RecordedChange, Resource, ServiceId,
    Time,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Maximum number of runbooks that are shown with an incident: a person reads one.
const RUNBOOKS_MAX: usize = 3;

/// Time within which the next update on the status page is promised.
const NEXT_UPDATE_WITHIN: Duration = Duration::from_secs(1_800);

/// Promised time of the update after one that was published at `at`, in whole minutes as it is written.
#[must_use]
pub fn next_update_by(at: Time) -> Time {
    let by = later(at, NEXT_UPDATE_WITHIN);
    Time::from_second(by.as_second().div_euclid(60) * 60).unwrap_or(by)
}

/// Diagnosis of an incident. Replaced as a whole when more is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The deepest failing resource: it explains everything else.
    pub cause: Resource,
    /// The cause in one sentence: the first line of every message.
    pub summary: String,
    /// Alerts that the cause explains, including its own.
    pub alerts: BTreeSet<AlertId>,
    /// Services that fail, or will fail, because of it.
    pub affected: BTreeSet<Resource>,
    /// Services with healthy results.
    pub unaffected: BTreeSet<Resource>,
    /// Whether people on call must be paged.
    pub wakes: bool,
    /// Stage of the incident.
    pub stage: Stage,
    /// Date of the first expected failure, when nothing fails yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Time>,
    /// Whether nothing fails any more and the incident is only monitored until it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calm: bool,
    /// Open alerts about slowness of what the incident concerns. They neither open it nor keep it open.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub symptoms: BTreeSet<AlertId>,
}

/// Stage of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Something fails; the cause is not confirmed.
    Investigating,
    /// The cause is known and still failing.
    Failing,
    /// The cause has recovered; dependent resources have not, or are not verified.
    Recovering,
}

/// An incident, folded from its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// Start of its first alert.
    pub since: Time,
    /// Time at which it was opened.
    pub opened: Time,
    /// Present diagnosis.
    pub diagnosis: Diagnosis,
    /// Acknowledgement in force.
    pub acknowledged: Option<Acknowledgement>,
    /// Notes by people, oldest first.
    pub notes: Vec<Note>,
    /// Time at which it ended.
    pub resolved: Option<Time>,
    /// The incident that it was merged into.
    pub merged_into: Option<IncidentId>,
    /// Resources whose measurements moved with it, the most exceptional first: a hint. Empty while nothing stands out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub likely_causes: Vec<LikelyCause>,
}

impl Incident {
    /// Whether it is neither resolved nor merged.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.resolved.is_none() && self.merged_into.is_none()
    }

    /// Whether an acknowledgement is in force at `now`.
    #[must_use]
    pub fn is_acknowledged(&self, now: Time) -> bool {
        self.acknowledged.as_ref().is_some_and(|ack| now < ack.until)
    }

    /// Whether it had begun and was not resolved at an instant.
    #[must_use]
    pub fn was_open(&self, at: Time) -> bool {
        self.since <= at && self.resolved.is_none_or(|end| at <= end)
    }

    /// Services of the incident that have a runbook: the cause first, then what is affected; at most [`RUNBOOKS_MAX`].
    #[must_use]
    pub fn runbooks<'a>(&self, services: &'a BTreeMap<ServiceId, Service>) -> Vec<&'a Service> {
        let cause = std::iter::once(&self.diagnosis.cause);
        let affected = self.diagnosis.affected.iter().filter(|other| **other != self.diagnosis.cause);
        let concerned = cause.chain(affected).filter(|resource| resource.kind == Kind::Service);
        let known = concerned.filter_map(|resource| services.get(&resource.name.as_str().into()));
        known.filter(|service| service.runbook.is_some()).take(RUNBOOKS_MAX).collect()
    }

    /// Changes while it was open that may concern it.
    #[must_use]
    pub fn changes<'a>(
        &self,
        graph: &Graph,
        all: &'a BTreeMap<ChangeId, RecordedChange>,
    ) -> Vec<&'a RecordedChange> {
        let mut changes: Vec<&RecordedChange> =
            all.values().filter(|recorded| self.was_open(recorded.change.in_effect())).collect();
        if !changes.is_empty() {
            let concerned = Concerned::new(graph, &self.diagnosis.cause, &self.diagnosis.affected);
            changes.retain(|recorded| recorded.change.nearness(&concerned).is_some());
        }
        changes
    }
}

/// Acknowledgement of an incident by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The person, as named in the configuration or the console.
    pub by: String,
    /// Time.
    pub at: Time,
    /// End of the acknowledgement. A note extends it.
    pub until: Time,
}

/// Note of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The author.
    pub by: String,
    /// Time.
    pub at: Time,
    /// The text.
    pub text: String,
    /// Sequence number of its event, by which it is identified.
    #[serde(default)]
    pub seq: u64,
    /// Its measured effect; `None` before the first measurement, and when nothing is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}
