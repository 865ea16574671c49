//! One cause, its alerts, its story.

use crate::{AlertId, IncidentId, Resource, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What `diagnose` holds to be so. Replaced as a whole when it learns more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The deepest thing that is broken: everything else follows from it.
    pub cause: Resource,
    /// The cause in one plain sentence, the first line of everything that people read.
    pub summary: String,
    /// The alerts that the cause explains, its own included.
    pub alerts: BTreeSet<AlertId>,
    /// Services that fail, or certainly will, because of it.
    pub affected: BTreeSet<Resource>,
    /// Services that were looked at and are well.
    pub unaffected: BTreeSet<Resource>,
    /// Whether somebody must be woken.
    pub wakes: bool,
    /// How far along it is.
    pub stage: Stage,
    /// Nobody is hurt yet: the first date on which somebody will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Time>,
    /// Nothing fails any more: it is only watched for a while before it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calm: bool,
}

/// How far along an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Something fails, the cause is the best guess so far.
    Looking,
    /// The cause is known and still there.
    Failing,
    /// The cause is gone; what it broke has not recovered everywhere.
    Mending,
}

/// An incident as its journal lines have made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// When the first of its alerts began.
    pub since: Time,
    /// When it was opened.
    pub opened: Time,
    /// What we hold to be so now.
    pub diagnosis: Diagnosis,
    /// Who has it in hand, until when.
    pub acknowledged: Option<Acknowledgement>,
    /// What people saw or did, oldest first.
    pub notes: Vec<Note>,
    /// When it ended.
    pub resolved: Option<Time>,
    /// The incident that swallowed it, when it turned out to be one and the same.
    pub merged_into: Option<IncidentId>,
}

impl Incident {
    /// Neither resolved nor merged.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.resolved.is_none() && self.merged_into.is_none()
    }

    /// Acknowledged by somebody, and not yet expired at `now`.
    #[must_use]
    pub fn is_acknowledged(&self, now: Time) -> bool {
        self.acknowledged.as_ref().is_some_and(|ack| now < ack.until)
    }
}

/// A human said: I have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who, as they are named in the configuration or at the console.
    pub by: String,
    /// When.
    pub at: Time,
    /// Until when nobody else is woken, unless a note prolongs it.
    pub until: Time,
}

/// Something a person saw or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who.
    pub by: String,
    /// When.
    pub at: Time,
    /// In their words.
    pub text: String,
}
