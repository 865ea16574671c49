//! The delivery result of a response.

use crate::body_error::{self, BodyError};
use crate::http::Response;
use serde_json::Value;
use std::time::Duration;
use types::config::AcceptedWhen;
use types::notification::{Delivered, Undelivered};
use types::{Time, time};

/// Upper limit of `Retry-After`.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Maximum length of a provider's text that is passed on, in bytes.
const TEXT_BYTES_MAX: usize = 160;

/// Maximum length of a word in such a text, in bytes: a longer one may be part of a token.
const WORD_BYTES_MAX: usize = 40;

/// The delivery result of a response. `secrets` are never passed on, even if the provider repeats what it was sent.
/// `accepted_when` is how the configuration describes a success.
///
/// # Errors
/// When the provider did not accept the message.
pub(crate) fn result(
    response: &Response,
    secrets: &[&str],
    now: Time,
    accepted_when: Option<&AcceptedWhen>,
) -> Result<Delivered, Undelivered> {
    let Response { status, retry_after, body, .. } = response;
    if (200..300).contains(status) {
        let error = accepted_when
            .map_or_else(|| body_error::find(body), |expected| body_error::missing(body, expected));
        return match error {
            Some(error) => Err(undelivered(error, secrets)),
            None => Ok(Delivered { receipt: text_field(body, "id", secrets) }),
        };
    }
    let retriable = matches!(status, 408 | 425 | 429 | 500..=599);
    let mut why = match status {
        300..=399 => format!("redirects are not followed ({status}): configure the final address"),
        401 | 403 => format!("the provider rejected the secret ({status})"),
        404 | 410 => format!("the provider does not know the address ({status})"),
        413 => format!("the message is too large for the provider ({status})"),
        429 => format!("the rate limit of the provider is reached ({status})"),
        500..=599 => format!("the provider has an internal error ({status})"),
        _ => format!("the provider rejected the message ({status})"),
    };
    if let Some(reason) = text_field(body, "error", secrets) {
        why = format!("{why}: {reason}");
    }
    let retry_after = retry_after.as_deref().filter(|_| retriable).and_then(|text| delay(text, now));
    Err(Undelivered { why, retriable, retry_after })
}

/// An error in the body of a response with a success status. The provider's own text is passed on if it is safe.
fn undelivered(error: BodyError, secrets: &[&str]) -> Undelivered {
    let BodyError { mut why, reason, retriable } = error;
    if let Some(reason) = reason.filter(|reason| is_safe(reason, secrets)) {
        why = format!("{why}: {reason}");
    }
    Undelivered { why, retriable, retry_after: None }
}

/// A text field of a JSON body, if it is safe.
pub(crate) fn text_field(body: &[u8], field: &str, secrets: &[&str]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = value.get(field)?.as_str()?;
    Some(text.to_owned()).filter(|text| is_safe(text, secrets))
}

/// Whether a provider's text is short, plain and without secrets: no link and no token looks like this.
fn is_safe(text: &str, secrets: &[&str]) -> bool {
    let plain = |c: char| c.is_alphanumeric() || " .,:;'()_-".contains(c);
    !text.is_empty()
        && text.len() <= TEXT_BYTES_MAX
        && text.chars().all(plain)
        && !secrets.iter().any(|secret| text.contains(secret))
        && text.split(' ').all(|word| word.len() <= WORD_BYTES_MAX)
}

/// The delay of `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn delay(text: &str, now: Time) -> Option<Duration> {
    let delay = if let Ok(secs) = text.trim().parse::<u64>() {
        Duration::from_secs(secs)
    } else {
        let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
        time::between(now, at)
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        "1994-11-06T08:49:00Z".parse().unwrap()
    }

    fn judged(
        status: u16,
        retry_after: Option<&str>,
        body: &[u8],
        secrets: &[&str],
    ) -> Result<Delivered, Undelivered> {
        let retry_after = retry_after.map(str::to_owned);
        let response = Response { status, retry_after, body: body.to_vec(), complete: true };
        result(&response, secrets, now(), None)
    }

    #[test]
    fn status_decides_result_and_reason() {
        for (status, retriable, phrase) in [
            (301, false, "redirect"),
            (400, false, "rejected the message"),
            (401, false, "rejected the secret"),
            (403, false, "rejected the secret"),
            (404, false, "does not know"),
            (408, true, "rejected the message"),
            (413, false, "too large"),
            (422, false, "rejected the message"),
            (429, true, "rate limit"),
            (500, true, "internal error"),
            (503, true, "internal error"),
            (600, false, "rejected the message"),
        ] {
            let undelivered = judged(status, None, b"", &[]).unwrap_err();
            assert!(
                undelivered.retriable == retriable && undelivered.why.contains(phrase),
                "{status}: {undelivered:?}"
            );
            assert!(undelivered.why.contains(&status.to_string()) && undelivered.retry_after.is_none());
        }
        for status in [200, 201, 202, 204] {
            assert_eq!(judged(status, None, b"ok", &[]), Ok(Delivered { receipt: None }));
        }
    }

    #[test]
    fn id_in_body_is_receipt() {
        let receipt = |body: &str| judged(200, None, body.as_bytes(), &["tk_1"]).unwrap().receipt;
        assert_eq!(receipt(r#"{"id":"sPs71M8A2T","time":1}"#).as_deref(), Some("sPs71M8A2T"));
        assert_eq!(receipt(r#"{"id":"tk_1"}"#), None);
        assert_eq!(receipt(r#"{"id":7}"#), None);
        assert_eq!(receipt("thank you"), None);
    }

    #[test]
    fn reason_is_passed_on_if_safe() {
        let why = |reason: &str| {
            let body = serde_json::json!({ "error": reason }).to_string();
            judged(400, None, body.as_bytes(), &["tk_1"]).unwrap_err().why
        };
        assert_eq!(why("topic not allowed"), "the provider rejected the message (400): topic not allowed");
        for hidden in
            ["token tk_1 is wrong", "see https://a.b/ack/x", "<b>", &"long ".repeat(50), &"x".repeat(41), ""]
        {
            assert_eq!(why(hidden), "the provider rejected the message (400)", "{hidden}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_date_with_limit() {
        let secs =
            |text: &str| judged(429, Some(text), b"", &[]).unwrap_err().retry_after.map(|d| d.as_secs());
        for (text, expected) in [
            ("30", Some(30)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999", Some(86_400)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(secs(text), expected, "{text}");
        }
        assert_eq!(judged(400, Some("30"), b"", &[]).unwrap_err().retry_after, None);
    }
}
