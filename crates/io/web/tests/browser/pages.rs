//! Every page, in every width and both colours: nothing sticks out, nothing is refused by the page's own policy.

use crate::driver::{Browser, Scripts, at_hand};
use crate::stand::Stand;
use crate::team::signed_in;
use crate::world;
use serde_json::json;
use std::sync::Arc;

/// What everybody may read.
pub(crate) const PUBLIC: [&str; 3] = ["/", "/incidents/incident-7", "/history"];
/// What the team reads.
pub(crate) const TEAM: [&str; 3] =
    ["/console", "/console/edge", "/console/trace/4bf92f3577b34da6a3ce929d0e0e4736"];
/// A small phone, a phone, a desk.
pub(crate) const WIDTHS: [u32; 3] = [320, 390, 1200];

/// The elements that reach beyond the right edge, outside of what scrolls by itself.
const STICKS_OUT: &str = "
    const beyond = [...document.querySelectorAll('body *')].filter((part) =>
        !part.closest('.wide-thing, svg, .visually-hidden') && part.getBoundingClientRect().right > innerWidth + 0.5);
    const wide = document.documentElement.scrollWidth > innerWidth ? ['the page scrolls sideways'] : [];
    return wide.concat(beyond.map((part) => `<${part.tagName} class='${part.className}'> ${part.textContent.slice(0, 60)}`));";

/// What looks for faults finds them when there are some.
#[tokio::test]
async fn faults_would_be_seen() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.look(320, "light").await;
    browser.open(&stand.base).await;
    browser.run("document.querySelector('h1').textContent = 'x'.repeat(99)").await;
    assert_eq!(browser.run(STICKS_OUT).await, json!([]), "long words are broken");
    browser.run("document.querySelector('h1').style.width = '400px'").await;
    assert!(!browser.run(STICKS_OUT).await.as_array().unwrap().is_empty());
    browser.run("document.body.setAttribute('style', 'color: red'); console.error('oh')").await;
    let complaints = browser.complaints().await;
    assert!(complaints.iter().any(|line| line.contains("Content Security Policy")), "{complaints:?}");
    assert!(complaints.iter().any(|line| line.contains("oh")), "{complaints:?}");
}

async fn nothing_sticks_out(browser: &Browser, address: &str) {
    for width in WIDTHS {
        for colours in ["light", "dark"] {
            browser.look(width, colours).await;
            browser.open(address).await;
            let out = browser.run(STICKS_OUT).await;
            assert!(out.as_array().unwrap().is_empty(), "{address} at {width} px, {colours}: {out:#}");
            let is_dark = browser.run("return matchMedia('(prefers-color-scheme: dark)').matches").await;
            assert_eq!(is_dark, colours == "dark");
        }
    }
    assert_eq!(browser.complaints().await, [""; 0], "{address}");
}

#[tokio::test]
async fn every_page_fits_every_width_and_breaks_no_rule() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Run).await;
    for page in PUBLIC {
        nothing_sticks_out(&browser, &format!("{}{page}", stand.base)).await;
    }
    stand.site.publish(Arc::new(world::well()));
    nothing_sticks_out(&browser, &stand.base).await;
    nothing_sticks_out(&browser, &stand.site.login_link()).await;
    signed_in(&browser, &stand).await;
    for views in [world::well(), world::outage()] {
        stand.site.publish(Arc::new(views));
        for page in TEAM {
            nothing_sticks_out(&browser, &format!("{}{page}", stand.base)).await;
        }
    }
}

#[tokio::test]
async fn light_and_dark_differ() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Run).await;
    let mut seen = Vec::new();
    for colours in ["light", "dark"] {
        browser.look(390, colours).await;
        browser.open(&stand.base).await;
        seen.push(browser.run("return getComputedStyle(document.body).backgroundColor").await);
    }
    assert_eq!(seen, ["rgb(245, 247, 250)", "rgb(14, 19, 25)"]);
}
