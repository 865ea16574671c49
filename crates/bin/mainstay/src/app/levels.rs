//! Medians of levels that have a limit, as a task of [`super::measuring`].

use crate::app::measuring::SampledTask;
use engine::effects::{Point, Read};
use engine::levels::Task;
use std::time::Duration;
use types::{Observation, Time};

/// Looks in a step, so that a step is read soon after it has ended.
const LOOKS: u32 = 10;

impl SampledTask for Task {
    type Key = (String, &'static str);
    const LOOK_EVERY: Duration = Duration::from_secs(2);

    fn key(&self) -> Self::Key {
        Task::key(self)
    }

    fn interval(&self) -> Duration {
        self.step() / LOOKS
    }

    fn reads(&self, now: Time) -> Vec<Read> {
        Task::reads(self, now)
    }

    fn results(&self, now: Time, samples: &[Vec<Point>]) -> Vec<Observation> {
        self.medians(now, samples).into_iter().collect()
    }
}
