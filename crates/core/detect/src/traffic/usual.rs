//! Usual traffic of a service, learned from minutes without trouble.
//!
//! The busiest usual hour counts: a morning after a quiet night is no surge. Seconds with refused requests or during a
//! surge do not count; a surge that is served for half an hour is the new usual rate.

use std::collections::VecDeque;
use std::time::Duration;
use types::Time;
use types::time::between;

/// Length of a slice; a slice with unusual traffic in it is discarded.
const SLICE: Duration = Duration::from_secs(5);
/// Number of slices that are enough until there are minutes.
const SLICES_MIN: usize = 3;
const SLICES_MAX: usize = 36;
/// Slices of a minute, and how many of them must be usual.
const SLICES_A_MINUTE: u32 = 12;
const CLEAN_MIN: u32 = 6;
const MINUTES_MIN: usize = 3;
const MINUTES_MAX: usize = 60;
const HOURS_MAX: usize = 24;
/// A change is recorded from this factor on, and at most once per interval.
const FACTOR: u64 = 2;
const RECORD_INTERVAL: Duration = Duration::from_secs(3_600);

/// Learned rates since boot, in thousandths of requests per second.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    slice: Slice,
    slices: VecDeque<u64>,
    minute: Minute,
    minutes: VecDeque<u64>,
    minutes_in_hour: usize,
    hours: VecDeque<u64>,
}

#[derive(Debug, Default)]
struct Slice {
    span: Duration,
    requests: u64,
    unusual: bool,
}

#[derive(Debug, Default)]
struct Minute {
    slices: u32,
    clean: u32,
    sum: u64,
}

impl Usual {
    /// Counts a roll-up; with `unusual` it is discarded.
    pub(crate) fn note(&mut self, span: Duration, requests: u64, unusual: bool) {
        self.slice.span += span;
        self.slice.requests += requests;
        self.slice.unusual |= unusual;
        if self.slice.span < SLICE {
            return;
        }
        let slice = std::mem::take(&mut self.slice);
        let millis = u64::try_from(slice.span.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = slice.requests.saturating_mul(1_000_000) / millis;
        if !slice.unusual {
            push(&mut self.slices, rate, SLICES_MAX);
            self.minute.clean += 1;
            self.minute.sum = self.minute.sum.saturating_add(rate);
        }
        self.minute.slices += 1;
        if self.minute.slices < SLICES_A_MINUTE {
            return;
        }
        let minute = std::mem::take(&mut self.minute);
        if minute.clean < CLEAN_MIN {
            return;
        }
        push(&mut self.minutes, minute.sum / u64::from(minute.clean), MINUTES_MAX);
        self.minutes_in_hour += 1;
        if self.minutes_in_hour >= MINUTES_MAX {
            self.minutes_in_hour = 0;
            push(&mut self.hours, median(&self.minutes), HOURS_MAX);
        }
    }

    fn learned(&self) -> Option<u64> {
        if self.minutes.len() >= MINUTES_MIN {
            let hours = self.hours.iter().copied();
            return Some(hours.chain([median(&self.minutes)]).max().unwrap_or_default());
        }
        (self.slices.len() >= SLICES_MIN).then(|| median(&self.slices))
    }

    /// The usual rate, with the recorded one taken into account; `None` without any requests.
    pub(crate) fn rate(&self, recorded: Option<(u64, Time)>) -> Option<u64> {
        let recorded = recorded.map(|(rate, _)| rate);
        let rate = match (recorded, self.learned()) {
            (recorded, None) => recorded,
            (_, learned) if self.hours.len() >= HOURS_MAX => learned,
            (recorded, learned) => recorded.max(learned),
        };
        rate.filter(|rate| *rate > 0)
    }

    /// The rate that is to be recorded, if it has changed.
    pub(crate) fn news(&self, recorded: Option<(u64, Time)>, now: Time) -> Option<u64> {
        let rate = self.rate(recorded)?;
        let Some((was, at)) = recorded else { return Some(rate) };
        let other = rate >= was.saturating_mul(FACTOR) || rate.saturating_mul(FACTOR) <= was;
        (other && between(at, now) >= RECORD_INTERVAL).then_some(rate)
    }

    /// Whether little is known yet, so that a high rate may be normal.
    pub(crate) fn is_young(&self, recorded: Option<(u64, Time)>, now: Time) -> bool {
        self.hours.is_empty() && recorded.is_none_or(|(_, at)| between(at, now) < RECORD_INTERVAL)
    }
}

fn push(all: &mut VecDeque<u64>, one: u64, most: usize) {
    if all.len() >= most {
        all.pop_front();
    }
    all.push_back(one);
}

fn median(all: &VecDeque<u64>) -> u64 {
    let mut sorted: Vec<u64> = all.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;

    fn usual(minutes: &[(u64, u64, bool)]) -> Usual {
        let mut usual = Usual::default();
        for (count, rate, unusual) in minutes {
            (0..count * 60).for_each(|_| usual.note(Duration::from_secs(1), *rate, *unusual));
        }
        usual
    }

    #[test]
    fn busiest_usual_hour_counts() {
        for (minutes, rate, why) in [
            (&[][..], None, "no traffic"),
            (&[(10, 0, false)][..], None, "no requests"),
            (&[(1, 7, false)], Some(7_000), "one minute is enough"),
            (&[(10, 5, false), (10, 5_000, true)], Some(5_000), "a surge does not count"),
            (&[(10, 5, false), (2, 5_000, false)], Some(5_000), "nor does a short one that was served"),
            (&[(120, 50, false), (300, 1, false)], Some(50_000), "a quiet night does not lower the rate"),
            (
                &[(120, 50, false), (25 * 60, 1, false)],
                Some(1_000),
                "a busy day is forgotten after a quiet one",
            ),
        ] {
            assert_eq!(usual(minutes).rate(None), rate, "{why}");
        }
    }

    #[test]
    fn rate_survives_restart_and_is_rarely_recorded() {
        let noon: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let hour = Duration::from_secs(3_600);
        let seven = usual(&[(10, 7, false)]);
        assert_eq!(Usual::default().rate(Some((9_000, noon))), Some(9_000));
        for (recorded, after, news) in [
            (None, Duration::ZERO, Some(7_000)),
            (Some(7_000), hour, None),
            (Some(4_000), hour, None),
            (Some(3_000), hour, Some(7_000)),
            (Some(3_000), hour / 2, None),
            (Some(70_000), hour * 2, None),
        ] {
            let recorded = recorded.map(|rate| (rate, noon));
            assert_eq!(seven.news(recorded, later(noon, after)), news, "{recorded:?} {after:?}");
        }
    }
}
