//! An ordinary day: nothing stale while the site can be reached, and what a visit costs.

use crate::browser::Browser;
use crate::edge_process::EdgeProcess;
use crate::offline::started;
use serde_json::json;
use tempfile::TempDir;
use testbed::time_tracker::TimeTracker;

const KIT: &str =
    "offline = { pages = [\"/\", \"/timer\"], get = [\"/api/entries\"], writes = [\"POST /api/entries\"] }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_stale_while_the_site_can_be_reached() {
    let Some((tracker, mut edge, _profile, browser)) = started(KIT).await else { return };
    browser.open(&edge.url("/")).await;
    browser.until("window.mainstayOffline && navigator.serviceWorker.controller").await;
    for count in 1..=5 {
        assert_eq!(browser.run("await save('x')").await, json!(201));
        browser.open(&edge.url("/")).await;
        browser.until(&format!("document.querySelector('#count').textContent === '{count}'")).await;
    }
    assert_eq!(browser.run("document.querySelector('#mainstay-offline')").await, json!(null));
    // Each read reaches the server once, although browser and worker both ask for it.
    let before = tracker.recorded().reads;
    browser.open(&edge.url("/timer")).await;
    browser.until("document.querySelector('#count').textContent === '5'").await;
    browser.until("await caches.match('/timer')").await;
    let after = tracker.recorded().reads;
    for path in ["/timer", "/static/app.js", "/api/entries"] {
        let count = |reads: &std::collections::BTreeMap<String, u32>| reads.get(path).copied().unwrap_or(0);
        assert_eq!(count(&after) - count(&before), 1, "{path}: {before:?} {after:?}");
    }
    assert_eq!(
        browser.run("(await fetch('/api/entries')).headers.get('mainstay-offline')").await,
        json!(null)
    );
    edge.kill();
    assert_eq!(
        browser.run("(await fetch('/api/entries')).headers.get('mainstay-offline')").await,
        json!("cached")
    );
    browser.quit().await;
}

/// Measured, not asserted: `MAINSTAY_OFFLINE_VISITS=200` prints what a visit takes with the kit and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visit_with_the_kit_and_without() {
    let Some(visits) =
        std::env::var("MAINSTAY_OFFLINE_VISITS").ok().and_then(|text| text.parse::<usize>().ok())
    else {
        return;
    };
    let tracker = TimeTracker::start().await.unwrap();
    let (mut with, mut without) = (EdgeProcess::new(), EdgeProcess::new());
    with.start(tracker.address, KIT);
    without.start(tracker.address, "");
    let profiles = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let browsers = [Browser::start(profiles[0].path()).await, Browser::start(profiles[1].path()).await];
    browsers[0].open(&with.url("/")).await;
    browsers[0].until("window.mainstayOffline && navigator.serviceWorker.controller").await;
    let mut times = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for _ in 0..visits {
        for (at, edge) in [&with, &without].into_iter().enumerate() {
            browsers[at].open(&edge.url("/")).await;
            browsers[at].until("performance.getEntriesByType('navigation')[0].loadEventEnd > 0").await;
            let timing = "(({ responseStart, loadEventEnd }) => [responseStart, loadEventEnd])(performance.getEntriesByType('navigation')[0])";
            let timing = browsers[at].run(timing).await;
            times[at].0.push(timing[0].as_f64().unwrap());
            times[at].1.push(timing[1].as_f64().unwrap());
        }
    }
    for ((first, load), name) in times.iter_mut().zip(["with the kit", "without"]) {
        for (values, what) in [(first, "first byte"), (load, "load")] {
            values.sort_by(f64::total_cmp);
            let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
            println!("{name}: {what} p50 {:.1} ms, p90 {:.1} ms", at(0.5), at(0.9));
        }
    }
    for browser in browsers {
        browser.quit().await;
    }
}
