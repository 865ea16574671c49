//! The knee of measured steps.

use types::load_test::{Knee, LoadStep};

/// p99 has doubled when it is longer by at least this as well, in microseconds: below it timers decide.
const DOUBLED_MIN_US: u64 = 1_000;

/// The knee: the highest rate that was kept up with, below the lowest that never was. `None` when no rate was kept up with.
#[must_use]
pub fn knee(steps: &[LoadStep]) -> Option<Knee> {
    let kept_up = |rate: u64| steps.iter().any(|step| step.asked_milli == rate && step.kept_up);
    let beyond = steps.iter().map(|step| step.asked_milli).filter(|rate| !kept_up(*rate)).min();
    let below = |step: &&LoadStep| step.kept_up && beyond.is_none_or(|beyond| step.asked_milli < beyond);
    let best = steps.iter().filter(below).max_by_key(|step| step.asked_milli)?;
    Some(Knee {
        rate_milli: best.asked_milli,
        beyond_milli: beyond,
        p99_doubles_milli: p99_doubles(steps),
        p50_us: best.p50_us,
    })
}

/// The lowest rate from which on p99 is always twice that of the lowest rate.
fn p99_doubles(steps: &[LoadStep]) -> Option<u64> {
    let mut by_rate: Vec<&LoadStep> = steps.iter().collect();
    by_rate.sort_by_key(|step| step.asked_milli);
    let first = by_rate.iter().find(|step| step.kept_up)?.p99_us;
    let limit = (2 * first).max(first + DOUBLED_MIN_US);
    let doubled = by_rate.iter().rev().take_while(|step| step.p99_us >= limit);
    doubled.last().map(|step| step.asked_milli)
}
