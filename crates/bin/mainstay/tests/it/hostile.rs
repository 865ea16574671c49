//! mainstay with hostile servers. Each causes the right alert; none costs much memory or time, and none affects healthy
//! services.
//!
//! | module | holds |
//! |---|---|
//! | `attacker` | hostile servers over TCP |
//! | `dns_tree` | name servers, hostile and honest |

mod attacker;
mod dns_tree;

use crate::instance::{Instance, SITE, Web, until};
use attacker::{Attacker, Visit, hello, long, message, record};
use dns_tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use types::Alert;

/// More than a debug build takes by itself, less than any flood would need.
const MEMORY_MAX_KIB: u64 = 150 * 1_024;
/// Connections to each attacker before the cost is measured.
const VISITS: usize = 4;

/// Behavior of a web server, and the alert that it must cause.
struct Harm {
    name: &'static str,
    attacker: Attacker,
    /// What comes before the address, and after it.
    url: (&'static str, &'static str),
    expect: &'static str,
    word: &'static str,
}

const WANTED: &str = "expect = { body_contains = \"all is well\" }";

fn harm(
    name: &'static str,
    word: &'static str,
    act: impl Fn(&mut Visit) -> std::io::Result<()> + Send + Sync + 'static,
) -> Harm {
    Harm { name, attacker: Attacker::start(act), url: ("http = \"http://", "/0\""), expect: "", word }
}

/// The same, once the request has been read.
fn answer(
    name: &'static str,
    word: &'static str,
    act: impl Fn(&mut Visit) -> std::io::Result<()> + Send + Sync + 'static,
) -> Harm {
    harm(name, word, move |visit| visit.request().and_then(|_| act(visit)))
}

fn web() -> Vec<Harm> {
    [bodies(), heads(), redirects(), garbage(), handshakes()].into_iter().flatten().collect()
}

/// Bodies without an end, and one without the expected text.
fn bodies() -> Vec<Harm> {
    let endless_body = Harm {
        expect: WANTED,
        ..answer("endless-body", "text-not-reached", |visit| {
            visit.say("HTTP/1.1 200 OK\r\n\r\n")?;
            visit.without_end([b'x'; 65_536])
        })
    };
    let a_terabyte = Harm {
        expect: WANTED,
        ..answer("a-terabyte", "text-not-reached", |visit| {
            visit.say("HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n")?;
            visit.without_end([b'x'; 65_536])
        })
    };
    let too_short = Harm {
        expect: WANTED,
        ..answer("too-short", "body-lacks", |visit| {
            visit.say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nall is well")
        })
    };
    vec![
        endless_body,
        a_terabyte,
        too_short,
        answer("endless-packing", "garbage", |visit| {
            visit.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let padded = format!("1;{}\r\nx\r\n", "x".repeat(4_000));
            visit.without_end(padded.repeat(16))
        }),
    ]
}

/// Heads without an end, and responses that take too long.
fn heads() -> Vec<Harm> {
    vec![
        answer("endless-headers", "too-large", |visit| {
            visit.say("HTTP/1.1 200 OK\r\n")?;
            visit.without_end("x-more: and more\r\n".repeat(1_000))
        }),
        answer("endless-header", "too-large", |visit| {
            visit.say("HTTP/1.1 200 OK\r\nx-more: ")?;
            visit.without_end([b'x'; 65_536])
        }),
        answer("endless-hints", "too-large", |visit| {
            visit.without_end("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000))
        }),
        answer("slow-headers", "timed-out", |visit| {
            visit.say("HTTP/1.1 200 OK\r\nx-slow: ")?;
            visit.drip("x")
        }),
        answer("slow-body", "timed-out", |visit| {
            visit.say("HTTP/1.1 200 OK\r\n\r\n")?;
            visit.drip("x")
        }),
        answer("mute", "timed-out", Visit::silence),
    ]
}

/// Redirects that lead nowhere, in a circle, or where no probe may go.
fn redirects() -> Vec<Harm> {
    vec![
        harm("hundred-redirects", "too-many-redirects", |visit| {
            let step: u32 = visit.request()?.trim_start_matches('/').parse().unwrap_or(0);
            visit.redirect(&format!("/{}", (step + 1).min(100)))
        }),
        harm("circle", "redirect-loop", |visit| match visit.request()?.as_str() {
            "/0" => visit.redirect("/1"),
            "/1" => visit.redirect("/2"),
            _ => visit.redirect("/0"),
        }),
        answer("to-private-address", "private-address", |visit| visit.redirect("http://10.255.255.1/")),
        answer("to-inner-name", "private-address", |visit| {
            visit.redirect("http://trap.test/latest/meta-data/")
        }),
        answer("to-a-file", "bad-redirect", |visit| visit.redirect("file:///etc/passwd")),
    ]
}

/// Responses that are cut off or not HTTP.
fn garbage() -> Vec<Harm> {
    vec![
        answer("truncated", "truncated", |visit| {
            visit.say("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nall is")
        }),
        answer("two-lengths", "garbage", |visit| {
            visit.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nwell")
        }),
        answer("zero-in-head", "garbage", |visit| {
            visit.say("HTTP/1.1 200 OK\r\nx: \0\r\ncontent-length: 4\r\n\r\nwell")
        }),
        answer("noise", "garbage", |visit| visit.without_end([0xc3; 4_096])),
        harm("ssh", "garbage", |visit| {
            visit.say("SSH-2.0-OpenSSH_9.9\r\n")?;
            visit.silence()
        }),
    ]
}

/// Handshakes of TLS that are too large, too slow, or none.
fn handshakes() -> Vec<Harm> {
    vec![
        Harm { url: ("http = \"https://", "/\""), ..tls("tls-huge-asked-for-a-page", "too-large", huge) },
        tls("tls-huge", "too-large", huge),
        tls("tls-slow", "timed-out", |visit| {
            visit.say(hello())?;
            visit.say(record(22, &message(11, 60_000, &[long(59_997), long(59_994)].concat())))?;
            visit.drip(record(22, b"x"))
        }),
        tls("tls-warnings", "tls-handshake", |visit| visit.without_end(record(21, &[1, 90]).repeat(100))),
        tls("tls-hollow", "garbage", |visit| visit.without_end(record(22, b"").repeat(1_000))),
        tls("tls-none", "garbage", |visit| visit.say("HTTP/1.1 400 Bad Request\r\n\r\n")),
        tls("tls-mute", "timed-out", Visit::silence),
    ]
}

fn tls(
    name: &'static str,
    word: &'static str,
    act: impl Fn(&mut Visit) -> std::io::Result<()> + Send + Sync + 'static,
) -> Harm {
    let act = move |visit: &mut Visit| visit.anything().and_then(|()| act(visit));
    Harm { url: ("tls = \"", "\""), ..harm(name, word, act) }
}

/// Ten megabytes of certificates in one message.
fn huge(visit: &mut Visit) -> std::io::Result<()> {
    const SIZE: usize = 10_000_000;
    let certificate = 16_000;
    visit.say(hello())?;
    let mut said = message(11, SIZE, &long(SIZE - 3));
    while said.len() < SIZE {
        said.extend(long(certificate));
        said.extend(vec![0x30; certificate]);
    }
    said.chunks(16_384).try_for_each(|part| visit.say(record(22, part)))
}

/// Registries, by the top-level domain that they keep. None of them knows of an expiry.
fn registries() -> BTreeMap<&'static str, Attacker> {
    const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/rdap+json\r\nconnection: close\r\n";
    let page = |body: String| {
        move |visit: &mut Visit| {
            visit.request()?;
            visit.say(format!("{JSON}content-length: {}\r\n\r\n{body}", body.len()))
        }
    };
    let flood = |visit: &mut Visit| {
        visit.request()?;
        visit.say(format!("{JSON}transfer-encoding: chunked\r\n\r\n"))?;
        let spaces = " ".repeat(0x1_0000);
        visit.without_end(format!("10000\r\n{spaces}\r\n"))
    };
    let html = "<!doctype html><title>Sign in</title><p>Your domain has expired. expirationDate: 2001-01-01";
    BTreeMap::from([
        ("flood", Attacker::start(flood)),
        ("html", Attacker::start(page(html.to_owned()))),
        ("deep", Attacker::start(page("[".repeat(200_000)))),
        ("empty", Attacker::start(page("{}".to_owned()))),
        (
            "gone",
            Attacker::start(|visit| {
                visit.request()?;
                visit.say("HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n<h1>Not Found</h1>")
            }),
        ),
        (
            "slow",
            Attacker::start(|visit| {
                visit.request()?;
                visit.say(format!("{JSON}\r\n"))?;
                visit.drip(" ")
            }),
        ),
        (
            "circle",
            Attacker::start(|visit| {
                let target = visit.request()?;
                visit.redirect(&target)
            }),
        ),
        // Tells the truth once, and then goes mad.
        (
            "turned",
            Attacker::start(move |visit| {
                if visit.number > 1 {
                    return flood(visit);
                }
                page(
                    r#"{"objectClassName":"domain","ldhName":"acme.turned","status":["active"],
                "events":[{"eventAction":"expiration","eventDate":"2199-01-01T00:00:00Z"}]}"#
                        .to_owned(),
                )(visit)
            }),
        ),
    ])
}

fn config(front: &Web, web: &[Harm], registries: &BTreeMap<&str, Attacker>, tree: &Tree) -> String {
    let mut text = format!(
        r#"{SITE}
[dns]
resolvers = ["{resolver}"]
roots = {roots:?}
port = {port}

[probe_defaults]
timeout = "3s"
failure_threshold = 2

[service.shop]
title = "Shop"

[probe.front]
http = "http://{front}/"
interval = "1s"
timeout = "10s"
service = "shop"

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "http://127.0.0.1:9/"

[probe.dns-well]
dns = "well.test"
interval = "1s"
timeout = "20s"
"#,
        resolver = tree.resolver(),
        roots = tree.roots().map(|root| root.to_string()),
        port = tree.port,
        front = front.address,
    );
    for Harm { name, attacker, url: (before, after), expect, word } in web {
        // Only who is to be timed out is waited for briefly: the word of all others must not hang on a busy machine.
        let timeout = if *word == "timed-out" { 3 } else { 20 };
        let _ = writeln!(
            text,
            "[probe.{name}]\n{before}{}{after}\ninterval = \"1s\"\ntimeout = \"{timeout}s\"\n{expect}",
            attacker.address
        );
    }
    for zone in ZONES {
        let name = zone.replace('.', "-");
        let _ = writeln!(text, "[probe.dns-{name}]\ndns = \"{zone}\"\ninterval = \"1s\"\ntimeout = \"5s\"");
    }
    let bases =
        registries.iter().map(|(end, attacker)| format!("{end} = \"http://{}/rdap/\"", attacker.address));
    let _ = writeln!(text, "[registry]\nrdap = {{ {} }}", bases.collect::<Vec<_>>().join(", "));
    for end in registries.keys() {
        let timeout = if *end == "turned" { 20 } else { 3 };
        let _ = writeln!(
            text,
            "[probe.domain-{end}]\ndomain = \"acme.{end}\"\ninterval = \"2s\"\ntimeout = \"{timeout}s\""
        );
    }
    text
}

const ZONES: [&str; 4] = ["cut.test", "garbage.test", "mute.test", "stranger.test"];

#[test]
fn hostile_servers_are_reported_with_bounded_cost() {
    let (front, web, registries, tree) = (Web::start(), web(), registries(), Tree::start());
    let mut instance = Instance::with(&config(&front, &web, &registries, &tree));
    let began = Instant::now();
    instance.start();

    let zones = ZONES.map(|zone| (format!("dns-{}", zone.replace('.', "-")), "dns-no-server"));
    let wanted: BTreeSet<(String, String)> = web
        .iter()
        .map(|harm| (harm.name.to_owned(), harm.word.to_owned()))
        .chain(zones.map(|(probe, word)| (probe, word.to_owned())))
        .collect();
    let mut slowest = Duration::ZERO;
    let mut all_found = None;
    let mut seen = BTreeSet::new();
    until("every alert, several visits, and nothing else", || {
        let asked = Instant::now();
        let (status, _) = instance.get("/api/v1/health");
        slowest = slowest.max(asked.elapsed());
        assert_eq!(status, 200, "the event loop must run");
        let memory = instance.memory_peak_kib();
        assert!(memory < MEMORY_MAX_KIB, "{memory} KiB");
        seen = words(&alerts(&instance));
        if wanted.is_subset(&seen) {
            all_found.get_or_insert(began.elapsed());
        }
        let met = web
            .iter()
            .map(|harm| &harm.attacker)
            .chain(registries.values())
            .all(|attacker| attacker.visits() >= VISITS);
        let met = met && ZONES.iter().all(|zone| tree.asked(zone) >= VISITS);
        if began.elapsed() > Duration::from_secs(50) {
            let late: Vec<_> =
                web.iter().filter(|harm| harm.attacker.visits() < VISITS).map(|harm| harm.name).collect();
            let missing: Vec<_> = wanted.difference(&seen).collect();
            let wrong: Vec<_> = seen.difference(&wanted).collect();
            panic!("missing {missing:?}, instead {wrong:?}, seldom met {late:?}");
        }
        (all_found.is_some() && met).then_some(())
    });
    println!(
        "{} attackers: all alerts after {:.1} s, {VISITS} visits each after {:.1} s; peak memory {} KiB; slowest health {} ms",
        web.len() + registries.len() + ZONES.len(),
        all_found.unwrap_or_default().as_secs_f32(),
        began.elapsed().as_secs_f32(),
        instance.memory_peak_kib(),
        slowest.as_millis()
    );

    // There are no other alerts: none for healthy services, none for registrations.
    assert_eq!(seen, wanted);
    assert_eq!(instance.state_of("shop"), "operational");
    check_status(&instance);
    check_evidence_of_dns(&instance);

    assert_eq!(instance.terminate(), Some(0));
    let journal = instance.journal();
    for word in ["expired", "not_registered", "stale"] {
        assert!(!journal.contains(&format!("\"domain\":\"{word}\"")), "{word}");
    }
    assert!(instance.command(&["journal", "verify"]).status.success());
}

/// Nothing is isolated, and only the registry that answers has a date of expiry.
fn check_status(instance: &Instance) {
    let now = instance.json(&["status"]);
    assert!(now["isolated"].is_null(), "{}", now["isolated"]);
    for row in now["domains"].as_array().unwrap() {
        let turned = row["domain"] == "acme.turned";
        let expires = row["expires"].as_str().unwrap_or("unknown");
        assert_eq!(expires, if turned { "2199-01-01T00:00:00Z" } else { "unknown" }, "{row}");
    }
}

/// The evidence says how each server of names misbehaves.
fn check_evidence_of_dns(instance: &Instance) {
    for alert in alerts(instance).iter().filter(|alert| alert.about.kind == types::Kind::Dns) {
        let word = match alert.about.name.as_str() {
            "cut.test" => "over TCP",
            "mute.test" => "does not answer",
            _ => "malformed answers",
        };
        assert!(alert.evidence.contains(word), "{}: {}", alert.about, alert.evidence);
    }
}

fn alerts(instance: &Instance) -> Vec<Alert> {
    let (_, mut now) = instance.get("/api/v1/now");
    serde_json::from_value(now["alerts"].take()).unwrap_or_default()
}

fn words(alerts: &[Alert]) -> BTreeSet<(String, String)> {
    alerts.iter().map(|alert| (alert.probe.0.clone(), alert.fault.as_str().to_owned())).collect()
}
