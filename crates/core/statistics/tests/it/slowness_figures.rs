//! Recall and false alerts of the slowness detector on generated series. Also used by the example.

use super::generated::{WEEK, latency};
use statistics::slowness::{Change, Settings, SlownessDetector};
use std::time::Duration;

/// Half an hour: how long an injected slowness lasts.
pub const INJECTED: u64 = 1_800;

/// Figures of one interval.
pub struct Figures {
    /// Alerts without a cause, a week and series.
    pub false_alerts: f64,
    /// Factor, share found while it lasted, median delay in seconds.
    pub found: Vec<(f64, f64, f64)>,
}

/// Runs a week of each series without a fault, then each factor injected at one moment of each.
pub fn measure(settings: Settings, interval: u64, series: u64) -> Figures {
    let count = (WEEK / interval) as usize;
    let mut alerts = 0;
    let mut delays: Vec<(f64, Vec<f64>)> = [1.5, 2.0, 3.0].map(|factor| (factor, Vec::new())).into();
    for seed in 0..series {
        let values = latency(seed, interval, count);
        let mut detector = SlownessDetector::new(settings);
        let start = count / 3 + (seed as usize * 7_919) % (count / 3);
        for (at, value) in values.iter().enumerate() {
            if at == start && detector.slow().is_none() {
                for (factor, delays) in &mut delays {
                    delays.push(delay(detector.clone(), &values[at..], interval, *factor));
                }
            }
            alerts += u32::from(matches!(detector.observe(at, seconds(*value)), Some(Change::Slow(_))));
        }
    }
    let found = delays.into_iter().map(|(factor, mut delays)| {
        delays.sort_by(f64::total_cmp);
        let found: Vec<f64> = delays.iter().copied().filter(|delay| delay.is_finite()).collect();
        let median = found.get(found.len() / 2).copied().unwrap_or(f64::INFINITY);
        (factor, found.len() as f64 / delays.len() as f64, median)
    });
    Figures { false_alerts: f64::from(alerts) / series as f64, found: found.collect() }
}

/// Seconds until the detection of values that are multiplied from the first one on; infinite without one.
fn delay(mut detector: SlownessDetector<usize>, values: &[f64], interval: u64, factor: f64) -> f64 {
    let lasting = (INJECTED / interval) as usize;
    let found =
        values.iter().take(lasting).enumerate().find(|(at, value)| {
            matches!(detector.observe(*at, seconds(*value * factor)), Some(Change::Slow(_)))
        });
    found.map_or(f64::INFINITY, |(at, _)| ((at + 1) as u64 * interval) as f64)
}

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}
