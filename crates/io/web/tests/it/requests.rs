//! The status page over a socket.

use crate::stand::{Stand, header};
use crate::world;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn the_status_page_is_served_whole_with_headers_that_protect_it() {
    let stand = Stand::new().await;
    let answer = stand.get("/").send().await.unwrap();
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
async fn a_query_changes_nothing_and_every_asset_that_pages_name_is_there() {
    let stand = Stand::new().await;
    let page = stand.get("/?from=mail").send().await.unwrap().text().await.unwrap();
    let assets: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 2);
    for asset in assets {
        let answer = stand.get(asset).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{asset}");
        assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
    }
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let stand = Stand::new().await;
    let first = stand.get("/").send().await.unwrap();
    let tag = header(&first, "etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let again = stand.get("/").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(header(&again, "etag"), tag);
    assert!(again.bytes().await.unwrap().is_empty());

    stand.site.publish(Arc::new(world::well()));
    let changed = stand.get("/").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    assert!(changed.text().await.unwrap().contains("All systems operational"));
}

#[tokio::test]
async fn each_encoding_says_what_it_is_and_is_smaller() {
    let stand = Stand::new().await;
    let whole = stand.get("/").send().await.unwrap().bytes().await.unwrap();
    for (accepted, wanted) in [("gzip", "gzip"), ("gzip, br", "br"), ("br;q=0, gzip", "gzip"), ("zstd", "")] {
        let answer = stand.get("/").header("accept-encoding", accepted).send().await.unwrap();
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
async fn any_site_may_read_the_json_and_nobody_else_the_pages() {
    let stand = Stand::new().await;
    let json = stand.get("/api/v2/summary.json").send().await.unwrap();
    assert_eq!(header(&json, "access-control-allow-origin"), "*");
    assert_eq!(header(&json, "content-type"), "application/json");
    for path in ["/", "/console/login", "/api/v1/health"] {
        let answer = stand.get(path).send().await.unwrap();
        assert_eq!(header(&answer, "access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_with_what_to_do() {
    let stand = Stand::new().await;
    for path in ["/nothing", "/incidents/incident-99", "/index.html", "/../etc/passwd", "/assets/"] {
        let answer = stand.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(header(&answer, "content-security-policy").contains("default-src 'none'"));
        assert!(answer.text().await.unwrap().contains("The status page is at /"));
    }
    let answer = stand.get("/api/v2/nothing.json").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "content-type")),
        (404, "application/problem+json")
    );
    for path in ["/", "/history", "/console"] {
        let answer = stand.client.delete(format!("{}{path}", stand.base)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET,HEAD"), "{path}");
    }
}

#[tokio::test]
async fn head_tells_the_length_and_sends_no_body() {
    let stand = Stand::new().await;
    let whole = stand.get("/feed.atom").send().await.unwrap().bytes().await.unwrap();
    let answer = stand.client.head(format!("{}/feed.atom", stand.base)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-length"), whole.len().to_string());
    assert!(answer.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_in_one_breath_are_answered_in_order() {
    let stand = Stand::new().await;
    let mut socket = TcpStream::connect(stand.base.trim_start_matches("http://")).await.unwrap();
    let heads = "GET /favicon.svg HTTP/1.1\r\nhost: a\r\n\r\nGET /api/v1/health HTTP/1.1\r\nhost: a\r\n\r\n\
                 GET /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    socket.write_all(heads.as_bytes()).await.unwrap();
    let mut all = String::new();
    socket.read_to_string(&mut all).await.unwrap();
    let answers: Vec<&str> = all.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(answers, ["200", "503", "404"]);
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let stand = Stand::new().await;
    let mut socket = TcpStream::connect(stand.base.trim_start_matches("http://")).await.unwrap();
    let endless = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "x".repeat(200_000));
    // The other side may hang up while we are still talking.
    let _ = socket.write_all(endless.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(stand.get("/").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_copy_on_disk_is_served_until_there_are_views() {
    let first = Stand::new().await;
    let folder = Arc::clone(&first.folder);
    let page = first.get("/").send().await.unwrap().text().await.unwrap();
    drop(first);

    let second = Stand::inside(Arc::clone(&folder), None, |_| Some(Ok(()))).await;
    let empty = second.get("/").send().await.unwrap();
    assert_eq!((empty.status().as_u16(), header(&empty, "retry-after")), (503, "5"));
    assert!(second.site.load_last() > 10);
    assert_eq!(second.get("/").send().await.unwrap().text().await.unwrap(), page);
    for path in ["/history", "/incidents/incident-7", "/api/v2/incidents/unresolved.json", "/badge.svg"] {
        assert_eq!(second.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    second.site.publish(Arc::new(world::well()));
    assert!(
        !folder.path().join("status_page/incidents/incident-7").join("index.html").exists(),
        "it is no more"
    );
    assert!(folder.path().join("status_page/incidents/incident-5/index.html").exists());
}

#[tokio::test]
async fn what_did_not_change_is_not_written_again() {
    let stand = Stand::new().await;
    let file = stand.folder.path().join("status_page/index.html");
    let before = std::fs::metadata(&file).unwrap().modified().unwrap();
    stand.site.publish(Arc::new(world::outage()));
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), before);
}
