//! False and true verdicts on generated series. Also used by the example.

use super::generated::{latency, shares};
use statistics::effect::{Measure, Signal, Verdict, judge};

/// Points of the series' own past.
const HISTORY: usize = 240;

/// Shares of verdicts over many series, each with one change that multiplies the signal by `factor`.
pub struct Shares {
    pub helped: f64,
    pub worse: f64,
}

/// Past, incident and what follows of one series.
struct Times {
    history: usize,
    incident: usize,
    points: usize,
    gap: usize,
}

/// A point each `interval` seconds: `HISTORY` before the incident, 30 of an incident that doubles latency, `points` after the
/// change and a gap of ten seconds, for which quicker series have no points.
pub fn measure(interval: u64, points: usize, factor: f64, series: u64) -> Shares {
    let gap = if interval < 10 { 10 / interval as usize } else { 0 };
    let times = Times { history: HISTORY, incident: 30, points, gap };
    let one = |seed: u64| {
        let change = HISTORY + times.incident;
        let mut values = latency(seed + 10_000, interval, change + gap + points);
        values[HISTORY..].iter_mut().for_each(|value| *value *= 2.0);
        values[change..].iter_mut().for_each(|value| *value *= factor);
        values
    };
    verdicts(&times, Measure::Latency { ceiling: None }, series, one)
}

/// Shares of failed requests: `HISTORY` points before the incident at which hardly one fails, `incident` points of it,
/// `points` after the change.
pub fn measure_shares(incident: usize, points: usize, factor: f64, series: u64) -> Shares {
    let times = Times { history: HISTORY, incident, points, gap: 0 };
    let one = |seed: u64| {
        let usual = (0..HISTORY).map(|step| if (step as u64 + seed).is_multiple_of(17) { 0.01 } else { 0.0 });
        usual.chain(shares(seed, incident + points, incident, factor)).collect()
    };
    verdicts(&times, Measure::FailureShare, series, one)
}

fn verdicts(times: &Times, measure: Measure, series: u64, one: impl Fn(u64) -> Vec<f64>) -> Shares {
    let change = times.history + times.incident;
    let late = change + times.gap;
    let mut found = [0_u32; 2];
    for seed in 0..series {
        let values: Vec<Option<f64>> = one(seed).into_iter().map(Some).collect();
        let (usual, before) = (&values[..times.history], &values[times.history..change]);
        let after = &values[late..late + times.points];
        let verdict = judge(&Signal { measure, usual, before, gap: times.gap, after }).verdict;
        found[0] += u32::from(verdict == Verdict::Helped);
        found[1] += u32::from(verdict == Verdict::MadeItWorse);
    }
    let [helped, worse] = found.map(|count| f64::from(count) / series as f64);
    Shares { helped, worse }
}
