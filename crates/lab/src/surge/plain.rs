//! A plain round-robin proxy, for comparison: haproxy where it is installed, else a small one of our own.

use crate::tasks::Tasks;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long it may take to stand.
const START: Duration = Duration::from_secs(5);
/// Connections at once through our own.
const CONNECTIONS_MAX: usize = 4_000;

/// The proxy: one door to each of two servers. Stops when dropped.
pub struct Proxy {
    doors: [SocketAddr; 2],
    name: String,
    _process: Option<Child>,
    _tasks: Tasks,
}

impl Proxy {
    /// Starts one.
    ///
    /// # Errors
    /// When loopback has no room, or haproxy is there and does not stand within five seconds.
    pub async fn start(folder: &Path, to: [SocketAddr; 2]) -> io::Result<Self> {
        match Command::new("haproxy").arg("-v").stdin(Stdio::null()).output().await {
            Ok(said) if said.status.success() => {
                let said = String::from_utf8_lossy(&said.stdout).into_owned();
                let version =
                    said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
                Self::haproxy(folder, to, version.unwrap_or_default()).await
            }
            _ => Self::own(to).await,
        }
    }

    async fn haproxy(folder: &Path, to: [SocketAddr; 2], version: &str) -> io::Result<Self> {
        let free = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
        let doors = [free()?, free()?];
        let mut config =
            "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  balance roundrobin\n  option \
                          forwardfor\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
                .to_owned();
        for ((name, door), server) in ["auth", "api"].iter().zip(doors).zip(to) {
            config.push_str(&format!("listen {name}\n  bind {door}\n  server one {server}\n"));
        }
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
        let deadline = Instant::now() + START;
        while TcpStream::connect(doors[1]).await.is_err() {
            if process.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other("haproxy does not stand"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        let name = format!("haproxy {version}");
        Ok(Self { doors, name, _process: Some(process), _tasks: Tasks::default() })
    }

    async fn own(to: [SocketAddr; 2]) -> io::Result<Self> {
        let mut tasks = Tasks::default();
        let mut doors = to;
        for (door, server) in doors.iter_mut().zip(to) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            *door = listener.local_addr()?;
            tasks.spawn(pass_on(listener, server));
        }
        Ok(Self { doors, name: "a plain proxy".to_owned(), _process: None, _tasks: tasks })
    }

    /// Its doors, in the order of the servers.
    #[must_use]
    pub fn doors(&self) -> [SocketAddr; 2] {
        self.doors
    }

    /// What it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

async fn pass_on(listener: TcpListener, server: SocketAddr) {
    let mut open = JoinSet::new();
    loop {
        while !crate::tasks::has_room(&mut open, CONNECTIONS_MAX) {
            let _ = open.join_next().await;
        }
        let Ok((mut visitor, _)) = listener.accept().await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        open.spawn(async move {
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut visitor, &mut server).await;
        });
    }
}
