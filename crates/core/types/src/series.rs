//! What stored samples of a series were like: buckets of a chart, days of a strip.

use crate::fault::Level;
use crate::{ProbeId, Resource, Time};
use std::time::Duration;

/// What a series was like in a stretch of time: a bucket of a chart. Values are those of good samples, and there are none
/// without one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub from: Time,
    /// Where it ends; the end is not part of it.
    pub to: Time,
    /// Samples.
    pub count: u64,
    /// Good samples.
    pub ok: u64,
    /// Values. `None` without a good sample.
    pub values: Option<Values>,
}

impl Bucket {
    /// Good samples by samples. `None` without a sample.
    #[must_use]
    pub fn ok_ratio(&self) -> Option<f64> {
        (self.count > 0).then(|| self.ok as f64 / self.count as f64)
    }
}

/// The values of good samples, in the unit of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Smallest value.
    pub min: f64,
    /// Mean value.
    pub mean: f64,
    /// Largest value.
    pub max: f64,
    /// Median, by nearest rank.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// A day of a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripDay {
    /// Midnight UTC, with which the day begins.
    pub from: Time,
    /// Samples.
    pub count: u64,
    /// Good samples.
    pub ok: u64,
}

impl StripDay {
    /// Good samples by samples. `None` without a sample.
    #[must_use]
    pub fn ok_ratio(&self) -> Option<f64> {
        (self.count > 0).then(|| self.ok as f64 / self.count as f64)
    }
}

/// A stored series of a level that has a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelSeries {
    /// The resource that alerts are about.
    pub about: Resource,
    /// The probe of these alerts; for a service at the edge `edge.NAME`.
    pub probe: ProbeId,
    /// What is measured.
    pub level: Level,
    /// Its limit, in millionths of a second or of a percent.
    pub limit: u64,
    /// Length of the steps of which medians are taken.
    pub step: Duration,
}

/// Medians of steps. A step without a good sample is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Medians {
    /// Begin of each step, with the median in it: seconds or percent.
    pub steps: Vec<(Time, f64)>,
    /// The same of steps of ten minutes; empty when the others have that length.
    pub past: Vec<(Time, f64)>,
}
