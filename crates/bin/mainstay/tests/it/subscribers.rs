//! Subscribers of the status page, with a real SMTP server.

use crate::instance::{Instance, SITE, Web, until};
use crate::relay::{Received, Relay};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::process::Output;
use std::time::Instant;

/// Number of subscribers of the large test, if it is to have more than usual.
const COUNT: &str = "MAINSTAY_TEST_SUBSCRIBERS";
/// Messages that are on their way at any moment, at most.
const CONCURRENCY: usize = 4;

fn config(shop: &Web, api: &Web, relay: SocketAddr) -> String {
    format!(
        r#"{SITE}
[service.shop]
title = "Shop"
[service.api]
title = "API"

[probe.shop]
http = "http://{}/"
interval = "1s"
failure_threshold = 2
service = "shop"

[probe.api]
http = "http://{}/"
interval = "1s"
service = "api"

[status_page]
publish = "manual"
subscribers = {{ mail = "mail", per_minute = 1000000 }}

[channel.mail]
smtp = "smtp://{relay}"
from = "Test status <status@acme.net>"
"#,
        shop.address, api.address
    )
}

fn succeed(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An instance with an open incident of the shop, about which nothing is published.
fn failing(shop: &Web, api: &Web, relay: &Relay) -> Instance {
    let mut instance = Instance::with(&config(shop, api, relay.address));
    instance.start();
    until("operational services", || {
        let ready = |service| instance.state_of(service) == "operational";
        (ready("shop") && ready("api")).then_some(())
    });
    shop.answers(503);
    until("an incident", || (!instance.json(&["status"])["open"].as_array()?.is_empty()).then_some(()));
    instance
}

fn publish(instance: &Instance, status: &str, text: &str) {
    succeed(&instance.command(&["incident", "update", "1", "--status", status, "--by", "ana", text]));
}

fn import(instance: &Instance, count: usize) {
    let file = instance.folder.path().join("subscribers.csv");
    let lines: String = (0..count).map(|n| format!("s{n}@example.com\n")).collect();
    fs::write(&file, format!("address,components\n{lines}")).unwrap();
    let done = instance.json(&["subscriber", "import", file.to_str().unwrap(), "--by", "ana"]);
    assert_eq!(done, json!({ "new": count, "known": 0 }));
}

fn metric(instance: &Instance, name: &str) -> u64 {
    let text = instance.text("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().parse::<f64>().map_or(0, |value| value as u64)
}

/// The path of a link in a mail.
fn path(link: &str) -> String {
    let link = link.trim_matches(['<', '>']);
    link.split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()))
        .unwrap_or_default()
}

fn form(instance: &Instance, path: &str, body: &str) -> String {
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded");
    instance.exchange(
        &request
            .replace(" HTTP/1.1\r\nhost: x\r\n", " HTTP/1.1\r\nhost: y\r\nx-forwarded-for: 192.0.2.7\r\n"),
        "",
        body,
    )
}

/// The link after this text in a mail, put together from the lines of quoted-printable.
fn link_after(mail: &Received, text: &str) -> String {
    let whole = mail.text.replace("=\n", "").replace("=3D", "=");
    let rest = whole.split_once(text).map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    rest.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn every_subscriber_gets_every_update_once_although_the_process_is_killed() {
    let count = std::env::var(COUNT).ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let (shop, api, relay) = (Web::start(), Web::start(), Relay::start(true));
    let mut instance = failing(&shop, &api, &relay);
    import(&instance, count);
    let begun = Instant::now();
    publish(&instance, "investigating", "The shop is failing.");
    let (mut kills, mut peak) = (0, 0);
    for share in [count / 5, count / 2, count * 4 / 5] {
        until("a part of the mails", || (relay.count() >= share).then_some(()));
        peak = peak.max(instance.memory_peak_kib());
        instance.kill();
        kills += 1;
        instance.start();
    }
    // What was on its way at a kill is not sent again: it has arrived, except where the kill came before the last byte.
    until("the last mails", || {
        let done = metric(&instance, "mainstay_subscriber_messages{progress=\"due\"}") == 0
            && metric(&instance, "mainstay_subscriber_messages{progress=\"sent\"}") > 0
            && relay.count() + kills * CONCURRENCY >= count;
        done.then_some(())
    });
    let seconds = begun.elapsed().as_secs_f64();
    peak = peak.max(instance.memory_peak_kib());
    let mut mailboxes: BTreeMap<String, usize> = BTreeMap::new();
    for mail in relay.received() {
        *mailboxes.entry(mail.to).or_default() += 1;
    }
    let twice: Vec<_> = mailboxes.iter().filter(|(_, mails)| **mails > 1).collect();
    let uncertain = instance.log().matches("they are not sent again").count();
    println!(
        "{count} subscribers, {kills} kills: {} mailboxes, {} twice, {} lost, {uncertain} times uncertain, \
         {seconds:.1} s, {:.0} mails/s, peak memory {peak} KiB",
        mailboxes.len(),
        twice.len(),
        count - mailboxes.len(),
        count as f64 / seconds
    );
    assert!(twice.is_empty(), "{twice:?}");
    assert!(mailboxes.len() + kills * CONCURRENCY >= count, "{} of {count}", mailboxes.len());
}

#[test]
fn subscriber_confirms_gets_updates_of_its_components_and_unsubscribes_by_one_click() {
    let (shop, api, relay) = (Web::start(), Web::start(), Relay::start(false));
    let instance = failing(&shop, &api, &relay);
    let page = instance.text("/subscribe");
    assert!(page.contains("name=\"component\" value=\"api\""), "{page}");
    let answers: BTreeSet<String> = ["ana@example.com", "ben@example.com", "ana@example.com"]
        .map(|to| {
            let component = if to.starts_with("ana") { "shop" } else { "api" };
            let body = format!("address={}&component={component}", to.replace('@', "%40"));
            form(&instance, "/subscribe", &body).split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
        })
        .into();
    assert_eq!(answers.len(), 1, "the answer tells nothing: {answers:?}");
    let wrong = form(&instance, "/subscribe", "address=ana%40example.com%0d%0aBcc:x%40y.com");
    assert!(wrong.starts_with("HTTP/1.1 422"), "{wrong}");

    let mails = until("two confirmation mails", || Some(relay.received()).filter(|mails| mails.len() == 2));
    for mail in &mails {
        assert_eq!(mail.header("Subject"), "Confirm your subscription to Test status");
        let link = path(&link_after(mail, "at this address:"));
        assert!(link.starts_with("/subscriptions/confirm/"), "{}", mail.text);
        let shown = instance.text(&link);
        assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
        assert_eq!(states(&instance, &mail.to), ["pending"], "a GET confirms nothing");
        let done = form(&instance, &link, "");
        assert!(done.contains("subscribed"), "{done}");
        assert_eq!(states(&instance, &mail.to), ["confirmed"]);
    }

    publish(&instance, "investigating", "The shop is failing.");
    let mails = until("the update", || Some(relay.received()).filter(|mails| mails.len() == 3));
    let update = mails.iter().find(|mail| mail.header("Subject").starts_with("Investigating: ")).unwrap();
    assert_eq!(update.to, "ana@example.com", "the API is not affected");
    let link = path(&update.header("List-Unsubscribe"));
    for (request, status) in [("GET", "200"), ("HEAD", "200")] {
        let answer = instance.exchange(&format!("{request} {link}"), "", "");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    assert!(form(&instance, &link, "x=1").starts_with("HTTP/1.1 422"));
    assert_eq!(states(&instance, "ana@example.com"), ["confirmed"], "only the POST of RFC 8058 ends it");
    for _ in 0..2 {
        let answer = form(&instance, &link, "List-Unsubscribe=One-Click");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(states(&instance, "ana@example.com").is_empty());
    for file in fs::read_dir(instance.data()).unwrap() {
        let file = file.unwrap().path();
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(15).any(|part| part == b"ana@example.com"), "{}", file.display());
    }
    publish(&instance, "resolved", "The shop works again.");
    until("the record of the update", || instance.log().contains("update=update-2").then_some(()));
    assert_eq!(relay.count(), 3, "no one is left to get it");
}

fn states(instance: &Instance, address: &str) -> Vec<String> {
    let all = instance.json(&["subscriber", "list"]);
    let all = all["subscribers"].as_array().cloned().unwrap_or_default();
    let found = all.into_iter().filter(|it| it["address"] == address);
    found.map(|it| it["state"].as_str().unwrap_or_default().to_owned()).collect()
}
