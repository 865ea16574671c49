//! The effects of notes and changes, as a task of [`super::measuring`].

use crate::app::measuring::SampledTask;
use engine::effects::{Judged, Point, Read, Task};
use std::time::Duration;
use types::effect::ChangePoint;
use types::{Observation, Time};

/// Shortest and longest time between two measurements of the same change.
const MEASURE_EVERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

impl SampledTask for Task {
    type Key = Vec<ChangePoint>;
    const LOOK_EVERY: Duration = MEASURE_EVERY.0;

    fn key(&self) -> Self::Key {
        self.of().to_vec()
    }

    fn interval(&self) -> Duration {
        self.step().clamp(MEASURE_EVERY.0, MEASURE_EVERY.1)
    }

    fn reads(&self, now: Time) -> Vec<Read> {
        Task::reads(self, now)
    }

    fn results(&self, now: Time, samples: &[Vec<Point>]) -> Vec<Observation> {
        let Judged { of, effect, is_final } = self.judge(now, samples);
        of.into_iter().map(|of| Observation::Effect { of, effect: effect.clone(), is_final }).collect()
    }
}
