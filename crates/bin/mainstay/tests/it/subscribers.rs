//! Subscribers of the status page, with a real SMTP server.

use crate::instance::{Instance, PATIENCE, SITE, Web, until};
use crate::relay::{Received, Relay};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;
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

/// Sends a form as a client behind a proxy on this machine.
fn form(instance: &Instance, path: &str, body: &str) -> String {
    let mut stream =
        TcpStream::connect(fs::read_to_string(instance.data().join("address")).unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.7\r\ncontent-length: {length}\r\n\
         content-type: application/x-www-form-urlencoded\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
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
    let before = instance.memory_peak_kib();
    let begun = Instant::now();
    publish(&instance, "investigating", "The shop is failing.");
    let all = 2 * count;
    let (mut kills, mut peak) = (0, 0);
    for share in [all / 5, all / 2, all * 4 / 5] {
        until("a part of the mails", || (relay.count() >= share).then_some(()));
        peak = peak.max(instance.memory_peak_kib());
        instance.kill();
        kills += 1;
        instance.start();
        if kills == 1 {
            publish(&instance, "monitoring", "The shop is recovering.");
        }
    }
    // What was on its way at a kill is in doubt, and not sent again.
    until("the last mails", || {
        let done = metric(&instance, "mainstay_subscriber_messages{progress=\"due\"}") == 0
            && metric(&instance, "mainstay_subscriber_messages{progress=\"sent\"}") > 0
            && relay.count() + kills * CONCURRENCY >= all;
        done.then_some(())
    });
    let seconds = begun.elapsed().as_secs_f64();
    peak = peak.max(instance.memory_peak_kib());
    let mut mails: BTreeMap<String, usize> = BTreeMap::new();
    for mail in relay.received() {
        assert!(mail.to.starts_with('s') && mail.id().starts_with("update-"), "{}", mail.text);
        *mails.entry(format!("{} {}", mail.to, mail.id())).or_default() += 1;
    }
    let twice: Vec<_> = mails.iter().filter(|(_, mails)| **mails > 1).collect();
    let progress =
        |name: &str| metric(&instance, &format!("mainstay_subscriber_messages{{progress=\"{name}\"}}"));
    let in_doubt = progress("in_doubt") + progress("included");
    println!(
        "{count} subscribers, 2 updates, {kills} kills: {} mails, {} twice, {} lost, {in_doubt} in doubt, {} dropped by the \
         server when its client vanished, {seconds:.1} s, \
         {:.0} mails/s, peak memory {peak} KiB, {before} KiB before the first",
        mails.len(),
        twice.len(),
        all - mails.len(),
        relay.dropped(),
        all as f64 / seconds
    );
    assert!(twice.is_empty(), "{twice:?}");
    assert!(mails.len() + kills * CONCURRENCY >= all, "{} of {all}", mails.len());
    assert!(
        u64::try_from(all - mails.len()).unwrap() <= in_doubt,
        "everything that was lost is known to be in doubt"
    );
    every_word_arrives_with_the_next_update(&instance, &relay, count);
    until("no mail in doubt", || {
        (progress("in_doubt") == 0 && progress("included") == in_doubt).then_some(())
    });
    let listed = instance.json(&["subscriber", "list"]);
    assert_eq!(listed["messages"]["included"].as_u64().unwrap_or(0), in_doubt);
}

/// Publishes one more update, and reads all mails: the words of the two before are there, for every subscriber.
fn every_word_arrives_with_the_next_update(instance: &Instance, relay: &Relay, count: usize) {
    let before = relay.count();
    publish(instance, "resolved", "The shop works again.");
    for tenth in 1..=10 {
        until("the last update", || (relay.count() >= before + count * tenth / 10).then_some(()));
    }
    let mut words: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for mail in relay.received() {
        let found = words.entry(mail.to.clone()).or_default();
        let texts = ["The shop is failing.", "The shop is recovering.", "The shop works again."];
        for (found, text) in found.iter_mut().zip(texts) {
            *found += usize::from(mail.text.contains(text));
        }
    }
    assert_eq!(words.len(), count);
    let missing: Vec<_> = words.iter().filter(|(_, found)| found.contains(&0)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let repeated: usize = words.values().flatten().filter(|times| **times > 1).count();
    println!("after the next update: no word missing, {repeated} of {} words repeated in it", 2 * count);
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

    let mails = until("two confirmation mails", || Some(relay.delivered()).filter(|mails| mails.len() == 2));
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
    let mails = until("the update", || Some(relay.delivered()).filter(|mails| mails.len() == 3));
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

#[test]
fn flood_of_requests_sends_few_mails_and_gets_the_same_answer() {
    let (shop, api, relay) = (Web::start(), Web::start(), Relay::start(true));
    let mut instance = Instance::with(&config(&shop, &api, relay.address));
    instance.start();
    until("the form", || {
        form(&instance, "/subscribe", "address=x").starts_with("HTTP/1.1 422").then_some(())
    });
    let answers: BTreeSet<String> = (0..30)
        .map(|n| {
            let answer = form(&instance, "/subscribe", &format!("address=s{n}%40example.com"));
            answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
        })
        .collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    until("the mails within the limit of a subnet", || (relay.count() >= 20).then_some(()));
    let pending = instance.json(&["subscriber", "list"]);
    assert_eq!(pending["subscribers"].as_array().unwrap().len(), 20);
    assert_eq!(relay.count(), 20);
}

/// A web server that takes every POST; head and body of each.
fn taking() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::<Mutex<Vec<String>>>::default();
    let log = taken.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut text = String::new();
            let mut chunk = [0; 4_096];
            // The body of a card ends with this brace, and is the end of the request.
            while !(text.contains("\r\n\r\n") && text.ends_with('}')) {
                match stream.read(&mut chunk) {
                    Ok(read) if read > 0 => text.push_str(&String::from_utf8_lossy(&chunk[..read])),
                    _ => break,
                }
            }
            log.lock().unwrap().push(text);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    (address, taken)
}

#[test]
fn team_adds_webhooks_and_chats_with_texts_of_its_own_and_is_paged_by_mail() {
    let (shop, api, relay) = (Web::start(), Web::start(), Relay::start(false));
    let (hooks, taken) = taking();
    let mut instance = Instance::with(&config(&shop, &api, relay.address));
    let templates = instance.folder.path().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("update.subject.txt"), "[Test] {{ titel }}").unwrap();
    let text =
        config(&shop, &api, relay.address).replace("per_minute", "templates = \"templates\", per_minute");
    instance.write_config(&format!("{text}\n[person.ana]\ncontacts = [\"mail:ana@acme.net\"]\n"));
    let check = instance.command(&["check"]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert!(!check.status.success() && said.contains("has the placeholder `titel`"), "{said}");
    fs::write(templates.join("update.subject.txt"), "[Test] {{ title }}").unwrap();
    instance.start();
    let mut test = instance.prepared(&["page", "test", "ana"]).spawn().unwrap();
    let page = until("the page", || relay.delivered().into_iter().find(|mail| mail.to == "ana@acme.net"));
    let link = path(&link_after(&page, "Acknowledge:"));
    assert!(link.starts_with("/ack/test/"), "{}", page.text);
    assert!(form(&instance, &link, "").starts_with("HTTP/1.1 200"));
    assert!(until("the end of the test page", || test.try_wait().unwrap()).success());

    let mut secret = String::new();
    for kind in ["webhook", "slack", "teams"] {
        let added =
            instance.json(&["subscriber", "add", kind, &format!("http://{hooks}/{kind}"), "--by", "ana"]);
        assert_eq!(added["new"], true, "{added}");
        secret = format!("{secret}{}", added["secret"].as_str().unwrap_or_default());
    }
    assert!(secret.len() > 40, "only the webhook has a key");
    let refused = instance.command(&["subscriber", "add", "slack", "http://hooks.example.com/x"]);
    assert_eq!(refused.status.code(), Some(1));
    let refused =
        instance.command(&["subscriber", "add", "mail", "ana@example.com", "--component", "nothing"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no public service has the name `nothing`"));
    succeed(&instance.command(&["subscriber", "add", "mail", "ben@example.com", "--component", "shop"]));
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    shop.answers(503);
    until("an incident", || (!instance.json(&["status"])["open"].as_array()?.is_empty()).then_some(()));
    publish(&instance, "identified", "A disk is full.");
    let posts = until("three posts", || Some(taken.lock().unwrap().clone()).filter(|posts| posts.len() == 3));
    for (kind, part) in [
        ("webhook", "\"body\":\"A disk is full.\""),
        ("slack", "\"text\":\"Identified: Shop is failing\""),
        ("teams", "application/vnd.microsoft.card.adaptive"),
    ] {
        let post = posts.iter().find(|post| post.starts_with(&format!("POST /{kind} "))).unwrap();
        assert!(post.contains(part), "{post}");
        assert_eq!(post.contains("mainstay-signature: t="), kind == "webhook", "{post}");
    }
    let mail = until("the mail", || relay.delivered().into_iter().find(|mail| mail.to == "ben@example.com"));
    assert_eq!(mail.header("Subject"), "[Test] Shop is failing");
    let removed = instance.command(&["subscriber", "remove", "1", "--by", "ana"]);
    succeed(&removed);
    assert_eq!(instance.json(&["subscriber", "list"])["subscribers"].as_array().unwrap().len(), 3);
}

fn states(instance: &Instance, address: &str) -> Vec<String> {
    let all = instance.json(&["subscriber", "list"]);
    let all = all["subscribers"].as_array().cloned().unwrap_or_default();
    let found = all.into_iter().filter(|it| it["address"] == address);
    found.map(|it| it["state"].as_str().unwrap_or_default().to_owned()).collect()
}
