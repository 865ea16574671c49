//! Words for states and times. All times are UTC; a script shows the local time on hover.

use askama::filters::HtmlSafe;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::Time;
use model::event::ServiceState;
use std::fmt;
use std::time::Duration;

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
    text: String,
}

impl Moment {
    /// `04:16 UTC`; with the day in front when it is not the day of `beside`.
    #[must_use]
    pub fn beside(at: Time, beside: Time) -> Self {
        let pattern = if day_of(at) == day_of(beside) { "%H:%M UTC" } else { "%-d %b %Y, %H:%M UTC" };
        Self { iso: iso(at), text: at.strftime(pattern).to_string() }
    }

    /// `04:16:09`, as timelines have it; with the day in front when it is not the day of `beside`.
    #[must_use]
    pub fn exact(at: Time, beside: Time) -> Self {
        let pattern = if day_of(at) == day_of(beside) { "%H:%M:%S" } else { "%-d %b, %H:%M:%S" };
        Self { iso: iso(at), text: at.strftime(pattern).to_string() }
    }

    /// `22 Nov 2026, 04:16 UTC`.
    #[must_use]
    pub fn full(at: Time) -> Self {
        Self { iso: iso(at), text: at.strftime("%-d %b %Y, %H:%M UTC").to_string() }
    }

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

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<time datetime=\"{}\">{}</time>", self.iso, self.text)
    }
}

impl HtmlSafe for Moment {}

/// The day of an instant, in UTC.
#[must_use]
pub fn day_of(at: Time) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

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
        secs => model::time::spoken(Duration::from_secs(secs / 60 * 60)),
    }
}

/// `99.98`; never `100.00` unless it is whole, so that an outage does not hide in the rounding.
#[must_use]
pub fn percent(share: f64) -> String {
    if share >= 100.0 { "100".to_owned() } else { format!("{:.2}", (share * 100.0).floor() / 100.0) }
}

/// `Sign-in`, `Sign-in and Checkout`, `Sign-in, Checkout and 3 more`.
#[must_use]
pub fn list(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_say_the_day_only_where_it_is_another() {
        let at: Time = "2026-11-22T04:16:09.25Z".parse().unwrap();
        let later: Time = "2026-11-23T00:00:00Z".parse().unwrap();
        for (moment, wanted) in [
            (Moment::beside(at, at), "04:16 UTC"),
            (Moment::beside(at, later), "22 Nov 2026, 04:16 UTC"),
            (Moment::exact(at, at), "04:16:09"),
            (Moment::exact(at, later), "22 Nov, 04:16:09"),
            (Moment::full(at), "22 Nov 2026, 04:16 UTC"),
            (Moment::day(day_of(at)), "Sunday, 22 November 2026"),
        ] {
            assert_eq!(moment.text, wanted);
        }
        assert_eq!(iso(at), "2026-11-22T04:16:09.250Z");
    }

    #[test]
    fn per_cents_never_round_an_outage_away() {
        for (share, wanted) in [(100.0, "100"), (99.999, "99.99"), (99.98, "99.98"), (0.0, "0.00")] {
            assert_eq!(percent(share), wanted);
        }
    }

    #[test]
    fn lists_stay_short() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a", "b", "c", "d"]), "a, b and 2 more");
    }
}
