//! False and true verdicts on generated series. Also used by the example.

use super::generated::latency;
use statistics::effect::{Measure, Signal, Verdict, judge};

/// Points of the series' own past.
const HISTORY: usize = 240;

/// Shares of verdicts over many series, each with one change that multiplies latency by `factor`.
pub struct Shares {
    pub helped: f64,
    pub worse: f64,
}

/// One point a minute: `HISTORY` before the incident, 30 of an incident that doubles latency, `points` after the change.
pub fn measure(points: usize, factor: f64, series: u64) -> Shares {
    let mut found = [0_u32; 2];
    for seed in 0..series {
        let values = latency(seed + 10_000, 60, HISTORY + 30 + points);
        let scaled = |range: std::ops::Range<usize>, by: f64| {
            values[range].iter().map(|v| Some(v * by)).collect::<Vec<_>>()
        };
        let (usual, before) = (scaled(0..HISTORY, 1.0), scaled(HISTORY..HISTORY + 30, 2.0));
        let after = scaled(HISTORY + 30..values.len(), 2.0 * factor);
        let measure = Measure::Latency { ceiling: None };
        let verdict = judge(&Signal { measure, usual: &usual, before: &before, after: &after }).verdict;
        found[0] += u32::from(verdict == Verdict::Helped);
        found[1] += u32::from(verdict == Verdict::MadeItWorse);
    }
    let [helped, worse] = found.map(|count| f64::from(count) / series as f64);
    Shares { helped, worse }
}
