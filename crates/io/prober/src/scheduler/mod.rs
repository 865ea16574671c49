//! The scheduler: runs every probe of the configuration at its interval, thousands concurrently.
//!
//! | module | holds |
//! |---|---|
//! | `queue` | which probe is due when |
//! | `concurrency` | the limit of concurrent runs |

mod concurrency;
mod queue;

use crate::lag::Lag;
use crate::prober::Prober;
use crate::setup::{Clock, ProbeToken, SetupError};
use queue::Queue;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use types::config::Probe;
use types::{Config, ProbeId, ProbeResult, ProbeTargets, Time};

/// Maximum wait until the event loop takes a result. After that the result is dropped and the probe runs again.
const HAND_OVER: Duration = Duration::from_secs(10);
/// Wait when nothing is due.
const IDLE: Duration = Duration::from_hours(1);

/// Options of the scheduler.
#[derive(Clone)]
pub struct Options {
    /// Concurrent runs at most. By default as many as the limit of open files allows, 2,000 at most.
    pub max_concurrent: usize,
    /// Statistics of how late probes run.
    pub lag: Lag,
    /// Source of the time of day.
    pub clock: Clock,
    /// Source of tokens for mainstay's own edge.
    pub token: Option<ProbeToken>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_concurrent: concurrency::limit(),
            lag: Lag::default(),
            clock: Arc::new(Time::now),
            token: None,
        }
    }
}

/// Runs probes until `stop`, or until the channels of targets or results are closed.
///
/// Each probe is asked once a period, at an offset that depends on its name alone; and immediately, or at the time that
/// `ProbeTargets::sooner` says. No probe is ever asked twice at the same time. When the configuration changes, probes that did not change
/// keep their turns. A changed configuration that no prober can be set up by is reported in the log, and the last good setting goes on.
///
/// # Errors
/// The first configuration cannot be used.
pub async fn run(
    mut rounds: watch::Receiver<ProbeTargets>,
    out: mpsc::Sender<ProbeResult>,
    options: Options,
    stop: impl Future<Output = ()>,
) -> Result<(), SetupError> {
    let first = rounds.borrow_and_update().clone();
    let prober =
        Prober::with_clock(&first.config, Arc::clone(&options.clock))?.with_token(options.token.clone());
    run_until(Arc::new(prober), first, rounds, out, options, stop).await;
    Ok(())
}

/// Runs one probe: the prober, or a fake without sockets in tests.
trait Runner: Send + Sync + Sized + 'static {
    fn run(&self, probe: &Probe) -> impl Future<Output = ProbeResult> + Send;
    /// A runner for a changed configuration; `None` to keep the present one.
    fn adopt(&self, config: &Config) -> Option<Self>;
}

impl Runner for Prober {
    fn run(&self, probe: &Probe) -> impl Future<Output = ProbeResult> + Send {
        Prober::run(self, probe)
    }

    fn adopt(&self, config: &Config) -> Option<Self> {
        Prober::adopt(self, config)
            .inspect_err(|error| {
                tracing::error!("the changed configuration is not used for probing: {error}")
            })
            .ok()
    }
}

async fn run_until<A: Runner>(
    mut runner: Arc<A>,
    first: ProbeTargets,
    mut rounds: watch::Receiver<ProbeTargets>,
    out: mpsc::Sender<ProbeResult>,
    options: Options,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let mut queue = Queue::new(Instant::now());
    let mut in_flight = InFlight { tasks: JoinSet::new(), probes: HashMap::new(), lag: options.lag.clone() };
    let mut config = first.config;
    queue.adopt(&config, Instant::now());
    queue.set_sooner(&first.sooner);
    loop {
        while in_flight.tasks.len() < options.max_concurrent.max(1)
            && let Some(due) = queue.next(Instant::now(), (options.clock)())
        {
            if let Some(turn) = due.turn {
                options.lag.record(turn.elapsed(), due.probe.interval);
            }
            in_flight.start(Arc::clone(&runner), due.probe, out.clone());
        }
        let room = in_flight.tasks.len() < options.max_concurrent.max(1);
        let now = Instant::now();
        let wake = queue.wake(now, (options.clock)()).unwrap_or(now + IDLE);
        tokio::select! {
            () = &mut stop => break,
            () = out.closed() => break,
            changed = rounds.changed() => {
                if changed.is_err() {
                    break;
                }
                let rounds = rounds.borrow_and_update().clone();
                if !Arc::ptr_eq(&rounds.config, &config) {
                    config = Arc::clone(&rounds.config);
                    runner = runner.adopt(&config).map_or(runner, Arc::new);
                    queue.adopt(&config, Instant::now());
                }
                queue.set_sooner(&rounds.sooner);
            }
            Some(ended) = in_flight.tasks.join_next_with_id() => {
                if let Some((probe, delivered)) = in_flight.finish(ended) {
                    queue.ended(&probe, delivered);
                }
            }
            () = sleep_until(wake), if room => {}
        }
    }
}

/// Runs in progress.
struct InFlight {
    /// Each returns whether its result was delivered.
    tasks: JoinSet<bool>,
    probes: HashMap<Id, ProbeId>,
    lag: Lag,
}

impl InFlight {
    fn start<A: Runner>(&mut self, runner: Arc<A>, probe: Arc<Probe>, out: mpsc::Sender<ProbeResult>) {
        let id = probe.id.clone();
        let task = self.tasks.spawn(async move {
            let sample = runner.run(&probe).await;
            matches!(timeout(HAND_OVER, out.send(sample)).await, Ok(Ok(())))
        });
        self.probes.insert(task.id(), id);
    }

    fn finish(&mut self, ended: Result<(Id, bool), JoinError>) -> Option<(ProbeId, bool)> {
        let (task, delivered) = match ended {
            Ok((task, delivered)) => {
                if !delivered {
                    self.lag.record_lost();
                }
                (task, delivered)
            }
            // An internal error in a run. It counts as delivered: a probe that fails every time must not run
            // without end.
            Err(error) => {
                self.lag.record_lost();
                tracing::error!("a probe run failed by an internal error: {error}");
                (error.id(), true)
            }
        };
        self.probes.remove(&task).map(|probe| (probe, delivered))
    }
}

#[cfg(test)]
mod tests;
