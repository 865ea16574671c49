//! Booleans, integers, durations and dates.

use super::value::{Value, example, mistyped, report, report_type};
use super::{Context, KeyPath, Kind, Read};
use crate::parse::scalar;
use crate::suggest::shown;
use crate::value_error::ValueError;
use jiff::civil;
use serde_json::{Value as Json, json};
use std::marker::PhantomData;
use std::time::Duration;
use toml::de::DeValue;
use toml::value::Datetime;
use types::Time;

/// `true` or `false`.
pub(crate) struct Boolean;

impl Kind for Boolean {
    fn describe(&self) -> String {
        "true or false".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "boolean" })
    }
}

impl Read for Boolean {
    type Value = bool;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            report_type(context, key, self, value);
        }
        flag
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// A string, an integer or a boolean.
pub(crate) struct Scalar;

impl Kind for Scalar {
    fn describe(&self) -> String {
        "a string, an integer, true or false".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": ["string", "integer", "boolean"] })
    }
}

impl Read for Scalar {
    type Value = types::config::Scalar;

    fn read(
        &self,
        context: &mut Context<'_>,
        key: &KeyPath<'_>,
        value: Value<'_>,
    ) -> Option<types::config::Scalar> {
        let scalar = match value.get_ref() {
            DeValue::Boolean(flag) => Some(types::config::Scalar::Flag(*flag)),
            DeValue::String(text) => Some(types::config::Scalar::Text(text.to_string())),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(types::config::Scalar::Number)
            }
            _ => None,
        };
        if scalar.is_none() {
            report_type(context, key, self, value);
        }
        scalar
    }
}

/// An integer; `N` must hold the whole range.
pub(crate) struct Integer<N> {
    min: u64,
    max: u64,
    number: PhantomData<N>,
}

pub(crate) const fn integer<N>(min: u64, max: u64) -> Integer<N> {
    Integer { min, max, number: PhantomData }
}

impl<N> Kind for Integer<N> {
    fn describe(&self) -> String {
        format!("an integer from {} to {}", self.min, self.max)
    }

    fn schema(&self) -> Json {
        json!({ "type": "integer", "minimum": self.min, "maximum": self.max })
    }
}

impl<N: TryFrom<u64> + ToString> Read for Integer<N> {
    type Value = N;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<N> {
        let given = value.get_ref().as_integer();
        let number = given.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        let count = number.and_then(|number| u64::try_from(number).ok());
        if let Some(count) = count.filter(|count| (self.min..=self.max).contains(count)) {
            return N::try_from(count).ok();
        }
        let message = match given {
            Some(given) => {
                format!("`{}` must be {}, not {}", key.key.name, self.describe(), shown(given.as_str()))
            }
            None => mistyped(key.key, self, value),
        };
        context.diagnostics.error(value.span(), message, example(key.key));
        None
    }

    fn show(&self, value: &N) -> String {
        value.to_string()
    }
}

/// A duration: `"30s"`.
pub(crate) struct Span {
    min: Duration,
    max: Duration,
}

pub(crate) const fn duration(min: Duration, max: Duration) -> Span {
    Span { min, max }
}

impl Kind for Span {
    fn describe(&self) -> String {
        format!("a duration from {} to {}", short(self.min), short(self.max))
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": DURATION })
    }
}

impl Read for Span {
    type Value = Duration;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<Duration> {
        let Some(text) = value.get_ref().as_str() else {
            report_type(context, key, self, value);
            return None;
        };
        let read = scalar::duration(text).and_then(|duration| {
            let is_within = (self.min..=self.max).contains(&duration);
            let error = || {
                let (name, range) = (key.key.name, self.describe());
                ValueError::new(format!("`{name}` must be {range}, not {}", shown(text)))
            };
            if is_within { Ok(duration) } else { Err(error()) }
        });
        read.map_err(|error| report(context, key.key, value.span(), error)).ok()
    }

    fn show(&self, value: &Duration) -> String {
        short(*value)
    }
}

/// A rough pattern of a duration, for editors.
const DURATION: &str = "^([0-9]+(\\.[0-9]+)? ?(ms|s|m|h|d|w|millis|milliseconds?|secs?|seconds?|mins?|minutes?|hrs?|hours?|days?|wks?|weeks?),? *)+$";

/// Formats a duration as the configuration writes it: `100ms`, `90d`. Exact for whole milliseconds.
fn short(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// A time of day: `"08:30"`; or `false` for none.
pub(crate) struct TimeOrFalse;

impl Kind for TimeOrFalse {
    fn describe(&self) -> String {
        "a time of day, or false".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [{ "const": false }, { "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$" }] })
    }
}

impl Read for TimeOrFalse {
    type Value = Option<civil::Time>;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<Self::Value> {
        match value.get_ref() {
            DeValue::Boolean(false) => Some(None),
            DeValue::Boolean(true) => {
                report(context, key.key, value.span(), ValueError::new("`true` is not a time of day"));
                None
            }
            DeValue::String(text) => {
                let time = scalar::time_of_day(text);
                let error = || ValueError::new(format!("`{}` is not a time of day", shown(text)));
                time.ok_or_else(error)
                    .map(Some)
                    .map_err(|error| report(context, key.key, value.span(), error))
                    .ok()
            }
            _ => {
                report_type(context, key, self, value);
                None
            }
        }
    }
}

/// A date or a date and time.
pub(crate) struct Dated<T> {
    what: &'static str,
    read: fn(&Datetime) -> Result<T, ValueError>,
}

/// An instant, or a date, which means its first moment in UTC.
pub(crate) const DATE: Dated<Time> = Dated { what: "a date", read: scalar::instant };

/// A date and time without an offset.
pub(crate) const LOCAL_DATETIME: Dated<civil::DateTime> =
    Dated { what: "a local date and time", read: scalar::local_datetime };

impl<T> Kind for Dated<T> {
    fn describe(&self) -> String {
        self.what.to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string" })
    }
}

impl<T> Read for Dated<T> {
    type Value = T;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<T> {
        let Some(datetime) = value.get_ref().as_datetime() else {
            let hint = match value.get_ref() {
                DeValue::String(_) => format!("without quotes: {} = {}", key.key.name, key.key.example),
                _ => example(key.key),
            };
            context.diagnostics.error(value.span(), mistyped(key.key, self, value), hint);
            return None;
        };
        (self.read)(datetime).map_err(|error| report(context, key.key, value.span(), error)).ok()
    }
}
