//! `mainstay incident`: what people do about an incident, by command.

use crate::instance::{Instance, Web, config, until};
use std::process::Output;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An instance with open incident 1: the shop answers 503.
fn failing(web: &Web, config: &str) -> Instance {
    let mut instance = Instance::with(config);
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    web.answers(503);
    until("an incident", || open_ids(&instance).first().copied());
    instance
}

fn open_ids(instance: &Instance) -> Vec<u64> {
    let now = instance.json(&["status"]);
    let open = now["open"].as_array().cloned().unwrap_or_default();
    open.iter().filter_map(|open| open["incident"]["id"].as_u64()).collect()
}

#[test]
fn resolve_is_refused_while_an_alert_fires_unless_forced() {
    let web = Web::start();
    let instance = failing(&web, &config(&web, "Shop"));
    let refused = instance.command(&["incident", "resolve", "1", "--by", "ana"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    let why = stderr(&refused);
    assert!(why.contains("incident-1 still fails") && why.contains("--force"), "{why}");
    assert_eq!(open_ids(&instance), [1], "a refused command changes nothing");

    let forced = instance.command(&["incident", "resolve", "1", "--by", "ana", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert_eq!(stdout(&forced), "incident-1: recorded\n");
    let first = until("the end of the first", || {
        let all = instance.json(&["incident", "list"]);
        all.as_array()?.iter().find(|it| it["id"] == 1 && it["resolved"].is_string()).cloned()
    });
    assert_eq!(first["merged_into"], serde_json::Value::Null);
    let log = instance.journal();
    assert!(log.contains("closed by ana"), "{log}");
    let again = instance.command(&["incident", "resolve", "1", "--by", "ana"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("incident-1 is already resolved"), "{}", stderr(&again));
    // The page still fails, so the next probe opens an incident again.
    until("another incident", || (open_ids(&instance) == [2]).then_some(()));
    let unknown = instance.command(&["incident", "resolve", "99", "--by", "ana"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn approve_publishes_the_draft_that_awaits_it() {
    let web = Web::start();
    let with_approval = format!("{}\n[status_page]\npublish = \"approve\"\n", config(&web, "Shop"));
    let instance = failing(&web, &with_approval);
    let early = instance.command(&["incident", "approve", "1", "--by", "ana"]);
    assert_eq!(early.status.code(), Some(1), "{}", stdout(&early));
    assert!(stderr(&early).contains("incident-1 has no pending draft"), "{}", stderr(&early));

    let body = until("a draft", || {
        instance.json(&["status"])["drafts"].as_array()?.first()?["body"].as_str().map(str::to_owned)
    });
    let status = stdout(&instance.command(&["status"]));
    assert!(status.contains("an update awaits approval: mainstay incident approve 1"), "{status}");
    let is_public = || instance.text("/").contains("<article");
    assert!(!is_public(), "a draft is not public");
    let approved = instance.command(&["incident", "approve", "1", "--by", "ana"]);
    assert_eq!(approved.status.code(), Some(0), "{}", stderr(&approved));
    until("the update on the status page", || is_public().then_some(()));
    until("no draft", || instance.json(&["status"])["drafts"].as_array()?.is_empty().then_some(()));

    let incident = instance.json(&["incident", "show", "1"]);
    let timeline = incident["timeline"].as_array().cloned().unwrap_or_default();
    let published = timeline.iter().find(|entry| entry["kind"] == "update_published");
    let published = published.unwrap_or_else(|| panic!("{incident:#}"));
    assert_eq!(
        (published["by"]["id"].as_str(), published["body"].as_str()),
        (Some("ana"), Some(body.as_str()))
    );
    let shown = stdout(&instance.command(&["incident", "show", "1"]));
    for wanted in ["\nTimeline\n", "Diagnosis: ", "ana published an update", "\nPages\n", " step 1: ana; "] {
        assert!(shown.contains(wanted), "{wanted:?}: {shown}");
    }
    let twice = instance.command(&["incident", "approve", "1", "--by", "ana"]);
    assert_eq!(twice.status.code(), Some(1), "{}", stdout(&twice));
}

#[test]
fn post_mortem_is_drafted_from_the_journal() {
    let web = Web::start();
    let mut instance = failing(&web, &config(&web, "Shop"));
    let early = stdout(&instance.command(&["incident", "postmortem", "1"]));
    assert!(early.contains("still open") && early.contains("| resolved | not within "), "{early}");
    assert!(instance.command(&["incident", "ack", "1", "--by", "ana"]).status.success());
    let note = "restart `api` | <b>now</b>";
    assert!(instance.command(&["incident", "note", "1", note, "--by", "ana"]).status.success());
    let update = ["incident", "update", "1", "We are on it.", "--by", "ana"];
    assert!(instance.command(&update).status.success());
    web.answers(200);
    until("the end", || open_ids(&instance).is_empty().then_some(()));
    instance.terminate();

    let drafted = instance.command(&["incident", "postmortem", "1"]);
    assert_eq!(drafted.status.code(), Some(0), "{}", stderr(&drafted));
    let draft = stdout(&drafted);
    for wanted in [
        "# incident-1: Shop\n",
        "\n| Shop | major outage | ",
        "\n| a person acknowledged | ",
        "\n| the public was told | ",
        "| ana: restart \\`api\\` \\| \\<b>now\\</b> |",
        "front answered with status 503",
        "Resolved: ",
        "\n## What we will do\n",
    ] {
        assert!(draft.contains(wanted), "{wanted:?}: {draft}");
    }
    assert!(!draft.contains("| resolved | not within"), "{draft}");
    let json = instance.json(&["incident", "postmortem", "1"]);
    assert_eq!(json["impact"][0]["service"], "shop");
    let unknown = instance.command(&["incident", "postmortem", "9"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("there is no incident-9"), "{}", stderr(&unknown));
}
