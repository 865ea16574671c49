//! The audit as a command, over the API and in a pipeline.

use crate::instance::{Instance, SITE, Web, until};
use serde_json::Value;

fn config(web: &Web) -> String {
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
exceptions = [{{ criterion = "single-server", owner = "ana", until = 2100-01-01, why = "a second one is ordered" }}]

[person.ana]
timezone = "UTC"
contacts = ["hook:ana"]

[channel.hook]
webhook = "http://{address}/"
"#,
        address = web.address
    )
}

fn named(report: &Value) -> Vec<String> {
    let finding = |finding: &Value| {
        format!("{} {}", finding["criterion"].as_str().unwrap(), finding["resource"].as_str().unwrap())
    };
    report["findings"].as_array().unwrap().iter().map(finding).collect()
}

fn text(instance: &Instance, args: &[&str]) -> (Option<i32>, String) {
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
fn formats_of_pipelines_name_findings() {
    let web = Web::start();
    let instance = Instance::with(&config(&web));
    let (code, junit) = text(&instance, &["audit", "--format", "junit"]);
    assert_eq!(code, Some(1));
    assert!(junit.contains("classname=\"traffic-limits\"") && junit.contains("<failure"), "{junit}");
    let (_, sarif) = text(&instance, &["audit", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let limits = results.iter().find(|result| result["ruleId"] == "traffic-limits").unwrap();
    assert_eq!(limits["level"], "error");
    let line = limits["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
    let config = std::fs::read_to_string(instance.config()).unwrap();
    assert_eq!(config.lines().nth(usize::try_from(line).unwrap() - 1), Some("[service.shop]"));
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
