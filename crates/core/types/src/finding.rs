//! Something not as it should be: about what, since when, on what evidence.

use crate::{Fault, FindingId, ProbeId, Thing, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One open finding. At most one is open for a thing and a [`Fault::word`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its number.
    pub id: FindingId,
    /// What it is about.
    pub about: Thing,
    /// What is wrong.
    pub fault: Fault,
    /// How heavy it weighs.
    pub weight: Weight,
    /// The probe that saw it.
    pub probe: ProbeId,
    /// When the first bad answer came: before the finding opened, which takes several.
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

/// How heavy a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Worth writing down; opens no incident.
    Notes,
    /// A person should act within days: tells the team, wakes nobody.
    Warns,
    /// Users are hurt, or certainly will be within hours: wakes somebody.
    Breaks,
}

/// When a thing was last looked at, and how it was. Known since boot only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// When the newest answer about it came in.
    pub at: Time,
    /// Whether that answer was good.
    pub well: bool,
}
