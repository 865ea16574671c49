//! What a provider's answer, or its silence, means for the next attempt.

use crate::door::InnerAddress;
use crate::inside::{self, Refusal};
use std::error::Error;
use std::time::Duration;
use types::config::AcceptedWhen;
use types::notification::{Delivered, Undelivered};
use types::{Time, time};

/// Longest wait that a provider may ask for. Whoever asks for more is heard, but not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Most words of a provider's own that are passed on.
const REASON_BYTES_MAX: usize = 160;

/// What the status and the body of an answer mean. `secrets` are texts that must not be passed on, whatever the provider
/// repeats of what it was sent. `wanted` is what the configuration says of a success.
///
/// # Errors
/// When the provider did not accept the message.
pub fn judged(
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
    secrets: &[&str],
    now: Time,
    wanted: Option<&AcceptedWhen>,
) -> Result<Delivered, Undelivered> {
    let said = |field: &str| -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        let text = value.get(field)?.as_str()?;
        Some(text.to_owned()).filter(|text| is_harmless(text, secrets))
    };
    if (200..300).contains(&status) {
        return match wanted.map_or_else(|| inside::refusal(body), |wanted| inside::lacking(body, wanted)) {
            Some(refusal) => Err(refused(refusal, secrets)),
            None => Ok(Delivered { receipt: said("id") }),
        };
    }
    let retriable = matches!(status, 408 | 425 | 429 | 500..=599);
    let mut why = match status {
        300..=399 => {
            format!(
                "it answers with a redirect ({status}): put the address it leads to into the configuration"
            )
        }
        401 | 403 => format!("it refuses our secret ({status})"),
        404 | 410 => format!("it does not know the address ({status})"),
        413 => format!("it finds the message too large ({status})"),
        429 => format!("it asks us to slow down ({status})"),
        500..=599 => format!("it has trouble of its own ({status})"),
        _ => format!("it does not accept the message ({status})"),
    };
    if let Some(reason) = said("error") {
        why = format!("{why}: {reason}");
    }
    let retry_after = retry_after.filter(|_| retriable).and_then(|text| wait(text, now));
    Err(Undelivered { why, retriable, retry_after })
}

/// An answer that was no success although its status said so. The provider's own words are passed on where they are harmless.
pub(crate) fn refused(refusal: Refusal, secrets: &[&str]) -> Undelivered {
    let Refusal { mut why, reason, retriable } = refusal;
    if let Some(reason) = reason.filter(|reason| is_harmless(reason, secrets)) {
        why = format!("{why}: {reason}");
    }
    Undelivered { why, retriable, retry_after: None }
}

/// Short plain words that repeat nothing secret: no link and no token looks like this.
fn is_harmless(text: &str, secrets: &[&str]) -> bool {
    let plain = |c: char| c.is_alphanumeric() || " .,:;'()_-".contains(c);
    !text.is_empty()
        && text.len() <= REASON_BYTES_MAX
        && text.chars().all(plain)
        && !secrets.iter().any(|secret| text.contains(secret))
        // A cut-off token is one word; words of people and ids of messages are shorter.
        && text.split(' ').all(|word| word.len() <= 40)
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn wait(text: &str, now: Time) -> Option<Duration> {
    let span = if let Ok(secs) = text.trim().parse::<u64>() {
        Duration::from_secs(secs)
    } else {
        let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
        time::between(now, at)
    };
    Some(span.min(RETRY_AFTER_MAX))
}

/// What it means that there was no answer. The URL of the request, which may hold a secret, is not passed on.
#[must_use]
pub fn unanswered(error: &reqwest::Error) -> Undelivered {
    if let Some(inner) = causes(error).find_map(|cause| cause.downcast_ref::<InnerAddress>()) {
        return Undelivered { why: inner.to_string(), retriable: false, retry_after: None };
    }
    let why = if let Some(tls) = causes(error).find_map(tls_error) {
        format!("no trusted connection: {tls}")
    } else if error.is_timeout() {
        "it did not answer in time".to_owned()
    } else if let Some(io) = causes(error).find_map(|cause| cause.downcast_ref::<std::io::Error>()) {
        match io.kind() {
            std::io::ErrorKind::ConnectionRefused => "it refuses connections".to_owned(),
            // A failed lookup has no kind of its own.
            _ if error.is_connect() => format!("it cannot be reached: {io}"),
            _ => format!("the connection broke: {io}"),
        }
    } else if error.is_connect() {
        "it cannot be reached".to_owned()
    } else {
        "the connection broke, or what came was no HTTP".to_owned()
    };
    Undelivered { why, retriable: true, retry_after: None }
}

/// What lies behind an error, and behind that.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// The TLS error in a cause; rustls's own come wrapped in an `io::Error`, sometimes in two.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    cause
        .downcast_ref::<rustls::Error>()
        .or_else(|| tls_error(cause.downcast_ref::<std::io::Error>()?.get_ref()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        "1994-11-06T08:49:00Z".parse().unwrap()
    }

    #[test]
    fn every_status_has_a_meaning() {
        for (status, retriable, word) in [
            (301, false, "redirect"),
            (400, false, "does not accept"),
            (401, false, "secret"),
            (403, false, "secret"),
            (404, false, "does not know"),
            (408, true, "does not accept"),
            (413, false, "too large"),
            (422, false, "does not accept"),
            (429, true, "slow down"),
            (500, true, "trouble"),
            (503, true, "trouble"),
            (600, false, "does not accept"),
        ] {
            let told = judged(status, None, b"", &[], now(), None).unwrap_err();
            assert!(told.retriable == retriable && told.why.contains(word), "{status}: {told:?}");
            assert!(told.why.contains(&status.to_string()) && told.retry_after.is_none());
        }
        for status in [200, 201, 202, 204] {
            assert_eq!(judged(status, None, b"ok", &[], now(), None), Ok(Delivered { receipt: None }));
        }
    }

    #[test]
    fn a_receipt_is_kept() {
        let receipt =
            |body: &str| judged(200, None, body.as_bytes(), &["tk_1"], now(), None).unwrap().receipt;
        assert_eq!(receipt(r#"{"id":"sPs71M8A2T","time":1}"#).as_deref(), Some("sPs71M8A2T"));
        assert_eq!(receipt(r#"{"id":"tk_1"}"#), None);
        assert_eq!(receipt(r#"{"id":7}"#), None);
        assert_eq!(receipt("thank you"), None);
    }

    #[test]
    fn a_reason_is_passed_on_unless_it_could_hold_a_secret() {
        let why = |reason: &str| {
            let body = serde_json::json!({ "error": reason }).to_string();
            judged(400, None, body.as_bytes(), &["tk_1"], now(), None).unwrap_err().why
        };
        assert_eq!(why("topic not allowed"), "it does not accept the message (400): topic not allowed");
        for hidden in
            ["token tk_1 is wrong", "see https://a.b/ack/x", "<b>", &"long ".repeat(50), &"x".repeat(41), ""]
        {
            assert_eq!(why(hidden), "it does not accept the message (400)", "{hidden}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_for_ever() {
        let secs = |text: &str| {
            judged(429, Some(text), b"", &[], now(), None).unwrap_err().retry_after.map(|d| d.as_secs())
        };
        for (text, wanted) in [
            ("30", Some(30)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999", Some(86_400)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(secs(text), wanted, "{text}");
        }
        assert_eq!(judged(400, Some("30"), b"", &[], now(), None).unwrap_err().retry_after, None);
    }
}
