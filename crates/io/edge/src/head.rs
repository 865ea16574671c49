//! Validation of a request's head: one host, one length, nothing that two parsers read differently (RFC 9110, RFC
//! 9112 sections 3, 6 and 11).

use crate::client::CALLER;
use crate::probe_tokens::PROBE;
use crate::telemetry::id::TRACEPARENT;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Uri, Version};
use std::borrow::Cow;

/// Longest host name with its port.
const HOST_MAX: usize = 261;

/// Why a head is invalid.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum HeadError {
    #[error("the request must have exactly one host")]
    Host,
    #[error("the host name has invalid characters")]
    HostName,
    #[error("the host in the request line differs from the Host field")]
    HostDiffers,
    #[error("the target is not a path")]
    Target,
    #[error("the target has a space, a control character or a fragment")]
    TargetByte,
    #[error("the target is too long")]
    TargetLong,
    #[error("method not allowed")]
    Method,
    #[error("the only supported transfer coding is chunked")]
    Coding,
    #[error("the expectation is not supported")]
    Expectation,
}

impl HeadError {
    /// Returns the status code of the error response.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::TargetLong => 414,
            Self::Expectation => 417,
            _ => 400,
        }
    }

    /// Returns the sentence for the client.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Host => "The request must have exactly one host.",
            Self::HostName => "The host name has invalid characters.",
            Self::HostDiffers => "The host in the request line differs from the Host field.",
            Self::Target => "The target of this request is not a path.",
            Self::TargetByte => {
                "The target of this request has a space, a control character or a fragment (#), which must be percent-encoded."
            }
            Self::TargetLong => "The target of this request is longer than this site accepts.",
            Self::Method => "This method is not allowed.",
            Self::Coding => "The only supported transfer coding is chunked.",
            Self::Expectation => "The expectation is not supported.",
        }
    }
}

/// The host that a request is for.
#[derive(Debug)]
pub(crate) struct Host {
    /// As it was sent, port included.
    pub(crate) value: HeaderValue,
}

impl Host {
    /// The port, if it has one.
    pub(crate) fn port(&self) -> Option<u16> {
        let (name, port) = self.value.to_str().ok()?.rsplit_once(':')?;
        // Without brackets what follows the last colon is part of an address.
        if name.contains(':') && !name.ends_with(']') { None } else { port.parse().ok() }
    }

    /// The name in lower case, without port and final dot.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        let text = self.value.to_str().unwrap_or_default();
        let name = match text.rfind(':') {
            Some(at) if !text[at..].contains(']') => &text[..at],
            _ => text,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }
}

/// Which of the fields that the edge itself reads a head has: one look at each field costs less than a look-up for each
/// question, and most heads have few of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeaderPresence {
    pub(crate) accept: bool,
    pub(crate) agent: bool,
    pub(crate) caller: bool,
    pub(crate) cookie: bool,
    pub(crate) probe: bool,
    pub(crate) trace: bool,
    connection: bool,
    coding: bool,
    expect: bool,
    te: bool,
}

impl HeaderPresence {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut has = Self::default();
        for name in headers.keys() {
            match *name {
                header::ACCEPT => has.accept = true,
                header::USER_AGENT => has.agent = true,
                header::COOKIE => has.cookie = true,
                header::CONNECTION => has.connection = true,
                header::TRANSFER_ENCODING => has.coding = true,
                header::EXPECT => has.expect = true,
                header::TE => has.te = true,
                _ if *name == CALLER => has.caller = true,
                _ if *name == PROBE => has.probe = true,
                _ => has.trace |= name.as_str() == TRACEPARENT,
            }
        }
        has
    }
}

/// Options of the client's connection.
#[derive(Debug, Default)]
pub(crate) struct ConnectionOptions {
    /// The protocol to switch to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// Whether a `100 Continue` is awaited before the body is sent.
    pub(crate) expects: bool,
    /// Whether trailers are welcome.
    pub(crate) trailers: bool,
}

/// Checks a head and takes from it what concerns only this connection.
pub(crate) fn examine(
    parts: &mut Parts,
    has: HeaderPresence,
) -> Result<(Host, ConnectionOptions), HeadError> {
    let extended = parts.extensions.get::<hyper::ext::Protocol>().is_some();
    match parts.method {
        Method::CONNECT if !extended => return Err(HeadError::Method),
        Method::TRACE => return Err(HeadError::Method),
        _ => {}
    }
    encode(parts)?;
    let host = host(parts)?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    if !(path.starts_with('/') || path == "*" && parts.method == Method::OPTIONS) {
        return Err(HeadError::Target);
    }
    let mut options = options(parts, has)?;
    if let Some(protocol) = parts.extensions.get::<hyper::ext::Protocol>() {
        options.upgrade = HeaderValue::from_str(protocol.as_str()).ok();
    }
    Ok((host, options))
}

/// Percent-encodes what a client left raw in its target. Everything behind (patterns, logs, servers) sees only this
/// spelling.
fn encode(parts: &mut Parts) -> Result<(), HeadError> {
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let Some(encoded) = traffic::target::encoded(target).map_err(|_| HeadError::TargetByte)? else {
        return Ok(());
    };
    let target = PathAndQuery::try_from(encoded).map_err(|_| HeadError::TargetLong)?;
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = Some(target);
    parts.uri = Uri::from_parts(uri).map_err(|_| HeadError::Target)?;
    Ok(())
}

fn host(parts: &Parts) -> Result<Host, HeadError> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let first = named.next();
    if named.next().is_some() {
        return Err(HeadError::Host);
    }
    let value = match (parts.uri.authority(), first) {
        (Some(authority), first) => {
            if first.is_some_and(|host| !same(authority.as_str(), host)) {
                return Err(HeadError::HostDiffers);
            }
            HeaderValue::from_str(authority.as_str()).map_err(|_| HeadError::HostName)?
        }
        (None, Some(host)) => host.clone(),
        (None, None) => return Err(HeadError::Host),
    };
    // A target with an authority and no path is meant for a proxy of another kind.
    if valid(value.as_bytes()) { Ok(Host { value }) } else { Err(HeadError::HostName) }
}

fn same(authority: &str, host: &HeaderValue) -> bool {
    authority.as_bytes().eq_ignore_ascii_case(host.as_bytes())
}

/// A name, an IPv4 address or a bracketed IPv6 one, and perhaps a port.
pub(crate) fn valid(host: &[u8]) -> bool {
    if host.is_empty() || host.len() > HOST_MAX {
        return false;
    }
    let (name, port) = if host[0] == b'[' {
        let Some(end) = memchr::memchr(b']', host) else { return false };
        let inner = &host[1..end];
        if inner.is_empty() || !inner.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) {
            return false;
        }
        (&host[..=end], &host[end + 1..])
    } else {
        let end = memchr::memchr(b':', host).unwrap_or(host.len());
        let name = &host[..end];
        if name.is_empty()
            || !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        {
            return false;
        }
        (name, &host[end..])
    };
    !name.is_empty()
        && (port.is_empty() || port[0] == b':' && port.len() <= 6 && port[1..].iter().all(u8::is_ascii_digit))
}

fn options(parts: &mut Parts, has: HeaderPresence) -> Result<ConnectionOptions, HeadError> {
    let headers = &mut parts.headers;
    let mut options = ConnectionOptions::default();
    if has.expect {
        // All values: an unsupported expectation is refused wherever it is.
        let mut expectations = headers.get_all(header::EXPECT).iter();
        if !expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return Err(HeadError::Expectation);
        }
        options.expects = true;
    }
    if has.coding {
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let chunked = codings.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err(HeadError::Coding);
        }
    }
    if let Some(te) = has.te.then(|| headers.get(header::TE)).flatten() {
        options.trailers = te
            .as_bytes()
            .split(|b| *b == b',')
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    }
    if has.connection {
        connection(parts, &mut options);
    }
    Ok(options)
}

/// Removes the fields that `Connection` names, and reads the options.
fn connection(parts: &mut Parts, options: &mut ConnectionOptions) {
    let mut named: Vec<HeaderName> = Vec::new();
    let mut upgrade = false;
    for value in parts.headers.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"upgrade") {
                upgrade = true;
            } else if !token.eq_ignore_ascii_case(b"close")
                && !token.eq_ignore_ascii_case(b"keep-alive")
                && let Ok(name) = HeaderName::from_bytes(token)
            {
                named.push(name);
            }
        }
    }
    if upgrade && parts.version == Version::HTTP_11 && parts.method == Method::GET {
        // HTTP/2 by upgrade would carry requests past every check that is made here.
        options.upgrade = parts
            .headers
            .get(header::UPGRADE)
            .cloned()
            .filter(|to| !to.as_bytes().to_ascii_lowercase().windows(2).any(|pair| pair == b"h2"));
    }
    for name in named {
        parts.headers.remove(name);
    }
}

/// Returns the length of a head as most programs write it: to judge whether the body came with it. hyper does not
/// report it.
pub(crate) fn length(parts: &Parts) -> usize {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = parts.method.as_str().len() + target + "  HTTP/1.1\r\n\r\n".len();
    let fields = parts.headers.iter();
    line + fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>()
}

/// Puts the crumbs that HTTP/2 may make of a cookie field together (RFC 9113 section 8.2.3): HTTP/1.1 has one field.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(mut joined) = HeaderValue::try_from(joined) {
        joined.set_sensitive(first.is_sensitive());
        headers.insert(header::COOKIE, joined);
    }
}

/// Whether the client would rather read a page than JSON.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes);
    text::accept::names_media_type(fields, "text/html")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn examine(parts: &mut Parts) -> Result<(Host, ConnectionOptions), HeadError> {
        let has = HeaderPresence::of(&parts.headers);
        super::examine(parts, has)
    }

    fn parts(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn one_host_and_no_other() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], Result<&'static str, HeadError>);
        let table: [Case; 14] = [
            ("/", &[("host", "a.test")], Ok("a.test")),
            ("/", &[("host", "A.Test.:8080")], Ok("a.test")),
            ("/", &[("host", "[::1]:80")], Ok("[::1]")),
            ("/", &[("host", "[::1]")], Ok("[::1]")),
            ("http://a.test/x", &[("host", "A.test")], Ok("a.test")),
            ("http://a.test/x", &[("host", "b.test")], Err(HeadError::HostDiffers)),
            ("/", &[], Err(HeadError::Host)),
            ("/", &[("host", "a.test"), ("host", "a.test")], Err(HeadError::Host)),
            ("/", &[("host", "a.test, b.test")], Err(HeadError::HostName)),
            ("/", &[("host", "user@a.test")], Err(HeadError::HostName)),
            ("/", &[("host", "a.test:80:90")], Err(HeadError::HostName)),
            ("/", &[("host", "a.test/x")], Err(HeadError::HostName)),
            ("/", &[("host", "")], Err(HeadError::HostName)),
            ("a.test", &[("host", "a.test")], Err(HeadError::Target)),
        ];
        for (uri, fields, expected) in table {
            let found = examine(&mut parts(uri, fields)).map(|(host, _)| host.name().into_owned());
            assert_eq!(found.as_deref().map_err(|fault| *fault), expected, "{uri} {fields:?}");
        }
    }

    #[test]
    fn connection_options_and_framing_are_removed() {
        let fields = [
            ("host", "a.test"),
            ("connection", "close, X-Mine, content-length"),
            ("x-mine", "1"),
            ("content-length", "5"),
        ];
        let mut parts = parts("/", &fields);
        examine(&mut parts).unwrap();
        assert!(!parts.headers.contains_key("x-mine"));
    }

    #[test]
    fn cookie_crumbs_become_one_field() {
        let crumbs = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3"), ("cookie", "d=4")];
        let mut headers = parts("/", &crumbs).headers;
        join_cookies(&mut headers);
        let all: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(all, ["a=1; b=2; c=3; d=4"]);
    }

    #[test]
    fn http2_is_not_reached_by_upgrade() {
        for (to, passed) in [("websocket", true), ("h2c", false), ("foo, H2C", false)] {
            let fields = [("host", "a.test"), ("connection", "Upgrade"), ("upgrade", to)];
            let (_, options) = examine(&mut parts("/", &fields)).unwrap();
            assert_eq!(options.upgrade.is_some(), passed, "{to}");
        }
    }

    #[test]
    fn every_expectation_is_looked_at() {
        let table: [(&[&str], bool); 5] = [
            (&["100-continue"], true),
            (&["100-Continue", "100-continue"], true),
            (&["x"], false),
            (&["100-continue", "x"], false),
            (&["y 100-continue"], false),
        ];
        for (values, met) in table {
            let fields: Vec<_> =
                [("host", "a.test")].into_iter().chain(values.iter().map(|v| ("expect", *v))).collect();
            assert_eq!(
                examine(&mut parts("/", &fields)).is_ok_and(|(_, options)| options.expects),
                met,
                "{values:?}"
            );
        }
    }

    #[test]
    fn codings_other_than_chunked_are_refused() {
        for coding in ["gzip, chunked", "chunked, chunked", "identity", "xchunked"] {
            let fields = [("host", "a.test"), ("transfer-encoding", coding)];
            assert_eq!(examine(&mut parts("/", &fields)).unwrap_err(), HeadError::Coding, "{coding}");
        }
    }
}
