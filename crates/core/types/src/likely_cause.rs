//! Likely causes of an incident by its measurements: a hint for people, which decides nothing.

use crate::effect::{Metric, Value};
use crate::{Resource, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A resource whose measurements moved with the incident, and are not explained by what it depends on itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LikelyCause {
    /// The resource.
    pub resource: Resource,
    /// The one server of the pool that differs from the others; `None` when the resource as a whole is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How far it stands out. Compares within one incident.
    pub score: f64,
    /// The figure that moved most.
    pub moved: Moved,
}

/// Scores are finite.
impl Eq for LikelyCause {}

impl LikelyCause {
    /// Whether both name the same resource.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.resource, &self.server) == (&other.resource, &other.server)
    }
}

/// A figure before the incident and during it. `Display` prints `longest statement 200 ms -> 41 s`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// What it measures.
    pub what: Measured,
    /// Median before the incident.
    pub before: f64,
    /// Median during the incident.
    pub during: f64,
    /// Since when it is nearer to the second than to the first.
    pub since: Time,
}

/// Medians of finite values are finite.
impl Eq for Moved {}

/// What a figure measures, and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Latency in seconds.
    Latency,
    /// Latency in seconds, as those measure it who call the resource.
    LatencyForCallers,
    /// Share of failed requests or probes, 0 to 1.
    FailureShare,
    /// Time in seconds for which the longest statement of a database has been running.
    LongestStatement,
    /// Connection slots of a database in use, in percent.
    Connections,
    /// Sessions of a database that execute a statement.
    ActiveSessions,
    /// Sessions of a database that wait for a lock.
    WaitingForLock,
    /// Memory in use, in percent of its limit.
    Memory,
}

impl Measured {
    /// Name in texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::LatencyForCallers => "latency for its callers",
            Self::FailureShare => "failures",
            Self::LongestStatement => "longest statement",
            Self::Connections => "connection slots in use",
            Self::ActiveSessions => "active sessions",
            Self::WaitingForLock => "sessions that wait for a lock",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, before, during, .. } = *self;
        let unit = match what {
            Measured::Latency | Measured::LatencyForCallers | Measured::LongestStatement => Metric::Latency,
            Measured::FailureShare => Metric::FailureShare,
            Measured::Connections | Measured::Memory => {
                return write!(f, "{} {before:.0} % -> {during:.0} %", what.as_str());
            }
            Measured::ActiveSessions | Measured::WaitingForLock => {
                return write!(f, "{} {before:.0} -> {during:.0}", what.as_str());
            }
        };
        write!(f, "{} {} -> {}", what.as_str(), Value(before, unit), Value(during, unit))
    }
}

impl fmt::Display for LikelyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.server {
            write!(f, "server {server} of ")?;
        }
        write!(f, "{}: {}", self.resource, self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(what: Measured, before: f64, during: f64) -> Moved {
        Moved { what, before, during, since: Time::UNIX_EPOCH }
    }

    #[test]
    fn figures_have_units() {
        for (what, before, during, text) in [
            (Measured::LongestStatement, 0.2, 41.2, "longest statement 200 ms -> 41 s"),
            (Measured::LatencyForCallers, 0.004, 1.9, "latency for its callers 4.0 ms -> 1.9 s"),
            (Measured::FailureShare, 0.0, 0.314, "failures 0.0 % -> 31.4 %"),
            (Measured::Connections, 31.0, 97.0, "connection slots in use 31 % -> 97 %"),
            (Measured::WaitingForLock, 0.0, 18.0, "sessions that wait for a lock 0 -> 18"),
        ] {
            assert_eq!(moved(what, before, during).to_string(), text);
        }
    }

    #[test]
    fn json_of_the_journal_is_stable() {
        let cause = LikelyCause {
            resource: Resource::pool("api"),
            server: None,
            score: 3.25,
            moved: moved(Measured::Latency, 0.05, 2.0),
        };
        let json = r#"{"resource":"pool.api","score":3.25,"moved":{"what":"latency","before":0.05,"during":2.0,"since":"1970-01-01T00:00:00Z"}}"#;
        assert_eq!(serde_json::to_string(&cause).unwrap(), json);
        assert_eq!(serde_json::from_str::<LikelyCause>(json).unwrap(), cause);
        let one = LikelyCause { server: Some("10.0.0.3:80".to_owned()), ..cause };
        assert_eq!(one.to_string(), "server 10.0.0.3:80 of pool.api: latency 50 ms -> 2.0 s");
    }
}
