//! Texts for states, times and numbers. Times are in the timezone of the page; a script shows the local time on hover.

use askama::filters::HtmlSafe;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;
use std::time::Duration;
use types::Time;
use types::event::ServiceState;
use types::time::{abbreviation, formatted};

/// CSS class of a state, which sets its colour. [`super::Icon`] has its shape.
pub trait StateClass {
    /// CSS class.
    fn class(&self) -> &'static str;
}

impl StateClass for ServiceState {
    fn class(&self) -> &'static str {
        match self {
            Self::Operational => "ok",
            Self::UnderMaintenance => "planned",
            Self::Unknown => "blank",
            Self::Degraded => "slow",
            Self::PartialOutage => "part",
            Self::MajorOutage => "major",
        }
    }
}

/// An instant as a `<time>` element. It has only digits, letters and colons, so it needs no escaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    iso: String,
    /// Text without the element.
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

/// Formatter of times: a timezone, and the instant relative to which they are shown.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    timezone: &'a TimeZone,
    /// Times of this day are shown without the date.
    pub at: Time,
}

impl<'a> Clock<'a> {
    /// Creates the formatter of a timezone at an instant.
    #[must_use]
    pub fn new(timezone: &'a TimeZone, at: Time) -> Self {
        Self { timezone, at }
    }

    /// The timezone.
    #[must_use]
    pub fn timezone(&self) -> &'a TimeZone {
        self.timezone
    }

    /// The same timezone at another instant.
    #[must_use]
    pub fn read_at(&self, at: Time) -> Self {
        Self { at, ..*self }
    }

    /// `04:16 EET`; with the date when it is another day.
    #[must_use]
    pub fn time(&self, at: Time) -> Moment {
        let pattern = if self.is_today(at) { "%H:%M" } else { "%-d %b %Y, %H:%M" };
        Moment { iso: iso(at), text: formatted(at, self.timezone, pattern) }
    }

    /// `04:16:09`, for timelines; with the date when it is another day.
    #[must_use]
    pub fn exact(&self, at: Time) -> Moment {
        let pattern = if self.is_today(at) { "%H:%M:%S" } else { "%-d %b, %H:%M:%S" };
        Moment {
            iso: iso(at),
            text: at.to_zoned_datetime(self.timezone.clone()).strftime(pattern).to_string(),
        }
    }

    /// `04:16:09 EET`.
    #[must_use]
    pub fn seconds(&self, at: Time) -> Moment {
        let pattern = if self.is_today(at) { "%H:%M:%S" } else { "%-d %b, %H:%M:%S" };
        Moment { iso: iso(at), text: formatted(at, self.timezone, pattern) }
    }

    /// `22 Nov 2026, 04:16 EET`.
    #[must_use]
    pub fn full(&self, at: Time) -> Moment {
        Moment { iso: iso(at), text: formatted(at, self.timezone, "%-d %b %Y, %H:%M") }
    }

    /// Returns the date of an instant.
    #[must_use]
    pub fn day_of(&self, at: Time) -> Date {
        at.to_zoned_datetime(self.timezone.clone()).date()
    }

    /// The same timezone on a date.
    #[must_use]
    pub fn on(&self, date: Date) -> Self {
        let at =
            date.to_zoned_datetime(self.timezone.clone()).map_or(Time::UNIX_EPOCH, |zoned| zoned.timestamp());
        Self { at, ..*self }
    }

    /// `EET`.
    #[must_use]
    pub fn abbreviation(&self, at: Time) -> String {
        abbreviation(&at.to_zoned_datetime(self.timezone.clone()))
    }

    /// `All times are Europe/Tallinn (EET)`.
    #[must_use]
    pub fn named(&self) -> String {
        let abbreviation = abbreviation(&self.at.to_zoned_datetime(self.timezone.clone()));
        match self.timezone.iana_name() {
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

/// RFC 3339 in milliseconds, as in the Statuspage API.
#[must_use]
pub fn iso(at: Time) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Formats a duration in whole minutes: `under a minute`, `12 min`, `9 h 21 min`, `3 days`.
#[must_use]
pub fn rounded(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => "under a minute".to_owned(),
        secs => types::time::spoken(Duration::from_secs(secs / 60 * 60)),
    }
}

pub use types::percent::percent;

/// Joins names: `Sign-in`, `Sign-in and Checkout`, `Sign-in, Checkout and 3 more`.
#[must_use]
pub fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { ::text::list::and_more(names, 3) }
}

/// Formats a rate: `0`, `0.4`, `12`, `5,400`.
pub(crate) fn per_sec(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 {
        let text = format!("{rate:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    ::text::number::grouped(rate.round().max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_the_date_only_on_another_day() {
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
    fn rate_has_few_digits() {
        for (rate, expected) in [
            (0.0, "0"),
            (0.41, "0.4"),
            (2.0, "2"),
            (9.97, "10"),
            (12.4, "12"),
            (5_400.0, "5,400"),
            (1e6, "1,000,000"),
        ] {
            assert_eq!(per_sec(rate), expected);
        }
    }

    #[test]
    fn list_counts_names_beyond_three() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a", "b", "c", "d"]), "a, b and 2 more");
    }
}
