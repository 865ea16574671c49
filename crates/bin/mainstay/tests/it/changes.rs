//! Changes and notes with their effects: a real process, and a server whose latency changes.

use crate::instance::{Instance, SITE, Web, until};
use serde_json::{Value, json};
use std::fs;

const TOKEN: &str = "a-token-of-ci";

/// Probes twice a second; slower than 150 ms is a fault.
fn config(web: &Web, folder: &std::path::Path) -> String {
    format!(
        r#"{SITE}
[service.shop]
title = "Shop"

[service.blog]
title = "Blog"

[probe.front]
http = "http://{}/"
interval = "500ms"
timeout = "5s"
failure_threshold = 3
expect = {{ max_latency = "150ms" }}
service = "shop"

[source.ci]
changes = {{ secret = "file:{}/ci-token" }}
"#,
        web.address,
        folder.display()
    )
}

fn start(web: &Web) -> Instance {
    let mut instance = Instance::with("");
    fs::write(instance.folder.path().join("ci-token"), TOKEN).unwrap();
    instance.write_config(&config(web, instance.folder.path()));
    instance.start();
    instance
}

fn stdout(instance: &Instance, args: &[&str]) -> String {
    let output = instance.command(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    format!("{}{error}", String::from_utf8_lossy(&output.stdout))
}

/// The verdict on the note or change with this text, in the timeline of the open incident.
fn verdict(instance: &Instance, text: &str) -> Option<String> {
    let open = instance.open_incident()?;
    let entry = open["timeline"]
        .as_array()?
        .iter()
        .find(|entry| entry["note"] == text || entry["change"]["title"] == text)?;
    entry["effect"]["verdict"].as_str().map(str::to_owned)
}

#[test]
fn fixes_are_judged_by_the_latency_that_they_change() {
    let web = Web::start();
    web.takes(20);
    let mut instance = start(&web);
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    let deployed = json!({ "title": "deploy shop 4f2c", "service": "shop", "id": "d-1" });
    assert_eq!(instance.post("/api/v1/changes", "wrong", &deployed).0, 401);
    let (status, answer) = instance.post("/api/v1/changes", TOKEN, &deployed);
    assert_eq!((status, &answer["change"]), (200, &json!(1)), "{answer}");
    let (_, again) = instance.post("/api/v1/changes", TOKEN, &deployed);
    assert_eq!((&again["change"], &again["is_known"]), (&Value::Null, &json!(true)));
    // A history to compare with, twice as long as needed: on a busy machine some intervals have no answer.
    web.answers_again(120);

    web.takes(300);
    let open = until("an incident", || instance.open_incident());
    let id = open["incident"]["id"].to_string();
    let summary = until("the hint", || {
        let summary = instance.open_incident()?["incident"]["diagnosis"]["summary"].as_str()?.to_owned();
        summary.contains("deploy shop 4f2c").then_some(summary)
    });
    assert!(summary.contains("a hint, not a proven cause"), "{summary}");
    web.answers_again(12);

    assert_eq!(instance.command(&["incident", "note", &id, "added 4 servers"]).status.code(), Some(0));
    until("the first verdict", || (verdict(&instance, "added 4 servers")? == "no_effect").then_some(()));
    let unrelated = stdout(&instance, &["change", "deploy blog 7", "--service", "blog", "--by", "bo"]);
    assert_eq!(unrelated, "change-2: recorded\n");
    let unknown = stdout(&instance, &["change", "deploy x", "--service", "nothing"]);
    assert!(unknown.contains("the configuration has no service `nothing`"), "{unknown}");

    let rolled = stdout(&instance, &["change", "rolled back", "--service", "shop", "--by", "bo"]);
    assert_eq!(rolled, "change-3: recorded\n");
    web.takes(20);
    let judged = until("the second verdict", || {
        let changes = instance.json(&["change", "list"]);
        let rolled_back = changes["changes"].as_array()?.iter().find(|it| it["id"] == 3)?;
        let effect = rolled_back["effects"].as_array()?.first()?.clone();
        (effect["verdict"] == "helped").then_some(effect)
    });
    let (before, after) = (judged["figure"]["before"].as_f64(), judged["figure"]["after"].as_f64());
    assert!(before.is_some_and(|s| (0.3..0.5).contains(&s)) && after.is_some_and(|s| s < 0.2), "{judged}");
    let final_events = until("both effects in the journal", || {
        let log = instance.journal();
        (log.matches("effect_judged").count() >= 2).then_some(log)
    });
    assert!(!final_events.contains("\"change\":2}"), "what concerns another service is not judged");

    // What is final survives.
    instance.kill();
    instance.start();
    let list = until("the list after a restart", || {
        let list = stdout(&instance, &["change", "list"]);
        list.contains("helped: latency of front").then_some(list)
    });
    assert!(list.contains("rolled back (shop)") && list.contains("by bo"), "{list}");
    let past = instance.json(&["incident", "show", &id]);
    let incident = if past["incident"].is_null() { &past } else { &past["incident"] };
    assert_eq!(incident["notes"][0]["effect"]["verdict"], "no_effect", "{past}");
}

#[test]
fn deploy_on_an_ordinary_day_says_nothing() {
    let web = Web::start();
    web.takes(20);
    let instance = start(&web);
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    stdout(&instance, &["change", "deploy shop 1", "--service", "shop", "--by", "ana"]);
    web.takes(60);
    web.answers_again(30);
    let changes = instance.json(&["change", "list"]);
    assert_eq!(changes["changes"][0]["effects"], json!([]), "{changes}");
    assert_eq!(instance.json(&["status"])["open"], json!([]));
    let log = instance.journal();
    assert!(!log.contains("effect_judged") && !log.contains("notice_queued"), "{log}");
}
