//! The verdict on one signal.

use super::shift::{chance, pairs, rarity, shift, spread};
use crate::order::{count, mean, median};
use std::fmt;
use types::effect::{Figure, Metric, Verdict};

/// Points after the change before a verdict.
pub const POINTS_MIN: usize = 6;
/// Points on each side at most. More of them would include what happened later.
pub const POINTS_MAX: usize = 24;
/// The placebo share below which a shift is not chance. Not 5 %: placebo moments overlap, so that the share itself is
/// uncertain, and 5 % gave 4.0 to 4.3 % of false verdicts in each direction.
const CHANCE: f64 = 0.04;
/// Placebo shifts below which chance cannot be judged: with fewer, the share of the observed one alone is not below [`CHANCE`].
const PLACEBOS_MIN: usize = 25;
/// The least change that is worth a word: 10 %.
const RATIO_MIN: f64 = 0.10;
/// The least change of a failure share: one request in a hundred.
const SHARE_MIN: f64 = 0.01;
/// Added to a share before the logarithm, so that zero is a number.
const SHARE_LEAST: f64 = 0.01;
/// Share of answers that must exist on both sides.
const ANSWERED_MIN: f64 = 0.5;
/// The answered shares of both sides may differ by this much; beyond it the remaining answers are a selection.
const ANSWERED_DIFFERENCE: f64 = 0.25;
/// A shift of failure shares counts from this many times the spread of the points around it. What is usual is a share near zero,
/// with no noise to compare with, and few incidents last long enough to know their own: without this, shares that wander by
/// themselves were called an effect in half of the cases. Of a random walk, the worst case, a shift between neighbouring windows is
/// 1.7 times the spread within them.
const SPREADS_MIN: f64 = 2.5;
/// Or it is so great that what wanders does not explain it: at least this much of all requests, in this share of all pairs of
/// a point before and one after. A recovery that is under way has a large spread, and would otherwise deny the fix that began it.
const SHARE_GREAT: f64 = 0.25;
const PAIRS_MIN: f64 = 0.85;
/// Requests that begin to fail in single points only, as while servers restart one after the other, move no median: after a quiet
/// beginning, this share of them is a harm, when it came in several points.
const BURSTS_MIN: f64 = 0.05;
const BURST_POINTS: usize = 3;
/// Times the usual latency from which there is something to improve.
const SLOW: f64 = 2.0;
/// Points directly before the change, to which the shift must be seen as well, at least this much of it: a recovery from an
/// earlier fix that was over by then is not an effect of this one.
const RECENT: std::ops::RangeInclusive<usize> = 3..=6;
const RECENT_MIN: f64 = 0.5;
/// A value within 5 % of the ceiling is at the ceiling.
const AT_CEILING: f64 = 0.95;

/// What the points of a signal are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Latency in seconds. Points at `ceiling`, usually the timeout, say only "at least as slow".
    Latency {
        /// Greatest value that can be measured.
        ceiling: Option<f64>,
    },
    /// Share of requests that failed, 0 to 1. An availability is `1 - share`.
    FailureShare,
}

/// One signal of an incident around a change. Points are at equal steps, oldest first; `None` is a step without an answer.
#[derive(Debug, Clone, Copy)]
pub struct Signal<'a> {
    /// What the points are.
    pub measure: Measure,
    /// Before the incident: the last 240 points. Placebo shifts come from here.
    pub usual: &'a [Option<f64>],
    /// From the onset of the incident, or from the previous change, to the change.
    pub before: &'a [Option<f64>],
    /// Steps between `before` and `after` that belong to neither: the change takes them to come into effect.
    pub gap: usize,
    /// Since the change, after the gap.
    pub after: &'a [Option<f64>],
}

/// A verdict and its figure. `Display` prints the figure: `1.9 s -> 0.4 s, -79 %`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What the figures are.
    pub measure: Measure,
    /// Median before the incident; `None` without answers.
    pub usual: Option<f64>,
    /// Median of the points before the change, their mean where failures come in bursts; `None` without answers.
    pub before: Option<f64>,
    /// The same of the points since; `None` without answers.
    pub after: Option<f64>,
    /// Share of placebo shifts that are as great; 1 without a comparison.
    pub chance: f64,
}

/// Judges one signal.
#[must_use]
pub fn judge(signal: &Signal<'_>) -> Judgement {
    let before = &signal.before[signal.before.len().saturating_sub(POINTS_MAX)..];
    let after = &signal.after[..signal.after.len().min(POINTS_MAX)];
    let (early, late) = (Side::of(before, signal.measure), Side::of(after, signal.measure));
    let judged = |verdict, chance| Judgement {
        verdict,
        measure: signal.measure,
        usual: Side::of(signal.usual, signal.measure).median(),
        before: early.median(),
        after: late.median(),
        chance,
    };
    if after.len() < POINTS_MIN {
        return judged(Verdict::TooEarly, 1.0);
    }
    if !comparable(&early, &late) {
        return judged(Verdict::NoData, 1.0);
    }
    let log = |values: &[f64]| -> Vec<f64> {
        values.iter().map(|value| logarithm(*value, signal.measure)).collect()
    };
    let (early_logs, late_logs) = (log(&early.values), log(&late.values));
    let Some(observed) = shift(&early_logs, &late_logs) else { return judged(Verdict::NoData, 1.0) };
    let all = |points: &[Option<f64>]| log(&Side::of(points, signal.measure).values);
    let (usual, incident) = (all(signal.usual), all(signal.before));
    let (chance, placebos) =
        chance(observed, &[&usual, &incident], (early_logs.len(), signal.gap, late_logs.len()));
    let stands_out = match signal.measure {
        Measure::Latency { .. } => true,
        Measure::FailureShare => {
            observed.abs() > SPREADS_MIN * spread(&[&early_logs, &late_logs])
                || is_great(&early.values, &late.values)
        }
    };
    if let Some(chance) = bursts(signal, &early.values, &late.values) {
        let [before, after] = [&early.values, &late.values].map(|values| Some(mean(values)));
        return Judgement { before, after, ..judged(Verdict::MadeItWorse, chance) };
    }
    let verdict = if placebos < PLACEBOS_MIN {
        Verdict::NoData
    } else if chance >= CHANCE || !stands_out || !worth_a_word(observed, &early, &late, signal.measure) {
        Verdict::NoEffect
    } else if !is_recent(observed, last_of(&early_logs), &late_logs) {
        // What it was when the change was made.
        let before = median(&mut last_of(&early.values).to_vec());
        return Judgement { before, ..judged(Verdict::NoEffect, chance) };
    } else if observed < 0.0 {
        Verdict::Helped
    } else {
        Verdict::MadeItWorse
    };
    judged(verdict, chance)
}

/// The answers of one side.
struct Side {
    values: Vec<f64>,
    points: usize,
    at_ceiling: bool,
}

impl Side {
    fn of(points: &[Option<f64>], measure: Measure) -> Self {
        let valid = |value: &f64| value.is_finite() && *value >= 0.0;
        let values: Vec<f64> = points.iter().flatten().copied().filter(valid).collect();
        let at_ceiling = match measure {
            Measure::Latency { ceiling: Some(ceiling) } => {
                values.iter().filter(|value| **value >= AT_CEILING * ceiling).count() * 2 > values.len()
            }
            _ => false,
        };
        Self { values, points: points.len(), at_ceiling }
    }

    fn answered(&self) -> f64 {
        count(self.values.len()) / count(self.points.max(1))
    }

    fn median(&self) -> Option<f64> {
        median(&mut self.values.clone())
    }
}

/// Enough answers on both sides, not all of them censored, and none selected by who was answered at all.
fn comparable(early: &Side, late: &Side) -> bool {
    let enough = |side: &Side| side.values.len() >= POINTS_MIN && side.answered() >= ANSWERED_MIN;
    let censored = early.at_ceiling && late.at_ceiling;
    enough(early)
        && enough(late)
        && !censored
        && (early.answered() - late.answered()).abs() <= ANSWERED_DIFFERENCE
}

fn logarithm(value: f64, measure: Measure) -> f64 {
    match measure {
        Measure::Latency { .. } => value.max(1e-6).ln(),
        Measure::FailureShare => (value.min(1.0) + SHARE_LEAST).ln(),
    }
}

/// Whether shares moved by a great part of all requests, nearly all of them in one direction.
fn is_great(early: &[f64], late: &[f64]) -> bool {
    let moved = shift(early, late).unwrap_or(0.0);
    moved.abs() >= SHARE_GREAT && pairs(early, late, moved) >= PAIRS_MIN
}

/// The points directly before the change.
fn last_of(early: &[f64]) -> &[f64] {
    let count = (early.len() / 2).clamp(*RECENT.start(), *RECENT.end());
    &early[early.len().saturating_sub(count)..]
}

/// Whether requests began to fail in bursts; the share of moments of the past at which the same was seen, if that is rare.
fn bursts(signal: &Signal<'_>, early: &[f64], late: &[f64]) -> Option<f64> {
    let began = |early: &[f64], late: &[f64]| {
        let is_quiet = |share: &f64| *share <= SHARE_MIN;
        let failed = late.iter().filter(|share| !is_quiet(share)).count();
        let was_quiet =
            median(&mut early.to_vec()).as_ref().is_some_and(is_quiet) && last_of(early).iter().all(is_quiet);
        was_quiet && failed >= BURST_POINTS && mean(late) - mean(early) >= BURSTS_MIN
    };
    if signal.measure != Measure::FailureShare || !began(early, late) {
        return None;
    }
    let [usual, incident] =
        [signal.usual, signal.before].map(|points| Side::of(points, signal.measure).values);
    let (chance, placebos) = rarity(&[&usual, &incident], (early.len(), signal.gap, late.len()), began);
    (placebos >= PLACEBOS_MIN && chance < CHANCE).then_some(chance)
}

/// Whether most of the shift is one from the last points before the change. Otherwise it had happened by then.
fn is_recent(observed: f64, last: &[f64], late: &[f64]) -> bool {
    shift(last, late).is_some_and(|recent| recent / observed >= RECENT_MIN)
}

fn worth_a_word(shift: f64, early: &Side, late: &Side, measure: Measure) -> bool {
    let apart = match (measure, early.median(), late.median()) {
        (Measure::FailureShare, Some(early), Some(late)) => (late - early).abs() >= SHARE_MIN,
        _ => true,
    };
    apart && (shift.exp() - 1.0).abs() > RATIO_MIN
}

impl Judgement {
    /// Whether the verdict could have been this one: where hardly a request failed before, none could be saved, and what was
    /// hardly slower than usual needed no help. Such a signal says nothing about the question.
    pub(super) fn could_be(&self, verdict: Verdict) -> bool {
        match (self.measure, self.before) {
            (Measure::Latency { .. }, Some(before)) if verdict == Verdict::Helped => {
                self.usual.is_none_or(|usual| before >= SLOW * usual)
            }
            (Measure::FailureShare, Some(before)) if verdict == Verdict::Helped => before >= SHARE_MIN,
            (Measure::FailureShare, Some(before)) if verdict == Verdict::MadeItWorse => {
                before <= 1.0 - SHARE_MIN
            }
            _ => true,
        }
    }

    /// The medians of both sides; `None` without answers on one of them.
    #[must_use]
    pub fn figure(&self) -> Option<Figure> {
        let metric = match self.measure {
            Measure::Latency { .. } => Metric::Latency,
            Measure::FailureShare => Metric::FailureShare,
        };
        Some(Figure { metric, before: self.before?, after: self.after? })
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.figure() {
            Some(figure) => figure.fmt(f),
            None => f.write_str("no answers"),
        }
    }
}
