//! Creeping growth: a level that rises for hours and will meet its limit.
//!
//! The series is a row of medians, one of each step (ten minutes; less of series that are measured every second). Windows of
//! [`POINTS`] points are judged, each point the median of 1, 2, 4 ... 32 steps, so that a leak of six hours and one of five
//! days are both seen. In a window the level creeps if all of this is true:
//!
//! * nearly all pairs of points rise (Kendall's tau), and the rise by Sen's slope is several times the noise around it,
//! * no single step up makes up most of the rise: a deploy is a step, not a trend,
//! * the rise goes on in the newer half, and in the newest points,
//! * continued, it meets the limit within [`AHEAD`] windows: what is far away is not worth a message,
//! * the level is higher than usual: above the highest level of the same hours of the seven days before, or of all hours
//!   while fewer days are known or the level is a sawtooth. An ordinary morning is no trend. In the first day nothing is known, and only a level that
//!   triples within an hour counts, which no daily rhythm does.
//!
//! [`CreepDetector`] waits for two steps in a row, and ends the claim when the level has fallen by half of the rise or no
//! longer rises.
//!
//! Sources: Sen, JASA 63 (1968); Kendall, Biometrika 30 (1938). False claims and lead times: `docs/concepts/creeping.md`.

mod detector;
mod usual;
mod window;

pub use detector::{Change, CreepDetector};

use std::time::Duration;

/// Points of a window.
pub const POINTS: usize = 12;
/// Windows after which the limit is too far away.
pub const AHEAD: f64 = 3.0;
/// Step of the past, and the longest step.
pub const PAST_STEP: Duration = Duration::from_secs(600);
/// Steps of the past that are used: ten days.
pub const PAST_MAX: usize = 1_440;
/// Newest steps that are used: the longest window.
pub const STEPS_MAX: usize = POINTS * 32;

/// Rise of an hour as a multiple of the level before it, while less than a day is known.
const FIRST_DAY: f64 = 2.0;
/// Steps of a point, of each window.
const WIDTHS: [usize; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// A series until now.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// The median of each step, the oldest first; `None` without a sample.
    pub steps: &'a [Option<f64>],
    /// Length of a step.
    pub step: Duration,
    /// The medians of steps of [`PAST_STEP`] that end now: what is usual.
    pub past: &'a [Option<f64>],
    /// The limit that must not be met.
    pub limit: f64,
}

/// A level that creeps towards its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Creep {
    /// Time since it began to rise.
    pub since: Duration,
    /// The level then.
    pub from: f64,
    /// The level now.
    pub to: f64,
    /// Rise of an hour.
    pub per_hour: f64,
    /// Time until it meets the limit.
    pub meets_in: Duration,
}

/// Judges a series: the window whose rise is the straightest of those in which it creeps.
#[must_use]
pub fn judge(series: &Series<'_>) -> Option<Creep> {
    let found = WIDTHS.iter().rev().filter_map(|width| of_window(series, *width));
    let straightest = found.reduce(|best, next| if next.1 < best.1 { next } else { best });
    straightest.map(|(creep, _)| creep)
}

/// The creep in a window, and the noise around its line as a share of the rise.
fn of_window(series: &Series<'_>, width: usize) -> Option<(Creep, f64)> {
    let points = window::points(series.steps, width)?;
    let line = window::trend(&points)?;
    let point = series.step.as_secs_f64() * crate::order::count(width);
    let whole = crate::order::count(POINTS - 1);
    let ahead = ((series.limit - line.to) / line.slope).max(0.0);
    if ahead > AHEAD * crate::order::count(POINTS) || line.from >= series.limit {
        return None;
    }
    let span = Duration::from_secs_f64(point * crate::order::count(POINTS));
    let per_hour = line.slope * 3_600.0 / point;
    match usual::high(series.past, span) {
        Some(high) if line.to < high + usual::margin(high, series.limit) => return None,
        None if per_hour < FIRST_DAY * line.from.abs() => return None,
        _ => {}
    }
    let creep = Creep {
        since: Duration::from_secs_f64(point * whole),
        from: line.from,
        to: line.to,
        per_hour,
        meets_in: Duration::from_secs_f64(point * ahead),
    };
    Some((creep, line.noise / (line.slope * whole)))
}
