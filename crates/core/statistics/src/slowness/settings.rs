//! Limits by the interval of a series.

use std::time::Duration;

/// Answers of a point at most.
pub(super) const ANSWERS_MAX: u8 = 12;
/// The sum from which a series is slow, by answers per point: 9 or 11 points in a row that are far above the usual level,
/// or more that are less far. The median of several answers is more regular than one, so that ordinary load shows more.
const LIMITS: [(u8, f64); 2] = [(3, 26.0), (0, 22.0)];
/// Less than 1.5 times as slow is of no interest: backups, deploys, a busy hour.
const FACTOR_MIN: f64 = 1.5;
/// Points are a minute apart, because the answers within a minute are not independent: with one point every 10 s the same
/// number of false alerts needs a limit of 150 and ten minutes instead of eight.
const POINT: u64 = 60;
const DAY: u64 = 86_400;

/// Constants of one series. Calibrated to less than one false alert a week: `examples/slowness.rs` prints the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Answers whose median is a point, 1 to 12.
    pub answers_per_point: u8,
    /// The sum from which the series is slow. A point adds 2.5 at most.
    pub limit: f64,
    /// Least factor between the usual median and the slow one.
    pub factor_min: f64,
    /// Points after which a slow level becomes the usual one.
    pub accepted_after: u32,
}

impl Settings {
    /// Settings for answers at this interval: 5 s to 5 minutes are calibrated.
    #[must_use]
    pub fn for_interval(interval: Duration) -> Self {
        let seconds = interval.as_secs().max(1);
        let answers_per_point = u8::try_from((POINT / seconds).max(1)).unwrap_or(u8::MAX).min(ANSWERS_MAX);
        let accepted_after =
            u32::try_from(DAY / (seconds * u64::from(answers_per_point))).unwrap_or(u32::MAX).max(100);
        let limit =
            LIMITS.iter().find(|(from, _)| answers_per_point >= *from).map_or(26.0, |(_, limit)| *limit);
        Self { answers_per_point, limit, factor_min: FACTOR_MIN, accepted_after }
    }
}
