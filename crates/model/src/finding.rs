//! Something not as it should be: about what, since when, on what evidence.

use crate::{Fault, FindingId, ProbeId, Thing, Time};
use serde::{Deserialize, Serialize};

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
