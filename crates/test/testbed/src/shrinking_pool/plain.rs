//! The proxy without mainstay: HAProxy with its ordinary round-robin and its ordinary health checks.

use crate::TestbedError;
use crate::surge::plain::{haproxy_version, spawn_haproxy};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::process::Child;

/// Connections for requests beside those of WebSockets. It does not start when its limit of connections exceeds half of the
/// descriptors that the process may have.
const REQUESTS: usize = 300;

/// A running HAProxy. Stops when dropped.
pub(super) struct PlainPool {
    pub(super) listener: SocketAddr,
    pub(super) name: String,
    _process: Child,
}

impl PlainPool {
    /// Starts it with all servers that the script may ever start: one that does not run fails its health check.
    ///
    /// # Errors
    /// When HAProxy is not installed, or does not start within five seconds.
    pub(super) async fn start(
        folder: &Path,
        servers: &[SocketAddr],
        clients: usize,
    ) -> Result<Self, TestbedError> {
        let version = haproxy_version().await.ok_or(TestbedError::Missing("haproxy (Debian: haproxy)"))?;
        let no_start = |why| TestbedError::Proxy { name: "haproxy", why };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|free| free.local_addr())
            .map_err(no_start)?;
        let mut config = format!(
            "global\n  nbthread 1\n  maxconn {}\ndefaults\n  mode http\n  balance roundrobin\n  option forwardfor\n  \
             timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  timeout tunnel 1h\n  timeout check 1s\n  \
             default-server check inter 1s fall 2 rise 2\nlisten api\n  bind {listener}\n  option httpchk GET /health\n",
            clients + REQUESTS
        );
        for (number, server) in servers.iter().enumerate() {
            config.push_str(&format!("  server api{number} {server}\n"));
        }
        let process = spawn_haproxy(folder, &config, listener).await.map_err(no_start)?;
        Ok(Self { listener, name: format!("haproxy {version}"), _process: process })
    }
}
