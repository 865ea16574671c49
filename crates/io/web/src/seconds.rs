//! Spans of time in JSON are seconds, one number each: what serde makes of a `Duration` is two numbers that nobody adds up.
//! Times end at the microsecond: most programs cannot read more.

use serde::Serialize;
use serde_json::Value;

/// A value as JSON, with every span as seconds and every time to the microsecond.
///
/// # Errors
/// When it cannot be written as JSON, which would be a mistake of ours.
pub fn json<T: Serialize>(value: &T) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(value)?;
    spans_as_seconds(&mut value);
    Ok(value)
}

fn spans_as_seconds(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(spans_as_seconds),
        Value::Object(fields) => {
            let span = (fields.len() == 2)
                .then(|| Some((fields.get("secs")?.as_u64()?, fields.get("nanos")?.as_u64()?)))
                .flatten();
            match span {
                Some((secs, nanos)) => *value = (secs as f64 + (nanos / 1_000) as f64 / 1e6).into(),
                None => fields.values_mut().for_each(spans_as_seconds),
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

/// Where the digits stand that are too many, in a time in UTC as we write it.
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
    fn spans_are_seconds_wherever_they_are() {
        let span = Duration::from_nanos(1_250_000_999);
        let given = json!({ "a": [{ "b": span }], "secs": 1, "none": Option::<Duration>::None,
            "at": "2026-11-22T04:16:09.123456789Z", "words": "2026-11-22T04:16:09.123456789 or soZ" });
        assert_eq!(
            super::json(&given).unwrap(),
            json!({ "a": [{ "b": 1.25 }], "secs": 1, "none": null,
                "at": "2026-11-22T04:16:09.123456Z", "words": "2026-11-22T04:16:09.123456789 or soZ" })
        );
    }
}
