//! The states that a service was in: since when, for how long, how much of the watched time it was out.

use crate::status_page::Day;
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;
use types::Time;
use types::event::ServiceState;
use types::time::{between, earlier};

/// Changes that are remembered: enough for years of a calm service and months of a restless one.
const CHANGES_MAX: usize = 10_000;

/// How far back changes are remembered.
const BACK_MAX: Duration = Duration::from_secs(400 * 86_400);

/// Every change of one service's state, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    changes: Vec<(Time, ServiceState)>,
    /// Since when the newest state holds, restarts of ours aside.
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

    /// Nobody looked from `since` until `to`: that time counts neither as well nor as out.
    pub(crate) fn not_watched(&mut self, since: Time, to: Time) {
        let Some((last, state)) = self.changes.last().copied() else { return };
        let since = since.max(last);
        if since < to {
            self.push(since, ServiceState::Unknown);
            self.push(to, state);
        }
    }

    /// Since when it has been out without a break, partly or wholly; time that nobody watched is no break.
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
        // The state that held at the edge stays.
        let gone = self.changes.partition_point(|(at, _)| *at < oldest).saturating_sub(1);
        let too_many = self.changes.len().saturating_sub(CHANGES_MAX);
        if gone.max(too_many) > 0 {
            self.changes.drain(..gone.max(too_many));
        }
    }

    /// Stretches of one state between two instants; nothing before the first change.
    fn spans(&self, from: Time, to: Time) -> impl Iterator<Item = (Duration, ServiceState)> {
        let first = self.changes.partition_point(|(at, _)| *at <= from).saturating_sub(1);
        let changes = &self.changes[first.min(self.changes.len())..];
        let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([Time::MAX]);
        changes
            .iter()
            .zip(ends)
            .take_while(move |((begin, _), _)| *begin < to)
            .map(move |((begin, state), end)| (between((*begin).max(from), end.min(to)), *state))
            .filter(|(span, _)| !span.is_zero())
    }

    /// One day each, in the order of the calendar.
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

    /// Watched time between two instants.
    pub(crate) fn watched(&self, from: Time, now: Time) -> Duration {
        let watched = self.spans(from, now).filter(|(_, state)| *state != ServiceState::Unknown);
        watched.map(|(span, _)| span).sum()
    }

    /// Share of the watched time in which it was not out, in per cent. The rule stands at [`crate::status_page::Component`].
    pub(crate) fn uptime_percent(&self, from: Time, now: Time) -> Option<f64> {
        let mut watched_ms: u128 = 0;
        let mut out_tenth_ms: u128 = 0;
        for (span, state) in self.spans(from, now) {
            if state == ServiceState::Unknown {
                continue;
            }
            watched_ms += span.as_millis();
            out_tenth_ms += span.as_millis() * u128::from(tenths_lost(state));
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "400 days in tenths of milliseconds are exact in 53 bits"
        )]
        (watched_ms > 0).then(|| (100.0 - 10.0 * out_tenth_ms as f64 / watched_ms as f64).clamp(0.0, 100.0))
    }
}

/// How many tenths of the time in this state count as lost.
fn tenths_lost(state: ServiceState) -> u32 {
    match state {
        ServiceState::Unknown | ServiceState::Operational | ServiceState::Degraded => 0,
        ServiceState::PartialOutage => 3,
        ServiceState::MajorOutage => 10,
    }
}

/// The last so many days by the clock of a zone, oldest first, today last: date, first instant, first instant after. Some
/// days have 23 or 25 hours.
pub(crate) fn days(count: u16, now: Time, zone: &TimeZone) -> impl Iterator<Item = (Date, Time, Time)> {
    let today = zone.to_datetime(now).date();
    let begin = |date: Date| date.to_zoned(zone.clone()).ok().map(|begin| begin.timestamp());
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

    #[test]
    fn strips_and_percentages() {
        use ServiceState::{Degraded, MajorOutage, Operational, PartialOutage, Unknown};
        let now = at("2026-11-22T12:00:00Z");
        for (changes, today, yesterday, uptime, why) in [
            (vec![], (None, 0), (None, 0), None, "never looked at"),
            (vec![("2026-11-22T00:00:00Z", Unknown)], (None, 0), (None, 0), None, "looked at in vain"),
            (
                vec![("2026-11-22T00:00:00Z", Operational)],
                (Some(Operational), 0),
                (None, 0),
                Some(100.0),
                "well since midnight",
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
                "what was not watched does not count",
            ),
            (
                vec![("2026-11-21T23:00:00Z", MajorOutage), ("2026-11-22T01:00:00Z", Operational)],
                (Some(MajorOutage), 3_600),
                (Some(MajorOutage), 3_600),
                Some(100.0 - 200.0 / 13.0),
                "over midnight",
            ),
        ] {
            let mut history = History::default();
            changes.iter().for_each(|(when, state)| history.changed(at(when), *state));
            let days = history.days(90, now, &TimeZone::UTC);
            assert_eq!(days.len(), 90);
            let told = |day: &Day| (day.worst, day.out.as_secs());
            assert_eq!((told(&days[89]), told(&days[88])), (today, yesterday), "{why}");
            match (history.uptime_percent(first(90, now), now), uptime) {
                (Some(got), Some(wanted)) => assert!((got - wanted).abs() < 1e-9, "{why}: {got}"),
                (got, wanted) => assert_eq!(got, wanted, "{why}"),
            }
        }
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let mut history = History::default();
        history.changed(at("2026-11-22T00:00:00Z"), ServiceState::MajorOutage);
        history.not_watched(at("2026-11-22T01:00:00Z"), at("2026-11-22T11:00:00Z"));
        assert_eq!(history.current(), Some((ServiceState::MajorOutage, at("2026-11-22T00:00:00Z"))));
        assert_eq!(
            history.days(1, at("2026-11-22T12:00:00Z"), &TimeZone::UTC)[0].out,
            Duration::from_secs(7_200)
        );
        history.not_watched(at("2026-11-21T00:00:00Z"), at("2026-11-21T01:00:00Z"));
        assert_eq!(
            history.days(1, at("2026-11-22T12:00:00Z"), &TimeZone::UTC)[0].out,
            Duration::from_secs(7_200),
            "long ago: ignored"
        );
    }

    #[test]
    fn an_outage_goes_on_through_worse_and_better_and_time_that_nobody_watched() {
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
    fn days_are_those_of_the_zone() {
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
        assert_eq!(history.changes.len(), 2, "the state at the edge and the new one");
    }

    proptest! {
        /// The parts of the watched time add up to all of it, and the strip tells the same as the percentage.
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
            let watched = sum(|state| state != ServiceState::Unknown);
            let days = history.days(90, now, &TimeZone::UTC);
            let out: Duration = days.iter().map(|day| day.out).sum();
            prop_assert_eq!(out, sum(|state| state >= ServiceState::PartialOutage));
            prop_assert_eq!(days.iter().all(|day| day.worst.is_none()), watched.is_zero());
            match history.uptime_percent(first(90, now), now) {
                None => prop_assert!(watched.is_zero()),
                Some(uptime) => {
                    let lost = 100.0 * (sum(|state| state == ServiceState::MajorOutage).as_secs_f64() + 0.3 * sum(|state| state == ServiceState::PartialOutage).as_secs_f64()) / watched.as_secs_f64();
                    prop_assert!((0.0..=100.0).contains(&uptime));
                    prop_assert!((uptime + lost - 100.0).abs() < 1e-6);
                }
            }
        }
    }
}
