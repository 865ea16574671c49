//! One lifecycle: healthy, outage, acknowledged, killed, still acknowledged, recovered, resolved.

use crate::instance::{Instance, Web, config, until};
use serde_json::Value;

#[test]
fn acknowledged_incident_survives_a_kill_and_resolves() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    assert_eq!(instance.command(&["status"]).status.code(), Some(0));
    assert_eq!(instance.command(&["why", "shop"]).status.code(), Some(0));

    web.answers(503);
    let open = until("an incident", || instance.open_incident());
    assert_eq!(open["incident"]["diagnosis"]["cause"], "probe.front", "{open:#}");
    assert_eq!(instance.command(&["status"]).status.code(), Some(1));
    let why = String::from_utf8(instance.command(&["why", "shop"]).stdout).unwrap();
    assert!(why.contains("503"), "{why}");
    until("an outage of the shop", || (instance.state_of("shop") == "major_outage").then_some(()));

    // A command succeeds only after its event is on disk.
    assert!(instance.command(&["incident", "ack", "1", "--by", "ana"]).status.success());
    assert!(instance.command(&["incident", "note", "1", "looking at it", "--by", "ana"]).status.success());
    let update = instance.command(&["incident", "update", "1", "We found the cause.", "--by", "ana"]);
    assert!(update.status.success(), "{update:?}");
    instance.kill();
    assert!(instance.command(&["journal", "verify"]).status.success());
    instance.start();
    let open = until("the same incident", || instance.open_incident());
    assert_eq!(open["incident"]["id"], 1);
    assert_eq!(open["incident"]["acknowledged"]["by"], "ana");
    assert_eq!(open["incident"]["notes"][0]["text"], "looking at it");
    assert_eq!(instance.command(&["incident", "ack", "9"]).status.code(), Some(1));

    web.answers(200);
    until("the end", || instance.open_incident().is_none().then_some(()));
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    let story = String::from_utf8(instance.command(&["incident", "list"]).stdout).unwrap();
    assert!(story.contains("incident-1 resolved"), "{story}");

    let backup = instance.folder.path().join("backup.db");
    assert!(instance.command(&["journal", "backup", backup.to_str().unwrap()]).status.success());
    assert_eq!(instance.terminate(), Some(0));
    let journal = instance.journal();
    let actor = serde_json::json!({ "kind": "person", "id": "ana", "via": "command_line" });
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ana = events.filter(|event| event["by"] == actor).count();
    assert_eq!(ana, 3, "acknowledged, noted, updated: {journal}");
    let lines = |instance: &Instance| instance.journal().lines().count();
    let before = lines(&instance);
    assert!(before > 5);
    assert!(!instance.command(&["journal", "restore", backup.to_str().unwrap()]).status.success());
    assert!(
        instance.command(&["journal", "restore", backup.to_str().unwrap(), "--replace"]).status.success()
    );
    assert!(instance.command(&["journal", "verify"]).status.success());
    assert!(lines(&instance) <= before);
}

#[test]
fn changed_config_is_reloaded_and_invalid_one_is_not() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    let title = |instance: &Instance| {
        instance.json(&["status"])["services"][0]["title"].as_str().unwrap_or_default().to_owned()
    };

    let text = config(&web, "Web shop");
    instance.write_config(&text);
    until("the new title", || (title(&instance) == "Web shop").then_some(()));
    // `listen` with port 0 is what the file says before and after: nothing that needs a restart has changed.
    instance.write_config(&text.replace("[person.ana]", "[persn.ana]"));
    let problem = until("the message", || {
        let (_, now) = instance.get("/api/v1/now");
        now["self"].as_array()?.first()?.as_str().map(str::to_owned)
    });
    assert!(problem.contains("the old one stays in force"), "{problem}");
    instance.write_config(&text);
    assert_eq!(title(&instance), "Web shop");
}

#[test]
fn second_process_with_the_same_data_folder_is_refused() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    instance.start();
    let second = instance.command(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let why = String::from_utf8_lossy(&second.stderr).to_string();
    assert!(why.contains("journal"), "{why}");
    assert!(!instance.json(&["status"]).is_null(), "the first one goes on");
}
