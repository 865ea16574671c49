//! How far one series moved, in units of its own noise.

use super::metric::MetricKind;
use super::view::Pair;
use crate::order::{count, lower_median, lower_third, median, median_deviation, rank_correlation};

/// Estimates the standard deviation from the median deviation of a normal sample.
const NORMAL: f64 = 1.4826;
/// Least noise of a series, in logarithms: 5 %. Smaller movements are of no interest, however regular the series is.
const NOISE_MIN: f64 = 0.05;
/// Greatest floor, for a baseline of two or three values.
const NOISE_FLOOR_MAX: f64 = 0.3;
/// The floor is this divided by the root of the number of values: the error of a deviation estimated from few values.
const NOISE_OF_ONE: f64 = 0.6;
/// A share of failures below 1 % does not count as a change.
const FAILURES_MIN: f64 = 0.01;
/// Pairs from which a correlation is meaningful.
const PAIRS_MIN: usize = 8;

/// The bad direction of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// How much of the incident must have moved as far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Half, to compare nodes: a recovery in the last sample does not change their order.
    Half,
    /// Two thirds, to judge whether anything moved at all: of three or four values, two are often disturbed by chance.
    TwoThirds,
}

/// How far the incident is from the median of the baseline, in the bad direction: `ln(1 + z)`, never negative.
///
/// The values are logarithms, so that a change by a factor counts the same at every scale. `z` is one-sided and robust:
/// medians and median deviations.
pub(crate) fn strength(
    pair: &Pair,
    kind: MetricKind,
    direction: Direction,
    requests: Option<f64>,
    level: Level,
) -> f64 {
    let unit = Unit::of(pair, kind, requests);
    let sign = if direction == Direction::Up { 1.0 } else { -1.0 };
    let logs = |values: &[Option<f64>]| -> Vec<f64> {
        values.iter().filter_map(|value| Some(sign * unit.log((*value)?)?)).collect()
    };
    let mut before = logs(&pair.baseline);
    let mut after = logs(&pair.incident);
    if before.len() < 2 {
        return 0.0;
    }
    let floor = match kind {
        MetricKind::Memory => NOISE_MIN,
        _ => (NOISE_OF_ONE / count(before.len()).sqrt()).clamp(NOISE_MIN, NOISE_FLOOR_MAX),
    };
    let reached = match level {
        Level::Half => lower_median,
        Level::TwoThirds => lower_third,
    };
    let (Some(usual), Some(moved)) = (median(&mut before), reached(&mut after)) else { return 0.0 };
    let noise = median_deviation(&before, usual).unwrap_or(0.0) * NORMAL;
    ((moved - usual) / noise.max(floor)).max(0.0).ln_1p()
}

/// Correlation with the target over baseline and incident, in the direction in which both are bad.
pub(crate) fn correlation(pair: &Pair, sign: f64, target: &Pair, target_kind: MetricKind) -> Option<f64> {
    if pair.baseline.len() != target.baseline.len() || pair.incident.len() != target.incident.len() {
        return None;
    }
    let target_sign = if target_kind == MetricKind::Availability { -1.0 } else { 1.0 };
    let both: Vec<(f64, f64)> = pair
        .values()
        .zip(target.values())
        .filter_map(|(own, other)| {
            Some((sign * own.filter(|v| v.is_finite())?, target_sign * other.filter(|v| v.is_finite())?))
        })
        .collect();
    if both.len() < PAIRS_MIN { None } else { rank_correlation(&both) }
}

/// How a value becomes a logarithm.
struct Unit {
    kind: MetricKind,
    /// What 100 % is, of an availability.
    whole: f64,
    /// Added before the logarithm, so that zero is a number.
    least: f64,
}

impl Unit {
    fn of(pair: &Pair, kind: MetricKind, requests: Option<f64>) -> Self {
        let greatest = pair.values().flatten().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let (whole, least) = match kind {
            MetricKind::Availability => (if greatest > 1.5 { 100.0 } else { 1.0 }, FAILURES_MIN),
            // A share, unless it exceeds 1; then a rate, whose unit is that of the requests.
            MetricKind::Errors if greatest > 1.0 => (1.0, FAILURES_MIN * requests.unwrap_or(100.0).max(1.0)),
            MetricKind::Errors => (1.0, FAILURES_MIN),
            _ => (1.0, 1e-9),
        };
        Self { kind, whole, least }
    }

    fn log(&self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        match self.kind {
            // No request was answered in this step.
            MetricKind::Latency => (value > 0.0).then(|| value.ln()),
            MetricKind::Availability => Some(((1.0 - value / self.whole).clamp(0.0, 1.0) + self.least).ln()),
            _ => Some((value.max(0.0) + self.least).ln()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(baseline: &[f64], incident: &[f64]) -> Pair {
        let series = |values: &[f64]| values.iter().copied().map(Some).collect();
        Pair { baseline: series(baseline), incident: series(incident) }
    }

    #[test]
    fn strength_by_direction_and_kind() {
        let steady = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.1];
        let up = |incident: &[f64], kind| {
            strength(&pair(&steady, incident), kind, Direction::Up, None, Level::TwoThirds)
        };
        assert!(up(&[2.0, 2.1, 1.9], MetricKind::Latency) > 1.2);
        assert!(up(&[1.0, 1.0, 9.0], MetricKind::Latency) < 0.1, "a single spike is no movement");
        assert!(up(&[9.0, 9.0, 1.0, 1.0], MetricKind::Latency) < 0.1, "half of the values is not enough");
        assert!(up(&[9.0, 1.0, 9.0], MetricKind::Latency) < 0.1, "two of three are not enough");
        assert!(up(&[0.2, 0.2, 0.2], MetricKind::Latency) < f64::EPSILON, "quicker is not slower");
        assert!(up(&[], MetricKind::Latency) < f64::EPSILON);
        let down = strength(
            &pair(&steady, &[0.4, 0.4, 0.4]),
            MetricKind::Traffic,
            Direction::Down,
            None,
            Level::TwoThirds,
        );
        assert!(down > 1.2);
        let fails = |baseline: &[f64], incident: &[f64], kind| {
            strength(&pair(baseline, incident), kind, Direction::Up, Some(50.0), Level::TwoThirds)
        };
        assert!(fails(&[100.0; 8], &[90.0; 4], MetricKind::Availability) > 2.0);
        assert!(fails(&[1.0; 8], &[0.999; 4], MetricKind::Availability) < 0.7);
        assert!(fails(&[0.0; 8], &[5.0; 4], MetricKind::Errors) > 2.0, "5 errors of 50 requests");
        assert!(fails(&[0.0; 8], &[1e300; 4], MetricKind::Errors).is_finite());
    }
}
