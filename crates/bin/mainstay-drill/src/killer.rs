//! Kills mainstay at random times of a drill, or when its script says so, and starts it again.

use crate::child::Child;
use crate::stage::Stage;
use mainstay::Failure;
use std::time::Duration;
use tokio::time::Instant;

/// The child process, and the kills that are still to come.
pub(crate) struct Killer {
    /// `None` while it is without power.
    child: Option<Child>,
    left: u32,
    /// Kills so far.
    pub kills: u32,
    rng: fastrand::Rng,
    next: Option<Instant>,
}

impl Killer {
    pub(crate) fn new(child: Child, kills: u32, seed: u64) -> Self {
        Self { child: Some(child), left: kills, kills: 0, rng: fastrand::Rng::with_seed(seed), next: None }
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
        if self.child.is_some() && self.next.is_some_and(|at| at <= Instant::now()) {
            self.take_down().await?;
            self.bring_up(stage).await?;
            self.kills += 1;
            self.left -= 1;
            self.next = (self.left > 0).then(|| self.next_time());
        }
        Ok(())
    }

    /// Kills the process; it stays down.
    pub(crate) async fn take_down(&mut self) -> Result<(), Failure> {
        match self.child.take() {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// Starts the process after [`Killer::take_down`].
    pub(crate) async fn bring_up<S>(&mut self, stage: &Stage<S>) -> Result<(), Failure> {
        if self.child.is_none() {
            self.child = Some(Child::start(stage).await?);
        }
        Ok(())
    }

    /// Ends the process in order, at the end of the drill.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        match self.child {
            Some(child) => child.stop().await,
            None => Ok(()),
        }
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
