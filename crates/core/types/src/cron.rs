//! Crontab expressions: when is the next time?

use crate::Time;
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday, errors::CronError};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ZonedDateTime};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Longest expression, in bytes.
const TEXT_MAX: usize = 200;

/// A crontab expression of five fields, or a nickname such as `@daily`. In a timezone it follows the local time as Vixie's cron does: a time
/// that does not exist in a night is the first one after it, one that exists twice is the first of both.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
}

/// Why a text is no crontab expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotCron {
    /// It does not have five fields.
    #[error("it does not have five fields")]
    Fields,
    /// A field is wrong, or no time fits.
    #[error("{0}")]
    Pattern(String),
}

impl Cron {
    /// The first time after `after`; `None` when there is none, as of February 30.
    #[must_use]
    pub fn next(&self, after: Time, zone: &TimeZone) -> Option<Time> {
        let after = Local(after.to_zoned_datetime(zone.clone()));
        Some(self.pattern.find_next_occurrence(&after, false).ok()?.0.timestamp())
    }
}

impl FromStr for Cron {
    type Err = NotCron;

    fn from_str(text: &str) -> Result<Self, NotCron> {
        let text = text.trim();
        let has_fields = text.starts_with('@') || text.split_whitespace().count() == 5;
        if !has_fields || text.len() > TEXT_MAX {
            return Err(NotCron::Fields);
        }
        let pattern = croner::Cron::from_str(text).map_err(|why| NotCron::Pattern(why.to_string()))?;
        let cron = Self { text: text.to_owned(), pattern };
        if cron.next(Time::UNIX_EPOCH, &TimeZone::UTC).is_none() {
            return Err(NotCron::Pattern("no time fits it".to_owned()));
        }
        Ok(cron)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

/// A local time as the pattern searches it.
#[derive(Clone)]
struct Local(ZonedDateTime);

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let number = |number: i8| u32::from(number.unsigned_abs());
        let date = CivilDate::from_parts_unchecked(
            i32::from(self.0.year()),
            number(self.0.month()),
            number(self.0.day()),
        );
        let (hour, minute, second) = (self.0.hour(), self.0.minute(), self.0.second());
        CivilDateTime::new(
            date,
            CivilTime::from_parts_unchecked(number(hour), number(minute), number(second)),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::from(days.unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let ambiguous =
            self.0.time_zone().to_ambiguous_zoned_datetime(datetime(civil).ok_or(CronError::InvalidDate)?);
        let of =
            |zoned: Result<ZonedDateTime, jiff::Error>| zoned.map(Self).map_err(|_| CronError::InvalidTime);
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(of(ambiguous.unambiguous())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(of(ambiguous.clone().earlier())?, of(ambiguous.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

fn datetime(civil: CivilDateTime) -> Option<DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    let (month, day) = (small(civil.month())?, small(civil.day())?);
    let (hour, minute, second) = (small(civil.hour())?, small(civil.minute())?, small(civil.second())?);
    DateTime::new(i16::try_from(civil.year()).ok()?, month, day, hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn next_time_follows_the_local_time() {
        for (text, zone, after, next) in [
            ("0 3 * * *", "UTC", "2026-12-01T02:59:59Z", "2026-12-01T03:00:00Z"),
            ("0 3 * * *", "UTC", "2026-12-01T03:00:00Z", "2026-12-02T03:00:00Z"),
            ("0 3 * * *", "Europe/Tallinn", "2026-12-01T02:00:00Z", "2026-12-02T01:00:00Z"),
            ("*/15 * * * *", "UTC", "2026-12-01T02:50:00Z", "2026-12-01T03:00:00Z"),
            // The hour from 3 to 4 does not exist; then it exists twice.
            ("30 3 * * *", "Europe/Tallinn", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("30 3 * * *", "Europe/Tallinn", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("30 3 * * *", "Europe/Tallinn", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            ("30 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"),
            // Either of both days fits, as in crontab(5).
            ("0 4 13 * 5", "UTC", "2026-12-01T00:00:00Z", "2026-12-04T04:00:00Z"),
            ("0 4 29 2 *", "UTC", "2026-12-01T00:00:00Z", "2028-02-29T04:00:00Z"),
            ("0 4 * * 7", "UTC", "2026-12-01T00:00:00Z", "2026-12-06T04:00:00Z"),
            ("@daily", "UTC", "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"),
        ] {
            let cron: Cron = text.parse().unwrap();
            let found = cron.next(after.parse().unwrap(), &TimeZone::get(zone).unwrap());
            assert_eq!(found.map(|at| at.to_string()).as_deref(), Some(next), "{text} {zone} {after}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in
            ["", "* * * *", "0 0 3 * * *", "0 25 * * *", "61 * * * *", "0 4 30 2 *", "@never", "a b c d e"]
        {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
        assert!("1,".repeat(300).parse::<Cron>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9*,/@#LW?A-Za-z -]{0,40}") {
            if let Ok(cron) = text.parse::<Cron>() {
                let after: Time = "2026-03-28T23:30:00Z".parse().unwrap();
                let next = cron.next(after, &TimeZone::get("Europe/London").unwrap());
                prop_assert!(next.is_none_or(|next| next > after));
            }
        }
    }
}
