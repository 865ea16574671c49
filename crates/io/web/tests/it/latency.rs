//! Stored latencies: the API, the page of a probe, the charts of the status page.

use crate::fixture::{Fixture, TOKEN, header};
use crate::sign_in::signed_in;
use crate::stub_samples::StubSamples;
use crate::views;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use types::Time;
use types::series::{Bucket, StripDay};
use web::{Samples, SamplesError, WebSettings, WebState};

const PATH: &str = "/api/v1/probes/http.auth.acme.app/latency";

async fn get(fixture: &Fixture, path: &str) -> (u16, Value) {
    let answer = fixture.get(path).bearer_auth(TOKEN).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn console(fixture: &Fixture, cookie: &str, path: &str) -> (u16, String) {
    let answer = fixture.get(path).header("cookie", cookie).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn api_returns_chart_percentiles_and_strip() {
    let fixture = Fixture::new().await;
    for (range, buckets) in
        [("", 96), ("?range=24h", 96), ("?range=7d", 84), ("?range=30d", 120), ("?range=90d", 90)]
    {
        let (status, body) = get(&fixture, &format!("{PATH}{range}")).await;
        assert_eq!((status, body["chart"].as_array().unwrap().len()), (200, buckets), "{range}");
    }
    let (_, body) = get(&fixture, PATH).await;
    assert_eq!((&body["probe"], &body["range"]), (&json!("http.auth.acme.app"), &json!("24h")));
    assert_eq!((body["count"].as_u64(), body["ok"].as_u64()), (Some(2_880), Some(2_880)));
    for of in [&body["percentiles"], &body["chart"][0]["percentiles"]] {
        for key in ["min", "mean", "max", "p50", "p95", "p99"] {
            assert!(of[format!("{key}_seconds")].as_f64().is_some_and(|value| value > 0.0), "{key} {of}");
        }
    }
    assert_eq!(body["chart"][95]["percentiles"], Value::Null, "no good answer");
    assert_eq!(body["strip"].as_array().unwrap().len(), 90);
    assert!(
        body["strip"][89]["day"].is_string() && body["strip"][89]["ok"] == 2_870,
        "{}",
        body["strip"][89]
    );
    for (path, wanted) in
        [(format!("{PATH}?range=1y"), 422), ("/api/v1/probes/http.unknown/latency".to_owned(), 404)]
    {
        let (status, problem) = get(&fixture, &path).await;
        assert_eq!(status, wanted, "{path}");
        assert!(problem["detail"].is_string() && problem["hint"].is_string(), "{problem}");
    }
    assert_eq!(fixture.get(PATH).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn page_of_a_probe_has_chart_table_and_faults() {
    let fixture = Fixture::new().await;
    let path = "/console/probe/http.auth.acme.app";
    let answer = fixture.get(path).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/login"));
    let cookie = signed_in(&fixture).await;
    let (status, page) = console(&fixture, &cookie, &format!("{path}?range=7d")).await;
    assert_eq!(status, 200);
    for wanted in [
        "<a href=\"?range=7d\" aria-current=\"page\">7 days</a>",
        "class=\"latency-chart\"",
        "Last 7 days: p50 ",
        "answers with status 503",
        "Sign-in",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing in {page}");
    }
    assert!(!page.contains("style="), "the policy forbids it");
    let rows = page.split("latency-table").nth(1).unwrap().matches("<tr><th scope=\"row\">").count();
    assert!((80..=84).contains(&rows), "{rows}");
    let (_, slow) = console(&fixture, &cookie, "/console/probe/http.search.acme.com").await;
    assert!(slow.contains("Slow since 22 Nov 2026, 02:02 UTC: 110 ms → 240 ms."), "{slow}");
    let (_, empty) = console(&fixture, &cookie, "/console/probe/new.acme.app").await;
    assert!(empty.contains("No samples in the last 24 hours. Every answer is stored"), "{empty}");
    for (path, wanted) in [("/console/probe/x", 404), ("/console/probe/http.auth.acme.app?range=x", 422)] {
        assert_eq!(console(&fixture, &cookie, path).await.0, wanted, "{path}");
    }
}

#[tokio::test]
async fn now_and_the_list_lead_to_the_page_of_a_probe() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let (_, now) = console(&fixture, &cookie, "/console").await;
    assert!(now.contains("<a href=\"/console/probe/http.search.acme.com\">search.acme.com</a>"), "{now}");
    assert!(now.contains("<a href=\"/console/probes?service=auth\">Sign-in</a>"));
    let (_, all) = console(&fixture, &cookie, "/console/probes").await;
    assert_eq!(all.matches("href=\"/console/probe/").count(), 4, "{all}");
    let (_, of_one) = console(&fixture, &cookie, "/console/probes?service=auth").await;
    assert_eq!(of_one.matches("href=\"/console/probe/").count(), 1);
    assert!(of_one.contains("Probes of Sign-in"));
}

#[tokio::test]
async fn status_page_has_response_times_of_services_and_names_no_probe() {
    let fixture = Fixture::new().await;
    let page = async || fixture.get("/").send().await.unwrap().text().await.unwrap();
    assert!(!page().await.contains("response-times"), "nothing was read yet");
    fixture.state.refresh_latencies();
    let shown = page().await;
    let section = shown.split("id=\"response-times\"").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    assert_eq!(section.matches("<svg class=\"latency-chart\"").count(), 4, "two services, two ranges each");
    assert!(
        section.contains("<h3>Customer workspaces</h3>\n<p class=\"soft\">No response times yet."),
        "{section}"
    );
    assert!(!section.contains("Web site"), "it has no probe");
    for name in ["http.", "acme.app", "acme.com", "style="] {
        assert!(!section.contains(name), "{name}");
    }
    let before = fixture.state.cache().documents()["/"].digest.clone();
    fixture.state.refresh_latencies();
    assert_eq!(fixture.state.cache().documents()["/"].digest, before, "nothing has changed");
    // Other views keep the charts, until the configuration hides them.
    let mut views = views::healthy();
    fixture.state.publish(Arc::new(views.clone()));
    assert!(page().await.contains("response-times"));
    views.status_page.response_times = false;
    fixture.state.publish(Arc::new(views));
    assert!(!page().await.contains("response-times"), "hidden at once");
    fixture.state.refresh_latencies();
    assert!(!page().await.contains("response-times"));
}

/// A store that fails, or that counts concurrent reads and waits.
#[derive(Debug, Default)]
struct Slow {
    fails: bool,
    reading: AtomicUsize,
    most: AtomicUsize,
}

impl Samples for Slow {
    fn chart(
        &self,
        probes: &[&str],
        range: std::ops::Range<Time>,
        buckets: usize,
    ) -> Result<Vec<Bucket>, SamplesError> {
        if self.fails {
            return Err(SamplesError("disk I/O error".to_owned()));
        }
        let reading = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(reading, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
        self.reading.fetch_sub(1, Ordering::SeqCst);
        StubSamples.chart(probes, range, buckets)
    }

    fn strip(&self, probe: &str, until: Time, days: u16) -> Result<Vec<StripDay>, SamplesError> {
        StubSamples.strip(probe, until, days)
    }
}

/// A server with these samples.
async fn serving(samples: Option<Arc<dyn Samples>>) -> (String, Fixture, Arc<WebState>, watch::Sender<bool>) {
    let fixture = Fixture::new().await;
    let (sender, _) = mpsc::channel(1);
    let settings = WebSettings { api_token: TOKEN.into(), ..fixture.state.settings().clone() };
    let state = Arc::new(WebState::new(settings, sender).with_samples(samples));
    state.publish(Arc::new(views::healthy()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(web::serve(listener, Arc::clone(&state), stopped));
    (base, fixture, state, stop)
}

#[tokio::test]
async fn reads_are_bounded_and_failures_are_explained() {
    let slow = Arc::new(Slow::default());
    let (base, fixture, _state, _stop) = serving(Some(slow.clone())).await;
    let read = || {
        let request = fixture.client.get(format!("{base}{PATH}")).bearer_auth(TOKEN);
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    };
    let reads: Vec<_> = (0..12).map(|_| read()).collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), 200);
    }
    assert!((1..=2).contains(&slow.most.load(Ordering::SeqCst)), "{:?}", slow.most);

    let failing = Slow { fails: true, ..Slow::default() };
    for samples in [None, Some(Arc::new(failing) as Arc<dyn Samples>)] {
        let (base, fixture, state, _stop) = serving(samples).await;
        state.refresh_latencies();
        let answer = fixture.client.get(format!("{base}{PATH}")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].is_string() && problem["hint"].is_string(), "{problem}");
        let page = fixture.client.get(&base).send().await.unwrap();
        assert_eq!(page.status(), 200, "the status page does not need them");
    }
}
