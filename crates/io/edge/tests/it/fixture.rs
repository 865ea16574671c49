//! An edge on loopback, servers behind it that write down what they receive, and a client that speaks bytes.

use edge::{Edge, Terms};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No wait in a test is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a configuration says besides.
#[derive(Default)]
pub(crate) struct ConfigParts<'a> {
    pub(crate) site: &'a str,
    pub(crate) edge: &'a str,
    pub(crate) traffic: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) more: &'a str,
}

pub(crate) fn terms(servers: &[SocketAddr], parts: &ConfigParts<'_>) -> Terms {
    let servers: Vec<String> = servers.iter().map(|at| format!("\"{at}\"")).collect();
    let text = format!(
        "[site]\nname = \"T\"\nallow_private = [\"127.0.0.0/8\"]\n{}\n[edge]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n{}\n\
         [service.web]\nhosts = [\"a.test\"]\n[service.web.traffic]\npool = \"web\"\n{}\n\
         [pool.web]\nservers = [{}]\n{}\n{}",
        parts.site,
        parts.edge,
        parts.traffic,
        servers.join(", "),
        parts.pool,
        parts.more
    );
    let config = Arc::new(testkit::config::read(&text));
    Terms {
        policy: types::Policy {
            config,
            denials: BTreeMap::new(),
            valves: BTreeMap::new(),
            initial_concurrency: BTreeMap::new(),
        },
        tokens: BTreeMap::new(),
    }
}

/// An edge before these servers.
pub(crate) fn edge(servers: &[SocketAddr], parts: &ConfigParts<'_>) -> Edge {
    Edge::start(&terms(servers, parts), tokens::Key::new([7; 32])).unwrap()
}

pub(crate) fn door(edge: &Edge, tls: bool) -> SocketAddr {
    edge.listening().into_iter().find(|(_, is)| *is == tls).unwrap().0
}

/// A server that answers each request by `answer`, and keeps what it received.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    /// Answers every request with these bytes.
    pub(crate) fn saying(answer: &'static [u8]) -> Self {
        Self::new(move |_| Some(answer.to_vec()))
    }

    /// Answers by what was asked; closes on `None`.
    pub(crate) fn new(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let answer = Arc::new(answer);
        let at = listening(move |mut socket| {
            let mut rest = Vec::new();
            while let Some(request) = request(&mut socket, &mut rest) {
                kept.lock().unwrap().push(request.clone());
                match answer(&request) {
                    Some(bytes) => {
                        if socket.write_all(&bytes).is_err() {
                            return;
                        }
                    }
                    None => return,
                }
            }
        });
        Self { at, seen }
    }

    pub(crate) fn asked(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// Runs `serve` for each connection on a thread of its own.
pub(crate) fn listening(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.set_nodelay(true).unwrap();
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(socket));
        }
    });
    at
}

/// One whole request as a strict server reads it. What follows stays in `rest`.
pub(crate) fn request(socket: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = until(socket, rest, |bytes| find(bytes, b"\r\n\r\n").map(|at| at + 4))?;
    let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
    let whole = if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        until(socket, rest, |bytes| {
            let last = find(&bytes[end - 2..], b"\r\n0\r\n")? + end - 2;
            find(&bytes[last + 3..], b"\r\n\r\n").map(|at| last + 3 + at + 4)
        })?
    } else {
        let length = head
            .split("\r\ncontent-length: ")
            .nth(1)
            .map_or(0, |text| text.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        until(socket, rest, |bytes| (bytes.len() >= end + length).then_some(end + length))?
    };
    let after = rest.split_off(whole);
    Some(std::mem::replace(rest, after))
}

fn until(
    socket: &mut TcpStream,
    bytes: &mut Vec<u8>,
    done: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(at) = done(bytes) {
            return Some(at);
        }
        let mut some = [0; 4096];
        match socket.read(&mut some) {
            Ok(0) | Err(_) => return None,
            Ok(got) => bytes.extend_from_slice(&some[..got]),
        }
    }
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

pub(crate) fn connect(at: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Where the final response begins, after interim ones.
fn interim(bytes: &[u8]) -> usize {
    let mut from = 0;
    while bytes[from..].starts_with(b"HTTP/1.1 1") && !bytes[from..].starts_with(b"HTTP/1.1 101") {
        match find(&bytes[from..], b"\r\n\r\n") {
            Some(end) => from += end + 4,
            None => break,
        }
    }
    from
}

/// One answer of known length, as text.
pub(crate) fn answer(socket: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        let from = interim(&bytes);
        if let Some(end) = find(&bytes[from..], b"\r\n\r\n").map(|end| from + end) {
            let head = String::from_utf8_lossy(&bytes[from..end]).to_ascii_lowercase();
            let length = head
                .split("\r\ncontent-length: ")
                .nth(1)
                .map(|text| text.split("\r\n").next().unwrap().parse::<usize>().unwrap());
            if length.is_some_and(|length| bytes.len() >= end + 4 + length)
                || head.starts_with("http/1.1 101")
            {
                break;
            }
        }
        match socket.read(&mut some) {
            Ok(0) | Err(_) => break,
            Ok(got) => bytes.extend_from_slice(&some[..got]),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends, reads a response, says that nothing more comes, and reads the rest.
pub(crate) fn all(at: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = connect(at);
    let _ = socket.write_all(bytes);
    let mut answered = answer(&mut socket);
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    answered.push_str(&String::from_utf8_lossy(&rest));
    answered
}

/// One request on a new connection.
pub(crate) fn ask(at: SocketAddr, head: &str) -> String {
    let mut socket = connect(at);
    socket.write_all(head.as_bytes()).unwrap();
    answer(&mut socket)
}

/// The status of the final response.
pub(crate) fn status(answer: &str) -> u16 {
    answer[interim(answer.as_bytes())..].split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, so: impl Fn() -> bool) {
    let from = Instant::now();
    while !so() {
        assert!(from.elapsed() < PATIENCE, "still waiting: {what}");
        std::thread::yield_now();
    }
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
