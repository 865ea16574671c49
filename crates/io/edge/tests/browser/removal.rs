//! The kit goes where the edge no longer has it: the section is gone, or mainstay is.

use crate::browser::Browser;
use crate::offline::visited;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

/// Waits until the browser has nothing of the kit any more. Each visit asks once more: a worker that was asked a moment ago waits
/// before it asks again, but not after it was started again.
async fn until_gone(browser: &Browser) {
    browser.until("(await navigator.serviceWorker.getRegistrations()).length === 0").await;
    assert_eq!(browser.run("await caches.keys()").await, json!([]));
    assert_eq!(browser.run("(await indexedDB.databases()).map(({ name }) => name)").await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kit_goes_where_the_section_is_gone() {
    let Some((tracker, mut edge, profile, browser)) = visited().await else { return };
    edge.kill();
    assert_eq!(browser.run("await save('waits')").await, json!(202));
    browser.quit().await;
    // Without the section the path is the site's own, which answers 404.
    edge.start(tracker.address, "");
    let browser = Browser::start(profile.path()).await;
    browser.open(&edge.url("/timer")).await;
    until_gone(&browser).await;
    let texts: Vec<String> = tracker.recorded().entries.into_iter().map(|entry| entry.text).collect();
    assert_eq!(texts, ["waits"], "what waited was delivered before");
    browser.quit().await;
}

/// A site of its own in the place of the edge, which answers every path with the same page, as single-page applications do.
fn site_that_answers_everything(address: SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                if !matches!(connection.read(&mut head), Ok(1..)) {
                    return;
                }
                let page = "<!doctype html><title>Application</title>";
                let body = if head.starts_with(b"HEAD") { "" } else { page };
                let _ = write!(
                    connection,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    page.len()
                );
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kit_goes_where_another_site_answers_everything() {
    let Some((_tracker, mut edge, profile, browser)) = visited().await else { return };
    browser.quit().await;
    edge.kill();
    site_that_answers_everything(edge.address);
    let browser = Browser::start(profile.path()).await;
    browser.open(&edge.url("/timer")).await;
    assert_eq!(browser.title().await, "Application", "the network first");
    until_gone(&browser).await;
    browser.quit().await;
}
