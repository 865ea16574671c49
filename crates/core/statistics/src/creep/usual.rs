//! How high a level usually is at this time of day.

use super::PAST_STEP;
use crate::order::quantile;
use std::time::Duration;

/// Steps of the past in a day.
const DAY: usize = 144;
/// Steps before and after the same time of another day that are compared with it.
const AROUND: usize = 9;
/// Days that are compared: a week, so that Monday is compared with a Monday.
const DAYS: usize = 7;
/// Share of the steps of the same hours of a day that are below its level: a single peak is not usual.
const OF_DAY: f64 = 0.95;
/// The same of all hours together, while fewer days are known.
const OF_ALL: f64 = 0.99;
/// Falls of half the range from one step to the next, in ten days, from which on a level is a sawtooth: memory that is freed, a
/// count that starts again. Its teeth keep no hours, so that all hours are compared.
const FALLS: usize = 3;
const FALL: f64 = 0.5;
/// The range is that between these shares of the steps.
const RANGE: (f64, f64) = (0.02, 0.98);
/// How far above the usual level, as a share of that level ...
const ABOVE: f64 = 0.1;
/// ... and as a share of the way from there to the limit.
const ABOVE_WAY: f64 = 0.15;

/// The usual high level at the time of day with which `past` ends, without the window that is judged. `None` when less than a
/// day is known.
pub(super) fn high(past: &[Option<f64>], window: Duration) -> Option<f64> {
    let skipped = usize::try_from(window.as_secs().div_ceil(PAST_STEP.as_secs())).ok()?;
    let before = past.get(..past.len().checked_sub(skipped)?)?;
    let mut all: Vec<f64> = before.iter().flatten().copied().collect();
    if all.len() < DAY * 3 / 4 {
        return None;
    }
    if is_sawtooth(before, &mut all) {
        return quantile(&mut all, OF_ALL);
    }
    let of_days: Vec<f64> =
        (1..=2 * DAYS).filter_map(|day| of_day(before, past.len(), day)).take(DAYS).collect();
    if of_days.len() == DAYS {
        return of_days.into_iter().reduce(f64::max);
    }
    quantile(&mut all, OF_ALL)
}

/// Whether a level falls again and again from one step to the next. `all` are its known steps.
fn is_sawtooth(before: &[Option<f64>], all: &mut [f64]) -> bool {
    let (Some(low), Some(high)) = (quantile(all, RANGE.0), quantile(all, RANGE.1)) else { return false };
    let fall = FALL * (high - low);
    let falls = before.windows(2).filter(|pair| match pair {
        [Some(one), Some(next)] => fall > 0.0 && one - next >= fall,
        _ => false,
    });
    falls.count() >= FALLS
}

/// The level of the same hours `day` days ago; `None` when less than half is known.
fn of_day(before: &[Option<f64>], now: usize, day: usize) -> Option<f64> {
    let at = now.checked_sub(day * DAY)?;
    let to = at + AROUND;
    let steps = before.get(at.saturating_sub(AROUND)..to)?;
    let mut known: Vec<f64> = steps.iter().flatten().copied().collect();
    if known.len() < AROUND { None } else { quantile(&mut known, OF_DAY) }
}

/// How far a level has to be above the usual one.
pub(super) fn margin(high: f64, limit: f64) -> f64 {
    ABOVE * high.abs() + ABOVE_WAY * (limit - high).max(0.0)
}
