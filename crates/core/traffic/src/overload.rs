//! Overload detection: servers count as overloaded only when they were slow while more was asked than fits, and a
//! lower limit made them faster.
//!
//! ```text
//! calm  --slow, and more is asked than is known to fit--> trial
//! trial --faster with a lower limit--> overload --no request waits for two seconds--> calm
//! trial --not faster with a lower limit: slow by themselves--> calm
//! ```
//!
//! While calm and on trial no request is refused: one that exceeds the limit waits, up to its deadline.

use crate::concurrency::Found;
use crate::tick::Tick;
use std::time::Duration;

/// Duration in which no client waited and nothing was slow, after which it is over.
const OVER: Duration = Duration::from_secs(2);

/// State of the detection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overload {
    /// Nothing speaks for overload.
    #[default]
    Calm,
    /// Less is given to see whether that makes servers quicker; until when at least.
    Trial(Tick),
    /// Less made them quicker: since when that is known, and until when it is believed.
    Known { since: Tick, until: Tick },
}

/// Result of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Of how long answers took.
    pub(crate) found: Option<Found>,
    /// Whether less made them quicker.
    pub(crate) helped: bool,
    /// Whether a client waits.
    pub(crate) waiting: bool,
    /// Whether some clients are not let through.
    pub(crate) cut: bool,
    /// Whether few clients have every place, while answers are slow.
    pub(crate) crammed: bool,
    /// Whether many times the usual is asked, and far more clients wait than can be let in.
    pub(crate) flood: bool,
}

impl Overload {
    pub(crate) fn is_calm(self) -> bool {
        self == Self::Calm
    }

    pub(crate) fn is_known(self) -> bool {
        matches!(self, Self::Known { .. })
    }

    /// Whether it has been known for this duration.
    pub(crate) fn is_known_for(self, span: Duration, now: Tick) -> bool {
        matches!(self, Self::Known { since, .. } if since.after(span) <= now)
    }

    /// Whether it is believed for less than this duration.
    pub(crate) fn is_new(self, span: Duration, now: Tick) -> bool {
        match self {
            Self::Calm => false,
            Self::Trial(_) => true,
            Self::Known { since, .. } => now.since(since) < span,
        }
    }

    /// What is believed after a window.
    pub(crate) fn after(self, seen: Seen, now: Tick) -> Self {
        let slow = matches!(seen.found, Some(Found::Slow | Found::TooMuch));
        let goes_on = seen.waiting || slow || seen.cut;
        let later = now.after(OVER);
        match self {
            // What is so far beyond the usual needs no trial.
            Self::Calm if seen.flood && seen.found == Some(Found::TooMuch) => {
                Self::Known { since: now, until: later }
            }
            Self::Calm if seen.crammed || seen.found == Some(Found::TooMuch) => Self::Trial(later),
            Self::Calm => Self::Calm,
            Self::Trial(_) if seen.helped => Self::Known { since: now, until: later },
            // Less did not make them quicker: they are slow by themselves.
            Self::Trial(_) if seen.found == Some(Found::Well) => Self::Calm,
            Self::Known { since, .. } if goes_on => Self::Known { since, until: later },
            Self::Trial(until) | Self::Known { until, .. } if until <= now && !goes_on => Self::Calm,
            Self::Trial(_) | Self::Known { .. } => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_is_believed_when_less_helped() {
        let quiet = Seen {
            found: Some(Found::Well),
            helped: false,
            waiting: false,
            cut: false,
            crammed: false,
            flood: false,
        };
        let too_much = Seen { found: Some(Found::TooMuch), ..quiet };
        let (now, over) = (Tick(1_000_000), Tick(3_000_000));
        let trial = Overload::Trial(over);
        let known = Overload::Known { since: now, until: over };
        let table = [
            (Overload::Calm, quiet, now, Overload::Calm),
            (Overload::Calm, Seen { found: Some(Found::Slow), waiting: true, ..quiet }, now, Overload::Calm),
            (Overload::Calm, too_much, now, trial),
            (Overload::Calm, Seen { flood: true, ..too_much }, now, known),
            (Overload::Calm, Seen { flood: true, waiting: true, ..quiet }, now, Overload::Calm),
            (Overload::Calm, Seen { crammed: true, ..quiet }, now, trial),
            (trial, Seen { helped: true, ..quiet }, now, known),
            (trial, quiet, now, Overload::Calm),
            (trial, Seen { found: None, waiting: true, ..quiet }, Tick(9_000_000), trial),
            (known, quiet, now, known),
            (known, quiet, over, Overload::Calm),
            (
                known,
                Seen { cut: true, ..quiet },
                over,
                Overload::Known { since: now, until: Tick(5_000_000) },
            ),
        ];
        for (before, seen, at, after) in table {
            assert_eq!(before.after(seen, at), after, "{before:?} {seen:?}");
        }
    }
}
