//! Time: an instant in UTC, passed in by the caller.

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use std::time::Duration;

/// An instant in UTC. Serialized as RFC 3339.
pub type Time = jiff::Timestamp;

/// The instant `span` after `at`; the end of time when that does not exist.
#[must_use]
pub fn later(at: Time, span: Duration) -> Time {
    at.saturating_add(span).unwrap_or(Time::MAX)
}

/// The instant `span` before `at`; the beginning of time when that does not exist.
#[must_use]
pub fn earlier(at: Time, span: Duration) -> Time {
    at.saturating_sub(span).unwrap_or(Time::MIN)
}

/// How long from `from` until `to`; nothing when `to` is not after `from`.
#[must_use]
pub fn between(from: Time, to: Time) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// A duration for display: `12 s`, `4 min`, `9 h`, `3 days`. At most two units, none of them zero.
#[must_use]
pub fn spoken(span: Duration) -> String {
    let secs = span.as_secs();
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{big} {big_unit}")
        } else {
            format!("{big} {big_unit} {small} {small_unit}")
        }
    };
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => two(secs / 60, "min", secs % 60, "s"),
        3_600..172_800 => two(secs / 3_600, "h", secs % 3_600 / 60, "min"),
        _ => format!("{} days", secs / 86_400),
    }
}

/// `15:28 EET`: a time of day in a timezone, with its abbreviation, which distinguishes the repeated hour at the end of
/// summer time.
#[must_use]
pub fn clock(at: Time, zone: &TimeZone) -> String {
    formatted(at, zone, "%H:%M")
}

/// A time in a timezone with a pattern, followed by the abbreviation.
#[must_use]
pub fn formatted(at: Time, zone: &TimeZone, pattern: &str) -> String {
    let at = at.to_zoned_datetime(zone.clone());
    format!("{} {}", at.strftime(pattern), abbreviation(&at))
}

/// `EET`; timezones without an abbreviation are written `UTC+0545`.
#[must_use]
pub fn abbreviation(at: &ZonedDateTime) -> String {
    let name = at.strftime("%Z").to_string();
    if name.starts_with(['+', '-']) { format!("UTC{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let noon: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(between(noon, earlier(noon, Duration::from_secs(5))), Duration::ZERO);
        assert_eq!(between(noon, later(noon, Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(later(Time::MAX, Duration::from_secs(1)), Time::MAX);
    }

    #[test]
    fn clock_names_timezone() {
        for (at, zone, words) in [
            ("2026-10-25T00:30:00Z", "Europe/Tallinn", "03:30 EEST"),
            ("2026-10-25T01:30:00Z", "Europe/Tallinn", "03:30 EET"),
            ("2026-10-25T01:30:00Z", "Asia/Kolkata", "07:00 IST"),
            ("2026-10-25T01:30:00Z", "Asia/Kathmandu", "07:15 UTC+0545"),
            ("2026-10-25T01:30:00Z", "UTC", "01:30 UTC"),
        ] {
            assert_eq!(clock(at.parse().unwrap(), &TimeZone::get(zone).unwrap()), words);
        }
    }

    #[test]
    fn duration_has_at_most_two_units() {
        for (secs, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (95, "1 min 35 s"),
            (3_600, "1 h"),
            (33_660, "9 h 21 min"),
            (259_200, "3 days"),
        ] {
            assert_eq!(spoken(Duration::from_secs(secs)), words);
        }
    }
}
