//! A fixture of the testbed, and the folder of the mainstay that monitors it.

use drill::{Act, Milestone, Observations};
use jiff::Timestamp;
use mainstay::Failure;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testbed::surge::Part;
use testbed::{ExpiredName, Phone, PowerCut, ShrinkingPool, Surge, TestbedError};
use types::Event;

/// Services on loopback on which a script can be run.
pub(crate) trait Fixture {
    /// Performs one act of a script. Returns the instant from which it is in effect.
    ///
    /// # Errors
    /// When the fixture has no parts for it.
    async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError>;

    /// Waits for a milestone that only the fixture can observe.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    async fn observed(&self, milestone: Milestone, within: Duration) -> Result<(), TestbedError>;

    /// Records of the fixture itself since the fault.
    fn observations(&self) -> Observations;

    /// The phone.
    fn phone(&self) -> &Phone;

    /// The mainstay.toml that monitors the fixture.
    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String;

    /// Description of the fault.
    fn fault(&self) -> &'static str;

    /// The present state in one line, where a drill shows it.
    fn present(&self) -> Option<String> {
        None
    }

    /// Requests served, part by part, where a drill compares.
    fn parts(&self) -> Vec<Part> {
        Vec::new()
    }

    /// Name of the proxy, unless that is mainstay.
    fn proxy_name(&self) -> Option<&str> {
        None
    }

    /// Webhooks that subscribe to the status page: URL, and component or all.
    fn subscriptions(&self) -> Vec<(String, Option<&'static str>)> {
        Vec::new()
    }
}

impl Fixture for ExpiredName {
    async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        ExpiredName::act(self, act).await
    }

    async fn observed(&self, _milestone: Milestone, within: Duration) -> Result<(), TestbedError> {
        self.caches_expired(within).await.map(|_| ())
    }

    fn observations(&self) -> Observations {
        ExpiredName::observations(self)
    }

    fn phone(&self) -> &Phone {
        ExpiredName::phone(self)
    }

    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        ExpiredName::config_toml(self, data, listen)
    }

    fn fault(&self) -> &'static str {
        "the registration expires, the parent zone delegates to the parking servers"
    }
}

impl Fixture for Surge {
    async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        Surge::act(self, act)
    }

    /// This fixture has no resolvers.
    async fn observed(&self, _milestone: Milestone, _within: Duration) -> Result<(), TestbedError> {
        Ok(())
    }

    fn observations(&self) -> Observations {
        Surge::observations(self)
    }

    fn phone(&self) -> &Phone {
        Surge::phone(self)
    }

    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        Surge::config_toml(self, data, listen)
    }

    fn fault(&self) -> &'static str {
        "clients of three autonomous systems send many times the usual requests"
    }

    fn parts(&self) -> Vec<Part> {
        Surge::parts(self)
    }

    fn proxy_name(&self) -> Option<&str> {
        Surge::proxy_name(self)
    }
}

impl Fixture for ShrinkingPool {
    async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        ShrinkingPool::act(self, act).await
    }

    async fn observed(&self, _milestone: Milestone, within: Duration) -> Result<(), TestbedError> {
        self.clients_back(within).await
    }

    fn observations(&self) -> Observations {
        ShrinkingPool::observations(self)
    }

    fn phone(&self) -> &Phone {
        ShrinkingPool::phone(self)
    }

    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        ShrinkingPool::config_toml(self, data, listen)
    }

    fn fault(&self) -> &'static str {
        "a much-used piece of code becomes inefficient: its statement takes 50 ms under one lock"
    }

    fn present(&self) -> Option<String> {
        Some(ShrinkingPool::present(self))
    }

    fn parts(&self) -> Vec<Part> {
        ShrinkingPool::parts(self)
    }

    fn proxy_name(&self) -> Option<&str> {
        ShrinkingPool::proxy_name(self)
    }
}

impl Fixture for PowerCut {
    async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        PowerCut::act(self, act).await
    }

    async fn observed(&self, milestone: Milestone, within: Duration) -> Result<(), TestbedError> {
        PowerCut::observed(self, milestone, within).await
    }

    fn observations(&self) -> Observations {
        PowerCut::observations(self)
    }

    fn phone(&self) -> &Phone {
        PowerCut::phone(self)
    }

    fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        PowerCut::config_toml(self, data, listen)
    }

    fn fault(&self) -> &'static str {
        "the power is cut: the only database server and mainstay are killed in the same moment"
    }

    fn subscriptions(&self) -> Vec<(String, Option<&'static str>)> {
        PowerCut::subscriptions(self)
    }
}

/// A fixture, and the folder of mainstay.
pub(crate) struct Stage<S> {
    /// The fixture.
    pub fixture: S,
    /// Address of the status page.
    pub listen: SocketAddr,
    folder: Folder,
}

/// A temporary folder, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Creates it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn create() -> Result<Self, Failure> {
        let name = format!("mainstay-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).map_err(Failure::no)?;
        Ok(folder)
    }

    /// Its path.
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

impl<S: Fixture> Stage<S> {
    /// Starts a fixture, and writes the configuration that monitors it.
    ///
    /// # Errors
    /// When the fixture cannot start, or the folder cannot be written.
    pub(crate) async fn build(
        start: impl AsyncFnOnce(&Path) -> Result<S, TestbedError>,
    ) -> Result<Self, Failure> {
        let folder = Folder::create()?;
        let fixture = start(folder.path()).await.map_err(Failure::no)?;
        // Bound and released: links in notifications contain the port, so it must be known before mainstay starts.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|taken| taken.local_addr());
        let listen = port.map_err(Failure::no)?;
        let stage = Self { fixture, listen, folder };
        stage.write_config()?;
        Ok(stage)
    }

    /// Writes the configuration that monitors the fixture as it is now. A running mainstay reads it again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_config(&self) -> Result<(), Failure> {
        let config = self.fixture.config_toml(&self.data(), self.listen);
        fs::write(self.config(), config).map_err(Failure::no)
    }
}

impl<S> Stage<S> {
    /// The configuration file.
    #[must_use]
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.0.join("mainstay.toml")
    }

    /// The folder of all files of this run.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder.
    #[must_use]
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    /// The journal.
    #[must_use]
    pub(crate) fn journal(&self) -> PathBuf {
        self.data().join("journal.db")
    }

    /// The log of mainstay.
    #[must_use]
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.0.join("log")
    }

    /// All events of the journal. Works while mainstay runs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn events(&self) -> Result<Vec<Event>, Failure> {
        let lines = journal::dump(self.journal(), 0).map_err(Failure::no)?;
        lines.collect::<Result<_, _>>().map_err(Failure::no)
    }

    /// The last lines of the log.
    #[must_use]
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }
}

/// The async runtime.
///
/// # Errors
/// When threads cannot be started.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::no)
}
