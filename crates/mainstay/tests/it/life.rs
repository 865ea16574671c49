//! A whole small life: well, broken, in hand, killed, still in hand, well again, over.

use crate::house::{House, Web, plan, until};
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
fn a_changed_plan_is_taken_over_and_a_bad_one_is_not() {
    let web = Web::start();
    let mut house = House::watching(&web);
    house.start();
    until("a well shop", || (house.state_of("shop") == "operational").then_some(()));
    let title = |house: &House| {
        house.json(&["status"])["services"][0]["title"].as_str().unwrap_or_default().to_owned()
    };

    let text = plan(&web, "Web shop");
    house.write_plan(&text);
    until("the new title", || (title(&house) == "Web shop").then_some(()));
    // `listen` with port 0 is what the file says before and after: nothing that needs a restart has changed.
    house.write_plan(&text.replace("[person.ana]", "[persn.ana]"));
    let trouble = until("a word about it", || {
        let now = {
            let address = std::fs::read_to_string(house.folder.path().join("data/address")).unwrap();
            let token = std::fs::read_to_string(house.folder.path().join("data/api-token")).unwrap();
            get(&address, "/api/v1/now", token.trim())
        };
        now["house"].as_array()?.first()?.as_str().map(str::to_owned)
    });
    assert!(trouble.contains("the old one stays in force"), "{trouble}");
    house.write_plan(&text);
    assert_eq!(title(&house), "Web shop");
}

/// The command line would refuse to read the bad plan, so this asks by itself.
fn get(address: &str, path: &str, token: &str) -> Value {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let from = body.find('{').unwrap_or(0);
    let to = body.rfind('}').map_or(body.len(), |at| at + 1);
    serde_json::from_str(&body[from..to]).unwrap_or(Value::Null)
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
