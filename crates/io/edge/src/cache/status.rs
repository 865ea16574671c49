//! The field `Cache-Status` (RFC 9211): what the cache did with a request.

use http::header::{HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::time::Duration;

/// `Cache-Status`.
pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    /// The request is of a kind that the cache does not answer.
    Bypass,
    /// Its method is not GET.
    Method,
    /// Nothing is stored for its URL.
    UriMiss,
    /// What is stored is for other request headers.
    VaryMiss,
    /// What is stored is stale.
    Stale,
}

impl Forward {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
        }
    }
}

/// Why a response is served stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaleFor {
    Revalidation,
    Error,
}

/// A response from the cache.
pub(crate) fn hit(fresh: Option<Duration>, stale: Option<(Duration, StaleFor)>) -> HeaderValue {
    let mut text = String::from("mainstay; hit");
    if let Some(fresh) = fresh {
        let _ = write!(text, "; ttl={}", fresh.as_secs());
    }
    if let Some((by, why)) = stale {
        let why = match why {
            StaleFor::Revalidation => "stale-while-revalidate",
            StaleFor::Error => "stale-if-error",
        };
        // Stale by less than a second is stale too.
        let _ = write!(text, "; ttl=-{}; detail={why}", by.as_secs().max(1));
    }
    value(&text)
}

/// A response of a server. `status`: of the server, where the client gets another one.
pub(crate) fn forwarded(why: Forward, status: Option<u16>, stored: bool) -> HeaderValue {
    let mut text = format!("mainstay; fwd={}", why.as_str());
    if let Some(status) = status {
        let _ = write!(text, "; fwd-status={status}");
    }
    if stored {
        text.push_str("; stored");
    }
    value(&text)
}

/// A response that another request was just fetching.
pub(crate) fn collapsed(why: Forward) -> HeaderValue {
    value(&format!("mainstay; fwd={}; collapsed", why.as_str()))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("mainstay"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_structured_fields() {
        let secs = Duration::from_secs;
        for (made, text) in [
            (hit(Some(secs(12)), None), "mainstay; hit; ttl=12"),
            (hit(None, Some((secs(30), StaleFor::Error))), "mainstay; hit; ttl=-30; detail=stale-if-error"),
            (forwarded(Forward::UriMiss, None, true), "mainstay; fwd=uri-miss; stored"),
            (forwarded(Forward::Stale, Some(304), true), "mainstay; fwd=stale; fwd-status=304; stored"),
            (collapsed(Forward::UriMiss), "mainstay; fwd=uri-miss; collapsed"),
        ] {
            assert_eq!(made, text);
        }
    }
}
