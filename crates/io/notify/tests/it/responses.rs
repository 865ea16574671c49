//! Delivery results of responses.

use crate::fake_provider::FakeProvider;
use crate::{config, key, page, secret};
use axum::response::IntoResponse as _;
use notify::Notifier;
use std::time::Duration;
use tokio::net::TcpListener;
use types::config::SecretRef;
use types::notification::{Contact, Notification, Undelivered};

#[tokio::test]
async fn status_decides_whether_to_retry() {
    for (status, retriable) in
        [(400, false), (401, false), (404, false), (413, false), (429, true), (500, true), (503, true)]
    {
        let provider = FakeProvider::with_status(status).await;
        for channel in ["ntfy", "hook"] {
            let delivery = provider.notifier(Some(secret())).send(&page(channel)).await;
            let no = delivery.result.unwrap_err();
            assert_eq!((no.retriable, no.retry_after), (retriable, None), "{status}");
            assert!(no.why.contains(&status.to_string()), "{no:?}");
        }
    }
}

#[tokio::test]
async fn error_in_body_of_200_is_not_delivered() {
    for body in [r#"{"ok":false,"error":"invalid_auth"}"#, "<html><title>Sign in</title>"] {
        let provider = FakeProvider::answering(move |_| body.into_response()).await;
        for channel in ["ntfy", "hook"] {
            let no = provider.notifier(Some(secret())).send(&page(channel)).await.result.unwrap_err();
            assert!(no.retriable, "{no:?}");
        }
    }
    let provider = FakeProvider::answering(|_| r#"{"id":"x","topic":"alerts"}"#.into_response()).await;
    let no = provider.notifier(None).send(&page("ntfy")).await.result.unwrap_err();
    assert!(no.why.contains("another topic"), "{no:?}");
    assert!(provider.notifier(None).send(&page("hook")).await.result.is_ok());
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let provider = FakeProvider::answering(|_| {
        (
            axum::http::StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", "17")],
            r#"{"code":42901,"error":"limit reached: too many requests"}"#,
        )
            .into_response()
    })
    .await;
    let no = provider.notifier(None).send(&page("ntfy")).await.result.unwrap_err();
    assert_eq!(
        no,
        Undelivered {
            why: "the rate limit of the provider is reached (429): limit reached: too many requests"
                .to_owned(),
            retriable: true,
            retry_after: Some(Duration::from_secs(17)),
        }
    );
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let elsewhere = FakeProvider::with_status(200).await;
    let to = elsewhere.url.clone();
    let provider = FakeProvider::answering(move |_| {
        (axum::http::StatusCode::TEMPORARY_REDIRECT, [("location", to.clone())]).into_response()
    })
    .await;
    let no = provider.notifier(Some(secret())).send(&page("ntfy")).await.result.unwrap_err();
    assert!(!no.retriable && no.why.contains("redirects are not followed (307)"), "{no:?}");
    assert!(elsewhere.received().is_empty(), "the token is not sent elsewhere");
}

#[tokio::test]
async fn unreachable_provider_is_retriable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let notifier = Notifier::new(&config(&url, "http://no-such-host.invalid/", None), key()).unwrap();
    let no = notifier.send(&page("ntfy")).await.result.unwrap_err();
    assert_eq!((no.retriable, no.why.as_str()), (true, "connection refused"));
    let no = notifier.send(&page("hook")).await.result.unwrap_err();
    assert!(no.retriable, "{no:?}");
}

#[tokio::test]
async fn missing_channel_or_topic_sends_nothing() {
    let provider = FakeProvider::with_status(200).await;
    let notifier = provider.notifier(None);
    let to = |channel: &str, address: &str| Notification {
        contact: Contact { channel: channel.into(), address: address.to_owned() },
        ..page(channel)
    };
    let no = notifier.send(&to("pigeon", "ana")).await.result.unwrap_err();
    assert_eq!((no.retriable, no.why.as_str()), (false, "the configuration has no channel `pigeon`"));
    let no = notifier.send(&to("ntfy", "")).await.result.unwrap_err();
    assert!(!no.retriable && no.why.contains("needs a topic"), "{no:?}");
    assert!(notifier.send(&to("hook", "")).await.result.is_ok());
    assert_eq!(provider.received().len(), 1);
}

#[tokio::test]
async fn all_setup_problems_are_reported_together() {
    let missing = SecretRef::Env("NO_SUCH_VARIABLE_OF_OURS".to_owned());
    let mut config = config("https://ntfy.sh", "ftp://files.example", Some(missing));
    config.site.extra_ca_files.push("/nowhere/roots.pem".into());
    config.site.dead_mans_switch = Some(secret());
    let error = Notifier::new(&config, key()).unwrap_err();
    assert_eq!(error.problems().len(), 4, "{error}");
    let text = error.to_string();
    for part in [
        "channel `ntfy`: the environment variable NO_SUCH_VARIABLE_OF_OURS is not set",
        "channel `hook`: its address must begin with http:// or https://",
        "/nowhere/roots.pem",
        "site.dead_mans_switch: its address must begin with http:// or https://",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
