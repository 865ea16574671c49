//! Headless Chromium with a profile that outlives it, controlled through a chromedriver process that the test starts.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use thirtyfour::WindowHandle;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// Timeout of any operation of the browser, also on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(50);
const SWITCHES: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--window-size=1000,700",
];

/// Whether chromium and chromedriver are installed. Without them the test is skipped, but fails in CI.
pub(crate) fn is_installed() -> bool {
    let is_missing = |program: &&str| {
        !Command::new(program).arg("--version").output().is_ok_and(|asked| asked.status.success())
    };
    let missing: Vec<_> = ["chromium", "chromedriver"].into_iter().filter(is_missing).collect();
    if missing.is_empty() {
        return true;
    }
    let why = format!("browser test skipped: {} cannot be started", missing.join(", "));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    println!("{why}");
    false
}

/// A browser with one window. The session ends before the driver, or the browser would outlive it.
pub(crate) struct Browser {
    session: WebDriver,
    _driver: Driver,
}

impl Browser {
    /// Starts with this profile.
    pub(crate) async fn start(profile: &Path) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            // The end of the session blocks the runtime of the test, and with it every connection made so far.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let driver = Driver::start().await;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
        for switch in SWITCHES {
            wanted.add_arg(switch).unwrap();
        }
        let session = WebDriver::builder(format!("http://127.0.0.1:{}", driver.port), wanted)
            .client(client)
            .await
            .unwrap();
        session.set_script_timeout(TIMEOUT).await.unwrap();
        Self { session, _driver: driver }
    }

    /// Ends the browser; its profile stays.
    pub(crate) async fn quit(self) {
        self.session.quit().await.unwrap();
    }

    pub(crate) async fn open(&self, address: &str) {
        self.session.goto(address).await.unwrap();
    }

    pub(crate) async fn title(&self) -> String {
        self.session.title().await.unwrap()
    }

    /// Returns the value of an expression in the page, awaited.
    pub(crate) async fn run(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; (async () => ({expression}))().then(done, error => done('failed: ' + error));"
        );
        self.session.execute_async(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Waits until an expression in the page is true.
    pub(crate) async fn until(&self, expression: &str) {
        let began = Instant::now();
        loop {
            let found = self.run(&format!("Boolean({expression})")).await;
            if found == json!(true) {
                return;
            }
            assert!(began.elapsed() < TIMEOUT, "not true after {TIMEOUT:?}: {expression}: {found}");
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Opens one more tab, and goes on in it. Returns the one before, for [`Browser::tab`].
    pub(crate) async fn new_tab(&self) -> WindowHandle {
        let before = self.session.window().await.unwrap();
        let tab = self.session.new_tab().await.unwrap();
        self.session.switch_to_window(tab).await.unwrap();
        before
    }

    /// Goes on in this tab. Returns the one before.
    pub(crate) async fn tab(&self, tab: WindowHandle) -> WindowHandle {
        let before = self.session.window().await.unwrap();
        self.session.switch_to_window(tab).await.unwrap();
        before
    }

    /// The messages of the console since the last call.
    pub(crate) async fn console(&self) -> Vec<String> {
        self.session.browser_log().await.unwrap().into_iter().map(|entry| entry.message).collect()
    }
}

/// A chromedriver process; killed when dropped.
struct Driver {
    port: u16,
    _process: Child,
    // Held, because the driver ends when it cannot write.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// Starts on a port of the system's choice. It takes the same port for IPv4 and IPv6, and ends when another process has one
    /// of them: then it is started again.
    async fn start() -> Self {
        for _ in 0..5 {
            if let Some(driver) = Self::try_start().await {
                return driver;
            }
        }
        panic!("chromedriver ended before it listened, five times")
    }

    async fn try_start() -> Option<Self> {
        let mut process = tokio::process::Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = async {
            while let Some(line) = output.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return Some(port.trim_end_matches('.').parse().unwrap());
                }
            }
            None
        };
        let port = tokio::time::timeout(TIMEOUT, port).await.unwrap()?;
        Some(Self { port, _process: process, _output: output })
    }
}
