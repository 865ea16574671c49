//! What a person asked for, checked against the bounds of the target.

use std::time::Duration;
use types::config::LoadTarget;
use types::load_test::STEPS_MAX;

/// Shortest duration of a step.
const STEP_MIN: Duration = Duration::from_secs(1);

/// What a person asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The rates.
    pub rates: Rates,
    /// Duration of each step; by the rate and the highest latency when `None`.
    pub step: Option<Duration>,
}

/// Rates of a test, in requests per second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rates {
    /// The knee is searched up to this rate; up to that of the bounds when `None`.
    Knee(Option<u32>),
    /// These rates, one after another.
    Given(Vec<u32>),
}

impl Default for Rates {
    fn default() -> Self {
        Self::Knee(None)
    }
}

/// What was asked for is more than the configuration allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// A rate is too high.
    #[error("{rate}/s is more than the {allowed}/s that [load.{target}] allows")]
    Rate {
        /// Name of the target.
        target: String,
        /// The rate.
        rate: u32,
        /// The bound.
        allowed: u32,
    },
    /// The rate is zero.
    #[error("a rate is at least 1/s")]
    NoRate,
    /// There are too many rates.
    #[error("{0} rates are more than the {STEPS_MAX} that one test keeps")]
    TooManySteps(usize),
    /// A step is shorter than it can be measured in, or longer than the whole test may last.
    #[error(
        "a step lasts from 1 s to the {} s that [load.{target}] allows for the whole test",
        allowed.as_secs()
    )]
    Step {
        /// Name of the target.
        target: String,
        /// The bound.
        allowed: Duration,
    },
}

impl Asked {
    /// Checks it against the bounds of a target.
    ///
    /// # Errors
    /// See [`OutOfBounds`].
    pub fn check(&self, target: &LoadTarget) -> Result<(), OutOfBounds> {
        let rates = match &self.rates {
            Rates::Knee(to) => to.as_slice(),
            Rates::Given(rates) => rates.as_slice(),
        };
        if rates.len() > STEPS_MAX {
            return Err(OutOfBounds::TooManySteps(rates.len()));
        }
        for rate in rates {
            match *rate {
                0 => return Err(OutOfBounds::NoRate),
                rate if rate > target.allow.rate => {
                    let (target, allowed) = (target.name.clone(), target.allow.rate);
                    return Err(OutOfBounds::Rate { target, rate, allowed });
                }
                _ => {}
            }
        }
        if self.step.is_some_and(|step| step < STEP_MIN || step > target.allow.lasting) {
            return Err(OutOfBounds::Step { target: target.name.clone(), allowed: target.allow.lasting });
        }
        Ok(())
    }
}
