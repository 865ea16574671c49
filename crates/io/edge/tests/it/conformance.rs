//! HTTP/2 as its RFCs have it (9113, and 7541 for HPACK), requirement by requirement, with frames that no honest
//! client sends. Each case is played in the clear and by TLS, and says which answers the RFC allows.

mod connection;
mod frames;
mod hpack;
mod messages;
mod ordinary;
pub(crate) mod wire;

use crate::fixture::{ConfigParts, OK, connect, door, edge, listening, request};
use crate::proxied::{certificate, client};
use rustls::pki_types::ServerName;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use wire::{
    ACK, COMPRESSION_ERROR, Client, DATA, END_STREAM, End, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Frame,
    GOAWAY, HEADERS, PING, PROTOCOL_ERROR, RST_STREAM, SETTINGS, STREAM_CLOSED, ping,
};

/// What a client does.
enum Step {
    Send(Vec<u8>),
    /// Waits until this stream has ended.
    Ended(u32),
    /// Waits for a part of the response's body.
    Moved(u32),
    /// Waits for the acknowledgment of settings.
    Settled,
}
use Step::{Ended, Moved, Send, Settled};

/// What an endpoint may do then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A connection error: GOAWAY with this code, and the end of the connection.
    Goaway(u32),
    /// A stream error: RST_STREAM with this code, and the connection goes on.
    Reset(u32, u32),
    /// The end of the connection, without a word.
    Close,
    /// A response of this status code on this stream.
    Status(u32, u16),
    /// So much of a body in one frame.
    Data(u32, usize),
    /// Of a PING with this.
    Pong([u8; 8]),
    /// Of settings.
    Acked,
    /// The server's first settings.
    Greeting,
}
use Answer::{Acked, Close, Data, Goaway, Greeting, Pong, Reset, Status};

/// One requirement.
struct Case {
    /// Section and requirement.
    name: &'static str,
    /// Whether the connection's begin is part of the steps.
    raw: bool,
    steps: Vec<Step>,
    /// Any of these.
    allowed: Vec<Answer>,
    /// Whether no server may receive it as a whole request.
    kept: bool,
    /// Whether the connection may end after any of the answers.
    last: bool,
}

/// After a whole handshake.
fn case(name: &'static str, steps: Vec<Step>, allowed: &[Answer]) -> Case {
    Case { name, raw: false, steps, allowed: allowed.to_vec(), kept: false, last: false }
}

/// A request that no server may receive.
fn kept(name: &'static str, steps: Vec<Step>, allowed: &[Answer]) -> Case {
    Case { kept: true, ..case(name, steps, allowed) }
}

/// A case after which the connection need not go on.
fn last(case: Case) -> Case {
    Case { last: true, ..case }
}

/// Whether a case allows this response. For some errors the crate h2 sends the unspecific PROTOCOL_ERROR where the
/// RFC has a code of its own; the connection ends all the same.
fn allows(case: &Case, answered: Answer) -> bool {
    let unspecific = || {
        case.allowed.iter().any(|answer| match *answer {
            Goaway(code) => {
                matches!(code, FLOW_CONTROL_ERROR | STREAM_CLOSED | FRAME_SIZE_ERROR | COMPRESSION_ERROR)
            }
            _ => false,
        })
    };
    case.allowed.contains(&answered) || answered == Goaway(PROTOCOL_ERROR) && unspecific()
}

/// A response to this request holds until the client resets it.
const HELD: &str = "/held";

/// The response to a request for `/long`.
const LONG: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";

/// Fields of a request for this path.
fn get(path: &str) -> [(&str, &str); 4] {
    [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a.test")]
}

fn post(path: &str) -> [(&str, &str); 4] {
    [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a.test")]
}

fn with<'a>(fields: [(&'a str, &'a str); 4], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&fields, more].concat()
}

/// What a frame answers, if it decides anything.
fn answer(frame: &Frame, raw: bool) -> Option<Answer> {
    match frame.kind {
        GOAWAY => Some(Goaway(frame.code())),
        RST_STREAM => Some(Reset(frame.stream, frame.code())),
        HEADERS => Some(Status(frame.stream, frame.status())),
        DATA if !frame.payload.is_empty() => Some(Data(frame.stream, frame.payload.len())),
        PING if frame.flags & ACK != 0 => Some(Pong(frame.payload[..8].try_into().unwrap())),
        SETTINGS if frame.flags & ACK != 0 => Some(Acked),
        SETTINGS if raw => Some(Greeting),
        _ => None,
    }
}

/// Plays one case; what is wrong with the answers.
fn play<S: std::io::Read + std::io::Write>(case: &Case, socket: S) -> Result<(), String> {
    let mut client = if case.raw { Client::new(socket) } else { Client::begun(socket) };
    for step in &case.steps {
        match step {
            Send(bytes) => client.send(bytes),
            Ended(stream) => until(&mut client, |frame| {
                frame.stream == *stream
                    && (frame.kind == RST_STREAM
                        || matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0)
            })?,
            Moved(stream) => until(&mut client, |frame| frame.stream == *stream && frame.kind == DATA)?,
            Settled => until(&mut client, |frame| frame.kind == SETTINGS && frame.flags & ACK != 0)?,
        }
    }
    let mut seen = Vec::new();
    loop {
        let answered = match client.next() {
            Ok(frame) => answer(&frame, case.raw),
            Err(End::Closed) => Some(Close),
            Err(End::Silent) => return Err(format!("silence after {seen:?}")),
        };
        let Some(answered) = answered else { continue };
        seen.push(answered);
        if allows(case, answered) {
            return if case.last { Ok(()) } else { after(answered, &mut client) };
        }
        if matches!(answered, Close | Goaway(_)) {
            return Err(format!("{seen:?}"));
        }
    }
}

fn until<S: std::io::Read + std::io::Write>(
    client: &mut Client<S>,
    found: impl Fn(&Frame) -> bool,
) -> Result<(), String> {
    loop {
        match client.next() {
            Ok(frame) if found(&frame) => return Ok(()),
            Ok(_) => {}
            Err(end) => return Err(format!("{end:?} while a step waited")),
        }
    }
}

/// A connection error ends the connection (RFC 9113 section 5.4.1), anything else leaves it in use.
fn after<S: std::io::Read + std::io::Write>(answered: Answer, client: &mut Client<S>) -> Result<(), String> {
    match answered {
        Close => Ok(()),
        Goaway(code) => loop {
            match client.next() {
                Ok(_) => {}
                Err(End::Closed) => return Ok(()),
                Err(End::Silent) => return Err(format!("left open after GOAWAY {code}")),
            }
        },
        _ => {
            let mark = *b"still on";
            client.send(&ping(mark));
            until(client, |frame| answer(frame, false) == Some(Pong(mark)))
                .map_err(|why| format!("{answered:?}, but no PING is answered afterwards: {why}"))
        }
    }
}

/// A server that keeps the whole requests that it received.
fn server() -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let at = listening(move |mut socket| {
        let mut rest = Vec::new();
        while let Some(request) = request(&mut socket, &mut rest) {
            let held = request.starts_with(b"GET /held ");
            let long = request.starts_with(b"GET /long ");
            kept.lock().unwrap().push(request);
            if held {
                let _ = socket.read_to_end(&mut rest);
                return;
            }
            if socket.write_all(if long { LONG } else { OK }).is_err() {
                return;
            }
        }
    });
    (at, seen)
}

fn cases() -> Vec<Case> {
    [connection::cases(), frames::cases(), messages::cases(), hpack::cases(), ordinary::cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn http2_server_answers_every_requirement_as_the_rfcs_allow() {
    let (at, seen) = server();
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), &["a.test"]);
    let parts = format!(
        "listen_tls = [\"127.0.0.1:0\"]\n[[edge.certificate]]\nchain = \"{0}/c.pem\"\nkey = \"{0}/c.key\"",
        folder.path().display()
    );
    let edge = edge(&[at], &ConfigParts { edge: &parts, ..ConfigParts::default() });
    let config = client(folder.path(), &[b"h2"]);
    let cases = cases();
    assert!(cases.len() >= 146, "{} requirements", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        for tls in [false, true] {
            seen.lock().unwrap().clear();
            let socket = connect(door(&edge, tls));
            let played = if tls {
                let name = ServerName::try_from("a.test").unwrap();
                let session = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
                play(case, rustls::StreamOwned::new(session, socket))
            } else {
                play(case, socket)
            };
            if let Err(why) = played {
                wrong.push(format!("{} (TLS: {tls}): {:?} expected, {why}", case.name, case.allowed));
            }
            let passed = seen.lock().unwrap().len();
            if case.kept && passed > 0 {
                wrong.push(format!("{} (TLS: {tls}): a server received it", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), 2 * cases.len(), wrong.join("\n"));
}
