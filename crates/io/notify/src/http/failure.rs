//! Delivery results of requests without a response.

use super::resolver::PrivateAddress;
use std::error::Error;
use types::notification::Undelivered;

/// The delivery result of a request without response. Its URL, which may contain a secret, is not passed on.
pub(super) fn unanswered(error: &reqwest::Error) -> Undelivered {
    if let Some(private) = causes(error).find_map(|cause| cause.downcast_ref::<PrivateAddress>()) {
        return Undelivered { why: private.to_string(), retriable: false, retry_after: None };
    }
    let why = if let Some(tls) = causes(error).find_map(tls_error) {
        format!("no trusted TLS connection: {tls}")
    } else if error.is_timeout() {
        "no response in time".to_owned()
    } else if let Some(io) = causes(error).find_map(|cause| cause.downcast_ref::<std::io::Error>()) {
        match io.kind() {
            std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            // A failed lookup has no kind of its own.
            _ if error.is_connect() => format!("cannot connect: {io}"),
            _ => format!("connection lost: {io}"),
        }
    } else if error.is_connect() {
        "cannot connect".to_owned()
    } else {
        "connection lost, or the response is not HTTP".to_owned()
    };
    Undelivered { why, retriable: true, retry_after: None }
}

/// The causes of an error, outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// The TLS error in a cause. rustls wraps its errors in an `io::Error`, sometimes twice.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    cause
        .downcast_ref::<rustls::Error>()
        .or_else(|| tls_error(cause.downcast_ref::<std::io::Error>()?.get_ref()?))
}
