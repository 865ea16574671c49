//! An ordinary day: nothing stale while the site can be reached, and what a visit costs.

use crate::browser::Browser;
use crate::edge_process::EdgeProcess;
use crate::offline::started;
use serde_json::json;
use tempfile::TempDir;
use testbed::time_tracker::{PLAIN, TimeTracker};

const KIT: &str =
    "offline = { pages = [\"/\", \"/timer\"], get = [\"/api/entries\"], writes = [\"POST /api/entries\"] }";
/// The kit of the measured visits.
const MEASURED: &str = "offline = { pages = [\"/plain\"], get = [\"/api/entries\"], writes = [\"POST /api/entries\"], inject = true }";
/// Loads a script once more; its result is "load" or "error".
const LATE_PART: &str = "await new Promise(done => { const part = document.createElement('script'); part.onload = part.onerror = event => done(event.type); part.src = '/static/app.js'; document.head.append(part); })";

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
    // An error is the site's own, and a part that comes after the page is kept.
    browser.open(&edge.url("/elsewhere")).await;
    assert_eq!(browser.run("document.body.textContent").await, json!("no such page\n"));
    browser.open(&edge.url("/timer")).await;
    browser.until("window.mainstayOffline && await mainstayOffline.refused()").await;
    edge.kill();
    browser.until(&format!("{LATE_PART} === 'load'")).await;
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
    with.start(tracker.address, MEASURED);
    without.start(tracker.address, "");
    let profiles = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let browsers = [Browser::start(profiles[0].path()).await, Browser::start(profiles[1].path()).await];
    browsers[0].open(&with.url(PLAIN)).await;
    browsers[0].until("window.mainstayOffline && navigator.serviceWorker.controller").await;
    let mut times = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for visit in 0..=visits {
        // Each is the first one every other time.
        for at in [visit % 2, 1 - visit % 2] {
            browsers[at].open(&[&with, &without][at].url(PLAIN)).await;
            let timing = visited(&browsers[at]).await;
            // The first visit of all is not of interest.
            if visit > 0 {
                times[at].0.push(timing[0]);
                times[at].1.push(timing[1]);
            }
        }
    }
    let [with, without] = &times;
    println!("load of the machine: {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    for (what, with, without) in [("first byte", &with.0, &without.0), ("load", &with.1, &without.1)] {
        let more: Vec<f64> = with.iter().zip(without).map(|(with, without)| with - without).collect();
        let [with, without, more] = [with, without, &more].map(|values| median(values));
        println!(
            "{what} p50: with {with:.1} ms, without {without:.1} ms; p50 of the differences {more:+.1} ms"
        );
    }
    for browser in browsers {
        browser.quit().await;
    }
}

/// Milliseconds to the first byte and to the load event, once the page is at rest: the kit does its work after it.
async fn visited(browser: &Browser) -> [f64; 2] {
    let timing = "performance.getEntriesByType('navigation')[0]";
    let is_quiet = format!("{timing}.loadEventEnd > 0 && performance.now() - {timing}.loadEventEnd > 700");
    browser.until(&is_quiet).await;
    let both = browser
        .run(&format!("(({{ responseStart, loadEventEnd }}) => [responseStart, loadEventEnd])({timing})"))
        .await;
    [0, 1].map(|at| both[at].as_f64().unwrap())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
