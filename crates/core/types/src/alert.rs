//! Alerts: a fault of a resource, with severity and evidence.

use crate::{AlertId, Fault, ProbeId, Resource, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One open alert. At most one is open for a resource and a fault code ([`Fault::as_str`]); of the alerts of another
/// system, one for each of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its number.
    pub id: AlertId,
    /// The resource.
    pub about: Resource,
    /// The fault.
    pub fault: Fault,
    /// Its severity.
    pub severity: Severity,
    /// The probe that found it.
    pub probe: ProbeId,
    /// Time of the first bad answer; the alert opens after several.
    pub since: Time,
    /// Measurements behind it: "3 bad answers in 4 s, last: connection refused".
    pub evidence: String,
    /// Addresses and alias of the failure: equal failures at one place have one cause.
    #[serde(default, skip_serializing_if = "SeenAt::is_empty")]
    pub seen_at: SeenAt,
}

/// Place of a failure: addresses, and the canonical name behind an alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenAt {
    /// Addresses with a bad answer or none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<IpAddr>,
    /// End of the chain of CNAMEs, lower case, no trailing dot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

impl SeenAt {
    /// Whether neither address nor alias is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.alias.is_none()
    }
}

/// Severity of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record; opens no incident.
    Info,
    /// Needs action within days: notifies the team, pages no one.
    Warning,
    /// Users are affected, or will be within hours: pages people on call.
    Critical,
}

/// Last result of a resource since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastResult {
    /// Time of the newest answer.
    pub at: Time,
    /// Whether no newest answer shows that users are affected.
    pub healthy: bool,
}
