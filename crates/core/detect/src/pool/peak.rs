//! The peak of a pool: the highest number of members that served together in the last 7 days.
//!
//! The journal has one event when the peak grows and one a day: of each day the highest number, so that a pool that was
//! made smaller on purpose is measured by its new size a week later.

use std::collections::VecDeque;
use std::time::Duration;
use types::Time;
use types::time::{between, later};

/// Time for which a peak is remembered.
const REMEMBERED_FOR: Duration = Duration::from_hours(7 * 24);
/// A number counts when it held for this long: a member that comes and goes makes no peak.
const HELD_FOR: Duration = Duration::from_mins(1);
/// Shortest time between two events while a pool grows.
const GROWTH_INTERVAL: Duration = Duration::from_mins(10);
/// Time between two events otherwise.
const CONFIRM_INTERVAL: Duration = Duration::from_hours(24);
/// Looks that are kept to see whether a number holds.
const LOOKS_MAX: usize = 1_200;

/// Recorded peaks of a pool, oldest first; each is higher than all that follow.
pub(crate) type Records = Vec<(Time, u32)>;

/// Adds a record. Older ones that are not higher say nothing more.
pub(crate) fn record(records: &mut Records, at: Time, serving: u32) {
    records.retain(|(was_at, was)| *was > serving && between(*was_at, at) <= REMEMBERED_FOR);
    records.push((at, serving));
}

/// The remembered peak; 0 when none is known.
pub(crate) fn remembered(records: &[(Time, u32)], now: Time) -> u32 {
    let known = records.iter().filter(|(at, _)| now <= later(*at, REMEMBERED_FOR));
    known.map(|(_, serving)| *serving).max().unwrap_or_default()
}

/// What was seen since boot.
#[derive(Debug, Default)]
pub(crate) struct PeakWatch {
    recent: VecDeque<(Time, u32)>,
    /// Highest number that held since the last record.
    best: u32,
}

impl PeakWatch {
    /// Notes how many members serve.
    pub(crate) fn note(&mut self, serving: u32, now: Time) {
        self.recent.push_back((now, serving));
        // One look that is at least as old as the time to hold stays.
        while self.recent.len() > LOOKS_MAX
            || self.recent.get(1).is_some_and(|(at, _)| between(*at, now) >= HELD_FOR)
        {
            self.recent.pop_front();
        }
        let whole = self.recent.front().is_some_and(|(at, _)| between(*at, now) >= HELD_FOR);
        let held = self.recent.iter().map(|(_, serving)| *serving).min().filter(|_| whole);
        self.best = self.best.max(held.unwrap_or_default());
    }

    /// The present peak.
    pub(crate) fn peak(&self, records: &[(Time, u32)], now: Time) -> u32 {
        remembered(records, now).max(self.best)
    }

    /// The peak to record now, if one is due.
    pub(crate) fn news(&mut self, records: &[(Time, u32)], now: Time) -> Option<u32> {
        let age = records.last().map_or(Duration::MAX, |(at, _)| between(*at, now));
        let grew = self.best > remembered(records, now) && age >= GROWTH_INTERVAL;
        if self.best == 0 || !(grew || age >= CONFIRM_INTERVAL) {
            return None;
        }
        Some(std::mem::take(&mut self.best))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 10 s; returns the events as (minute, serving).
    fn run(
        watch: &mut PeakWatch,
        records: &mut Records,
        minutes: std::ops::Range<i64>,
        serving: impl Fn(i64) -> u32,
    ) -> Vec<(i64, u32)> {
        let mut events = Vec::new();
        for secs in (minutes.start * 60..minutes.end * 60).step_by(10) {
            let now = Time::from_second(1_795_000_000 + secs).unwrap();
            watch.note(serving(secs / 60), now);
            if let Some(peak) = watch.news(records, now) {
                record(records, now, peak);
                events.push((secs / 60, peak));
            }
        }
        events
    }

    #[test]
    fn growth_is_recorded_seldom_and_a_smaller_pool_is_forgotten_after_a_week() {
        let (mut watch, mut records) = (PeakWatch::default(), Records::new());
        // One server more each minute.
        let grown = run(&mut watch, &mut records, 0..30, |minute| u32::try_from(minute.min(19) + 1).unwrap());
        assert_eq!(grown, [(1, 1), (11, 11), (21, 20)]);
        let day = 24 * 60;
        // At night 6 serve, by day 20, for ten days; then it was made smaller.
        let daily =
            run(&mut watch, &mut records, 30..10 * day, |minute| if minute % day < 480 { 6 } else { 20 });
        assert!(daily.len() <= 10 && daily.iter().all(|(_, peak)| *peak == 20), "{daily:?}");
        let smaller = run(&mut watch, &mut records, 10 * day..16 * day, |_| 6);
        assert!(smaller.len() <= 7, "{smaller:?}");
        let at = |minutes: i64| Time::from_second(1_795_000_000 + minutes * 60).unwrap();
        assert_eq!(watch.peak(&records, at(16 * day)), 20);
        run(&mut watch, &mut records, 16 * day..18 * day, |_| 6);
        assert_eq!(watch.peak(&records, at(18 * day)), 6);
        assert!(records.len() <= 2, "{records:?}");
    }

    #[test]
    fn a_flicker_is_no_peak() {
        let (mut watch, mut records) = (PeakWatch::default(), Records::new());
        assert_eq!(
            run(&mut watch, &mut records, 0..60, |minute| if minute % 2 == 0 { 3 } else { 2 }),
            [(1, 2)]
        );
    }
}
