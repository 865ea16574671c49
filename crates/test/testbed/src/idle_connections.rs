//! Idle connections and WebSockets, to measure what they cost and whether they survive a reload.

use crate::flood::wire::Reader;
use serde::Serialize;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Timeout of opening a connection, and of an echo.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Connections opened concurrently.
const CONCURRENCY_MAX: usize = 64;
/// Connections per address.
const EACH: usize = 250;
/// A text frame of a client: four bytes, masked with zeros (RFC 6455, 5.2).
const FRAME: [u8; 10] = [0x81, 0x84, 0, 0, 0, 0, b'p', b'i', b'n', b'g'];

/// Kind of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A WebSocket, after its 101.
    WebSocket,
    /// A connection after one request and its response.
    Idle,
}

/// Open connections. They close when dropped.
#[derive(Debug)]
pub struct IdleConnections {
    kind: Kind,
    streams: Vec<TcpStream>,
}

/// State of the connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionCounts {
    /// Still open.
    pub alive: usize,
    /// Closed by the server, or without response to an echo.
    pub lost: usize,
}

impl IdleConnections {
    /// Opens connections from addresses of 127.40.0.0/16.
    ///
    /// # Errors
    /// The error of the first connection that could not be opened.
    pub async fn open(kind: Kind, count: usize, to: SocketAddr, host: &str, path: &str) -> io::Result<Self> {
        let upgrade = match kind {
            Kind::Idle => "",
            Kind::WebSocket => {
                "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{upgrade}\r\n");
        let mut streams = Vec::with_capacity(count);
        let mut opening = JoinSet::new();
        for number in 0..count {
            if opening.len() >= CONCURRENCY_MAX {
                streams.extend(opened(opening.join_next().await)?);
            }
            opening.spawn(timeout(TIMEOUT, open(kind, number, to, request.clone())));
        }
        while let Some(next) = opening.join_next().await {
            streams.extend(opened(Some(next))?);
        }
        Ok(Self { kind, streams })
    }

    /// Sends an echo over each WebSocket; checks whether each idle connection is still open.
    pub async fn check(&mut self) -> ConnectionCounts {
        let mut counts = ConnectionCounts::default();
        for stream in &mut self.streams {
            let alive = match self.kind {
                Kind::Idle => {
                    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
                }
                Kind::WebSocket => matches!(timeout(TIMEOUT, echo(stream)).await, Ok(Ok(()))),
            };
            counts.alive += usize::from(alive);
            counts.lost += usize::from(!alive);
        }
        counts
    }
}

type Opened = Result<Result<io::Result<TcpStream>, tokio::time::error::Elapsed>, tokio::task::JoinError>;

fn opened(joined: Option<Opened>) -> io::Result<Option<TcpStream>> {
    match joined {
        None => Ok(None),
        Some(Ok(Ok(stream))) => stream.map(Some),
        Some(Ok(Err(_))) => Err(io::ErrorKind::TimedOut.into()),
        Some(Err(error)) => Err(io::Error::other(error)),
    }
}

async fn open(kind: Kind, number: usize, to: SocketAddr, request: String) -> io::Result<TcpStream> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let network = u8::try_from(number / EACH % 256).unwrap_or(0);
    let from = Ipv4Addr::new(127, 40, network, u8::try_from(number % EACH).unwrap_or(0) + 1);
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    if kind == Kind::WebSocket {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(wrong(format!("no WebSocket: {}", String::from_utf8_lossy(&head))));
        }
        return Ok(stream);
    }
    let mut reader = Reader::default();
    loop {
        if stream.read_buf(&mut reader.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match reader.next() {
            Ok(Some(answer)) if answer.status == 200 && !answer.closes => return Ok(stream),
            Ok(Some(answer)) => return Err(wrong(format!("answered {}", answer.status))),
            Ok(None) => {}
            Err(_) => return Err(wrong("not HTTP".to_owned())),
        }
    }
}

async fn echo(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&FRAME).await?;
    let mut back = [0; FRAME.len()];
    stream.read_exact(&mut back).await?;
    if back == FRAME { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
