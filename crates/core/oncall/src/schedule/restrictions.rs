//! Restrictions of a layer: whether an instant lies within, and which turns count.

use super::wallclock::Turns;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time as Clock};
use jiff::tz::TimeZone;
use types::Time;
use types::config::{Restriction, Rotation};
use types::wallclock::instant;

const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;

/// Days before a local date on which a range may have begun that goes on: one that began on the day before, and one more
/// for a day that the timezone skipped.
const DAYS_BACK: i64 = 2;
/// Days after it on which the next range begins at the latest: one that has a single day of the week, on a day that the
/// timezone skipped.
const DAYS_AHEAD: i64 = 16;

/// The restricted hours around an instant.
pub(super) struct Hours {
    /// Whether the instant lies within.
    pub(super) is_within: bool,
    /// The first instant after it at which that may change; [`Time::MAX`] if there is none.
    pub(super) until: Time,
}

/// The restricted hours around an instant. Begin and end of a range are local times as handoffs are (P11): a range that
/// lies in a gap of the clock as a whole is empty that day.
pub(super) fn hours(timezone: &TimeZone, restrictions: &[Restriction], at: Time) -> Hours {
    if restrictions.is_empty() {
        return Hours { is_within: true, until: Time::MAX };
    }
    let today = timezone.to_datetime(at).date();
    let mut found = Hours { is_within: false, until: Time::MAX };
    for range in restrictions.iter().filter_map(|one| next_range(timezone, one, today, at)) {
        found.is_within |= range.0 <= at;
        found.until = found.until.min(if range.0 <= at { range.1 } else { range.0 });
    }
    found
}

/// The first range of a restriction that ends after `at`.
fn next_range(timezone: &TimeZone, one: &Restriction, today: Date, at: Time) -> Option<(Time, Time)> {
    let day = |offset: i64| today.checked_add(SignedDuration::from_hours(24 * offset)).ok();
    let begins = |day: &Date| one.days[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())];
    let range = |day: Date| {
        let last = if one.to > one.from { Some(day) } else { day.tomorrow().ok() };
        let end = last.map_or(Time::MAX, |last| instant(timezone, last.to_datetime(one.to)));
        (instant(timezone, day.to_datetime(one.from)), end)
    };
    let days = (-DAYS_BACK..=DAYS_AHEAD).filter_map(day).filter(begins);
    days.map(range).find(|(from, to)| *to > at && from < to)
}

/// Which turns of a layer count, when some lie wholly outside of its restrictions.
///
/// By the wall clock, a turn and the restrictions meet in the same way again after some weeks. So the turns of one such
/// period say everything, and the cost does not depend on the year.
pub(super) struct CountedTurns {
    /// For each turn of a period, the number of those before it that count.
    before: Vec<i64>,
    /// Number of turns that count in a period.
    in_period: i64,
}

impl CountedTurns {
    /// `None` when every turn counts: without restrictions, and when a turn has a week or more.
    pub(super) fn new(turns: &Turns<'_>, restrictions: &[Restriction]) -> Option<Self> {
        let length = match turns.rotation {
            Rotation::Months(_) => return None,
            Rotation::Hours(_) | Rotation::Days(_) | Rotation::Weeks(_) => turns.secs(),
        };
        let ranges: Vec<(i64, i64)> = restrictions.iter().flat_map(ranges_of_week).collect();
        if ranges.is_empty() || length >= WEEK {
            return None;
        }
        let start = second_of_week(turns.start);
        let (mut before, mut counted) = (Vec::new(), 0);
        let mut from = start;
        loop {
            before.push(counted);
            counted += i64::from(meets(&ranges, from, from + length));
            from = (from + length) % WEEK;
            if from == start {
                return Some(Self { before, in_period: counted });
            }
        }
    }

    /// Number of turns before turn `number` that count.
    pub(super) fn before(&self, number: i64) -> i64 {
        let Ok(period @ 1..) = i64::try_from(self.before.len()) else { return number };
        let turn = usize::try_from(number.rem_euclid(period)).unwrap_or(0);
        let counted = self.before.get(turn).copied().unwrap_or(0);
        number.div_euclid(period).saturating_mul(self.in_period).saturating_add(counted)
    }
}

/// The ranges of a restriction in seconds from Monday 00:00: begin below a week, end up to a day later.
fn ranges_of_week(one: &Restriction) -> Vec<(i64, i64)> {
    let (from, to) = (second_of_day(one.from), second_of_day(one.to));
    let length = if to > from { to - from } else { to - from + DAY };
    let days = (0..).zip(one.days).filter(|(_, is_one)| *is_one);
    days.map(|(day, _)| day * DAY + from).map(|from| (from, from + length)).collect()
}

/// Whether a turn, in seconds from Monday 00:00 and shorter than a week, has an instant in common with a range.
fn meets(ranges: &[(i64, i64)], from: i64, to: i64) -> bool {
    let overlaps = |&(begin, end): &(i64, i64)| {
        [-WEEK, 0, WEEK].iter().any(|week| from < end + week && begin + week < to)
    };
    ranges.iter().any(overlaps)
}

fn second_of_day(time: Clock) -> i64 {
    i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

fn second_of_week(at: DateTime) -> i64 {
    i64::from(at.weekday().to_monday_zero_offset()) * DAY + second_of_day(at.time())
}
