//! Servers of the day, each on a thread of the test: web servers that restart, a resolver that is silent for a while, a
//! TLS server whose certificate is renewed, and a webhook that records its messages.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(5);

/// A web server that can be stopped and started on its own address, as a deploy does.
pub(super) struct Web {
    pub(super) address: SocketAddr,
    up: Arc<AtomicBool>,
    status: Arc<AtomicU16>,
}

impl Web {
    pub(super) fn start(ip: &str) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (up, status) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU16::new(200)));
        let (is_up, shown) = (Arc::clone(&up), Arc::clone(&status));
        thread::spawn(move || {
            let mut listening = Some(listener);
            loop {
                if !is_up.load(Ordering::Relaxed) {
                    listening = None;
                } else if listening.is_none() {
                    listening = TcpListener::bind(address).ok();
                }
                match &listening {
                    Some(listener) => serve_waiting(listener, &shown),
                    None => thread::sleep(LOOK_EVERY),
                }
            }
        });
        Self { address, up, status }
    }

    /// Stops listening: connections are refused.
    pub(super) fn stop(&self) {
        self.up.store(false, Ordering::Relaxed);
    }

    pub(super) fn go_on(&self) {
        self.up.store(true, Ordering::Relaxed);
    }

    pub(super) fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

/// Answers the connections that are open, and returns soon in any case.
fn serve_waiting(listener: &TcpListener, status: &Arc<AtomicU16>) {
    listener.set_nonblocking(true).unwrap();
    match listener.accept() {
        Ok((stream, _)) => {
            let status = Arc::clone(status);
            thread::spawn(move || {
                let _ = stream.set_nonblocking(false);
                answer(stream, status.load(Ordering::Relaxed), "ok")
            });
        }
        Err(_) => thread::sleep(LOOK_EVERY),
    }
}

fn answer(mut stream: impl Read + Write, status: u16, body: &str) {
    let _ = stream.read(&mut [0; 8_192]);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let _ = stream.flush();
}

/// A resolver that knows every name at one address, and can fall silent.
pub(super) struct Names {
    pub(super) address: SocketAddr,
    silent: Arc<AtomicBool>,
}

impl Names {
    pub(super) fn start(known: IpAddr) -> Self {
        let IpAddr::V4(known) = known else { panic!("one of IPv4") };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let silent = Arc::new(AtomicBool::new(false));
        let is_silent = Arc::clone(&silent);
        thread::spawn(move || {
            let mut packet = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if is_silent.load(Ordering::Relaxed) {
                    continue;
                }
                if let Some(said) = answer_name(&packet[..length], known.octets()) {
                    let _ = socket.send_to(&said, from);
                }
            }
        });
        Self { address, silent }
    }

    pub(super) fn hiccups(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }
}

/// RFC 1035: the question again, and one A record where A was asked for.
fn answer_name(query: &[u8], address: [u8; 4]) -> Option<Vec<u8>> {
    let mut end = 12;
    while *query.get(end)? != 0 {
        end += usize::from(query[end]) + 1;
    }
    let kind = u16::from_be_bytes([*query.get(end + 1)?, *query.get(end + 2)?]);
    let question = query.get(12..end + 5)?;
    let answers = u8::from(kind == 1);
    let mut said = query.get(..2)?.to_vec();
    said.extend([0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0]);
    said.extend(question);
    if answers == 1 {
        said.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        said.extend(address);
    }
    Some(said)
}

/// A TLS server whose certificate can be renewed, and the authority that signs it.
pub(super) struct Secure {
    pub(super) address: SocketAddr,
    authority: Issuer<'static, KeyPair>,
    pub(super) root: String,
    name: String,
    config: Arc<Mutex<Arc<rustls::ServerConfig>>>,
}

impl Secure {
    /// Begins with a certificate that ends in `left`, of 90 days.
    pub(super) fn start(name: &str, left: Duration) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&key).unwrap().pem();
        let authority = Issuer::new(params, key);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(Mutex::new(certified(&authority, name, left)));
        let shown = Arc::clone(&config);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = Arc::clone(&shown.lock().unwrap());
                thread::spawn(move || secure(stream, config));
            }
        });
        Self { address, authority, root, name: name.to_owned(), config }
    }

    pub(super) fn renew(&self) {
        let fresh = certified(&self.authority, &self.name, Duration::from_secs(90 * 86_400));
        *self.config.lock().unwrap() = fresh;
    }
}

fn secure(stream: TcpStream, config: Arc<rustls::ServerConfig>) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    if let Ok(connection) = rustls::ServerConnection::new(config) {
        answer(rustls::StreamOwned::new(connection, stream), 200, "ok");
    }
}

fn certified(authority: &Issuer<'static, KeyPair>, name: &str, left: Duration) -> Arc<rustls::ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let ends = std::time::SystemTime::now() + left;
    params.not_after = ends.into();
    params.not_before = (ends - Duration::from_secs(90 * 86_400)).into();
    params.not_before =
        params.not_before.min((std::time::SystemTime::now() - Duration::from_secs(60)).into());
    let leaf: CertificateDer<'static> = params.signed_by(&key, authority).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key);
    Arc::new(config.unwrap())
}

/// One message that the webhook took.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) at: Instant,
    pub(super) wakes: bool,
    pub(super) title: String,
    pub(super) body: String,
}

/// A provider that takes everything.
pub(super) struct Hook {
    pub(super) address: SocketAddr,
    taken: Arc<Mutex<Vec<Message>>>,
}

impl Hook {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&taken);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if let Ok(message) = take(&mut stream) {
                    keeps.lock().unwrap().push(message);
                }
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
            }
        });
        Self { address, taken }
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        self.taken.lock().unwrap().clone()
    }
}

/// Reads a request whose body is JSON.
fn take(stream: &mut TcpStream) -> io::Result<Message> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let mut piece = [0; 8_192];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        let body = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
        if let Some(body) = body {
            let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let wakes = field("urgency") == "page";
            return Ok(Message { at: Instant::now(), wakes, title: field("title"), body: field("body") });
        }
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
}
