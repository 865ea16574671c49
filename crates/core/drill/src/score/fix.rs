//! What a fix did, as the fixture measured it, and whether mainstay says the same.

use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use types::Effect;
use types::effect::Verdict;

/// A fix that the team announced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fix {
    /// The note.
    pub note: String,
    /// Seconds from the fault.
    pub at_secs: f64,
    /// What the clients saw before and after it.
    #[serde(flatten)]
    pub around: Around,
    /// Its effect by that measurement.
    pub measured: Measured,
    /// What mainstay said about it, if anything.
    pub judged: Option<Effect>,
}

/// What the clients saw before and after a fix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Around {
    /// Share of the visits that were served.
    pub served: [f64; 2],
    /// Median time of the requests that were served, in milliseconds; `None` where too few were.
    pub p50_ms: Option<[f64; 2]>,
}

/// Effect of a fix, as the fixture measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measured {
    /// More visits are served, or as many in less time.
    Helped,
    /// No change beyond the noise.
    NoEffect,
    /// Fewer visits are served, or as many in more time.
    MadeItWorse,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdict().fmt(f)
    }
}

/// Change of the served share from which a fix has an effect.
const NOISE: f64 = 0.10;
/// Around [`NOISE`], by this much, either verdict is right: a fix that loses or saves some requests has a small effect.
const UNCLEAR: f64 = 0.07;
/// Factor of the median time from which a fix has an effect although as many visits are served.
const FACTOR: f64 = 1.5;
/// Around [`FACTOR`], by this factor, either verdict is right.
const UNCLEAR_FACTOR: f64 = 1.35;

impl Measured {
    fn verdict(self) -> Verdict {
        match self {
            Self::Helped => Verdict::Helped,
            Self::NoEffect => Verdict::NoEffect,
            Self::MadeItWorse => Verdict::MadeItWorse,
        }
    }

    fn of_difference(more: f64) -> Self {
        match more {
            more if more > NOISE => Self::Helped,
            less if less < -NOISE => Self::MadeItWorse,
            _ => Self::NoEffect,
        }
    }

    fn of_factor(slower: f64) -> Self {
        match slower {
            slower if slower > FACTOR => Self::MadeItWorse,
            slower if slower < 1.0 / FACTOR => Self::Helped,
            _ => Self::NoEffect,
        }
    }
}

impl Around {
    fn difference(&self) -> f64 {
        let [before, after] = self.served;
        after - before
    }

    fn factor(&self) -> Option<f64> {
        let [before, after] = self.p50_ms?;
        (before > 0.0).then_some(after / before)
    }

    /// The effect: by the visits served, and where they are as many, by their time.
    #[must_use]
    pub fn measured(&self) -> Measured {
        match Measured::of_difference(self.difference()) {
            Measured::NoEffect => self.factor().map_or(Measured::NoEffect, Measured::of_factor),
            effect => effect,
        }
    }

    /// The verdicts that are right: one, or two where the effect is near the border.
    fn right(&self) -> BTreeSet<Measured> {
        let difference = self.difference();
        let mut all: BTreeSet<Measured> = [UNCLEAR, -UNCLEAR]
            .into_iter()
            .map(|far| Measured::of_difference(difference + difference.signum() * far))
            .collect();
        if let Some(factor) = self.factor().filter(|_| all.contains(&Measured::NoEffect)) {
            all.remove(&Measured::NoEffect);
            all.extend(
                [UNCLEAR_FACTOR, 1.0 / UNCLEAR_FACTOR].map(|times| Measured::of_factor(factor * times)),
            );
        }
        all
    }
}

impl Fix {
    /// What mainstay says about it, with the figure.
    #[must_use]
    pub fn judged_text(&self) -> String {
        self.judged.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
    }

    /// Whether mainstay says what was measured; nothing, "too early" and "no data" are wrong.
    #[must_use]
    pub fn is_judged_right(&self) -> bool {
        let right = self.around.right();
        self.judged
            .as_ref()
            .is_some_and(|judged| right.iter().any(|measured| measured.verdict() == judged.verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_is_right_when_it_says_what_was_measured() {
        let right = |around: Around, verdict: Verdict| {
            let note = "fix the slow query".to_owned();
            let judged = Some(Effect { verdict, signal: None, figure: None, points: 12, together_with: 0 });
            Fix { note, at_secs: 20.0, around, measured: around.measured(), judged }.is_judged_right()
        };
        for (served, p50_ms, verdicts) in [
            ([0.0, 0.7], None, &["helped"][..]),
            ([0.8, 0.95], None, &["helped", "no effect"]),
            ([0.94, 1.0], None, &["helped", "no effect"]),
            ([0.98, 1.0], None, &["no effect"]),
            ([1.0, 1.0], None, &["no effect"]),
            ([1.0, 0.95], None, &["no effect", "made it worse"]),
            ([1.0, 0.3], None, &["made it worse"]),
            ([0.0, 0.7], Some([50.0, 500.0]), &["helped"]),
            ([1.0, 1.0], Some([500.0, 50.0]), &["helped"]),
            ([1.0, 1.0], Some([100.0, 105.0]), &["no effect"]),
            ([1.0, 1.0], Some([100.0, 150.0]), &["no effect", "made it worse"]),
            ([0.98, 1.0], Some([100.0, 900.0]), &["made it worse"]),
        ] {
            for verdict in
                [Verdict::Helped, Verdict::NoEffect, Verdict::MadeItWorse, Verdict::TooEarly, Verdict::NoData]
            {
                let is_right = right(Around { served, p50_ms }, verdict);
                assert_eq!(
                    is_right,
                    verdicts.contains(&verdict.to_string().as_str()),
                    "{served:?} {p50_ms:?}: {verdict}"
                );
            }
        }
    }
}
