//! What visitors do: read the headline, use the keyboard, go without scripts, leave the page open.

use crate::driver::{Browser, ENTER, Scripts, TAB, at_hand};
use crate::stand::Stand;
use crate::world;
use serde_json::json;
use std::sync::Arc;

/// What the page does by itself every half minute, now.
const LOOK_AGAIN: &str = "dispatchEvent(new Event('visibilitychange'))";

#[tokio::test]
async fn the_headline_names_what_is_broken() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&stand.base).await;
    assert_eq!(browser.text("#headline").await, "Major outage: Sign-in");
    assert!(browser.text("#state").await.contains("Sign-in and Customer workspaces are failing"));
    browser.click("article h2 a").await;
    assert_eq!(browser.address().await, format!("{}/incidents/incident-7", stand.base));
    assert_eq!(browser.text("#incident h1").await, "Sign-in and Customer workspaces are failing");
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&stand.base).await;
    let focused = "return document.activeElement.textContent.trim()";

    browser.press(TAB).await;
    assert_eq!(browser.run(focused).await, "Skip to content");
    browser.until("document.activeElement.getBoundingClientRect().top >= 0").await;
    browser.press(ENTER).await;
    assert_eq!(browser.address().await, format!("{}/#main", stand.base));
    browser.press(TAB).await;
    assert_eq!(browser.run("return Boolean(document.activeElement.closest('main'))").await, json!(true));

    browser.open(&stand.base).await;
    for wanted in ["Skip to content", "Acme status", "Subscribe"] {
        browser.press(TAB).await;
        assert_eq!(browser.run(focused).await, wanted);
    }
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid", "who has the focus is seen");
    assert!(!browser.is_seen(".subscribe li a").await);
    browser.press(ENTER).await;
    browser.until("document.querySelector('.subscribe').open").await;
    assert!(browser.is_seen(".subscribe li a").await);
    browser.press(TAB).await;
    assert_eq!(browser.run(focused).await, "Atom feed");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn scripts_are_not_needed() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Off).await;
    // A page whose scripts run would change this title.
    browser.open("data:text/html,<title>off</title><script>document.title='on'</script>").await;
    assert_eq!(browser.ask("title").await, "off");
    browser.open(&stand.base).await;
    assert_eq!(browser.text("#headline").await, "Major outage: Sign-in");
    assert!(browser.is_seen(".strip.wide").await);
    assert!(!browser.is_seen(".subscribe li a").await);
    browser.click(".subscribe summary").await;
    assert!(browser.is_seen(".subscribe li a").await);
    browser.click("footer a[href='/history']").await;
    assert_eq!(browser.address().await, format!("{}/history", stand.base));
    assert!(browser.text("main").await.contains("Search was slow"));
}

#[tokio::test]
async fn an_open_page_renews_itself_and_disturbs_nobody() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    stand.site.publish(Arc::new(world::well()));
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&stand.base).await;
    assert_eq!(browser.text("#headline").await, "All systems operational");
    let icon = "return document.querySelector('link[rel=icon]').getAttribute('href')";
    let before = browser.run(icon).await;
    // Somebody stands on a link of the past while something breaks: the news come in beside it.
    browser
        .run("window.stood = document.querySelector('#past a'); stood.focus(); window.stayed = 'stayed'")
        .await;
    stand.site.publish(Arc::new(world::outage()));
    browser.run(LOOK_AGAIN).await;
    browser.until("document.querySelector('#headline').textContent == 'Major outage: Sign-in'").await;
    assert_eq!(
        browser.run("return document.activeElement === stood && stood.isConnected").await,
        json!(true)
    );
    assert_eq!(browser.run("return stayed").await, "stayed", "the page was not loaded anew");
    assert!(browser.ask("title").await.as_str().unwrap().starts_with("Major outage"));
    assert_ne!(browser.run(icon).await, before);
    // The opened list stays open, and the focus on its summary stays where it is.
    browser.click(".subscribe summary").await;
    stand.site.publish(Arc::new(world::well()));
    browser.run(LOOK_AGAIN).await;
    browser.until("document.querySelector('#headline').textContent == 'All systems operational'").await;
    let kept = "const list = document.querySelector('.subscribe');
        return list.open && document.activeElement === list.querySelector('summary')";
    assert_eq!(browser.run(kept).await, json!(true));
    assert_eq!(browser.complaints().await, [""; 0]);
}
