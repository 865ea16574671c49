//! The browser of a person who records time: headless Chromium, driven by chromedriver.

use crate::TestbedError;
use crate::web;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// Timeout of any operation, also on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout of its end.
const END: Duration = Duration::from_secs(10);
/// Interval between two looks at a page.
const INTERVAL: Duration = Duration::from_millis(100);
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
    "--window-size=1200,900",
];
/// The page and its script are kept, and the worker of the kit answers.
const KEPT: &str = "window.mainstayOffline && navigator.serviceWorker.controller && await caches.match('/') \
     && await caches.match('/static/app.js')";

/// A browser with one window, at the page of the time tracker. Dropped in the order of the fields: the end of the session ends
/// the browser, which would outlive a driver that is killed first.
pub(super) struct Browser {
    session: Session,
    _driver: Driver,
    _profile: TempDir,
    /// The name that the page gave itself.
    pub(super) client: String,
}

impl Browser {
    /// Starts it, opens the page at the edge, and waits until the offline kit has kept it.
    ///
    /// # Errors
    /// When Chromium is not installed, or the page does not open.
    pub(super) async fn start(edge: SocketAddr, host: &str) -> Result<Self, TestbedError> {
        let profile = TempDir::new().map_err(failed)?;
        let driver = Driver::start().await?;
        let folder = format!("--user-data-dir={}", profile.path().display());
        let switches: Vec<&str> = SWITCHES.iter().copied().chain([folder.as_str()]).collect();
        let session = Session::start(driver.port, &switches).await?;
        let mut browser = Self { session, _driver: driver, _profile: profile, client: String::new() };
        browser.session.post("/url", &json!({ "url": format!("http://{host}:{}/", edge.port()) })).await?;
        browser.until(KEPT).await?;
        let client = browser.run("localStorage.client").await?;
        browser.client = client.as_str().unwrap_or_default().to_owned();
        Ok(browser)
    }

    /// Records entries, one after the other. Returns how many the page was told are kept in the browser.
    ///
    /// # Errors
    /// When the page does not answer, or an entry was neither recorded nor kept.
    pub(super) async fn record(&self, count: u32) -> Result<u64, TestbedError> {
        let script = format!(
            "await (async () => {{ let kept = 0; for (let at = 0; at < {count}; at++) {{ \
             const status = await save('work ' + at); \
             if (status === 202) kept++; else if (status !== 201) throw new Error(status); }} return kept; }})()"
        );
        let kept = self.run(&script).await?;
        kept.as_u64().ok_or_else(|| TestbedError::Browser(format!("an entry was lost: {kept}")))
    }

    /// Starts to deliver what is kept, and does not wait for it.
    ///
    /// # Errors
    /// When the page does not answer.
    pub(super) async fn begin_delivery(&self) -> Result<(), TestbedError> {
        self.run("(mainstayOffline.deliver().catch(() => {}), true)").await.map(|_| ())
    }

    /// Entries that are kept and not delivered yet.
    ///
    /// # Errors
    /// When the page does not answer.
    pub(super) async fn kept(&self) -> Result<u64, TestbedError> {
        let kept = self.run("mainstayOffline.state.queued").await?;
        kept.as_u64().ok_or_else(|| TestbedError::Browser(format!("{kept} entries are kept")))
    }

    /// The value of an expression in the page, awaited.
    async fn run(&self, expression: &str) -> Result<Value, TestbedError> {
        let script = format!(
            "const done = arguments[0]; (async () => ({expression}))().then(done, error => done('failed: ' + error));"
        );
        self.session.post("/execute/async", &json!({ "script": script, "args": [] })).await
    }

    async fn until(&self, expression: &str) -> Result<(), TestbedError> {
        let began = Instant::now();
        loop {
            let found = self.run(&format!("Boolean({expression})")).await?;
            if found == true {
                return Ok(());
            }
            if began.elapsed() > TIMEOUT {
                let what = format!("{expression} in the browser: {found}");
                return Err(TestbedError::Timeout { what, within: TIMEOUT });
            }
            sleep(INTERVAL).await;
        }
    }
}

/// A session of the driver (W3C WebDriver, section 8). Its end, when it is dropped, ends the browser.
struct Session {
    driver: SocketAddr,
    /// Path of the session.
    path: String,
}

impl Session {
    async fn start(port: u16, switches: &[&str]) -> Result<Self, TestbedError> {
        let driver = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut session = Self { driver, path: "/session".to_owned() };
        let options = json!({ "args": switches });
        let limit = u64::try_from(TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        let wanted =
            json!({ "goog:chromeOptions": options, "timeouts": { "script": limit, "pageLoad": limit } });
        let started = session.post("", &json!({ "capabilities": { "alwaysMatch": wanted } })).await?;
        let id = started["sessionId"].as_str().ok_or_else(|| failed(&started))?;
        session.path = format!("/session/{id}");
        Ok(session)
    }

    /// Sends a command of the session; returns its value.
    async fn post(&self, command: &str, body: &Value) -> Result<Value, TestbedError> {
        let request = Request::post(format!("{}{command}", self.path))
            .header(HOST, self.driver.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string().into())
            .map_err(failed)?;
        let (status, answer) = web::send(self.driver, None, request, TIMEOUT * 2).await.map_err(failed)?;
        let answer: Value = serde_json::from_slice(&answer).map_err(failed)?;
        if status.is_success() {
            Ok(answer["value"].clone())
        } else {
            Err(failed(&answer["value"]["message"]))
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let end = || {
            let mut stream = TcpStream::connect_timeout(&self.driver, END)?;
            stream.set_read_timeout(Some(END))?;
            let (path, host) = (&self.path, self.driver);
            write!(stream, "DELETE {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
            stream.read(&mut [0; 64])
        };
        if let Err(error) = end() {
            tracing::debug!(%error, "end of the browser");
        }
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
    async fn start() -> Result<Self, TestbedError> {
        for _ in 0..5 {
            if let Some(driver) = timeout(TIMEOUT, Self::try_start()).await.map_err(failed)?? {
                return Ok(driver);
            }
        }
        Err(TestbedError::Browser("chromedriver ended before it listened, five times".to_owned()))
    }

    async fn try_start() -> Result<Option<Self>, TestbedError> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|_| TestbedError::Missing("Chromium (Debian: chromium, chromium-driver)"))?;
        let Some(output) = process.stdout.take() else { return Ok(None) };
        let mut output = BufReader::new(output).lines();
        while let Some(line) = output.next_line().await.map_err(failed)? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let port = port.trim_end_matches('.').parse().map_err(failed)?;
                return Ok(Some(Self { port, _process: process, _output: output }));
            }
        }
        Ok(None)
    }
}

fn failed(why: impl std::fmt::Display) -> TestbedError {
    TestbedError::Browser(why.to_string())
}
