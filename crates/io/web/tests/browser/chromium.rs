//! Headless Chromium of one test, controlled through a chromedriver process that the test starts.

use serde_json::{Value, json};
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::extensions::query::ElementPollerWithTimeout;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// Timeout of any operation of the browser, also on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Interval of the polls for an element, a text or an expression.
const INTERVAL: Duration = Duration::from_millis(50);

/// Whether chromium and chromedriver are installed. Without them the test is skipped, but fails in CI.
pub(crate) fn is_installed() -> bool {
    let missing: Vec<_> = ["chromium", "chromedriver"]
        .into_iter()
        .filter(|program| {
            let asked = Command::new(program).arg("--version").output();
            !asked.is_ok_and(|asked| asked.status.success())
        })
        .collect();
    if missing.is_empty() {
        return true;
    }
    let why = format!("browser test skipped: {} cannot be started", missing.join(", "));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    println!("{why}");
    false
}

/// Whether scripts run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    Run,
    Off,
}

/// Browser with one window. Dropped in the order of the fields: the end of the session ends the browser, which would
/// outlive a driver that is killed first.
pub(crate) struct Browser {
    session: WebDriver,
    _driver: Driver,
    _profile: Option<TempDir>,
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.session
    }
}

impl Browser {
    pub(crate) async fn start(scripts: Scripts) -> Self {
        Self::start_with(scripts, &[]).await
    }

    /// Starts with further command-line switches. Certificates of unknown authorities are accepted.
    pub(crate) async fn start_with(scripts: Scripts, switches: &[&str]) -> Self {
        let profile = TempDir::new().unwrap();
        let browser = Self::start_in(profile.path(), scripts, switches, TIMEOUT).await;
        Self { _profile: Some(profile), ..browser }
    }

    /// Starts with a profile that outlives the browser, and another timeout of its operations.
    pub(crate) async fn start_in(
        profile: &Path,
        scripts: Scripts,
        switches: &[&str],
        timeout: Duration,
    ) -> Self {
        // Only HTTP is used, but the client needs a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(timeout)
            // The end of the session blocks the runtime of the test, and with it every connection made so far.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let driver = Driver::start().await;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
        let always = [
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
            "--force-prefers-reduced-motion",
            "--hide-scrollbars",
            "--window-size=1200,900",
        ];
        for switch in always.iter().chain(switches) {
            wanted.add_arg(switch).unwrap();
        }
        let allowed = if scripts == Scripts::Off { 2 } else { 1 };
        let prefs = json!({ "profile.managed_default_content_settings.javascript": allowed });
        wanted.add_experimental_option("prefs", prefs).unwrap();
        wanted.accept_insecure_certs(true).unwrap();
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        let session = WebDriver::builder(format!("http://127.0.0.1:{}", driver.port), wanted)
            .client(client)
            .poller(Arc::new(ElementPollerWithTimeout::new(timeout, INTERVAL)))
            .await
            .unwrap();
        Self { session, _driver: driver, _profile: None }
    }

    pub(crate) async fn open(&self, address: &str) {
        self.goto(address).await.unwrap();
    }

    pub(crate) async fn address(&self) -> String {
        self.current_url().await.unwrap().into()
    }

    /// Returns the value of an expression in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.execute(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Sets the width and the colour scheme.
    pub(crate) async fn look(&self, width: u32, colours: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.cdp().send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    }

    /// Waits for an element.
    async fn element(&self, selector: &str) -> WebElement {
        self.query(By::Css(selector)).first().await.unwrap()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.element(selector).await.click().await.unwrap();
    }

    pub(crate) async fn write(&self, selector: &str, text: &str) {
        self.element(selector).await.send_keys(text).await.unwrap();
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.element(selector).await.text().await.unwrap()
    }

    pub(crate) async fn is_seen(&self, selector: &str) -> bool {
        self.element(selector).await.is_displayed().await.unwrap()
    }

    /// Waits until an element contains a text; works without scripts, and across pages.
    pub(crate) async fn until_text(&self, selector: &str, wanted: &str) {
        let text = wanted.to_owned();
        let contains = move |element: WebElement| {
            let text = text.clone();
            // The element may belong to a page that is gone by now.
            async move { Ok(element.text().await.is_ok_and(|found| found.contains(&text))) }
        };
        let found = self.query(By::Css(selector)).with_filter(contains).first().await;
        assert!(found.is_ok(), "{selector} does not contain {wanted:?} after {TIMEOUT:?}: {found:?}");
    }

    /// Presses a key.
    pub(crate) async fn press(&self, key: Key) {
        self.action_chain().key_down(key.clone()).key_up(key).perform().await.unwrap();
    }

    /// Waits until an expression in the page is true.
    pub(crate) async fn until(&self, expression: &str) {
        let began = Instant::now();
        while self.run(&format!("return Boolean({expression})")).await != json!(true) {
            assert!(began.elapsed() < TIMEOUT, "not true after {TIMEOUT:?}: {expression}");
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Returns the messages of the browser console since the last call, including policy violations and failed
    /// requests.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        self.browser_log().await.unwrap().into_iter().map(|entry| entry.message).collect()
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
    /// Starts on a port of the system's choice, which the driver reports when it listens. It takes the same port for IPv4 and
    /// IPv6, and ends when another process has one of them: then it is started again.
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
