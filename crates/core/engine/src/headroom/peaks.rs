//! The highest half minute of each hour of the last 31 days, from stored samples.

use super::{POOL_AT_LIMIT, POOL_SERVED, pool_subject};
use crate::causes::CONNECTIONS;
use crate::effects::{Point, Read};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::ProbeKind;
use types::headroom::Peaks;
use types::time::{earlier, later};
use types::{Config, Kind, Observation, PoolId, Resource, ServiceId, Time};

/// How far back peaks are read: 30 whole days, and the one that has begun.
const PAST: Duration = Duration::from_secs(31 * 86_400);
/// Longest range of one read: the store returns a limited number of samples.
const READ_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Length of the mean that counts as a peak of requests.
const SLOT: i64 = 30;
/// Fewest samples of ten seconds in it.
const SLOT_SAMPLES: usize = 2;
/// Hours of a day that must have been measured for its peak to count.
const HOURS_MIN: usize = 18;
/// Most samples under overload that are kept: the newest.
const AT_LIMIT_MAX: usize = 2_000;

const HOUR: i64 = 3_600;
const DAY_HOURS: i64 = 24;

/// Peaks by hour.
#[derive(Debug, Default)]
pub(super) struct Hours {
    /// By the number of the hour since 1970.
    peaks: BTreeMap<i64, f64>,
    /// Requests a second of one server under overload, by the second since 1970.
    at_limit: BTreeMap<i64, f64>,
    /// Whether the past was read.
    is_read: bool,
}

/// Reading the peaks of one pool or database.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    resource: Resource,
    /// Subject of the series.
    subject: String,
    /// From where peaks are not known yet; the hour of the last one is read again.
    from: Time,
}

impl Hours {
    /// Takes over what was read.
    pub(super) fn add(&mut self, now: Time, hours: &[(Time, f64)], at_limit: &[(Time, f64)]) {
        self.is_read = true;
        self.peaks.extend(hours.iter().map(|(at, peak)| (hour(*at), *peak)));
        let oldest = hour(earlier(now, PAST));
        self.peaks.retain(|hour, _| *hour >= oldest);
        self.at_limit.extend(at_limit.iter().map(|(at, rate)| (at.as_second(), *rate)));
        while self.at_limit.len() > AT_LIMIT_MAX {
            self.at_limit.pop_first();
        }
    }

    pub(super) fn at_limit(&self) -> Vec<f64> {
        self.at_limit.values().copied().collect()
    }

    /// The highest of the last day, week and month.
    pub(super) fn peaks(&self, now: Time) -> Peaks {
        let highest = |days: i64| {
            let from = hour(now) - days * DAY_HOURS;
            self.peaks.range(from + 1..).map(|(_, peak)| *peak).reduce(f64::max)
        };
        Peaks { day: highest(1), week: highest(7), month: highest(30) }
    }

    /// The peak of each of the last 30 whole days of UTC, the oldest first; the first is one that was measured.
    pub(super) fn days(&self, now: Time) -> Vec<Option<f64>> {
        let today = hour(now).div_euclid(DAY_HOURS);
        let of_day = |day: i64| {
            let hours = self.peaks.range(day * DAY_HOURS..(day + 1) * DAY_HOURS);
            let (count, peak) = hours.fold((0, 0.0_f64), |(count, peak), (_, it)| (count + 1, peak.max(*it)));
            (count >= HOURS_MIN).then_some(peak)
        };
        (today - 30..today).map(of_day).skip_while(Option::is_none).collect()
    }
}

fn hour(at: Time) -> i64 {
    at.as_second().div_euclid(HOUR)
}

/// What is to be read now.
pub(super) fn tasks(
    known: &BTreeMap<Resource, Hours>,
    pools: &BTreeMap<PoolId, BTreeSet<ServiceId>>,
    config: &Config,
    now: Time,
) -> Vec<Task> {
    let task = |resource: Resource, subject: String| {
        let newest = known.get(&resource).filter(|hours| hours.is_read);
        // The hour before, too: its last samples were not stored yet when it was read.
        let from = match newest {
            Some(_) => Time::from_second((hour(now) - 1) * HOUR).unwrap_or(Time::MIN),
            None => earlier(now, PAST),
        };
        Task { resource, subject, from }
    };
    let of_pools = pools.keys().map(|pool| task(Resource::pool(&pool.0), pool_subject(pool)));
    let of_databases = config.probes.values().filter_map(|probe| match &probe.kind {
        ProbeKind::Database { name } => Some(task(Resource::database(name), probe.id.0.clone())),
        _ => None,
    });
    of_pools.chain(of_databases).collect()
}

impl Task {
    /// The pool or database.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The samples that it needs, the oldest first: in the first read those of overload.
    #[must_use]
    pub fn reads(&self, now: Time) -> Vec<Read> {
        let read = |metric, range| Read { subject: self.subject.clone(), metric, range };
        if self.resource.kind != Kind::Pool {
            return self.ranges(now).map(|range| read(CONNECTIONS, range)).collect();
        }
        let at_limit = read(POOL_AT_LIMIT, self.from..now);
        [at_limit].into_iter().chain(self.ranges(now).map(|range| read(POOL_SERVED, range))).collect()
    }

    fn ranges(&self, now: Time) -> impl Iterator<Item = std::ops::Range<Time>> {
        let mut from = self.from;
        std::iter::from_fn(move || {
            let to = later(from, READ_MAX).min(now);
            (from < to).then(|| std::mem::replace(&mut from, to)..to)
        })
    }

    /// The peaks, from the samples of [`Task::reads`] in the same order.
    #[must_use]
    pub fn peaks(&self, samples: &[Vec<Point>]) -> Observation {
        let resource = self.resource.clone();
        if self.resource.kind != Kind::Pool {
            let hours = highest(samples.iter().flatten().map(|point| (point.at, point.value / 100.0)));
            return Observation::PeaksRead { resource, hours, at_limit: Vec::new() };
        }
        let (at_limit, served) =
            samples.split_first().map_or((&[][..], &[][..]), |(one, rest)| (&**one, rest));
        Observation::PeaksRead {
            resource,
            hours: highest(half_minutes(served.iter().flatten())),
            at_limit: at_limit.iter().map(|point| (point.at, point.value)).collect(),
        }
    }
}

/// Means of half minutes, aligned to the minute.
fn half_minutes<'a>(points: impl Iterator<Item = &'a Point>) -> impl Iterator<Item = (Time, f64)> {
    let mut slots: BTreeMap<i64, (usize, f64)> = BTreeMap::new();
    for point in points.filter(|point| point.ok) {
        let slot = slots.entry(point.at.as_second().div_euclid(SLOT)).or_default();
        *slot = (slot.0 + 1, slot.1 + point.value);
    }
    slots.into_iter().filter(|(_, (count, _))| *count >= SLOT_SAMPLES).filter_map(|(slot, (count, sum))| {
        #[expect(clippy::cast_precision_loss, reason = "three samples")]
        let mean = sum / count as f64;
        Some((Time::from_second(slot * SLOT).ok()?, mean))
    })
}

/// The highest value of each hour.
fn highest(values: impl Iterator<Item = (Time, f64)>) -> Vec<(Time, f64)> {
    let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
    for (at, value) in values {
        let highest = hours.entry(hour(at)).or_insert(value);
        *highest = highest.max(value);
    }
    let at = |(hour, peak): (i64, f64)| Some((Time::from_second(hour * HOUR).ok()?, peak));
    hours.into_iter().filter_map(at).collect()
}
