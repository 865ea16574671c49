//! Alerts of other systems: a real Prometheus that takes mainstay for its Alertmanager, and amtool.

use crate::instance::{Instance, SITE, Web, config, until};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TOKEN: &str = "am-token-1f6c";

/// An instance with a fixed port, so that its clients find it again, and a source of alerts.
fn instance(web: &Web) -> (Instance, u16) {
    let port = free_port();
    let site = SITE.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let base = config(web, "Shop").replace(SITE, &site);
    let base = base.replace("http://127.0.0.1:9/", &format!("http://{}/", web.address));
    let instance = Instance::with(&format!(
        "{base}\n[source.prometheus]\nalertmanager = {{ secret = \"file:am-token\" }}\n"
    ));
    std::fs::write(instance.config().with_file_name("am-token"), TOKEN).unwrap();
    (instance, port)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs amtool; whether it succeeded, and what it says.
fn amtool(port: u16, args: &[&str]) -> (bool, String) {
    let url = format!("http://any:{TOKEN}@127.0.0.1:{port}/api/v1/sources/prometheus");
    let url = format!("--alertmanager.url={url}");
    let done = Command::new("amtool").args([&url, "--no-version-check"]).args(args).output();
    let done = done.unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
}

fn succeed(port: u16, args: &[&str]) -> String {
    let (ok, said) = amtool(port, args);
    assert!(ok, "amtool {args:?}: {said}");
    said
}

/// The open incident about an alert, once it is as wanted.
fn incident(instance: &Instance, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    until(name, || {
        let now = instance.json(&["status"]);
        let open = now["open"].as_array()?.iter();
        let mut about = open.filter(|open| {
            open["incident"]["diagnosis"]["summary"].as_str().is_some_and(|text| text.contains(name))
        });
        about.find(|open| is_wanted(open)).cloned()
    })
}

fn is_held(open: &Value) -> bool {
    open["held"]["silence"].is_u64()
}

/// Number of accepted attempts of pages about an incident.
fn attempts(open: &Value) -> usize {
    let entries = open["paging"].as_array().into_iter().flatten();
    entries.filter(|entry| entry["kind"] == "attempted" && entry["failure"].is_null()).count()
}

#[test]
fn amtool_silences_an_alert_and_people_are_paged_when_the_silence_ends() {
    let web = Web::start();
    let (mut instance, port) = instance(&web);
    instance.start();
    let add = |name: &str| {
        let summary = "--annotation=summary=95 % used";
        let end = "--end=2099-01-01T00:00:00Z";
        succeed(port, &["alert", "add", name, "job=node", "severity=critical", summary, end]);
    };
    add("DiskFull");
    incident(&instance, "DiskFull", |open| attempts(open) == 1);

    // Set about what is paged already: nobody is notified again.
    let id = succeed(
        port,
        &["silence", "add", "alertname=DiskFull", "--author=Bo", "--comment=resize", "--duration=1h"],
    );
    let held = incident(&instance, "DiskFull", is_held);
    assert_eq!((&held["held"]["author"], &held["held"]["comment"]), (&json!("Bo"), &json!("resize")));
    let shown = String::from_utf8(instance.command(&["status"]).stdout).unwrap();
    assert!(shown.contains("pages are held by silence-1: resize"), "{shown}");
    assert!(succeed(port, &["silence", "query"]).contains("alertname=\"DiskFull\""));
    assert_eq!(succeed(port, &["silence", "query", "-q", "alertname=DiskFull"]), id);
    assert_eq!(succeed(port, &["silence", "query", "-q", "alertname=Other"]), "");
    assert!(!succeed(port, &["alert", "query"]).contains("DiskFull"), "silenced");
    assert!(succeed(port, &["alert", "query", "--silenced"]).contains("DiskFull"));

    // It is kept, and another alert pages as usual.
    instance.kill();
    instance.start();
    incident(&instance, "DiskFull", is_held);
    add("DiskSlow");
    incident(&instance, "DiskSlow", |open| attempts(open) == 1 && !is_held(open));
    let held = incident(&instance, "DiskFull", is_held);
    assert_eq!(attempts(&held), 1);

    // Prolonged under its number.
    succeed(port, &["silence", "update", &id, "--duration=2h", "--comment=still resizing"]);
    incident(&instance, "DiskFull", |open| open["held"]["comment"] == "still resizing");
    assert_eq!(succeed(port, &["silence", "query", "-q"]), id);

    succeed(port, &["silence", "expire", &id]);
    let paged = incident(&instance, "DiskFull", |open| attempts(open) == 2);
    assert!(!is_held(&paged), "{paged}");
    let (ok, said) = amtool(port, &["silence", "expire", &id]);
    assert!(!ok && said.contains("already expired"), "{said}");
    let (ok, said) = amtool(port, &["silence", "add", "alertname=~.*", "--comment=x", "--duration=1h"]);
    assert!(!ok && said.contains("does not match the empty string"), "{said}");
    let journal = instance.journal();
    assert!(journal.contains("source.prometheus") && !journal.contains(TOKEN), "who acts is the source");
}

#[test]
fn silence_of_the_command_line_is_listed_and_ended() {
    let web = Web::start();
    let (mut instance, port) = instance(&web);
    instance.start();
    let run = |args: &[&str]| {
        let done = instance.command(args);
        (done.status.success(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
    };
    let (ok, said) = run(&["silence", "list"]);
    assert!(ok && said.starts_with("no silence; set one with: "), "{said}");
    let add = ["silence", "add", "prometheus", "alertname=~\"Disk.*\"", "--for", "2h", "--comment", "resize"];
    let (ok, said) = run(&add);
    assert!(ok && said.starts_with("silence-1 holds pages until "), "{said}");
    succeed(port, &["alert", "add", "DiskFull", "severity=critical", "--end=2099-01-01T00:00:00Z"]);
    let held = incident(&instance, "DiskFull", is_held);
    assert_eq!(attempts(&held), 0, "nobody is paged");
    let (_, said) = run(&["silence", "list"]);
    assert!(
        said.starts_with("silence-1 active, prometheus, from ") && said.contains("alertname=~"),
        "{said}"
    );
    let (ok, said) = run(&["silence", "expire", "1"]);
    assert!(ok && said.starts_with("silence-1: ended"), "{said}");
    incident(&instance, "DiskFull", |open| attempts(open) == 1);
    let (ok, said) = run(&["silence", "add", "nagios", "a=b", "--for", "2h", "--comment", "x"]);
    assert!(!ok && said.contains("[source.nagios]"), "{said}");
    assert!(!run(&["silence", "expire", "1"]).0, "it is over");
}

/// A real Prometheus whose rules fire.
struct Prometheus {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Prometheus {
    fn new(mainstay: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "global: {{ evaluation_interval: 1s, scrape_interval: 1s }}\nalerting:\n  alertmanagers:\n    \
             - path_prefix: /api/v1/sources/prometheus\n      authorization: {{ credentials: {TOKEN} }}\n      \
             static_configs: [{{ targets: [\"127.0.0.1:{mainstay}\"] }}]\nrule_files: [rules.yml]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), text).unwrap();
        Self { folder, port: free_port(), process: None }
    }

    /// Rules, of which the first ones fire.
    fn rules(&self, all: &[String], firing: usize) {
        let rule = |(n, name): (usize, &String)| {
            let expr = if n < firing { "vector(1)" } else { "vector(1) > 1" };
            format!("      - {{ alert: {name}, expr: {expr}, labels: {{ severity: critical }} }}\n")
        };
        let rules: String = all.iter().enumerate().map(rule).collect();
        let text = format!("groups:\n  - name: all\n    rules:\n{rules}");
        std::fs::write(self.folder.path().join("rules.yml"), text).unwrap();
    }

    fn start(&mut self) {
        let path = |name: &str| -> PathBuf { self.folder.path().join(name) };
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", path("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .args(["--rules.alert.resend-delay=2s", "--log.level=warn"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap());
        // Before that a signal to reload would end it.
        let ready = format!("http://127.0.0.1:{}/-/ready", self.port);
        until("prometheus", || {
            let asked = Command::new("curl").args(["-sf", "-o", "/dev/null", &ready]).status();
            asked.unwrap().success().then_some(())
        });
    }

    fn reload(&self) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Names of the open alerts.
fn open_alerts(port: u16) -> Option<Vec<String>> {
    let (ok, said) = amtool(port, &["alert", "query", "-o", "json"]);
    let alerts: Vec<Value> = serde_json::from_str(&said).ok().filter(|_| ok)?;
    let name = |alert: &Value| alert["labels"]["alertname"].as_str().map(str::to_owned);
    let mut names: Vec<String> = alerts.iter().filter_map(name).collect();
    names.sort();
    Some(names)
}

#[test]
fn alerts_of_a_real_prometheus_are_each_one_incident_over_kills_of_both() {
    let web = Web::start();
    let (mut instance, port) = instance(&web);
    instance.start();
    let mut prometheus = Prometheus::new(port);
    let all: Vec<String> = (10..22).map(|n| format!("Rule{n}")).collect();
    prometheus.rules(&all, all.len());
    prometheus.start();
    let are_open = |names: &[String]| {
        until("the alerts", || open_alerts(port).filter(|open| *open == names));
    };
    are_open(&all);
    instance.kill();
    instance.start();
    are_open(&all);
    // Resolved while mainstay is down, and Prometheus is killed after it is up again.
    let kept = &all[..6];
    instance.kill();
    prometheus.rules(&all, kept.len());
    prometheus.reload();
    instance.start();
    are_open(kept);
    prometheus.kill();
    prometheus.start();
    are_open(kept);
    let count = |what: &str| {
        let text = instance.journal();
        all.iter()
            .map(|name| text.lines().filter(|line| line.contains(what) && line.contains(&**name)).count())
            .collect::<Vec<_>>()
    };
    assert_eq!(count("\"alert_opened\""), vec![1; all.len()], "none lost, none twice");
    let now = instance.json(&["status"]);
    assert_eq!(now["open"].as_array().map(Vec::len), Some(kept.len()), "an incident each");
}

#[test]
fn none_of_ten_thousand_alerts_in_one_request_is_lost_and_people_are_paged_within_ten_seconds() {
    const ALERTS: usize = 10_000;
    let web = Web::start();
    let (mut instance, port) = instance(&web);
    instance.start();
    let alert = |n: usize| {
        json!({
            "labels": { "alertname": "TargetDown", "instance": format!("node{n}:9100"), "severity": "critical" },
            "annotations": { "summary": format!("node{n} does not answer") },
            "endsAt": "2099-01-01T00:00:00Z",
        })
    };
    let alerts: Vec<Value> = (0..ALERTS).map(alert).collect();
    let sent = Instant::now();
    let path = "/api/v1/sources/prometheus/api/v2/alerts";
    let (status, answer) = instance.post(path, TOKEN, &Value::Array(alerts));
    assert_eq!(status, 200, "{answer}");
    let accepted = sent.elapsed();
    let opened = incident(&instance, "TargetDown", |open| attempts(open) == 1);
    let paged = sent.elapsed() - accepted;
    assert!(paged < Duration::from_secs(10), "accepted after {accepted:?}, paged {paged:?} later: {opened}");
    instance.kill();
    instance.start();
    until("the alerts after a kill", || open_alerts(port).filter(|open| open.len() == ALERTS));
    assert_eq!(instance.json(&["status"])["open"].as_array().map(Vec::len), Some(1), "one incident");
    assert!(instance.memory_peak_kib() < 600 << 10, "{} KiB", instance.memory_peak_kib());
}
