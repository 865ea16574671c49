//! What registry and registrar say of a name.

use super::small;
use serde_json::Value;
use std::io::{Read, Write};
use testbed::{ExpiredName, Standing};

/// A GET by hand: what any client would see.
fn get(url: &str) -> (u16, Value) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| if field.is_empty() { v } else { &v[field] }.as_str().unwrap().to_owned())
        .collect()
}

fn date(document: &Value, action: &str) -> Option<jiff::Timestamp> {
    let events = document["events"].as_array().unwrap();
    let event = events.iter().find(|event| event["eventAction"] == action)?;
    Some(event["eventDate"].as_str().unwrap().parse().unwrap())
}

async fn both(fixture: &ExpiredName) -> (Value, Value) {
    let url = format!("{}domain/acme.app", fixture.registry().base());
    tokio::task::spawn_blocking(move || {
        let (status, registry) = get(&url);
        assert_eq!(status, 200);
        let links = registry["links"].as_array().unwrap();
        let related = links.iter().find(|link| link["rel"] == "related").unwrap();
        let (status, registrar) = get(related["href"].as_str().unwrap());
        assert_eq!(status, 200);
        (registry, registrar)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn registration_expires_is_put_on_hold_and_is_renewed() {
    let (fixture, _folder) = small(|_| {}).await;
    let now = jiff::Timestamp::now();
    let (registry, registrar) = both(&fixture).await;
    assert_eq!(texts(&registry["status"], ""), ["client transfer prohibited"]);
    assert!(date(&registry, "expiration").unwrap() > now);
    assert!(date(&registrar, "registrar expiration").unwrap() > now);
    assert_eq!(texts(&registry["nameservers"], "ldhName"), ["ns1.dnshost.example", "ns2.dnshost.example"]);

    let fault = fixture.swap();
    let (registry, registrar) = both(&fixture).await;
    assert_eq!(texts(&registry["status"], ""), ["client transfer prohibited", "auto renew period"]);
    assert!(date(&registry, "expiration").unwrap() > now, "the registry's date lies a year ahead");
    assert!(date(&registrar, "registrar expiration").unwrap() <= fault, "the registrar's does not");
    assert_eq!(date(&registry, "registrar expiration"), None);
    let parking = ["ns1.expired-parking.example", "ns2.expired-parking.example"];
    assert_eq!(texts(&registry["nameservers"], "ldhName"), parking);

    fixture.hold();
    let (registry, _) = both(&fixture).await;
    assert!(texts(&registry["status"], "").contains(&"client hold".to_owned()));

    fixture.renew();
    assert_eq!(fixture.registry().standing("acme.app"), Some(Standing::Renewed));
    let (registry, registrar) = both(&fixture).await;
    assert!(!texts(&registry["status"], "").contains(&"auto renew period".to_owned()));
    assert!(date(&registrar, "registrar expiration").unwrap() > now);
    assert_eq!(texts(&registry["nameservers"], "ldhName"), ["ns1.dnshost.example", "ns2.dnshost.example"]);
}

#[tokio::test]
async fn unregistered_domain_is_not_found() {
    let (fixture, _folder) = small(|_| {}).await;
    let base = fixture.registry().base();
    let paths = ["domain/nobody.app", "domain/", "domain/acme.app/x", "help", ""];
    tokio::task::spawn_blocking(move || {
        for path in paths {
            let (status, document) = get(&format!("{base}{path}"));
            assert_eq!((status, &document["errorCode"]), (404, &Value::from(404)), "{path}");
        }
    })
    .await
    .unwrap();
}
