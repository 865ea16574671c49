//! Signatures of Grafana's webhooks.

use crate::alert_sources::AlertSource;
use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use std::time::Duration;
use types::Time;
use types::config::AlertFormat;
use types::time::between;

/// Signature: hex HMAC-SHA256 of the body, or of `TIMESTAMP:BODY` when there is a timestamp.
const SIGNATURE: &str = "x-grafana-alerting-signature";
/// Seconds since 1970 at which it was signed.
const TIMESTAMP: &str = "x-grafana-alerting-timestamp";
/// An older signature may be a repeated one.
const AGE_MAX: Duration = Duration::from_secs(300);

/// Whether a webhook is signed, and so needs no token.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE)
}

/// Whether the signature of a webhook is that of the source, and recent if it says when it was made.
pub(super) fn verify(source: &AlertSource, headers: &HeaderMap, body: &[u8], now: Time) -> bool {
    let Some(secret) = source.secret(AlertFormat::Grafana).map(|secret| secret.expose_secret().as_bytes())
    else {
        return false;
    };
    let given = headers.get(SIGNATURE).and_then(|given| given.to_str().ok());
    let given = given.and_then(|given| text::hex::decode::<32>(given.trim()));
    let (Some(given), Ok(mac), false) = (given, Hmac::<Sha256>::new_from_slice(secret), secret.is_empty())
    else {
        return false;
    };
    let mac = match headers.get(TIMESTAMP) {
        None => mac,
        Some(written) => {
            let seconds = written.to_str().ok().and_then(|text| text.trim().parse().ok());
            let signed = seconds.and_then(|seconds| Time::from_second(seconds).ok());
            if signed.is_none_or(|at| between(at, now).max(between(now, at)) > AGE_MAX) {
                return false;
            }
            mac.chain_update(written.as_bytes()).chain_update(b":")
        }
    };
    mac.chain_update(body).verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn sign(text: &[u8]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap().chain_update(text);
        text::hex::encode(&mac.finalize().into_bytes())
    }

    fn verified(signature: &str, timestamp: Option<&str>, body: &[u8]) -> bool {
        let source = AlertSource { name: "g".into(), secrets: [(AlertFormat::Grafana, "key".into())].into() };
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, HeaderValue::from_str(signature).unwrap());
        if let Some(timestamp) = timestamp {
            headers.insert(TIMESTAMP, HeaderValue::from_str(timestamp).unwrap());
        }
        verify(&source, &headers, body, Time::from_second(1_790_000_000).unwrap())
    }

    #[test]
    fn signature_is_that_of_the_body_or_of_timestamp_and_body() {
        assert!(verified(&sign(b"{}"), None, b"{}"));
        assert!(verified(&sign(b"1790000100:{}"), Some("1790000100"), b"{}"));
        assert!(!verified(&sign(b"{}"), None, b"{ }"));
        assert!(!verified(&sign(b"{}"), Some("1790000100"), b"{}"));
        assert!(!verified(&sign(b"1789999000:{}"), Some("1789999000"), b"{}"), "repeated");
        assert!(!verified(&sign(b"x:{}"), Some("x"), b"{}"));
        assert!(!verified("", None, b"{}"));
    }
}
