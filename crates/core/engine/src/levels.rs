//! Which stored samples show whether a level creeps towards its limit: latency, connection slots, memory.
//!
//! Pure, as [`crate::effects`] is: a [`Task`] says which samples it needs, the binary reads them, and the medians come back as
//! an observation, which `detect` judges. `docs/concepts/creeping.md` has the method.

use crate::Engine;
use crate::causes::{CONNECTIONS, MEMORY};
use crate::effects::{EDGE_LATENCY, LATENCY, Point, Read, edge_subject};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use types::fault::Level;
use types::series::{LevelSeries, Medians};
use types::time::{between, earlier, later};
use types::{Kind, Observation, ServiceId, Time};

/// How far back the first read goes.
const PAST: Duration = Duration::from_hours(10 * 24);
/// Steps of the past.
const PAST_STEP: Duration = Duration::from_secs(600);
/// Most samples of one read, and of the first ones together: of a series with a sample each second, a week.
const SAMPLES_MAX: u32 = 60_000;
const FIRST_MAX: u32 = 605_000;
/// Samples of the last seconds may not be stored yet.
const LAG: Duration = Duration::from_secs(3);

/// Reading the newest medians of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    of: LevelSeries,
    /// Subject of the series.
    subject: String,
    metric: &'static str,
    /// Interval of its samples.
    interval: Duration,
    /// End of the last step that was read.
    known: Option<Time>,
}

/// What is to be read from stored samples.
pub(crate) fn tasks(engine: &Engine) -> Vec<Task> {
    let config = &engine.config;
    let task = |(of, known): (LevelSeries, Option<Time>)| {
        let is_edge = of.about.kind == Kind::Service && !config.probes.contains_key(&of.probe);
        let subject =
            if is_edge { edge_subject(&ServiceId(of.about.name.clone())) } else { of.probe.0.clone() };
        let metric = match of.level {
            Level::Latency if is_edge => EDGE_LATENCY,
            Level::Latency => LATENCY,
            Level::Connections => CONNECTIONS,
            Level::Memory => MEMORY,
        };
        let interval = config.probes.get(&of.probe).map_or(Duration::from_secs(1), |probe| probe.interval);
        Task { of, subject, metric, interval, known }
    };
    engine.detect.level_series(config).into_iter().map(task).collect()
}

impl Task {
    /// Names the series.
    #[must_use]
    pub fn key(&self) -> (String, &'static str) {
        (self.subject.clone(), self.metric)
    }

    /// Length of a step: when the next median can be read.
    #[must_use]
    pub fn step(&self) -> Duration {
        self.of.step
    }

    /// The samples that it needs, the oldest first: those of whole steps that are not known yet.
    #[must_use]
    pub fn reads(&self, now: Time) -> Vec<Read> {
        let read = |range| Read { subject: self.subject.clone(), metric: self.metric, range };
        let (end, most) = (self.end(now), self.interval.saturating_mul(SAMPLES_MAX));
        let mut from = self.begin(now);
        let ranges = std::iter::from_fn(|| {
            let to = later(from, most).min(end);
            (from < to).then(|| std::mem::replace(&mut from, to)..to)
        });
        ranges.map(read).collect()
    }

    /// The medians, from the samples of [`Task::reads`] in the same order; `None` when no step has ended.
    #[must_use]
    pub fn medians(&self, now: Time, samples: &[Vec<Point>]) -> Option<Observation> {
        let (from, until) = (self.begin(now), self.end(now));
        if from >= until {
            return None;
        }
        let points = || samples.iter().flatten();
        let steps = medians(points(), self.of.step, from..until);
        let past = if self.of.step == PAST_STEP {
            Vec::new()
        } else {
            medians(points(), PAST_STEP, aligned(from, PAST_STEP)..until)
        };
        let of = self.of.clone();
        Some(Observation::MediansRead { of, medians: Medians { steps, past }, until })
    }

    /// The first step that is not known. Steps of ten minutes that have not ended are read again.
    fn begin(&self, now: Time) -> Time {
        match self.known {
            Some(known) if self.of.step == PAST_STEP => known,
            Some(known) => aligned(known, PAST_STEP),
            None => aligned(earlier(now, PAST.min(self.interval.saturating_mul(FIRST_MAX))), self.of.step),
        }
    }

    /// End of the last whole step whose samples are stored.
    fn end(&self, now: Time) -> Time {
        let end = aligned(earlier(now, LAG), self.of.step);
        match self.known {
            Some(known) if between(known, end) < self.of.step => self.begin(now),
            _ => end,
        }
    }
}

/// The begin of the step in which a time is.
fn aligned(at: Time, step: Duration) -> Time {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    Time::from_millisecond(at.as_millisecond().div_euclid(step) * step).unwrap_or(at)
}

/// The median of the good samples of each step.
fn medians<'a>(
    points: impl Iterator<Item = &'a Point>,
    step: Duration,
    range: Range<Time>,
) -> Vec<(Time, f64)> {
    let mut steps: BTreeMap<Time, Vec<f64>> = BTreeMap::new();
    for point in points.filter(|point| point.ok && range.contains(&point.at) && point.value.is_finite()) {
        steps.entry(aligned(point.at, step)).or_default().push(point.value);
    }
    let median = |(at, mut values): (Time, Vec<f64>)| {
        let middle = values.len() / 2;
        (at, *values.select_nth_unstable_by(middle, f64::total_cmp).1)
    };
    steps.into_iter().map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{ProbeId, Resource};

    fn at(second: i64) -> Time {
        Time::from_second(1_800_000_000 + second).unwrap()
    }

    /// A series of a probe whose medians are known until a time.
    fn task(step: u64, interval: u64, known: Option<i64>) -> Task {
        let of = LevelSeries {
            about: Resource::host("a.example"),
            probe: ProbeId::from("http.a.example"),
            level: Level::Latency,
            limit: 2_000_000,
            step: Duration::from_secs(step),
        };
        let (subject, interval) = (of.probe.0.clone(), Duration::from_secs(interval));
        Task { of, subject, metric: LATENCY, interval, known: known.map(at) }
    }

    #[test]
    fn reads_are_whole_steps_that_are_not_known_yet() {
        let ranges = |step, interval, known| -> Vec<(i64, i64)> {
            let reads = task(step, interval, known).reads(at(1_230));
            let second = |at: Time| at.as_second() - 1_800_000_000;
            reads.into_iter().map(|read| (second(read.range.start), second(read.range.end))).collect()
        };
        assert_eq!(ranges(600, 30, None), [(1_200 - 864_000, 1_200)], "ten days in one read");
        assert_eq!(ranges(600, 30, Some(600)), [(600, 1_200)]);
        assert_eq!(ranges(600, 30, Some(1_200)), [], "no step has ended");
        assert_eq!(ranges(20, 1, Some(1_200)), [(1_200, 1_220)]);
        assert_eq!(ranges(20, 1, Some(1_180)), [(600, 1_220)], "with the ten minutes that have not ended");
        let week = ranges(20, 1, None);
        assert_eq!(week.len(), 11);
        assert!(week.iter().all(|(from, to)| to - from <= 60_000), "{week:?}");
        assert!(week.windows(2).all(|pair| pair[0].1 == pair[1].0), "{week:?}");
    }

    #[test]
    fn medians_are_those_of_good_samples_of_each_step() {
        let point = |second, value, ok| Point { at: at(second), value, ok };
        let samples = vec![
            vec![point(600, 0.1, true), point(630, 0.9, true), point(660, 0.2, true), point(690, 9.0, false)],
            vec![point(1_190, 0.2, true), point(1_205, 5.0, true)],
        ];
        let read = task(600, 30, Some(600)).medians(at(1_230), &samples);
        let Some(Observation::MediansRead { medians, until, .. }) = read else {
            unreachable!("a step has ended")
        };
        assert_eq!(medians, Medians { steps: vec![(at(600), 0.2)], past: Vec::new() });
        assert_eq!(until, at(1_200));
        assert!(task(600, 30, Some(1_200)).medians(at(1_230), &samples).is_none());
        // Shorter steps have those of ten minutes beside them.
        let read = task(20, 1, Some(1_180)).medians(at(1_223), &samples);
        let Some(Observation::MediansRead { medians, .. }) = read else { unreachable!("a step has ended") };
        assert_eq!(medians.past, [(at(600), 0.2), (at(1_200), 5.0)]);
        assert_eq!(medians.steps.len(), 5);
    }
}
