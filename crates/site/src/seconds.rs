//! Spans of time in JSON are seconds, one number each: what serde makes of a `Duration` is two numbers that nobody adds up.

use serde::Serialize;
use serde_json::Value;

/// A value as JSON, with every span as seconds, to the microsecond.
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
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn spans_are_seconds_wherever_they_are() {
        let span = Duration::from_nanos(1_250_000_999);
        let given = json!({ "a": [{ "b": span }], "secs": 1, "none": Option::<Duration>::None });
        assert_eq!(super::json(&given).unwrap(), json!({ "a": [{ "b": 1.25 }], "secs": 1, "none": null }));
    }
}
