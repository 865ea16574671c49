//! The Hodges-Lehmann shift, and its distribution where nothing was changed.

use crate::order::{count, median};

/// Placebo moments at most, evenly spaced: enough for a `p` of 0.5 %.
const PLACEBOS: usize = 240;

/// Median of all differences `after - before`.
pub(super) fn shift(before: &[f64], after: &[f64]) -> Option<f64> {
    let mut differences: Vec<f64> =
        after.iter().flat_map(|late| before.iter().map(move |early| late - early)).collect();
    median(&mut differences)
}

/// Share of all pairs of a value before and one after that differ in the direction of `moved`.
pub(super) fn pairs(before: &[f64], after: &[f64], moved: f64) -> f64 {
    let agree = |early: f64, late: f64| (late - early) * moved > 0.0;
    let agreeing: usize =
        after.iter().map(|late| before.iter().filter(|early| agree(**early, *late)).count()).sum();
    count(agreeing) / count((before.len() * after.len()).max(1))
}

/// Distance from the median of its side that three of four points keep. The fourth quarter may be a side's beginning, at which
/// the incident or the recovery was under way.
pub(super) fn spread(sides: &[&[f64]]) -> f64 {
    let distances = |side: &&[f64]| {
        let middle = median(&mut side.to_vec()).unwrap_or(0.0);
        side.iter().map(|value| (value - middle).abs()).collect::<Vec<f64>>()
    };
    let mut all: Vec<f64> = sides.iter().flat_map(distances).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() * 3 / 4).copied().unwrap_or(0.0)
}

/// Share of the placebo shifts that are at least as great as `observed`, in either direction, and their number. The
/// observed one counts as one of them. The rest as in [`rarity`].
pub(super) fn chance(observed: f64, stretches: &[&[f64]], lengths: (usize, usize, usize)) -> (f64, usize) {
    rarity(stretches, lengths, |before, after| {
        shift(before, after).is_some_and(|placebo| placebo.abs() >= observed.abs())
    })
}

/// Share of the moments at which `is_alike` holds, the observed one included, and their number.
///
/// Looks at windows of `before` and `after` values, with `gap` values between them, within each of the
/// `stretches`: never across their borders, where something did change.
pub(super) fn rarity(
    stretches: &[&[f64]],
    (before, gap, after): (usize, usize, usize),
    is_alike: impl Fn(&[f64], &[f64]) -> bool,
) -> (f64, usize) {
    let length = before + gap + after;
    let moments: Vec<&[f64]> = stretches.iter().flat_map(|stretch| stretch.windows(length.max(1))).collect();
    let step = moments.len().div_ceil(PLACEBOS).max(1);
    let looked: Vec<bool> = moments
        .iter()
        .step_by(step)
        .map(|moment| is_alike(&moment[..before], &moment[before + gap..]))
        .collect();
    let alike = looked.iter().filter(|is_alike| **is_alike).count();
    (count(alike + 1) / count(looked.len() + 1), looked.len())
}
