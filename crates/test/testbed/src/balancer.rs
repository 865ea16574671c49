//! A plain balancer: one connection to the next server, bytes both ways, nothing else. What many have in front of their
//! services, and what a drill is compared with.

use crate::tasks::{Tasks, serve_each};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Connections open at once.
const CONNECTIONS_MAX: usize = 8_000;
/// How long connecting to a server may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The balancer. Stops when dropped, and all its connections with it.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    _tasks: Tasks,
}

impl Balancer {
    /// Begins to hand connections to the servers in turn.
    ///
    /// # Errors
    /// When the listener has no address any more.
    pub fn start(listener: TcpListener, servers: Vec<SocketAddr>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let mut tasks = Tasks::default();
        tasks.spawn(accept(listener, servers));
        Ok(Self { address, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, servers: Vec<SocketAddr>) {
    let mut turn = servers.into_iter().cycle();
    serve_each(listener, CONNECTIONS_MAX, |visitor, _| {
        let server = turn.next();
        async move {
            if let Some(server) = server {
                pass(visitor, server).await;
            }
        }
    })
    .await;
}

async fn pass(mut visitor: TcpStream, server: SocketAddr) {
    let passed = async {
        visitor.set_nodelay(true)?;
        let mut server = timeout(TIMEOUT, TcpStream::connect(server)).await??;
        server.set_nodelay(true)?;
        copy_bidirectional(&mut visitor, &mut server).await
    };
    if let Err(error) = passed.await {
        tracing::debug!(%error, "passing a connection on");
    }
}
