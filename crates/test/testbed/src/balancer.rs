//! A plain balancer: forwards each connection to the next server, without health checks and limits. For comparison in
//! drills.

use crate::tasks::{Tasks, serve_each};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Most open connections.
const CONNECTIONS_MAX: usize = 8_000;
/// Timeout of a connection to a server.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The balancer. Stops when dropped, and all its connections with it.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    _tasks: Tasks,
}

impl Balancer {
    /// Starts to forward connections to the servers in turn.
    ///
    /// # Errors
    /// When the listener is closed.
    pub fn start(listener: TcpListener, servers: Vec<SocketAddr>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let mut tasks = Tasks::default();
        tasks.spawn(accept(listener, servers));
        Ok(Self { address, _tasks: tasks })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, servers: Vec<SocketAddr>) {
    let mut turn = servers.into_iter().cycle();
    serve_each(listener, CONNECTIONS_MAX, |client, _| {
        let server = turn.next();
        async move {
            if let Some(server) = server {
                pass(client, server).await;
            }
        }
    })
    .await;
}

async fn pass(mut client: TcpStream, server: SocketAddr) {
    let passed = async {
        client.set_nodelay(true)?;
        let mut server = timeout(TIMEOUT, TcpStream::connect(server)).await??;
        server.set_nodelay(true)?;
        copy_bidirectional(&mut client, &mut server).await
    };
    if let Err(error) = passed.await {
        tracing::debug!(%error, "passing a connection on");
    }
}
