//! The audit as a command and over the API.

use crate::instance::{Instance, SITE, Web, until};
use serde_json::Value;

pub(crate) fn config(web: &Web) -> String {
    format!(
        r#"{SITE}
[edge]
listen = ["127.0.0.1:0"]

[service.shop]
hosts = ["shop.example.com"]
http = false
traffic = {{ pool = "shop" }}

[service.blog]

[pool.shop]
servers = ["{address}"]
health = {{ path = "/health" }}

[probe.front]
http = "http://{address}/"
interval = "500ms"
service = "shop"

[audit]
exceptions = [{{ criterion = "single-server", owner = "ana", until = 2100-01-01, why = "a second one <of the same kind> is ordered & paid" }}]

[person.ana]
timezone = "UTC"
contacts = ["hook:ana"]

[channel.hook]
webhook = "http://{address}/"
"#,
        address = web.address
    )
}

pub(crate) fn named(report: &Value) -> Vec<String> {
    let finding = |finding: &Value| {
        format!("{} {}", finding["criterion"].as_str().unwrap(), finding["resource"].as_str().unwrap())
    };
    report["findings"].as_array().unwrap().iter().map(finding).collect()
}

pub(crate) fn text(instance: &Instance, args: &[&str]) -> (Option<i32>, String) {
    let output = instance.command(args);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn file_is_audited_without_a_running_process() {
    let web = Web::start();
    let instance = Instance::with(&config(&web));
    let (code, said) = text(&instance, &["audit"]);
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "traffic-limits service.shop",
        "accepted single-server pool.shop",
        "the audit fails",
        "The file alone",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let report = instance.json(&["audit"]);
    assert_eq!(report["configuration_only"], true);
    assert!(named(&report).contains(&"monitored service.blog".to_owned()), "{report:#}");
    // A gate of a service sees what concerns it alone.
    let gate = instance.json(&["audit", "--service", "shop", "--gate"]);
    assert_eq!(named(&gate), ["traffic-limits service.shop"]);
    let (code, _) = text(&instance, &["audit", "--service", "nothing"]);
    assert_eq!(code, Some(2));
}

#[test]
fn running_process_adds_what_it_has_seen() {
    let web = Web::start();
    let mut instance = Instance::with(&config(&web));
    instance.start();
    let report = until("an audit", || {
        let report = instance.json(&["audit"]);
        report["findings"].is_array().then_some(report)
    });
    assert!(named(&report).contains(&"traffic-limits service.shop".to_owned()), "{report:#}");
    let alone = instance.json(&["audit", "--text-alone"]);
    assert_eq!(alone["configuration_only"], true);
    let (code, said) = text(&instance, &["audit", "--criteria", "traffic-limits"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("## Remedy"), "{said}");
}

/// The changes of one criterion of the shop, oldest first: met or not.
fn changes(instance: &Instance, criterion: &str) -> Vec<bool> {
    let (status, answer) = instance.get("/api/v1/audit/history?service=shop");
    // Not yet: there are no results of probes right after a start.
    assert!(status == 200 || status == 503, "{answer}");
    let mut rows = answer["history"].as_array().into_iter().flatten();
    let row = rows.find(|row| row["criterion"] == criterion && row["resource"] == "service.shop");
    let changes = row.and_then(|row| row["changes"].as_array()).into_iter().flatten();
    changes.map(|change| change["is_met"].as_bool().unwrap()).collect()
}

/// What is lost and met again is in the journal, and survives a restart without being recorded twice.
#[test]
fn history_of_a_service_has_what_was_lost_and_met_again() {
    let web = Web::start();
    let mut instance = Instance::with(&config(&web));
    instance.start();
    until("the first audits", || (changes(&instance, "runbook") == [false]).then_some(()));
    let with_runbook = config(&web)
        .replace("[service.shop]\n", "[service.shop]\nrunbook = \"https://wiki.example.com/shop\"\n");
    instance.write_config(&with_runbook);
    until("the runbook", || (changes(&instance, "runbook") == [false, true]).then_some(()));
    assert_eq!(changes(&instance, "traffic-limits"), [false]);
    assert_eq!(instance.terminate(), Some(0));
    instance.start();
    until("the history", || (changes(&instance, "runbook") == [false, true]).then_some(()));
    let journal = instance.journal();
    let recorded = journal.lines().filter(|line| line.contains("traffic-limits")).count();
    assert_eq!(recorded, 1, "{journal}");
    assert_eq!(instance.get("/api/v1/audit/history?service=nothing").0, 404);
}

#[test]
fn answer_to_a_test_page_proves_a_channel() {
    let web = Web::start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = listener.local_addr().unwrap();
    let config = config(&web)
        .replace(&format!("webhook = \"http://{}/\"", web.address), &format!("webhook = \"http://{hook}/\""));
    let mut instance = Instance::with(&config);
    instance.start();
    let command = instance
        .prepared(&["page", "test", "ana", "--wait", "60s", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn();
    let link = received_link(&listener);
    let path = link.split_once("/ack/").map(|(_, token)| format!("/ack/{token}")).unwrap();
    let shown = instance.text(&path);
    assert!(shown.contains("Nothing is wrong") || shown.contains("A test page"), "{shown}");
    let answered = instance.exchange(&format!("POST {path}"), "", "");
    assert!(answered.contains("ana has answered over hook:ana"), "{answered}");
    let output = command.unwrap().wait_with_output().unwrap();
    let tested: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &tested[0]["accepted"]), (Some(0), &true.into()), "{tested}");
    assert!(tested[0]["answered_seconds"].is_u64(), "{tested}");
    assert!(instance.json(&["status"])["open"].as_array().unwrap().is_empty(), "no incident was opened");
    let report =
        until("an audit", || Some(instance.json(&["audit"])).filter(|report| report["findings"].is_array()));
    assert!(!named(&report).iter().any(|name| name.starts_with("channel-proven")), "{report:#}");
}

/// Accepts one message of a webhook; the link in it.
fn received_link(listener: &std::net::TcpListener) -> String {
    use std::io::{Read as _, Write as _};
    let (mut stream, _) = listener.accept().unwrap();
    let mut text = String::new();
    let mut part = [0; 4_096];
    while !text.contains("acknowledge_url") || !text.ends_with('}') {
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "{text}");
        text.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    body["acknowledge_url"].as_str().unwrap().to_owned()
}
