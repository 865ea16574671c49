//! A whole small life: well, broken, in hand, killed, still in hand, well again, over.

use crate::house::{House, Web, config, until};
use serde_json::Value;

fn open_incident(house: &House) -> Option<Value> {
    house.json(&["status"])["open"].as_array()?.first().cloned()
}

#[test]
fn from_well_to_broken_to_over_across_a_kill() {
    let web = Web::start();
    let mut house = House::watching(&web);
    house.start();
    until("a well shop", || (house.state_of("shop") == "operational").then_some(()));
    assert_eq!(house.command(&["status"]).status.code(), Some(0));
    assert_eq!(house.command(&["why", "shop"]).status.code(), Some(0));

    web.answers(503);
    let open = until("an incident", || open_incident(&house));
    assert_eq!(open["incident"]["diagnosis"]["cause"], "probe.front", "{open:#}");
    assert_eq!(house.command(&["status"]).status.code(), Some(1));
    let why = String::from_utf8(house.command(&["why", "shop"]).stdout).unwrap();
    assert!(why.contains("503"), "{why}");
    until("a bad shop", || (house.state_of("shop") == "major_outage").then_some(()));

    // Accepted means kept: the answer comes after the disk.
    assert!(house.command(&["incident", "ack", "1", "--by", "ana"]).status.success());
    assert!(house.command(&["incident", "note", "1", "looking at it", "--by", "ana"]).status.success());
    house.kill();
    assert!(house.command(&["journal", "verify"]).status.success());
    house.start();
    let open = until("the same incident", || open_incident(&house));
    assert_eq!(open["incident"]["id"], 1);
    assert_eq!(open["incident"]["acknowledged"]["by"], "ana");
    assert_eq!(open["incident"]["notes"][0]["text"], "looking at it");
    assert_eq!(house.command(&["incident", "ack", "9"]).status.code(), Some(1));

    web.answers(200);
    until("the end", || open_incident(&house).is_none().then_some(()));
    until("a well shop", || (house.state_of("shop") == "operational").then_some(()));
    let story = String::from_utf8(house.command(&["incident", "list"]).stdout).unwrap();
    assert!(story.contains("incident-1 over"), "{story}");

    let backup = house.folder.path().join("backup.db");
    assert!(house.command(&["journal", "backup", backup.to_str().unwrap()]).status.success());
    assert_eq!(house.terminate(), Some(0));
    let lines = |house: &House| {
        house.command(&["journal", "dump"]).stdout.iter().filter(|byte| **byte == b'\n').count()
    };
    let before = lines(&house);
    assert!(before > 5);
    assert!(!house.command(&["journal", "restore", backup.to_str().unwrap()]).status.success());
    assert!(house.command(&["journal", "restore", backup.to_str().unwrap(), "--replace"]).status.success());
    assert!(house.command(&["journal", "verify"]).status.success());
    assert!(lines(&house) <= before);
}

#[test]
fn a_changed_config_is_taken_over_and_a_bad_one_is_not() {
    let web = Web::start();
    let mut house = House::watching(&web);
    house.start();
    until("a well shop", || (house.state_of("shop") == "operational").then_some(()));
    let title = |house: &House| {
        house.json(&["status"])["services"][0]["title"].as_str().unwrap_or_default().to_owned()
    };

    let text = config(&web, "Web shop");
    house.write_config(&text);
    until("the new title", || (title(&house) == "Web shop").then_some(()));
    // `listen` with port 0 is what the file says before and after: nothing that needs a restart has changed.
    house.write_config(&text.replace("[person.ana]", "[persn.ana]"));
    let trouble = until("a word about it", || {
        let (_, now) = house.get("/api/v1/now");
        now["self"].as_array()?.first()?.as_str().map(str::to_owned)
    });
    assert!(trouble.contains("the old one stays in force"), "{trouble}");
    house.write_config(&text);
    assert_eq!(title(&house), "Web shop");
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let web = Web::start();
    let mut house = House::watching(&web);
    house.start();
    let second = house.command(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let why = String::from_utf8_lossy(&second.stderr).to_string();
    assert!(why.contains("journal"), "{why}");
    assert!(!house.json(&["status"]).is_null(), "the first one goes on");
}
