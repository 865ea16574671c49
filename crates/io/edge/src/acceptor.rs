//! Accepts a new connection: connection limits, PROXY header, TLS handshake, choice of protocol.

use crate::connection::{Connection, Served};
use crate::connection_table::{Activity, ConnectionLimits};
use crate::forwarded::declared;
use crate::proxy_protocol;
use crate::serve;
use crate::stream::Stream;
use crate::thread::Thread;
use rustix::net::RecvFlags;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

/// The connection preface of HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection, or closes it when a connection limit is reached.
pub(crate) fn accept(thread: &Rc<Thread>, socket: TcpStream, peer: SocketAddr, tls: bool) {
    let view = thread.view();
    let (edge, from) = (&view.shared.edge, peer.ip().to_canonical());
    let proxied = declared(&edge.proxy_protocol, from);
    let per_ip =
        (!proxied && !declared(&edge.trusted_proxies, from)).then_some(edge.limits.max_connections_per_ip);
    let limits = ConnectionLimits { total: edge.limits.max_connections, per_ip };
    let Some(slot) = thread.shared.connections.enter(from, limits, thread.ticks.now()) else {
        if thread.may_warn() {
            tracing::warn!(
                "a connection from {from} is closed: max_connections or max_connections_per_ip is reached"
            );
        }
        return;
    };
    let wait = edge.limits.header_timeout;
    let _ = socket.set_nodelay(true);
    let (owner, thread) = (thread, Rc::clone(thread));
    let one = One::new(&thread, Arc::clone(&slot.activity));
    let key = one.key;
    let (number, activity) = (slot.number(), Arc::clone(&slot.activity));
    let connections = Arc::clone(&thread.shared.connections);
    let task = spawn_local(async move {
        let opening = Box::pin(timeout(wait, open(&thread, socket, peer, proxied, tls, activity))).await;
        if let Ok(Ok((stream, connection))) = opening {
            one.speaks(&connection);
            if connection.http2.get() {
                Box::pin(serve::http2::serve(thread, connection, stream)).await;
            } else {
                serve::http1(thread, connection, stream).await;
            }
        }
        drop((slot, one));
    });
    let task = task.abort_handle();
    if let Some(served) = owner.served.borrow_mut().get_mut(key) {
        served.task = Some(task.clone());
    }
    connections.served_by(number, task);
}

/// One connection of the thread.
struct One {
    thread: Rc<Thread>,
    key: usize,
}

impl One {
    fn new(thread: &Rc<Thread>, activity: Arc<Activity>) -> Self {
        let served = Served { connection: Weak::new(), asked: Rc::default(), activity, task: None };
        let key = thread.served.borrow_mut().insert(served);
        Self { thread: Rc::clone(thread), key }
    }

    /// The connection has begun to speak.
    fn speaks(&self, connection: &Rc<Connection>) {
        if let Some(served) = self.thread.served.borrow_mut().get_mut(self.key) {
            served.connection = Rc::downgrade(connection);
            served.asked = Rc::clone(&connection.asked);
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.thread.served.borrow_mut().try_remove(self.key);
    }
}

async fn open(
    thread: &Rc<Thread>,
    mut socket: TcpStream,
    mut peer: SocketAddr,
    proxied: bool,
    tls: bool,
    activity: Arc<Activity>,
) -> io::Result<(Stream, Rc<Connection>)> {
    if proxied {
        peer = read_header(&mut socket).await?.unwrap_or(peer);
    }
    if !tls {
        let http2 = preface(&socket).await?;
        let connection = Connection::new(peer, false, Rc::clone(&thread.ticks), activity);
        connection.http2.set(http2);
        return Ok((Stream::Plain(socket), connection));
    }
    // A client that sends nothing has no session yet.
    socket.readable().await?;
    let session = TlsAcceptor::from(Arc::clone(&thread.shared.tls)).accept(socket).await?;
    let http2 = session.get_ref().1.alpn_protocol() == Some(b"h2");
    let connection = Connection::new(peer, true, Rc::clone(&thread.ticks), activity);
    connection.http2.set(http2);
    Ok((Stream::Tls(Box::new(TlsStream::Server(session))), connection))
}

/// Reads the PROXY protocol and not a byte more.
async fn read_header(socket: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut bytes = vec![0; 2064];
    let found = beginning(socket, &mut bytes, |begun, _| match proxy_protocol::read(begun) {
        Ok(Some(found)) => Some(Ok(found)),
        Ok(None) if !begun.is_empty() => None,
        _ => Some(Err(io::ErrorKind::InvalidData)),
    })
    .await?
    .map_err(io::Error::from)?;
    socket.read_exact(&mut bytes[..found.length]).await?;
    Ok(found.source)
}

/// Whether the connection begins with HTTP/2's preface: prior knowledge.
async fn preface(socket: &TcpStream) -> io::Result<bool> {
    let mut bytes = [0; PREFACE.len()];
    beginning(socket, &mut bytes, |begun, ended| {
        if begun.is_empty() || begun != &PREFACE[..begun.len()] {
            Some(false)
        } else if begun.len() == PREFACE.len() {
            Some(true)
        } else {
            ended.then_some(false)
        }
    })
    .await
}

/// Looks at the beginning of a connection, without taking it, each time that more of it has come, until `read` has a
/// response. The second argument of `read`: whether nothing more can come.
async fn beginning<T>(
    socket: &TcpStream,
    bytes: &mut [u8],
    read: impl Fn(&[u8], bool) -> Option<T>,
) -> io::Result<T> {
    loop {
        let ready = socket.ready(Interest::READABLE).await?;
        let looked = socket.try_io(Interest::READABLE, || {
            let (got, _) = rustix::net::recv(socket, &mut *bytes, RecvFlags::PEEK)?;
            // "Would block", although there are bytes: what is there is not enough, so the next ones are waited for.
            read(&bytes[..got], ready.is_read_closed()).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        });
        match looked {
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                if ready.is_read_closed() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
