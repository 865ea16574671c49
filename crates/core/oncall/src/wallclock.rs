//! The wall clock of a zone: which instant a local time is, and how turns run along it.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use types::Time;
use types::config::Turn;

/// How many turns an estimate from local times may be off by: a day that a zone skipped or lived twice, told in hours, and some.
const CORRECTIONS_MAX: u32 = 64;

/// The instant at which a zone's clock first shows `local` or a later time (P11).
///
/// A time inside a spring gap is the first existing instant after the gap; an ambiguous one is its first occurrence. Beyond
/// the calendar it is the end of time. Never decreases as `local` grows.
#[must_use]
pub fn instant(zone: &TimeZone, local: DateTime) -> Time {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).unwrap_or(Time::MAX),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).unwrap_or(Time::MAX),
        // Read with the offset after the gap, `local` is an instant before the gap: the next change is the gap itself.
        // jiff's own `compatible` would instead move the handoff on by the length of the gap.
        AmbiguousOffset::Gap { before, after } => after
            .to_timestamp(local)
            .ok()
            .and_then(|shortly_before| {
                zone.following(shortly_before).take(4).find(|change| change.offset() == after)
            })
            .map(|change| change.timestamp())
            .or_else(|| before.to_timestamp(local).ok())
            .unwrap_or(Time::MAX),
    }
}

/// Turns of equal length by the wall clock, counted from a local time on.
pub(crate) struct Turns<'a> {
    pub(crate) zone: &'a TimeZone,
    pub(crate) start: DateTime,
    pub(crate) every: Turn,
}

impl Turns<'_> {
    /// When turn `number` begins; the end of time when the calendar ends before.
    pub(crate) fn begins(&self, number: i64) -> Time {
        self.local(number).map_or(Time::MAX, |local| instant(self.zone, local))
    }

    /// The turn that holds at an instant; `None` before the first one. Costs the same for every year.
    ///
    /// A turn that a gap swallowed whole has no instant of its own and is never the answer.
    pub(crate) fn holding(&self, at: Time) -> Option<i64> {
        let mut number = self.estimate(self.zone.to_datetime(at)).max(0);
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
        match self.every {
            Turn::Months(months) => {
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
        match self.every {
            Turn::Months(months) => {
                let count = |at: DateTime| i64::from(at.year()) * 12 + i64::from(at.month());
                (count(local) - count(self.start)).div_euclid(i64::from(months.max(1)))
            }
            _ => self.start.duration_until(local).as_secs().div_euclid(self.secs()),
        }
    }

    /// Length of a turn in seconds of the wall clock. Not for months.
    fn secs(&self) -> i64 {
        let (count, unit) = match self.every {
            Turn::Hours(count) => (count, 3_600),
            Turn::Days(count) => (count, 86_400),
            Turn::Weeks(count) => (count, 604_800),
            Turn::Months(count) => (count, 2_592_000),
        };
        i64::from(count.max(1)) * unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_time_is_one_instant() {
        for (zone, local, utc, why) in [
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
            ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45:00Z", "half an hour lived twice"),
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z", "a day that never was"),
            ("UTC", "2026-11-22T09:00", "2026-11-22T09:00:00Z", "no summer time"),
        ] {
            let tz = TimeZone::get(zone).unwrap();
            assert_eq!(instant(&tz, local.parse().unwrap()).to_string(), utc, "{zone} {local}: {why}");
        }
        let tz = TimeZone::get("America/New_York").unwrap();
        assert_eq!(instant(&tz, DateTime::MAX), Time::MAX);
    }
}
