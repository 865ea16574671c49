//! A new connection to a server of a pool.

use crate::forward_error::ForwardError;
use crate::pool::Pool;
use crate::stream::Stream;
use crate::tls::outward;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

/// Timeout of a connection, handshake included.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// Opens a TCP connection to `at`, and TLS where configured.
pub(crate) async fn connect(pool: &Pool, at: SocketAddr) -> Result<Stream, ForwardError> {
    timeout(CONNECT_WAIT, open(pool, at)).await.map_err(|_| ForwardError::ConnectTime)?
}

async fn open(pool: &Pool, at: SocketAddr) -> Result<Stream, ForwardError> {
    let tls = pool.tls.as_ref().map_err(|why| ForwardError::Handshake(why.to_string()))?;
    let connected = TcpStream::connect(at).await;
    match &connected {
        Ok(_) => pool.connected(at, true),
        Err(why) if why.kind() == ErrorKind::ConnectionRefused => pool.connected(at, false),
        Err(_) => {}
    }
    let socket = connected.map_err(ForwardError::Connect)?;
    socket.set_nodelay(true).map_err(ForwardError::Connect)?;
    let Some(tls) = tls else { return Ok(Stream::Plain(socket)) };
    let session = TlsConnector::from(Arc::clone(&tls.config))
        .connect(tls.name.clone(), socket)
        .await
        .map_err(|why| outward::trouble(&why, &tls.name))?;
    Ok(Stream::Tls(Box::new(TlsStream::Client(session))))
}
