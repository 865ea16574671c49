//! An instant as people type it. A time without an offset is local, and only who knows the zone knows which instant it is.

use jiff::civil::{Date, DateTime, Time as Clock};
use jiff::tz::TimeZone;
use std::str::FromStr;
use types::Time;

/// What was typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Moment {
    /// With an offset or a zone: one instant.
    Instant(Time),
    /// A date and a time of some zone's clock.
    Local(DateTime),
    /// A whole day of some zone.
    Day(Date),
    /// A time of day.
    Clock(Clock),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let found = if let Some((local, zone)) = text.strip_suffix(']').and_then(|text| text.split_once('['))
        {
            in_zone(text, local, zone)
        } else if let Ok(instant) = text.parse::<Time>() {
            Some(Self::Instant(instant))
        } else if text.contains(':') && !text.contains('-') {
            text.parse().ok().map(Self::Clock)
        } else if text.contains(['T', 't', ' ']) {
            // jiff's `Date` would read the same text and leave the time away.
            text.parse().ok().map(Self::Local)
        } else {
            text.parse().ok().map(Self::Day)
        };
        found.ok_or_else(|| {
            "write 2026-11-22T09:00 (by the schedule's clock), 2026-11-22T09:00:00+02:00, 2026-11-22 (the whole day) \
             or 18:00 (today)"
                .to_owned()
        })
    }
}

/// A time with the name of its zone: `2026-11-22T09:00[Europe/Tallinn]`, with an offset or without.
fn in_zone(text: &str, local: &str, zone: &str) -> Option<Moment> {
    // With an offset, which must be one that the zone has then.
    if local.parse::<Time>().is_ok() {
        return text.parse::<jiff::Zoned>().ok().map(|zoned| Moment::Instant(zoned.timestamp()));
    }
    Some(Moment::Instant(oncall::instant(&TimeZone::get(zone).ok()?, local.parse().ok()?)))
}

impl Moment {
    /// The instant from which it is, by the clock of a zone; a time of day is today's.
    pub(crate) fn begins(&self, zone: &TimeZone, now: Time) -> Time {
        match self {
            Self::Instant(instant) => *instant,
            Self::Local(local) => oncall::instant(zone, *local),
            Self::Day(day) => midnight(zone, *day),
            Self::Clock(clock) => oncall::instant(zone, zone.to_datetime(now).date().to_datetime(*clock)),
        }
    }

    /// The instant until which it is, after `from`: a day to its end, a time of day when the clock next shows it.
    pub(crate) fn ends(&self, zone: &TimeZone, from: Time) -> Time {
        let next = |day: Date| day.tomorrow().unwrap_or(Date::MAX);
        match self {
            Self::Instant(_) | Self::Local(_) => self.begins(zone, from),
            Self::Day(day) => midnight(zone, next(*day)),
            Self::Clock(clock) => {
                let day = zone.to_datetime(from).date();
                let at = |day: Date| oncall::instant(zone, day.to_datetime(*clock));
                if at(day) > from { at(day) } else { at(next(day)) }
            }
        }
    }

    /// Whether it is longer than an instant.
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
    fn a_time_without_an_offset_is_the_zones_own() {
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
            let moment: Moment = typed.parse().unwrap();
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(moment.begins(&zone, now).to_string(), begins, "{typed}: {why}");
        }
    }

    #[test]
    fn an_end_is_after_its_beginning() {
        let (zone, from) =
            (TimeZone::get("Europe/Tallinn").unwrap(), "2026-12-08T16:00:00Z".parse().unwrap());
        for (typed, ends) in [
            ("2026-12-10", "2026-12-10T22:00:00Z"),
            ("18:00", "2026-12-09T16:00:00Z"),
            ("18:01", "2026-12-08T16:01:00Z"),
            ("2026-12-10T09:00", "2026-12-10T07:00:00Z"),
        ] {
            assert_eq!(typed.parse::<Moment>().unwrap().ends(&zone, from).to_string(), ends, "{typed}");
        }
    }

    #[test]
    fn what_could_mean_two_resources_is_refused() {
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
            assert!(typed.parse::<Moment>().is_err(), "{typed}: {:?}", typed.parse::<Moment>());
        }
    }
}
