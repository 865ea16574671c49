//! An instance of mainstay for one test: folder, configuration, process, and a web server to probe.

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Timeout that suffices on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

/// The table `[site]` of the configurations here.
pub(crate) const SITE: &str = r#"
[site]
name = "Test"
data = "data"
listen = "127.0.0.1:0"
url = "http://127.0.0.1"
allow_private = ["127.0.0.0/8"]
"#;

/// Repeats a check until it returns a value.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "timeout: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A web server whose status and latency can be changed.
pub(crate) struct Web {
    pub address: SocketAddr,
    status: Arc<AtomicU16>,
    millis: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(200));
        let millis = Arc::new(AtomicU64::new(0));
        let answered = Arc::new(AtomicU64::new(0));
        let (shown, delay, count) = (status.clone(), millis.clone(), answered.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let _ = stream.read(&mut [0; 4_096]);
                let status = shown.load(Ordering::Relaxed);
                thread::sleep(Duration::from_millis(delay.load(Ordering::Relaxed)));
                count.fetch_add(1, Ordering::Relaxed);
                let _ =
                    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            }
        });
        Self { address, status, millis, answered }
    }

    /// Waits for this many further requests.
    pub(crate) fn answers_again(&self, requests: u64) {
        let enough = self.answered.load(Ordering::Relaxed) + requests;
        until("requests", || (self.answered.load(Ordering::Relaxed) >= enough).then_some(()));
    }

    /// Delays each response.
    pub(crate) fn takes(&self, millis: u64) {
        self.millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

/// A folder with a configuration, and the process that runs it.
pub(crate) struct Instance {
    pub folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Instance {
    /// An instance whose configuration probes the web server and pages Ana.
    pub(crate) fn watching(web: &Web) -> Self {
        Self::with(&config(web, "Shop"))
    }

    /// An instance with this configuration.
    pub(crate) fn with(config: &str) -> Self {
        let instance = Self { folder: tempfile::tempdir().unwrap(), process: None };
        instance.write_config(config);
        instance
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("mainstay.toml")
    }

    /// The data folder of the configurations here.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn write_config(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts `run` with more arguments, and waits until commands reach it.
    pub(crate) fn start_with(&mut self, args: &[&str]) {
        let address = self.folder.path().join("data/address");
        let _ = fs::remove_file(&address);
        self.spawn(&[&["run"], args].concat());
        until("the start", || address.exists().then_some(()));
    }

    /// Starts the edge alone; it is ready when its port responds.
    pub(crate) fn start_edge_only(&mut self) {
        self.spawn(&["run", "--only", "edge"]);
    }

    /// Starts the edge, alone or with the rest.
    pub(crate) fn start_edge(&mut self, alone: bool) {
        if alone {
            self.start_edge_only();
        } else {
            self.start();
        }
    }

    /// Starts the edge alone with a soft limit of open files.
    pub(crate) fn start_edge_only_with_files(&mut self, soft: u32) {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -Sn {soft}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_mainstay")]);
        self.spawn_by(shell, &["run", "--only", "edge"]);
    }

    /// A file of `/proc` of its process.
    pub(crate) fn proc(&self, file: &str) -> String {
        let id = self.process.as_ref().unwrap().id();
        fs::read_to_string(format!("/proc/{id}/{file}")).unwrap()
    }

    fn spawn(&mut self, args: &[&str]) {
        self.spawn_by(Command::new(env!("CARGO_BIN_EXE_mainstay")), args);
    }

    fn spawn_by(&mut self, mut command: Command, args: &[&str]) {
        let file = |name: &str| {
            fs::File::options().create(true).append(true).open(self.folder.path().join(name)).unwrap()
        };
        let process = command
            .args(args)
            .arg("--config")
            .arg(self.config())
            .stdout(file("output"))
            .stderr(file("log"))
            .spawn()
            .unwrap();
        self.process = Some(process);
    }

    /// Standard output of all its processes.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    /// Standard error of all its processes.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sends SIGHUP, which reloads the configuration.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// Sends a signal; `-STOP` and `-CONT` simulate a suspension.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM; the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        let id = process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        until("the end", || process.try_wait().unwrap()).code()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Output {
        self.prepared(args).output().unwrap()
    }

    /// A command with the configuration of this instance.
    pub(crate) fn prepared(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
        // What a command writes to a relative path lands in the test's own folder.
        command.args(args).arg("--config").arg(self.config()).current_dir(self.folder.path());
        command
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.command(&[args, &["--json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|why| panic!("{args:?}: {why}: {}", String::from_utf8_lossy(&output.stdout)))
    }

    /// The journal, an event a line.
    pub(crate) fn journal(&self) -> String {
        String::from_utf8(self.command(&["journal", "dump"]).stdout).unwrap()
    }

    /// The first open incident.
    pub(crate) fn open_incident(&self) -> Option<Value> {
        self.json(&["status"])["open"].as_array()?.first().cloned()
    }

    /// Sends a request without the command line, which would read the configuration. Status code and JSON.
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        parsed(&self.text(path))
    }

    /// The response as text.
    pub(crate) fn text(&self, path: &str) -> String {
        let token = fs::read_to_string(self.data().join("api-token")).unwrap();
        self.exchange(&format!("GET {path}"), token.trim(), "")
    }

    /// Sends JSON with a token, as curl does. Status code and JSON.
    pub(crate) fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        parsed(&self.exchange(&format!("POST {path}"), token, &body.to_string()))
    }

    pub(crate) fn exchange(&self, request: &str, token: &str, body: &str) -> String {
        let mut stream =
            TcpStream::connect(fs::read_to_string(self.data().join("address")).unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Peak memory of the process.
    pub(crate) fn memory_peak_kib(&self) -> u64 {
        let id = self.process.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn state_of(&self, service: &str) -> String {
        let now = self.json(&["status"]);
        let rows = now["services"].as_array().cloned().unwrap_or_default();
        let row = rows.into_iter().find(|row| row["id"] == service);
        row.map(|row| row["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }
}

/// Status code and JSON of a response.
fn parsed(text: &str) -> (u16, Value) {
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let from = body.find('{').unwrap_or(0);
    let to = body.rfind('}').map_or(body.len(), |at| at + 1);
    (status, serde_json::from_str(&body[from..to]).unwrap_or(Value::Null))
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// A configuration that probes one page.
pub(crate) fn config(web: &Web, title: &str) -> String {
    format!(
        r#"{SITE}
[service.shop]
title = "{title}"

[probe.front]
http = "http://{}/"
interval = "1s"
timeout = "5s"
failure_threshold = 2
service = "shop"

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "http://127.0.0.1:9/"
"#,
        web.address
    )
}
