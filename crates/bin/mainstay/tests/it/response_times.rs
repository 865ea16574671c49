//! Answers of a probe, from the store to the API and the status page, and across a kill.

use crate::instance::{Instance, Web, until};

const PATH: &str = "/api/v1/probes/front/latency?range=7d";

fn answers(instance: &Instance) -> u64 {
    instance.get(PATH).1["count"].as_u64().unwrap_or_default()
}

#[test]
fn answers_reach_the_api_and_the_status_page_and_survive_a_kill() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    instance.start();
    until("an empty state on the status page", || {
        let page = instance.text("/");
        (page.contains("No response times yet.") || page.contains("latency-chart")).then_some(())
    });
    until("three stored answers", || (answers(&instance) >= 3).then_some(()));
    let (status, body) = instance.get(PATH);
    assert_eq!((status, body["chart"].as_array().map(Vec::len)), (200, Some(84)), "{body}");
    assert!(body["percentiles"]["p50_seconds"].as_f64().is_some_and(|p50| p50 > 0.0), "{body}");
    assert_eq!(instance.get("/api/v1/probes/none/latency").0, 404);
    let before = answers(&instance);
    instance.kill();
    instance.start();
    until("the answers from before", || (answers(&instance) >= before).then_some(()));
    // The first views after the start are rendered with the stored samples.
    until("a chart on the status page", || instance.text("/").contains("latency-chart").then_some(()));
    assert_eq!(instance.terminate(), Some(0));
}
