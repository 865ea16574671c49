//! Hostile servers over TCP.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest duration of a connection, so that no thread outlives its test by much.
const VISIT: Duration = Duration::from_secs(20);
/// Most concurrent connections.
const CONNECTIONS_MAX: usize = 32;
/// A pause between two bytes that keeps a line alive and never finishes.
const DRIP: Duration = Duration::from_millis(50);

/// A server with one hostile behavior.
pub(super) struct Attacker {
    pub(super) address: SocketAddr,
    visits: Arc<AtomicUsize>,
}

impl Attacker {
    pub(super) fn start(harm: impl Fn(&mut Visit) -> Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (visits, here) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, harm) = (visits.clone(), Arc::new(harm));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if here.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
                    continue;
                }
                here.fetch_add(1, Ordering::Relaxed);
                let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
                let (here, harm) = (here.clone(), harm.clone());
                thread::spawn(move || {
                    let mut visit = Visit { stream, number, until: Instant::now() + VISIT };
                    // The client must end the connection by itself: that is tested.
                    let _ = visit.begin().and_then(|()| harm(&mut visit));
                    here.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, visits }
    }

    /// Number of connections.
    pub(super) fn visits(&self) -> usize {
        self.visits.load(Ordering::Relaxed)
    }
}

/// One connection.
pub(super) struct Visit {
    stream: TcpStream,
    /// Counted from 1.
    pub(super) number: usize,
    until: Instant,
}

impl Visit {
    fn begin(&self) -> Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(VISIT))?;
        self.stream.set_write_timeout(Some(VISIT))
    }

    /// The head of a request; its target.
    pub(super) fn request(&mut self) -> Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 8_192 {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        Ok(head.split(' ').nth(1).unwrap_or("/").to_owned())
    }

    /// Whatever comes first, such as the beginning of a handshake.
    pub(super) fn anything(&mut self) -> Result<()> {
        self.stream.read(&mut [0; 16_384]).map(drop)
    }

    pub(super) fn say(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        if Instant::now() > self.until {
            return Err(Error::from(ErrorKind::TimedOut));
        }
        self.stream.write_all(bytes.as_ref())
    }

    /// The same again and again, as fast as they take it.
    pub(super) fn without_end(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        loop {
            self.say(&bytes)?;
        }
    }

    /// The same again and again, slowly.
    pub(super) fn drip(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        loop {
            self.say(&bytes)?;
            thread::sleep(DRIP);
        }
    }

    /// Not a word, until they leave.
    pub(super) fn silence(&mut self) -> Result<()> {
        while self.stream.read(&mut [0; 4_096])? > 0 {}
        Ok(())
    }

    pub(super) fn redirect(&mut self, to: &str) -> Result<()> {
        self.say(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"))
    }
}

/// A TLS record.
pub(super) fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    [&[kind, 3, 3][..], &length.to_be_bytes(), content].concat()
}

/// The beginning of a TLS 1.2 handshake as the client will have it, up to where the certificates come.
pub(super) fn hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    // No session, ECDHE with ECDSA and AES-128-GCM, no compression, no extensions.
    hello.extend([0, 0xc0, 0x2b, 0, 0, 0]);
    record(22, &message(2, hello.len(), &hello))
}

/// A handshake message that claims to be `length` long.
pub(super) fn message(kind: u8, length: usize, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &long(length), content].concat()
}

/// 24 bits.
pub(super) fn long(number: usize) -> [u8; 3] {
    let [.., a, b, c] = number.to_be_bytes();
    [a, b, c]
}
