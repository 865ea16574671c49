//! A new connection to a server.

use super::trouble::Trouble;
use crate::stream::Stream;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take to come about.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// TCP to `at`.
pub(crate) async fn plain(at: SocketAddr) -> Result<Stream, Trouble> {
    let socket = timeout(CONNECT_WAIT, TcpStream::connect(at))
        .await
        .map_err(|_| Trouble::ConnectTime)?
        .map_err(Trouble::Connect)?;
    socket.set_nodelay(true).map_err(Trouble::Connect)?;
    Ok(Stream::Plain(socket))
}
