//! Past states of a service: changes, days, uptime.

use crate::status_page::Day;
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::time::Duration;
use types::Time;
use types::event::ServiceState;
use types::time::{between, earlier};

/// Maximum number of changes that are kept: years of a stable service, months of an unstable one.
const CHANGES_MAX: usize = 10_000;

/// Maximum age of changes that are kept.
const BACK_MAX: Duration = Duration::from_secs(400 * 86_400);

/// A stretch of time in which a service was in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StateSpan {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// The state.
    pub state: ServiceState,
}

/// State changes of one service, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    changes: Vec<(Time, ServiceState)>,
    /// Start of the newest state, ignoring restarts of mainstay.
    since: Option<Time>,
}

impl History {
    pub(crate) fn current(&self) -> Option<(ServiceState, Time)> {
        Some((self.changes.last()?.1, self.since?))
    }

    pub(crate) fn changed(&mut self, at: Time, state: ServiceState) {
        self.since = Some(at);
        self.push(at, state);
    }

    /// Marks the time from `since` until `to` as unmonitored: it counts neither as up nor as down.
    pub(crate) fn unmonitored(&mut self, since: Time, to: Time) {
        let Some((last, state)) = self.changes.last().copied() else { return };
        let since = since.max(last);
        if since < to {
            self.push(since, ServiceState::Unknown);
            self.push(to, state);
        }
    }

    /// Start of the current outage, partial or major. Unmonitored time does not end an outage.
    pub(crate) fn out_since(&self) -> Option<Time> {
        let out = |state: ServiceState| state >= ServiceState::PartialOutage;
        self.changes.last().filter(|(_, state)| out(*state))?;
        let back = self.changes.iter().rev();
        let run = back.take_while(|(_, state)| out(*state) || *state == ServiceState::Unknown);
        run.filter(|(_, state)| out(*state)).last().map(|(at, _)| *at)
    }

    fn push(&mut self, at: Time, state: ServiceState) {
        match self.changes.last_mut() {
            Some(last) if last.0 >= at => last.1 = state,
            _ => self.changes.push((at, state)),
        }
        let oldest = earlier(at, BACK_MAX);
        // The state at the oldest instant is kept.
        let gone = self.changes.partition_point(|(at, _)| *at < oldest).saturating_sub(1);
        let too_many = self.changes.len().saturating_sub(CHANGES_MAX);
        if gone.max(too_many) > 0 {
            self.changes.drain(..gone.max(too_many));
        }
    }

    /// Each state between two instants; nothing before the first change.
    pub(crate) fn states(&self, from: Time, to: Time) -> impl Iterator<Item = StateSpan> {
        let first = self.changes.partition_point(|(at, _)| *at <= from).saturating_sub(1);
        let changes = &self.changes[first.min(self.changes.len())..];
        let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([Time::MAX]);
        changes
            .iter()
            .zip(ends)
            .take_while(move |((begin, _), _)| *begin < to)
            .map(move |((begin, state), end)| StateSpan {
                from: (*begin).max(from),
                to: end.min(to),
                state: *state,
            })
            .filter(|span| span.from < span.to)
    }

    /// Durations of each state between two instants.
    fn spans(&self, from: Time, to: Time) -> impl Iterator<Item = (Duration, ServiceState)> {
        self.states(from, to).map(|span| (between(span.from, span.to), span.state))
    }

    /// Returns one entry per day, in the order of the calendar.
    pub(crate) fn by_day(&self, calendar: &[(Date, Time, Time)], now: Time) -> Vec<Day> {
        calendar
            .iter()
            .map(|&(date, from, to)| {
                let mut day = Day { date, worst: None, out: Duration::ZERO, lost: Duration::ZERO };
                for (span, state) in
                    self.spans(from, to.min(now)).filter(|(_, state)| *state != ServiceState::Unknown)
                {
                    day.worst = day.worst.max(Some(state));
                    if state >= ServiceState::PartialOutage {
                        day.out += span;
                        day.lost += span * tenths_lost(state) / 10;
                    }
                }
                day
            })
            .collect()
    }

    /// Monitored time between two instants.
    pub(crate) fn monitored(&self, from: Time, now: Time) -> Duration {
        let monitored = self.spans(from, now).filter(|(_, state)| *state != ServiceState::Unknown);
        monitored.map(|(span, _)| span).sum()
    }

    /// Uptime in per cent of the monitored time, by the rule of [`crate::status_page::Component::uptime_percent`].
    pub(crate) fn uptime_percent(&self, from: Time, now: Time) -> Option<f64> {
        let mut monitored_ms: u128 = 0;
        let mut out_tenth_ms: u128 = 0;
        for (span, state) in self.spans(from, now) {
            if state == ServiceState::Unknown {
                continue;
            }
            monitored_ms += span.as_millis();
            out_tenth_ms += span.as_millis() * u128::from(tenths_lost(state));
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "400 days in tenths of milliseconds are exact in 53 bits"
        )]
        (monitored_ms > 0)
            .then(|| (100.0 - 10.0 * out_tenth_ms as f64 / monitored_ms as f64).clamp(0.0, 100.0))
    }
}

/// Tenths of the time in this state that count as lost.
fn tenths_lost(state: ServiceState) -> u32 {
    match state {
        ServiceState::Unknown
        | ServiceState::UnderMaintenance
        | ServiceState::Operational
        | ServiceState::Degraded => 0,
        ServiceState::PartialOutage => 3,
        ServiceState::MajorOutage => 10,
    }
}

/// The last `count` days in a timezone, oldest first, today last: date, first instant, first instant of the next day.
/// Some days have 23 or 25 hours.
pub(crate) fn days(count: u16, now: Time, zone: &TimeZone) -> impl Iterator<Item = (Date, Time, Time)> {
    let today = zone.to_datetime(now).date();
    let begin = |date: Date| date.to_zoned_datetime(zone.clone()).ok().map(|begin| begin.timestamp());
    let days = (0..i64::from(count)).rev().filter_map(move |back| {
        let date = today.checked_sub(SignedDuration::from_hours(24 * back)).ok()?;
        Some((date, begin(date)?, date.tomorrow().ok().and_then(begin).unwrap_or(Time::MAX)))
    });
    days.collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use types::time::later;

    impl History {
        fn days(&self, count: u16, now: Time, zone: &TimeZone) -> Vec<Day> {
            self.by_day(&days(count, now, zone).collect::<Vec<_>>(), now)
        }
    }

    fn first(count: u16, now: Time) -> Time {
        days(count, now, &TimeZone::UTC).next().unwrap().1
    }

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    type Case = (
        Vec<(&'static str, ServiceState)>,
        (Option<ServiceState>, u64),
        (Option<ServiceState>, u64),
        Option<f64>,
        &'static str,
    );

    /// Changes; worst state and seconds out, today and yesterday; uptime; reason.
    fn cases() -> Vec<Case> {
        use ServiceState::{Degraded, MajorOutage, Operational, PartialOutage, Unknown};
        vec![
            (vec![], (None, 0), (None, 0), None, "never probed"),
            (vec![("2026-11-22T00:00:00Z", Unknown)], (None, 0), (None, 0), None, "probed without a result"),
            (
                vec![("2026-11-22T00:00:00Z", Operational)],
                (Some(Operational), 0),
                (None, 0),
                Some(100.0),
                "operational since midnight",
            ),
            (
                vec![("2026-11-22T00:00:00Z", MajorOutage)],
                (Some(MajorOutage), 43_200),
                (None, 0),
                Some(0.0),
                "always out",
            ),
            (
                vec![
                    ("2026-11-22T00:00:00Z", Operational),
                    ("2026-11-22T06:00:00Z", MajorOutage),
                    ("2026-11-22T09:00:00Z", Operational),
                ],
                (Some(MajorOutage), 10_800),
                (None, 0),
                Some(75.0),
                "out for a quarter",
            ),
            (
                vec![
                    ("2026-11-22T00:00:00Z", Operational),
                    ("2026-11-22T02:00:00Z", PartialOutage),
                    ("2026-11-22T12:00:00Z", Operational),
                ],
                (Some(PartialOutage), 36_000),
                (None, 0),
                Some(75.0),
                "three tenths of ten hours of twelve",
            ),
            (
                vec![("2026-11-22T00:00:00Z", Degraded)],
                (Some(Degraded), 0),
                (None, 0),
                Some(100.0),
                "degraded counts nothing",
            ),
            (
                vec![
                    ("2026-11-22T00:00:00Z", Operational),
                    ("2026-11-22T06:00:00Z", Unknown),
                    ("2026-11-22T09:00:00Z", MajorOutage),
                ],
                (Some(MajorOutage), 10_800),
                (None, 0),
                Some(100.0 / 3.0 * 2.0),
                "unmonitored time does not count",
            ),
            (
                vec![("2026-11-21T23:00:00Z", MajorOutage), ("2026-11-22T01:00:00Z", Operational)],
                (Some(MajorOutage), 3_600),
                (Some(MajorOutage), 3_600),
                Some(100.0 - 200.0 / 13.0),
                "over midnight",
            ),
        ]
    }

    #[test]
    fn days_and_uptime_follow_the_changes() {
        let now = at("2026-11-22T12:00:00Z");
        for (changes, today, yesterday, uptime, why) in cases() {
            let mut history = History::default();
            changes.iter().for_each(|(when, state)| history.changed(at(when), *state));
            let days = history.days(90, now, &TimeZone::UTC);
            assert_eq!(days.len(), 90);
            let summary = |day: &Day| (day.worst, day.out.as_secs());
            assert_eq!((summary(&days[89]), summary(&days[88])), (today, yesterday), "{why}");
            match (history.uptime_percent(first(90, now), now), uptime) {
                (Some(got), Some(wanted)) => assert!((got - wanted).abs() < 1e-9, "{why}: {got}"),
                (got, wanted) => assert_eq!(got, wanted, "{why}"),
            }
        }
    }

    #[test]
    fn unmonitored_time_does_not_count() {
        let mut history = History::default();
        history.changed(at("2026-11-22T00:00:00Z"), ServiceState::MajorOutage);
        history.unmonitored(at("2026-11-22T01:00:00Z"), at("2026-11-22T11:00:00Z"));
        assert_eq!(history.current(), Some((ServiceState::MajorOutage, at("2026-11-22T00:00:00Z"))));
        assert_eq!(
            history.days(1, at("2026-11-22T12:00:00Z"), &TimeZone::UTC)[0].out,
            Duration::from_secs(7_200)
        );
        history.unmonitored(at("2026-11-21T00:00:00Z"), at("2026-11-21T01:00:00Z"));
        assert_eq!(
            history.days(1, at("2026-11-22T12:00:00Z"), &TimeZone::UTC)[0].out,
            Duration::from_secs(7_200),
            "long ago: ignored"
        );
    }

    #[test]
    fn outage_continues_through_changes_and_unmonitored_time() {
        use ServiceState::{MajorOutage, Operational, PartialOutage, Unknown};
        for (states, since) in [
            (vec![Operational], None),
            (vec![PartialOutage, MajorOutage], Some(0)),
            (vec![PartialOutage, Operational], None),
            (vec![PartialOutage, Operational, MajorOutage, Unknown, PartialOutage], Some(2)),
            (vec![MajorOutage, Unknown], None),
        ] {
            let mut history = History::default();
            let minute = |n: usize| later(at("2026-11-22T00:00:00Z"), Duration::from_secs(n as u64 * 60));
            states.iter().enumerate().for_each(|(n, state)| history.changed(minute(n), *state));
            assert_eq!(history.out_since(), since.map(minute), "{states:?}");
        }
    }

    #[test]
    fn days_follow_the_timezone() {
        let zone = TimeZone::get("Europe/Tallinn").unwrap();
        let all: Vec<_> = days(3, at("2026-10-25T22:30:00Z"), &zone).collect();
        let hours: Vec<u64> = all.iter().map(|(_, from, to)| between(*from, *to).as_secs() / 3_600).collect();
        assert_eq!((all[2].0.to_string().as_str(), hours), ("2026-10-26", vec![24, 25, 24]));
        let mut history = History::default();
        history.changed(all[0].1, ServiceState::MajorOutage);
        let days = history.days(3, at("2026-10-25T22:30:00Z"), &zone);
        assert_eq!(days[1].out, Duration::from_secs(25 * 3_600));
    }

    #[test]
    fn memory_is_bounded() {
        let mut history = History::default();
        for minute in 0..30_000u64 {
            let state = if minute % 2 == 0 { ServiceState::MajorOutage } else { ServiceState::Operational };
            history.changed(later(Time::UNIX_EPOCH, Duration::from_secs(minute * 60)), state);
        }
        assert_eq!(history.changes.len(), CHANGES_MAX);
        history.changed(later(Time::UNIX_EPOCH, BACK_MAX * 3), ServiceState::Operational);
        assert_eq!(history.changes.len(), 2, "the state at the oldest instant and the new one");
    }

    proptest! {
        /// The parts of the monitored time add up to all of it, and the days agree with the percentage.
        #[test]
        fn sums_add_up(steps in proptest::collection::vec((1u64..200_000, 0u8..5), 1..60), tail in 0u64..100_000) {
            let mut history = History::default();
            let mut now = at("2026-08-01T00:00:00Z");
            for (secs, state) in &steps {
                now = later(now, Duration::from_secs(*secs));
                let state = [ServiceState::Operational, ServiceState::Unknown, ServiceState::Degraded, ServiceState::PartialOutage, ServiceState::MajorOutage][usize::from(*state)];
                history.changed(now, state);
            }
            let now = later(now, Duration::from_secs(tail));
            let (_, from, _) = days(90, now, &TimeZone::UTC).next().unwrap();
            let begun = history.changes[0].0.max(from);
            let all: Duration = history.spans(from, now).map(|(span, _)| span).sum();
            prop_assert_eq!(all, between(begun, now));
            let sum = |wanted: fn(ServiceState) -> bool| -> Duration { history.spans(from, now).filter(|(_, state)| wanted(*state)).map(|(span, _)| span).sum() };
            let monitored = sum(|state| state != ServiceState::Unknown);
            let days = history.days(90, now, &TimeZone::UTC);
            let out: Duration = days.iter().map(|day| day.out).sum();
            prop_assert_eq!(out, sum(|state| state >= ServiceState::PartialOutage));
            prop_assert_eq!(days.iter().all(|day| day.worst.is_none()), monitored.is_zero());
            match history.uptime_percent(first(90, now), now) {
                None => prop_assert!(monitored.is_zero()),
                Some(uptime) => {
                    let lost = 100.0 * (sum(|state| state == ServiceState::MajorOutage).as_secs_f64() + 0.3 * sum(|state| state == ServiceState::PartialOutage).as_secs_f64()) / monitored.as_secs_f64();
                    prop_assert!((0.0..=100.0).contains(&uptime));
                    prop_assert!((uptime + lost - 100.0).abs() < 1e-6);
                }
            }
        }
    }
}
