//! Several tabs of one browser have one store and one order; a form of another site is none of theirs.

use crate::offline::{KIT, until_delivered, visited};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_deliver_once_and_in_the_order_of_all() {
    const EACH: usize = 5;
    let Some((tracker, mut edge, _profile, browser)) = visited().await else { return };
    edge.kill();
    let first = browser.open_tab().await;
    browser.open(&edge.url("/timer")).await;
    browser.until("window.mainstayOffline && navigator.serviceWorker.controller").await;
    for at in 0..EACH {
        assert_eq!(browser.run(&format!("await save('second {at}')")).await, json!(202));
        let second = browser.tab(first.clone()).await;
        assert_eq!(browser.run(&format!("await save('first {at}')")).await, json!(202));
        browser.tab(second).await;
    }
    let count = 2 * EACH;
    browser.until(&format!("mainstayOffline.state.queued === {count}")).await;
    edge.start(tracker.address, KIT);
    // Both ask for delivery at the same time.
    browser.run("mainstayOffline.deliver()").await;
    let second = browser.tab(first).await;
    browser
        .until(&format!("mainstayOffline.state.queued === {count} || mainstayOffline.state.queued === 0"))
        .await;
    until_delivered(&browser).await;
    browser.tab(second).await;
    browser.until("mainstayOffline.state.queued === 0 && !document.querySelector('#mainstay-offline')").await;
    let recorded = tracker.recorded();
    let texts: Vec<String> = recorded.entries.iter().map(|entry| entry.text.clone()).collect();
    let expected: Vec<String> =
        (0..EACH).flat_map(|at| [format!("second {at}"), format!("first {at}")]).collect();
    assert_eq!((texts, recorded.repeated()), (expected, 0));
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn form_of_another_site_is_not_sent_again_as_one_of_this_site() {
    let Some((tracker, mut edge, _profile, browser)) = visited().await else { return };
    // Another site: the same edge under another name. The text of the form is what the site takes for an entry.
    let submit = |address: &str| {
        format!(
            "(() => {{ const form = document.createElement('form'); form.method = 'post'; form.enctype = 'text/plain'; \
             form.action = '{address}'; const input = document.createElement('input'); \
             input.name = '{{\"client\":\"x\",\"number\":0,\"text\":\"'; input.value = '\"}}'; \
             form.append(input); document.body.append(form); setTimeout(() => form.submit()); }})()"
        )
    };
    browser.open(&format!("http://127.0.0.1:{}/elsewhere", edge.address.port())).await;
    browser.run(&submit(&edge.url("/api/entries"))).await;
    browser.until("location.pathname === '/api/entries'").await;
    let recorded = tracker.recorded();
    assert_eq!((recorded.without_key, recorded.deliveries.len()), (1, 0), "{recorded:?}");
    // While the edge does not answer, nothing of it is kept.
    edge.kill();
    browser.open(&edge.url("/timer")).await;
    browser.until("window.mainstayOffline && (await mainstayOffline.refused(), true)").await;
    browser.until("mainstayOffline.state.queued === 0").await;
    // A form of the site itself has a key.
    edge.start(tracker.address, KIT);
    browser.run(&submit("/api/entries")).await;
    browser.until("location.pathname === '/api/entries'").await;
    let recorded = tracker.recorded();
    assert_eq!((recorded.without_key, recorded.deliveries.len()), (1, 1), "{recorded:?}");
    browser.quit().await;
}
