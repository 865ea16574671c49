//! An edge in a process of its own, which can be killed: this test program, started again.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The configuration of the process.
const CONFIG: &str = "MAINSTAY_TEST_EDGE";
const PATIENCE: Duration = Duration::from_secs(30);

/// An edge on a fixed port, running or not.
pub(crate) struct EdgeProcess {
    pub(crate) address: SocketAddr,
    data: TempDir,
    process: Option<Child>,
}

impl EdgeProcess {
    /// A port that was free a moment ago, and a data folder.
    pub(crate) fn new() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { address, data: TempDir::new().unwrap(), process: None }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// Starts it before this server, with these keys of the service, and waits until it listens.
    pub(crate) fn start(&mut self, server: SocketAddr, service: &str) {
        let config = format!(
            "[site]\nname = \"T\"\ndata = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n[edge]\nlisten = [\"{}\"]\nthreads = 1\n\
             [service.time]\nhosts = [\"*\"]\n{service}\n[service.time.traffic]\npool = \"time\"\n\
             [pool.time]\nservers = [\"{server}\"]\n",
            self.data.path().display(),
            self.address
        );
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "edge_process::process_of_the_edge", "--nocapture"])
            .env(CONFIG, config)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(child);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < until, "the edge does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it: nothing is written any more (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for EdgeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// No test: the process itself, where it is started as one.
#[test]
fn process_of_the_edge() {
    let Ok(text) = std::env::var(CONFIG) else { return };
    let policy = types::Policy {
        config: Arc::new(testkit::config::read(&text)),
        denials: BTreeMap::new(),
        valves: BTreeMap::new(),
        initial_concurrency: BTreeMap::new(),
    };
    let terms = edge::Terms { policy, tokens: BTreeMap::new() };
    let _edge = edge::Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
    // Until it is killed.
    loop {
        std::thread::park();
    }
}
