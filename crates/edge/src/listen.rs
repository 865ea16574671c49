//! Listening sockets: one of each address for every thread, so that the kernel shares out connections.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

const BACKLOG: i32 = 4096;

/// Where the edge listens, and whether visitors speak TLS there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Door {
    pub(crate) at: SocketAddr,
    pub(crate) tls: bool,
}

/// As many sockets on one address as there are threads. Port 0 becomes the same free port for all.
pub(crate) fn open(at: SocketAddr, threads: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = listen(at)?;
    let at = first.local_addr()?;
    let mut all = vec![first];
    for _ in 1..threads {
        all.push(listen(at)?);
    }
    Ok((at, all))
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
