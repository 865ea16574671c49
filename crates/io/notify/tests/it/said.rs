//! What arrives at the provider.

use crate::provider::Provider;
use crate::{key, noon, page, secret};
use axum::http::Method;
use axum::response::IntoResponse as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::time::Duration;
use types::notification::{Delivered, Notification, Urgency};

#[tokio::test]
async fn ntfy_gets_json_at_its_root_with_our_token() {
    let provider = Provider::answering(|_| r#"{"id":"sPs71M8A2T"}"#.into_response()).await;
    let outcome = provider.notifier(Some(secret())).carry(&page("ntfy")).await;
    assert_eq!(outcome.key, page("ntfy").key);
    assert_eq!(outcome.result, Ok(Delivered { receipt: Some("sPs71M8A2T".to_owned()) }));

    let asked = provider.once();
    assert_eq!((asked.method.clone(), asked.path.as_str()), (Method::POST, "/"));
    assert_eq!(asked.header("authorization"), Some("Bearer courier"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.header("idempotency-key"), Some("page-3/0/0/ana/ntfy/1"));
    let json = asked.json();
    assert_eq!(json["topic"], "ana");
    assert_eq!(json["title"], "Sign-in: acme.app abgelaufen 🔔");
    assert_eq!(json["priority"], 5);
    assert_eq!(json["actions"][0]["label"], "Acknowledge");
}

#[tokio::test]
async fn the_link_acknowledges_this_incident_for_this_person_for_a_day() {
    let provider = Provider::with_status(200).await;
    let notifier = provider.notifier(None);
    notifier.carry(&page("ntfy")).await;
    notifier.carry(&Notification { person: None, ..page("hook") }).await;
    let [first, second] = provider.asked().try_into().unwrap();
    let day = Duration::from_secs(24 * 3600);
    for (link, wanted) in [
        (&first.json()["actions"][0]["url"], "7|ana"),
        (&first.json()["click"], "7|ana"),
        (&second.json()["acknowledge_url"], "7|last-resort"),
    ] {
        let token = link.as_str().unwrap().strip_prefix("https://status.acme.net/ack/").unwrap();
        let just_before = types::time::later(noon(), day - Duration::from_secs(1));
        assert_eq!(key().open("ack", token, just_before).as_deref(), Ok(wanted));
        assert!(key().open("ack", token, types::time::later(noon(), day)).is_err());
        assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{token}");
    }
}

#[tokio::test]
async fn nothing_to_acknowledge_no_link() {
    let provider = Provider::with_status(200).await;
    let notifier = provider.notifier(None);
    notifier.carry(&Notification { urgency: Urgency::Notice, ..page("hook") }).await;
    notifier.carry(&Notification { incident: None, page: None, ..page("hook") }).await;
    notifier.carry(&Notification { urgency: Urgency::Notice, ..page("ntfy") }).await;
    let asked = provider.asked();
    assert!(asked.iter().all(|asked| !String::from_utf8_lossy(&asked.body).contains("/ack/")));
    assert_eq!(asked[0].json()["acknowledge_url"], serde_json::Value::Null);
    assert_eq!(asked[0].json()["urgency"], "notice");
    assert_eq!(asked[2].json()["priority"], 3);
    assert_eq!(asked[2].header("authorization"), None);
}

#[tokio::test]
async fn a_webhook_is_signed_so_that_its_receiver_can_check_it() {
    let provider = Provider::with_status(204).await;
    let outcome = provider.notifier(Some(secret())).carry(&page("hook")).await;
    assert_eq!(outcome.result, Ok(Delivered { receipt: None }));
    let asked = provider.once();
    assert_eq!(asked.path, "/hooks/s3cr3t?x=y");
    assert_eq!(asked.header("authorization"), None, "the secret signs and does not travel");
    assert_eq!(asked.header("idempotency-key"), Some("page-3/0/0/ana/hook/1"));
    let json = asked.json();
    assert_eq!((&json["page"], &json["incident"], &json["person"]), (&3.into(), &7.into(), &"ana".into()));

    // As a receiver would do it.
    let (secs, hex) =
        asked.header("mainstay-signature").unwrap().strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!(secs, noon().as_second().to_string());
    let tag: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"notifier").unwrap();
    mac.update(secs.as_bytes());
    mac.update(b".");
    mac.update(&asked.body);
    mac.verify_slice(&tag).unwrap();
}

#[tokio::test]
async fn a_long_message_is_cut_for_ntfy_and_left_whole_for_a_webhook() {
    let provider = Provider::with_status(200).await;
    let notifier = provider.notifier(None);
    let body = "Grüße \"🔔\" \n".repeat(2_000);
    for channel in ["ntfy", "hook"] {
        notifier.carry(&Notification { body: body.clone(), ..page(channel) }).await.result.unwrap();
    }
    let [cut, whole] = provider.asked().try_into().unwrap();
    assert!(cut.body.len() <= 4096 && cut.body.len() > 4000, "{}", cut.body.len());
    let json = cut.json();
    let message = json["message"].as_str().unwrap();
    assert!(body.starts_with(message.strip_suffix('…').unwrap()));
    assert_eq!(whole.json()["body"], body);
}
