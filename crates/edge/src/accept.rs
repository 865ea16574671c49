//! A new connection: whether it has a place, who it is, and which protocol it speaks.

use crate::forwarded::declared;
use crate::line::Line;
use crate::proxy_protocol;
use crate::serve;
use crate::stream::Stream;
use crate::thread::Thread;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};

/// What HTTP/2 begins with (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long part of a beginning is given before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Takes a connection, or closes it where there is no room.
pub(crate) fn accept(thread: &Rc<Thread>, socket: TcpStream, peer: SocketAddr, tls: bool) {
    let near = thread.near();
    let (edge, from) = (&near.view.edge, peer.ip().to_canonical());
    let proxied = declared(&edge.proxy_protocol, from);
    let each = (!proxied && !declared(&edge.hops, from)).then_some(edge.limits.connections_each);
    let Some(place) = thread.shared.connections.enter(from, edge.limits.connections, each) else {
        if thread.may_warn() {
            tracing::warn!("a connection from {from} finds no room and is closed");
        }
        return;
    };
    let wait = edge.limits.head_wait;
    let _ = socket.set_nodelay(true);
    let thread = Rc::clone(thread);
    let one = One::new(&thread);
    spawn_local(async move {
        let opening = Box::pin(timeout(wait, open(&thread, socket, peer, proxied, tls))).await;
        if let Ok(Ok((stream, line))) = opening {
            if line.http2.get() {
                Box::pin(serve::http2::serve(thread, line, stream)).await;
            } else {
                serve::http1(thread, line, stream).await;
            }
        }
        drop((place, one));
    });
}

/// One connection of the thread.
struct One(Rc<Thread>);

impl One {
    fn new(thread: &Rc<Thread>) -> Self {
        thread.open.set(thread.open.get() + 1);
        Self(Rc::clone(thread))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}

async fn open(
    thread: &Rc<Thread>,
    mut socket: TcpStream,
    mut peer: SocketAddr,
    proxied: bool,
    tls: bool,
) -> io::Result<(Stream, Rc<Line>)> {
    if proxied {
        peer = told(&mut socket).await?.unwrap_or(peer);
    }
    if !tls {
        let http2 = preface(&socket).await?;
        let line = Line::new(peer, false, Rc::clone(&thread.ticks));
        line.http2.set(http2);
        return Ok((Stream::Plain(socket), line));
    }
    // Whoever says nothing has no session yet.
    socket.readable().await?;
    let session = TlsAcceptor::from(Arc::clone(&thread.shared.tls)).accept(socket).await?;
    let http2 = session.get_ref().1.alpn_protocol() == Some(b"h2");
    let line = Line::new(peer, true, Rc::clone(&thread.ticks));
    line.http2.set(http2);
    Ok((Stream::Tls(Box::new(TlsStream::Server(session))), line))
}

/// Reads the PROXY protocol and not a byte more.
async fn told(socket: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut bytes = vec![0; 2064];
    let mut before = 0;
    loop {
        let got = socket.peek(&mut bytes).await?;
        match proxy_protocol::read(&bytes[..got]) {
            Ok(Some(found)) => {
                socket.read_exact(&mut bytes[..found.length]).await?;
                return Ok(found.source);
            }
            Ok(None) if got > 0 => {
                if got == before {
                    sleep(LOOK_AGAIN).await;
                }
                before = got;
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Whether the connection begins with HTTP/2's preface: prior knowledge.
async fn preface(socket: &TcpStream) -> io::Result<bool> {
    let mut bytes = [0; PREFACE.len()];
    loop {
        let got = socket.peek(&mut bytes).await?;
        if got == 0 || bytes[..got] != PREFACE[..got] {
            return Ok(false);
        }
        if got == PREFACE.len() {
            return Ok(true);
        }
        sleep(LOOK_AGAIN).await;
    }
}
