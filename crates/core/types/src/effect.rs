//! Effect of a change on an incident: whether it helped, with the figure.

use crate::{ChangeId, IncidentId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a change helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Lower than before by more than chance and 10 %.
    Helped,
    /// Neither.
    NoEffect,
    /// Higher than before by more than chance and 10 %.
    MadeItWorse,
    /// Fewer than 6 points since the change.
    TooEarly,
    /// Nothing can be said: too few answers, values at their ceiling, or no history to compare with.
    NoData,
}

impl Verdict {
    /// Whether the measurements sufficed to say what the change did.
    #[must_use]
    pub fn is_known(self) -> bool {
        !matches!(self, Self::TooEarly | Self::NoData)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helped => "helped",
            Self::NoEffect => "no effect",
            Self::MadeItWorse => "made it worse",
            Self::TooEarly => "too early",
            Self::NoData => "no data",
        })
    }
}

/// What a figure measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Latency in seconds.
    Latency,
    /// Share of probes or requests that failed, 0 to 1.
    FailureShare,
}

/// Medians before and after a change. `Display` prints `1.9 s -> 400 ms, -79 %`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it measures, and in which unit.
    pub metric: Metric,
    /// Median before the change.
    pub before: f64,
    /// Median since.
    pub after: f64,
}

/// JSON has no NaN, and medians of finite values are finite.
impl Eq for Figure {}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, before, after } = *self;
        write!(f, "{} -> {}", Value(before, metric), Value(after, metric))?;
        if before > 0.0 { write!(f, ", {:+.0} %", (after / before - 1.0) * 100.0) } else { Ok(()) }
    }
}

/// A value with its unit.
pub(crate) struct Value(pub(crate) f64, pub(crate) Metric);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, metric) = *self;
        match metric {
            Metric::FailureShare => write!(f, "{:.1} %", value * 100.0),
            Metric::Latency if value >= 10.0 => write!(f, "{value:.0} s"),
            Metric::Latency if value >= 0.995 => write!(f, "{value:.1} s"),
            Metric::Latency if value >= 0.01 => write!(f, "{:.0} ms", value * 1e3),
            Metric::Latency => write!(f, "{:.1} ms", value * 1e3),
        }
    }
}

/// The effect of a change. `Display` prints `helped: latency of front 1.9 s -> 400 ms, -79 %`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The verdict on all signals of the incident.
    pub verdict: Verdict,
    /// The series that the figure is of: a probe, or `service.NAME` for requests at the edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Before and after; `None` without answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<Figure>,
    /// Steps of the leading signal since the change, at most 24.
    pub points: u32,
    /// Other changes within six steps: no measurement can tell them apart, so they have one verdict.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub together_with: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde wants")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        if let (true, Some(signal), Some(figure)) = (self.verdict.is_known(), &self.signal, &self.figure) {
            let what = match figure.metric {
                Metric::Latency => "latency",
                Metric::FailureShare => "failures",
            };
            write!(f, ": {what} of {signal} {figure}")?;
        }
        match self.together_with {
            0 => Ok(()),
            1 => f.write_str("; judged together with one other"),
            others => write!(f, "; judged together with {others} others"),
        }
    }
}

/// What is judged: a note or a change, each within one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangePoint {
    /// A note on an incident.
    Note {
        /// The incident.
        incident: IncidentId,
        /// Sequence number of the note's event.
        seq: u64,
    },
    /// A change during an incident.
    Change {
        /// The incident.
        incident: IncidentId,
        /// The change.
        change: ChangeId,
    },
}

impl ChangePoint {
    /// The incident whose signals judge it.
    #[must_use]
    pub fn incident(self) -> IncidentId {
        match self {
            Self::Note { incident, .. } | Self::Change { incident, .. } => incident,
        }
    }
}

impl fmt::Display for ChangePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note { incident, seq } => write!(f, "note {seq} on {incident}"),
            Self::Change { incident, change } => write!(f, "{change} during {incident}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effect_is_said_in_one_line() {
        let figure = Figure { metric: Metric::Latency, before: 1.9, after: 0.4 };
        let share = Figure { metric: Metric::FailureShare, before: 1.0, after: 0.0 };
        let effect = |verdict, figure, together_with| {
            let signal = Some("front".to_owned());
            Effect { verdict, signal, figure: Some(figure), points: 9, together_with }.to_string()
        };
        assert_eq!(effect(Verdict::Helped, figure, 0), "helped: latency of front 1.9 s -> 400 ms, -79 %");
        assert_eq!(
            effect(Verdict::NoEffect, share, 1),
            "no effect: failures of front 100.0 % -> 0.0 %, -100 %; judged together with one other"
        );
        assert_eq!(effect(Verdict::TooEarly, figure, 0), "too early");
    }

    #[test]
    fn json_of_the_journal_is_stable() {
        let point = ChangePoint::Note { incident: IncidentId(7), seq: 41 };
        assert_eq!(serde_json::to_string(&point).unwrap(), r#"{"note":{"incident":7,"seq":41}}"#);
        let old: Effect = serde_json::from_str(r#"{"verdict":"made_it_worse","points":24}"#).unwrap();
        assert_eq!((old.verdict, old.figure, old.together_with), (Verdict::MadeItWorse, None, 0));
    }
}
