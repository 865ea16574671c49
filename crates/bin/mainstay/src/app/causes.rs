//! The ranking of likely causes, as a task of [`super::measuring`].

use crate::app::measuring::SampledTask;
use engine::causes::Task;
use engine::effects::{Point, Read};
use std::time::Duration;
use types::{IncidentId, Observation, Time};

/// Time between two rankings of one incident.
const RANK_EVERY: Duration = Duration::from_secs(20);

impl SampledTask for Task {
    type Key = IncidentId;
    const LOOK_EVERY: Duration = Duration::from_secs(3);

    fn key(&self) -> Self::Key {
        self.incident()
    }

    fn interval(&self) -> Duration {
        RANK_EVERY
    }

    fn reads(&self, now: Time) -> Vec<Read> {
        Task::reads(self, now)
    }

    fn results(&self, now: Time, samples: &[Vec<Point>]) -> Vec<Observation> {
        self.rank(now, samples).into_iter().collect()
    }
}
