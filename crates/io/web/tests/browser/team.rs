//! The team in a browser: sign-in, acknowledgement, notes, denials.

use crate::chromium::{Browser, Scripts, is_installed};
use crate::fixture::Fixture;
use serde_json::json;
use std::time::{Duration, Instant};
use types::time::later;

/// Signs in as Ana by a sign-in link.
pub(crate) async fn signed_in(browser: &Browser, fixture: &Fixture) {
    browser.open(&fixture.state.login_link()).await;
    browser.write("#name", "Ana").await;
    browser.click("main button").await;
    browser.until("location.pathname == '/console' && document.querySelector('.person')").await;
    assert_eq!(browser.text(".person").await, "Ana");
}

#[tokio::test]
async fn person_signs_in_acknowledges_and_adds_a_note() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    let browser = Browser::start(Scripts::Run).await;
    browser.open(&format!("{}/console", fixture.base)).await;
    assert_eq!(browser.address().await, format!("{}/console/login", fixture.base));
    signed_in(&browser, &fixture).await;
    assert!(browser.text("#incidents h2").await.starts_with("acme.app expired at 04:15 UTC"));
    let unsigned = "return [...document.querySelectorAll('form[method=post]')]
        .filter((form) => !form.querySelector('input[name=form]')?.value).map((form) => form.action)";
    assert_eq!(browser.run(unsigned).await, json!([]), "every form has a token");
    assert_eq!(browser.run("return document.cookie").await, "", "no script can read the session");

    browser.click("form[action$='/ack'] button").await;
    browser.until("location.hash == '#incident-7'").await;
    assert_eq!(fixture.received(), ["Ana, Person, console: Acknowledge { incident: IncidentId(7) }"]);

    browser.click(".actions details:nth-of-type(1) summary").await;
    browser.write("#note-incident-7", "Rang the registrar.\nThey renew it now & <soon>.").await;
    // A text that is being typed survives the refresh of the page.
    browser.run("window.typed = document.querySelector('#note-incident-7'); dispatchEvent(new Event('visibilitychange'))").await;
    browser
        .until("performance.getEntriesByType('resource').some((entry) => entry.initiatorType == 'fetch')")
        .await;
    assert_eq!(
        browser.run("return typed.isConnected && document.activeElement === typed").await,
        json!(true)
    );
    browser.click(".actions details:nth-of-type(1) button").await;
    browser.until("!document.querySelector('.actions details[open]')").await;
    let received = fixture.received();
    assert_eq!(received.len(), 2, "{received:?}");
    assert!(
        received[1].starts_with("Ana, Person, console: Note")
            && received[1].contains("renew it now & <soon>."),
        "{received:?}"
    );

    // A form of another session changes nothing.
    browser
        .run("document.querySelectorAll('input[name=form]').forEach((field) => { field.value = 'forged'; })")
        .await;
    browser.click("form[action$='/ack'] button").await;
    browser.until_text("main", "belongs to another session").await;
    assert_eq!(fixture.received().len(), 2);
}

#[tokio::test]
async fn person_opens_a_probe_and_chooses_a_range_with_and_without_scripts() {
    if !is_installed() {
        return;
    }
    for scripts in [Scripts::Run, Scripts::Off] {
        let fixture = Fixture::new().await;
        let browser = Browser::start(scripts).await;
        signed_in(&browser, &fixture).await;
        browser.click("nav a[href='/console/probes']").await;
        browser.click("a[href='/console/probe/http.search.acme.com']").await;
        browser.until_text("main h1", "http.search.acme.com").await;
        assert!(browser.text(".notice").await.starts_with("Slow since"));
        browser.click(".ranges a[href='?range=7d']").await;
        browser.until_text(".ranges [aria-current]", "7 days").await;
        assert!(browser.address().await.ends_with("?range=7d"));
        assert!(!browser.is_seen(".latency-table").await);
        browser.click(".table summary").await;
        assert!(browser.is_seen(".latency-table").await);
        assert_eq!(browser.complaints().await, [""; 0]);
    }
}

#[tokio::test]
async fn person_denies_an_asn_opens_a_trace_and_lifts_a_denial() {
    if !is_installed() {
        return;
    }
    for scripts in [Scripts::Run, Scripts::Off] {
        let fixture = Fixture::new().await;
        let browser = Browser::start(scripts).await;
        signed_in(&browser, &fixture).await;
        browser.click("nav a[href='/console/edge']").await;
        browser.until_text("h1", "Edge").await;
        browser.until_text("#service-auth .alert", "140 times its usual traffic").await;
        assert!(browser.is_seen("#service-auth svg.chart").await);
        assert!(browser.text("#pool-auth").await.contains("ejected"));

        browser.click("#service-auth .sources form button").await;
        received(&fixture, 1).await;
        browser.until_text("h1", "Edge").await;
        browser.write("#deny-what", "ee").await;
        browser.click("form.deny[action$='/deny'] button").await;
        received(&fixture, 2).await;
        browser.until_text("h1", "Edge").await;
        assert_eq!(browser.address().await, format!("{}/console/edge#denials", fixture.base));
        browser.click(".denials li:nth-of-type(1) button").await;
        let wanted = [
            r#"Ana, Person, console: Deny { what: Asn(64500), service: Some(ServiceId("auth")), lasting: 3600s, everybody: false }"#,
            r#"Ana, Person, console: Deny { what: Country("EE"), service: None, lasting: 7200s, everybody: false }"#,
            r#"Ana, Person, console: Lift { denial: DenialId(3) }"#,
        ];
        assert_eq!(received(&fixture, 3).await, wanted);
        browser.click("#service-api .alert a").await;
        browser.until_text("main", "10.0.0.11:8080 answered 503 after 161 ms").await;
        browser.until_text("main", "limit of the caller auth-web at api, 50/s").await;
        assert!(browser.address().await.ends_with("/console/trace/4bf92f3577b34da6a3ce929d0e0e4736"));
        browser.click(".back a").await;
        browser.write("#find-trace", "A3CE929D-0e0e-4736-4bf9-2f3577b34da7").await;
        browser.click("form[action='/console/trace'] button").await;
        browser.until_text("main", "has no request with this id").await;
    }
}

/// Commands, once at least `times` of them were received.
async fn received(fixture: &Fixture, times: usize) -> Vec<String> {
    let began = Instant::now();
    while fixture.received().len() < times {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", fixture.received());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fixture.received()
}

#[tokio::test]
async fn ack_link_acknowledges_only_by_its_button() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new().await;
    let until = later(web::clock::now(), Duration::from_secs(600));
    let address = format!("{}/ack/{}", fixture.base, fixture.key.sign("ack", "incident-7|ana", until));
    let browser = Browser::start(Scripts::Run).await;
    browser.look(390, "dark").await;
    for _ in 0..2 {
        browser.open(&address).await;
        assert!(browser.text("main").await.contains("acme.app expired"));
    }
    assert!(fixture.received().is_empty());
    assert_eq!(browser.text("main button").await, "Acknowledge");
    browser.click("main button").await;
    browser.until("document.querySelector('h1').textContent == 'Acknowledged'").await;
    assert_eq!(fixture.received(), ["ana, Person, link: Acknowledge { incident: IncidentId(7) }"]);
    assert_eq!(browser.complaints().await, [""; 0]);
}
