//! Generated latency series: slow autocorrelated load, heavy-tailed noise, a daily cycle, spikes. Also used by the examples.

use fastrand::Rng;
use std::f64::consts::{SQRT_2, TAU};

/// Seconds of a week.
pub const WEEK: u64 = 7 * 86_400;

/// What a series is like. Ranges are drawn for each series, so that a figure is not about one kind of service.
struct Shape {
    base: f64,
    /// Standard deviation and time constant in seconds of the load.
    load: f64,
    constant: f64,
    noise: f64,
    day: f64,
    phase: f64,
    spikes: f64,
}

/// A latency series in seconds, one value each `interval` seconds.
pub fn latency(seed: u64, interval: u64, count: usize) -> Vec<f64> {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ interval);
    let shape = Shape {
        base: 0.001 * 1_000_f64.powf(rng.f64()),
        load: 0.05 + 0.15 * rng.f64(),
        constant: 60.0 + 540.0 * rng.f64(),
        noise: 0.05 + 0.20 * rng.f64(),
        day: 0.3 * rng.f64(),
        phase: TAU * rng.f64(),
        spikes: 0.01 * rng.f64(),
    };
    let keep = (-(interval as f64) / shape.constant).exp();
    let fresh = shape.load * (1.0 - keep * keep).sqrt();
    let mut load = shape.load * laplace(&mut rng);
    (0..count)
        .map(|step| {
            load = keep * load + fresh * laplace(&mut rng);
            let time = step as f64 * interval as f64 / 86_400.0;
            let day = shape.day * (TAU * time + shape.phase).sin();
            let spike = if rng.f64() < shape.spikes { 3.0 * 10_f64.powf(rng.f64()) } else { 1.0 };
            shape.base * spike * (load + day + shape.noise * laplace(&mut rng)).exp()
        })
        .collect()
}

/// A number with mean 0, standard deviation 1 and tails heavier than those of a normal one.
fn laplace(rng: &mut Rng) -> f64 {
    let size = -(1.0 - rng.f64()).ln() / SQRT_2;
    if rng.bool() { size } else { -size }
}

/// Shares of failed requests of an incident, one value a step: a level that wanders with a time constant of 1 to 30 steps, and
/// the chance of 5 to 200 requests a step. `factor` multiplies the share from step `from` on.
pub fn shares(seed: u64, count: usize, from: usize, factor: f64) -> Vec<f64> {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5A);
    let (middle, load) = (4.0 * rng.f64() - 2.5, 0.1 + 0.7 * rng.f64());
    let keep = (-1.0 / (1.0 + 29.0 * rng.f64())).exp();
    let requests = rng.u32(5..=200);
    let mut wander = laplace(&mut rng);
    (0..count)
        .map(|step| {
            wander = keep * wander + (1.0 - keep * keep).sqrt() * laplace(&mut rng);
            let share = 1.0 / (1.0 + (-(middle + load * wander)).exp());
            let share = if step < from { share } else { (share * factor).min(1.0) };
            let failed = (0..requests).filter(|_| rng.f64() < share).count();
            failed as f64 / f64::from(requests)
        })
        .collect()
}
