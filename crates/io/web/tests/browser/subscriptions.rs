//! Visitors subscribe, confirm, change and end a subscription in a browser.

use crate::chromium::{Browser, Scripts, is_installed};
use crate::fixture::Fixture;
use crate::stub_subscriptions::{CONFIRMED, PENDING};
use crate::views;
use engine::views::Views;
use std::sync::Arc;
use std::time::Duration;
use thirtyfour::Key;
use types::subscription::SubscriberState;
use types::time::later;
use web::subscribe::{confirm_link, manage_link, unsubscribe_link};

/// Views of a status page that can be subscribed to.
pub(crate) fn views() -> Views {
    let mut views = views::outage();
    views.status_page.subscriptions = true;
    views
}

/// Pages of subscriptions: form, confirmation, change, end.
pub(crate) fn links(fixture: &Fixture) -> [String; 4] {
    let until = later(web::clock::now(), Duration::from_secs(600));
    let (key, base) = (&fixture.key, fixture.base.as_str());
    [
        format!("{base}/subscribe"),
        confirm_link(key, base, PENDING, until),
        manage_link(key, base, CONFIRMED, until),
        unsubscribe_link(key, base, CONFIRMED, until),
    ]
}

#[tokio::test]
async fn person_subscribes_confirms_changes_and_unsubscribes_at_phone_width() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.state.publish(Arc::new(views()));
    // The forms need no scripts; the test does, to look at the page.
    let browser = Browser::start(Scripts::Run).await;
    browser.look(390, "light").await;
    browser.open(&fixture.base).await;
    browser.click(".subscribe summary").await;
    browser.click(".subscribe a[href='/subscribe']").await;
    assert_eq!(browser.text("h1").await, "Subscribe to updates");
    let focused = "return document.activeElement.id || document.activeElement.value || document.activeElement.textContent.trim()";
    browser.run("document.querySelector('#address').focus()").await;
    browser.write("#address", "ana+status@example.com").await;
    browser.press(Key::Tab).await;
    assert_eq!(browser.run(focused).await, "auth", "the first component follows the address");
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_ne!(outline, "none", "the focus is visible");
    browser.press(Key::Space).await;
    browser.run("document.querySelector('#address').focus()").await;
    browser.press(Key::Enter).await;
    browser.until("document.querySelector('h1').textContent == 'Confirm by e-mail'").await;
    assert_eq!(fixture.subscriptions.requests(), ["ana+status@example.com auth"]);

    let [_, confirm, manage, unsubscribe] = links(&fixture);
    browser.open(&confirm).await;
    assert_eq!(fixture.subscriptions.state(PENDING), Some(SubscriberState::Pending));
    browser.click("main button").await;
    browser.until_text("[role=status]", "You are subscribed.").await;
    assert_eq!(fixture.subscriptions.state(PENDING), Some(SubscriberState::Confirmed));

    browser.open(&manage).await;
    assert_eq!(browser.run("return document.querySelectorAll('input:checked').length").await, 1);
    browser.click("input[value=search]").await;
    browser.click("main button").await;
    browser.until_text("[role=status]", "Saved.").await;
    assert_eq!(browser.run("return document.querySelectorAll('input:checked').length").await, 2);

    browser.open(&unsubscribe).await;
    assert!(fixture.subscriptions.state(CONFIRMED).is_some());
    browser.click("main button").await;
    browser.until("document.querySelector('h1').textContent == 'Unsubscribed'").await;
    assert_eq!(fixture.subscriptions.state(CONFIRMED), None);
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// A finger hits each control at phone width: 24 by 24 pixels (WCAG 2.2, 2.5.8).
#[tokio::test]
async fn controls_are_large_enough_for_a_finger() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.state.publish(Arc::new(views()));
    let browser = Browser::start(Scripts::Run).await;
    let small = "return [...document.querySelectorAll('main label:has(input), main input:not([type=checkbox]), main button')]
        .filter((part) => part.getBoundingClientRect().height < 24).map((part) => part.outerHTML)";
    for link in links(&fixture) {
        browser.look(320, "light").await;
        browser.open(&link).await;
        assert_eq!(browser.run(small).await, serde_json::json!([]), "{link}");
    }
}
