//! What people and machines want of the mind, over a socket.

use crate::signing_in::{form_token, signed_in};
use crate::stand::{Stand, TOKEN, header};
use crate::world;
use engine::views::Views;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::IncidentId;
use types::input::Refused;
use types::time::later;
use web::AskError;

fn ack_path(stand: &Stand, text: &str, life: u64) -> String {
    let until = later(web::site::now(), Duration::from_secs(life));
    format!("/ack/{}", stand.key.sign("ack", text, until))
}

#[tokio::test]
async fn looking_at_a_link_never_acknowledges() {
    let stand = Stand::new().await;
    let path = ack_path(&stand, "incident-7|ana", 600);
    let page = stand.get(&path).header("accept", "text/html").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("acme.app expired") && page.contains("<button"), "{page}");
    let line = stand.get(&path).send().await.unwrap().text().await.unwrap();
    assert!(line.contains("POST to this address"), "{line}");
    assert_eq!(stand.client.head(format!("{}{path}", stand.base)).send().await.unwrap().status(), 200);
    assert!(stand.heard().is_empty());
}

#[tokio::test]
async fn pressing_the_button_acknowledges_and_pressing_it_twice_is_harmless() {
    let stand = Stand::new().await;
    let path = ack_path(&stand, "incident-7|ana", 600);
    for accept in ["text/html", "*/*"] {
        let answer = stand.post(&path).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        let wanted =
            if accept == "*/*" { "acknowledged incident-7 for ana\n" } else { "<h1>Acknowledged</h1>" };
        assert!(text.contains(wanted), "{text}");
    }
    let once = r#"Acknowledge { incident: IncidentId(7), by: "ana", via: "link" }"#;
    assert_eq!(stand.heard(), [once, once]);
}

#[tokio::test]
async fn expired_changed_and_foreign_links_are_refused() {
    let stand = Stand::new().await;
    let good = ack_path(&stand, "incident-7|ana", 600);
    let session =
        stand.key.sign("session", "incident-7|ana", later(web::site::now(), Duration::from_secs(600)));
    for (path, status) in [
        (ack_path(&stand, "incident-7|ana", 0), 410),
        (good[..good.len() - 1].to_owned(), 403),
        (ack_path(&stand, "no bar", 600), 403),
        (ack_path(&stand, "x|ana", 600), 403),
        (format!("/ack/{session}"), 403),
    ] {
        assert_eq!(stand.post(&path).send().await.unwrap().status(), status, "{path}");
        assert_eq!(stand.get(&path).send().await.unwrap().status(), status, "{path}");
    }
    assert!(stand.heard().is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_mind_reaches_the_person() {
    let stand =
        Stand::with(Some(world::outage()), |_| Some(Err(AskError::Refused(Refused::Over(IncidentId(7))))))
            .await;
    let answer = stand.post(&ack_path(&stand, "7|ana", 600)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "it raced the recovery: nothing went wrong");
    assert!(answer.text().await.unwrap().contains("incident-7 is over already"));
    let refused = api(&stand, "ack", &json!({ "by": "ana" })).await;
    assert_eq!(refused.0, 409, "machines are told");
}

#[tokio::test]
async fn a_link_to_what_became_part_of_another_acknowledges_the_other() {
    let stand = Stand::with(Some(world::outage()), |input| match input {
        types::Input::Acknowledge { incident: IncidentId(7), .. } => {
            Some(Err(AskError::Refused(Refused::Merged(IncidentId(7), IncidentId(9)))))
        }
        _ => Some(Ok(())),
    })
    .await;
    let answer = stand.post(&ack_path(&stand, "7|ana", 600)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "acknowledged incident-9 for ana\n");
}

#[tokio::test]
async fn whoever_is_answered_finds_the_notification_on_the_next_page() {
    let stand = Stand::new().await;
    stand.site.decided(41);
    let (site, seen) = (Arc::clone(&stand.site), Arc::new(AtomicBool::new(false)));
    let published = Arc::clone(&seen);
    let path = ack_path(&stand, "7|ana", 600);
    let answer = tokio::spawn(stand.post(&path).send());
    while stand.heard().is_empty() {
        tokio::task::yield_now().await;
    }
    let views = Views { seq: 41, ..world::outage() };
    let publishing = tokio::task::spawn_blocking(move || {
        published.store(true, Ordering::SeqCst);
        site.publish(Arc::new(views));
    });
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert!(seen.load(Ordering::SeqCst), "not answered before");
    publishing.await.unwrap();
}

#[tokio::test]
async fn a_mind_that_cannot_write_or_does_not_answer_is_503_and_never_done() {
    let stand = Stand::with(Some(world::outage()), |input| match input {
        types::Input::Resolve { .. } => Some(Err(AskError::Unavailable("the disk is full".to_owned()))),
        _ => None,
    })
    .await;
    let cannot = api(&stand, "resolve", &json!({ "by": "ana" })).await;
    assert_eq!(cannot.0, 503);
    assert!(cannot.1["detail"].as_str().unwrap().contains("the disk is full"), "{cannot:?}");
    let answer = stand.post(&ack_path(&stand, "incident-7|ana", 600)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "5"));
}

async fn api(stand: &Stand, wish: &str, body: &Value) -> (u16, Value) {
    let path = format!("/api/v1/incidents/incident-7/{wish}");
    let answer = stand.post(&path).bearer_auth(TOKEN).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn machines_say_what_they_want_and_who_they_are() {
    let stand = Stand::new().await;
    for (wish, body) in [
        ("ack", json!({ "by": "ana" })),
        ("note", json!({ "by": "ana", "text": "renewed it\r\nby hand" })),
        ("post", json!({ "by": "ana", "status": "monitoring", "body": "It comes back." })),
        ("resolve", json!({ "by": "ana" })),
    ] {
        assert_eq!(api(&stand, wish, &body).await.0, 200, "{wish}");
    }
    insta::assert_snapshot!(stand.heard().join("\n"), @r#"
    Acknowledge { incident: IncidentId(7), by: "ana", via: "command" }
    Note { incident: IncidentId(7), by: "ana", text: "renewed it\nby hand" }
    Post { incident: IncidentId(7), by: "ana", status: Monitoring, body: "It comes back." }
    Resolve { incident: IncidentId(7), by: "ana", force: false }
    "#);
}

#[tokio::test]
async fn what_machines_say_wrongly_is_explained() {
    let stand = Stand::new().await;
    for (wish, body, status) in [
        ("ack", json!({}), 422),
        ("ack", json!({ "by": " " }), 422),
        ("ack", json!({ "by": "ana", "typo": 1 }), 422),
        ("note", json!({ "by": "ana", "text": "" }), 422),
        ("note", json!({ "by": "ana", "text": "x".repeat(5_001) }), 422),
        ("post", json!({ "by": "ana", "status": "soon", "body": "x" }), 422),
        ("explode", json!({ "by": "ana" }), 404),
        ("note", json!({ "by": "ana", "text": "x".repeat(70_000) }), 413),
    ] {
        let (got, problem) = api(&stand, wish, &body).await;
        assert_eq!(got, status, "{wish} {problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].is_string() && problem["hint"].is_string(), "{problem}");
    }
    let answer = stand
        .post("/api/v1/incidents/x/ack")
        .bearer_auth(TOKEN)
        .json(&json!({ "by": "a" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    assert!(stand.heard().is_empty());
}

#[tokio::test]
async fn without_the_token_machines_learn_nothing() {
    let stand = Stand::new().await;
    for path in ["/api/v1/now", "/api/v1/incidents"] {
        for auth in [None, Some("Bearer"), Some("Bearer "), Some("Bearer wrong"), Some("Basic YTpi")] {
            let mut asked = stand.get(path);
            if let Some(auth) = auth {
                asked = asked.header("authorization", auth);
            }
            let answer = asked.send().await.unwrap();
            assert_eq!((answer.status().as_u16(), header(&answer, "www-authenticate")), (401, "Bearer"));
        }
        let answer = stand.get(path).header("authorization", format!("bearer {TOKEN}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (200, "no-store"));
    }
    for path in ["/api/v1/incidents/incident-7/ack", "/api/v1/login"] {
        let answer = stand.post(path).json(&json!({ "by": "ana" })).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    assert!(stand.heard().is_empty());
}

#[tokio::test]
async fn the_views_and_a_fresh_link_are_for_machines_with_the_token() {
    let stand = Stand::new().await;
    let now: Value = stand.get("/api/v1/now").bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!(now["open"][0]["incident"]["id"], 7);
    assert_eq!(now["visitors_read"], "Major outage: Sign-in");
    let all: Value =
        stand.get("/api/v1/incidents").bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!((all["open"].as_array().unwrap().len(), all["past"][0]["id"].as_u64()), (1, Some(5)));
    let link: Value =
        stand.post("/api/v1/login").bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    let path = link["link"].as_str().unwrap().strip_prefix(&stand.base).unwrap().to_owned();
    assert_eq!(stand.get(&path).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn health_follows_the_beat() {
    let stand = Stand::new().await;
    let answer = stand.get("/api/v1/health").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    stand.site.beat();
    let answer = stand.get("/api/v1/health").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap()["mind"], "turning");
}

#[tokio::test]
async fn the_console_forwards_wishes_of_its_own_forms_only() {
    let stand = Stand::new().await;
    let cookie = signed_in(&stand).await;
    let page = stand.get("/console").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    let form = form_token(&page);
    let send = |wish: &str, cookie: &str, form: &str| {
        let fields = [("form", form), ("text", "we renew it"), ("status", "identified")];
        stand
            .post(&format!("/console/incidents/incident-7/{wish}"))
            .header("cookie", cookie)
            .form(&fields)
            .send()
    };
    let other = signed_in(&stand).await;
    for (cookie, form) in [("", form.as_str()), ("mainstay_session=x", &form), (&cookie, ""), (&other, &form)]
    {
        assert_eq!(send("ack", cookie, form).await.unwrap().status(), 403);
    }
    let bare =
        stand.post("/console/incidents/incident-7/ack").header("cookie", &cookie).send().await.unwrap();
    assert!(bare.status().is_client_error());
    assert!(stand.heard().is_empty());

    for wish in ["ack", "note", "post", "resolve"] {
        let answer = send(wish, &cookie, &form).await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console#incident-7"));
    }
    insta::assert_snapshot!(stand.heard().join("\n"), @r#"
    Acknowledge { incident: IncidentId(7), by: "Ana", via: "console" }
    Note { incident: IncidentId(7), by: "Ana", text: "we renew it" }
    Post { incident: IncidentId(7), by: "Ana", status: Identified, body: "we renew it" }
    Resolve { incident: IncidentId(7), by: "Ana", force: false }
    "#);
}

#[tokio::test]
async fn the_console_asks_before_it_ends_what_still_fails() {
    let stand = Stand::with(Some(world::outage()), |input| match input {
        types::Input::Resolve { incident, force: false, .. } => {
            let what = "auth.acme.com refuses connections".to_owned();
            Some(Err(AskError::Refused(Refused::StillFailing { incident: *incident, what })))
        }
        _ => Some(Ok(())),
    })
    .await;
    let refused = api(&stand, "resolve", &json!({ "by": "ana" })).await;
    assert_eq!(refused.0, 409);
    assert!(
        refused.1["detail"].as_str().unwrap().contains("auth.acme.com refuses connections"),
        "{refused:?}"
    );
    assert!(refused.1["hint"].as_str().unwrap().contains("--force"), "{refused:?}");
    assert_eq!(api(&stand, "resolve", &json!({ "by": "ana", "force": true })).await.0, 200);

    let cookie = signed_in(&stand).await;
    let page = stand.get("/console").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    let form = form_token(&page);
    let send = |wish: &str| {
        let path = format!("/console/incidents/incident-7/{wish}");
        stand.post(&path).header("cookie", &cookie).form(&[("form", form.as_str())]).send()
    };
    let asked = send("resolve").await.unwrap();
    assert_eq!(asked.status(), 409);
    let page = asked.text().await.unwrap();
    assert!(page.contains("auth.acme.com refuses connections") && page.contains("Resolve anyway"), "{page}");
    assert!(page.contains(&form), "the button is one of ours: {page}");
    assert_eq!(send("resolve-anyway").await.unwrap().status(), 303);
}
