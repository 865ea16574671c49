//! WebDriver client: controls a browser through a chromedriver process of the test.

use reqwest::Client;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Timeout of any operation of the browser, also on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Key of element references in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Keys, as encoded by the protocol.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

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

/// Browser with one window.
pub(crate) struct Browser {
    client: Client,
    driver: Driver,
    session: String,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn start(scripts: Scripts) -> Self {
        Self::start_with(scripts, &[]).await
    }

    /// Starts with further command-line switches. Certificates of unknown authorities are accepted.
    pub(crate) async fn start_with(scripts: Scripts, switches: &[&str]) -> Self {
        // Only HTTP is used, but the client needs a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        let driver = Driver::start(&client).await;
        let profile = TempDir::new().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let mut args = vec![folder.as_str()];
        args.extend([
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
        ]);
        args.extend(switches);
        let taken = if scripts == Scripts::Off { 2 } else { 1 };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {
                "args": args,
                "prefs": { "profile.managed_default_content_settings.javascript": taken },
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let address = format!("{}/session", driver.base);
        let answer = sent(client.post(address).json(&wanted)).await.unwrap();
        let session = format!("{}/session/{}", driver.base, answer["sessionId"].as_str().unwrap());
        Self { client, driver, session, _profile: profile }
    }

    /// Sends a command of the protocol.
    pub(crate) async fn try_send(&self, command: &str, with: &Value) -> Result<Value, String> {
        sent(self.client.post(format!("{}/{command}", self.session)).json(with)).await
    }

    pub(crate) async fn send(&self, command: &str, with: Value) -> Value {
        self.try_send(command, &with).await.unwrap()
    }

    pub(crate) async fn ask(&self, what: &str) -> Value {
        sent(self.client.get(format!("{}/{what}", self.session))).await.unwrap()
    }

    pub(crate) async fn open(&self, address: &str) {
        self.send("url", json!({ "url": address })).await;
    }

    pub(crate) async fn address(&self) -> String {
        self.ask("url").await.as_str().unwrap().to_owned()
    }

    /// Returns the value of an expression in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.send("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Sends a command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, with: Value) -> Value {
        self.send("goog/cdp/execute", json!({ "cmd": command, "params": with })).await
    }

    /// Sets the width and the colour scheme.
    pub(crate) async fn look(&self, width: u32, colours: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Waits for an element.
    pub(crate) async fn find(&self, selector: &str) -> String {
        let began = Instant::now();
        let wanted = json!({ "using": "css selector", "value": selector });
        loop {
            match self.try_send("element", &wanted).await {
                Ok(found) => return found[ELEMENT].as_str().unwrap().to_owned(),
                Err(why) => assert!(began.elapsed() < TIMEOUT, "{selector}: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.send(&format!("element/{element}/click"), json!({})).await;
    }

    pub(crate) async fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.send(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        self.ask(&format!("element/{element}/text")).await.as_str().unwrap().to_owned()
    }

    /// Waits until an element contains a text; works without scripts, and across pages.
    pub(crate) async fn until_text(&self, selector: &str, wanted: &str) {
        let began = Instant::now();
        let find = json!({ "using": "css selector", "value": selector });
        loop {
            let found = self.try_send("element", &find).await;
            let element = found.ok().and_then(|found| found[ELEMENT].as_str().map(str::to_owned));
            let said = match element {
                // It may belong to a page that is gone by now.
                Some(element) => {
                    sent(self.client.get(format!("{}/element/{element}/text", self.session))).await
                }
                None => Err(format!("no {selector}")),
            };
            if said.as_ref().is_ok_and(|said| said.as_str().is_some_and(|said| said.contains(wanted))) {
                return;
            }
            assert!(began.elapsed() < TIMEOUT, "{selector} never said {wanted}: {said:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn is_seen(&self, selector: &str) -> bool {
        let element = self.find(selector).await;
        self.ask(&format!("element/{element}/displayed")).await == json!(true)
    }

    /// Presses a key.
    pub(crate) async fn press(&self, key: &str) {
        let strokes = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.send("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }))
            .await;
    }

    /// Waits until an expression in the page is true.
    pub(crate) async fn until(&self, expression: &str) {
        let began = Instant::now();
        while self.run(&format!("return Boolean({expression})")).await != json!(true) {
            assert!(began.elapsed() < TIMEOUT, "never came about: {expression}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the messages of the browser console since the last call, including policy violations and failed
    /// requests.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.send("se/log", json!({ "type": "browser" })).await;
        log.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.end();
    }
}

async fn sent(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let well = answer.status().is_success();
    let mut body: Value = answer.json().await.map_err(|error| format!("{error:?}"))?;
    let value = body["value"].take();
    if well { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
}

struct Driver {
    process: Child,
    address: SocketAddr,
    base: String,
}

impl Driver {
    async fn start(client: &Client) -> Self {
        // The port may be taken by somebody else before the driver has it: then another one is tried.
        for _ in 0..5 {
            let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let mut process = Command::new("chromedriver")
                .args([format!("--port={}", free.port()), "--silent".to_owned()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let base = format!("http://{free}");
            let began = Instant::now();
            while began.elapsed() < TIMEOUT && process.try_wait().unwrap().is_none() {
                let status = sent(client.get(format!("{base}/status"))).await;
                if status.is_ok_and(|status| status["ready"] == json!(true)) {
                    return Self { process, address: free, base };
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("chromedriver does not start");
    }

    /// Shuts the driver down, which ends its browser; a killed driver would leave it running.
    fn end(&mut self) {
        if let Ok(mut socket) = TcpStream::connect(self.address) {
            let _ = socket.set_read_timeout(Some(TIMEOUT));
            let asked =
                format!("GET /shutdown HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
            let _ = socket.write_all(asked.as_bytes());
            let _ = socket.read_to_end(&mut Vec::new());
        }
        let began = Instant::now();
        while began.elapsed() < TIMEOUT && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
