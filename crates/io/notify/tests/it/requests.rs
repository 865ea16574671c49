//! Requests that a provider receives.

use crate::fake_provider::FakeProvider;
use crate::{key, noon, page, secret};
use axum::http::Method;
use axum::response::IntoResponse as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use notify::AcknowledgeLink;
use sha2::Sha256;
use std::time::Duration;
use types::NotificationKey;
use types::notification::{Delivered, Notification, Urgency};

#[tokio::test]
async fn ntfy_message_is_json_with_bearer_token() {
    let provider = FakeProvider::answering(|_| r#"{"id":"sPs71M8A2T"}"#.into_response()).await;
    let delivery = provider.notifier(Some(secret())).send(&page("ntfy")).await;
    assert_eq!(delivery.key, page("ntfy").key);
    assert_eq!(delivery.result, Ok(Delivered { receipt: Some("sPs71M8A2T".to_owned()) }));

    let received = provider.only();
    assert_eq!((received.method.clone(), received.path.as_str()), (Method::POST, "/"));
    assert_eq!(received.header("authorization"), Some("Bearer mainstay-notify"));
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(received.header("idempotency-key"), Some("page-3/0/0/ana/ntfy/1"));
    let json = received.json();
    assert_eq!(json["topic"], "ana");
    assert_eq!(json["title"], "Sign-in: acme.app abgelaufen 🔔");
    assert_eq!(json["priority"], 5);
    assert_eq!(json["actions"][0]["label"], "Acknowledge");
}

#[tokio::test]
async fn link_acknowledges_incident_for_person_for_one_day() {
    let provider = FakeProvider::with_status(200).await;
    let notifier = provider.notifier(None);
    notifier.send(&page("ntfy")).await;
    notifier.send(&Notification { person: None, ..page("hook") }).await;
    let [first, second] = provider.received().try_into().unwrap();
    let day = Duration::from_secs(24 * 3600);
    let (ana, fallback) =
        (format!("7|ana|{}", page("ntfy").contact), format!("7|fallback|{}", page("hook").contact));
    for (link, expected) in [
        (&first.json()["actions"][0]["url"], ana.as_str()),
        (&first.json()["click"], ana.as_str()),
        (&second.json()["acknowledge_url"], fallback.as_str()),
    ] {
        let token = link.as_str().unwrap().strip_prefix("https://status.acme.net/ack/").unwrap();
        let just_before = types::time::later(noon(), day - Duration::from_secs(1));
        assert_eq!(key().verify("ack", token, just_before).as_deref(), Ok(expected));
        assert!(key().verify("ack", token, types::time::later(noon(), day)).is_err());
        assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{token}");
    }
}

#[tokio::test]
async fn notice_has_no_acknowledge_link_and_a_test_page_has_its_own() {
    let provider = FakeProvider::with_status(200).await;
    let notifier = provider.notifier(None);
    notifier.send(&Notification { urgency: Urgency::Notice, ..page("hook") }).await;
    let key_of_test = NotificationKey("test/ana/0/now".to_owned());
    notifier.send(&Notification { key: key_of_test, incident: None, page: None, ..page("hook") }).await;
    notifier.send(&Notification { urgency: Urgency::Notice, ..page("ntfy") }).await;
    // As the watchdog sends it.
    notifier.send(&Notification { incident: None, page: None, ..page("hook") }).await;
    let received = provider.received();
    let has_link = |at: usize| String::from_utf8_lossy(&received[at].body).contains("/ack/");
    assert!(!has_link(0) && !has_link(2) && !has_link(3), "nothing to answer");
    let test = received[1].json();
    let link = test["acknowledge_url"].as_str().unwrap();
    let token = link.strip_prefix("https://status.acme.net/ack/test/").unwrap();
    let text = key().verify("test-page", token, noon()).unwrap();
    assert!(text.ends_with(&format!("|ana|{}", page("hook").contact)), "{text}");
    assert!(key().verify("ack", token, noon()).is_err(), "it acknowledges no incident");
    assert_eq!(received[0].json()["acknowledge_url"], serde_json::Value::Null);
    assert_eq!(received[0].json()["urgency"], "notice");
    assert_eq!(received[2].json()["priority"], 3);
    assert_eq!(received[2].header("authorization"), None);
}

#[tokio::test]
async fn webhook_signature_can_be_verified() {
    let provider = FakeProvider::with_status(204).await;
    let delivery = provider.notifier(Some(secret())).send(&page("hook")).await;
    assert_eq!(delivery.result, Ok(Delivered { receipt: None }));
    let received = provider.only();
    assert_eq!(received.path, "/hooks/s3cr3t?x=y");
    assert_eq!(received.header("authorization"), None, "the secret signs and is not sent");
    assert_eq!(received.header("idempotency-key"), Some("page-3/0/0/ana/hook/1"));
    let json = received.json();
    assert_eq!((&json["page"], &json["incident"], &json["person"]), (&3.into(), &7.into(), &"ana".into()));

    // As the receiver does it.
    let (secs, hex) = received
        .header("mainstay-signature")
        .unwrap()
        .strip_prefix("t=")
        .unwrap()
        .split_once(",v1=")
        .unwrap();
    assert_eq!(secs, noon().as_second().to_string());
    let tag: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"mainstay-notify").unwrap();
    mac.update(secs.as_bytes());
    mac.update(b".");
    mac.update(&received.body);
    mac.verify_slice(&tag).unwrap();
}

#[tokio::test]
async fn long_message_is_cut_for_ntfy_only() {
    let provider = FakeProvider::with_status(200).await;
    let notifier = provider.notifier(None);
    let body = "Grüße \"🔔\" \n".repeat(2_000);
    for channel in ["ntfy", "hook"] {
        notifier.send(&Notification { body: body.clone(), ..page(channel) }).await.result.unwrap();
    }
    let [cut, whole] = provider.received().try_into().unwrap();
    assert!(cut.body.len() <= 4096 && cut.body.len() > 4000, "{}", cut.body.len());
    let json = cut.json();
    let message = json["message"].as_str().unwrap();
    assert!(body.starts_with(message.strip_suffix('…').unwrap()));
    assert_eq!(whole.json()["body"], body);
}

#[tokio::test]
async fn capabilities_are_those_of_the_channel_kind() {
    let notifier = FakeProvider::with_status(200).await.notifier(None);
    let [ntfy, webhook] = ["ntfy", "hook"].map(|channel| notifier.capabilities(&channel.into()).unwrap());
    assert!([ntfy, webhook].iter().all(|channel| channel.acknowledge_link == AcknowledgeLink::Full));
    assert_eq!((ntfy.message_bytes_max, webhook.message_bytes_max), (Some(4096), None));
    assert_eq!(notifier.capabilities(&"pigeon".into()), None);
}
