//! A site goes on without its edge: pages open, writes are kept, delivered once and in order, refused ones are reported, and
//! the kit goes without a trace.

use crate::browser::{Browser, TIMEOUT};
use crate::chromium::is_installed;
use crate::edge_process::EdgeProcess;
use serde_json::json;
use std::time::Instant;
use tempfile::TempDir;
use testbed::time_tracker::{OVERLAP, TimeTracker};

/// Writes of the test; `MAINSTAY_OFFLINE_WRITES=1000` for all of them.
const WRITES: u64 = 60;
const CUTS: u64 = 5;
/// Cuts within which the browser is started again.
const RESTARTS: [u64; 2] = [1, 3];
pub(crate) const KIT: &str = "offline = { pages = [\"/\", \"/timer\"], get = [\"/api/entries\", \"/static/*\"], writes = [\"POST /api/entries\"], max_writes = 5000 }";

/// A time tracker, an edge before it with these keys of the service, a profile and a browser with it; `None` where there is no browser.
pub(crate) async fn started(kit: &str) -> Option<(TimeTracker, EdgeProcess, TempDir, Browser)> {
    if !is_installed() {
        return None;
    }
    let tracker = TimeTracker::start().await.unwrap();
    let (mut edge, profile) = (EdgeProcess::new(), TempDir::new().unwrap());
    edge.start(tracker.address, kit);
    let browser = Browser::start(profile.path()).await;
    Some((tracker, edge, profile, browser))
}

/// As [`started`] with [`KIT`], after the first visit.
pub(crate) async fn visited() -> Option<(TimeTracker, EdgeProcess, TempDir, Browser)> {
    let (tracker, edge, profile, browser) = started(KIT).await?;
    first_visit(&browser, &edge).await;
    Some((tracker, edge, profile, browser))
}

/// Opens the page, and waits until it has a worker and is kept.
async fn first_visit(browser: &Browser, edge: &EdgeProcess) {
    browser.open(&edge.url("/")).await;
    browser.until("window.mainstayOffline && navigator.serviceWorker.controller").await;
    browser.until("await caches.match('/') && await caches.match('/static/app.js') && await caches.match('/.mainstay/offline.js')").await;
    browser.open(&edge.url("/timer")).await;
    browser.until("await caches.match('/timer')").await;
}

/// Makes entries; returns how many got each status.
async fn save(browser: &Browser, count: u64) -> serde_json::Value {
    let script = "const counts = {}; for (let at = 0; at < COUNT; at++) { const status = await save('work ' + at); counts[status] = (counts[status] || 0) + 1; } return counts;";
    browser.run(&format!("await (async () => {{ {} }})()", script.replace("COUNT", &count.to_string()))).await
}

/// Waits until nothing waits in the browser.
pub(crate) async fn until_delivered(browser: &Browser) {
    browser.until("(await mainstayOffline.deliver(), mainstayOffline.state.queued === 0)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_over_cuts_and_restarts_are_recorded_once_and_in_order() {
    let began = Instant::now();
    let Some((tracker, mut edge, profile, mut browser)) = visited().await else { return };
    let writes =
        std::env::var("MAINSTAY_OFFLINE_WRITES").ok().and_then(|text| text.parse().ok()).unwrap_or(WRITES);
    assert_eq!(save(&browser, 3).await, json!({ "201": 3 }), "online: the answer of the server");
    let client = browser.run("localStorage.client").await.as_str().unwrap().to_owned();
    let (each, rest) = (writes / CUTS, writes % CUTS);
    let mut expected = 3;
    for cut in 0..CUTS {
        edge.kill();
        let count = each + if cut == 0 { rest } else { 0 };
        assert_eq!(save(&browser, count / 2).await, json!({ "202": count / 2 }), "cut {cut}");
        if RESTARTS.contains(&cut) {
            browser.quit().await;
            browser = Browser::start(profile.path()).await;
            browser.open(&edge.url("/timer")).await;
            assert_eq!(browser.title().await, "Time tracker", "cut {cut}: the page opens without the edge");
        }
        assert_eq!(save(&browser, count - count / 2).await, json!({ "202": count - count / 2 }), "cut {cut}");
        browser
            .until("document.querySelector('#mainstay-offline').textContent.includes('not sent yet')")
            .await;
        expected += count;
        edge.start(tracker.address, KIT);
        // Killed once more while it delivers.
        let some = tracker.recorded().entries.len() as u64 + count / 3;
        browser.run("mainstayOffline.deliver()").await;
        let waits = Instant::now();
        while (tracker.recorded().entries.len() as u64) < some {
            assert!(waits.elapsed() < TIMEOUT, "cut {cut}: {:?}", browser.complaints().await);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        edge.kill();
        edge.start(tracker.address, KIT);
        until_delivered(&browser).await;
    }
    let recorded = tracker.recorded();
    let numbers = recorded.numbers(&client);
    let repeated = recorded.repeated();
    println!(
        "{writes} writes, {CUTS} cuts, 10 kills, {} restarts of the browser: {:?}; {} recorded, {repeated} deliveries that the server told by their key",
        RESTARTS.len(),
        began.elapsed(),
        numbers.len()
    );
    assert_eq!(numbers, (0..expected).collect::<Vec<_>>(), "none lost, none twice, in order");
    assert_eq!(recorded.without_key, 0);
    // The edge leaves to the server only what was in flight when it was killed.
    assert!(repeated <= 2 * CUTS as u32, "{repeated}");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_write_is_reported_and_the_kit_goes_without_a_trace() {
    let Some((tracker, mut edge, _profile, browser)) = visited().await else { return };
    assert_eq!(
        browser.run(&format!("await save('{OVERLAP}')")).await,
        json!(409),
        "online the page gets it itself"
    );
    edge.kill();
    let statuses = format!("[await save('a'), await save('{OVERLAP}'), await save('b')]");
    assert_eq!(browser.run(&statuses).await, json!([202, 202, 202]));
    // A page that is not kept: what is shown says so.
    browser.open(&edge.url("/elsewhere")).await;
    assert_eq!(browser.title().await, "Time");
    assert_eq!(
        browser.run("document.querySelector('h1').textContent").await,
        json!("Time cannot be reached")
    );
    browser.open(&edge.url("/timer")).await;
    browser.until("window.mainstayOffline").await;
    browser.run("(window.heard = [], document.addEventListener('mainstay-offline-refused', event => heard.push(event.detail.answer.status)))").await;
    edge.start(tracker.address, KIT);
    until_delivered(&browser).await;
    assert_eq!(browser.run("heard").await, json!([409]));
    let refused = browser.run("await mainstayOffline.refused()").await;
    assert_eq!(
        refused[0]["answer"]["body"],
        json!(r#"{"error":"overlaps with another entry"}"#),
        "{refused}"
    );
    assert!(refused[0]["body"].as_str().unwrap().contains(OVERLAP));
    let texts: Vec<String> = tracker.recorded().entries.into_iter().map(|entry| entry.text).collect();
    assert_eq!(texts, ["a", "b"]);
    let id = refused[0]["id"].to_string();
    browser.run(&format!("await mainstayOffline.discard({id})")).await;
    browser.until("mainstayOffline.state.refused === 0").await;
    // Switched off while one write waits: it is delivered, and nothing is left.
    edge.kill();
    assert_eq!(browser.run("await save('last')").await, json!(202));
    edge.start(tracker.address, &KIT.replace("offline = {", "offline = { enabled = false,"));
    browser.open(&edge.url("/timer")).await;
    browser.until("(await navigator.serviceWorker.getRegistrations()).length === 0").await;
    assert_eq!(browser.run("await caches.keys()").await, json!([]));
    assert_eq!(browser.run("(await indexedDB.databases()).map(({ name }) => name)").await, json!([]));
    assert_eq!(tracker.recorded().entries.last().map(|entry| entry.text.clone()).as_deref(), Some("last"));
    browser.quit().await;
}
