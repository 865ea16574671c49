//! The peaks of pools and databases, as a task of [`super::measuring`].

use crate::app::measuring::SampledTask;
use engine::effects::{Point, Read};
use engine::headroom::Task;
use std::time::Duration;
use types::{Observation, Resource, Time};

/// Time between two reads of the newest peaks of one pool or database.
const READ_EVERY: Duration = Duration::from_secs(60);

impl SampledTask for Task {
    type Key = Resource;
    const LOOK_EVERY: Duration = Duration::from_secs(5);

    fn key(&self) -> Self::Key {
        self.resource().clone()
    }

    fn interval(&self) -> Duration {
        READ_EVERY
    }

    fn reads(&self, now: Time) -> Vec<Read> {
        Task::reads(self, now)
    }

    fn results(&self, _: Time, samples: &[Vec<Point>]) -> Vec<Observation> {
        vec![self.peaks(samples)]
    }
}
