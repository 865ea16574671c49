//! Measures TLS session resumption: one full handshake, then many with its tickets.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Timeout of a connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// Handshakes with a session of before.
    pub resumed: u32,
    /// Full ones, the first not counted.
    pub full: u32,
}

/// Connects once, then `count` times, with a GET each time, since tickets come after the handshake (RFC 8446, 4.6.1).
///
/// # Errors
/// Network errors, and certificates that are not accepted.
pub async fn reconnect(to: SocketAddr, name: &str, ca: &Path, count: u32) -> io::Result<Resumed> {
    let pem = std::fs::read(ca)?;
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&pem) {
        roots.add(cert.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let mut seen = Resumed::default();
    for number in 0..=count {
        match timeout(TIMEOUT, connect(&connector, to, name)).await?? {
            _ if number == 0 => {}
            HandshakeKind::Resumed => seen.resumed += 1,
            HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest => seen.full += 1,
        }
    }
    Ok(seen)
}

async fn connect(connector: &TlsConnector, to: SocketAddr, name: &str) -> io::Result<HandshakeKind> {
    let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let mut stream = connector.connect(server, TcpStream::connect(to).await?).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let kind = stream.get_ref().1.handshake_kind().ok_or(io::ErrorKind::NotConnected)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        // Many servers end the connection without a close_notify.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    if answer.starts_with(b"HTTP/1.1 200") { Ok(kind) } else { Err(io::ErrorKind::InvalidData.into()) }
}
