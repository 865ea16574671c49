//! Jobs that report by heartbeats, with curl and `mainstay exec`, against a running mainstay.

use crate::instance::{Instance, Web, config, until};
use serde_json::Value;
use std::process::{Command, Output};

const KEY: &str = "5f1c2c52-0c54-4f0b-8f5c-0d5d1a8f0a11";

fn instance(web: &Web, more: &str) -> Instance {
    let jobs = format!(
        "\n[heartbeat.backup]\nperiod = \"1d\"\nkey = \"file:ping-key\"\n\
         [heartbeat.report]\ncron = \"0 4 * * *\"\nservice = \"shop\"\n{more}"
    );
    let mut instance = Instance::with(&format!("{}{jobs}", config(web, "Shop")));
    std::fs::write(instance.config().with_file_name("ping-key"), format!("{KEY}\n")).unwrap();
    instance.start();
    instance
}

fn url(instance: &Instance) -> String {
    format!("http://{}", std::fs::read_to_string(instance.data().join("address")).unwrap())
}

/// The job as it is shown, once it is as wanted.
fn job(instance: &Instance, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    until("the job", || {
        let listed = instance.command(&["heartbeat", "list", "--json"]);
        let jobs: Value = serde_json::from_slice(&listed.stdout).ok()?;
        jobs.as_array()?.iter().find(|job| job["name"] == name && is_wanted(job)).cloned()
    })
}

fn is_in_trouble(job: &Value) -> bool {
    job["trouble"].is_object()
}

fn is_well(job: &Value) -> bool {
    job["trouble"].is_null()
}

/// Status code and body.
fn curl(instance: &Instance, arguments: &[&str], path: &str) -> (String, String) {
    let url = format!("{}{path}", url(instance));
    let done = Command::new("curl").args(["-sS", "-w", "\n%{http_code}"]).args(arguments).arg(url).output();
    let text = String::from_utf8(done.unwrap().stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

fn ok() -> (String, String) {
    ("200".to_owned(), "OK".to_owned())
}

#[test]
fn curl_reports_success_failure_and_output() {
    let web = Web::start();
    let mut instance = instance(&web, "");
    job(&instance, "backup", |job| job["succeeded"].is_null());
    assert_eq!(curl(&instance, &[], &format!("/ping/{KEY}")), ok());
    job(&instance, "backup", |job| job["succeeded"].is_string());
    assert_eq!(curl(&instance, &["-I"], &format!("/ping/{KEY}/start?rid=7")).0, "200");
    job(&instance, "backup", |job| job["running_since"].is_string());

    // More than any other request may have; the end of it counts.
    let log = instance.config().with_file_name("log");
    std::fs::write(&log, "x".repeat(1 << 20) + "\npg_dump: no space left\n").unwrap();
    let data = format!("@{}", log.display());
    let failed = curl(&instance, &["--data-binary", &data], &format!("/ping/{KEY}/2?rid=7"));
    assert_eq!(failed, ok());
    let failed = job(&instance, "backup", is_in_trouble);
    assert_eq!(failed["trouble"]["text"], "failed with exit status 2: pg_dump: no space left");
    let listed = instance.command(&["heartbeat", "list"]);
    assert_eq!(listed.status.code(), Some(1), "one is in trouble");
    assert_eq!(instance.state_of("shop"), "operational", "no word for the public");

    // What was accepted is there after a kill.
    instance.kill();
    instance.start();
    job(&instance, "backup", is_in_trouble);
    assert_eq!(curl(&instance, &[], &format!("/ping/{KEY}/0")), ok());
    job(&instance, "backup", is_well);

    for (path, status) in [
        ("/ping/backup", "404"),
        ("/ping/report", "200"),
        (&*format!("/ping/{KEY}/256"), "404"),
        (&*format!("/ping/{}", &KEY[1..]), "404"),
    ] {
        assert_eq!(curl(&instance, &[], path).0, status, "{path}");
    }
    let journal = instance.journal();
    assert!(!journal.contains(KEY) && !instance.log().contains(KEY), "the key is a secret");
    let metrics = instance.text("/metrics");
    assert!(metrics.contains("mainstay_heartbeat_up{heartbeat=\"backup\"} 1"), "{metrics}");
}

#[test]
fn push_monitor_of_uptime_kuma_reports() {
    let web = Web::start();
    let instance = instance(&web, "");
    let (status, body) = curl(&instance, &[], "/api/push/report?status=down&msg=disk%20full&ping=");
    assert_eq!((status.as_str(), body.as_str()), ("200", r#"{"ok":true}"#));
    job(&instance, "report", |job| job["trouble"]["text"] == "failed: disk full");
    curl(&instance, &[], "/api/push/report?status=up&msg=OK&ping=12");
    job(&instance, "report", is_well);
    let (status, body) = curl(&instance, &[], "/api/push/nothing");
    assert_eq!(status, "404");
    assert!(body.contains(r#""ok":false"#), "{body}");
}

#[test]
fn job_that_is_late_opens_one_incident() {
    let web = Web::start();
    let instance = instance(&web, "[heartbeat.quick]\nperiod = \"10s\"\ngrace = \"1s\"\n");
    curl(&instance, &[], "/ping/quick");
    let incident = until("an incident", || {
        let now = instance.json(&["status"]);
        Some(now["open"].as_array()?.first()?["incident"]["diagnosis"]["summary"].as_str()?.to_owned())
    });
    assert!(incident.starts_with("job quick did not report when it was due, "), "{incident}");
    curl(&instance, &[], "/ping/quick");
    until("its end", || instance.json(&["status"])["open"].as_array()?.is_empty().then_some(()));
}

/// What follows `--` is the command, so that the configuration comes first.
fn exec(instance: &Instance, arguments: &[&str]) -> Output {
    let config = instance.config();
    let mainstay = Command::new(env!("CARGO_BIN_EXE_mainstay"))
        .arg("--config")
        .arg(config)
        .arg("exec")
        .args(arguments)
        .output();
    mainstay.unwrap()
}

#[test]
fn exec_runs_the_command_whatever_happens_and_reports_its_end() {
    let web = Web::start();
    let mut instance = instance(&web, "");
    let well = exec(&instance, &["backup", "--", "sh", "-c", "echo 4 GB; echo note >&2"]);
    assert_eq!(well.status.code(), Some(0), "{}", String::from_utf8_lossy(&well.stderr));
    assert_eq!((&*well.stdout, &*well.stderr), (&b"4 GB\n"[..], &b"note\n"[..]));
    let backup = job(&instance, "backup", |job| job["succeeded"].is_string());
    assert!(backup["running_since"].is_null(), "{backup:#}");
    let (newest, before) = (&backup["recent"][0], &backup["recent"][1]);
    assert_eq!((newest["ping"].as_str(), before["ping"].as_str()), (Some("succeeded"), Some("started")));
    assert_eq!(newest["run"], before["run"]);

    let of_job = format!("{}/ping/{KEY}", url(&instance));
    let failed = exec(&instance, &[&of_job, "--", "sh", "-c", "echo broken; exit 3"]);
    assert_eq!(failed.status.code(), Some(3));
    job(&instance, "backup", |job| job["trouble"]["text"] == "failed with exit status 3: broken");
    let absent = exec(&instance, &["backup", "--", "/no/such/program"]);
    assert_eq!(absent.status.code(), Some(127));
    let ended_by_signal = exec(&instance, &["backup", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(ended_by_signal.status.code(), Some(137));

    let unknown = exec(&instance, &["other", "--", "true"]);
    assert_eq!(unknown.status.code(), Some(2), "a job that is not declared is a mistake of the crontab");
    let wrong = exec(&instance, &[&format!("{}/ping/wrong", url(&instance)), "--", "echo", "done"]);
    assert_eq!((wrong.status.code(), &*wrong.stdout), (Some(0), &b"done\n"[..]));
    let warning = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        warning.contains("was not told") && warning.contains("404") && !warning.contains("/wrong"),
        "{warning}"
    );
    instance.terminate();
}
