//! The deadline of a gRPC call: its own `grpc-timeout` (gRPC over HTTP/2, "Requests"), or the service's from the end
//! of the request.
//!
//! A stream may have its first message, and with it the response's head, late.

use http::header::{self, HeaderMap};
use std::time::Duration;

/// The longest wait for the head of a response to a gRPC call, whatever timeout it asks for.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// Deadline of a gRPC call: both sides may be silent for as long as it allows.
#[derive(Clone, Copy)]
pub(crate) struct GrpcDeadline {
    /// Whether the deadline is its own. Otherwise the timeout counts from the end of the request.
    pub(crate) own: bool,
    /// The tick at which it gives its place in the pool back.
    pub(crate) yields: u32,
}

/// Returns the timeout of a gRPC call until its response begins, if the call has one; `None` when the request is no
/// gRPC call.
pub(crate) fn deadline(headers: &HeaderMap) -> Option<Option<Duration>> {
    let kind = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let rest = kind.strip_prefix(b"application/grpc")?;
    if !matches!(rest.first(), None | Some(b'+' | b';')) {
        return None;
    }
    let timeout_header = headers.get("grpc-timeout").and_then(|value| timeout(value.as_bytes()));
    Some(timeout_header.map(|timeout_header| timeout_header.min(LONGEST)))
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
        let (hour, none) = (Some(Some(LONGEST)), Some(None));
        for (kind, timeout_header, expected) in [
            ("application/grpc", Some("5S"), Some(Some(Duration::from_secs(5)))),
            ("application/grpc+proto", Some("250m"), Some(Some(Duration::from_millis(250)))),
            ("application/grpc;x=y", Some("99999999H"), hour),
            ("application/grpc", Some("0n"), Some(Some(Duration::ZERO))),
            ("application/grpc", None, none),
            ("application/grpc", Some("S"), none),
            ("application/grpc", Some("123456789S"), none),
            ("application/grpc", Some("+5S"), none),
            ("application/grpc", Some("5s"), none),
            ("application/grpc-web", Some("5S"), None),
            ("text/plain", Some("5S"), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            if let Some(timeout_header) = timeout_header {
                headers.insert("grpc-timeout", timeout_header.parse().unwrap());
            }
            assert_eq!(deadline(&headers), expected, "{kind} {timeout_header:?}");
        }
        assert_eq!(deadline(&HeaderMap::new()), None);
    }
}
