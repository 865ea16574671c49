//! One request and its response on a connection of its own. RFC 9110.

use super::cookies::Jar;
use super::head::Head;
use super::text::Reader;
use super::wire::{FirstByte, Wire};
use super::{one, two};
use crate::{tcp, trouble};
use tokio::time::{Instant, timeout_at};
use types::Fault;
use types::fault::Phase;
use types::probe_result::Phases;
use url::{Position, Url};

/// A response head larger than this is refused, as Chromium does.
pub(super) const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Who asks.
const AGENT: &str = concat!("mainstay/", env!("CARGO_PKG_VERSION"));

/// What to do with the body.
pub(super) enum Body<'a> {
    /// The response only sends us on.
    Leave,
    /// Read it to the limit, and look for this in it.
    Read(Option<&'a str>),
}

/// What came back.
pub(super) struct Response {
    pub(super) head: Head,
    pub(super) body_bytes: u64,
    pub(super) body_found: Option<bool>,
}

/// Why nothing came back.
pub(super) enum Failure {
    Fault(Fault),
    /// The server wants to be asked by HTTP/1.1 (RFC 9113, section 7).
    OnlyHttp1,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A question, in the words of either version.
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    /// Host and port, without a password.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) cookies: Vec<u8>,
    pub(super) fields: [(&'static str, &'static str); 3],
}

impl<'a> Request<'a> {
    fn new(url: &'a Url, jar: &Jar) -> Self {
        let host = url.host_str().unwrap_or_default();
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self {
            url,
            authority,
            target: &url[Position::BeforePath..Position::AfterQuery],
            cookies: jar.field(url),
            fields: [("User-Agent", AGENT), ("Accept", "*/*"), ("Accept-Encoding", "identity")],
        }
    }
}

/// Asks for the URL. `body` says what to do with the body, given the head.
pub(super) async fn exchange<'a>(
    wire: Wire,
    url: &Url,
    jar: &Jar,
    body: impl FnOnce(&Head) -> Body<'a>,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<Response, Failure> {
    let began = Instant::now();
    let first = wire.first_byte();
    let request = Request::new(url, jar);
    let reader = |head: &Head| match body(head) {
        Body::Leave => None,
        Body::Read(needle) => Some(Reader::new(head, needle)),
    };
    let whole = async {
        match wire.is_http2() {
            true => two::ask(wire, &request, reader).await,
            false => one::ask(wire, &request, reader).await.map_err(Failure::Fault),
        }
    };
    let done = timeout_at(deadline, whole).await;
    let heard = first.get().copied();
    tcp::add(&mut phases.first_byte, heard.unwrap_or_else(Instant::now) - began);
    done.unwrap_or_else(|_| {
        let phase = if heard.is_some() { Phase::Body } else { Phase::FirstByte };
        Err(Failure::Fault(Fault::TimedOut { phase }))
    })
}

/// Names what reading or writing ended with.
pub(super) fn broken(error: &std::io::Error, first: &FirstByte) -> Fault {
    trouble::of_io(error, if first.get().is_some() { Phase::Body } else { Phase::FirstByte })
}

/// No answer at all.
pub(super) fn silent() -> Fault {
    Fault::Unreachable { why: "the connection was closed without an answer".to_owned() }
}
