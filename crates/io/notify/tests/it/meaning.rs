//! What becomes of each way to answer.

use crate::provider::Provider;
use crate::{config, key, page, secret};
use axum::response::IntoResponse as _;
use notify::Notifier;
use std::time::Duration;
use tokio::net::TcpListener;
use types::config::SecretRef;
use types::notification::{Notification, Reach, Undelivered};

#[tokio::test]
async fn statuses_are_told_apart() {
    for (status, retriable) in
        [(400, false), (401, false), (404, false), (413, false), (429, true), (500, true), (503, true)]
    {
        let provider = Provider::with_status(status).await;
        for channel in ["ntfy", "hook"] {
            let outcome = provider.notifier(Some(secret())).carry(&page(channel)).await;
            let no = outcome.result.unwrap_err();
            assert_eq!((no.retriable, no.retry_after), (retriable, None), "{status}");
            assert!(no.why.contains(&status.to_string()), "{no:?}");
        }
    }
}

#[tokio::test]
async fn an_error_inside_a_200_is_no_delivery() {
    for body in [r#"{"ok":false,"error":"invalid_auth"}"#, "<html><title>Sign in</title>"] {
        let provider = Provider::answering(move |_| body.into_response()).await;
        for channel in ["ntfy", "hook"] {
            let no = provider.notifier(Some(secret())).carry(&page(channel)).await.result.unwrap_err();
            assert!(no.retriable, "{no:?}");
        }
    }
    let provider = Provider::answering(|_| r#"{"id":"x","topic":"alerts"}"#.into_response()).await;
    let no = provider.notifier(None).carry(&page("ntfy")).await.result.unwrap_err();
    assert!(no.why.contains("another topic"), "{no:?}");
    assert!(provider.notifier(None).carry(&page("hook")).await.result.is_ok());
}

#[tokio::test]
async fn a_provider_may_ask_us_to_wait() {
    let provider = Provider::answering(|_| {
        (
            axum::http::StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", "17")],
            r#"{"code":42901,"error":"limit reached: too many requests"}"#,
        )
            .into_response()
    })
    .await;
    let no = provider.notifier(None).carry(&page("ntfy")).await.result.unwrap_err();
    assert_eq!(
        no,
        Undelivered {
            why: "it asks us to slow down (429): limit reached: too many requests".to_owned(),
            retriable: true,
            retry_after: Some(Duration::from_secs(17)),
        }
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Provider::with_status(200).await;
    let to = elsewhere.url.clone();
    let provider = Provider::answering(move |_| {
        (axum::http::StatusCode::TEMPORARY_REDIRECT, [("location", to.clone())]).into_response()
    })
    .await;
    let no = provider.notifier(Some(secret())).carry(&page("ntfy")).await.result.unwrap_err();
    assert!(!no.retriable && no.why.contains("redirect (307)"), "{no:?}");
    assert!(elsewhere.asked().is_empty(), "our token went nowhere else");
}

#[tokio::test]
async fn refusal_and_nobody_there_can_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let notifier = Notifier::new(&config(&url, "http://no-such-host.invalid/", None), key()).unwrap();
    let no = notifier.carry(&page("ntfy")).await.result.unwrap_err();
    assert_eq!((no.retriable, no.why.as_str()), (true, "it refuses connections"));
    let no = notifier.carry(&page("hook")).await.result.unwrap_err();
    assert!(no.retriable, "{no:?}");
}

#[tokio::test]
async fn what_the_config_lacks_is_no_attempt() {
    let provider = Provider::with_status(200).await;
    let notifier = provider.notifier(None);
    let to = |channel: &str, address: &str| Notification {
        reach: Reach { channel: channel.into(), address: address.to_owned() },
        ..page(channel)
    };
    let no = notifier.carry(&to("pigeon", "ana")).await.result.unwrap_err();
    assert_eq!((no.retriable, no.why.as_str()), (false, "the configuration has no channel `pigeon`"));
    let no = notifier.carry(&to("ntfy", "")).await.result.unwrap_err();
    assert!(!no.retriable && no.why.contains("needs a topic"), "{no:?}");
    assert!(notifier.carry(&to("hook", "")).await.result.is_ok());
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn everything_wrong_with_a_config_is_told_at_once() {
    let missing = SecretRef::Env("NO_SUCH_VARIABLE_OF_OURS".to_owned());
    let mut config = config("https://ntfy.sh", "ftp://files.example", Some(missing));
    config.site.extra_ca_files.push("/nowhere/roots.pem".into());
    let told = Notifier::new(&config, key()).unwrap_err();
    assert_eq!(told.problems().len(), 3, "{told}");
    let text = told.to_string();
    for part in [
        "channel `ntfy`: the environment variable NO_SUCH_VARIABLE_OF_OURS is not set",
        "channel `hook`: its address must begin with http:// or https://",
        "/nowhere/roots.pem",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
