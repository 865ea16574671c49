//! What the team does: comes in by a link, acknowledges, writes down what was done.

use crate::driver::{Browser, Scripts, at_hand};
use crate::stand::Stand;
use serde_json::json;
use std::time::{Duration, Instant};
use types::time::later;

/// Comes in as Ana, by the link that works once.
pub(crate) async fn signed_in(browser: &Browser, stand: &Stand) {
    browser.open(&stand.site.login_link()).await;
    browser.write("#name", "Ana").await;
    browser.click("main button").await;
    browser.until("location.pathname == '/console' && document.querySelector('.who')").await;
    assert_eq!(browser.text(".who").await, "Ana");
}

#[tokio::test]
async fn somebody_comes_in_acknowledges_and_writes_a_note() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&format!("{}/console", stand.base)).await;
    assert_eq!(browser.address().await, format!("{}/console/login", stand.base));
    signed_in(&browser, &stand).await;
    assert!(browser.text("#incidents h2").await.starts_with("acme.app expired at 04:15 UTC"));
    let unsigned = "return [...document.querySelectorAll('form[method=post]')]
        .filter((form) => !form.querySelector('input[name=form]')?.value).map((form) => form.action)";
    assert_eq!(browser.run(unsigned).await, json!([]), "every form proves that it is ours");
    assert_eq!(browser.run("return document.cookie").await, "", "no script can read the session");

    browser.click("form[action$='/ack'] button").await;
    browser.until("location.hash == '#incident-7'").await;
    assert_eq!(stand.heard(), [r#"Acknowledge { incident: IncidentId(7), by: "Ana", via: "console" }"#]);

    browser.click(".wishes details:nth-of-type(1) summary").await;
    browser.write("#note-incident-7", "Rang the registrar.\nThey renew it now & <soon>.").await;
    // What is being typed survives the page's own renewal.
    browser.run("window.typed = document.querySelector('#note-incident-7'); dispatchEvent(new Event('visibilitychange'))").await;
    browser
        .until("performance.getEntriesByType('resource').some((entry) => entry.initiatorType == 'fetch')")
        .await;
    assert_eq!(
        browser.run("return typed.isConnected && document.activeElement === typed").await,
        json!(true)
    );
    browser.click(".wishes details:nth-of-type(1) button").await;
    browser.until("!document.querySelector('.wishes details[open]')").await;
    let heard = stand.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[1].starts_with("Note") && heard[1].contains("renew it now & <soon>."), "{heard:?}");

    // A form that was not made for this session changes nothing.
    browser
        .run("document.querySelectorAll('input[name=form]').forEach((field) => { field.value = 'forged'; })")
        .await;
    browser.click("form[action$='/ack'] button").await;
    browser.until_text("main", "not made for your session").await;
    assert_eq!(stand.heard().len(), 2);
}

#[tokio::test]
async fn somebody_denies_a_network_looks_at_a_request_and_lifts_a_denial() {
    if !at_hand() {
        return;
    }
    for scripts in [Scripts::Run, Scripts::Off] {
        let stand = Stand::new().await;
        let browser = Browser::start(scripts).await;
        browser.open(&stand.site.login_link()).await;
        browser.write("#name", "Ana").await;
        browser.click("main button").await;
        browser.click("nav a[href='/console/edge']").await;
        browser.until_text("h1", "Edge").await;
        browser.until_text("#service-auth .wrong", "140 times its usual traffic").await;
        assert!(browser.is_seen("#service-auth svg.series").await);
        assert!(browser.text("#pool-auth").await.contains("ejected"));

        browser.click("#service-auth .sources form button").await;
        heard(&stand, 1).await;
        browser.until_text("h1", "Edge").await;
        browser.write("#deny-what", "ee").await;
        browser.click("form.deny[action$='/deny'] button").await;
        heard(&stand, 2).await;
        browser.until_text("h1", "Edge").await;
        assert_eq!(browser.address().await, format!("{}/console/edge#denials", stand.base));
        browser.click(".denials li:nth-of-type(1) button").await;
        let wanted = [
            r#"Deny { what: Asn(64500), service: Some(ServiceId("auth")), lasting: 3600s, by: "Ana", everybody: false }"#,
            r#"Deny { what: Country("EE"), service: None, lasting: 7200s, by: "Ana", everybody: false }"#,
            r#"Lift { denial: DenialId(3), by: "Ana" }"#,
        ];
        assert_eq!(heard(&stand, 3).await, wanted);
        browser.click("#service-api .wrong a").await;
        browser.until_text("main", "10.0.0.11:8080 answered 503 after 161 ms").await;
        browser.until_text("main", "limit of the caller auth-web at api, 50/s").await;
        assert!(browser.address().await.ends_with("/console/trace/4bf92f3577b34da6a3ce929d0e0e4736"));
        browser.click(".back a").await;
        browser.write("#look-up", "A3CE929D-0e0e-4736-4bf9-2f3577b34da7").await;
        browser.click("form[action='/console/trace'] button").await;
        browser.until_text("main", "does not remember").await;
    }
}

/// What the mind was asked, once it was asked so often.
async fn heard(stand: &Stand, times: usize) -> Vec<String> {
    let began = Instant::now();
    while stand.heard().len() < times {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", stand.heard());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stand.heard()
}

#[tokio::test]
async fn a_link_in_a_page_to_somebody_acknowledges_only_by_its_button() {
    if !at_hand() {
        return;
    }
    let stand = Stand::new().await;
    let until = later(web::site::now(), Duration::from_secs(600));
    let address = format!("{}/ack/{}", stand.base, stand.key.sign("ack", "incident-7|ana", until));
    let browser = Browser::start(Scripts::Run).await;
    browser.look(390, "dark").await;
    for _ in 0..2 {
        browser.open(&address).await;
        assert!(browser.text("main").await.contains("acme.app expired"));
    }
    assert!(stand.heard().is_empty());
    assert_eq!(browser.text("main button").await, "Acknowledge");
    browser.click("main button").await;
    browser.until("document.querySelector('h1').textContent == 'Acknowledged'").await;
    assert_eq!(stand.heard(), [r#"Acknowledge { incident: IncidentId(7), by: "ana", via: "link" }"#]);
    assert_eq!(browser.complaints().await, [""; 0]);
}
