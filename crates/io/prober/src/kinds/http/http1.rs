//! HTTP/1 over a connection of its own. RFC 9112, read as tolerantly as browsers read it.

use super::body::Reader;
use super::framing::{self, Chunks, Framing};
use super::head::{self, End, Head};
use super::message::{HEAD_BYTES_MAX, Request, Response, broken, silent};
use super::stream::{FirstByte, Stream};
use bytes::{Buf, BytesMut};
use http::Method;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::Fault;
use types::config::Expect;

/// Room for one read.
const READ_BYTES: usize = 16 * 1024;

/// Sends a request and reads the response. `reader` reads the body, if requested.
pub(super) async fn exchange<'a>(
    mut wire: Stream,
    request: &Request<'_>,
    expect: &Expect,
    reader: impl FnOnce(&Head) -> Option<Reader<'a>>,
) -> Result<Response, Fault> {
    let written = wire.write_all(&written(request)).await;
    let written = match written {
        Ok(()) => wire.flush().await,
        error => error,
    };
    let (first, allowance) = (wire.first_byte(), wire.allowance());
    let mut incoming = Incoming { wire, first, buffer: BytesMut::new() };
    let head = match (incoming.head(expect).await, written) {
        // Some servers answer and hang up before they have read the question.
        (Ok(head), _) => head,
        (Err(_), Err(error)) if incoming.first.get().is_none() => {
            return Err(broken(&error, &incoming.first));
        }
        (Err(fault), _) => return Err(fault),
    };
    allowance.head_came();
    let framing = framing::of(&head, *request.method == Method::HEAD).map_err(garbage)?;
    let Some(mut reader) = reader(&head) else {
        return Ok(Response { head, body: None });
    };
    let whole = incoming.body(framing, head.old, &mut reader).await?;
    Ok(Response { head, body: Some(reader.end(whole)) })
}

fn garbage(why: &str) -> Fault {
    Fault::Garbage { why: format!("the answer is no usable HTTP: {why}") }
}

fn written(request: &Request<'_>) -> Vec<u8> {
    let Request { method, target, authority, .. } = request;
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    for (name, value) in &request.fields {
        bytes.extend_from_slice(titled(name.as_str()).as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if request.has_length() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", request.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"Connection: close\r\n\r\n");
    bytes.extend_from_slice(&request.body);
    bytes
}

/// `user-agent` as `User-Agent`: some careless servers know no other spelling.
fn titled(name: &str) -> String {
    if name == "mainstay-probe" {
        return name.to_owned();
    }
    let mut begins = true;
    let title = |letter: char| {
        let titled = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = letter == '-';
        titled
    };
    name.chars().map(title).collect()
}

/// Buffered input of the connection.
struct Incoming {
    wire: Stream,
    first: FirstByte,
    buffer: BytesMut,
}

impl Incoming {
    /// Reads more; `false` at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(READ_BYTES);
        Ok(self.wire.read_buf(&mut self.buffer).await? > 0)
    }

    async fn more(&mut self) -> Result<bool, Fault> {
        self.fill().await.map_err(|error| broken(&error, &self.first))
    }

    /// Reads the head of the final response, past all interim ones.
    async fn head(&mut self, expect: &Expect) -> Result<Head, Fault> {
        let (mut end, mut before) = (End::default(), 0);
        loop {
            if let Some(length) = end.find(&self.buffer) {
                let head = head::parse(&self.buffer[..length], expect).map_err(garbage)?;
                // What a switch of protocols leads to is no answer to the request.
                if !matches!(head.status, 100 | 102..=199) {
                    self.buffer.advance(length);
                    return Ok(head);
                }
                self.buffer.advance(length);
                before += length;
                end = End::default();
                continue;
            }
            if !head::may_begin(&self.buffer) {
                return Err(garbage("it does not begin with an HTTP status line"));
            }
            if before + self.buffer.len() > HEAD_BYTES_MAX {
                return Err(Fault::TooLarge { what: "headers".to_owned() });
            }
            if !self.more().await? {
                return Err(match self.first.get() {
                    None => silent(),
                    Some(_) => Fault::Truncated,
                });
            }
        }
    }

    /// Passes the body to its reader. Returns whether it was read to its end.
    async fn body(
        &mut self,
        mut framing: Framing,
        old: bool,
        reader: &mut Reader<'_>,
    ) -> Result<bool, Fault> {
        if framing == Framing::Chunks && old && reader.wants_more() {
            framing = self.chunked_or_not().await?;
        }
        match framing {
            Framing::Nothing => Ok(true),
            Framing::Length(length) => self.counted(length, reader).await,
            Framing::Close => self.counted(u64::MAX, reader).await,
            Framing::Chunks => self.chunks(reader).await,
        }
    }

    /// HTTP/1.0 has no chunks; where an answer looks like chunks all the same, it is taken for what it says.
    async fn chunked_or_not(&mut self) -> Result<Framing, Fault> {
        loop {
            match framing::looks_chunked(&self.buffer) {
                Some(true) => return Ok(Framing::Chunks),
                Some(false) => return Ok(Framing::Close),
                None if self.more().await? => {}
                None => return Ok(Framing::Close),
            }
        }
    }

    /// A body of a given length; until the connection closes for `u64::MAX`.
    async fn counted(&mut self, length: u64, reader: &mut Reader<'_>) -> Result<bool, Fault> {
        let mut left = length;
        while left > 0 {
            if !reader.wants_more() {
                return Ok(false);
            }
            if self.buffer.is_empty() && !self.more().await? {
                return if length == u64::MAX { Ok(true) } else { Err(Fault::Truncated) };
            }
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            reader.pass(&self.buffer[..take]);
            self.buffer.advance(take);
            left -= take as u64;
        }
        Ok(true)
    }

    async fn chunks(&mut self, reader: &mut Reader<'_>) -> Result<bool, Fault> {
        let mut chunks = Chunks::default();
        while !chunks.done() {
            if !reader.wants_more() {
                return Ok(false);
            }
            if self.buffer.is_empty() {
                match self.fill().await {
                    Ok(true) => {}
                    // Everything came; only the empty line at the end is missing.
                    Ok(false) | Err(_) if chunks.complete() => return Ok(true),
                    Ok(false) => return Err(Fault::Truncated),
                    Err(error) => return Err(broken(&error, &self.first)),
                }
            }
            let (used, data) = chunks.step(&self.buffer).map_err(garbage)?;
            reader.pass(data);
            self.buffer.advance(used);
        }
        Ok(true)
    }
}
