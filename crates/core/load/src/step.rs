//! Judges one step: while it runs, so that overload ends as soon as it is certain, and when it has ended.

use std::collections::VecDeque;
use std::time::Duration;
use types::config::LoadTarget;
use types::load_test::LoadStep;

/// Answers within the measured part of a step, in thousandths of the requests of that time, at which a target keeps up.
const KEPT_UP: u64 = 970;
/// Requests by which the answers may lag behind in addition: of few requests one is more than three percent.
const SLACK: u64 = 2;
/// A backlog that grows for this long is no pause.
const GROWING: Duration = Duration::from_millis(500);
/// A backlog is too long when the requests of this part of the highest latency were added to it, and at least a few.
const BACKLOG_PART: f64 = 4.0;
const BACKLOG_MIN: f64 = 10.0;
/// Failed requests of a step that are no accident.
const FAILED_MIN: u64 = 5;
/// Ended requests of a step, at least, before its failures count.
const ENDED_MIN: u64 = 20;
/// Failed requests of a test that are always within its error budget: each rate that is too much has a few.
const BUDGET_MIN: u64 = 50;
/// Part of the requests of a step that may be sent late: one in ten.
const LATE_PART: u64 = 10;

/// One step to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Rate of arrivals, in thousandths of a request per second.
    pub rate_milli: u64,
    /// Its beginning that does not count.
    pub settle: Duration,
    /// Its duration, with that beginning.
    pub lasting: Duration,
}

impl Step {
    /// Number of requests that are due in it.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let millis = u64::try_from(self.lasting.as_millis()).unwrap_or(u64::MAX);
        (self.rate_milli.saturating_mul(millis) / 1_000_000).max(1)
    }
}

/// Requests of the steps so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    due: u64,
    failed: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, due: u64, failed: u64) {
        self.due += due;
        self.failed += failed;
    }

    /// Whether the error budget is spent.
    pub(crate) fn is_spent(self, budget: f64) -> bool {
        self.failed > BUDGET_MIN && self.failed as f64 > budget * self.due as f64
    }
}

/// Counters of a step at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Time since the step began.
    pub at: Duration,
    /// Requests that were due.
    pub due: u64,
    /// Good answers.
    pub good: u64,
    /// Answers with another status, lost connections, and requests without an answer in time.
    pub failed: u64,
    /// Good answers that took longer than the highest latency, and requests that have been waiting for longer.
    pub slow: u64,
    /// Requests that this machine sent late although a connection was free.
    pub late: u64,
}

impl Observed {
    /// Requests without an answer.
    fn backlog(&self) -> u64 {
        self.due.saturating_sub(self.good + self.failed)
    }
}

/// Why a rate is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// p99 is above the highest latency.
    Slow,
    /// The answers lag behind the requests, more and more.
    Backlog,
    /// Too many requests of this step fail.
    Failing,
    /// Too many requests of the whole test have failed.
    BudgetSpent,
    /// This machine cannot send as many requests.
    SenderLimit,
}

/// What a step measured when it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Counters after its last request was answered, or given up.
    pub last: Observed,
    /// Median latency in microseconds.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Highest latency.
    pub max_us: u64,
}

/// The judge of one step.
#[derive(Clone, Debug)]
pub struct StepJudge {
    step: Step,
    max_latency: Duration,
    budget: f64,
    before: Totals,
    /// Time and backlog of the last half second.
    backlogs: VecDeque<(Duration, u64)>,
    settled: Option<Observed>,
    end: Observed,
    overload: Option<Overload>,
}

impl StepJudge {
    /// The judge of a step after others.
    #[must_use]
    pub fn new(target: &LoadTarget, step: Step, before: Totals) -> Self {
        Self {
            step,
            max_latency: target.max_latency,
            budget: target.error_budget,
            before,
            backlogs: VecDeque::new(),
            settled: None,
            end: Observed::default(),
            overload: None,
        }
    }

    /// Takes over the counters while requests are due, several times a second and at the end. Why the rate is too much, as
    /// soon as that is certain: then the step has to end.
    pub fn observe(&mut self, now: Observed) -> Option<Overload> {
        if self.settled.is_none() && now.at >= self.step.settle {
            self.settled = Some(now);
        }
        self.end = now;
        self.overload = self.overload.or_else(|| self.judge(now));
        self.overload
    }

    fn judge(&mut self, now: Observed) -> Option<Overload> {
        let requests = self.step.requests();
        let mut totals = self.before;
        totals.add(now.due, now.failed);
        if totals.is_spent(self.budget) {
            return Some(Overload::BudgetSpent);
        }
        let ended = now.good + now.failed;
        if now.failed >= FAILED_MIN && ended >= ENDED_MIN && now.failed as f64 > self.budget * ended as f64 {
            return Some(Overload::Failing);
        }
        if now.late > requests.div_ceil(LATE_PART) {
            return Some(Overload::SenderLimit);
        }
        // One percent of all of its requests: whatever follows, p99 is above it.
        if now.slow > (requests / 100).max(1) {
            return Some(Overload::Slow);
        }
        // In its beginning the backlog grows to what is usual at this rate.
        let usual = self.settled?;
        let is_growing = self.is_growing(now.at, now.backlog());
        let grown = now.backlog().saturating_sub(usual.backlog());
        let much = self.step.rate_milli as f64 / 1_000.0 * self.max_latency.as_secs_f64() / BACKLOG_PART;
        (is_growing && grown as f64 > much.max(BACKLOG_MIN)).then_some(Overload::Backlog)
    }

    /// Whether the backlog has become longer at every look for half a second.
    fn is_growing(&mut self, at: Duration, backlog: u64) -> bool {
        if self.backlogs.back().is_some_and(|(_, before)| backlog <= *before) {
            self.backlogs.clear();
        }
        self.backlogs.push_back((at, backlog));
        while self.backlogs.get(1).is_some_and(|(next, _)| at.saturating_sub(*next) >= GROWING) {
            self.backlogs.pop_front();
        }
        self.backlogs.front().is_some_and(|(first, _)| at.saturating_sub(*first) >= GROWING)
    }

    /// Judges the step when it has ended.
    #[must_use]
    pub fn finish(self, measured: Measured) -> LoadStep {
        let Measured { last, p50_us, p90_us, p99_us, max_us } = measured;
        let from = self.settled.filter(|settled| settled.at < self.end.at).unwrap_or_default();
        let window = self.end.at.saturating_sub(from.at);
        let answered = (self.end.good + self.end.failed).saturating_sub(from.good + from.failed);
        let wanted = per(self.step.rate_milli, window);
        let failed_share = last.failed as f64 / (last.due.max(1)) as f64;
        let kept_up = self.overload.is_none()
            && (answered + SLACK) * 1_000 >= wanted * KEPT_UP
            && Duration::from_micros(p99_us) <= self.max_latency
            && failed_share <= self.budget;
        let good = self.end.good.saturating_sub(from.good);
        LoadStep {
            asked_milli: self.step.rate_milli,
            achieved_milli: rate(good, window),
            millis: u64::try_from(self.end.at.as_millis()).unwrap_or(u64::MAX),
            due: last.due,
            good: last.good,
            failed: last.failed,
            p50_us,
            p90_us,
            p99_us,
            max_us,
            kept_up,
        }
    }
}

/// Requests of a rate in a time.
fn per(rate_milli: u64, window: Duration) -> u64 {
    let micros = u128::from(rate_milli) * window.as_micros();
    u64::try_from(micros / 1_000_000_000).unwrap_or(u64::MAX)
}

/// The rate of a count in a time, in thousandths per second.
fn rate(count: u64, window: Duration) -> u64 {
    let rate = u128::from(count) * 1_000_000_000 / window.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}
