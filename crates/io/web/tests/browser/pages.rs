//! Every page at every width and in both colour schemes: no overflow, no violation of the content security policy.

use crate::chromium::{Browser, Scripts, is_installed};
use crate::fixture::Fixture;
use crate::subscriptions;
use crate::team::signed_in;
use crate::views;
use serde_json::json;
use std::sync::Arc;

/// Public pages.
pub(crate) const PUBLIC: [&str; 3] = ["/", "/incidents/incident-7", "/history"];
/// Pages of the team.
pub(crate) const TEAM: [&str; 8] = [
    "/console",
    "/console/edge",
    "/console/headroom",
    "/console/probes",
    "/console/audit",
    "/console/probe/http.auth.acme.app",
    "/console/probe/new.acme.app?range=90d",
    "/console/trace/4bf92f3577b34da6a3ce929d0e0e4736",
];
/// Widths of a small phone, a phone and a desktop.
pub(crate) const WIDTHS: [u32; 3] = [320, 390, 1200];

/// Elements beyond the right edge, except in scrollable containers.
const OVERFLOW: &str = "
    const beyond = [...document.querySelectorAll('body *')].filter((part) =>
        !part.closest('.scroll-x, svg, .visually-hidden') && part.getBoundingClientRect().right > innerWidth + 0.5);
    const wide = document.documentElement.scrollWidth > innerWidth ? ['the page scrolls sideways'] : [];
    return wide.concat(beyond.map((part) => `<${part.tagName} class='${part.className}'> ${part.textContent.slice(0, 60)}`));";

/// The checks themselves detect faults.
#[tokio::test]
async fn checks_detect_overflow_and_policy_violations() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.look(320, "light").await;
    browser.open(&fixture.base).await;
    browser.run("document.querySelector('h1').textContent = 'x'.repeat(99)").await;
    assert_eq!(browser.run(OVERFLOW).await, json!([]), "a long word is wrapped");
    browser.run("document.querySelector('h1').style.width = '400px'").await;
    assert!(!browser.run(OVERFLOW).await.as_array().unwrap().is_empty());
    browser.run("document.body.setAttribute('style', 'color: red'); console.error('oh')").await;
    let complaints = browser.complaints().await;
    assert!(complaints.iter().any(|line| line.contains("Content Security Policy")), "{complaints:?}");
    assert!(complaints.iter().any(|line| line.contains("oh")), "{complaints:?}");
}

async fn has_no_overflow(browser: &Browser, address: &str) {
    for width in WIDTHS {
        for colours in ["light", "dark"] {
            browser.look(width, colours).await;
            browser.open(address).await;
            browser
                .run("document.querySelectorAll('.response-times details').forEach((part) => { part.open = true; })")
                .await;
            let out = browser.run(OVERFLOW).await;
            assert!(out.as_array().unwrap().is_empty(), "{address} at {width} px, {colours}: {out:#}");
            let is_dark = browser.run("return matchMedia('(prefers-color-scheme: dark)').matches").await;
            assert_eq!(is_dark, colours == "dark");
        }
    }
    assert_eq!(browser.complaints().await, [""; 0], "{address}");
}

#[tokio::test]
async fn every_page_fits_every_width_and_violates_no_policy() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.state.refresh_latencies();
    let browser = Browser::start(Scripts::Run).await;
    for page in PUBLIC {
        has_no_overflow(&browser, &format!("{}{page}", fixture.base)).await;
    }
    fixture.state.publish(Arc::new(subscriptions::views()));
    for link in subscriptions::links(&fixture) {
        has_no_overflow(&browser, &link).await;
    }
    fixture.state.publish(Arc::new(views::healthy()));
    has_no_overflow(&browser, &fixture.base).await;
    has_no_overflow(&browser, &fixture.state.login_link()).await;
    signed_in(&browser, &fixture).await;
    for views in [views::healthy(), views::outage()] {
        fixture.state.publish(Arc::new(views));
        for page in TEAM {
            has_no_overflow(&browser, &format!("{}{page}", fixture.base)).await;
        }
    }
}

#[tokio::test]
async fn light_and_dark_differ() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    let browser = Browser::start(Scripts::Run).await;
    let mut seen = Vec::new();
    for colours in ["light", "dark"] {
        browser.look(390, colours).await;
        browser.open(&fixture.base).await;
        seen.push(browser.run("return getComputedStyle(document.body).backgroundColor").await);
    }
    assert_eq!(seen, ["rgb(245, 247, 250)", "rgb(14, 19, 25)"]);
}
