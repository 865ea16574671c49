//! Sign-in of the console.

use crate::fixture::{Fixture, header};
use std::time::Duration;
use types::time::later;

/// Signs in as Ana; returns the cookie.
pub(crate) async fn signed_in(fixture: &Fixture) -> String {
    let link = fixture.state.login_link();
    let token = link.split("token=").nth(1).unwrap();
    let answer =
        fixture.post("/console/login").form(&[("token", token), ("name", "Ana")]).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console"));
    header(&answer, "set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn console_without_a_session_explains_sign_in() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/console").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/login"));
    let page = fixture.get("/console/login").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("prints a sign-in link when it starts"), "{page}");
}

#[tokio::test]
async fn link_is_used_up_only_by_the_button() {
    let fixture = Fixture::new().await;
    let link = fixture.state.login_link();
    let path = link.strip_prefix(&fixture.base).unwrap();
    for _ in 0..3 {
        let page = fixture.get(path).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Open the console"), "GET does not use it up");
    }
    let token = path.split("token=").nth(1).unwrap();
    let enter = || fixture.post("/console/login").form(&[("token", token), ("name", "Ana")]).send();
    let first = enter().await.unwrap();
    assert_eq!(first.status(), 303);
    let cookie = header(&first, "set-cookie");
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    let second = enter().await.unwrap();
    assert_eq!((second.status().as_u16(), header(&second, "set-cookie")), (410, ""));
    assert_eq!(fixture.get(path).send().await.unwrap().status(), 410);
}

#[tokio::test]
async fn expired_or_forged_link_is_refused() {
    let fixture = Fixture::new().await;
    let past = later(web::clock::now(), Duration::ZERO);
    for (token, status) in [
        (fixture.key.sign("login", "1.1", past), 410),
        (fixture.key.sign("ack", "1.1", later(past, Duration::from_secs(60))), 403),
        ("nonsense".to_owned(), 403),
    ] {
        let answer = fixture.get(&format!("/console/login?token={token}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{token}");
        let form = [("token", token.as_str()), ("name", "Ana")];
        let answer = fixture.post("/console/login").form(&form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "set-cookie")), (status, ""));
    }
}

#[tokio::test]
async fn sign_in_needs_a_name() {
    let fixture = Fixture::new().await;
    let link = fixture.state.login_link();
    let token = link.split("token=").nth(1).unwrap();
    for name in ["", "  \u{7} ", &"x".repeat(61)] {
        let answer =
            fixture.post("/console/login").form(&[("token", token), ("name", name)]).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{name:?}");
    }
    let answer =
        fixture.post("/console/login").form(&[("token", token), ("name", "Ana")]).send().await.unwrap();
    assert_eq!(answer.status(), 303, "the link was not used up by the failures");
}

#[tokio::test]
async fn console_shows_the_incident_and_unchanged_page_is_304() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let answer = fixture.get("/console").header("cookie", &cookie).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (200, "private, no-cache"));
    let page = answer.text().await.unwrap();
    for wanted in [
        "acme.app expired at 04:15 UTC",
        "unacknowledged for",
        "step 2: bo; the next step is due at 04:26:12 UTC",
        "Exports &#38; &#60;reports&#62;",
        "class=\"edge hot\"",
        "Probe lag: p99 14 ms",
        // A change with its effect.
        "<a href=\"https://ci.acme.net/7\" rel=\"noreferrer\">deploy search 4f2d</a>",
        "<p>incident-5: helped: latency of http.search.acme.com 1.9 s -&#62; 400 ms, -79 %</p>",
        // The tile of the edge.
        "<strong>5,532 req/s</strong> 91.8 % refused, under 0.1 % failed",
    ] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    assert!(!page.contains("<reports>") && !page.contains("style=\""));
    let known = fixture.get("/console").header("cookie", &cookie).header("if-none-match", "\"other\"");
    assert_eq!(known.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn sign_out_removes_the_cookie() {
    let fixture = Fixture::new().await;
    let cookie = signed_in(&fixture).await;
    let page = fixture.get("/console").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    let form = form_token(&page);
    let refused = fixture
        .post("/console/logout")
        .header("cookie", &cookie)
        .form(&[("form", "x")])
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 403);
    let answer = fixture
        .post("/console/logout")
        .header("cookie", &cookie)
        .form(&[("form", &form)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
    assert!(header(&answer, "set-cookie").contains("Max-Age=0"));
}

/// The token in a page's forms.
pub(crate) fn form_token(page: &str) -> String {
    page.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}
