//! One request and its response on a connection of its own. RFC 9110, RFC 9112.

use super::find::Search;
use super::wire::Wire;
use crate::{tcp, trouble};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper_util::rt::TokioIo;
use model::Fault;
use model::fault::Phase;
use model::sample::Phases;
use std::pin::{Pin, pin};
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

/// A response head larger than this is refused.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// No more of a body than this is read.
const BODY_BYTES_MAX: u64 = 1024 * 1024;
/// Who asks.
const AGENT: &str = concat!("mainstay/", env!("CARGO_PKG_VERSION"));

/// What to do with the body.
pub(super) enum Body<'a> {
    /// The response only sends us on.
    Leave,
    /// Read it to the limit, and look for this in it.
    Read(Option<&'a [u8]>),
}

/// What came back.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) location: Option<Vec<u8>>,
    pub(super) body_bytes: u64,
    pub(super) body_found: Option<bool>,
}

type Connection = http1::Connection<TokioIo<Wire>, Empty<Bytes>>;

/// Asks for the URL. `body` says what to do with the body, given the status and whether there is a `Location`.
pub(super) async fn exchange<'a>(
    wire: Wire,
    url: &Url,
    body: impl FnOnce(u16, bool) -> Body<'a>,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<Response, Fault> {
    let began = Instant::now();
    let (first, allowance) = (wire.first_byte(), wire.allowance());
    let request = request(url)?;
    let broken = |error: hyper::Error| trouble::of_hyper(&error, first.get().is_some());
    let whole = async {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(broken)?;
        let mut line = Line { connection: pin!(connection), ended: false };
        let response = line.drive(sender.send_request(request)).await.map_err(broken)?;
        allowance.head_came();
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION).map(|value| value.as_bytes().to_vec());
        let (body_bytes, body_found) = match body(status, location.is_some()) {
            Body::Leave => (0, None),
            Body::Read(text) => line.drive(read(response.into_body(), text)).await.map_err(broken)?,
        };
        Ok(Response { status, location, body_bytes, body_found })
    };
    let done = timeout_at(deadline, whole).await;
    let heard = first.get().copied();
    tcp::add(&mut phases.first_byte, heard.unwrap_or_else(Instant::now) - began);
    done.unwrap_or_else(|_| {
        let phase = if heard.is_some() { Phase::Body } else { Phase::FirstByte };
        Err(Fault::TimedOut { phase })
    })
}

fn request(url: &Url) -> Result<Request<Empty<Bytes>>, Fault> {
    // What a URL may hold and a request line may not is so rare that it shares this word.
    let unusable = || Fault::BadRedirect;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => HeaderValue::try_from(format!("{host}:{port}")),
        (host, _) => HeaderValue::from_str(host.unwrap_or_default()),
    };
    Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, host.map_err(|_| unusable())?)
        .header(USER_AGENT, HeaderValue::from_static(AGENT))
        .header(ACCEPT, HeaderValue::from_static("*/*"))
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::new())
        .map_err(|_| unusable())
}

/// Reads a body to its end or to the limit.
async fn read(mut body: Incoming, text: Option<&[u8]>) -> Result<(u64, Option<bool>), hyper::Error> {
    let mut search = text.map(Search::new);
    let mut bytes = 0;
    while bytes < BODY_BYTES_MAX {
        let Some(frame) = body.frame().await else { break };
        let Ok(data) = frame?.into_data() else { continue };
        let room = usize::try_from(BODY_BYTES_MAX - bytes).unwrap_or(usize::MAX);
        let piece = data.get(..room).unwrap_or(&data);
        bytes += piece.len() as u64;
        if let Some(search) = &mut search {
            search.pass(piece);
        }
    }
    Ok((bytes, search.map(|search| search.found())))
}

/// Moves the bytes while we wait for what they bring. It lives in this very task, so that whoever gives the question up
/// drops the connection with it.
struct Line<'a> {
    connection: Pin<&'a mut Connection>,
    ended: bool,
}

impl Line<'_> {
    async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        loop {
            if self.ended {
                return wanted.await;
            }
            tokio::select! {
                biased;
                done = &mut wanted => return done,
                // Its error, if any, is told to whoever waits for the response.
                _ = self.connection.as_mut() => self.ended = true,
            }
        }
    }
}
