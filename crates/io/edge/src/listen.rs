//! Listening sockets: one of each address for every thread, so that the kernel shares out connections.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

const BACKLOG: i32 = 4096;

/// A listening address, and whether clients speak TLS there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListenAddress {
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

/// Whether a process listens there. Sockets that share an address are let in by the system, so it is tried without
/// sharing. Connections of a process that has ended or that drains are no hindrance.
pub(crate) fn is_taken(at: SocketAddr) -> bool {
    at.port() != 0 && bind(at, false).is_err_and(|why| why.kind() == io::ErrorKind::AddrInUse)
}

fn bind(at: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(at, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_address_is_detected() {
        let (at, sockets) = open("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert!(is_taken(at));
        let everywhere = SocketAddr::new("0.0.0.0".parse().unwrap(), at.port());
        assert!(is_taken(everywhere));
        // A connection that goes on after its listener has closed.
        let client = std::net::TcpStream::connect(at).unwrap();
        let served = sockets.iter().find_map(|socket| socket.accept().ok()).unwrap();
        drop(sockets);
        assert!(!is_taken(at));
        drop((client, served));
    }
}
