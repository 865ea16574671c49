//! The edge in the API and the console.

use crate::edge_views::TRACE;
use crate::fixture::{Fixture, TOKEN, header};
use crate::sign_in::{form_token, signed_in};
use crate::views;
use serde_json::{Value, json};
use std::sync::Arc;
use types::input::Refused;
use web::CommandError;

async fn get(fixture: &Fixture, path: &str) -> (u16, Value) {
    let answer = fixture.get(path).bearer_auth(TOKEN).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn post(fixture: &Fixture, path: &str, body: &Value) -> (u16, Value) {
    let answer = fixture.post(path).bearer_auth(TOKEN).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn api_denies_and_lifts() {
    let fixture = Fixture::new().await;
    for body in [
        json!({ "by": "ana", "what": "country ee", "for_seconds": 7_200 }),
        json!({ "by": "ana", "what": "AS64500", "service": "auth", "for_seconds": 60 }),
        json!({ "by": "ana", "what": "192.0.2.9/24", "for_seconds": 1 }),
    ] {
        assert_eq!(post(&fixture, "/api/v1/deny", &body).await.0, 200, "{body}");
    }
    assert_eq!(post(&fixture, "/api/v1/denials/denial-3/lift", &json!({ "by": "bo" })).await.0, 200);
    insta::assert_snapshot!(fixture.received().join("\n"), @r#"
    ana, Token, API: Deny { what: Country("EE"), service: None, lasting: 7200s, everybody: false }
    ana, Token, API: Deny { what: Asn(64500), service: Some(ServiceId("auth")), lasting: 60s, everybody: false }
    ana, Token, API: Deny { what: Cidr(192.0.2.0/24), service: None, lasting: 1s, everybody: false }
    bo, Token, API: Lift { denial: DenialId(3) }
    "#);
}

#[tokio::test]
async fn purge_returns_what_it_dropped() {
    let fixture = Fixture::new().await;
    let purge = async |body: Value| post(&fixture, "/api/v1/cache/purge", &body).await;
    let (status, done) = purge(json!({ "by": "ana", "service": "auth", "path": "/keys" })).await;
    assert_eq!(
        (status, done),
        (200, json!({ "done": "purge", "service": "auth", "path": "/keys", "dropped": 2 }))
    );
    let (_, done) = purge(json!({ "by": "ana", "service": "auth" })).await;
    assert_eq!(done["dropped"], 5);
    for (body, status) in [
        (json!({ "by": "ana", "service": "other" }), 404),
        (json!({ "by": "", "service": "auth" }), 422),
        (json!({ "by": "ana", "service": "auth", "path": "keys" }), 422),
        (json!({ "by": "ana", "service": "auth", "path": "/a/*/b" }), 422),
    ] {
        let (answered, problem) = purge(body.clone()).await;
        assert!(answered == status && problem["hint"].is_string(), "{body} {problem}");
    }
    let unsigned = fixture.post("/api/v1/cache/purge").json(&json!({ "by": "ana", "service": "auth" }));
    assert_eq!(unsigned.send().await.unwrap().status().as_u16(), 401);
}

#[tokio::test]
async fn console_purges_the_cache_of_services_that_have_one() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let page = fixture.get("/console/edge").header("cookie", &cookie).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains(
        r#"<select id="purge-service" name="service"><option value="auth">Sign-in</option></select>"#
    ));
    let form = form_token(&page);
    let purge = async |form: &str, service: &str, path: &str| {
        let fields = [("form", form), ("service", service), ("path", path)];
        let sent = fixture.post("/console/edge/purge").header("cookie", &cookie).form(&fields).send();
        let answer = sent.await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (path, dropped) in [("", 5), (" /static/* ", 2)] {
        let (status, page) = purge(&form, "auth", path).await;
        assert!(status == 200 && page.contains(&format!("dropped: {dropped}.")), "{status} {page}");
    }
    for (token, service, path, status) in
        [("x", "auth", "", 403), (&*form, "other", "", 404), (&*form, "auth", "keys", 422)]
    {
        assert_eq!(purge(token, service, path).await.0, status, "{service} {path}");
    }
}

#[tokio::test]
async fn deny_returns_number_and_end() {
    let fixture = Fixture::new().await;
    let body = json!({ "by": "ana", "what": "as64500", "service": "auth", "for_seconds": 7_200 });
    let (_, made) = post(&fixture, "/api/v1/deny", &body).await;
    let wanted = json!({
        "done": "deny",
        "denial": 7,
        "what": "AS64500",
        "service": "auth",
        "for_seconds": 7_200,
        "until": "2026-11-22T06:21:09Z",
    });
    assert_eq!(made, wanted);
}

#[tokio::test]
async fn invalid_denial_is_explained() {
    let fixture = Fixture::new().await;
    for (body, status) in [
        (json!({ "by": "ana", "what": "everybody", "for_seconds": 60 }), 422),
        (json!({ "by": "ana", "what": "EE", "for_seconds": 0 }), 422),
        (json!({ "by": "ana", "what": "EE", "for_seconds": 30 * 86_400 + 1 }), 422),
        (json!({ "by": "", "what": "EE", "for_seconds": 60 }), 422),
        (json!({ "what": "EE", "for_seconds": 60 }), 422),
    ] {
        let (got, problem) = post(&fixture, "/api/v1/deny", &body).await;
        assert_eq!(got, status, "{body} {problem}");
        assert!(problem["detail"].is_string() && problem["hint"].is_string(), "{problem}");
    }
    assert_eq!(post(&fixture, "/api/v1/denials/x/lift", &json!({ "by": "a" })).await.0, 404);
    assert!(fixture.received().is_empty());
    let fixture = Fixture::with(Some(views::outage()), |_| {
        Some(Err(CommandError::Refused(Refused::NoSuchDenial(types::DenialId(9)))))
    })
    .await;
    let (status, problem) = post(&fixture, "/api/v1/denials/9/lift", &json!({ "by": "a" })).await;
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("denial-9")), (404, true), "{problem}");
}

#[tokio::test]
async fn api_returns_traffic_and_traces() {
    let fixture = Fixture::new().await;
    let (_, edge) = get(&fixture, "/api/v1/edge").await;
    assert_eq!(edge["services"][0]["now"]["limited"]["subnet"], 3_611);
    let (_, denials) = get(&fixture, "/api/v1/denials").await;
    assert_eq!(denials["denials"][0]["what"], json!({ "asn": 64_500 }));
    for id in [TRACE.to_owned(), TRACE.to_uppercase(), format!("{}-{}", &TRACE[..8], &TRACE[8..])] {
        let (status, trace) = get(&fixture, &format!("/api/v1/trace/{id}")).await;
        assert_eq!((status, &trace["hops"][1]["verdict"]), (200, &json!("limited")));
    }
    for id in ["x", "00000000000000000000000000000000"] {
        assert_eq!(get(&fixture, &format!("/api/v1/trace/{id}")).await.0, 404);
    }
    assert_eq!(get(&fixture, "/api/v1/traces").await.1.as_array().unwrap().len(), 4);
    // Traffic is also published between views; without an edge in the configuration there is none.
    let mut newer = crate::edge_views::traffic(false);
    newer.connections = 7;
    fixture.state.show_traffic(Some(Arc::new(newer)));
    assert_eq!(get(&fixture, "/api/v1/edge").await.1["connections"], 7);
    fixture.state.show_traffic(None);
    assert_eq!(get(&fixture, "/api/v1/edge").await.0, 404);
}

#[tokio::test]
async fn api_and_console_set_valves() {
    let fixture = Fixture::new().await;
    let body = json!({ "by": "ana", "service": "auth", "percent": 20, "ramp": true });
    let (status, done) = post(&fixture, "/api/v1/valve", &body).await;
    let wanted = json!({ "done": "valve", "service": "auth", "percent": 20, "limited": false, "ramp": true });
    assert_eq!((status, done), (200, wanted));
    for body in
        [json!({ "by": "ana", "service": "auth", "percent": 101 }), json!({ "by": "ana", "percent": 1 })]
    {
        assert_eq!(post(&fixture, "/api/v1/valve", &body).await.0, 422, "{body}");
    }
    let cookie = signed_in(&fixture).await;
    let page = async || {
        fixture.get("/console/edge").header("cookie", &cookie).send().await.unwrap().text().await.unwrap()
    };
    let (_, valves) = get(&fixture, "/api/v1/valves").await;
    assert_eq!(valves["valves"][0]["percent"], 100, "{valves}");
    assert!(page().await.contains("All open: every client is let in."));
    let mut closed = crate::edge_views::traffic(false);
    let at = closed.at;
    closed.services[0].valve = Some(engine::views::traffic::ValveNow {
        valve: types::Valve {
            number: 1,
            service: "auth".into(),
            percent: 27,
            limited: false,
            ramp_from: Some(20),
            since: at,
            changed: at,
            by: "ana".to_owned(),
            usual: None,
        },
        obstacle: Some(types::ValveReason::Failures { percent: 4 }),
    });
    fixture.state.show_traffic(Some(Arc::new(closed)));
    let shown = page().await;
    assert!(shown.contains("27 %</strong>, opens by itself since"), "{shown}");
    assert!(shown.contains("Waits: 4 % of the requests fail."), "{shown}");
    let (_, valves) = get(&fixture, "/api/v1/valves").await;
    assert_eq!((&valves["valves"][0]["percent"], &valves["valves"][0]["by"]), (&json!(27), &json!("ana")));
    let form = form_token(&shown);
    let set = |form: &str, percent: &str| {
        let fields = [("form", form), ("service", "auth"), ("percent", percent), ("limited", "yes")];
        fixture.post("/console/edge/valve").header("cookie", &cookie).form(&fields).send()
    };
    assert_eq!(set("x", "0").await.unwrap().status(), 403);
    assert_eq!(set(&form, "101").await.unwrap().status(), 422);
    let answer = set(&form, "0").await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/edge#valves"));
    insta::assert_snapshot!(fixture.received().join("\n"), @r#"
    ana, Token, API: Valve { service: ServiceId("auth"), percent: 20, limited: false, ramp: true }
    Ana, Person, console: Valve { service: ServiceId("auth"), percent: 0, limited: true, ramp: false }
    "#);
}

#[tokio::test]
async fn missing_token_is_refused_also_from_loopback() {
    let fixture = Fixture::new().await;
    let trace = format!("/api/v1/trace/{TRACE}");
    for path in ["/metrics", "/api/v1/edge", "/api/v1/denials", "/api/v1/valves", "/api/v1/traces", &trace] {
        assert_eq!(fixture.get(path).send().await.unwrap().status(), 401, "{path}");
    }
    for path in ["/api/v1/deny", "/api/v1/valve", "/api/v1/denials/3/lift"] {
        assert_eq!(fixture.post(path).json(&json!({})).send().await.unwrap().status(), 401, "{path}");
    }
    for path in ["/console/edge", &format!("/console/trace/{TRACE}")] {
        let answer = fixture.get(path).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/login"));
    }
    assert!(fixture.received().is_empty());
}

#[tokio::test]
async fn console_denies_only_with_a_form_token() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let page =
        fixture.get("/console/edge").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    assert_eq!(page.matches("2 similar before").count(), 1, "{page}");
    assert!(!page.contains("<Sons>") && !page.contains("style=\"") && !page.contains("<app>"), "{page}");
    let form = form_token(&page);
    let deny = |form: &str, what: &str| {
        let fields = [("form", form), ("what", what), ("for_seconds", "3600"), ("service", "")];
        fixture.post("/console/edge/deny").header("cookie", &cookie).form(&fields).send()
    };
    assert_eq!(deny("x", "EE").await.unwrap().status(), 403);
    assert_eq!(deny(&form, "nonsense").await.unwrap().status(), 422);
    assert!(fixture.received().is_empty());
    let answer = deny(&form, "EE").await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/edge#denials"));
    assert_eq!(
        fixture.received(),
        [
            r#"Ana, Person, console: Deny { what: Country("EE"), service: None, lasting: 3600s, everybody: false }"#
        ]
    );
}

#[tokio::test]
async fn silent_edge_is_shown_with_the_age_of_its_figures() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let page = async || {
        fixture.get("/console/edge").header("cookie", &cookie).send().await.unwrap().text().await.unwrap()
    };
    assert!(!page().await.contains("These figures are old"));
    let mut silent = crate::edge_views::traffic(false);
    silent.silent = true;
    fixture.state.show_traffic(Some(Arc::new(silent.clone())));
    assert!(page().await.contains("has not reported since 22 Nov, 04:21:09 UTC"), "{}", page().await);
    silent.reported = None;
    fixture.state.show_traffic(Some(Arc::new(silent)));
    assert!(page().await.contains("has not reported yet"));
}

#[tokio::test]
async fn console_without_an_edge_explains_it() {
    let mut views = views::healthy();
    views.traffic = None;
    let fixture = Fixture::with(Some(views), |_| Some(Ok(()))).await;
    let cookie = signed_in(&fixture).await;
    let page =
        fixture.get("/console/edge").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("The configuration has no edge."), "{page}");
}
