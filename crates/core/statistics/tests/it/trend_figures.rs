//! Figures of trends on generated daily peaks: false claims about level series, and growth that is found.

use fastrand::Rng;
use statistics::trend::{Trend, judge};

/// Rhythms of a week.
const RHYTHMS: [[f64; 7]; 3] = [
    [1.0, 1.02, 0.98, 1.01, 1.05, 0.5, 0.4],
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    [0.7, 0.72, 0.75, 0.8, 1.1, 1.4, 1.2],
];

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// What a series is like: standard deviation and autocorrelation of its noise, and whether one day in fourteen is far off.
#[derive(Clone, Copy, Debug)]
struct Noise {
    spread: f64,
    correlation: f64,
    outliers: bool,
}

/// A rhythm of the week, as a factor of each day.
fn rhythm(rng: &mut Rng) -> impl Fn(usize) -> f64 + use<> {
    let (rhythm, first) = (RHYTHMS[rng.usize(..RHYTHMS.len())], rng.usize(..7));
    move |day| rhythm[(first + day) % 7]
}

fn peaks(rng: &mut Rng, days: usize, level: impl Fn(usize) -> f64, noise: Noise) -> Vec<Option<f64>> {
    let mut wander = normal(rng);
    let day = |day: usize| {
        let far = if noise.outliers && rng.f64() < 1.0 / 14.0 { 5.0 } else { 1.0 };
        let fresh = (1.0 - noise.correlation * noise.correlation).sqrt() * normal(rng) * far;
        wander = noise.correlation * wander + fresh;
        Some(level(day) * (noise.spread * wander).exp())
    };
    (0..days).map(day).collect()
}

const QUIET: Noise = Noise { spread: 0.05, correlation: 0.0, outliers: false };

/// Level series just below their limit: any claim is false.
#[test]
fn level_series_get_a_false_claim_once_in_a_hundred_at_most() {
    const SERIES: u64 = 3_000;
    let mut all = (0, 0);
    for noise in [
        QUIET,
        Noise { spread: 0.2, ..QUIET },
        Noise { spread: 0.1, correlation: 0.5, ..QUIET },
        Noise { spread: 0.1, outliers: true, ..QUIET },
    ] {
        for days in [14, 21, 30] {
            let claims = (0..SERIES)
                .filter(|seed| {
                    let mut rng = Rng::with_seed(seed * 7 + days as u64);
                    let factor = rhythm(&mut rng);
                    let series = peaks(&mut rng, days, |day| 95.0 * factor(day), noise);
                    matches!(judge(&series, 100.0), Trend::Grows { meets_in: Some(_), .. })
                })
                .count();
            println!("{noise:?}, {days} days: {:.2} % false claims", claims as f64 * 100.0 / SERIES as f64);
            assert!(claims as u64 * 100 <= SERIES, "{noise:?} {days}: {claims}");
            all = (all.0 + claims, all.1 + SERIES as usize);
        }
    }
    println!("together {:.2} %", all.0 as f64 * 100.0 / all.1 as f64);
}

/// Growth of 1.5 % of the last level a day, which meets the limit in ten days.
#[test]
fn growth_that_meets_the_limit_in_ten_days_is_found() {
    const SERIES: u64 = 500;
    for (noise, days, found_min) in [
        (QUIET, 30, 0.98),
        (Noise { spread: 0.1, ..QUIET }, 30, 0.9),
        (Noise { correlation: 0.5, ..QUIET }, 30, 0.9),
        (QUIET, 21, 0.8),
    ] {
        let mut errors: Vec<i64> = Vec::new();
        for seed in 0..SERIES {
            let mut rng = Rng::with_seed(seed * 11 + days as u64);
            let factor = rhythm(&mut rng);
            let level = |day: usize| (100.0 - 1.5 * (days as f64 - 1.0) + 1.5 * day as f64) * factor(day);
            // The peak of the busiest day of the week that begins in ten days.
            let limit = (days + 9..days + 16).map(level).fold(0.0, f64::max);
            let truth = (days..days + 30).position(|day| level(day) >= limit).unwrap() + 1;
            if let Trend::Grows { meets_in: Some(days), .. } =
                judge(&peaks(&mut rng, days, level, noise), limit)
            {
                errors.push(i64::from(days) - truth as i64);
            }
        }
        errors.sort_unstable();
        let share = errors.len() as f64 / SERIES as f64;
        let at = |share: usize| errors[errors.len() * share / 100];
        let (early, middle, late) = (at(5), at(50), at(95));
        println!("{noise:?}, {days} days: found {share:.2}, {middle} days late (p5 {early}, p95 {late})");
        assert!(share >= found_min, "{noise:?} {days} {share}");
        assert!(middle.abs() <= 2, "{noise:?} {days} {middle}");
    }
}
