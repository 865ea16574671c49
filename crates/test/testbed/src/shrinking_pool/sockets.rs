//! Clients with one WebSocket each, which reconnect as the client of Phoenix does: after 10 ms, then later and later, nearly
//! without jitter.

use crate::tasks::Tasks;
use crate::web::until_closed;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// Pauses before the first tries of a reconnect, and before all further ones (phoenix.js, `reconnectAfterMs`).
const PAUSES_MS: [u64; 9] = [10, 50, 100, 150, 200, 250, 500, 1_000, 2_000];
const LAST_PAUSE_MS: u64 = 5_000;
/// Timeout of an open (phoenix.js, `timeout`).
const OPEN: Duration = Duration::from_secs(10);
/// First opens per second, before the outage.
const ARRIVALS: f64 = 150.0;
/// Clients per address.
const EACH: usize = 250;
/// Largest head of a response.
const HEAD_MAX: usize = 8 * 1024;

/// The clients. They leave when dropped.
#[derive(Debug)]
pub(super) struct Sockets {
    counts: Arc<Counts>,
    clients: usize,
    _tasks: Tasks,
}

#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    tries: AtomicU64,
}

impl Sockets {
    /// Starts the clients; they arrive one after the other.
    pub(super) fn start(clients: usize, to: SocketAddr, host: &str) -> Self {
        let counts = Arc::new(Counts::default());
        let request: Arc<str> = format!(
            "GET /socket HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .into();
        let mut tasks = Tasks::default();
        for number in 0..clients {
            tasks.spawn(client(number, to, Arc::clone(&request), Arc::clone(&counts)));
        }
        Self { counts, clients, _tasks: tasks }
    }

    /// Number of clients.
    pub(super) fn clients(&self) -> u64 {
        self.clients as u64
    }

    /// Number of open WebSockets.
    pub(super) fn open(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Tries to open one, since the start.
    pub(super) fn tries(&self) -> u64 {
        self.counts.tries.load(Ordering::Relaxed)
    }
}

async fn client(number: usize, to: SocketAddr, request: Arc<str>, counts: Arc<Counts>) {
    let network = u8::try_from(number / EACH).unwrap_or(u8::MAX);
    let from = Ipv4Addr::new(127, 41, network, u8::try_from(number % EACH).unwrap_or(0) + 1);
    sleep(Duration::from_secs_f64(number as f64 / ARRIVALS)).await;
    let mut failed = 0;
    loop {
        counts.tries.fetch_add(1, Ordering::Relaxed);
        if let Ok(Ok(stream)) = timeout(OPEN, open(from, to, &request)).await {
            failed = 0;
            counts.open.fetch_add(1, Ordering::Relaxed);
            until_closed(stream).await;
            counts.open.fetch_sub(1, Ordering::Relaxed);
        }
        let pause = PAUSES_MS.get(failed).copied().unwrap_or(LAST_PAUSE_MS);
        failed += 1;
        sleep(Duration::from_millis(pause).mul_f64(0.95 + 0.1 * fastrand::f64())).await;
    }
}

async fn open(from: Ipv4Addr, to: SocketAddr, request: &str) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::with_capacity(512);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 || head.len() > HEAD_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    if head.starts_with(b"HTTP/1.1 101 ") { Ok(stream) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}
