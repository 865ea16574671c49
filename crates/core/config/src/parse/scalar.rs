//! Parsers of simple values: text, durations, rotations, waking hours, timezones, secrets, paths, dates.

use crate::suggest::shown;
use crate::value_error::{Hint, ValueError};
use jiff::fmt::friendly::SpanParser;
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, civil};
use std::path::Path;
use std::time::Duration;
use toml::value::{Datetime, Offset};
use types::Time;
use types::config::{Rotation, SecretRef};

/// Parses text for people: one line of 1 to 500 characters.
pub(crate) fn text(text: &str) -> Result<String, ValueError> {
    if text.trim().is_empty() {
        Err(ValueError::new("the text is empty"))
    } else if text.chars().count() > 500 {
        Err(ValueError::new("the text is too long").hint("500 characters at most"))
    } else if text.chars().any(char::is_control) {
        Err(ValueError::new("the text has a line break or control character").hint("write it on one line"))
    } else {
        Ok(text.trim().to_owned())
    }
}

/// Parses a duration in jiff's friendly format: `30s`, `1h 30m`, `500ms`, `2 weeks`. A day has 24 hours, a week 7 days;
/// months and years have no length.
pub(crate) fn duration(text: &str) -> Result<Duration, ValueError> {
    let error = || {
        ValueError::new(format!("`{}` is not a duration", shown(text)))
            .hint("a number and ms, s, m, h, d or w, the largest unit first: \"30s\", \"1h 30m\"")
    };
    let span = SpanParser::new().parse_span(text.trim()).map_err(|_| error())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(ValueError::new(format!("`{}` has no fixed length", shown(text)))
            .hint("months and years differ in length; use days or weeks: \"30d\""));
    }
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| error())?;
    Duration::try_from(duration).map_err(|_| error())
}

/// Parses a rotation, the length of a shift: `1 week`, `8 hours`.
pub(crate) fn rotation(text: &str) -> Result<Rotation, ValueError> {
    let error = || {
        ValueError::new(format!("`{}` is not a rotation", shown(text)))
            .hint("a number and hours, days, weeks or months: \"1 week\", \"8 hours\"")
    };
    let (number, unit) = text.trim().split_once(' ').ok_or_else(error)?;
    let number: u32 = number.parse().ok().filter(|n| (1..=1_000).contains(n)).ok_or_else(error)?;
    match unit.trim() {
        "hour" | "hours" => Ok(Rotation::Hours(number)),
        "day" | "days" => Ok(Rotation::Days(number)),
        "week" | "weeks" => Ok(Rotation::Weeks(number)),
        "month" | "months" => Ok(Rotation::Months(number)),
        _ => Err(error()),
    }
}

/// Parses the hours in which a person is awake: `07:30-23:00`.
pub(crate) fn waking_hours(text: &str) -> Result<(civil::Time, civil::Time), ValueError> {
    hours(text, "leave `waking_hours` out for a person who can be paged at any hour")
}

/// Parses a range of hours: `07:30-23:00`. `all_day` is the hint for one that begins and ends at the same time.
pub(crate) fn hours(text: &str, all_day: &'static str) -> Result<(civil::Time, civil::Time), ValueError> {
    let error = || ValueError::new(format!("`{}` is not a range of hours", shown(text)));
    let (from, to) = text.split_once('-').ok_or_else(error)?;
    let (from, to) = (time_of_day(from).ok_or_else(error)?, time_of_day(to).ok_or_else(error)?);
    if from == to {
        return Err(ValueError::new("it begins and ends at the same time").hint(all_day));
    }
    Ok((from, to))
}

/// Parses a time of day: `08:30`.
pub(crate) fn time_of_day(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    // 24:00 is how people write the end of a day.
    let hour = hour.parse::<i8>().ok().map(|hour| if hour == 24 && minute == "00" { 0 } else { hour })?;
    civil::Time::new(hour, minute.parse().ok()?, 0, 0).ok()
}

/// Parses the name of a timezone of the built-in IANA database.
pub(crate) fn timezone(text: &str) -> Result<TimeZone, ValueError> {
    TimeZone::get(text).map_err(|_| ValueError {
        message: format!("unknown timezone `{}`", shown(text)),
        hint: Hint::Timezone(text.to_owned()),
        secret: false,
    })
}

/// Parses the reference to a secret. A literal secret is rejected, and never repeated.
pub(crate) fn secret(text: &str, folder: &Path) -> Result<SecretRef, ValueError> {
    match text.split_once(':') {
        Some(("env", name)) if is_variable(name) => Ok(SecretRef::Env(name.to_owned())),
        Some(("env", _)) => {
            Err(ValueError::new("what follows `env:` is not the name of an environment variable").secret())
        }
        Some(("file", path)) if !path.trim().is_empty() && !path.contains('\0') => {
            Ok(SecretRef::File(folder.join(path)))
        }
        _ => Err(ValueError::new("a secret must not be written in the configuration")
            .hint("refer to it: \"env:NAME\" or \"file:PATH\"; replace this one, it may have been copied with the file")
            .secret()),
    }
}

/// Whether the value of such a key may be a secret.
pub(crate) fn is_secretive(key: &str) -> bool {
    let key = key.to_lowercase();
    ["secret", "token", "password", "passwd", "key", "auth"].iter().any(|word| key.contains(word))
}

fn is_variable(name: &str) -> bool {
    name.len() <= 200
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Parses a file path, relative to the folder of the configuration.
pub(crate) fn path(text: &str, folder: &Path) -> Result<std::path::PathBuf, ValueError> {
    if text.trim().is_empty() || text.contains('\0') {
        Err(ValueError::new("this is not a file path"))
    } else {
        Ok(folder.join(text))
    }
}

/// Converts to a local date and time; a date alone means midnight.
pub(crate) fn local_datetime(datetime: &Datetime) -> Result<civil::DateTime, ValueError> {
    if datetime.offset.is_some() {
        return Err(ValueError::new("a local time has no offset")
            .hint("the schedule's `timezone` applies to it: 2026-10-26T09:00:00"));
    }
    local(datetime)
}

/// Converts to an instant: a date and time with an offset, or a date, which means its first moment in UTC.
pub(crate) fn instant(datetime: &Datetime) -> Result<Time, ValueError> {
    let at = local(datetime)?;
    let offset = match (datetime.time, datetime.offset) {
        (None, _) | (Some(_), Some(Offset::Z)) => 0,
        (Some(_), Some(Offset::Custom { minutes })) => i32::from(minutes) * 60,
        (Some(_), None) => {
            return Err(ValueError::new("a time without an offset")
                .hint("a date, or an instant in UTC: 2027-03-01T12:00:00Z"));
        }
    };
    let error = |_| ValueError::new("no such date");
    let offset = jiff::tz::Offset::from_seconds(offset).map_err(error)?;
    offset.to_timestamp(at).map_err(error)
}

fn local(datetime: &Datetime) -> Result<civil::DateTime, ValueError> {
    let none = || ValueError::new("a time of day without a date");
    let date = datetime.date.ok_or_else(none)?;
    let small = |n: u8| i8::try_from(n).unwrap_or(-1);
    let error = |_| ValueError::new("no such date");
    let date = civil::Date::new(i16::try_from(date.year).unwrap_or(0), small(date.month), small(date.day))
        .map_err(error)?;
    let time = match datetime.time {
        None => civil::Time::midnight(),
        Some(time) => {
            civil::Time::new(small(time.hour), small(time.minute), small(time.second.unwrap_or(0)), 0)
                .map_err(error)?
        }
    };
    Ok(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("30s", Some(30_000)),
            ("1h 30m", Some(5_400_000)),
            ("1h30min", Some(5_400_000)),
            ("1h  30m", Some(5_400_000)),
            ("500ms", Some(500)),
            (" 2 d ", Some(172_800_000)),
            ("90d", Some(7_776_000_000)),
            ("1w", Some(604_800_000)),
            ("1w 2d 3h 4m 5s 6ms", Some(788_645_006)),
            ("0s", Some(0)),
            ("007s", Some(7_000)),
            ("30 sec", Some(30_000)),
            ("2 weeks", Some(1_209_600_000)),
            ("1 hour, 30 minutes", Some(5_400_000)),
            ("1.5h", Some(5_400_000)),
            ("", None),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1s ago", None),
            ("1 month", None),
            ("1y", None),
            ("1y 2d", None),
            ("30m 1h", None),
            ("1s 1s", None),
            ("1M", None),
            ("PT1H", None),
            ("soon", None),
            ("99999999999999999999s", None),
            ("1ü", None),
        ] {
            assert_eq!(duration(text).ok().map(|span| span.as_millis()), millis, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn units_from_large_to_small_add_up(
            counts in proptest::array::uniform6(prop::option::of(0..1_000u64)),
            space in " ?",
            gap in " {0,2}",
        ) {
            let units = [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
            let parts = counts.iter().zip(units).filter_map(|(count, unit)| Some(((*count)?, unit)));
            let text: Vec<String> = parts.clone().map(|(count, (unit, _))| format!("{count}{space}{unit}")).collect();
            let millis: Option<u128> = (!text.is_empty()).then(|| parts.map(|(count, (_, size))| u128::from(count * size)).sum());
            prop_assert_eq!(duration(&text.join(&gap)).ok().map(|span| span.as_millis()), millis);
        }

        #[test]
        fn any_text_is_a_duration_or_an_error(text in "[0-9a-z .,:µ-]{0,40}|\\PC{0,40}") {
            let _ = duration(&text);
        }
    }

    #[test]
    fn rotations() {
        assert_eq!(rotation("1 week").unwrap(), Rotation::Weeks(1));
        assert_eq!(rotation("8 hours").unwrap(), Rotation::Hours(8));
        for text in ["", "week", "0 days", "1 fortnight", "1week", "9999999999 days"] {
            assert!(rotation(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ranges_of_hours() {
        let at = |hour, minute| civil::Time::constant(hour, minute, 0, 0);
        assert_eq!(waking_hours("07:30-23:00").unwrap(), (at(7, 30), at(23, 0)));
        assert_eq!(waking_hours("22:00-06:00").unwrap(), (at(22, 0), at(6, 0)));
        assert_eq!(waking_hours("08:00 - 24:00").unwrap(), (at(8, 0), at(0, 0)));
        for text in ["", "07:30", "7:30-23:00", "07:30-25:00", "08:00-08:00", "a-b", "+1:00-02:00"] {
            assert!(waking_hours(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn literal_secret_is_rejected_and_not_repeated() {
        let folder = Path::new("/etc/mainstay");
        assert_eq!(secret("env:TOKEN", folder).unwrap(), SecretRef::Env("TOKEN".into()));
        assert_eq!(secret("file:token", folder).unwrap(), SecretRef::File("/etc/mainstay/token".into()));
        assert_eq!(secret("file:/run/token", folder).unwrap(), SecretRef::File("/run/token".into()));
        for text in ["tk_hunter2", "env:tk-hunter2", "hunter2:x", "file:"] {
            let error = secret(text, folder).unwrap_err();
            assert!(error.secret && !format!("{error:?}").contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn dates() {
        let read = |text: &str| instant(&text.parse().unwrap());
        assert_eq!(read("2027-03-01").unwrap().to_string(), "2027-03-01T00:00:00Z");
        assert_eq!(read("2027-03-01T12:00:00+02:00").unwrap().to_string(), "2027-03-01T10:00:00Z");
        assert!(read("2027-03-01T12:00:00").is_err());
        assert!(local_datetime(&"2027-03-01T12:00:00Z".parse().unwrap()).is_err());
        assert_eq!(
            local_datetime(&"2027-03-01".parse().unwrap()).unwrap().to_string(),
            "2027-03-01T00:00:00"
        );
        assert!(local_datetime(&"12:00:00".parse().unwrap()).is_err());
    }
}
