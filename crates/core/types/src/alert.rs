//! Something not as it should be: about what, since when, on what evidence.

use crate::{AlertId, Fault, ProbeId, Resource, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One open alert. At most one is open for a thing and a [`Fault::word`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its number.
    pub id: AlertId,
    /// What it is about.
    pub about: Resource,
    /// What is wrong.
    pub fault: Fault,
    /// How heavy it weighs.
    pub severity: Severity,
    /// The probe that saw it.
    pub probe: ProbeId,
    /// When the first bad answer came: before the alert opened, which takes several.
    pub since: Time,
    /// What was seen, for a person who doubts it: "3 bad answers in 4 s, the last: connection refused".
    pub evidence: String,
    /// Where it was seen: what fails alike at one place is one event.
    #[serde(default, skip_serializing_if = "SeenAt::is_empty")]
    pub seen_at: SeenAt,
}

/// The addresses that failed, and the name that the thing's own name is an alias of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenAt {
    /// Addresses that answered badly, or not at all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<IpAddr>,
    /// The end of a chain of CNAMEs, lower case, no trailing dot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

impl SeenAt {
    /// Whether nothing is known of the place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.alias.is_none()
    }
}

/// How heavy an alert weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth writing down; opens no incident.
    Info,
    /// A person should act within days: tells the team, wakes nobody.
    Warning,
    /// Users are hurt, or certainly will be within hours: wakes somebody.
    Critical,
}

/// When a thing was last looked at, and how it was. Known since boot only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastResult {
    /// When the newest answer about it came in.
    pub at: Time,
    /// Whether that answer was good.
    pub well: bool,
}
