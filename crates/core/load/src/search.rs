//! The rates of a test: a geometric ramp until the target no longer keeps up, then bisection until the knee is known within
//! five percent; or given rates.

use crate::asked::{Asked, OutOfBounds, Rates};
use crate::knee::knee;
use crate::step::{Overload, Step, Totals};
use std::collections::VecDeque;
use std::time::Duration;
use types::Time;
use types::config::LoadTarget;
use types::load_test::{LoadEnd, LoadStep, LoadTest, STEPS_MAX};

/// Factor from one step of the ramp to the next: small enough that the first rate beyond the knee is not far beyond it.
const RAMP: u64 = 1_500;
/// The ramp begins at this part of its highest rate, at most at [`FIRST_MAX`].
const FIRST_PART: u64 = 32;
/// Highest first rate, in thousandths: of a service whose capacity is not known, few of its requests a second can be too much.
const FIRST_MAX: u64 = 20_000;
/// Lowest rate, in thousandths.
const LOWEST: u64 = 1_000;
/// Width of the bracket at which the search ends, in thousandths of its lower end.
const WIDTH: u64 = 50;
/// Narrowest bracket, in thousandths.
const WIDTH_MIN: u64 = 200;
/// Requests in the measured part of a step, at least: fewer make no p99.
const REQUESTS_MIN: u64 = 100;
/// Length of the measured part of a step.
const MEASURED_MIN: Duration = Duration::from_secs(4);
/// Longest measured part of a step, where the rate is low.
const MEASURED_MAX: Duration = Duration::from_secs(20);
/// Beginning of a step that does not count: answers follow their requests by a latency.
const SETTLE_MIN: Duration = Duration::from_millis(500);
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// Longest wait until a target has recovered.
const RECOVERY: Duration = Duration::from_secs(30);
/// A target has recovered at this latency, or at four times its usual one.
const RECOVERED: Duration = Duration::from_millis(50);

/// Single requests until a target answers as fast as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Latency of a target that has recovered.
    pub latency: Duration,
    /// The longest wait.
    pub lasting: Duration,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A step.
    Run(Step),
    /// The target gets time to work off what the last step left.
    Recover(Recovery),
    /// The test has ended.
    End(LoadEnd),
}

/// A load test in progress.
#[derive(Clone, Debug)]
pub struct Search {
    target: LoadTarget,
    step: Option<Duration>,
    /// Rates that are given and have not run; `None` when the knee is searched.
    given: Option<VecDeque<u64>>,
    /// Highest rate, in thousandths.
    to: u64,
    /// Highest rate that was kept up with.
    low: Option<u64>,
    /// Rates that were too much, each with how often. Ascending.
    high: Vec<(u64, u32)>,
    steps: Vec<LoadStep>,
    totals: Totals,
    needs_recovery: bool,
    ended: Option<LoadEnd>,
}

impl Search {
    /// A test of a target.
    ///
    /// # Errors
    /// What was asked for is more than the configuration allows.
    pub fn new(target: &LoadTarget, asked: &Asked) -> Result<Self, OutOfBounds> {
        asked.check(target)?;
        let (given, to) = match &asked.rates {
            Rates::Knee(to) => (None, to.unwrap_or(target.allow.rate)),
            Rates::Given(rates) => {
                let milli = rates.iter().map(|rate| u64::from(*rate) * 1_000);
                (Some(milli.collect()), target.allow.rate)
            }
        };
        Ok(Self {
            step: asked.step,
            given,
            to: u64::from(to) * 1_000,
            target: target.clone(),
            low: None,
            high: Vec::new(),
            steps: Vec::new(),
            totals: Totals::default(),
            needs_recovery: false,
            ended: None,
        })
    }

    /// What is next, at this time since the test began.
    pub fn next(&mut self, elapsed: Duration) -> Next {
        let next = self.decide(elapsed);
        if let Next::End(end) = next {
            self.ended = Some(end);
        }
        next
    }

    fn decide(&mut self, elapsed: Duration) -> Next {
        if let Some(end) = self.ended {
            return Next::End(end);
        }
        let left = self.target.allow.lasting.saturating_sub(elapsed);
        if self.needs_recovery {
            return match left.is_zero() {
                true => Next::End(LoadEnd::TimeBound),
                false => {
                    Next::Recover(Recovery { latency: self.recovered_at(), lasting: RECOVERY.min(left) })
                }
            };
        }
        if self.steps.len() >= STEPS_MAX {
            return Next::End(LoadEnd::Complete);
        }
        let rate = match &mut self.given {
            Some(given) => given.pop_front().ok_or(LoadEnd::Complete),
            None => self.searched(),
        };
        match rate.map(|rate| self.step_of(rate)) {
            Ok(step) if step.lasting > left => Next::End(LoadEnd::TimeBound),
            Ok(step) => Next::Run(step),
            Err(end) => Next::End(end),
        }
    }

    /// The next rate of a search.
    fn searched(&self) -> Result<u64, LoadEnd> {
        let Some(low) = self.low else {
            return match self.high.first() {
                None => Ok(self.first()),
                Some((lowest, _)) if *lowest <= LOWEST => Err(LoadEnd::Complete),
                Some((lowest, _)) => Ok(rounded(lowest / 2).max(LOWEST)),
            };
        };
        let Some((high, times)) = self.high.first().copied() else {
            return if low >= self.to {
                Err(LoadEnd::AtBound)
            } else {
                Ok(rounded(low * RAMP / 1_000).min(self.to))
            };
        };
        if high - low > (low * WIDTH / 1_000).max(WIDTH_MIN) {
            let middle = rounded(low.saturating_mul(high).isqrt());
            if middle > low && middle < high {
                return Ok(middle);
            }
        }
        // A pause of the target, or of this machine, looks like too high a rate: it has to be too much twice.
        if times < 2 { Ok(high) } else { Err(LoadEnd::Complete) }
    }

    fn first(&self) -> u64 {
        rounded((self.to / FIRST_PART).clamp(LOWEST, FIRST_MAX)).min(self.to)
    }

    /// The step of a rate: long enough that its answers and a backlog can be told from each other.
    fn step_of(&self, rate_milli: u64) -> Step {
        let settle = self.target.max_latency.clamp(SETTLE_MIN, SETTLE_MAX);
        let enough = Duration::from_millis(REQUESTS_MIN * 1_000_000 / rate_milli.max(1));
        let measured = enough.clamp(MEASURED_MIN, MEASURED_MAX).max(settle * 2);
        let lasting = self.step.unwrap_or(settle + measured);
        Step { rate_milli, settle: settle.min(lasting / 2), lasting }
    }

    fn recovered_at(&self) -> Duration {
        let max = self.target.max_latency;
        let usual = self.steps.iter().filter(|step| step.kept_up).map(|step| step.p50_us).min();
        usual.map_or(max / 2, |usual| Duration::from_micros(usual) * 4).min(max).max(RECOVERED)
    }

    /// Requests of the steps so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Takes over the measurements of a step, and why it was stopped early.
    pub fn measured(&mut self, step: LoadStep, overload: Option<Overload>) {
        self.totals.add(step.due, step.failed);
        let rate = step.asked_milli;
        if step.kept_up {
            self.low = self.low.max(Some(rate));
            self.high.retain(|(high, _)| *high > rate);
        } else {
            self.needs_recovery = true;
            match self.high.binary_search_by_key(&rate, |(high, _)| *high) {
                Ok(at) => self.high[at].1 += 1,
                Err(at) => self.high.insert(at, (rate, 1)),
            }
        }
        match overload {
            Some(Overload::SenderLimit) => self.ended = Some(LoadEnd::SenderLimit),
            _ if step.good == 0 && self.low.is_none() => self.ended = Some(LoadEnd::NoAnswer),
            _ if self.totals.is_spent(self.target.error_budget) => self.ended = Some(LoadEnd::ErrorBudget),
            _ => {}
        }
        self.steps.push(step);
    }

    /// Takes over whether the target has recovered.
    pub fn recovered(&mut self, has_recovered: bool) {
        self.needs_recovery = false;
        if !has_recovered {
            self.ended = self.ended.or(Some(LoadEnd::NotRecovered));
        }
    }

    /// A person ends the test.
    pub fn stop(&mut self) {
        self.ended = self.ended.or(Some(LoadEnd::Stopped));
    }

    /// The steps so far.
    #[must_use]
    pub fn steps(&self) -> &[LoadStep] {
        &self.steps
    }

    /// The result.
    #[must_use]
    pub fn into_test(self, at: Time, elapsed: Duration) -> LoadTest {
        let mut knee = knee(&self.steps);
        let ended = self.ended.unwrap_or(LoadEnd::Stopped);
        if ended == LoadEnd::SenderLimit {
            // What was too much may have been too much for the sender only.
            knee = knee.map(|knee| types::load_test::Knee { beyond_milli: None, ..knee });
        }
        LoadTest {
            target: self.target.name,
            service: self.target.service,
            at,
            secs: u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX),
            servers: self.target.servers,
            steps: self.steps,
            ended,
            knee,
        }
    }
}

/// A rate as a person would choose it: whole requests per second from 10/s on, otherwise tenths.
fn rounded(rate_milli: u64) -> u64 {
    let unit = if rate_milli >= 10_000 { 1_000 } else { 100 };
    (rate_milli + unit / 2) / unit * unit
}
