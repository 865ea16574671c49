//! Headroom and the scaling signal over HTTP: as an autoscaler, a scraper and a person read them.

use crate::edge_views::traffic;
use crate::fixture::{Fixture, TOKEN, header};
use crate::sign_in::signed_in;
use crate::views;
use engine::views::Views;
use engine::views::scaling::Scaling;
use serde_json::{Value, json};
use std::sync::Arc;
use types::headroom::Unknown;

const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

async fn get(fixture: &Fixture, path: &str) -> (u16, Value) {
    let answer = fixture.get(path).bearer_auth(TOKEN).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn healthy() -> Fixture {
    Fixture::with(Some(views::healthy()), |_| None).await
}

/// A value as KEDA's scaler `metrics-api` finds it: a number by its place in the answer, an error by the status.
async fn keda(fixture: &Fixture, pool: &str, value_location: &str) -> Result<f64, u16> {
    let (status, answer) = get(fixture, &format!("/api/v1/scaling/{pool}")).await;
    if status != 200 {
        return Err(status);
    }
    Ok(answer[value_location].as_f64().unwrap())
}

#[tokio::test]
async fn scaling_signal_is_read_by_its_place_and_is_an_error_while_unknown() {
    let fixture = healthy().await;
    assert_eq!(keda(&fixture, "auth", "desired_servers").await, Ok(4.0));
    assert_eq!(keda(&fixture, "auth", "utilization_ratio").await, Ok(0.5));
    assert_eq!(keda(&fixture, "api", "desired_servers").await, Err(503), "no load test");
    assert_eq!(keda(&fixture, "nothing", "desired_servers").await, Err(404));
    let answer = fixture.get("/api/v1/scaling/api").bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("there is no load test"), "{problem}");
    let nobody = fixture.get("/api/v1/scaling/auth").send().await.unwrap();
    assert_eq!(nobody.status(), 401);

    let surge = Fixture::new().await;
    assert_eq!(keda(&surge, "auth", "desired_servers").await, Ok(8.0));
    // The edge stops reporting: the last signal is not repeated.
    let mut silent = traffic(true);
    silent.pools[0].scaling = Some(Scaling::Unknown(Unknown::NoReport));
    surge.state.show_traffic(Some(Arc::new(silent)));
    assert_eq!(keda(&surge, "auth", "desired_servers").await, Err(503));
}

#[tokio::test]
async fn external_metrics_have_the_form_of_kubernetes() {
    let fixture = healthy().await;
    let (status, found) = get(&fixture, EXTERNAL).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&found["kind"], &found["groupVersion"], &found["resources"][0]),
        (
            &json!("APIResourceList"),
            &json!("external.metrics.k8s.io/v1beta1"),
            &json!({ "name": "mainstay_pool_desired_servers", "singularName": "", "namespaced": true,
                "kind": "ExternalMetricValueList", "verbs": ["get"] })
        )
    );
    let (_, group) = get(&fixture, "/apis/external.metrics.k8s.io").await;
    assert_eq!((&group["kind"], &group["name"]), (&json!("APIGroup"), &json!("external.metrics.k8s.io")));
    let of = |metric: &str, selector: &str| {
        format!("{EXTERNAL}/namespaces/shop/{metric}?labelSelector={selector}")
    };
    let (status, list) = get(&fixture, &of("mainstay_pool_desired_servers", "pool%3Dauth")).await;
    assert_eq!(status, 200);
    let item = &list["items"][0];
    assert_eq!(
        (&list["kind"], &list["apiVersion"], &list["metadata"]),
        (&json!("ExternalMetricValueList"), &json!("external.metrics.k8s.io/v1beta1"), &json!({}))
    );
    assert_eq!(
        (&item["metricName"], &item["metricLabels"], &item["value"]),
        (&json!("mainstay_pool_desired_servers"), &json!({ "pool": "auth" }), &json!("4"))
    );
    assert!(item["timestamp"].as_str().unwrap().ends_with('Z'), "{item}");
    let (_, list) = get(&fixture, &of("mainstay_pool_utilization_ratio", "pool%20in%20%28auth%29")).await;
    assert_eq!(list["items"][0]["value"], "500m");
    // An unknown pool fails the whole list: the values are added.
    for (metric, selector, status) in [
        ("mainstay_pool_desired_servers", "pool%20in%20%28auth%2Capi%29", 503),
        ("mainstay_pool_desired_servers", "pool%3Dnothing", 404),
        ("mainstay_pool_desired_servers", "", 400),
        ("mainstay_pool_desired_servers", "app%3Dauth", 400),
        ("other", "pool%3Dauth", 404),
    ] {
        let (answered, problem) = get(&fixture, &of(metric, selector)).await;
        assert!(answered == status && problem["hint"].is_string(), "{metric} {selector} {problem}");
    }
    assert_eq!(fixture.get(EXTERNAL).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn headroom_is_listed_with_texts_and_the_effect_of_more_servers() {
    let fixture = healthy().await;
    let (_, all) = get(&fixture, "/api/v1/headroom").await;
    let texts: Vec<&str> =
        all["resources"].as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap()).collect();
    insta::assert_snapshot!(texts.join("\n"), @r"
    62 % of its knee at the daily peak (310 of 500 requests/s); 2 more servers lower it to 41 %; its trend meets the knee on 2026-12-12
    headroom unknown: there is no load test of a service that it serves
    31 % of its connection slots in use at the daily peak
    ");
    assert_eq!(all["resources"][1]["utilization"]["day"], Value::Null, "unknown is not 0");
    assert_eq!(all["resources"][0]["is_low"], true);
    let (_, more) = get(&fixture, "/api/v1/headroom?more=6").await;
    assert_eq!(more["resources"][0]["with_more"]["servers"], 6);
    let empty = Fixture::with(Some(Views { headroom: Arc::default(), ..views::healthy() }), |_| None).await;
    assert_eq!(get(&empty, "/api/v1/headroom").await.1["resources"], json!([]));
}

#[tokio::test]
async fn metrics_leave_out_what_is_unknown() {
    let fixture = healthy().await;
    let text = fixture.get("/metrics").bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
    for line in [
        "mainstay_pool_desired_servers{pool=\"auth\"} 4",
        "mainstay_pool_utilization_ratio{pool=\"auth\"} 0.5",
        "mainstay_pool_demand_requests_per_second{pool=\"auth\"} 250.0",
        "mainstay_headroom_daily_peak_ratio{resource=\"pool.auth\"} 0.62",
        "mainstay_headroom_daily_peak_ratio{resource=\"database.main\"} 0.31",
        "mainstay_headroom_knee_timestamp_seconds{resource=\"pool.auth\"} 1797033600",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("{pool=\"api\"}") && !text.contains("{resource=\"pool.api\"}"), "{text}");
}

#[tokio::test]
async fn page_shows_shares_and_names_what_is_low() {
    let fixture = healthy().await;
    let cookie = signed_in(&fixture).await;
    let answer = fixture.get("/console/headroom").header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let page = answer.text().await.unwrap();
    for wanted in [
        "aria-current=\"page\">Headroom</a>",
        "<strong>62 %</strong>",
        "4 of 4",
        "125 requests/s a server (load test `auth`)",
        "meets the knee on 2026-12-12",
        "unknown: there is no load test of a service that it serves",
        "<li>pool.auth: 62 % of its knee",
        "5 of 14 days measured",
    ] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    assert!(!page.contains(">0 %<"), "{page}");
}
