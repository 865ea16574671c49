//! The lab's world with a mainstay of its own beside it, as the drill and the demo need them.

use crate::cli::Failure;
use crate::organs::ADDRESS_FILE;
use lab::World;
use lab::world::ExpiredName;
use model::Event;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// How long a start may take.
const START: Duration = Duration::from_secs(30);
/// How long a drained end may take before it is forced.
const END: Duration = Duration::from_secs(20);

/// A world, and the folder in which mainstay lives beside it.
pub(crate) struct Stage {
    /// The world.
    pub world: World,
    /// Where the board will be.
    pub listen: SocketAddr,
    folder: Folder,
}

/// A folder of our own that goes away with us.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    /// Builds a world in a fresh folder, and the plan that watches it.
    ///
    /// # Errors
    /// When loopback has no room, or the folder cannot be written.
    pub(crate) async fn build(settings: impl FnOnce(&Path) -> ExpiredName) -> Result<Self, Failure> {
        let name = format!("mainstay-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let folder = Folder(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).map_err(Failure::no)?;
        let world = World::expired_name(settings(&folder.0)).await.map_err(Failure::no)?;
        // Bound and let go: the links that go out carry the port, so it must be known before mainstay has it.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|taken| taken.local_addr());
        let listen = port.map_err(Failure::no)?;
        let stage = Self { world, listen, folder };
        let plan = stage.world.plan_toml(&stage.data(), listen);
        fs::write(stage.plan(), plan).map_err(Failure::no)?;
        Ok(stage)
    }

    /// The plan's file.
    #[must_use]
    pub(crate) fn plan(&self) -> PathBuf {
        self.folder.0.join("mainstay.toml")
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    /// The journal's file.
    #[must_use]
    pub(crate) fn journal(&self) -> PathBuf {
        self.data().join("journal.db")
    }

    fn log(&self) -> PathBuf {
        self.folder.0.join("log")
    }

    /// Everything in the journal, read beside the process that writes it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn events(&self) -> Result<Vec<Event>, Failure> {
        let lines = journal::dump(self.journal(), 0).map_err(Failure::no)?;
        lines.collect::<Result<_, _>>().map_err(Failure::no)
    }

    /// The last lines that mainstay said.
    #[must_use]
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }
}

/// A mainstay process of our own.
pub(crate) struct Child {
    process: tokio::process::Child,
    /// What it said of itself when it stood: the board's and the console's addresses.
    pub said: String,
}

impl Child {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it ends instead, with its last words.
    pub(crate) async fn start(stage: &Stage) -> Result<Self, Failure> {
        let address = stage.data().join(ADDRESS_FILE);
        let _ = fs::remove_file(&address);
        let said = stage.folder.0.join("said");
        let log = File::options().create(true).append(true).open(stage.log()).map_err(Failure::no)?;
        let out = File::create(&said).map_err(Failure::no)?;
        let program = std::env::current_exe().map_err(Failure::no)?;
        let mut process = Command::new(program)
            .arg("run")
            .arg("--plan")
            .arg(stage.plan())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::no)?;
        let deadline = Instant::now() + START;
        loop {
            let said = fs::read_to_string(&said).unwrap_or_default();
            if address.exists() && said.ends_with('\n') {
                return Ok(Self { process, said });
            }
            if let Ok(Some(status)) = process.try_wait() {
                return Err(
                    Failure::no(format!("mainstay ended at its start ({status})")).hint(stage.last_words())
                );
            }
            if Instant::now() > deadline {
                return Err(Failure::no("mainstay did not stand within 30 s").hint(stage.last_words()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// kill -9.
    ///
    /// # Errors
    /// When it had ended by itself before.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        if let Ok(Some(status)) = self.process.try_wait() {
            return Err(Failure::no(format!("mainstay had ended by itself ({status})")));
        }
        self.process.kill().await.map_err(Failure::no)
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it ends badly.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let Some(id) = self.process.id() else { return Ok(()) };
        let asked = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await;
        asked.map_err(Failure::no)?;
        match tokio::time::timeout(END, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::no(format!("mainstay ended badly ({status})"))),
            Ok(Err(why)) => Err(Failure::no(why)),
            Err(_) => Err(Failure::no("mainstay did not end within 20 s of SIGTERM")),
        }
    }
}

/// The runtime of drill and demo.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::no)
}
