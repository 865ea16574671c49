//! False claims and lead times of creeping growth on generated series. Also used by the example.

use super::generated::latency;
use fastrand::Rng;
use statistics::creep::{Change, CreepDetector, PAST_MAX, PAST_STEP, STEPS_MAX, Series};
use std::f64::consts::TAU;

/// Steps of a day.
const DAY: usize = 144;
/// Days of a month.
pub const MONTH: usize = 28;
/// Samples of a step.
const SAMPLES: usize = 10;

/// A kind of series, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Latency with autocorrelated load, heavy tails, a daily cycle and spikes; the limit is a timeout, 8 times its base.
    Latency,
    /// Connections in percent: working days from 15 to 60, quieter weekends; the limit is 100.
    Connections,
    /// Steps up and down every few days, as deploys make them; the limit is 5 times the base.
    Steps,
    /// A level that wanders by 10 % of its mean with a time constant of six hours; the limit is twice the mean.
    Wandering,
    /// Memory that grows for a day and is freed at night; the limit is 100.
    Sawtooth,
    /// Memory that is freed whenever it meets 70 % or so, every 3 to 40 hours; the limit is 100.
    Collected,
    /// A count that starts again from zero with each restart, several times a week; the limit is 100.
    Restarted,
    /// A whole number that hardly ever changes; the limit is 100.
    Flat,
}

/// All kinds.
pub const KINDS: [Kind; 8] = [
    Kind::Latency,
    Kind::Connections,
    Kind::Steps,
    Kind::Wandering,
    Kind::Sawtooth,
    Kind::Collected,
    Kind::Restarted,
    Kind::Flat,
];

/// Medians of steps of ten minutes, and the limit.
pub fn series(kind: Kind, seed: u64, days: usize) -> (Vec<f64>, f64) {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ kind as u64);
    let count = days * DAY;
    if kind == Kind::Latency {
        let raw = latency(seed, 60, count * SAMPLES);
        let mut sorted = raw.clone();
        sorted.sort_by(f64::total_cmp);
        let base = sorted[sorted.len() / 2];
        return (raw.chunks(SAMPLES).map(middle).collect(), base * 8.0);
    }
    let keep = match kind {
        Kind::Wandering => (-1.0_f64 / 36.0).exp(),
        _ => (-1.0_f64 / (1.0 + 11.0 * rng.f64())).exp(),
    };
    let fresh = (1.0 - keep * keep).sqrt();
    let (mut load, noise, phase) = (normal(&mut rng), 0.02 + 0.08 * rng.f64(), 0.2 * rng.f64());
    let (mut level, mut memory, speed) = (1.0, 20.0, 0.2 + 0.2 * rng.f64());
    let (pace, mut most) = (50.0 / (18.0 + 222.0 * rng.f64()), 70.0);
    let values = (0..count).map(|at| {
        load = keep * load + fresh * normal(&mut rng);
        let day = at as f64 / DAY as f64;
        match kind {
            Kind::Connections => {
                let busy = if (at / DAY) % 7 < 5 { 1.0 } else { 0.45 };
                let hill = (0.5 - 0.5 * (TAU * (day - phase)).cos()).powi(2);
                (15.0 + 45.0 * busy * hill) * (1.0 + noise * load)
            }
            Kind::Steps => {
                if rng.usize(..3 * DAY) == 0 {
                    level = 0.6 + 1.2 * rng.f64();
                }
                level * (1.0 + noise * load)
            }
            Kind::Wandering => 10.0 + load,
            Kind::Collected => {
                memory += pace * (0.5 + rng.f64());
                if memory >= most {
                    (memory, most) = (20.0, 67.0 + 6.0 * rng.f64());
                }
                memory * (1.0 + 0.1 * noise * load)
            }
            Kind::Restarted => {
                // It grows quickly, and stays where it is when all that it counts is there.
                level += (60.0 - level) * 0.02 * (0.5 + rng.f64());
                if rng.usize(..2 * DAY) == 0 {
                    level = 0.0;
                }
                level * (1.0 + 0.2 * noise * load)
            }
            Kind::Flat => 40.0 + f64::from(u8::from(rng.usize(..DAY) == 0)),
            Kind::Latency | Kind::Sawtooth => {
                memory += speed * (0.5 + rng.f64());
                if at % DAY == (DAY as f64 * phase) as usize || rng.usize(..4 * DAY) == 0 {
                    memory = 20.0;
                }
                memory * (1.0 + 0.1 * noise * load)
            }
        }
    });
    let values = values.collect();
    let limit = match kind {
        Kind::Steps => 5.0,
        Kind::Wandering => 20.0,
        _ => 100.0,
    };
    (values, limit)
}

/// Claims about a series, each with the step at which it was made.
pub fn claims(values: &[f64], limit: f64, from: usize) -> Vec<usize> {
    let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
    let mut detector = CreepDetector::default();
    let mut claims = Vec::new();
    for now in from.max(1)..=values.len() {
        let (steps, past) =
            (&values[now.saturating_sub(STEPS_MAX)..now], &values[now.saturating_sub(PAST_MAX)..now]);
        let was = detector.creep().is_some();
        let change = detector.observe(&Series { steps, step: PAST_STEP, past, limit });
        if matches!(change, Some(Change::Creeps(_))) && !was {
            claims.push(now);
        }
    }
    claims
}

/// False claims a month and series.
pub fn false_claims(kind: Kind, seeds: std::ops::Range<u64>) -> f64 {
    let all = seeds.end - seeds.start;
    let found: usize = seeds
        .map(|seed| {
            let (values, limit) = series(kind, seed, MONTH);
            claims(&values, limit, 0).len()
        })
        .sum();
    found as f64 / all as f64
}

/// When growth that meets the limit after `hours` was claimed: the share of that time, infinite if not.
pub fn reported(kind: Kind, hours: usize, seeds: std::ops::Range<u64>) -> Vec<f64> {
    let mut shares: Vec<f64> = seeds
        .map(|seed| {
            let (mut values, limit) = series(kind, seed, 16);
            let start = 9 * DAY + (seed as usize * 7_919) % (3 * DAY);
            let crash = start + hours * 6;
            let last = values[crash.min(values.len() - 1)];
            let growth = (limit - last) / (crash - start) as f64;
            for (after, value) in values.iter_mut().skip(start).enumerate() {
                *value += growth * after as f64;
            }
            values.truncate(crash);
            let claims = claims(&values, limit, start.saturating_sub(20));
            let first = claims.into_iter().find(|at| *at > start);
            first.map_or(f64::INFINITY, |at| (at - start) as f64 / (crash - start) as f64)
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    shares
}

/// The part of the growths in six hours that were claimed at least two hours before they met the limit.
pub fn early(shares: &[f64]) -> f64 {
    shares.iter().filter(|share| **share <= 4.0 / 6.0).count() as f64 / shares.len() as f64
}

/// The share below which `part` of the sorted shares are.
pub fn at(shares: &[f64], part: f64) -> f64 {
    shares[((shares.len() - 1) as f64 * part).round() as usize]
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A number with mean 0 and standard deviation 1, by the sum of twelve.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}
