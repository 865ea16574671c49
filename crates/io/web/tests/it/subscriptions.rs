//! Links of subscriptions: only a POST changes anything, and only with a token that is valid for it.

use crate::fixture::{Fixture, TOKEN};
use crate::stub_subscriptions::{CONFIRMED, PENDING};
use crate::views;
use reqwest::Method;
use std::sync::Arc;
use std::time::Duration;
use types::subscription::SubscriberState;
use types::time::later;
use types::{SubscriberId, Time};
use web::subscribe::{confirm_link, unsubscribe_link};

async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    let mut views = views::outage();
    views.status_page.subscriptions = true;
    fixture.state.publish(Arc::new(views));
    fixture
}

fn soon() -> Time {
    later(web::clock::now(), Duration::from_secs(60))
}

async fn status(fixture: &Fixture, method: Method, url: &str, content_type: &str, body: &str) -> u16 {
    let request = fixture.client.request(method, url).header("content-type", content_type);
    request.body(body.to_owned()).send().await.unwrap().status().as_u16()
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn mail_scanner_confirms_nothing_and_ends_nothing() {
    let fixture = fixture().await;
    let confirm = confirm_link(&fixture.key, &fixture.base, PENDING, soon());
    let unsubscribe = unsubscribe_link(&fixture.key, &fixture.base, CONFIRMED, soon());
    let state = |id| fixture.subscriptions.state(id);
    for link in [&confirm, &unsubscribe] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(status(&fixture, method, link, FORM, "").await, 200);
        }
        for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(status(&fixture, method, link, FORM, "List-Unsubscribe=One-Click").await, 405);
        }
    }
    for body in ["", "List-Unsubscribe=Two-Clicks", "unsubscribe=no"] {
        assert_eq!(status(&fixture, Method::POST, &unsubscribe, FORM, body).await, 422, "{body}");
    }
    assert_eq!(state(PENDING), Some(SubscriberState::Pending));
    assert_eq!(state(CONFIRMED), Some(SubscriberState::Confirmed));
    assert_eq!(status(&fixture, Method::POST, &confirm, FORM, "").await, 200);
    assert_eq!(state(PENDING), Some(SubscriberState::Confirmed));
}

#[tokio::test]
async fn one_click_ends_a_subscription_in_both_forms_without_a_cookie() {
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    for (content_type, body) in
        [(FORM, "List-Unsubscribe=One-Click"), ("multipart/form-data; boundary=b", multipart)]
    {
        let fixture = fixture().await;
        let link = unsubscribe_link(&fixture.key, &fixture.base, CONFIRMED, soon());
        // RFC 8058, section 3.1: no redirect. A second click is fine too.
        for _ in 0..2 {
            assert_eq!(status(&fixture, Method::POST, &link, content_type, body).await, 200);
        }
        assert_eq!(fixture.subscriptions.state(CONFIRMED), None);
    }
}

#[tokio::test]
async fn expired_forged_and_foreign_links_are_refused() {
    let fixture = fixture().await;
    let (key, base) = (&fixture.key, &fixture.base);
    let past = later(web::clock::now(), Duration::ZERO);
    let good = confirm_link(key, base, PENDING, soon());
    let last = if good.ends_with('A') { "B" } else { "A" };
    let token = |purpose: &str| key.sign(purpose, &PENDING.to_string(), soon());
    for (link, expected) in [
        (confirm_link(key, base, PENDING, past), 410),
        (format!("{}{last}", &good[..good.len() - 1]), 403),
        (confirm_link(&tokens::Key::new([8; 32]), base, PENDING, soon()), 403),
        // A link of one purpose does not serve another.
        (format!("{base}/subscriptions/confirm/{}", token("subscription")), 403),
        (format!("{base}/subscriptions/{}", token("subscription-confirm")), 403),
        (format!("{base}/subscriptions/{}/unsubscribe", token("subscription-confirm")), 403),
        (format!("{base}/subscriptions/confirm/{}", "x".repeat(5_000)), 403),
        (confirm_link(key, base, SubscriberId(99), soon()), 410),
    ] {
        let body = "List-Unsubscribe=One-Click";
        assert_eq!(status(&fixture, Method::POST, &link, FORM, body).await, expected, "{link}");
    }
    assert_eq!(fixture.subscriptions.state(PENDING), Some(SubscriberState::Pending));
}

#[tokio::test]
async fn hostile_address_is_refused_before_it_is_recorded() {
    let fixture = fixture().await;
    let url = format!("{}/subscribe", fixture.base);
    let long = format!("{}@example.com", "a".repeat(65));
    for address in [
        "ana@example.com%0d%0aBcc:+ben@example.com",
        "ana@example.com%0aRCPT+TO:%3Cben@example.com%3E",
        "ana@example.com,ben@example.com",
        "%22a+b%22@example.com",
        "ana@[127.0.0.1]",
        "ana@localhost",
        "ana%00@example.com",
        long.as_str(),
        "",
    ] {
        let body = format!("address={address}");
        assert_eq!(status(&fixture, Method::POST, &url, FORM, &body).await, 422, "{address}");
    }
    let large = format!("address={}", "a".repeat(2 << 20));
    assert_eq!(status(&fixture, Method::POST, &url, FORM, &large).await, 413);
    assert_eq!(fixture.subscriptions.requests(), [""; 0]);
    for address in ["ana%2Bstatus@example.com", "ana@m%C3%BCnchen.example"] {
        let body = format!("address={address}&component=auth&component=nothing");
        assert_eq!(status(&fixture, Method::POST, &url, FORM, &body).await, 200, "{address}");
    }
    let requests = fixture.subscriptions.requests();
    assert_eq!(requests, ["ana+status@example.com auth", "ana@xn--mnchen-3ya.example auth"]);
}

#[tokio::test]
async fn list_has_the_messages_in_doubt_and_needs_the_token() {
    let fixture = fixture().await;
    assert_eq!(fixture.get("/api/v1/subscribers").send().await.unwrap().status(), 401);
    let answer = fixture.get("/api/v1/subscribers").bearer_auth(TOKEN).send().await.unwrap();
    let found: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(found["messages"]["in_doubt"], 3);
    assert_eq!(found["subscribers"].as_array().unwrap().len(), 2);
}
