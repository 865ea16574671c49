//! JSON of the API: a duration is a number of seconds, and times have at most microseconds, which is what most
//! programs can read.

use serde::Serialize;
use serde_json::Value;

/// Converts a value to JSON, with durations in seconds and times in microseconds.
///
/// # Errors
/// When it cannot be written as JSON, which would be a bug.
pub fn to_value<T: Serialize>(value: &T) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(value)?;
    durations_as_seconds(&mut value);
    Ok(value)
}

fn durations_as_seconds(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(durations_as_seconds),
        Value::Object(fields) => {
            let duration = (fields.len() == 2)
                .then(|| Some((fields.get("secs")?.as_u64()?, fields.get("nanos")?.as_u64()?)))
                .flatten();
            match duration {
                Some((secs, nanos)) => *value = (secs as f64 + (nanos / 1_000) as f64 / 1e6).into(),
                None => fields.values_mut().for_each(durations_as_seconds),
            }
        }
        Value::String(text) => {
            if let Some(end) = fraction_beyond_microseconds(text) {
                text.replace_range(end, "");
            }
        }
        _ => {}
    }
}

/// Range of the digits beyond microseconds, in a time in UTC as mainstay writes it.
fn fraction_beyond_microseconds(text: &str) -> Option<std::ops::Range<usize>> {
    const WHOLE: usize = "2026-11-22T04:16:09".len();
    const ENOUGH: usize = WHOLE + ".000000".len();
    let digits = text.strip_suffix('Z')?.get(WHOLE..)?.strip_prefix('.')?;
    let is_time = digits.len() > 6
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && text.get(..WHOLE).is_some_and(|whole| {
            whole.bytes().enumerate().all(|(at, letter)| match at {
                4 | 7 => letter == b'-',
                10 => letter == b'T',
                13 | 16 => letter == b':',
                _ => letter.is_ascii_digit(),
            })
        });
    is_time.then(|| ENOUGH..text.len() - 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn nested_durations_are_numbers_of_seconds() {
        let duration = Duration::from_nanos(1_250_000_999);
        let given = json!({ "a": [{ "b": duration }], "secs": 1, "none": Option::<Duration>::None,
            "at": "2026-11-22T04:16:09.123456789Z", "text": "2026-11-22T04:16:09.123456789 or soZ" });
        assert_eq!(
            super::to_value(&given).unwrap(),
            json!({ "a": [{ "b": 1.25 }], "secs": 1, "none": null,
                "at": "2026-11-22T04:16:09.123456Z", "text": "2026-11-22T04:16:09.123456789 or soZ" })
        );
    }
}
