//! Words for states and times. Times are those of the site's zone; a script shows the local time on hover.

use askama::filters::HtmlSafe;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;
use std::time::Duration;
use types::Time;
use types::event::ServiceState;
use types::time::{abbreviation, formatted};

/// How a state looks: the class that colours it. The shape is [`super::Icon`]'s business.
pub trait Look {
    /// The class of the style sheet.
    fn class(&self) -> &'static str;
}

impl Look for ServiceState {
    fn class(&self) -> &'static str {
        match self {
            Self::Operational => "ok",
            Self::Unknown => "blank",
            Self::Degraded => "slow",
            Self::PartialOutage => "part",
            Self::MajorOutage => "major",
        }
    }
}

/// An instant as a `<time>` element. Contains digits, letters and colons only, so it needs no escaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    iso: String,
    /// Without the element around it.
    pub text: String,
}

impl Moment {
    /// `Sunday, 22 November 2026`.
    #[must_use]
    pub fn day(date: Date) -> Self {
        Self { iso: date.to_string(), text: date.strftime("%A, %-d %B %Y").to_string() }
    }

    /// `1 Mar 2027`.
    #[must_use]
    pub fn date(date: Date) -> Self {
        Self { iso: date.to_string(), text: date.strftime("%-d %b %Y").to_string() }
    }
}

/// The clock that a page's times are shown by: the zone, and the instant beside which they are read.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    zone: &'a TimeZone,
    /// Times of this day are shown without the day.
    pub at: Time,
}

impl<'a> Clock<'a> {
    /// The clock of a zone, read at an instant.
    #[must_use]
    pub fn new(zone: &'a TimeZone, at: Time) -> Self {
        Self { zone, at }
    }

    /// The same clock, read at another instant.
    #[must_use]
    pub fn read_at(&self, at: Time) -> Self {
        Self { at, ..*self }
    }

    /// `04:16 EET`; with the day in front when it is another one.
    #[must_use]
    pub fn time(&self, at: Time) -> Moment {
        let pattern = if self.is_today(at) { "%H:%M" } else { "%-d %b %Y, %H:%M" };
        Moment { iso: iso(at), text: formatted(at, self.zone, pattern) }
    }

    /// `04:16:09`, as timelines have it; with the day in front when it is another one.
    #[must_use]
    pub fn exact(&self, at: Time) -> Moment {
        let pattern = if self.is_today(at) { "%H:%M:%S" } else { "%-d %b, %H:%M:%S" };
        Moment { iso: iso(at), text: at.to_zoned(self.zone.clone()).strftime(pattern).to_string() }
    }

    /// `04:16:09 EET`.
    #[must_use]
    pub fn seconds(&self, at: Time) -> Moment {
        let pattern = if self.is_today(at) { "%H:%M:%S" } else { "%-d %b, %H:%M:%S" };
        Moment { iso: iso(at), text: formatted(at, self.zone, pattern) }
    }

    /// `22 Nov 2026, 04:16 EET`.
    #[must_use]
    pub fn full(&self, at: Time) -> Moment {
        Moment { iso: iso(at), text: formatted(at, self.zone, "%-d %b %Y, %H:%M") }
    }

    /// The day of an instant.
    #[must_use]
    pub fn day_of(&self, at: Time) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// Any instant of a day, to read its times beside.
    #[must_use]
    pub fn on(&self, date: Date) -> Self {
        let at = date.to_zoned(self.zone.clone()).map_or(Time::UNIX_EPOCH, |zoned| zoned.timestamp());
        Self { at, ..*self }
    }

    /// `EET`.
    #[must_use]
    pub fn abbreviation(&self, at: Time) -> String {
        abbreviation(&at.to_zoned(self.zone.clone()))
    }

    /// `All times are Europe/Tallinn (EET)`.
    #[must_use]
    pub fn named(&self) -> String {
        let abbreviation = abbreviation(&self.at.to_zoned(self.zone.clone()));
        match self.zone.iana_name() {
            Some(name) if name != abbreviation => format!("{name} ({abbreviation})"),
            _ => abbreviation,
        }
    }

    fn is_today(&self, at: Time) -> bool {
        self.day_of(at) == self.day_of(self.at)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<time datetime=\"{}\">{}</time>", self.iso, self.text)
    }
}

impl HtmlSafe for Moment {}

/// RFC 3339 to the millisecond, as the Statuspage API has it.
#[must_use]
pub fn iso(at: Time) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A span in whole minutes, as far as a person cares: `under a minute`, `12 min`, `9 h 21 min`, `3 days`.
#[must_use]
pub fn roughly(span: Duration) -> String {
    match span.as_secs() {
        0..60 => "under a minute".to_owned(),
        secs => types::time::spoken(Duration::from_secs(secs / 60 * 60)),
    }
}

pub use types::percent::percent;

/// `Sign-in`, `Sign-in and Checkout`, `Sign-in, Checkout and 3 more`.
#[must_use]
pub fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { text::list::and_more(names, 3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_say_the_day_only_where_it_is_another() {
        let at: Time = "2026-11-22T04:16:09.25Z".parse().unwrap();
        let later: Time = "2026-11-23T00:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Tallinn").unwrap();
        let (clock, other) = (Clock::new(&zone, at), Clock::new(&zone, later));
        for (moment, wanted) in [
            (clock.time(at), "06:16 EET"),
            (other.time(at), "22 Nov 2026, 06:16 EET"),
            (clock.exact(at), "06:16:09"),
            (other.exact(at), "22 Nov, 06:16:09"),
            (clock.seconds(at), "06:16:09 EET"),
            (clock.full(at), "22 Nov 2026, 06:16 EET"),
            (Moment::day(clock.day_of(at)), "Sunday, 22 November 2026"),
        ] {
            assert_eq!(moment.text, wanted);
        }
        assert_eq!(clock.named(), "Europe/Tallinn (EET)");
        assert_eq!(Clock::new(&TimeZone::UTC, at).named(), "UTC");
        assert_eq!(iso(at), "2026-11-22T04:16:09.250Z");
    }

    #[test]
    fn lists_stay_short() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a", "b", "c", "d"]), "a, b and 2 more");
    }
}
