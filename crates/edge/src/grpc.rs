//! The deadline of a gRPC call: its own, not the pool's.
//!
//! A stream may have its first message, and with it the answer's head, after hours; a call that must not last says so in
//! `grpc-timeout` (gRPC over HTTP/2, "Requests").

use http::header::{self, HeaderMap};
use std::time::Duration;

/// The longest wait for the head of an answer to a gRPC call, whatever it asks for.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a gRPC call may take until its answer begins; `None` where the request is none.
pub(crate) fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let kind = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let rest = kind.strip_prefix(b"application/grpc")?;
    if !matches!(rest.first(), None | Some(b'+' | b';')) {
        return None;
    }
    let told = headers.get("grpc-timeout").and_then(|value| timeout(value.as_bytes()));
    Some(told.unwrap_or(LONGEST).min(LONGEST))
}

/// At most eight digits and a unit.
fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.len() > 8 {
        return None;
    }
    let number = crate::upstream::h1::codec::digits(digits)?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_is_the_calls_own_within_bounds() {
        let hour = Some(LONGEST);
        for (kind, told, expected) in [
            ("application/grpc", Some("5S"), Some(Duration::from_secs(5))),
            ("application/grpc+proto", Some("250m"), Some(Duration::from_millis(250))),
            ("application/grpc;x=y", Some("99999999H"), hour),
            ("application/grpc", Some("0n"), Some(Duration::ZERO)),
            ("application/grpc", None, hour),
            ("application/grpc", Some("S"), hour),
            ("application/grpc", Some("123456789S"), hour),
            ("application/grpc", Some("+5S"), hour),
            ("application/grpc", Some("5s"), hour),
            ("application/grpc-web", Some("5S"), None),
            ("text/plain", Some("5S"), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            if let Some(told) = told {
                headers.insert("grpc-timeout", told.parse().unwrap());
            }
            assert_eq!(deadline(&headers), expected, "{kind} {told:?}");
        }
        assert_eq!(deadline(&HeaderMap::new()), None);
    }
}
