//! Changes that other systems report: who may, what is recorded, what is refused.

use crate::fixture::{Fixture, TOKEN, header};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::Sha256;
use web::CommandError;
use web::sources::{ChangeSource, SourceService};

const DEPLOYMENT: &str = include_str!("../fixtures/intake/github-deployment.json");
const STATUS: &str = include_str!("../fixtures/intake/github-deployment-status.json");
const GITLAB: &str = include_str!("../fixtures/intake/gitlab-deployment.json");
const PAGERDUTY: &str = include_str!("../fixtures/intake/pagerduty-change.json");

async fn fixture() -> Fixture {
    with_sources(Fixture::new().await)
}

fn with_sources(fixture: Fixture) -> Fixture {
    let source = |name: &str, service| ChangeSource {
        name: name.to_owned(),
        secret: format!("the-token-of-{name}").into(),
        service,
    };
    fixture.state.set_sources(vec![
        source("github", SourceService::ByName),
        source("gitlab", SourceService::ByName),
        source("pager", SourceService::ByName),
        source("ci", SourceService::Fixed("web".into())),
    ]);
    fixture
}

fn signed(fixture: &Fixture, event: &str, body: &str, secret: &str) -> RequestBuilder {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    let digest: [u8; 32] = mac.finalize().into_bytes().into();
    fixture
        .post("/api/v1/sources/github/github")
        .header("x-github-event", event)
        .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
        .header("x-hub-signature-256", format!("sha256={}", text::hex::encode(&digest)))
        .body(body.to_owned())
}

async fn done(request: RequestBuilder) -> (u16, Value) {
    let answer: Response = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn github_deployment_is_recorded_when_its_signature_fits() {
    let fixture = fixture().await;
    let secret = "the-token-of-github";
    for (event, body, secret, status, said) in [
        ("deployment", DEPLOYMENT, secret, 200, "change"),
        ("deployment_status", STATUS, secret, 200, "change"),
        ("ping", r#"{"zen":"Design for failure."}"#, secret, 200, "ignored"),
        ("push", "{}", secret, 200, "ignored"),
        ("deployment", "{}", secret, 422, ""),
        ("deployment", DEPLOYMENT, "the-token-of-gitlab", 401, ""),
        ("deployment", DEPLOYMENT, "", 401, ""),
    ] {
        let (code, answer) = done(signed(&fixture, event, body, secret)).await;
        assert_eq!((code, answer["done"].as_str().unwrap_or_default()), (status, said), "{event}: {answer}");
    }
    let unsigned = fixture.post("/api/v1/sources/github/github").header("x-github-event", "deployment");
    assert_eq!(done(unsigned.body(DEPLOYMENT)).await.0, 401);
    let elsewhere = fixture.post("/api/v1/sources/nobody/github").body(DEPLOYMENT);
    assert_eq!(done(elsewhere).await.0, 401);
    insta::assert_snapshot!(fixture.received().join("\n"));
}

#[tokio::test]
async fn gitlab_deployment_is_recorded_when_its_token_fits() {
    let fixture = fixture().await;
    let sent = |token: &str, event: &str, body: &str| {
        fixture
            .post("/api/v1/sources/gitlab/gitlab")
            .header("x-gitlab-token", token)
            .header("x-gitlab-event", event)
            .body(body.to_owned())
    };
    let right = "the-token-of-gitlab";
    assert_eq!(done(sent(right, "Deployment Hook", GITLAB)).await.1["done"], "change");
    assert_eq!(done(sent(right, "Push Hook", "{}")).await.1["done"], "ignored");
    let blocked = GITLAB.replace("\"success\"", "\"blocked\"");
    assert_eq!(done(sent(right, "Deployment Hook", &blocked)).await.1["done"], "ignored");
    assert_eq!(done(sent("wrong", "Deployment Hook", GITLAB)).await.0, 401);
    assert_eq!(done(sent("", "Deployment Hook", GITLAB)).await.0, 401);
    insta::assert_snapshot!(fixture.received().join("\n"));
}

#[tokio::test]
async fn change_event_of_pagerduty_is_answered_as_its_clients_expect() {
    let fixture = fixture().await;
    let sent = |body: String| done(fixture.post("/v2/change/enqueue").body(body));
    let (code, answer) = sent(PAGERDUTY.to_owned()).await;
    assert_eq!(
        (code, &answer["status"], &answer["message"]),
        (202, &json!("success"), &json!("Change event processed"))
    );
    for body in [
        PAGERDUTY.replace("the-token-of-pager", "wrong"),
        PAGERDUTY.replace("2026-11-22T04", "yesterday"),
        r#"{"routing_key":"the-token-of-pager","payload":{"summary":" "}}"#.to_owned(),
        "[]".to_owned(),
    ] {
        let (code, answer) = sent(body).await;
        assert_eq!((code, &answer["status"]), (400, &json!("invalid event")), "{answer}");
        assert!(answer["errors"][0].is_string(), "{answer}");
    }
    insta::assert_snapshot!(fixture.received().join("\n"));
}

#[tokio::test]
async fn own_report_needs_a_token_and_names_its_author() {
    let fixture = fixture().await;
    let sent = |token: &str, body: &Value| fixture.post("/api/v1/changes").bearer_auth(token).json(body);
    let body = json!({ "title": "deploy auth 4f2c", "service": "auth", "by": "ana",
        "at": "2026-11-22T04:09:00Z", "link": "https://ci.acme.net/7", "id": "deploy-7" });
    assert_eq!(done(sent(TOKEN, &body)).await.0, 200);
    let from_ci = json!({ "title": "added 4 API servers", "kind": "scale" });
    assert_eq!(done(sent("the-token-of-ci", &from_ci).header("idempotency-key", "k-1")).await.0, 200);
    for (token, body, status) in [
        ("wrong", &body, 401),
        ("the-token-of-cI", &body, 401),
        (TOKEN, &json!({ "title": "x" }), 422),
        (TOKEN, &json!({ "title": " ", "by": "ana" }), 422),
        (TOKEN, &json!({ "title": "x", "by": "ana", "link": "javascript:alert(1)" }), 422),
        (TOKEN, &json!({ "title": "x", "by": "ana", "kind": "magic" }), 422),
        (TOKEN, &json!({ "title": "x", "by": "ana", "unknown": 1 }), 422),
        (TOKEN, &json!({ "title": "x", "by": "ana", "services": vec!["a"; 99] }), 422),
    ] {
        assert_eq!(done(sent(token, body)).await.0, status, "{body}");
    }
    let large = json!({ "title": "x".repeat(600 << 10), "by": "ana" });
    assert_eq!(done(sent(TOKEN, &large)).await.0, 413);
    insta::assert_snapshot!(fixture.received().join("\n"));
}

#[tokio::test]
async fn report_is_confirmed_only_after_it_is_on_disk() {
    let full = Fixture::with(Some(crate::views::outage()), |_| {
        Some(Err(CommandError::Unavailable("the disk is full".to_owned())))
    });
    let fixture = with_sources(full.await);
    let answer = signed(&fixture, "deployment", DEPLOYMENT, "the-token-of-github").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "5"));
    let answer = fixture.post("/v2/change/enqueue").body(PAGERDUTY).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "10"));
}

#[tokio::test]
async fn source_that_reports_too_much_is_slowed_down() {
    let fixture = fixture().await;
    let mut refused = 0;
    for n in 0..320 {
        let body = json!({ "title": format!("deploy {n}") });
        let answer = fixture.post("/api/v1/changes").bearer_auth("the-token-of-ci").json(&body);
        refused += u32::from(done(answer).await.0 == 429);
    }
    assert!((1..=20).contains(&refused), "{refused}");
}

#[tokio::test]
async fn changes_are_listed_with_their_effects() {
    let fixture = fixture().await;
    let (code, listed) = done(fixture.get("/api/v1/changes").bearer_auth(TOKEN)).await;
    assert_eq!(code, 200);
    let first = &listed["changes"][0];
    assert_eq!(first["title"], "deploy search 4f2d");
    assert_eq!(first["effects"][0]["incident"], 5);
    assert_eq!(first["effects"][0]["text"], "helped: latency of http.search.acme.com 1.9 s -> 400 ms, -79 %");
    assert_eq!(done(fixture.get("/api/v1/changes").bearer_auth("the-token-of-ci")).await.0, 401);
}
