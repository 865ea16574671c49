//! Errors in the body of a response with a success status: many providers report failures only there.
//!
//! | body | providers |
//! |---|---|
//! | `"ok": false`, `"success": false` | Slack, Telegram, many webhooks |
//! | `"errcode": 310000`, `"code": 19001` | DingTalk, WeCom, Feishu |
//! | `"error": "…"`, `"errors": ["…"]`, one level down too | many others, batch interfaces |
//! | `"status": "error"`, `"result": "failed"` | many others |
//! | a web page | a sign-in page in front of the address, a parked name, a wrong address |

use serde_json::{Map, Value};
use types::config::{AcceptedWhen, Scalar};

/// Depth of the search; deeper fields describe something else.
const DEPTH_MAX: usize = 3;
/// Entries of a list that are searched.
const ENTRIES_MAX: usize = 20;

/// An error in the body of a response with a success status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyError {
    /// The problem.
    pub(crate) why: String,
    /// The provider's own text, if there is one.
    pub(crate) reason: Option<String>,
    /// Whether another attempt may succeed. A rejected token stays rejected.
    pub(crate) retriable: bool,
}

/// The error in a body; `None` if no known form of error is found.
pub(crate) fn find(body: &[u8]) -> Option<BodyError> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if is_web_page(text) {
        let why = "the response is a web page: check the address, and whether it requires a sign-in";
        return Some(BodyError { why: why.to_owned(), reason: None, retriable: true });
    }
    match serde_json::from_str(text) {
        Ok(value) => in_value(&value, 0),
        Err(_) => in_text(text),
    }
}

/// The mismatch of a body with `accepted_when`; `None` when it is a success.
pub(crate) fn missing(body: &[u8], expected: &AcceptedWhen) -> Option<BodyError> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let has = |(key, scalar): (&String, &Scalar)| {
        let value = json.as_ref().and_then(|json| json.get(key));
        value.is_some_and(|value| match scalar {
            Scalar::Flag(flag) => value.as_bool() == Some(*flag),
            Scalar::Number(number) => value.as_i64() == Some(*number),
            Scalar::Text(text) => value.as_str() == Some(text),
        })
    };
    let contains = |text: &String| String::from_utf8_lossy(body).contains(text.as_str());
    if expected.json.iter().all(has) && expected.text.as_ref().is_none_or(contains) {
        return None;
    }
    let reason = find(body).and_then(|error| error.reason);
    let why = "the response does not match `accepted_when`".to_owned();
    Some(BodyError { why, reason, retriable: true })
}

fn is_web_page(text: &str) -> bool {
    let start: String = text.chars().take(200).collect::<String>().to_ascii_lowercase();
    let start = start.trim_start();
    let opens = |tag: &str| start.starts_with(tag);
    opens("<!doctype html")
        || opens("<html")
        || opens("<head")
        || opens("<body")
        || opens("<!--") && start.contains("<html")
}

/// An error in plain text: only phrases that no provider uses for a success.
fn in_text(text: &str) -> Option<BodyError> {
    let start: String = text.chars().take(300).collect::<String>().to_ascii_lowercase();
    let bad = start.starts_with("error")
        || start.contains("failed with error")
        || start.contains("delivery failed");
    bad.then(|| body_error(None, true))
}

fn in_value(value: &Value, depth: usize) -> Option<BodyError> {
    match value {
        Value::Object(object) => in_object(object, depth),
        Value::Array(list) if depth < DEPTH_MAX => {
            list.iter().take(ENTRIES_MAX).find_map(|entry| in_value(entry, depth + 1))
        }
        _ => None,
    }
}

fn in_object(object: &Map<String, Value>, depth: usize) -> Option<BodyError> {
    for (key, value) in object {
        let name: String =
            key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let bad = match name.as_str() {
            "ok" | "success" | "succeeded" | "successful" | "accepted" | "delivered" => is_no(value),
            "error" | "errors" | "errortext" | "errormessage" | "exception" => is_something(value),
            "errcode" | "errorcode" | "errno" => is_something(value),
            "code" | "statuscode" | "retcode" | "returncode" | "resultcode" => is_bad_code(value),
            "status" | "result" | "state" | "outcome" => is_error_text(value) || is_http_error(value),
            _ => false,
        };
        if bad {
            return Some(body_error(Some((object, value)), !is_final(value)));
        }
    }
    if depth >= DEPTH_MAX {
        return None;
    }
    object.values().find_map(|value| in_value(value, depth + 1))
}

/// Whether a success flag is negative: `false`, `0`, `"false"`. An empty list of deliveries is not.
fn is_no(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "0"),
        _ => false,
    }
}

/// Whether an error field is set: not `null`, `false`, `0`, `""`, `[]`, `{}`, nor a word for "none".
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            !matches!(text.as_str(), "" | "0" | "00000" | "none" | "null" | "no" | "false" | "ok" | "success")
        }
        Value::Array(list) => list.iter().any(is_something),
        Value::Object(object) => !object.is_empty() && object.values().any(is_something),
    }
}

/// Whether a provider's own code is an error. 0 and the success codes of HTTP are not.
fn is_bad_code(value: &Value) -> bool {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // 1 means success at one provider and failure at another.
    number.is_some_and(|code| code < 0 || code > 1 && !(200..300).contains(&code))
}

fn is_http_error(value: &Value) -> bool {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.is_some_and(|code| (400..600).contains(&code))
}

fn is_error_text(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    let text = text.trim().to_ascii_lowercase();
    matches!(
        text.as_str(),
        "error"
            | "err"
            | "fail"
            | "failed"
            | "failure"
            | "rejected"
            | "denied"
            | "invalid"
            | "unauthorized"
            | "forbidden"
            | "undelivered"
    )
}

/// Whether another attempt cannot succeed: the secret or the address was rejected.
fn is_final(value: &Value) -> bool {
    let code = match value {
        Value::Number(number) => number.as_i64(),
        Value::Object(inner) => inner.get("code").or_else(|| inner.get("status")).and_then(Value::as_i64),
        _ => None,
    };
    code.is_some_and(|code| matches!(code, 401 | 403 | 404 | 410))
}

fn body_error(place: Option<(&Map<String, Value>, &Value)>, retriable: bool) -> BodyError {
    let reason = place.and_then(|(object, value)| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let inside = |value: &Value| match value {
            Value::Object(inner) => {
                ["message", "msg", "description", "detail"].iter().find_map(|key| text(inner.get(*key)?))
            }
            Value::Array(list) => list.first().and_then(text),
            other => text(other),
        };
        let beside = ["error", "message", "msg", "errmsg", "description", "error-text", "reason"];
        let beside = || beside.iter().find_map(|key| inside(object.get(*key)?));
        if is_error_text(value) { beside() } else { inside(value).or_else(beside) }
    });
    BodyError { why: "the response has a success status but reports an error".to_owned(), reason, retriable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn success_bodies_have_no_error() {
        for body in [
            "",
            "ok",
            "OK\n",
            "{}",
            "[]",
            "1",
            "null",
            r#"{"ok":true}"#,
            r#"{"error":null,"id":"1"}"#,
            r#"{"error":false}"#,
            r#"{"errors":[]}"#,
            r#"{"code":0,"msg":"success"}"#,
            r#"{"errcode":0,"errmsg":"ok"}"#,
            r#"{"code":200,"message":"queued"}"#,
            r#"{"code":"success"}"#,
            // Pushover, PagerDuty, Twilio, ntfy, Opsgenie, Vonage, Discord
            r#"{"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}"#,
            r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#,
            r#"{"sid":"SM1","status":"queued","error_code":null,"error_message":null}"#,
            r#"{"id":"sPs71M8A2T","time":1643935928,"event":"message","topic":"ana","message":"error: it failed"}"#,
            r#"{"result":"Request will be processed","took":0.3,"requestId":"x"}"#,
            r#"{"message-count":"1","messages":[{"status":"0","message-id":"x"}]}"#,
            r#"{"id":"1","content":"error","type":0,"flags":0}"#,
            "<TwilioResponse/>",
        ] {
            assert_eq!(find(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn error_bodies_are_found() {
        for (body, reason, retriable) in [
            (r#"{"ok":false,"error":"invalid_auth"}"#, Some("invalid_auth"), true),
            (r#"{"code":19001,"msg":"param invalid"}"#, Some("param invalid"), true),
            (
                r#"{"errcode":310000,"errmsg":"keywords not in content"}"#,
                Some("keywords not in content"),
                true,
            ),
            (r#"{"error":"no such flow"}"#, Some("no such flow"), true),
            (r#"{"success":false}"#, None, true),
            (r#"{"status":"error","message":"bad key"}"#, Some("bad key"), true),
            (r#"{"errors":["x is wrong"]}"#, Some("x is wrong"), true),
            (r#"{"error":{"code":401,"message":"bad token"}}"#, Some("bad token"), false),
            (r#"{"data":{"errors":[{"message":"x"}]}}"#, None, true),
            (r#"{"success":0,"failure":1,"results":[{"error":"InvalidRegistration"}]}"#, None, true),
            (r#"{"messages":[{"status":"2","error-text":"Missing to"}]}"#, Some("Missing to"), true),
            (r#"[{"error":"x"}]"#, Some("x"), true),
            (r#"{"status":500}"#, None, true),
            ("Webhook message delivery failed with error: 429", None, true),
            ("error: no such hook", None, true),
            ("\u{feff}<!DOCTYPE html><title>Sign in</title>", None, true),
            ("<html><title>Sign in</title>", None, true),
        ] {
            let found = find(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
            assert_eq!((found.reason.as_deref(), found.retriable), (reason, retriable), "{body}");
        }
    }

    #[test]
    fn accepted_when_decides_success() {
        let json = [("ok".to_owned(), Scalar::Flag(true)), ("n".to_owned(), Scalar::Number(2))];
        let by_field = AcceptedWhen { json: BTreeMap::from(json), text: None };
        let by_text = AcceptedWhen { json: BTreeMap::new(), text: Some("thank you".to_owned()) };
        for (expected, body, fine) in [
            (&by_field, r#"{"ok":true,"n":2,"error":"none of this counts"}"#, true),
            (&by_field, r#"{"ok":true}"#, false),
            (&by_field, r#"{"ok":"true","n":2}"#, false),
            (&by_field, "<html>", false),
            (&by_field, "", false),
            (&by_text, "<html><body>thank you</body>", true),
            (&by_text, "ok", false),
        ] {
            assert_eq!(missing(body.as_bytes(), expected).is_none(), fine, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = find(&body);
        }

        #[test]
        fn deep_nesting_has_no_error(depth in 0usize..200) {
            let body = format!("{}{}", "{\"a\":[".repeat(depth), "]}".repeat(depth));
            prop_assert_eq!(find(body.as_bytes()), None);
        }
    }
}
