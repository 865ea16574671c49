//! Runs a test: steps, recovery after a rate that was too much, its end.

use crate::rate_bound::RateBound;
use crate::recorder::Recorder;
use crate::sender::Sender;
use crate::target::{Target, TargetError};
use crate::timer::Timer;
use load::{Next, Overload, Production, Recovery, Search, Step, StepJudge};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;
use types::Time;
use types::config::LoadTarget;
use types::load_test::{LoadStep, LoadTest};

/// How often a step is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A request that is sent this late is late: the machine is too slow, or too busy.
const LATE: Duration = Duration::from_millis(100);
/// Requests that are sent in a row, at most, before the answers get their turn.
const BURST: u32 = 64;
/// Time between single requests while a target recovers.
const RECOVERY_INTERVAL: Duration = Duration::from_millis(250);
/// Timeout of a request: several times the highest latency, within these bounds.
const TIMEOUT_MIN: Duration = Duration::from_secs(2);
const TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Where a test runs.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The target.
    pub target: LoadTarget,
    /// Addresses that it must not have.
    pub production: Production,
    /// PEM files with additional trusted roots.
    pub ca_files: Vec<PathBuf>,
    /// Time at the start.
    pub at: Time,
}

/// Why there was no test.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The target cannot be tested.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The first request had no good answer.
    #[error("{url} does not answer well: {why}")]
    NoAnswer {
        /// The URL.
        url: String,
        /// What came instead.
        why: String,
    },
    /// This machine refused a timer or memory.
    #[error("this machine cannot send requests: {0}")]
    Machine(#[from] io::Error),
}

/// A step is over, or a person stops the test.
enum StepEnd {
    Over(LoadStep, Option<Overload>),
    Stopped,
}

struct Runner {
    target: Rc<Target>,
    sender: Sender,
    bound: RateBound,
    timer: Timer,
    timeout: Duration,
}

/// Runs a test on this thread, until it ends or `stop` resolves. `report` gets each step when it is over.
///
/// # Errors
/// When there was no test, see [`LoadError`].
pub async fn run(
    setting: Setting,
    search: Search,
    stop: impl Future<Output = ()>,
    report: impl FnMut(&LoadStep),
) -> Result<LoadTest, LoadError> {
    let local = LocalSet::new();
    local.run_until(run_local(setting, search, stop, report)).await
}

async fn run_local(
    setting: Setting,
    mut search: Search,
    stop: impl Future<Output = ()>,
    mut report: impl FnMut(&LoadStep),
) -> Result<LoadTest, LoadError> {
    let Setting { target, production, ca_files, at } = setting;
    let target = Rc::new(Target::resolve(&target, &production, &ca_files).await?);
    let mut stop = pin!(stop);
    let mut runner = Runner::new(target)?;
    let begin = Instant::now();
    runner.first_answer().await?;
    loop {
        match search.next(begin.elapsed()) {
            Next::Run(step) => match runner.step(step, &search, stop.as_mut()).await? {
                StepEnd::Over(step, overload) => {
                    report(&step);
                    search.measured(step, overload);
                }
                StepEnd::Stopped => search.stop(),
            },
            Next::Recover(recovery) => match runner.recover(recovery, stop.as_mut()).await? {
                Some(has_recovered) => search.recovered(has_recovered),
                None => search.stop(),
            },
            Next::End(_) => break,
        }
    }
    runner.sender.abort().await;
    Ok(search.into_test(at, begin.elapsed()))
}

impl Runner {
    fn new(target: Rc<Target>) -> Result<Self, LoadError> {
        let max_latency = target.declared.max_latency;
        let timeout = (max_latency * 4).clamp(TIMEOUT_MIN, TIMEOUT_MAX);
        Ok(Self {
            sender: Sender::new(Rc::clone(&target), recorder(&target)?, timeout),
            bound: RateBound::new(target.declared.allow.rate),
            timer: Timer::new()?,
            timeout,
            target,
        })
    }

    /// One request, before there is any load: most mistakes in a configuration end here.
    async fn first_answer(&mut self) -> Result<(), LoadError> {
        match self.single(self.timeout).await? {
            Ok(_) => Ok(()),
            Err(why) => Err(LoadError::NoAnswer { url: self.target.declared.url.clone(), why }),
        }
    }

    /// Sends one request alone; its latency, or why it has no good answer.
    async fn single(&mut self, patience: Duration) -> Result<Result<Duration, String>, LoadError> {
        if let Some(next) = self.bound.next() {
            self.timer.wait_until(next).await?;
        }
        self.sender.begin(recorder(&self.target)?);
        let begin = Instant::now();
        self.bound.sent(begin);
        self.sender.send(begin, false);
        while !self.sender.recorder().is_idle() && begin.elapsed() < patience {
            self.timer.wait_until(Instant::now() + Duration::from_millis(1)).await?;
        }
        let latency = begin.elapsed();
        let seen = self.sender.recorder().observed(latency, Instant::now());
        let failure = self.sender.recorder().last_failure.take();
        if seen.good > 0 {
            return Ok(Ok(latency));
        }
        self.sender.abort().await;
        Ok(Err(failure.unwrap_or_else(|| format!("no answer within {:.1} s", patience.as_secs_f64()))))
    }

    /// Runs one step.
    async fn step(
        &mut self,
        step: Step,
        search: &Search,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<StepEnd, LoadError> {
        let mut judge = StepJudge::new(&self.target.declared, step, search.totals());
        self.sender.begin(recorder(&self.target)?);
        let begin = Instant::now();
        let driven = tokio::select! {
            driven = self.drive(step, begin, &mut judge) => Some(driven?),
            () = &mut stop => None,
        };
        let Some((at, overload)) = driven else {
            self.sender.abort().await;
            return Ok(StepEnd::Stopped);
        };
        if overload.is_none() {
            // Every request has a latency: an answer, or its timeout.
            let until = Instant::now() + self.timeout + LOOK;
            while !self.sender.recorder().is_idle() && Instant::now() < until {
                self.timer.wait_until(Instant::now() + Duration::from_millis(5)).await?;
            }
        }
        let measured = self.sender.recorder().finish(at, Instant::now());
        if overload.is_some() {
            self.sender.abort().await;
        }
        Ok(StepEnd::Over(judge.finish(measured), overload))
    }

    /// Sends the requests of a step, each at its instant. When it ended, and why it did early.
    async fn drive(
        &mut self,
        step: Step,
        begin: Instant,
        judge: &mut StepJudge,
    ) -> Result<(Duration, Option<Overload>), LoadError> {
        let (requests, end) = (step.requests(), begin + step.lasting);
        let due_at = |number: u64| begin + offset(number, step.rate_milli);
        let (mut next, mut look) = (0, begin + LOOK);
        loop {
            let mut burst = 0;
            let mut now = Instant::now();
            let mut allowed = None;
            while next < requests && due_at(next) <= now && burst < BURST {
                allowed = self.bound.next().filter(|allowed| *allowed > now);
                if allowed.is_some() {
                    break;
                }
                let due = due_at(next);
                self.bound.sent(now);
                self.sender.send(due, now.saturating_duration_since(due) > LATE);
                (next, burst, now) = (next + 1, burst + 1, Instant::now());
            }
            if now >= look || now >= end {
                let at = now.saturating_duration_since(begin);
                let seen = self.sender.recorder().observed(at, now);
                let overload = judge.observe(seen);
                look = now + LOOK;
                if overload.is_some() || now >= end {
                    return Ok((at, overload));
                }
            }
            let due = if next < requests { due_at(next) } else { end };
            let wake = allowed.unwrap_or(due).min(look).min(end);
            self.timer.wait_until(wake).await?;
        }
    }

    /// Sends single requests until the target is as fast as before; whether it became that. `None`: a person stops the test.
    async fn recover(
        &mut self,
        recovery: Recovery,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Option<bool>, LoadError> {
        let until = Instant::now() + recovery.lasting;
        let patience = (recovery.latency * 4).max(Duration::from_secs(1));
        while Instant::now() < until {
            let answered = tokio::select! {
                answered = self.single(patience) => answered?,
                () = &mut stop => return Ok(None),
            };
            if answered.is_ok_and(|latency| latency <= recovery.latency) {
                return Ok(Some(true));
            }
            self.timer.wait_until(Instant::now() + RECOVERY_INTERVAL).await?;
        }
        Ok(Some(false))
    }
}

fn recorder(target: &Target) -> io::Result<Recorder> {
    let none = || io::Error::other("no histogram of latencies");
    Recorder::new(target.declared.max_latency).ok_or_else(none)
}

/// When a request of a step is due, from its beginning.
fn offset(number: u64, rate_milli: u64) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000_000 / u128::from(rate_milli.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
