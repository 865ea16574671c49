//! Conditional requests (RFC 9110 section 13): of clients, answered from the cache, and of the cache to servers.

use super::directives::split;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Conditions that the cache evaluates.
const CONDITIONS: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];
/// Requests with one of these are for a part or a state of the resource, and pass by the cache.
const PASSES_BY: [HeaderName; 4] =
    [header::RANGE, header::IF_RANGE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// The conditions of a client's request.
#[derive(Debug, Default)]
pub(crate) struct Conditions(Vec<(HeaderName, HeaderValue)>);

impl Conditions {
    /// Takes them out of a request whose response is to be stored: the whole of it must come.
    pub(crate) fn take(headers: &mut HeaderMap) -> Self {
        let mut taken = Vec::new();
        for name in CONDITIONS {
            taken.extend(headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
            headers.remove(&name);
        }
        Self(taken)
    }

    /// Puts them back in place of those of the cache.
    pub(crate) fn restore(&self, headers: &mut HeaderMap) {
        for name in CONDITIONS {
            headers.remove(&name);
        }
        for (name, value) in &self.0 {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Whether a request passes by the cache.
pub(crate) fn passes_by(headers: &HeaderMap) -> bool {
    PASSES_BY.iter().any(|name| headers.contains_key(name))
}

/// Adds the conditions with which a stored response is validated. Returns whether it has a validator.
pub(crate) fn ask(stored: &HeaderMap, request: &mut HeaderMap) -> bool {
    let validators =
        [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)];
    let mut any = false;
    for (name, condition) in validators {
        if let Some(value) = stored.get(name) {
            request.insert(condition, value.clone());
            any = true;
        }
    }
    any
}

/// Whether the client has the stored response already: a 304 is enough.
pub(crate) fn has_it(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let Some(tag) = stored.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
        let asked = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        return asked.flat_map(|text| split(text, b',')).any(|one| one == "*" || weak(one) == weak(tag));
    }
    let (Some(since), Some(modified)) =
        (request.get(header::IF_MODIFIED_SINCE), stored.get(header::LAST_MODIFIED))
    else {
        return false;
    };
    since == modified || matches!((date(since), date(modified)), (Some(since), Some(at)) if at <= since)
}

/// An entity tag for the weak comparison (RFC 9110 section 8.8.3.2).
fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn date(value: &HeaderValue) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn client_that_has_it_gets_304() {
        const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
        let stored = map(&[(header::ETAG, "\"a,b\""), (header::LAST_MODIFIED, OLD)]);
        for (request, has) in [
            (map(&[(header::IF_NONE_MATCH, "\"a,b\"")]), true),
            (map(&[(header::IF_NONE_MATCH, "\"x\", W/\"a,b\"")]), true),
            (map(&[(header::IF_NONE_MATCH, "*")]), true),
            (map(&[(header::IF_NONE_MATCH, "\"a\"")]), false),
            (map(&[(header::IF_NONE_MATCH, "\"a\""), (header::IF_MODIFIED_SINCE, OLD)]), false),
            (map(&[(header::IF_MODIFIED_SINCE, OLD)]), true),
            (map(&[(header::IF_MODIFIED_SINCE, NEW)]), true),
            (map(&[(header::IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")]), false),
            (map(&[(header::IF_MODIFIED_SINCE, "yesterday")]), false),
            (map(&[]), false),
        ] {
            assert_eq!(has_it(&request, &stored), has, "{request:?}");
        }
        assert!(!has_it(&map(&[(header::IF_NONE_MATCH, "*")]), &map(&[])), "no validator");
    }

    #[test]
    fn conditions_are_replaced_and_restored() {
        let mut request = map(&[(header::IF_NONE_MATCH, "\"mine\""), (header::ACCEPT, "a")]);
        let before = request.clone();
        let taken = Conditions::take(&mut request);
        assert!(ask(&map(&[(header::LAST_MODIFIED, "x")]), &mut request));
        assert!(!request.contains_key(header::IF_NONE_MATCH) && request[header::IF_MODIFIED_SINCE] == "x");
        taken.restore(&mut request);
        assert_eq!(request, before);
    }
}
