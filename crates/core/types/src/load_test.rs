//! Load tests: how many requests a second a service can answer, measured outside production.
//!
//! Rates are in thousandths of a request per second, durations in microseconds: the journal holds no floating point.

use crate::{ServiceId, Time};
use serde::{Deserialize, Serialize};

/// Maximum of steps that one test keeps.
pub const STEPS_MAX: usize = 100;

/// What one load test measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadTest {
    /// Name of the target: `[load.NAME]`.
    pub target: String,
    /// The service whose capacity it measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// Start.
    pub at: Time,
    /// Duration in seconds.
    pub secs: u32,
    /// Servers behind the target.
    pub servers: u32,
    /// Steps in the order in which they ran, at most [`STEPS_MAX`].
    pub steps: Vec<LoadStep>,
    /// Why it ended.
    pub ended: LoadEnd,
    /// The knee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knee: Option<Knee>,
}

/// One step: requests arrive at one rate, whether or not the answers keep up (open loop).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadStep {
    /// Asked rate of arrivals, in thousandths of a request per second.
    pub asked_milli: u64,
    /// Rate of good answers, in thousandths of a request per second.
    pub achieved_milli: u64,
    /// Duration in milliseconds.
    pub millis: u64,
    /// Requests that were due in it.
    pub due: u64,
    /// Good answers.
    pub good: u64,
    /// Answers with an unexpected status, lost connections, and requests without an answer in time.
    pub failed: u64,
    /// Median latency in microseconds, from the instant at which a request was due (no coordinated omission).
    pub p50_us: u64,
    /// 90th percentile, likewise.
    pub p90_us: u64,
    /// 99th percentile, likewise.
    pub p99_us: u64,
    /// Highest latency, likewise.
    pub max_us: u64,
    /// Whether the service kept up with it.
    pub kept_up: bool,
}

/// The knee: the highest rate with which a service keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knee {
    /// The rate, in thousandths of a request per second.
    pub rate_milli: u64,
    /// The lowest rate that was too much; `None` when every rate up to the bound was kept up with, so that the knee is higher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond_milli: Option<u64>,
    /// The lowest rate at which p99 was twice that of the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_doubles_milli: Option<u64>,
    /// Median latency just below the knee, in microseconds.
    pub p50_us: u64,
}

impl LoadTest {
    /// Whether it ended by itself, with a result that can be relied on.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        self.knee.is_some()
            && matches!(self.ended, LoadEnd::Complete | LoadEnd::AtBound | LoadEnd::NotRecovered)
    }
}

impl Knee {
    /// Whether the knee was found, not only a lower bound of it.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.beyond_milli.is_some()
    }
}

/// Why a load test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadEnd {
    /// All of its steps ran, or the knee was found.
    Complete,
    /// The highest allowed rate was kept up with.
    AtBound,
    /// Too many requests failed: the error budget was spent.
    ErrorBudget,
    /// No request had a good answer.
    NoAnswer,
    /// After a rate that was too much the target did not become as fast as before.
    NotRecovered,
    /// The machine that sends the requests could not send more; the target may be capable of more.
    SenderLimit,
    /// The highest allowed duration was over.
    TimeBound,
    /// A person stopped it.
    Stopped,
}
