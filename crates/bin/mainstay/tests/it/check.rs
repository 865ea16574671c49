//! An invalid configuration is reported completely, and nothing starts with it.

use crate::instance::{Instance, Web};
use serde_json::Value;

const SEVEN_MISTAKES: &str = r#"
[site]
name = "Acme"
listen = "nowhere"

[service.auth]
title = "Sign-in"
hosts = ["auth.acme.com", "*.acme.app"]
depends_on = ["service.mial"]
schedule = "platfrom"

[service.mail]
titel = "Mail"
hosts = ["mail.acme.com"]

[probe.checkout]
http = "https://shop.acme.com/health"
interval = "fast"

[person.ana]
contacts = ["ntfi:ana"]

[schedule.platform]
[[schedule.platform.layer]]
people = ["ana"]
start = 2026-10-26T09:00:00
rotation = "1 week"

[channel.ntfy]
ntfy = "https://ntfy.sh"
"#;

#[test]
fn seven_mistakes_are_seven_problems_with_line_column_and_hint() {
    let instance = Instance::watching(&Web::start());
    instance.write_config(SEVEN_MISTAKES);
    let output = instance.command(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    let answer = instance.json(&["check"]);
    let problems = answer["problems"].as_array().unwrap();
    let places: Vec<(u64, u64)> = problems
        .iter()
        .map(|problem| (problem["line"].as_u64().unwrap(), problem["column"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(4, 10), (8, 27), (9, 15), (10, 12), (13, 1), (18, 12), (21, 13)]);
    assert!(problems.iter().all(|problem| problem["hint"] != Value::Null), "{problems:#?}");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("did you mean `platform`?"), "{printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
}

#[test]
fn invalid_config_starts_nothing() {
    let instance = Instance::watching(&Web::start());
    instance.write_config(SEVEN_MISTAKES);
    assert_eq!(instance.command(&["run"]).status.code(), Some(2));
    assert!(!instance.folder.path().join("data").exists());
}

#[test]
fn valid_config_is_confirmed() {
    let instance = Instance::watching(&Web::start());
    let output = instance.command(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(instance.json(&["check"])["sound"], true);
}

#[test]
fn check_prints_what_the_edge_would_serve() {
    let instance = Instance::watching(&Web::start());
    let edge = "[edge]\nlisten = [\"127.0.0.1:8000\", \"0.0.0.0:8001\"]\n\
        [service.auth]\nhosts = [\"auth.acme.com\", \"*.acme.app\"]\nwildcard_samples = [\"a.acme.app\"]\ntraffic = { pool = \"auth\" }\n\
        [pool.auth]\nservers = [\"10.0.0.11:8080\", { at = \"app.internal:80\", weight = 2 }]\n";
    instance.write_config(edge);
    let printed = String::from_utf8(instance.command(&["check"]).stdout).unwrap();
    for line in [
        "the edge listens for HTTP on 127.0.0.1:8000: reachable from this machine only",
        "the edge listens for HTTP on 0.0.0.0:8001: reachable from other machines",
        "  auth: auth.acme.com, *.acme.app from pool auth (10.0.0.11:8080,\n  app.internal:80)",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let answer = instance.json(&["check"]);
    assert_eq!(answer["edge"]["services"][0]["servers"][1], "app.internal:80");
    assert_eq!(answer["edge"]["listeners"][1]["public"], true);
    instance.write_config("[service.auth]\nhosts = [\"auth.acme.com\"]\n");
    assert_eq!(instance.json(&["check"])["edge"], Value::Null);
}

#[test]
fn command_without_running_mainstay_names_the_start_command() {
    let instance = Instance::watching(&Web::start());
    let output = instance.command(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("mainstay run --config"));
}
