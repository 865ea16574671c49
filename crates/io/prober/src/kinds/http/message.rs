//! A request and its response, independent of the HTTP version, and why there is no response.

use super::body::BodyRead;
use super::cookies::CookieJar;
use super::head::Head;
use super::question::{Field, Question};
use super::stream::FirstByte;
use crate::faults;
use bytes::Bytes;
use http::Method;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT,
};
use types::Fault;
use types::fault::Phase;
use url::{Position, Url};

/// A response head larger than this is refused, as Chromium does.
pub(super) const HEAD_BYTES_MAX: usize = 256 * 1024;
/// The `User-Agent` of probes.
const AGENT: &str = concat!("mainstay/", env!("CARGO_PKG_VERSION"));

/// A response.
pub(super) struct Response {
    pub(super) head: Head,
    /// `None` when it was not read.
    pub(super) body: Option<BodyRead>,
}

/// Why there is no response.
pub(super) enum Failure {
    Fault(Fault),
    /// The server requires HTTP/1.1 (RFC 9113, section 7).
    OnlyHttp1,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A request, independent of the version.
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    pub(super) method: &'a Method,
    /// Host and port, without a password.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: &'a str,
    /// All fields but those of the connection and `Host`.
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

/// What is sent at one hop of a question.
pub(super) struct Turn<'a> {
    pub(super) question: &'a Question,
    pub(super) url: &'a Url,
    pub(super) method: &'a Method,
    /// Whether the body is sent: a redirect may turn the request into GET.
    pub(super) has_body: bool,
    /// Whether the server is that of the configuration, and gets its secrets.
    pub(super) is_home: bool,
    pub(super) jar: &'a CookieJar,
    /// The value of `mainstay-probe`.
    pub(super) token: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(turn: &Turn<'a>) -> Self {
        let url = turn.url;
        let host = url.host_str().unwrap_or_default();
        let mut authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut cookies = Vec::new();
        let mut fields = vec![
            (USER_AGENT, HeaderValue::from_static(AGENT)),
            (ACCEPT, HeaderValue::from_static("*/*")),
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        ];
        for Field { name, value, is_private } in &turn.question.fields {
            if *is_private && !turn.is_home || *name == CONTENT_TYPE && !turn.has_body {
                continue;
            }
            match *name {
                HOST => authority = value.to_str().map_or(authority, str::to_owned),
                COOKIE => cookies = value.as_bytes().to_vec(),
                _ => {
                    fields.retain(|(other, _)| other != name);
                    fields.push((name.clone(), value.clone()));
                }
            }
        }
        let token = turn.token.as_ref().and_then(|token| HeaderValue::try_from(token).ok());
        fields.extend(token.map(|token| (HeaderName::from_static("mainstay-probe"), token)));
        let kept = turn.jar.field(url);
        if !cookies.is_empty() && !kept.is_empty() {
            cookies.extend_from_slice(b"; ");
        }
        cookies.extend_from_slice(&kept);
        if let Ok(cookies) = HeaderValue::from_bytes(&cookies)
            && !cookies.is_empty()
        {
            fields.push((COOKIE, cookies));
        }
        Self {
            url,
            method: turn.method,
            authority,
            target: &url[Position::BeforePath..Position::AfterQuery],
            fields,
            body: if turn.has_body { turn.question.body.clone() } else { Bytes::new() },
        }
    }

    /// Whether the length of the body is sent also where it is 0 (RFC 9110, section 8.6).
    pub(super) fn has_length(&self) -> bool {
        !self.body.is_empty() || matches!(*self.method, Method::POST | Method::PUT | Method::PATCH)
    }
}

/// The fault of a failed read or write.
pub(super) fn broken(error: &std::io::Error, first: &FirstByte) -> Fault {
    faults::from_io(error, if first.get().is_some() { Phase::Body } else { Phase::FirstByte })
}

/// The fault of a connection that was closed without a response.
pub(super) fn silent() -> Fault {
    Fault::Unreachable { why: "the connection was closed without an answer".to_owned() }
}
