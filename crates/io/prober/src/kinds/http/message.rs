//! A request and its response, independent of the HTTP version, and why there is no response.

use super::cookies::CookieJar;
use super::head::Head;
use super::stream::FirstByte;
use crate::faults;
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
    pub(super) body_bytes: u64,
    pub(super) body_found: Option<bool>,
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
    /// Host and port, without a password.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) cookies: Vec<u8>,
    pub(super) fields: [(&'static str, &'static str); 3],
    /// The value of `mainstay-probe`.
    pub(super) token: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(url: &'a Url, jar: &CookieJar, token: Option<String>) -> Self {
        let host = url.host_str().unwrap_or_default();
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self {
            url,
            authority,
            target: &url[Position::BeforePath..Position::AfterQuery],
            cookies: jar.field(url),
            fields: [("User-Agent", AGENT), ("Accept", "*/*"), ("Accept-Encoding", "identity")],
            token,
        }
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
