//! The status page over a socket.

use crate::fixture::{Fixture, header};
use crate::views;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use web::{WebSettings, WebState};

#[tokio::test]
async fn status_page_has_security_headers() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&answer, "vary"), "accept-encoding");
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
    assert!(header(&answer, "cache-control").starts_with("public, max-age=5"));
    let policy = header(&answer, "content-security-policy");
    for wanted in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
        assert!(policy.contains(wanted), "{policy}");
    }
    let page = answer.text().await.unwrap();
    assert!(page.contains("<h1 id=\"headline\">Major outage: Sign-in</h1>"), "{page}");
    assert!(!page.contains("style=\""), "the policy forbids it");
}

#[tokio::test]
async fn query_is_ignored_and_every_linked_asset_exists() {
    let fixture = Fixture::new().await;
    let page = fixture.get("/?from=mail").send().await.unwrap().text().await.unwrap();
    let assets: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 2);
    for asset in assets {
        let answer = fixture.get(asset).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{asset}");
        assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
    }
}

#[tokio::test]
async fn unchanged_document_is_304() {
    let fixture = Fixture::new().await;
    let first = fixture.get("/").send().await.unwrap();
    let tag = header(&first, "etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let again = fixture.get("/").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(header(&again, "etag"), tag);
    assert!(again.bytes().await.unwrap().is_empty());

    fixture.state.publish(Arc::new(views::healthy()));
    let changed = fixture.get("/").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    assert!(changed.text().await.unwrap().contains("All systems operational"));
}

#[tokio::test]
async fn encoded_document_has_its_header_and_is_smaller() {
    let fixture = Fixture::new().await;
    let whole = fixture.get("/").send().await.unwrap().bytes().await.unwrap();
    for (accepted, wanted) in [("gzip", "gzip"), ("gzip, br", "br"), ("br;q=0, gzip", "gzip"), ("zstd", "")] {
        let answer = fixture.get("/").header("accept-encoding", accepted).send().await.unwrap();
        assert_eq!(header(&answer, "content-encoding"), wanted, "{accepted}");
        let body = answer.bytes().await.unwrap();
        let plain = match wanted {
            "gzip" => {
                let mut plain = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body.as_ref()), &mut plain)
                    .unwrap();
                plain
            }
            "br" => {
                let mut plain = Vec::new();
                brotli::BrotliDecompress(&mut body.as_ref(), &mut plain).unwrap();
                plain
            }
            _ => body.to_vec(),
        };
        assert_eq!(plain, whole);
        assert_eq!(body.len() < whole.len() / 3, !wanted.is_empty());
    }
}

#[tokio::test]
async fn json_allows_every_origin_and_pages_do_not() {
    let fixture = Fixture::new().await;
    let json = fixture.get("/api/v2/summary.json").send().await.unwrap();
    assert_eq!(header(&json, "access-control-allow-origin"), "*");
    assert_eq!(header(&json, "content-type"), "application/json");
    for path in ["/", "/console/login", "/api/v1/health"] {
        let answer = fixture.get(path).send().await.unwrap();
        assert_eq!(header(&answer, "access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn unknown_path_or_method_is_refused_with_a_hint() {
    let fixture = Fixture::new().await;
    for path in ["/nothing", "/incidents/incident-99", "/index.html", "/../etc/passwd", "/assets/"] {
        let answer = fixture.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(header(&answer, "content-security-policy").contains("default-src 'none'"));
        assert!(answer.text().await.unwrap().contains("The status page is at /"));
    }
    let answer = fixture.get("/api/v2/nothing.json").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "content-type")),
        (404, "application/problem+json")
    );
    for path in ["/", "/history", "/console"] {
        let answer = fixture.client.delete(format!("{}{path}", fixture.base)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET,HEAD"), "{path}");
    }
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let fixture = Fixture::new().await;
    let whole = fixture.get("/feed.atom").send().await.unwrap().bytes().await.unwrap();
    let answer = fixture.client.head(format!("{}/feed.atom", fixture.base)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-length"), whole.len().to_string());
    assert!(answer.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let fixture = Fixture::new().await;
    let mut socket = TcpStream::connect(fixture.base.trim_start_matches("http://")).await.unwrap();
    let heads = "GET /favicon.svg HTTP/1.1\r\nhost: a\r\n\r\nGET /api/v1/health HTTP/1.1\r\nhost: a\r\n\r\n\
                 GET /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    socket.write_all(heads.as_bytes()).await.unwrap();
    let mut all = String::new();
    socket.read_to_string(&mut all).await.unwrap();
    let answers: Vec<&str> = all.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(answers, ["200", "503", "404"]);
}

#[tokio::test]
async fn endless_request_head_is_cut_off() {
    let fixture = Fixture::new().await;
    let mut socket = TcpStream::connect(fixture.base.trim_start_matches("http://")).await.unwrap();
    let endless = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "x".repeat(200_000));
    // The server may close the connection during the write.
    let _ = socket.write_all(endless.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(fixture.get("/").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn snapshot_is_served_before_the_first_views() {
    let first = Fixture::new().await;
    let folder = Arc::clone(&first.folder);
    let page = first.get("/").send().await.unwrap().text().await.unwrap();
    drop(first);

    let second = Fixture::inside(Arc::clone(&folder), None, |_| Some(Ok(()))).await;
    let empty = second.get("/").send().await.unwrap();
    assert_eq!((empty.status().as_u16(), header(&empty, "retry-after")), (503, "5"));
    assert!(second.state.load_snapshot() > 10);
    assert_eq!(second.get("/").send().await.unwrap().text().await.unwrap(), page);
    for path in ["/history", "/incidents/incident-7", "/api/v2/incidents/unresolved.json", "/badge.svg"] {
        assert_eq!(second.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    second.state.publish(Arc::new(views::healthy()));
    assert!(
        !folder.path().join("status_page/incidents/incident-7").join("index.html").exists(),
        "it is no more"
    );
    assert!(folder.path().join("status_page/incidents/incident-5/index.html").exists());
}

#[tokio::test]
async fn unchanged_file_is_not_rewritten() {
    let fixture = Fixture::new().await;
    let file = fixture.folder.path().join("status_page/index.html");
    let before = std::fs::metadata(&file).unwrap().modified().unwrap();
    fixture.state.publish(Arc::new(views::outage()));
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), before);
}

#[test]
fn debug_of_the_state_hides_tokens() {
    let settings = WebSettings {
        name: "Acme".to_owned(),
        url: "https://status.acme.com".to_owned(),
        key: tokens::Key::new([65; 32]),
        api_token: "write-me".into(),
        data: "/nowhere".into(),
    };
    let state = WebState::new(settings, mpsc::channel(1).0).with_read_token("read-me".into());
    let shown = format!("{state:?}");
    assert!(!["write-me", "read-me", "65, 65"].iter().any(|secret| shown.contains(secret)), "{shown}");
}
