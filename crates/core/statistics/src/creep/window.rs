//! The line through a window.

use super::POINTS;
use crate::order::{count, median, median_deviation};

/// Fewest points of a window that have a value.
const KNOWN_MIN: usize = 10;
/// Least share of rising pairs minus that of falling ones.
const TAU_MIN: f64 = 0.75;
/// Rise of a window as a multiple of the standard deviation around its line, at least.
const RISE_MIN: f64 = 5.0;
/// Largest share of the rise between two neighbouring points.
const JUMP_MAX: f64 = 0.5;
/// Slope of the newer half as a share of that of the window, at least.
const GOES_ON: f64 = 0.5;
/// Newest points of a window that must still rise, and the share of its slope that they need: a rise that has stopped is no trend.
const NEWEST: usize = 5;
const STILL_RISES: f64 = 0.2;
/// From the median deviation to the standard deviation of a normal sample.
const NORMAL: f64 = 1.4826;

/// A line through the points of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Rise from one point to the next.
    pub(super) slope: f64,
    /// Level at the first point.
    pub(super) from: f64,
    /// Level at the last point.
    pub(super) to: f64,
    /// Standard deviation of the points around it.
    pub(super) noise: f64,
}

/// The points of the window that ends now, each with its place. A point needs half of its steps.
pub(super) fn points(steps: &[Option<f64>], width: usize) -> Option<Vec<(f64, f64)>> {
    let newest = steps.get(steps.len().checked_sub(POINTS * width)?..)?;
    let point = |(at, steps): (usize, &[Option<f64>])| {
        let mut known: Vec<f64> = steps.iter().flatten().copied().filter(|value| value.is_finite()).collect();
        (known.len() * 2 >= width).then(|| Some((count(at), median(&mut known)?))).flatten()
    };
    let points: Vec<(f64, f64)> = newest.chunks(width).enumerate().filter_map(point).collect();
    let ends_now = points.last().is_some_and(|(at, _)| *at >= count(POINTS - 2));
    (points.len() >= KNOWN_MIN && ends_now).then_some(points)
}

/// The line, if it rises beyond chance and still does.
pub(super) fn trend(points: &[(f64, f64)]) -> Option<Line> {
    let slope = slope(points).filter(|slope| *slope > 0.0)?;
    let signs = pairs(points).map(|(one, other)| {
        if other.1 > one.1 {
            1.0
        } else if other.1 < one.1 {
            -1.0
        } else {
            0.0
        }
    });
    let (sum, all) = signs.fold((0.0, 0.0), |(sum, all), sign| (sum + sign, all + 1.0));
    if sum < TAU_MIN * all {
        return None;
    }
    let mut levels: Vec<f64> = points.iter().map(|(at, value)| value - slope * at).collect();
    let from = median(&mut levels)?;
    let noise = NORMAL * median_deviation(&levels, from)?;
    let rise = slope * count(POINTS - 1);
    let jump =
        points.windows(2).filter_map(|pair| Some(pair.last()?.1 - pair.first()?.1)).fold(0.0, f64::max);
    let newer = points.get(points.len() / 2..).and_then(self::slope).unwrap_or_default();
    let newest = points.get(points.len().saturating_sub(NEWEST)..).and_then(self::slope).unwrap_or_default();
    let is_trend = rise >= RISE_MIN * noise
        && jump <= JUMP_MAX * rise
        && newer >= GOES_ON * slope
        && newest >= STILL_RISES * slope;
    // Where the rise began within the window, the line begins below every point.
    let lowest = points.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    is_trend.then_some(Line { slope, from: from.max(lowest), to: from + rise, noise })
}

/// Sen's slope: the median of the slopes of all pairs.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let slopes = pairs(points).map(|(one, other)| (other.1 - one.1) / (other.0 - one.0));
    median(&mut slopes.collect::<Vec<f64>>())
}

fn pairs(points: &[(f64, f64)]) -> impl Iterator<Item = ((f64, f64), (f64, f64))> + '_ {
    let later = |at: usize| points.get(at + 1..).unwrap_or_default().iter();
    points.iter().enumerate().flat_map(move |(at, one)| later(at).map(|other| (*one, *other)))
}
