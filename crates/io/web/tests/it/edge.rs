//! The edge, as machines and the team ask for it over a socket.

use crate::signing_in::{form_token, signed_in};
use crate::stand::{Stand, TOKEN, header};
use crate::traffic::TRACE;
use crate::world;
use serde_json::{Value, json};
use std::sync::Arc;
use types::input::Refused;
use web::AskError;

async fn get(stand: &Stand, path: &str) -> (u16, Value) {
    let answer = stand.get(path).bearer_auth(TOKEN).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn post(stand: &Stand, path: &str, body: &Value) -> (u16, Value) {
    let answer = stand.post(path).bearer_auth(TOKEN).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn machines_deny_and_lift() {
    let stand = Stand::new().await;
    for body in [
        json!({ "by": "ana", "what": "country ee", "for_secs": 7_200 }),
        json!({ "by": "ana", "what": "AS64500", "service": "auth", "for_secs": 60 }),
        json!({ "by": "ana", "what": "192.0.2.9/24", "for_secs": 1 }),
    ] {
        assert_eq!(post(&stand, "/api/v1/deny", &body).await.0, 200, "{body}");
    }
    assert_eq!(post(&stand, "/api/v1/denials/denial-3/lift", &json!({ "by": "bo" })).await.0, 200);
    insta::assert_snapshot!(stand.heard().join("\n"), @r#"
    Deny { what: Country("EE"), service: None, lasting: 7200s, by: "ana", everybody: false }
    Deny { what: Asn(64500), service: Some(ServiceId("auth")), lasting: 60s, by: "ana", everybody: false }
    Deny { what: Cidr(192.0.2.0/24), service: None, lasting: 1s, by: "ana", everybody: false }
    Lift { denial: DenialId(3), by: "bo" }
    "#);
}

#[tokio::test]
async fn a_denial_is_answered_with_its_number_and_its_end() {
    let stand = Stand::new().await;
    let body = json!({ "by": "ana", "what": "as64500", "service": "auth", "for_secs": 7_200 });
    let (_, made) = post(&stand, "/api/v1/deny", &body).await;
    let wanted = json!({
        "done": "deny",
        "denial": 7,
        "what": "AS64500",
        "service": "auth",
        "for_secs": 7_200,
        "until": "2026-11-22T06:21:09Z",
    });
    assert_eq!(made, wanted);
}

#[tokio::test]
async fn what_cannot_be_denied_is_explained() {
    let stand = Stand::new().await;
    for (body, status) in [
        (json!({ "by": "ana", "what": "everybody", "for_secs": 60 }), 422),
        (json!({ "by": "ana", "what": "EE", "for_secs": 0 }), 422),
        (json!({ "by": "ana", "what": "EE", "for_secs": 30 * 86_400 + 1 }), 422),
        (json!({ "by": "", "what": "EE", "for_secs": 60 }), 422),
        (json!({ "what": "EE", "for_secs": 60 }), 422),
    ] {
        let (got, problem) = post(&stand, "/api/v1/deny", &body).await;
        assert_eq!(got, status, "{body} {problem}");
        assert!(problem["detail"].is_string() && problem["hint"].is_string(), "{problem}");
    }
    assert_eq!(post(&stand, "/api/v1/denials/x/lift", &json!({ "by": "a" })).await.0, 404);
    assert!(stand.heard().is_empty());
    let stand = Stand::with(Some(world::outage()), |_| {
        Some(Err(AskError::Refused(Refused::NoSuchDenial(types::DenialId(9)))))
    })
    .await;
    let (status, problem) = post(&stand, "/api/v1/denials/9/lift", &json!({ "by": "a" })).await;
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("denial-9")), (404, true), "{problem}");
}

#[tokio::test]
async fn machines_read_how_the_edge_does_and_what_became_of_a_request() {
    let stand = Stand::new().await;
    let (_, edge) = get(&stand, "/api/v1/edge").await;
    assert_eq!(edge["services"][0]["now"]["limited"]["network"], 3_611);
    let (_, denials) = get(&stand, "/api/v1/denials").await;
    assert_eq!(denials["denials"][0]["what"], json!({ "asn": 64_500 }));
    for id in [TRACE.to_owned(), TRACE.to_uppercase(), format!("{}-{}", &TRACE[..8], &TRACE[8..])] {
        let (status, trace) = get(&stand, &format!("/api/v1/trace/{id}")).await;
        assert_eq!((status, &trace["hops"][1]["verdict"]), (200, &json!("limited")));
    }
    for id in ["x", "00000000000000000000000000000000"] {
        assert_eq!(get(&stand, &format!("/api/v1/trace/{id}")).await.0, 404);
    }
    assert_eq!(get(&stand, "/api/v1/traces").await.1.as_array().unwrap().len(), 4);
    // A second of traffic comes by itself, between views; a configuration without an edge takes the page away.
    let mut newer = crate::traffic::traffic(false);
    newer.connections = 7;
    stand.site.show_traffic(Some(Arc::new(newer)));
    assert_eq!(get(&stand, "/api/v1/edge").await.1["connections"], 7);
    stand.site.show_traffic(None);
    assert_eq!(get(&stand, "/api/v1/edge").await.0, 404);
}

#[tokio::test]
async fn without_the_token_nothing_is_told_even_to_loopback() {
    let stand = Stand::new().await;
    let trace = format!("/api/v1/trace/{TRACE}");
    for path in ["/metrics", "/api/v1/edge", "/api/v1/denials", "/api/v1/traces", &trace] {
        assert_eq!(stand.get(path).send().await.unwrap().status(), 401, "{path}");
    }
    for path in ["/api/v1/deny", "/api/v1/denials/3/lift"] {
        assert_eq!(stand.post(path).json(&json!({})).send().await.unwrap().status(), 401, "{path}");
    }
    for path in ["/console/edge", &format!("/console/trace/{TRACE}")] {
        let answer = stand.get(path).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/login"));
    }
    assert!(stand.heard().is_empty());
}

#[tokio::test]
async fn the_console_denies_with_its_own_forms_only() {
    let stand = Stand::new().await;
    let cookie = signed_in(&stand).await;
    let page =
        stand.get("/console/edge").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    assert_eq!(page.matches("2 before it alike").count(), 1, "{page}");
    assert!(!page.contains("<Sons>") && !page.contains("style=\"") && !page.contains("<app>"), "{page}");
    let form = form_token(&page);
    let deny = |form: &str, what: &str| {
        let fields = [("form", form), ("what", what), ("for_secs", "3600"), ("service", "")];
        stand.post("/console/edge/deny").header("cookie", &cookie).form(&fields).send()
    };
    assert_eq!(deny("x", "EE").await.unwrap().status(), 403);
    assert_eq!(deny(&form, "nonsense").await.unwrap().status(), 422);
    assert!(stand.heard().is_empty());
    let answer = deny(&form, "EE").await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/edge#denials"));
    assert_eq!(
        stand.heard(),
        [r#"Deny { what: Country("EE"), service: None, lasting: 3600s, by: "Ana", everybody: false }"#]
    );
}

#[tokio::test]
async fn figures_that_are_old_say_so() {
    let stand = Stand::new().await;
    let cookie = signed_in(&stand).await;
    let page = async || {
        stand.get("/console/edge").header("cookie", &cookie).send().await.unwrap().text().await.unwrap()
    };
    assert!(!page().await.contains("these figures are old"));
    let mut silent = crate::traffic::traffic(false);
    silent.silent = true;
    stand.site.show_traffic(Some(Arc::new(silent.clone())));
    assert!(page().await.contains("has told nothing since 22 Nov, 04:21:09 UTC"), "{}", page().await);
    silent.told = None;
    stand.site.show_traffic(Some(Arc::new(silent)));
    assert!(page().await.contains("has not told of its traffic yet"));
}

#[tokio::test]
async fn a_config_without_an_edge_says_so() {
    let mut views = world::well();
    views.traffic = None;
    let stand = Stand::with(Some(views), |_| Some(Ok(()))).await;
    let cookie = signed_in(&stand).await;
    let page =
        stand.get("/console/edge").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("The configuration has no edge."), "{page}");
}
