//! Kills mainstay at random times of a drill and starts it again.

use crate::child::Child;
use crate::stage::Stage;
use mainstay::Failure;
use std::time::Duration;
use tokio::time::Instant;

/// The child process, and the kills that are still to come.
pub(crate) struct Killer {
    pub child: Child,
    left: u32,
    /// Kills so far.
    pub kills: u32,
    rng: fastrand::Rng,
    next: Option<Instant>,
}

impl Killer {
    pub(crate) fn new(child: Child, kills: u32, seed: u64) -> Self {
        Self { child, left: kills, kills: 0, rng: fastrand::Rng::with_seed(seed), next: None }
    }

    /// Schedules the first kill; called at the fault.
    pub(crate) fn begin(&mut self) {
        self.next = (self.left > 0).then(|| self.next_time());
    }

    fn next_time(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.rng.u64(100..6_000))
    }

    /// Kills and restarts the process when that is due.
    pub(crate) async fn poll<S>(&mut self, stage: &Stage<S>) -> Result<(), Failure> {
        if self.next.is_some_and(|at| at <= Instant::now()) {
            self.child.kill().await?;
            self.child = Child::start(stage).await?;
            self.kills += 1;
            self.left -= 1;
            self.next = (self.left > 0).then(|| self.next_time());
        }
        Ok(())
    }

    /// Waits until an instant, killing meanwhile.
    pub(crate) async fn wait_until<S>(&mut self, stage: &Stage<S>, at: Instant) -> Result<(), Failure> {
        while Instant::now() < at {
            self.poll(stage).await?;
            tokio::time::sleep_until((Instant::now() + Duration::from_millis(50)).min(at)).await;
        }
        Ok(())
    }
}
