//! A time argument. A time without an offset is local; the timezone of the schedule turns it into an instant.

use jiff::civil::{Date, DateTime, Time as Clock};
use jiff::tz::TimeZone;
use std::str::FromStr;
use types::Time;

/// A time as typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TimeArgument {
    /// With an offset or a timezone: one instant.
    Instant(Time),
    /// A date and a local time.
    Local(DateTime),
    /// A whole local day.
    Day(Date),
    /// A local time of day.
    Clock(Clock),
}

/// The argument is no time that has one meaning.
#[derive(Debug, thiserror::Error)]
#[error(
    "write 2026-11-22T09:00 (in the schedule's timezone), 2026-11-22T09:00:00+02:00, 2026-11-22 (the whole day) \
     or 18:00 (today)"
)]
pub(crate) struct NotATime;

impl FromStr for TimeArgument {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let text = text.trim();
        let found = if let Some((local, zone)) = text.strip_suffix(']').and_then(|text| text.split_once('['))
        {
            in_zone(text, local, zone)
        } else if let Ok(instant) = text.parse::<Time>() {
            Some(Self::Instant(instant))
        } else if text.contains(':') && !text.contains('-') {
            text.parse().ok().map(Self::Clock)
        } else if text.contains(['T', 't', ' ']) {
            // jiff's `Date` accepts the same text and drops the time.
            text.parse().ok().map(Self::Local)
        } else {
            text.parse().ok().map(Self::Day)
        };
        found.ok_or(NotATime)
    }
}

/// Parses a time with the name of its timezone: `2026-11-22T09:00[Europe/Tallinn]`, with or without an offset.
fn in_zone(text: &str, local: &str, zone: &str) -> Option<TimeArgument> {
    // The offset must be one that the timezone has at that time.
    if local.parse::<Time>().is_ok() {
        return text
            .parse::<jiff::ZonedDateTime>()
            .ok()
            .map(|zoned| TimeArgument::Instant(zoned.timestamp()));
    }
    Some(TimeArgument::Instant(oncall::instant(&TimeZone::get(zone).ok()?, local.parse().ok()?)))
}

impl TimeArgument {
    /// The instant at which it starts in a timezone; a time of day is today's.
    pub(crate) fn start(&self, zone: &TimeZone, now: Time) -> Time {
        match self {
            Self::Instant(instant) => *instant,
            Self::Local(local) => oncall::instant(zone, *local),
            Self::Day(day) => midnight(zone, *day),
            Self::Clock(clock) => oncall::instant(zone, zone.to_datetime(now).date().to_datetime(*clock)),
        }
    }

    /// The instant at which it ends, after `from`: a day at its end, a time of day at its next occurrence.
    pub(crate) fn end(&self, zone: &TimeZone, from: Time) -> Time {
        let next = |day: Date| day.tomorrow().unwrap_or(Date::MAX);
        match self {
            Self::Instant(_) | Self::Local(_) => self.start(zone, from),
            Self::Day(day) => midnight(zone, next(*day)),
            Self::Clock(clock) => {
                let day = zone.to_datetime(from).date();
                let at = |day: Date| oncall::instant(zone, day.to_datetime(*clock));
                if at(day) > from { at(day) } else { at(next(day)) }
            }
        }
    }

    /// Whether it is a whole day.
    pub(crate) fn is_day(&self) -> bool {
        matches!(self, Self::Day(_))
    }
}

fn midnight(zone: &TimeZone, day: Date) -> Time {
    oncall::instant(zone, day.to_datetime(Clock::midnight()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_offset_is_local() {
        let now: Time = "2026-12-08T20:00:00Z".parse().unwrap();
        for (typed, zone, begins, why) in [
            ("2026-12-08T12:00:00Z", "Asia/Kolkata", "2026-12-08T12:00:00Z", "UTC"),
            ("2026-12-08 12:00Z", "Asia/Kolkata", "2026-12-08T12:00:00Z", "with a space"),
            ("2026-12-08T12:00+05:30", "UTC", "2026-12-08T06:30:00Z", "an offset"),
            ("2026-12-08T12:00[Asia/Kolkata]", "UTC", "2026-12-08T06:30:00Z", "a zone"),
            ("2026-12-08T12:00+05:30[Asia/Kolkata]", "UTC", "2026-12-08T06:30:00Z", "both"),
            ("2026-12-08T12:00", "Asia/Kolkata", "2026-12-08T06:30:00Z", "local"),
            ("2026-12-08 12:00:30", "Asia/Kolkata", "2026-12-08T06:30:30Z", "local, with seconds"),
            (" 2026-12-08 ", "Asia/Kolkata", "2026-12-07T18:30:00Z", "local midnight"),
            ("18:00", "Europe/Tallinn", "2026-12-08T16:00:00Z", "today"),
            ("18:00", "Asia/Tokyo", "2026-12-09T09:00:00Z", "today is tomorrow already"),
            (
                "2026-03-29T03:30",
                "Europe/Tallinn",
                "2026-03-29T01:00:00Z",
                "inside the gap: the first instant after",
            ),
            ("2026-10-25T03:30", "Europe/Tallinn", "2026-10-25T00:30:00Z", "twice: the first"),
            ("2026-03-29T03:30[Europe/Tallinn]", "UTC", "2026-03-29T01:00:00Z", "the same with its zone"),
            ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "a day that never was"),
        ] {
            let argument: TimeArgument = typed.parse().unwrap();
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(argument.start(&zone, now).to_string(), begins, "{typed}: {why}");
        }
    }

    #[test]
    fn end_is_after_start() {
        let (zone, from) =
            (TimeZone::get("Europe/Tallinn").unwrap(), "2026-12-08T16:00:00Z".parse().unwrap());
        for (typed, ends) in [
            ("2026-12-10", "2026-12-10T22:00:00Z"),
            ("18:00", "2026-12-09T16:00:00Z"),
            ("18:01", "2026-12-08T16:01:00Z"),
            ("2026-12-10T09:00", "2026-12-10T07:00:00Z"),
        ] {
            assert_eq!(typed.parse::<TimeArgument>().unwrap().end(&zone, from).to_string(), ends, "{typed}");
        }
    }

    #[test]
    fn ambiguous_time_is_refused() {
        for typed in [
            "",
            "18",
            "1800",
            "tomorrow",
            "08.12.2026",
            "2026-12",
            "12:00Z",
            "2026-12-08T25:00",
            "6 pm",
            "2026-02-30",
            "2026-12-08T12:00[Nowhere/Else]",
            "2026-12-08T12:00+02:00[Asia/Kolkata]",
            "\u{661}8:00",
        ] {
            assert!(typed.parse::<TimeArgument>().is_err(), "{typed}: {:?}", typed.parse::<TimeArgument>());
        }
    }
}
