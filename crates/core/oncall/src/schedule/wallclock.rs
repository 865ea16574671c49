//! Turns of equal length by the wall clock of a timezone.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use types::Time;
use types::config::Rotation;
use types::wallclock::instant;

/// Maximum error of an estimate from local times, in turns: a day that a timezone skipped or repeated, in turns of one
/// hour, with a margin.
const CORRECTIONS_MAX: u32 = 64;

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
    pub(super) fn secs(&self) -> i64 {
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
}
