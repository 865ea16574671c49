//! A world of the lab with a mainstay of its own beside it, as drills and the demo need them.

use crate::cli::Failure;
use crate::control;
use crate::organs::ADDRESS_FILE;
use drill::{Act, Witness};
use jiff::Timestamp;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use testbed::{LabError, Phone, Surge, World};
use tokio::process::Command;
use tokio::time::Instant;
use types::Event;

/// How long a start may take.
const START: Duration = Duration::from_secs(30);
/// How long a drained end may take before it is forced.
const END: Duration = Duration::from_secs(20);

/// A world in which a script can be carried out.
pub(crate) trait Scene {
    /// Does one act of a script. The instant is the one from which it holds.
    ///
    /// # Errors
    /// When the world has no parts for it.
    async fn act(&self, act: &Act) -> Result<Timestamp, LabError>;

    /// Waits until resolvers hold nothing more of the time before the last change.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    async fn caches_expired(&self, within: Duration) -> Result<(), LabError>;

    /// What others than mainstay saw since the fault.
    fn witness(&self) -> Witness;

    /// The phone.
    fn phone(&self) -> &Phone;

    /// The mainstay.toml that watches the world.
    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String;

    /// What the fault is, for whoever looks on.
    fn fault(&self) -> &'static str;
}

impl Scene for World {
    async fn act(&self, act: &Act) -> Result<Timestamp, LabError> {
        World::act(self, act).await
    }

    async fn caches_expired(&self, within: Duration) -> Result<(), LabError> {
        World::caches_expired(self, within).await.map(|_| ())
    }

    fn witness(&self) -> Witness {
        World::witness(self)
    }

    fn phone(&self) -> &Phone {
        World::phone(self)
    }

    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        World::config_toml(self, data, listen)
    }

    fn fault(&self) -> &'static str {
        "the registration lapses, the parent zone names the parking servers"
    }
}

impl Scene for Surge {
    async fn act(&self, act: &Act) -> Result<Timestamp, LabError> {
        Surge::act(self, act)
    }

    /// There are no resolvers in this world.
    async fn caches_expired(&self, _within: Duration) -> Result<(), LabError> {
        Ok(())
    }

    fn witness(&self) -> Witness {
        Surge::witness(self)
    }

    fn phone(&self) -> &Phone {
        Surge::phone(self)
    }

    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        Surge::config_toml(self, data, listen)
    }

    fn fault(&self) -> &'static str {
        "many times the usual visitors come, from three networks"
    }
}

/// A world, and the folder in which mainstay lives beside it.
pub(crate) struct Stage<S> {
    /// The world.
    pub world: S,
    /// Where the status page will be.
    pub listen: SocketAddr,
    folder: Folder,
}

/// A folder of our own that goes away with us.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn make() -> Result<Self, Failure> {
        let name = format!("mainstay-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).map_err(Failure::no)?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl<S: Scene> Stage<S> {
    /// Builds a world in a fresh folder, and the configuration that watches it.
    ///
    /// # Errors
    /// When loopback has no room, or the folder cannot be written.
    pub(crate) async fn build(
        world: impl AsyncFnOnce(&Path) -> Result<S, LabError>,
    ) -> Result<Self, Failure> {
        let folder = Folder::make()?;
        let world = world(folder.path()).await.map_err(Failure::no)?;
        // Bound and let go: the links that go out carry the port, so it must be known before mainstay has it.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|taken| taken.local_addr());
        let listen = port.map_err(Failure::no)?;
        let stage = Self { world, listen, folder };
        let config = stage.world.config_toml(&stage.data(), listen);
        fs::write(stage.config(), config).map_err(Failure::no)?;
        Ok(stage)
    }
}

impl<S> Stage<S> {
    /// The configuration's file.
    #[must_use]
    pub(crate) fn config(&self) -> PathBuf {
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

    /// A link that signs one person in.
    ///
    /// # Errors
    /// When mainstay does not answer.
    pub(crate) async fn login_link(&self) -> Result<String, Failure> {
        let nothing = serde_json::json!({});
        let asked = control::ask(&self.data(), hyper::Method::POST, "/api/v1/login", Some(&nothing)).await;
        let (_, answer) = asked.map_err(Failure::no)?;
        let link = answer["link"].as_str().map(str::to_owned);
        link.ok_or_else(|| Failure::no("mainstay gave no sign-in link"))
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
    /// What it said of itself when it stood: the status page's and the console's addresses.
    pub said: String,
}

impl Child {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it ends instead, with its last words.
    pub(crate) async fn start<S>(stage: &Stage<S>) -> Result<Self, Failure> {
        let address = stage.data().join(ADDRESS_FILE);
        let _ = fs::remove_file(&address);
        let said = stage.folder.0.join("said");
        let log = File::options().create(true).append(true).open(stage.log()).map_err(Failure::no)?;
        let out = File::create(&said).map_err(Failure::no)?;
        let program = std::env::current_exe().map_err(Failure::no)?;
        let mut process = Command::new(program)
            .arg("run")
            .arg("--config")
            .arg(stage.config())
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
