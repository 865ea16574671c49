//! HTTP/2 over a connection of its own, where the server chose it by ALPN. RFC 9113.

use super::body::Reader;
use super::head::Head;
use super::message::{Failure, HEAD_BYTES_MAX, Request, Response, broken, silent};
use super::stream::{FirstByte, Stream};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, HeaderValue};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use types::Fault;
use types::config::Expect;

/// Flow-control window of the connection.
const WINDOW_BYTES: u32 = 1024 * 1024;

type Connection = h2::client::Connection<Stream, Bytes>;

/// Sends a request and reads the response. `reader` reads the body, if requested.
pub(super) async fn exchange<'a>(
    wire: Stream,
    request: &Request<'_>,
    expect: &Expect,
    reader: impl FnOnce(&Head) -> Option<Reader<'a>>,
) -> Result<Response, Failure> {
    let (first, allowance) = (wire.first_byte(), wire.allowance());
    let failed = |error: h2::Error| failure(&error, &first);
    let (mut sender, connection) = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake::<_, Bytes>(wire)
        .await
        .map_err(failed)?;
    // Before the connection reads anything, so that an answer cannot come before its question.
    let is_short = request.body.is_empty();
    let (response, upload) = sender.send_request(written(request)?, is_short).map_err(failed)?;
    let mut line = Driver { connection: pin!(connection), ended: false };
    let answered = async {
        if is_short {
            return response.await;
        }
        let mut response = pin!(response);
        tokio::select! {
            biased;
            // An answer may come before the whole question was read.
            answer = &mut response => answer,
            sent = send(upload, request.body.clone()) => match sent {
                Ok(()) => response.await,
                Err(error) => response.await.map_err(|_| error),
            },
        }
    };
    let (parts, body) = line.drive(answered).await.map_err(failed)?.into_parts();
    allowance.head_came();
    let mut head = Head::new(parts.status.as_u16());
    for (name, value) in &parts.headers {
        head.keep(name.as_str().as_bytes(), value.as_bytes(), expect);
    }
    let Some(mut reader) = reader(&head) else {
        return Ok(Response { head, body: None });
    };
    let whole = line.drive(read(body, &mut reader)).await.map_err(failed)?;
    Ok(Response { head, body: Some(reader.end(whole)) })
}

fn written(request: &Request<'_>) -> Result<http::Request<()>, Fault> {
    // What a URL may hold and a request may not is so rare that it shares this word.
    let unusable = |_| Fault::BadRedirect;
    let uri = format!("{}://{}{}", request.url.scheme(), request.authority, request.target);
    let whole = http::Request::builder().method(request.method).uri(uri).version(http::Version::HTTP_2);
    let mut whole = whole.body(()).map_err(unusable)?;
    whole.headers_mut().extend(request.fields.iter().cloned());
    if request.has_length() {
        whole.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
    }
    Ok(whole)
}

/// Sends a body as the server makes room for it.
async fn send(mut upload: SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        upload.reserve_capacity(body.len());
        let room = match poll_fn(|cx| upload.poll_capacity(cx)).await {
            Some(room) => room?,
            None => return Ok(()),
        };
        let piece = body.split_to(room.min(body.len()));
        upload.send_data(piece, body.is_empty())?;
    }
    Ok(())
}

/// Reads a body; whether to its end.
async fn read(mut body: RecvStream, reader: &mut Reader<'_>) -> Result<bool, h2::Error> {
    loop {
        if body.is_end_stream() {
            return Ok(true);
        }
        if !reader.wants_more() {
            return Ok(false);
        }
        match body.data().await {
            None => return Ok(true),
            Some(Ok(piece)) => {
                reader.pass(&piece);
                body.flow_control().release_capacity(piece.len())?;
            }
            // The whole answer came, and the server is not interested in more of the question (RFC 9113, section 8.1).
            Some(Err(error)) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) => {
                return Ok(true);
            }
            Some(Err(error)) => return Err(error),
        }
    }
}

fn failure(error: &h2::Error, first: &FirstByte) -> Failure {
    if error.reason() == Some(Reason::HTTP_1_1_REQUIRED) {
        return Failure::OnlyHttp1;
    }
    Failure::Fault(match (error.get_io(), error.reason()) {
        (Some(io), _) if io.kind() == std::io::ErrorKind::UnexpectedEof && first.get().is_none() => silent(),
        (Some(io), _) => broken(io, first),
        (None, Some(reason)) if error.is_remote() => {
            Fault::Unreachable { why: format!("the server broke HTTP/2 off: {}", reason.description()) }
        }
        (None, _) if first.get().is_none() => silent(),
        (None, _) => Fault::Garbage { why: format!("the answer is no usable HTTP/2: {error}") },
    })
}

/// Moves the bytes while we wait for what they bring. It lives in this very task, so that a caller that gives up
/// drops the connection with it.
struct Driver<'a> {
    connection: Pin<&'a mut Connection>,
    ended: bool,
}

impl Driver<'_> {
    async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        loop {
            if self.ended {
                return wanted.await;
            }
            tokio::select! {
                biased;
                done = &mut wanted => return done,
                // Its error, if any, is returned by the response future.
                _ = self.connection.as_mut() => self.ended = true,
            }
        }
    }
}
