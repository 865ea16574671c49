//! Silences: pages are held for alerts of a source by their labels, as in Alertmanager.
//!
//! A silence has a fixed time and ends by itself. What it holds is still seen, and stays in its incident.

use crate::matcher::{Matcher, all_match};
use crate::{Actor, Alert, Fault, SilenceId, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Maximum of matchers of one silence.
pub const MATCHERS_MAX: usize = 32;
/// Maximum length of a comment, in characters.
pub const COMMENT_MAX: usize = 1_000;
/// Maximum length of the name of an author, in characters.
pub const AUTHOR_MAX: usize = 200;

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its number.
    pub id: SilenceId,
    /// Name of the source whose alerts it silences.
    pub source: String,
    /// What the labels of an alert must be, all of it.
    pub matchers: Vec<Matcher>,
    /// Its start.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// Who set it, as its client says. Who really did is the actor of its event.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// A silence before it has a number, or with the number of the one that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSilence {
    /// The silence that it updates or replaces.
    pub replaces: Option<SilenceId>,
    /// Name of the source whose alerts it silences.
    pub source: String,
    /// What the labels of an alert must be, all of it.
    pub matchers: Vec<Matcher>,
    /// Its start.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// Who sets it.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// A silence and its state. Folded from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSilence {
    /// The silence.
    #[serde(flatten)]
    pub silence: Silence,
    /// Who set it last.
    pub by: Actor,
    /// When it last changed.
    pub changed: Time,
    /// When it was ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<Time>,
}

/// State of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceState {
    /// It holds pages.
    Active,
    /// It has not started.
    Pending,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// Name in the API and in texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl KnownSilence {
    /// Its state at an instant.
    #[must_use]
    pub fn state(&self, now: Time) -> SilenceState {
        match () {
            () if self.end() <= now => SilenceState::Expired,
            () if now < self.silence.from => SilenceState::Pending,
            () => SilenceState::Active,
        }
    }

    /// Its end: the declared one, or an earlier one.
    #[must_use]
    pub fn end(&self) -> Time {
        self.expired.map_or(self.silence.to, |expired| expired.min(self.silence.to))
    }

    /// Whether it holds pages at an instant.
    #[must_use]
    pub fn is_active(&self, now: Time) -> bool {
        self.state(now) == SilenceState::Active
    }
}

impl Silence {
    /// Whether it is about an alert.
    #[must_use]
    pub fn is_about(&self, alert: &Alert) -> bool {
        let Fault::External { external } = &alert.fault else { return false };
        external.reporter == self.source && all_match(&self.matchers, &external.labels)
    }

    /// Its matchers: `alertname="DiskFull", instance=~"db.*"`.
    #[must_use]
    pub fn matchers_text(&self) -> String {
        text::list::commas_or_more(self.matchers.iter().map(Matcher::to_string), 12)
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: {} until {}", self.id, self.source, self.matchers_text(), self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        format!("2026-12-05T{text}:00Z").parse().unwrap()
    }

    fn known(expired: Option<&str>) -> KnownSilence {
        let silence = Silence {
            id: SilenceId(1),
            source: "prometheus".into(),
            matchers: vec!["alertname=\"DiskFull\"".parse().unwrap()],
            from: at("10:00"),
            to: at("12:00"),
            author: "ana".into(),
            comment: "known".into(),
        };
        KnownSilence { silence, by: Actor::mainstay(), changed: at("09:00"), expired: expired.map(at) }
    }

    #[test]
    fn state_follows_the_time_and_an_early_end() {
        for (expired, now, state) in [
            (None, "09:59", SilenceState::Pending),
            (None, "10:00", SilenceState::Active),
            (None, "11:59", SilenceState::Active),
            (None, "12:00", SilenceState::Expired),
            (Some("11:00"), "10:30", SilenceState::Active),
            (Some("11:00"), "11:00", SilenceState::Expired),
            (Some("09:30"), "09:45", SilenceState::Expired),
            (Some("09:30"), "10:30", SilenceState::Expired),
        ] {
            assert_eq!(known(expired).state(at(now)), state, "{expired:?} at {now}");
        }
    }
}
