//! Parsing of the date formats of registries. Pure.
//!
//! An ambiguous date is read as the earliest possible one: a warning a day too late may cost the domain.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use types::Time;

/// Longest text parsed.
const LENGTH_MAX: usize = 64;
/// Plausible years; others are placeholders.
const YEARS: std::ops::RangeInclusive<i16> = 1980..=2200;

/// Parses an instant: RFC 3339 with or without zone or time (UTC is assumed), and the formats of WHOIS servers.
pub(crate) fn instant(text: &str) -> Option<Time> {
    let text = text.trim().trim_end_matches('.').trim();
    if text.is_empty() || text.len() > LENGTH_MAX {
        return None;
    }
    if text.starts_with("9999-") {
        return "9999-12-30T00:00:00Z".parse().ok();
    }
    let read = text.parse::<Time>().ok().or_else(|| local(text)).or_else(|| words(text));
    read.filter(|at| YEARS.contains(&at.to_zoned_datetime(TimeZone::UTC).year()))
}

fn utc(at: DateTime) -> Option<Time> {
    at.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Without a zone: `2027-06-10T12:00:00`, `2027-06-10 12:00:00`, `2027-06-10`.
fn local(text: &str) -> Option<Time> {
    let bare = text.trim_end_matches("UTC").trim_end_matches("GMT").trim_end_matches(['Z', 'z']).trim();
    bare.parse::<DateTime>().ok().and_then(utc)
}

/// A date in words or other orders, a time behind it: `10-Jun-2027 12:00:00 UTC`, `10.6.2027`, `2027/06/10`,
/// `June 10 2027`, `Thu Jun 10 12:00:00 GMT 2027`.
fn words(text: &str) -> Option<Time> {
    let mut date: Vec<&str> = Vec::new();
    let mut time = None;
    for word in text.split([' ', ',', '\t', '(', ')', 'T', '日']).filter(|word| !word.is_empty()) {
        if word.contains(':') {
            time = time.or_else(|| clock(word));
        } else {
            date.extend(word.split(['-', '/', '.', '年', '月']).filter(|part| !part.is_empty()));
        }
    }
    let date = calendar(&date)?;
    let (hour, minute, second) = time.unwrap_or((0, 0, 0));
    utc(date.at(hour, minute, second, 0))
}

fn clock(word: &str) -> Option<(i8, i8, i8)> {
    let mut parts = word.split([':', '.', '+', 'Z']).map(str::parse::<i8>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().and_then(Result::ok).unwrap_or(0);
    ((0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second))
        .then_some((hour, minute, second))
}

fn calendar(parts: &[&str]) -> Option<Date> {
    // `20270610` in one piece.
    if let Some(whole) = parts.first().filter(|part| part.len() == 8 && part.is_ascii()) {
        let number = |range| whole.get(range).and_then(|part: &str| part.parse::<i16>().ok());
        if let (Some(year), Some(month), Some(day)) = (number(0..4), number(4..6), number(6..8)) {
            return date(year, month, day);
        }
    }
    let month_at = parts.iter().position(|part| month(part).is_some());
    let numbers: Vec<i16> = parts.iter().filter_map(|part| ordinal(part)).collect();
    match (month_at.and_then(|at| parts.get(at)).and_then(|part| month(part)), numbers.as_slice()) {
        (Some(month), [day, year, ..]) if *year > 31 => date(*year, month, *day),
        (Some(month), [year, day, ..]) => date(*year, month, *day),
        (None, [year, month, day, ..]) if *year > 31 => date(*year, *month, *day),
        // Days come first nearly everywhere; where that is no date, the month does.
        (None, [first, second, year, ..]) => {
            date(*year, *second, *first).or_else(|| date(*year, *first, *second))
        }
        _ => None,
    }
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn ordinal(part: &str) -> Option<i16> {
    let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = part.get(digits.len()..)?;
    matches!(suffix, "" | "st" | "nd" | "rd" | "th").then(|| digits.parse().ok())?
}

fn month(part: &str) -> Option<i16> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const LONG: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let part = part.to_ascii_lowercase();
    let at = MONTHS.iter().position(|m| *m == part).or_else(|| LONG.iter().position(|m| *m == part))?;
    i16::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_known_spelling_is_read() {
        for (text, meant) in [
            ("2027-06-10T12:00:00Z", "2027-06-10T12:00:00Z"),
            ("2027-06-10T12:00:00.0Z", "2027-06-10T12:00:00Z"),
            ("2027-06-10T12:00:00.123456+02:00", "2027-06-10T10:00:00.123456Z"),
            ("2027-06-10T12:00:00", "2027-06-10T12:00:00Z"),
            ("2027-06-10t12:00:00z", "2027-06-10T12:00:00Z"),
            ("2027-06-10 12:00:00", "2027-06-10T12:00:00Z"),
            ("2027-06-10 12:00:00 UTC", "2027-06-10T12:00:00Z"),
            ("2027-06-10 12:00:00+00", "2027-06-10T12:00:00Z"),
            ("2027-06-10", "2027-06-10T00:00:00Z"),
            ("2027/06/10", "2027-06-10T00:00:00Z"),
            ("2027/06/10 01:02:03 (JST)", "2027-06-10T01:02:03Z"),
            ("2027.06.10", "2027-06-10T00:00:00Z"),
            ("20270610", "2027-06-10T00:00:00Z"),
            ("10-Jun-2027", "2027-06-10T00:00:00Z"),
            ("10-jun-2027 12:30:00 UTC", "2027-06-10T12:30:00Z"),
            ("10.6.2027 00:00:00", "2027-06-10T00:00:00Z"),
            ("10/06/2027", "2027-06-10T00:00:00Z"),
            ("June 10 2027", "2027-06-10T00:00:00Z"),
            ("10th June 2027 at 08:00:00.000", "2027-06-10T08:00:00Z"),
            ("Thu Jun 10 12:00:00 GMT 2027", "2027-06-10T12:00:00Z"),
            ("2027. 06. 10.", "2027-06-10T00:00:00Z"),
            ("06/30/2027", "2027-06-30T00:00:00Z"),
            ("2027年06月10日", "2027-06-10T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-30T00:00:00Z"),
        ] {
            assert_eq!(instant(text).map(|at| at.to_string()).as_deref(), Some(meant), "{text:?}");
        }
        for text in
            ["", "-", "not defined", "0000-00-00T00:00:00Z", "30th April each year", "0001-01-01", "13"]
        {
            assert_eq!(instant(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = instant(&text);
        }

        #[test]
        fn nothing_like_a_date_makes_it_panic(text in "[0-9A-Za-z:./+ -]{0,40}") {
            let _ = instant(&text);
        }
    }
}
