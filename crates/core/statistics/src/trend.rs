//! The trend of daily peaks: does it meet a limit, and when?
//!
//! Traffic has a weekly rhythm, so days are compared only with the same day of other weeks: each peak is divided by the
//! median of its weekday, the slope is Sen's seasonal estimate (the median of the slopes of all pairs of the same weekday),
//! and each weekday has a level of its own. The limit is met on the first coming day whose level, continued by the slope,
//! reaches it.
//!
//! Nothing is claimed while the slope may be chance: its interval must not contain zero. The interval is that of a
//! regression with one level for each weekday, at 0.5 % on one side. Peaks of neighbouring days are alike, which makes
//! chance look like growth; the interval is as much wider as the autocorrelation of the residuals demands, and by
//! [`CAUTION`], because 14 to 30 days tell little about it.
//!
//! Sources: Sen, JASA 63 (1968); Hirsch, Slack, Smith, Water Resources Research 18 (1982); Bayley and Hammersley, JRSS
//! Supplement 8 (1946) for the effective number of observations. False claims and power: `docs/concepts/headroom.md`.

use crate::order::{count, median};

/// Fewest days with a peak: two of each weekday. With less the rhythm of the week cannot be told from growth.
pub const DAYS_MIN: usize = 14;
/// Most days that are compared: the newest.
pub const DAYS_MAX: usize = 30;
/// How many days ahead a limit is looked for.
pub const AHEAD_MAX: u32 = 30;

/// Days of a week.
const WEEK: usize = 7;
/// Factor of the interval, chosen so that at most one in a hundred level series gets a claim.
const CAUTION: f64 = 1.3;
/// Autocorrelation that is assumed at least and at most.
const CORRELATED: (f64, f64) = (0.3, 0.85);
/// Quantiles of Student's t at 0.5 % on one side, from one degree of freedom on.
const T: [f64; 24] = [
    63.66, 9.92, 5.84, 4.60, 4.03, 3.71, 3.50, 3.36, 3.25, 3.17, 3.11, 3.05, 3.01, 2.98, 2.95, 2.92, 2.90,
    2.88, 2.86, 2.85, 2.83, 2.82, 2.81, 2.80,
];

/// What daily peaks say about the coming days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trend {
    /// Fewer than [`DAYS_MIN`] days have a peak.
    TooShort {
        /// Days that have one.
        days: usize,
    },
    /// No growth, or none that chance could not explain.
    Level,
    /// Growth.
    Grows {
        /// Growth of a day, as a share of a usual peak.
        per_day: f64,
        /// Days from the last peak to that with which the limit is met; `None`: not within [`AHEAD_MAX`].
        meets_in: Option<u32>,
    },
}

/// A peak.
#[derive(Clone, Copy, Debug)]
struct Peak {
    day: f64,
    weekday: usize,
    value: f64,
    /// The same as a multiple of the median of its weekday.
    ratio: f64,
}

/// Judges the peaks of consecutive days, the oldest first; `None` is a day without one.
#[must_use]
pub fn judge(peaks: &[Option<f64>], limit: f64) -> Trend {
    let peaks = peaks.get(peaks.len().saturating_sub(DAYS_MAX)..).unwrap_or(peaks);
    let known = peaks.iter().flatten().filter(|value| value.is_finite()).count();
    if known < DAYS_MIN {
        return Trend::TooShort { days: known };
    }
    let usual = usual(peaks);
    let peaks_known = with_ratios(peaks, &usual);
    let Some(slope) = slope(&peaks_known).filter(|slope| *slope > 0.0) else { return Trend::Level };
    if slope <= uncertainty(&peaks_known, slope) {
        return Trend::Level;
    }
    let last = peaks.len().saturating_sub(1);
    let meets = |ahead: &u32| {
        let day = last + usize::try_from(*ahead).unwrap_or(usize::MAX);
        forecast(&peaks_known, &usual, slope, day).is_some_and(|level| level >= limit)
    };
    Trend::Grows { per_day: slope, meets_in: (1..=AHEAD_MAX).find(meets) }
}

/// The median of each weekday; 0 where there is none.
fn usual(peaks: &[Option<f64>]) -> [f64; WEEK] {
    let mut usual = [0.0; WEEK];
    for (weekday, usual) in usual.iter_mut().enumerate() {
        let of_day = peaks.iter().skip(weekday).step_by(WEEK).flatten();
        let mut of_day: Vec<f64> = of_day.copied().filter(|value| value.is_finite()).collect();
        *usual = median(&mut of_day).unwrap_or_default();
    }
    usual
}

/// The peaks of weekdays that usually have any.
fn with_ratios(peaks: &[Option<f64>], usual: &[f64; WEEK]) -> Vec<Peak> {
    let peak = |(day, value): (usize, &Option<f64>)| {
        let (weekday, value) = (day % WEEK, (*value)?);
        let usual = usual.get(weekday).copied().filter(|usual| *usual > 0.0 && value.is_finite())?;
        Some(Peak { day: count(day), weekday, value, ratio: value / usual })
    };
    peaks.iter().enumerate().filter_map(peak).collect()
}

/// Sen's seasonal slope: the median over all pairs of the same weekday.
fn slope(peaks: &[Peak]) -> Option<f64> {
    let pairs = peaks.iter().enumerate().flat_map(|(at, one)| {
        let later = peaks.iter().skip(at + 1).filter(|other| other.weekday == one.weekday);
        later.map(|other| (other.ratio - one.ratio) / (other.day - one.day))
    });
    median(&mut pairs.collect::<Vec<f64>>())
}

/// Half of the interval of the slope.
fn uncertainty(peaks: &[Peak], slope: f64) -> f64 {
    let mean = |weekday: usize, of: &dyn Fn(&Peak) -> f64| {
        let all: Vec<f64> = peaks.iter().filter(|peak| peak.weekday == weekday).map(of).collect();
        all.iter().sum::<f64>() / count(all.len()).max(1.0)
    };
    let weekdays: Vec<(f64, f64)> = (0..WEEK)
        .map(|day| (mean(day, &|peak| peak.day), mean(day, &|peak| peak.ratio - slope * peak.day)))
        .collect();
    let centre = |peak: &Peak| weekdays.get(peak.weekday).copied().unwrap_or_default();
    let residuals: Vec<f64> =
        peaks.iter().map(|peak| peak.ratio - slope * peak.day - centre(peak).1).collect();
    let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
    let spread: f64 = peaks.iter().map(|peak| (peak.day - centre(peak).0).powi(2)).sum();
    let levels = (0..WEEK).filter(|day| peaks.iter().any(|peak| peak.weekday == *day)).count();
    let freedom = peaks.len().saturating_sub(levels + 1).max(1);
    if spread <= 0.0 {
        return f64::INFINITY;
    }
    let quantile = T.get(freedom - 1).copied().unwrap_or(T[T.len() - 1]);
    let variance = squares / count(freedom) / spread * widened(&residuals, squares);
    CAUTION * quantile * variance.sqrt()
}

/// Factor of the variance by the autocorrelation of neighbouring days, corrected for the bias of a short series.
fn widened(residuals: &[f64], squares: f64) -> f64 {
    let days = count(residuals.len());
    let products: f64 = residuals.windows(2).map(|pair| pair.iter().product::<f64>()).sum();
    let raw = if squares > 0.0 { products / squares } else { 0.0 };
    let (least, most) = CORRELATED;
    let correlation = ((days * raw + 1.5) / (days - 4.0).max(1.0)).clamp(least, most);
    (1.0 + correlation) / (1.0 - correlation)
}

/// The level of a coming day: the median of the peaks of its weekday, each continued by the slope.
fn forecast(peaks: &[Peak], usual: &[f64; WEEK], slope: f64, day: usize) -> Option<f64> {
    let weekday = day % WEEK;
    let usual = usual.get(weekday)?;
    let of_day = peaks.iter().filter(|peak| peak.weekday == weekday);
    let continued = of_day.map(|peak| peak.value + slope * usual * (count(day) - peak.day));
    median(&mut continued.collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: [f64; WEEK] = [1.0, 1.02, 0.98, 1.01, 1.05, 0.5, 0.4];

    fn weeks(days: usize, level: impl Fn(f64) -> f64) -> Vec<Option<f64>> {
        (0..days).map(|day| Some(level(count(day)) * RHYTHM[day % WEEK])).collect()
    }

    #[test]
    fn growth_without_noise_meets_the_limit_on_the_day() {
        // 60 on day 0, 1.5 more each day: a Friday of factor 1.05 reaches 120 with a level of 114.3, on day 36.2.
        let peaks = weeks(30, |day| 60.0 + 1.5 * day);
        let Trend::Grows { meets_in, per_day } = judge(&peaks, 120.0) else { unreachable!("it grows") };
        assert!(per_day > 0.01 && per_day < 0.03, "{per_day}");
        // Day 36 is the first weekday with a factor above 1 that is near enough: day 29 + 10 or 11.
        assert!(meets_in.is_some_and(|days| (8..=11).contains(&days)), "{meets_in:?}");
        assert_eq!(judge(&peaks, 1_000.0), Trend::Grows { per_day, meets_in: None });
    }

    #[test]
    fn rhythm_of_the_week_is_no_growth() {
        assert_eq!(judge(&weeks(30, |_| 95.0), 100.0), Trend::Level);
        // A history that begins with a weekend and ends on Friday.
        let peaks = weeks(30, |_| 95.0);
        assert_eq!(judge(&peaks[5..26], 100.0), Trend::Level);
        let falling = weeks(30, |day| 95.0 - day);
        assert_eq!(judge(&falling, 100.0), Trend::Level);
    }

    #[test]
    fn short_history_claims_nothing() {
        assert_eq!(judge(&weeks(13, |day| 50.0 + 4.0 * day), 110.0), Trend::TooShort { days: 13 });
        let mut gaps = weeks(20, |day| 50.0 + 2.0 * day);
        gaps[3..12].fill(None);
        assert_eq!(judge(&gaps, 110.0), Trend::TooShort { days: 11 });
        assert_eq!(judge(&[], 1.0), Trend::TooShort { days: 0 });
    }

    #[test]
    fn days_without_peak_and_idle_weekends_are_left_out() {
        let mut peaks = weeks(30, |day| 60.0 + 1.5 * day);
        for day in (0..30).filter(|day| day % WEEK >= 5) {
            peaks[day] = Some(0.0);
        }
        peaks[8] = None;
        peaks[16] = Some(f64::NAN);
        assert!(matches!(judge(&peaks, 120.0), Trend::Grows { meets_in: Some(_), .. }));
    }
}
