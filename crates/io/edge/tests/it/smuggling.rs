//! Request smuggling: a few hundred requests on which two parsers might disagree. A strict server behind the edge
//! judges every byte that it receives on a connection: requests one behind the other, each with one framing, no more
//! of them than a client sent, and nothing of a body among them.

mod framing;
mod http1;
mod http2;
mod strict;

use crate::conformance::wire::{Client, DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM};
use crate::fixture::{ConfigParts, connect, door, edge};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use strict::Strict;

/// What a client sends on one connection.
enum Sent {
    /// Bytes, and the end of what comes from the client.
    Http1(Vec<u8>),
    /// Frames of stream 1 behind an honest begin of the connection.
    Http2(Vec<u8>),
}

/// One attempt.
struct Attempt {
    name: String,
    sent: Sent,
    /// Requests that a server may receive at most.
    requests: usize,
    /// Whether it is an honest request, which has to arrive.
    honest: bool,
}

impl Attempt {
    fn http1(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), sent: Sent::Http1(bytes.into()), requests: 1, honest: false }
    }

    fn http2(name: impl Into<String>, frames: Vec<u8>) -> Self {
        Self { name: name.into(), sent: Sent::Http2(frames), requests: 1, honest: false }
    }

    fn honest(self) -> Self {
        Self { honest: true, ..self }
    }

    /// Whose bytes are several requests by every reading.
    fn requests(self, requests: usize) -> Self {
        Self { requests, ..self }
    }

    fn play(&self, at: SocketAddr) {
        let mut socket = connect(at);
        match &self.sent {
            Sent::Http1(bytes) => {
                // An edge that refuses the head may have closed before all was sent.
                let _ = socket.write_all(bytes);
                let _ = socket.shutdown(Shutdown::Write);
                let _ = socket.read_to_end(&mut Vec::new());
            }
            Sent::Http2(frames) => {
                let mut client = Client::begun(socket);
                client.send(frames);
                while let Ok(frame) = client.next() {
                    let ends = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
                    if frame.stream == 1 && (ends || frame.kind == RST_STREAM) || frame.kind == GOAWAY {
                        break;
                    }
                }
            }
        }
    }
}

/// The response to the next client, on a connection of its own: its request is the one that is answered.
fn next_client(at: SocketAddr) -> String {
    let mut socket = connect(at);
    let _ = socket.write_all(b"GET /next HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n");
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is wrong after an attempt.
fn judge(attempt: &Attempt, strict: &Strict, next: &str) -> Option<String> {
    let record = strict.take();
    let before = record.requests.iter().filter(|request| !request.starts_with("GET /next ")).count();
    let smuggled = record.requests.iter().any(|request| request.contains("/smuggled "));
    if !record.faults.is_empty() || smuggled || before > attempt.requests {
        return Some(format!("{:?}, requests {:?}", record.faults, record.requests));
    }
    if attempt.honest && before != attempt.requests {
        return Some(format!("honest, but received were {:?}", record.requests));
    }
    // A server that answers with the path it was asked for.
    (!next.ends_with("\r\n\r\n/next")).then(|| format!("the next client was answered {next:?}"))
}

#[test]
fn servers_receive_no_request_that_no_client_sent() {
    let strict = Strict::start();
    let edge = edge(&[strict.at], &ConfigParts::default());
    let at = door(&edge, false);
    let attempts: Vec<Attempt> =
        [http1::attempts(), framing::attempts(), http2::attempts()].into_iter().flatten().collect();
    assert!(attempts.len() >= 376, "{} attempts", attempts.len());
    let mut wrong = Vec::new();
    for attempt in &attempts {
        attempt.play(at);
        if let Some(why) = judge(attempt, &strict, &next_client(at)) {
            wrong.push(format!("{}: {why}", attempt.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} attempts:\n{}", wrong.len(), attempts.len(), wrong.join("\n"));
}
