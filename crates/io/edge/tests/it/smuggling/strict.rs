//! A server that takes nothing that could be read in two ways, and writes down why.

use crate::fixture::{find, listening};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

/// What was received since the last look.
#[derive(Default)]
pub(super) struct Record {
    /// The first line of each request.
    pub(super) requests: Vec<String>,
    pub(super) faults: Vec<String>,
}

pub(super) struct Strict {
    pub(super) at: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl Strict {
    pub(super) fn start() -> Self {
        let record: Arc<Mutex<Record>> = Arc::default();
        let kept = Arc::clone(&record);
        let at = listening(move |socket| serve(socket, &kept));
        Self { at, record }
    }

    pub(super) fn take(&self) -> Record {
        std::mem::take(&mut *self.record.lock().unwrap())
    }
}

fn serve(mut socket: TcpStream, record: &Mutex<Record>) {
    let (mut bytes, mut continued) = (Vec::new(), false);
    loop {
        match parse(&bytes) {
            Ok(Some((line, length))) => {
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                record.lock().unwrap().requests.push(line);
                bytes.drain(..length);
                continued = false;
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len());
                if socket.write_all(response.as_bytes()).is_err() {
                    return;
                }
            }
            Ok(None) => {
                if !continued && expects(&bytes) {
                    continued = true;
                    let _ = socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                let mut some = [0; 4096];
                match socket.read(&mut some) {
                    Ok(0) | Err(_) => return,
                    Ok(got) => bytes.extend_from_slice(&some[..got]),
                }
            }
            Err(fault) => {
                let fault = format!("{fault} in {:?}", String::from_utf8_lossy(&bytes));
                record.lock().unwrap().faults.push(fault);
                return;
            }
        }
    }
}

/// Whether a head is there that asks for a word before its body.
fn expects(bytes: &[u8]) -> bool {
    find(bytes, b"\r\n\r\n")
        .is_some_and(|end| find(&bytes[..end + 2], b"\r\nexpect: 100-continue\r\n").is_some())
}

type Whole = Option<(String, usize)>;

/// The first line and the length of a request that is all there.
fn parse(bytes: &[u8]) -> Result<Whole, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return line_ends(bytes).map(|()| None);
    };
    line_ends(&bytes[..end])?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "bytes beyond UTF-8".to_owned())?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    request_line(first)?;
    let framing = framing(lines)?;
    let body = &bytes[end + 4..];
    let length = match framing {
        Framing::None => Some(0),
        Framing::Length(length) => (body.len() >= length).then_some(length),
        Framing::Chunked => chunks(body)?,
    };
    Ok(length.map(|length| (first.to_owned(), end + 4 + length)))
}

/// CR and LF come together only, and no other control character but the tab.
fn line_ends(head: &[u8]) -> Result<(), String> {
    for (at, byte) in head.iter().enumerate() {
        let right = match byte {
            b'\r' => head.get(at + 1).is_none_or(|next| *next == b'\n'),
            b'\n' => at > 0 && head[at - 1] == b'\r',
            b'\t' => true,
            _ => *byte >= b' ' && *byte != 0x7f,
        };
        if !right {
            return Err(format!("byte {byte:#x} in a head"));
        }
    }
    Ok(())
}

fn request_line(line: &str) -> Result<(), String> {
    let parts: Vec<&str> = line.split(' ').collect();
    match parts[..] {
        [method, target, "HTTP/1.1"] if is_token(method) && (target.starts_with('/') || target == "*") => {
            Ok(())
        }
        _ => Err(format!("request line {line:?}")),
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn framing<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Framing, String> {
    let (mut framing, mut hosts) = (Framing::None, 0);
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("field {line:?}"))?;
        if !is_token(name) {
            return Err(format!("name of {line:?}"));
        }
        // As servers read it that hand fields over in CGI's variables.
        let alike = name.replace('_', "-").to_ascii_lowercase();
        let found = match alike.as_str() {
            "host" => {
                hosts += 1;
                continue;
            }
            "content-length" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                Framing::Length(value.parse().map_err(|_| format!("length {value:?}"))?)
            }
            "transfer-encoding" if value == "chunked" => Framing::Chunked,
            "content-length" | "transfer-encoding" => return Err(format!("framing {line:?}")),
            _ => continue,
        };
        if !matches!(framing, Framing::None) {
            return Err("two framings".to_owned());
        }
        framing = found;
    }
    if hosts == 1 { Ok(framing) } else { Err(format!("{hosts} hosts")) }
}

/// The length of a chunked body that is all there: sizes in hex and nothing besides.
fn chunks(body: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let Some(end) = find(&body[at..], b"\r\n") else {
            let plain = body[at..].iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'\r');
            return if plain { Ok(None) } else { Err("size of a chunk".to_owned()) };
        };
        let size = std::str::from_utf8(&body[at..at + end]).unwrap_or_default();
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("size of a chunk {size:?}"));
        }
        let size = usize::from_str_radix(size, 16).map_err(|_| format!("size of a chunk {size:?}"))?;
        at += end + 2;
        if size == 0 {
            return trailers(&body[at..]).map(|length| length.map(|length| at + length));
        }
        match body.get(at + size..at + size + 2) {
            Some(b"\r\n") => at += size + 2,
            Some(_) => return Err("a chunk without its end".to_owned()),
            None => return Ok(None),
        }
    }
}

fn trailers(bytes: &[u8]) -> Result<Option<usize>, String> {
    if bytes.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    let Some(end) = find(bytes, b"\r\n\r\n") else { return line_ends(bytes).map(|()| None) };
    line_ends(&bytes[..end])?;
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "trailers".to_owned())?;
    match framing(text.split("\r\n").chain(["host: none"]))? {
        Framing::None => Ok(Some(end + 4)),
        _ => Err("framing in trailers".to_owned()),
    }
}

#[test]
fn strict_server_rejects_ambiguous_requests() {
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n{body}");
    let chunked = "transfer-encoding: chunked\r\n";
    let wrong = [
        post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        post("content-length: 5\r\ncontent-length: 5\r\n", "abcde"),
        post("content-length: 5\r\ntransfer_encoding: chunked\r\n", "0\r\n\r\n"),
        post("content-length: +5\r\n", "abcde"),
        post("content-length : 5\r\n", "abcde"),
        post("transfer-encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("host: b.test\r\n", ""),
        post("x: y\nz: a\r\n", ""),
        post("x: y\rz: a\r\n", ""),
        post("x: y\r\n z\r\n", ""),
        post(chunked, "5 \r\nabcde\r\n0\r\n\r\n"),
        post(chunked, "5;a\r\nabcde\r\n0\r\n\r\n"),
        post(chunked, "5\r\nabcde0\r\n\r\n"),
        post(chunked, "0\r\ncontent-length: 5\r\n\r\n"),
        post(chunked, "0\nx\r\n"),
        "GET / HTTP/1.0\r\nhost: a.test\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nhost: a.test\r\n\r\n".to_owned(),
    ];
    for bytes in wrong {
        assert!(parse(bytes.as_bytes()).is_err(), "{bytes:?}");
    }
    for (bytes, more) in [
        (post("content-length: 5\r\n", "abcde"), "GET"),
        (post(chunked, "5\r\nabcde\r\n0\r\nx: y\r\n\r\n"), "GET"),
        (post("", ""), "GET"),
    ] {
        let whole = parse(format!("{bytes}{more}").as_bytes());
        assert_eq!(whole, Ok(Some(("POST / HTTP/1.1".to_owned(), bytes.len()))));
        assert_eq!(parse(&bytes.as_bytes()[..bytes.len() - 1]), Ok(None));
    }
}
