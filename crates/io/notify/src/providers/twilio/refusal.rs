//! Error codes of Twilio: whose fault, whether a retry helps, what to do. See <https://www.twilio.com/docs/api/errors>.

use crate::response;
use serde_json::Value;
use types::notification::Undelivered;

/// The delivery result of a refusal. A code that is not known leaves what the status says, with the code.
pub(super) fn explained(body: &[u8], by_status: Undelivered, secrets: &[&str]) -> Undelivered {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let Some(code) = json.and_then(|json| json.get("code")?.as_u64()) else { return by_status };
    let Some((retriable, text)) = known(code) else {
        let mut why = format!("{} (code {code})", by_status.why);
        if let Some(message) = response::text_field(body, "message", secrets) {
            why = format!("{why}: {message}");
        }
        return Undelivered { why, ..by_status };
    };
    let retry_after = by_status.retry_after.filter(|_| retriable);
    Undelivered { why: format!("{text} (Twilio {code})"), retriable, retry_after }
}

/// Whether a retry helps, and what to do.
fn known(code: u64) -> Option<(bool, &'static str)> {
    Some(match code {
        20003 => {
            (false, "Twilio rejected the account or its token: check `account` and `secret` of the channel")
        }
        20005 | 10001 | 30002 => (false, "the account of Twilio is suspended: see its console"),
        20404 => (false, "Twilio does not know the account: check `account` of the channel"),
        20429 | 10004 | 14107 => (true, "Twilio takes no more requests for now"),
        21201 | 21211 | 21217 | 21421 => {
            (false, "the number of the contact is not valid: correct it in `contacts`")
        }
        21214 | 13224 => (false, "the number of the contact cannot be called: correct it in `contacts`"),
        21614 => (false, "the number of the contact cannot receive SMS: use `call:` for it"),
        21610 => (
            false,
            "the person has replied STOP and gets no SMS: they send START to the number of the channel",
        ),
        21215 | 13227 => {
            (false, "calls to this country are not allowed: allow it in the geographic permissions of Twilio")
        }
        21408 => {
            (false, "SMS to this country are not allowed: allow it in the geographic permissions of Twilio")
        }
        21216 => (false, "Twilio blocks calls to this number"),
        21210 | 21212 | 21213 | 21603 => {
            (false, "Twilio does not accept the sender: `from` of the channel is a number of this account")
        }
        21606 | 21612 => {
            (false, "the sender cannot reach this number: choose another `from` for the channel")
        }
        21608 | 21219 => {
            (false, "a trial account reaches verified numbers only: verify this one, or upgrade the account")
        }
        21205 | 21609 | 21626 => {
            (false, "Twilio does not accept the address of mainstay: `site.url` is a public URL")
        }
        21611 | 30001 => (true, "the queue of the sender is full at Twilio"),
        21617 | 21602 => (false, "Twilio rejected the text of the SMS"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn explain(code: u64, message: &str) -> Undelivered {
        let body = serde_json::json!({ "code": code, "message": message, "status": 400 }).to_string();
        let retry_after = Some(Duration::from_secs(30));
        let by_status = Undelivered { why: "rejected (400)".to_owned(), retriable: true, retry_after };
        explained(body.as_bytes(), by_status, &["t0ken"])
    }

    #[test]
    fn code_decides_retry_and_text() {
        for (code, retriable, phrase) in [
            (21211, false, "correct it in `contacts`"),
            (20003, false, "check `account` and `secret`"),
            (21610, false, "START"),
            (21408, false, "geographic permissions"),
            (20429, true, "no more requests"),
            (30001, true, "queue"),
            (21609, false, "`site.url`"),
        ] {
            let undelivered = explain(code, "anything");
            assert!(undelivered.why.contains(phrase), "{undelivered:?}");
            assert!(undelivered.why.contains(&code.to_string()), "{undelivered:?}");
            assert_eq!((undelivered.retriable, undelivered.retry_after.is_some()), (retriable, retriable));
        }
    }

    #[test]
    fn unknown_code_keeps_what_the_status_says() {
        let undelivered = explain(99_999, "No such thing");
        assert_eq!(undelivered.why, "rejected (400) (code 99999): No such thing");
        assert!(undelivered.retriable);
        assert_eq!(explain(99_999, "the t0ken is wrong").why, "rejected (400) (code 99999)");
        for body in ["", "[]", "<html>", r#"{"code":"21211"}"#] {
            let by_status = Undelivered { why: "x".to_owned(), retriable: false, retry_after: None };
            assert_eq!(explained(body.as_bytes(), by_status.clone(), &[]), by_status, "{body}");
        }
    }
}
