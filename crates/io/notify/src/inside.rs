//! Errors inside an answer that says "200": many providers report their failures only there.
//!
//! | what is in it | whose habit |
//! |---|---|
//! | `"ok": false`, `"success": false` | Slack, Telegram, many webhooks |
//! | `"errcode": 310000`, `"code": 19001` | DingTalk, WeCom, Feishu |
//! | `"error": "…"`, `"errors": ["…"]`, one level down too | everybody else, batch interfaces |
//! | `"status": "error"`, `"result": "failed"` | everybody else |
//! | a web page | a sign-in before the real address, a parked name, an address that leads elsewhere |

use serde_json::{Map, Value};
use types::config::{AcceptedWhen, Scalar};

/// How deep it is looked for errors; deeper down they belong to something else.
const DEPTH_MAX: usize = 3;
/// Entries of a list that are looked at.
const ENTRIES_MAX: usize = 20;

/// An error inside an answer that looked like a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, in our words.
    pub why: String,
    /// The provider's own words, where it has any.
    pub reason: Option<String>,
    /// Whether trying again may help: a wrong token stays wrong.
    pub retriable: bool,
}

/// The error inside a body; `None` when there is none to be seen.
#[must_use]
pub fn refusal(body: &[u8]) -> Option<Refusal> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if is_page(text) {
        let why = "it answers with a web page: is the address right, or is there a sign-in before it?";
        return Some(Refusal { why: why.to_owned(), reason: None, retriable: true });
    }
    match serde_json::from_str(text) {
        Ok(value) => in_value(&value, 0),
        Err(_) => in_words(text),
    }
}

/// What is missing in a body that the configuration describes; `None` when it is a success.
#[must_use]
pub fn lacking(body: &[u8], wanted: &AcceptedWhen) -> Option<Refusal> {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    let has = |(key, scalar): (&String, &Scalar)| {
        let value = answer.as_ref().and_then(|answer| answer.get(key));
        value.is_some_and(|value| match scalar {
            Scalar::Flag(flag) => value.as_bool() == Some(*flag),
            Scalar::Number(number) => value.as_i64() == Some(*number),
            Scalar::Text(text) => value.as_str() == Some(text),
        })
    };
    let says = |text: &String| String::from_utf8_lossy(body).contains(text.as_str());
    if wanted.json.iter().all(has) && wanted.text.as_ref().is_none_or(says) {
        return None;
    }
    let reason = refusal(body).and_then(|refusal| refusal.reason);
    let why = "its answer lacks what `accepted_when` wants".to_owned();
    Some(Refusal { why, reason, retriable: true })
}

/// The error of an answer that an ntfy server did not give, or gave for another topic.
#[must_use]
pub fn no_ntfy(body: &[u8], whole: bool, topic: &str) -> Option<Refusal> {
    let refusal = |why: String| Some(Refusal { why, reason: None, retriable: true });
    if body.trim_ascii().is_empty() || !whole {
        return None;
    }
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return refusal("it does not answer as an ntfy server does".to_owned());
    };
    match answer.get("topic").and_then(Value::as_str) {
        Some(other) if other != topic => {
            refusal("it took the message for another topic: the address must be the server's root".to_owned())
        }
        _ => None,
    }
}

fn is_page(text: &str) -> bool {
    let start: String = text.chars().take(200).collect::<String>().to_ascii_lowercase();
    let start = start.trim_start();
    let opens = |tag: &str| start.starts_with(tag);
    opens("<!doctype html")
        || opens("<html")
        || opens("<head")
        || opens("<body")
        || opens("<!--") && start.contains("<html")
}

/// Plain words: only such as no provider says when all is well.
fn in_words(text: &str) -> Option<Refusal> {
    let start: String = text.chars().take(300).collect::<String>().to_ascii_lowercase();
    let bad = start.starts_with("error")
        || start.contains("failed with error")
        || start.contains("delivery failed");
    bad.then(|| said_in(None, true))
}

fn in_value(value: &Value, depth: usize) -> Option<Refusal> {
    match value {
        Value::Object(object) => in_object(object, depth),
        Value::Array(list) if depth < DEPTH_MAX => {
            list.iter().take(ENTRIES_MAX).find_map(|entry| in_value(entry, depth + 1))
        }
        _ => None,
    }
}

fn in_object(object: &Map<String, Value>, depth: usize) -> Option<Refusal> {
    for (key, value) in object {
        let name: String =
            key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let bad = match name.as_str() {
            "ok" | "success" | "succeeded" | "successful" | "accepted" | "delivered" => is_no(value),
            "error" | "errors" | "errortext" | "errormessage" | "exception" => is_something(value),
            "errcode" | "errorcode" | "errno" => is_something(value),
            "code" | "statuscode" | "retcode" | "returncode" | "resultcode" => is_bad_code(value),
            "status" | "result" | "state" | "outcome" => is_bad_word(value) || is_http_error(value),
            _ => false,
        };
        if bad {
            return Some(said_in(Some((object, value)), !is_final(value)));
        }
    }
    if depth >= DEPTH_MAX {
        return None;
    }
    object.values().find_map(|value| in_value(value, depth + 1))
}

/// `false`, `0`, `"false"`: an answer to "did it work?". An empty list of the delivered is none.
fn is_no(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "0"),
        _ => false,
    }
}

/// Anything but nothing: `null`, `false`, `0`, `""`, `[]`, `{}` and words for nothing.
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

/// A code of a provider's own: 0 is well by custom, and so is what HTTP calls well.
fn is_bad_code(value: &Value) -> bool {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // Small numbers are anything: 1 is "well" at one provider, and "failed" at the next.
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

fn is_bad_word(value: &Value) -> bool {
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

/// A refusal of who we are or where it goes stays one.
fn is_final(value: &Value) -> bool {
    let code = match value {
        Value::Number(number) => number.as_i64(),
        Value::Object(inner) => inner.get("code").or_else(|| inner.get("status")).and_then(Value::as_i64),
        _ => None,
    };
    code.is_some_and(|code| matches!(code, 401 | 403 | 404 | 410))
}

fn said_in(place: Option<(&Map<String, Value>, &Value)>, retriable: bool) -> Refusal {
    let reason = place.and_then(|(object, value)| {
        let words = |value: &Value| value.as_str().map(str::to_owned);
        let inside = |value: &Value| match value {
            Value::Object(inner) => {
                ["message", "msg", "description", "detail"].iter().find_map(|key| words(inner.get(*key)?))
            }
            Value::Array(list) => list.first().and_then(words),
            other => words(other),
        };
        let beside = ["error", "message", "msg", "errmsg", "description", "error-text", "reason"];
        let beside = || beside.iter().find_map(|key| inside(object.get(*key)?));
        if is_bad_word(value) { beside() } else { inside(value).or_else(beside) }
    });
    Refusal { why: "it answers 200 with an error inside".to_owned(), reason, retriable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_well_stays_well() {
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
            assert_eq!(refusal(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn errors_inside_are_found() {
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
            let found = refusal(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
            assert_eq!((found.reason.as_deref(), found.retriable), (reason, retriable), "{body}");
        }
    }

    #[test]
    fn the_config_may_say_what_a_success_is() {
        let json = [("ok".to_owned(), Scalar::Flag(true)), ("n".to_owned(), Scalar::Number(2))];
        let by_field = AcceptedWhen { json: BTreeMap::from(json), text: None };
        let by_words = AcceptedWhen { json: BTreeMap::new(), text: Some("thank you".to_owned()) };
        for (wanted, body, fine) in [
            (&by_field, r#"{"ok":true,"n":2,"error":"none of this counts"}"#, true),
            (&by_field, r#"{"ok":true}"#, false),
            (&by_field, r#"{"ok":"true","n":2}"#, false),
            (&by_field, "<html>", false),
            (&by_field, "", false),
            (&by_words, "<html><body>thank you</body>", true),
            (&by_words, "ok", false),
        ] {
            assert_eq!(lacking(body.as_bytes(), wanted).is_none(), fine, "{body}");
        }
    }

    #[test]
    fn an_ntfy_server_answers_with_the_message() {
        for (body, whole, fine) in [
            ("", true, true),
            ("{}", true, true),
            (r#"{"topic":"ana"}"#, true, true),
            (r#"{"topic":"alerts"}"#, true, false),
            ("thank you", true, false),
            (r#"{"topic":"ana","mess"#, false, true),
        ] {
            assert_eq!(no_ntfy(body.as_bytes(), whole, "ana").is_none(), fine, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (refusal(&body), no_ntfy(&body, true, "ana"));
        }

        #[test]
        fn any_nesting_is_judged(depth in 0usize..200) {
            let body = format!("{}{}", "{\"a\":[".repeat(depth), "]}".repeat(depth));
            prop_assert_eq!(refusal(body.as_bytes()), None);
        }
    }
}
