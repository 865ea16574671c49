//! A plain round-robin proxy, for comparison: haproxy where it is installed, else that of the testbed.

use crate::balancer::Balancer;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Longest time of a start.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// The proxy: one listener for each of two servers. Stops when dropped.
pub struct PlainProxy {
    listeners: [SocketAddr; 2],
    name: String,
    _process: Option<Child>,
    _own: Option<[Balancer; 2]>,
}

impl PlainProxy {
    /// Starts it.
    ///
    /// # Errors
    /// When no address is free, or haproxy is installed and does not start within five seconds.
    pub async fn start(folder: &Path, to: [SocketAddr; 2]) -> io::Result<Self> {
        match haproxy_version().await {
            Some(version) => Self::haproxy(folder, to, &version).await,
            None => Self::own(to).await,
        }
    }

    async fn haproxy(folder: &Path, to: [SocketAddr; 2], version: &str) -> io::Result<Self> {
        let free = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
        let listeners = [free()?, free()?];
        let mut config =
            "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  balance roundrobin\n  option \
                          forwardfor\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
                .to_owned();
        for ((name, listener), server) in ["auth", "api"].iter().zip(listeners).zip(to) {
            config.push_str(&format!("listen {name}\n  bind {listener}\n  server one {server}\n"));
        }
        let process = spawn_haproxy(folder, &config, listeners[1]).await?;
        let name = format!("haproxy {version}");
        Ok(Self { listeners, name, _process: Some(process), _own: None })
    }

    async fn own(to: [SocketAddr; 2]) -> io::Result<Self> {
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let [one, other] = to;
        let own = [Balancer::start(bind().await?, vec![one])?, Balancer::start(bind().await?, vec![other])?];
        let listeners = [own[0].address(), own[1].address()];
        Ok(Self { listeners, name: "a plain balancer".to_owned(), _process: None, _own: Some(own) })
    }

    /// Its listeners, in the order of the servers.
    #[must_use]
    pub fn listeners(&self) -> [SocketAddr; 2] {
        self.listeners
    }

    /// Name and version.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Version of the installed HAProxy, if there is one.
pub(crate) async fn haproxy_version() -> Option<String> {
    let output = Command::new("haproxy").arg("-v").stdin(Stdio::null()).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    output.status.success().then(|| version.unwrap_or_default().to_owned())
}

/// Starts HAProxy with a configuration, and waits until it listens.
pub(crate) async fn spawn_haproxy(folder: &Path, config: &str, listener: SocketAddr) -> io::Result<Child> {
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, config)?;
    let mut process = Command::new("haproxy")
        .arg("-f")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let deadline = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(listener).await.is_err() {
        if process.try_wait()?.is_some() || Instant::now() > deadline {
            return Err(io::Error::other("haproxy did not start"));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(process)
}
