//! The console's door over a socket.

use crate::stand::{Stand, header};
use std::time::Duration;
use types::time::later;

/// Signs in as Ana; returns the cookie.
pub(crate) async fn signed_in(stand: &Stand) -> String {
    let link = stand.site.login_link();
    let token = link.split("token=").nth(1).unwrap();
    let answer =
        stand.post("/console/login").form(&[("token", token), ("name", "Ana")]).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console"));
    header(&answer, "set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_session_the_console_says_how_to_get_one() {
    let stand = Stand::new().await;
    let answer = stand.get("/console").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/login"));
    let page = stand.get("/console/login").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("prints a link when it starts"), "{page}");
}

#[tokio::test]
async fn a_link_is_only_used_up_by_pressing_the_button() {
    let stand = Stand::new().await;
    let link = stand.site.login_link();
    let path = link.strip_prefix(&stand.base).unwrap();
    for _ in 0..3 {
        let page = stand.get(path).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Open the console"), "a scanner may look as often as it likes");
    }
    let token = path.split("token=").nth(1).unwrap();
    let enter = || stand.post("/console/login").form(&[("token", token), ("name", "Ana")]).send();
    let first = enter().await.unwrap();
    assert_eq!(first.status(), 303);
    let cookie = header(&first, "set-cookie");
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    let second = enter().await.unwrap();
    assert_eq!((second.status().as_u16(), header(&second, "set-cookie")), (410, ""));
    assert_eq!(stand.get(path).send().await.unwrap().status(), 410);
}

#[tokio::test]
async fn expired_and_forged_links_open_nothing() {
    let stand = Stand::new().await;
    let past = later(web::site::now(), Duration::ZERO);
    for (token, status) in [
        (stand.key.sign("login", "1.1", past), 410),
        (stand.key.sign("ack", "1.1", later(past, Duration::from_secs(60))), 403),
        ("nonsense".to_owned(), 403),
    ] {
        let answer = stand.get(&format!("/console/login?token={token}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{token}");
        let form = [("token", token.as_str()), ("name", "Ana")];
        let answer = stand.post("/console/login").form(&form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "set-cookie")), (status, ""));
    }
}

#[tokio::test]
async fn a_name_is_wanted() {
    let stand = Stand::new().await;
    let link = stand.site.login_link();
    let token = link.split("token=").nth(1).unwrap();
    for name in ["", "  \u{7} ", &"x".repeat(61)] {
        let answer =
            stand.post("/console/login").form(&[("token", token), ("name", name)]).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{name:?}");
    }
    let answer =
        stand.post("/console/login").form(&[("token", token), ("name", "Ana")]).send().await.unwrap();
    assert_eq!(answer.status(), 303, "the link was not used up by the failures");
}

#[tokio::test]
async fn the_console_shows_the_incident_and_is_not_sent_twice() {
    let stand = Stand::new().await;
    let cookie = signed_in(&stand).await;
    let answer = stand.get("/console").header("cookie", &cookie).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (200, "private, no-cache"));
    let page = answer.text().await.unwrap();
    for wanted in [
        "acme.app expired at 04:15 UTC",
        "unacknowledged for",
        "Bo is next, unless somebody answers",
        "Exports &#38; &#60;reports&#62;",
        "class=\"edge hot\"",
        "see the status page",
        // The edge, in one line.
        "<strong>5,532/s</strong> 91.8 % refused, under 0.1 % failed",
    ] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    assert!(!page.contains("<reports>") && !page.contains("style=\""));
    let known = stand.get("/console").header("cookie", &cookie).header("if-none-match", "\"other\"");
    assert_eq!(known.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away() {
    let stand = Stand::new().await;
    let cookie = signed_in(&stand).await;
    let page = stand.get("/console").header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    let form = form_token(&page);
    let refused =
        stand.post("/console/logout").header("cookie", &cookie).form(&[("form", "x")]).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let answer = stand
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
