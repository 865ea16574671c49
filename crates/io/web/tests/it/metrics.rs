//! `/metrics`, in both text formats.

use crate::fixture::{Fixture, TOKEN, header};
use crate::sign_in::signed_in;

#[tokio::test]
async fn metrics_are_valid_openmetrics() {
    let fixture = Fixture::new().await;
    fixture.state.heartbeat();
    let answer = fixture.get("/metrics").bearer_auth(TOKEN).send().await.unwrap();
    assert!(header(&answer, "content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let text = answer.text().await.unwrap();
    for line in [
        "mainstay_edge_requests_total{service=\"auth\"} 7",
        "mainstay_incidents{acknowledged=\"false\"} 1",
        "mainstay_service_state{service=\"auth\",mainstay_service_state=\"major_outage\"} 1",
        "mainstay_service_state{service=\"auth\",mainstay_service_state=\"operational\"} 0",
        "probe_success{resource=\"host.auth.acme.app\"} 0",
        "probe_success{resource=\"host.www.acme.com\"} 1",
        "probe_duration_seconds{probe=\"http.auth.acme.app\",resource=\"host.auth.acme.app\"} 5.0",
        "probe_duration_seconds{probe=\"tls.www.acme.com\",resource=\"tls.www.acme.com\"} 0.038",
        "probe_ssl_earliest_cert_expiry{probe=\"tls.www.acme.com\",resource=\"tls.www.acme.com\"} 1798848000",
        "mainstay_domain_expiry_timestamp_seconds{domain=\"acme.com\",knowledge=\"stale\"} 1803859200",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    // Every family has one head and is contiguous.
    let heads: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut once = heads.clone();
    once.dedup();
    once.sort_unstable();
    assert_eq!(once.len(), heads.len());
    let cookie = signed_in(&fixture).await;
    assert_eq!(fixture.get("/metrics").header("cookie", &cookie).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn older_format_is_served_only_when_openmetrics_is_not_accepted() {
    let fixture = Fixture::new().await;
    let asked = async |accept: &str| {
        let answer =
            fixture.get("/metrics").bearer_auth(TOKEN).header("accept", accept).send().await.unwrap();
        (header(&answer, "content-type").to_owned(), answer.text().await.unwrap())
    };
    // As Prometheus asks, and a client without a preference.
    for accept in
        ["application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "*/*"]
    {
        let (kind, text) = asked(accept).await;
        assert!(kind.starts_with("application/openmetrics-text"), "{accept}: {kind}");
        assert!(text.contains("# TYPE mainstay_service_state gauge\n"), "{text}");
        assert!(text.contains("# TYPE mainstay_edge_requests counter\n"), "{text}");
    }
    let (kind, text) = asked("text/plain;version=0.0.4;q=1,*/*;q=0.1").await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    for line in [
        "# TYPE mainstay_service_state gauge",
        "# HELP mainstay_service_state State of each service on the status page.",
        "# TYPE mainstay_edge_requests_total counter",
        "mainstay_edge_requests_total{service=\"auth\"} 7",
        "# TYPE mainstay_alerts gauge",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("EOF"), "{text}");
}
