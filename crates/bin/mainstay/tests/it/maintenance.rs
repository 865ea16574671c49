//! Maintenance: a real process, two services, and what visitors, calendars and the team see of it.

use crate::instance::{self, Instance, Web, until};
use serde_json::{Value, json};

fn config(shop: &Web, blog: &Web) -> String {
    format!(
        r#"{}
[service.blog]
title = "Blog"

[probe.pages]
http = "http://{}/"
interval = "1s"
failure_threshold = 2
service = "blog"

[maintenance.weekly]
title = "Weekly upgrade"
services = ["blog"]
start = {}T03:00:00
duration = "30m"
repeat = "1 week"
"#,
        instance::config(shop, "Shop"),
        blog.address,
        tomorrow()
    )
}

/// A day on which no maintenance of the configuration has begun.
fn tomorrow() -> jiff::civil::Date {
    let now = types::Time::now().to_zoned_datetime(jiff::tz::TimeZone::UTC);
    now.date().tomorrow().unwrap()
}

/// Standard output and error, and the exit code.
fn said(instance: &Instance, args: &[&str]) -> (String, Option<i32>) {
    let output = instance.command(&[&["maintenance"], args].concat());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (format!("{}{error}", String::from_utf8_lossy(&output.stdout)), output.status.code())
}

fn row(instance: &Instance, title: &str) -> Option<Value> {
    let list = instance.json(&["maintenance", "list"]);
    list["maintenances"].as_array()?.iter().find(|row| row["title"] == title).cloned()
}

/// The events of a kind in the journal.
fn journalled(instance: &Instance, kind: &str) -> usize {
    instance.journal().matches(&format!("\"{kind}\"")).count()
}

/// The calendar with its folded lines joined.
fn calendar(instance: &Instance) -> String {
    instance.text("/maintenance.ics").replace("\r\n ", "")
}

fn open_incident(instance: &Instance, service: &str) -> Option<Value> {
    let status = instance.json(&["status"]);
    let affected = format!("service.{service}");
    let is_it = |open: &&Value| {
        let affects = &open["incident"]["diagnosis"]["affected"];
        affects.as_array().is_some_and(|all| all.iter().any(|it| *it == affected))
    };
    status["open"].as_array()?.iter().find(is_it).cloned()
}

/// The maintenance is on the status page, in its API, calendar and feed, each escaped as it has to be.
fn is_published(instance: &Instance, title: &str, id: &str) {
    let page = until("the status page", || {
        let page = instance.text("/");
        (page.contains("In progress") && page.contains("Under maintenance: Shop")).then_some(page)
    });
    assert!(page.contains("Upgrade; part 1, &#34;main&#34; &#60;b&#62;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("Weekly upgrade") && page.contains("/maintenance.ics"), "{page}");
    let active = instance.get("/api/v2/scheduled-maintenances/active.json").1;
    let active = &active["scheduled_maintenances"][0];
    assert_eq!((&active["name"], &active["status"]), (&json!(title), &json!("in_progress")), "{active}");
    let ics = calendar(instance);
    assert!(ics.contains("content-type: text/calendar"), "{ics}");
    assert!(ics.contains("SUMMARY:Upgrade\\; part 1\\, \"main\" <b>\r\n"), "{ics}");
    assert!(ics.contains(&format!("UID:maintenance-{id}@127.0.0.1\r\n")), "{ics}");
    assert!(ics.contains("SUMMARY:Weekly upgrade\r\n"), "{ics}");
    assert!(instance.text("/history.atom").contains("(In progress)"));
}

#[test]
fn maintenance_is_announced_and_holds_only_the_pages_that_it_explains() {
    let (shop, blog) = (Web::start(), Web::start());
    let mut instance = Instance::with(&config(&shop, &blog));
    instance.start();
    until("operational services", || {
        (instance.state_of("shop") == "operational" && instance.state_of("blog") == "operational")
            .then_some(())
    });

    let title = "Upgrade; part 1, \"main\" <b>";
    let add =
        ["add", title, "--service", "shop", "--for", "10m", "--by", "ana", "--text", "Orders may fail."];
    let (output, code) = said(&instance, &add);
    assert_eq!(code, Some(0), "{output}");
    let added = until("the maintenance", || row(&instance, title));
    assert_eq!((&added["state"], &added["services"]), (&json!("in_progress"), &json!(["shop"])), "{added}");
    let id = added["id"].to_string();
    assert!(output.contains(&format!("maintenance-{id}")), "{output}");
    until("the state of the service", || (instance.state_of("shop") == "under_maintenance").then_some(()));
    is_published(&instance, title, &id);

    // What it explains opens an incident that pages no one and that the public does not read of.
    shop.answers(500);
    let held =
        until("a held incident", || open_incident(&instance, "shop").filter(|it| !it["held"].is_null()));
    assert_eq!(held["held"]["maintenance"].to_string(), id, "{held}");
    // An unrelated fault pages.
    blog.answers(500);
    until("the page about the blog", || (journalled(&instance, "page_opened") == 1).then_some(()));
    let paged = until("its incident", || open_incident(&instance, "blog"));
    assert!(paged["held"].is_null(), "{paged}");
    assert_eq!(instance.state_of("shop"), "under_maintenance");

    // A crash forgets nothing.
    instance.kill();
    instance.start();
    until("the maintenance after a restart", || {
        row(&instance, title).filter(|row| row["state"] == "in_progress")
    });
    until("the failing shop after a restart", || {
        let now = instance.json(&["status"]);
        let rows = now["probes"].as_array()?.clone();
        rows.iter().any(|row| row["probe"] == "front").then_some(())
    });
    shop.answers(200);
    blog.answers(200);
    until("the end of both incidents", || (instance.json(&["status"])["open"] == json!([])).then_some(()));
    assert_eq!(journalled(&instance, "page_opened"), 1, "the shop paged no one");

    // Its end is moved, and a person ends it.
    let (output, code) = said(&instance, &["cancel", &id]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains(&format!("mainstay maintenance end {id}")), "{output}");
    let before = row(&instance, title).unwrap()["to"].clone();
    assert_eq!(said(&instance, &["extend", &id, "--for", "1h", "--by", "bo"]).1, Some(0));
    assert!(row(&instance, title).unwrap()["to"].as_str() > before.as_str());
    assert_eq!(said(&instance, &["end", &id, "--by", "bo"]).1, Some(0));
    assert_eq!(row(&instance, title).unwrap()["state"], "completed");
    let (output, code) = said(&instance, &["end", &id]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("already ended"), "{output}");
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
}

#[test]
fn scheduled_maintenance_can_be_cancelled_and_wrong_ones_are_refused() {
    let (shop, blog) = (Web::start(), Web::start());
    let mut instance = Instance::with(&config(&shop, &blog));
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    for (args, expected) in [
        (&["add", "X", "--service", "nothing", "--for", "1h"][..], "no service `nothing`"),
        (&["add", "X", "--resource", "database.main", "--for", "1h"], "no database.main"),
        (&["add", "X", "--service", "shop", "--for", "9d"], "1 minute to 7 days"),
        (&["add", " ", "--service", "shop", "--for", "1h"], "1 to 120 characters"),
        (&["add", "X", "--service", "shop", "--for", "1h", "--from", "2020-01-01"], "ends in the future"),
        (&["end", "77"], "there is no maintenance-77"),
    ] {
        let (output, code) = said(&instance, args);
        assert_eq!(code, Some(1), "{args:?}: {output}");
        assert!(output.contains(expected), "{args:?}: {output}");
    }
    assert_eq!(said(&instance, &["add", "X", "--for", "1h"]).1, Some(2), "nothing is named");

    let evening = format!("{}T22:00", tomorrow());
    let add = ["add", "Move of racks", "--service", "shop", "--from", &evening, "--for", "2h"];
    assert_eq!(said(&instance, &add).1, Some(0));
    let added = row(&instance, "Move of racks").unwrap();
    assert_eq!(added["state"], "scheduled");
    assert_eq!(instance.state_of("shop"), "operational");
    let upcoming = instance.get("/api/v2/scheduled-maintenances/upcoming.json").1;
    assert!(upcoming.to_string().contains("Move of racks"), "{upcoming}");
    let id = added["id"].to_string();
    assert_eq!(said(&instance, &["end", &id]).1, Some(1), "it has not started");
    assert_eq!(said(&instance, &["cancel", &id]).1, Some(0));
    let ics = calendar(&instance);
    let event = ics.split("BEGIN:VEVENT").find(|event| event.contains("Move of racks")).unwrap();
    assert!(event.contains("STATUS:CANCELLED"), "{event}");
    assert!(!instance.text("/").contains("Move of racks"));
    // Its section still schedules the weekly one, with the next number.
    let weekly = row(&instance, "Weekly upgrade").unwrap();
    assert_eq!((&weekly["section"], &weekly["state"]), (&json!("weekly"), &json!("scheduled")), "{weekly}");
}
