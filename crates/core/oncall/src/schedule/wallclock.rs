//! Wall clock of a timezone: local times as instants, and turns of equal length by that clock.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use types::Time;
use types::config::Rotation;

/// Maximum error of an estimate from local times, in turns: a day that a timezone skipped or repeated, in turns of one
/// hour, with a margin.
const CORRECTIONS_MAX: u32 = 64;

/// The instant at which the clock of a timezone first shows `local` or a later time (P11).
///
/// A time inside a gap (spring) is the first existing instant after the gap; an ambiguous one is its first occurrence.
/// A time beyond the calendar is [`Time::MAX`]. Monotonic in `local`.
#[must_use]
pub fn instant(timezone: &TimeZone, local: DateTime) -> Time {
    match timezone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).unwrap_or(Time::MAX),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).unwrap_or(Time::MAX),
        // Read with the offset after the gap, `local` is an instant before the gap: the next change is the gap itself.
        // jiff's own `compatible` would instead move the handoff on by the length of the gap.
        AmbiguousOffset::Gap { before, after } => after
            .to_timestamp(local)
            .ok()
            .and_then(|shortly_before| {
                timezone.following(shortly_before).take(4).find(|change| change.offset() == after)
            })
            .map(|change| change.timestamp())
            .or_else(|| before.to_timestamp(local).ok())
            .unwrap_or(Time::MAX),
    }
}

/// The first starts of a repetition whose successor lies after `at`, oldest first: the one that goes on at `at`, and those
/// that follow. Without repetition there is one.
pub fn starts(
    timezone: &TimeZone,
    start: DateTime,
    repeat: Option<Rotation>,
    at: Time,
) -> impl Iterator<Item = (DateTime, Time)> {
    let turns = repeat.map(|rotation| Turns { timezone, start, rotation });
    let first = turns.as_ref().and_then(|turns| turns.at(at)).unwrap_or(0);
    let once = repeat.is_none().then(|| (start, instant(timezone, start)));
    let numbers = turns.into_iter().flat_map(move |turns| {
        (first..).map_while(move |number| Some((turns.local(number)?, turns.begins(number))))
    });
    once.into_iter().chain(numbers)
}

/// Turns of equal length by the wall clock, counted from a local time.
pub(super) struct Turns<'a> {
    pub(super) timezone: &'a TimeZone,
    pub(super) start: DateTime,
    pub(super) rotation: Rotation,
}

impl Turns<'_> {
    /// When turn `number` begins; [`Time::MAX`] beyond the calendar.
    pub(super) fn begins(&self, number: i64) -> Time {
        self.local(number).map_or(Time::MAX, |local| instant(self.timezone, local))
    }

    /// The number of the turn at an instant; `None` before the first one. The cost does not depend on the year.
    ///
    /// A turn that lies in a gap as a whole has no instant and is never returned.
    pub(super) fn at(&self, at: Time) -> Option<i64> {
        let mut number = self.estimate(self.timezone.to_datetime(at)).max(0);
        for _ in 0..CORRECTIONS_MAX {
            if self.begins(number) > at {
                number -= 1;
                if number < 0 {
                    return None;
                }
            } else if self.begins(number.saturating_add(1)) <= at {
                number += 1;
            } else {
                break;
            }
        }
        Some(number)
    }

    fn local(&self, number: i64) -> Option<DateTime> {
        match self.rotation {
            Rotation::Months(months) => {
                let months = number.checked_mul(i64::from(months.max(1)))?;
                self.start.checked_add(jiff::Span::new().try_months(months).ok()?).ok()
            }
            _ => {
                let secs = number.checked_mul(self.secs())?;
                self.start.checked_add(SignedDuration::from_secs(secs)).ok()
            }
        }
    }

    fn estimate(&self, local: DateTime) -> i64 {
        match self.rotation {
            Rotation::Months(months) => {
                let count = |at: DateTime| i64::from(at.year()) * 12 + i64::from(at.month());
                (count(local) - count(self.start)).div_euclid(i64::from(months.max(1)))
            }
            _ => self.start.duration_until(local).as_secs().div_euclid(self.secs()),
        }
    }

    /// Length of a turn in seconds of the wall clock. Not used for months.
    fn secs(&self) -> i64 {
        let (count, unit) = match self.rotation {
            Rotation::Hours(count) => (count, 3_600),
            Rotation::Days(count) => (count, 86_400),
            Rotation::Weeks(count) => (count, 604_800),
            Rotation::Months(count) => (count, 2_592_000),
        };
        i64::from(count.max(1)) * unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_follow_the_wall_clock_through_a_change_of_it() {
        let tallinn = TimeZone::get("Europe/Tallinn").unwrap();
        let found = |start: &str, repeat: Option<Rotation>, at: &str| -> Vec<String> {
            let all = starts(&tallinn, start.parse().unwrap(), repeat, at.parse().unwrap());
            all.take(3).map(|(_, at)| at.to_string()).collect()
        };
        for (start, repeat, at, expected, why) in [
            (
                "2027-03-26T03:30",
                Some(Rotation::Days(1)),
                "2027-03-27T02:00:00Z",
                &["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"][..],
                "03:30 does not exist on the 28th: right after the gap",
            ),
            (
                "2026-10-18T03:30",
                Some(Rotation::Weeks(1)),
                "2026-10-20T00:00:00Z",
                &["2026-10-18T00:30:00Z", "2026-10-25T00:30:00Z", "2026-11-01T01:30:00Z"],
                "03:30 exists twice on the 25th: the first",
            ),
            ("2026-12-05T22:00", None, "2027-01-01T00:00:00Z", &["2026-12-05T20:00:00Z"], "once"),
            (
                "2026-12-31T22:00",
                Some(Rotation::Months(1)),
                "2026-12-01T00:00:00Z",
                &["2026-12-31T20:00:00Z", "2027-01-31T20:00:00Z", "2027-02-28T20:00:00Z"],
                "not begun yet; the last day that February has",
            ),
        ] {
            assert_eq!(found(start, repeat, at), expected, "{why}");
        }
    }

    #[test]
    fn local_time_is_one_instant() {
        for (timezone, local, utc, why) in [
            ("Europe/Tallinn", "2026-11-22T09:00", "2026-11-22T07:00:00Z", "an ordinary day"),
            ("Europe/Tallinn", "2027-03-28T03:00", "2027-03-28T01:00:00Z", "the first moment of the gap"),
            ("Europe/Tallinn", "2027-03-28T03:30", "2027-03-28T01:00:00Z", "inside the gap: right after it"),
            ("Europe/Tallinn", "2027-03-28T03:59:59", "2027-03-28T01:00:00Z", "the last moment of the gap"),
            (
                "Europe/Tallinn",
                "2027-03-28T04:00",
                "2027-03-28T01:00:00Z",
                "the first time that exists again",
            ),
            ("Europe/Tallinn", "2027-03-28T04:30", "2027-03-28T01:30:00Z", "after the gap"),
            ("Europe/Tallinn", "2026-10-25T03:30", "2026-10-25T00:30:00Z", "ambiguous: first occurrence"),
            ("America/New_York", "2027-03-14T02:30", "2027-03-14T07:00:00Z", "inside the gap"),
            ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z", "ambiguous"),
            ("America/New_York", "2090-03-12T02:30", "2090-03-12T07:00:00Z", "a gap in the far future"),
            ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z", "a gap of half an hour"),
            ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45:00Z", "half an hour repeated"),
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z", "a skipped day"),
            ("UTC", "2026-11-22T09:00", "2026-11-22T09:00:00Z", "no summer time"),
        ] {
            let tz = TimeZone::get(timezone).unwrap();
            assert_eq!(instant(&tz, local.parse().unwrap()).to_string(), utc, "{timezone} {local}: {why}");
        }
        let tz = TimeZone::get("America/New_York").unwrap();
        assert_eq!(instant(&tz, DateTime::MAX), Time::MAX);
    }
}
