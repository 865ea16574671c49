//! Commands of people and programs.

use crate::fixture::{Fixture, TOKEN, header};
use crate::sign_in::{form_token, signed_in};
use crate::views;
use engine::views::Views;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::IncidentId;
use types::input::{Command, Refused};
use types::time::later;
use web::CommandError;

fn ack_path(fixture: &Fixture, text: &str, life: u64) -> String {
    let until = later(web::clock::now(), Duration::from_secs(life));
    format!("/ack/{}", fixture.key.sign("ack", text, until))
}

#[tokio::test]
async fn get_of_an_ack_link_changes_nothing() {
    let fixture = Fixture::new().await;
    let path = ack_path(&fixture, "incident-7|ana", 600);
    let page = fixture.get(&path).header("accept", "text/html").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("acme.app expired") && page.contains("<button"), "{page}");
    let line = fixture.get(&path).send().await.unwrap().text().await.unwrap();
    assert!(line.contains("POST to this address"), "{line}");
    assert_eq!(fixture.client.head(format!("{}{path}", fixture.base)).send().await.unwrap().status(), 200);
    assert!(fixture.received().is_empty());
}

#[tokio::test]
async fn post_of_an_ack_link_acknowledges_and_repeating_is_harmless() {
    let fixture = Fixture::new().await;
    let path = ack_path(&fixture, "incident-7|ana", 600);
    for accept in ["text/html", "*/*"] {
        let answer = fixture.post(&path).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        let wanted =
            if accept == "*/*" { "acknowledged incident-7 for ana\n" } else { "<h1>Acknowledged</h1>" };
        assert!(text.contains(wanted), "{text}");
    }
    let once = "ana, Person, link: Acknowledge { incident: IncidentId(7) }";
    assert_eq!(fixture.received(), [once, once]);
}

/// The answer proves the contact whose link it was, whatever characters its address has.
#[tokio::test]
async fn post_of_an_ack_link_says_over_which_contact_it_came() {
    let fixture = Fixture::new().await;
    let path = ack_path(&fixture, "incident-7|ana|hook:a|b", 600);
    assert_eq!(fixture.post(&path).send().await.unwrap().status(), 200);
    assert_eq!(
        fixture.received(),
        ["ana, Person, link over hook:a|b: Acknowledge { incident: IncidentId(7) }"]
    );
}

#[tokio::test]
async fn expired_changed_or_foreign_link_is_refused() {
    let fixture = Fixture::new().await;
    let good = ack_path(&fixture, "incident-7|ana", 600);
    let session =
        fixture.key.sign("session", "incident-7|ana", later(web::clock::now(), Duration::from_secs(600)));
    for (path, status) in [
        (ack_path(&fixture, "incident-7|ana", 0), 410),
        (good[..good.len() - 1].to_owned(), 403),
        (ack_path(&fixture, "no bar", 600), 403),
        (ack_path(&fixture, "x|ana", 600), 403),
        (format!("/ack/{session}"), 403),
    ] {
        assert_eq!(fixture.post(&path).send().await.unwrap().status(), status, "{path}");
        assert_eq!(fixture.get(&path).send().await.unwrap().status(), status, "{path}");
    }
    assert!(fixture.received().is_empty());
}

#[tokio::test]
async fn refused_command_is_shown_to_the_person() {
    let fixture = Fixture::with(Some(views::outage()), |_| {
        Some(Err(CommandError::Refused(Refused::Over(IncidentId(7)))))
    })
    .await;
    let answer = fixture.post(&ack_path(&fixture, "7|ana", 600)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "resolved in the meantime is no error");
    assert!(answer.text().await.unwrap().contains("incident-7 is already resolved"));
    let refused = api(&fixture, "ack", &json!({ "by": "ana" })).await;
    assert_eq!(refused.0, 409, "the API responds with the refusal");
}

#[tokio::test]
async fn ack_link_of_a_merged_incident_acknowledges_the_other() {
    let fixture = Fixture::with(Some(views::outage()), |input| match input {
        Command::Acknowledge { incident: IncidentId(7) } => {
            Some(Err(CommandError::Refused(Refused::Merged(IncidentId(7), IncidentId(9)))))
        }
        _ => Some(Ok(())),
    })
    .await;
    let answer = fixture.post(&ack_path(&fixture, "7|ana", 600)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "acknowledged incident-9 for ana\n");
}

#[tokio::test]
async fn response_waits_for_views_with_its_events() {
    let fixture = Fixture::new().await;
    fixture.state.decided(41);
    let (state, seen) = (Arc::clone(&fixture.state), Arc::new(AtomicBool::new(false)));
    let published = Arc::clone(&seen);
    let path = ack_path(&fixture, "7|ana", 600);
    let answer = tokio::spawn(fixture.post(&path).send());
    while fixture.received().is_empty() {
        tokio::task::yield_now().await;
    }
    let views = Views { seq: 41, ..views::outage() };
    let publishing = tokio::task::spawn_blocking(move || {
        published.store(true, Ordering::SeqCst);
        state.publish(Arc::new(views));
    });
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert!(seen.load(Ordering::SeqCst), "the response did not wait");
    publishing.await.unwrap();
}

#[tokio::test]
async fn failed_journal_or_stalled_event_loop_is_503() {
    let fixture = Fixture::with(Some(views::outage()), |input| match input {
        Command::Resolve { .. } => Some(Err(CommandError::Unavailable("the disk is full".to_owned()))),
        _ => None,
    })
    .await;
    let cannot = api(&fixture, "resolve", &json!({ "by": "ana" })).await;
    assert_eq!(cannot.0, 503);
    assert!(cannot.1["detail"].as_str().unwrap().contains("the disk is full"), "{cannot:?}");
    let answer = fixture.post(&ack_path(&fixture, "incident-7|ana", 600)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "5"));
}

async fn api(fixture: &Fixture, action: &str, body: &Value) -> (u16, Value) {
    let path = format!("/api/v1/incidents/incident-7/{action}");
    let answer = fixture.post(&path).bearer_auth(TOKEN).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn api_commands_carry_the_name_of_their_caller() {
    let fixture = Fixture::new().await;
    for (action, body) in [
        ("ack", json!({ "by": "ana" })),
        ("note", json!({ "by": "ana", "text": "renewed it\r\nby hand" })),
        ("update", json!({ "by": "ana", "status": "monitoring", "body": "It comes back." })),
        ("resolve", json!({ "by": "ana" })),
    ] {
        assert_eq!(api(&fixture, action, &body).await.0, 200, "{action}");
    }
    insta::assert_snapshot!(fixture.received().join("\n"), @r#"
    ana, Token, API: Acknowledge { incident: IncidentId(7) }
    ana, Token, API: Note { incident: IncidentId(7), text: "renewed it\nby hand" }
    ana, Token, API: Update { incident: IncidentId(7), status: Monitoring, body: "It comes back." }
    ana, Token, API: Resolve { incident: IncidentId(7), force: false }
    "#);
}

#[tokio::test]
async fn invalid_api_command_is_explained() {
    let fixture = Fixture::new().await;
    for (action, body, status) in [
        ("ack", json!({}), 422),
        ("ack", json!({ "by": " " }), 422),
        ("ack", json!({ "by": "ana", "typo": 1 }), 422),
        ("note", json!({ "by": "ana", "text": "" }), 422),
        ("note", json!({ "by": "ana", "text": "x".repeat(5_001) }), 422),
        ("update", json!({ "by": "ana", "status": "soon", "body": "x" }), 422),
        ("explode", json!({ "by": "ana" }), 404),
        ("note", json!({ "by": "ana", "text": "x".repeat(70_000) }), 413),
    ] {
        let (got, problem) = api(&fixture, action, &body).await;
        assert_eq!(got, status, "{action} {problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].is_string() && problem["hint"].is_string(), "{problem}");
    }
    let answer = fixture
        .post("/api/v1/incidents/x/ack")
        .bearer_auth(TOKEN)
        .json(&json!({ "by": "a" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    assert!(fixture.received().is_empty());
}

#[tokio::test]
async fn api_without_a_token_is_401() {
    let fixture = Fixture::new().await;
    for path in ["/api/v1/now", "/api/v1/incidents"] {
        for auth in [None, Some("Bearer"), Some("Bearer "), Some("Bearer wrong"), Some("Basic YTpi")] {
            let mut asked = fixture.get(path);
            if let Some(auth) = auth {
                asked = asked.header("authorization", auth);
            }
            let answer = asked.send().await.unwrap();
            assert_eq!((answer.status().as_u16(), header(&answer, "www-authenticate")), (401, "Bearer"));
        }
        let answer =
            fixture.get(path).header("authorization", format!("bearer {TOKEN}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (200, "no-store"));
    }
    for path in ["/api/v1/incidents/incident-7/ack", "/api/v1/login"] {
        let answer = fixture.post(path).json(&json!({ "by": "ana" })).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    assert!(fixture.received().is_empty());
}

#[tokio::test]
async fn api_with_a_token_returns_views_and_a_sign_in_link() {
    let fixture = Fixture::new().await;
    let now: Value =
        fixture.get("/api/v1/now").bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!(now["open"][0]["incident"]["id"], 7);
    assert_eq!(now["public_headline"], "Major outage: Sign-in");
    let all: Value =
        fixture.get("/api/v1/incidents").bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!((all["open"].as_array().unwrap().len(), all["past"][0]["id"].as_u64()), (1, Some(5)));
    let link: Value =
        fixture.post("/api/v1/login").bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    let path = link["link"].as_str().unwrap().strip_prefix(&fixture.base).unwrap().to_owned();
    assert_eq!(fixture.get(&path).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn health_follows_the_heartbeat() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/api/v1/health").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    fixture.state.heartbeat();
    let answer = fixture.get("/api/v1/health").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap()["event_loop"], "running");
}

#[tokio::test]
async fn console_accepts_only_forms_of_the_session() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let page = fixture.get("/console").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    let form = form_token(&page);
    let send = |action: &str, cookie: &str, form: &str| {
        let fields = [("form", form), ("text", "we renew it"), ("status", "identified")];
        fixture
            .post(&format!("/console/incidents/incident-7/{action}"))
            .header("cookie", cookie)
            .form(&fields)
            .send()
    };
    let other = signed_in(&fixture).await;
    for (cookie, form) in [("", form.as_str()), ("mainstay_session=x", &form), (&cookie, ""), (&other, &form)]
    {
        assert_eq!(send("ack", cookie, form).await.unwrap().status(), 403);
    }
    let bare =
        fixture.post("/console/incidents/incident-7/ack").header("cookie", &cookie).send().await.unwrap();
    assert!(bare.status().is_client_error());
    assert!(fixture.received().is_empty());

    for action in ["ack", "note", "update", "resolve"] {
        let answer = send(action, &cookie, &form).await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console#incident-7"));
    }
    insta::assert_snapshot!(fixture.received().join("\n"), @r#"
    Ana, Person, console: Acknowledge { incident: IncidentId(7) }
    Ana, Person, console: Note { incident: IncidentId(7), text: "we renew it" }
    Ana, Person, console: Update { incident: IncidentId(7), status: Identified, body: "we renew it" }
    Ana, Person, console: Resolve { incident: IncidentId(7), force: false }
    "#);
}

#[tokio::test]
async fn console_records_a_change() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let page = fixture.get("/console").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    let form = form_token(&page);
    let record = async |form: &str, title: &str, service: &str| {
        let fields = [("form", form), ("title", title), ("service", service)];
        fixture.post("/console/changes").header("cookie", &cookie).form(&fields).send().await.unwrap()
    };
    assert_eq!(record("x", "deploy api 4f2c", "").await.status(), 403);
    assert_eq!(record(&form, " ", "").await.status(), 422);
    for service in ["", "auth"] {
        let answer = record(&form, "Rolled back auth\n4f2c", service).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console#changes"));
    }
    insta::assert_snapshot!(fixture.received().join("\n"), @r#"
    Ana, Person, console: RecordChange { change: NewChange { at: None, title: "Rolled back auth 4f2c", kind: Rollback, services: {}, resource: None, source: None, link: None, key: None, is_end: false } }
    Ana, Person, console: RecordChange { change: NewChange { at: None, title: "Rolled back auth 4f2c", kind: Rollback, services: {ServiceId("auth")}, resource: None, source: None, link: None, key: None, is_end: false } }
    "#);
}

#[tokio::test]
async fn console_confirms_before_resolving_a_failing_incident() {
    let fixture = Fixture::with(Some(views::outage()), |input| match input {
        Command::Resolve { incident, force: false, .. } => {
            let what = "auth.acme.com refuses connections".to_owned();
            Some(Err(CommandError::Refused(Refused::StillFailing { incident: *incident, what })))
        }
        _ => Some(Ok(())),
    })
    .await;
    let refused = api(&fixture, "resolve", &json!({ "by": "ana" })).await;
    assert_eq!(refused.0, 409);
    assert!(
        refused.1["detail"].as_str().unwrap().contains("auth.acme.com refuses connections"),
        "{refused:?}"
    );
    assert!(refused.1["hint"].as_str().unwrap().contains("--force"), "{refused:?}");
    assert_eq!(api(&fixture, "resolve", &json!({ "by": "ana", "force": true })).await.0, 200);

    let cookie = signed_in(&fixture).await;
    let page = fixture.get("/console").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    let form = form_token(&page);
    let send = |action: &str| {
        let path = format!("/console/incidents/incident-7/{action}");
        fixture.post(&path).header("cookie", &cookie).form(&[("form", form.as_str())]).send()
    };
    let asked = send("resolve").await.unwrap();
    assert_eq!(asked.status(), 409);
    let page = asked.text().await.unwrap();
    assert!(page.contains("auth.acme.com refuses connections") && page.contains("Resolve anyway"), "{page}");
    assert!(page.contains(&form), "the form has its token: {page}");
    assert_eq!(send("resolve-anyway").await.unwrap().status(), 303);
}
