//! The public in a browser: headline, keyboard, no scripts, automatic refresh.

use crate::chromium::{Browser, Scripts, is_installed};
use crate::fixture::Fixture;
use crate::views;
use serde_json::json;
use std::sync::Arc;
use thirtyfour::Key;

/// Triggers the refresh that the page does every 30 seconds.
const REFRESH: &str = "dispatchEvent(new Event('visibilitychange'))";

#[tokio::test]
async fn headline_names_the_failing_service() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&fixture.base).await;
    assert_eq!(browser.text("#headline").await, "Major outage: Sign-in");
    assert!(browser.text("#state").await.contains("Sign-in and Customer workspaces are failing"));
    browser.click("article h2 a").await;
    assert_eq!(browser.address().await, format!("{}/incidents/incident-7", fixture.base));
    assert_eq!(browser.text("#incident h1").await, "Sign-in and Customer workspaces are failing");
}

#[tokio::test]
async fn page_is_usable_by_keyboard() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&fixture.base).await;
    let focused = "return document.activeElement.textContent.trim()";

    browser.press(Key::Tab).await;
    assert_eq!(browser.run(focused).await, "Skip to content");
    browser.until("document.activeElement.getBoundingClientRect().top >= 0").await;
    browser.press(Key::Enter).await;
    assert_eq!(browser.address().await, format!("{}/#main", fixture.base));
    browser.press(Key::Tab).await;
    assert_eq!(browser.run("return Boolean(document.activeElement.closest('main'))").await, json!(true));

    browser.open(&fixture.base).await;
    for wanted in ["Skip to content", "Acme status", "Subscribe"] {
        browser.press(Key::Tab).await;
        assert_eq!(browser.run(focused).await, wanted);
    }
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid", "the focus is visible");
    assert!(!browser.is_seen(".subscribe li a").await);
    browser.press(Key::Enter).await;
    browser.until("document.querySelector('.subscribe').open").await;
    assert!(browser.is_seen(".subscribe li a").await);
    browser.press(Key::Tab).await;
    assert_eq!(browser.run(focused).await, "Atom feed");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn page_works_without_scripts() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    let browser = Browser::start(Scripts::Off).await;
    // With scripts this title would change.
    browser.open("data:text/html,<title>off</title><script>document.title='on'</script>").await;
    assert_eq!(browser.title().await.unwrap(), "off");
    browser.open(&fixture.base).await;
    assert_eq!(browser.text("#headline").await, "Major outage: Sign-in");
    assert!(browser.is_seen(".uptime-bars.wide").await);
    assert!(!browser.is_seen(".subscribe li a").await);
    browser.click(".subscribe summary").await;
    assert!(browser.is_seen(".subscribe li a").await);
    browser.click("footer a[href='/history']").await;
    assert_eq!(browser.address().await, format!("{}/history", fixture.base));
    assert!(browser.text("main").await.contains("Search was slow"));
}

#[tokio::test]
async fn open_page_refreshes_and_keeps_the_focus() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.state.publish(Arc::new(views::healthy()));
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&fixture.base).await;
    assert_eq!(browser.text("#headline").await, "All systems operational");
    let icon = "return document.querySelector('link[rel=icon]').getAttribute('href')";
    let before = browser.run(icon).await;
    // A link of the history has the focus during the refresh.
    browser
        .run("window.focused = document.querySelector('#past a'); focused.focus(); window.kept = 'kept'")
        .await;
    fixture.state.publish(Arc::new(views::outage()));
    browser.run(REFRESH).await;
    browser.until("document.querySelector('#headline').textContent == 'Major outage: Sign-in'").await;
    assert_eq!(
        browser.run("return document.activeElement === focused && focused.isConnected").await,
        json!(true)
    );
    assert_eq!(browser.run("return kept").await, "kept", "the page was not reloaded");
    assert!(browser.title().await.unwrap().starts_with("Major outage"));
    assert_ne!(browser.run(icon).await, before);
    // The opened list stays open, and the focus on its summary stays where it is.
    browser.click(".subscribe summary").await;
    fixture.state.publish(Arc::new(views::healthy()));
    browser.run(REFRESH).await;
    browser.until("document.querySelector('#headline').textContent == 'All systems operational'").await;
    let kept = "const list = document.querySelector('.subscribe');
        return list.open && document.activeElement === list.querySelector('summary')";
    assert_eq!(browser.run(kept).await, json!(true));
    assert_eq!(browser.complaints().await, [""; 0]);
}
