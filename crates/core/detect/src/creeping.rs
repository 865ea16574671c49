//! Levels that creep towards their limit: the medians of each series, and its alert.
//!
//! The method is that of the crate `statistics`; here is what is kept, and what the alert says. An alert is of severity info:
//! it opens no incident, pages no person and is not public.

use crate::alert::NewAlert;
use jiff::tz::TimeZone;
use statistics::creep::{Change, Creep, CreepDetector, PAST_MAX, PAST_STEP, STEPS_MAX, Series};
use std::collections::BTreeMap;
use std::time::Duration;
use types::fault::{Creeping, Level};
use types::series::{LevelSeries, Medians};
use types::time::{between, clock, earlier, formatted, later};
use types::{Alert, Fault, ProbeId, Severity, Time};

/// Steps between two updates of an open alert.
const NEWS_STEPS: u32 = 6;
/// Times further away are written with their day.
const SAME_DAY: Duration = Duration::from_hours(12);
/// Millionths of a unit.
const MICRO: f64 = 1_000_000.0;

/// All series since boot: at most three for each probe, and one for each service that the edge serves.
pub(crate) type Levels = BTreeMap<(ProbeId, Level), LevelMedians>;

/// The medians of one series since boot.
#[derive(Debug)]
pub(crate) struct LevelMedians {
    step: Duration,
    /// By the number of the step since 1970.
    steps: BTreeMap<i64, f64>,
    /// The same of steps of ten minutes, where the others are shorter.
    past: BTreeMap<i64, f64>,
    detector: CreepDetector,
    until: Time,
    changed: Option<Time>,
}

/// What medians mean for the alert of a series.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It opens, or gets new figures.
    Creeps(NewAlert),
    /// It is over.
    Ended,
}

impl LevelMedians {
    /// A series without history. `open` is the alert about it from before a restart.
    pub(crate) fn new(of: &LevelSeries, open: Option<&Alert>, now: Time) -> Self {
        let open = open.and_then(|alert| match &alert.fault {
            Fault::Creeping { creeping } => Some(creep_of(creeping, now)),
            _ => None,
        });
        Self {
            step: of.step,
            steps: BTreeMap::new(),
            past: BTreeMap::new(),
            detector: open.map(CreepDetector::resume).unwrap_or_default(),
            until: Time::MIN,
            changed: None,
        }
    }

    pub(crate) fn fits(&self, of: &LevelSeries) -> bool {
        self.step == of.step
    }

    /// End of the last step that was read.
    pub(crate) fn until(&self) -> Time {
        self.until
    }

    /// Takes medians over, and judges the series at the end of the last step.
    pub(crate) fn read(
        &mut self,
        of: &LevelSeries,
        medians: &Medians,
        until: Time,
        zone: &TimeZone,
    ) -> Option<Verdict> {
        let is_same = self.step == PAST_STEP;
        let kept = if is_same { PAST_MAX } else { STEPS_MAX };
        add(&mut self.steps, &medians.steps, self.step, until, kept);
        add(&mut self.past, &medians.past, PAST_STEP, until, PAST_MAX);
        if until <= self.until {
            return None;
        }
        self.until = until;
        let steps = row(&self.steps, self.step, until, STEPS_MAX);
        let past = row(if is_same { &self.steps } else { &self.past }, PAST_STEP, until, PAST_MAX);
        let limit = float(of.limit);
        match self.detector.observe(&Series { steps: &steps, step: self.step, past: &past, limit })? {
            Change::Creeps(creep) => Some(Verdict::Creeps(alert(of, &creep, until, zone))),
            Change::Ended => Some(Verdict::Ended),
        }
    }

    /// Whether an open alert is out of date: not more often than every sixth step, and only when the time to the limit or the
    /// level has changed by a sixth.
    pub(crate) fn has_news(&mut self, open: &Fault, new: &Fault, now: Time) -> bool {
        let (Fault::Creeping { creeping: was }, Fault::Creeping { creeping: new }) = (open, new) else {
            return true;
        };
        if self.changed.is_some_and(|at| between(at, now) < self.step * NEWS_STEPS) {
            return false;
        }
        let left = between(now, new.meets);
        let moved = between(was.meets, new.meets).max(between(new.meets, was.meets));
        let is_new = moved * 6 > left || new.to.abs_diff(was.to).saturating_mul(6) > new.to;
        if is_new {
            self.changed = Some(now);
        }
        is_new
    }
}

/// Adds medians, and forgets those that are too old.
fn add(known: &mut BTreeMap<i64, f64>, new: &[(Time, f64)], step: Duration, until: Time, kept: usize) {
    known.extend(new.iter().map(|(at, value)| (number(*at, step), *value)));
    let oldest = number(until, step).saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX));
    *known = known.split_off(&oldest);
}

/// The medians of the steps before `until`, the oldest first, from the first one that is known.
fn row(known: &BTreeMap<i64, f64>, step: Duration, until: Time, most: usize) -> Vec<Option<f64>> {
    let end = number(until, step);
    let begin = end.saturating_sub(i64::try_from(most).unwrap_or(i64::MAX));
    let first = known.range(begin..end).next().map_or(end, |(at, _)| *at);
    (first..end).map(|at| known.get(&at).copied()).collect()
}

/// The number of the step in which a time is.
fn number(at: Time, step: Duration) -> i64 {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    at.as_millisecond().div_euclid(step)
}

fn alert(of: &LevelSeries, creep: &Creep, now: Time, zone: &TimeZone) -> NewAlert {
    let (since, meets) = (earlier(now, creep.since), later(now, creep.meets_in));
    let clock = |at: Time| {
        let away = between(at, now).max(between(now, at));
        if away < SAME_DAY { clock(at, zone) } else { formatted(at, zone, "%a %-d %b %H:%M") }
    };
    let creeping = Creeping {
        level: of.level,
        since,
        from: micro(creep.from),
        to: micro(creep.to),
        per_hour: micro(creep.per_hour),
        limit: of.limit,
        meets,
        clocks: (clock(since), clock(meets)),
    };
    let evidence = format!("trend of medians of {}, above the same hours of the days before", of.probe);
    NewAlert {
        fault: Fault::Creeping { creeping: Box::new(creeping) },
        severity: Severity::Info,
        since,
        evidence,
    }
}

fn creep_of(creeping: &Creeping, now: Time) -> Creep {
    Creep {
        since: between(creeping.since, now),
        from: float(creeping.from),
        to: float(creeping.to),
        per_hour: float(creeping.per_hour),
        meets_in: between(now, creeping.meets),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; negative levels are 0"
)]
fn micro(value: f64) -> u64 {
    (value * MICRO).round().max(0.0) as u64
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
fn float(value: u64) -> f64 {
    value as f64 / MICRO
}
