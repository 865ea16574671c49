//! The offline kit with a real edge and real servers: its files, its script in pages, writes that are delivered once.

use crate::cache::{body, field};
use crate::fixture::{ConfigParts, Server, answer, ask, connect, door, edge, find, status, terms, wait};
use edge::Edge;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const KEY: &str = "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"";

/// An edge with an offline kit, whose data is in this folder.
fn with_kit(server: SocketAddr, data: &Path, kit: &str) -> Edge {
    let site = format!("data = \"{}\"", data.display());
    let more = format!("[service.web.offline]\nwrites = [\"POST /api/*\"]\n{kit}");
    edge(&[server], &ConfigParts { site: &site, more: &more, ..ConfigParts::default() })
}

fn post(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: a.test\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A server that counts what it takes.
fn counting(head: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::new(move |_| {
        let body = format!("n{}", count.fetch_add(1, Ordering::Relaxed));
        Some(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    })
}

#[test]
fn second_request_with_a_key_gets_the_answer_of_the_first() {
    let data = TempDir::new().unwrap();
    let server = counting("201 Created\r\nlocation: /api/1\r\nset-cookie: a=b");
    let edge = with_kit(server.at, data.path(), "");
    let at = door(&edge, false);
    let first = ask(at, &post("/api/a", KEY, "one"));
    assert_eq!((status(&first), body(&first), field(&first, "idempotency-replayed")), (201, "n0", None));
    assert_eq!(field(&first, "set-cookie"), Some("a=b"));
    let seen = String::from_utf8(server.seen.lock().unwrap()[0].clone()).unwrap();
    assert!(seen.contains(&format!("idempotency-key: {KEY}")) && seen.ends_with("one"), "{seen}");
    for _ in 0..2 {
        let again = ask(at, &post("/api/a", KEY, "one"));
        assert_eq!((status(&again), body(&again)), (201, "n0"), "{again}");
        assert_eq!(field(&again, "idempotency-replayed"), Some("true"));
        assert_eq!((field(&again, "location"), field(&again, "set-cookie")), (Some("/api/1"), None));
    }
    // Another body, another path.
    for other in [post("/api/a", KEY, "two"), post("/api/b", KEY, "one")] {
        assert_eq!(status(&ask(at, &other)), 422);
    }
    // A key that may be another client's.
    assert_eq!(status(&ask(at, &post("/api/a", "1", "one"))), 400);
    assert_eq!(server.asked(), 1);
    // Without a key, and on a path that is none of the writes, requests are forwarded as ever.
    assert_eq!(body(&ask(at, "POST /api/a HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n")), "n1");
    assert_eq!(body(&ask(at, &post("/other", KEY, "one"))), "n2");
    assert_eq!(body(&ask(at, &post("/other", KEY, "one"))), "n3");
}

#[test]
fn answer_is_kept_when_the_client_leaves_and_when_the_edge_starts_again() {
    let data = TempDir::new().unwrap();
    let hold = Arc::new((Mutex::new(false), Condvar::new()));
    let opened = Arc::clone(&hold);
    let server = Server::new(move |_| {
        let open = opened.0.lock().unwrap();
        drop(opened.1.wait_timeout_while(open, Duration::from_secs(10), |open| !*open).unwrap());
        Some(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok".to_vec())
    });
    let edge = with_kit(server.at, data.path(), "");
    let at = door(&edge, false);
    let mut client = connect(at);
    client.write_all(post("/api/a", KEY, "one").as_bytes()).unwrap();
    wait("the server has it", || server.asked() == 1);
    // The first request is not answered yet.
    let early = ask(at, &post("/api/a", KEY, "one"));
    assert_eq!((status(&early), field(&early, "retry-after")), (409, Some("1")), "{early}");
    drop(client);
    *hold.0.lock().unwrap() = true;
    hold.1.notify_all();
    wait("its answer is stored", || status(&ask(at, &post("/api/a", KEY, "one"))) == 201);
    edge.stop(Duration::from_secs(1));
    let edge = with_kit(server.at, data.path(), "");
    let again = ask(door(&edge, false), &post("/api/a", KEY, "one"));
    assert_eq!(
        (status(&again), body(&again), field(&again, "idempotency-replayed")),
        (201, "ok", Some("true"))
    );
    assert_eq!(server.asked(), 1);
}

#[test]
fn failure_is_no_answer_and_the_same_request_is_forwarded_again() {
    let data = TempDir::new().unwrap();
    let works = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&works);
    // First it answers an error, then it closes in the middle, then it works.
    let count = AtomicUsize::new(0);
    let server = Server::new(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Some(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_vec()),
        1 => None,
        _ if is_up.load(Ordering::Relaxed) => {
            Some(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
        }
        _ => Some(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_vec()),
    });
    let edge = with_kit(server.at, data.path(), "");
    let at = door(&edge, false);
    let statuses: Vec<u16> = (0..3).map(|_| status(&ask(at, &post("/api/a", KEY, "one")))).collect();
    assert_eq!(statuses, [500, 502, 401]);
    works.store(true, Ordering::Relaxed);
    for replayed in [None, Some("true")] {
        let answer = ask(at, &post("/api/a", KEY, "one"));
        assert_eq!((status(&answer), field(&answer, "idempotency-replayed")), (200, replayed), "{answer}");
    }
    // The server sees the same key each time, so that it can tell.
    let seen = server.seen.lock().unwrap();
    assert!(seen.len() == 4 && seen.iter().all(|request| find(request, KEY.as_bytes()).is_some()));
}

#[test]
fn long_answer_is_passed_on_whole_and_replayed_without_its_body() {
    let data = TempDir::new().unwrap();
    let long = "x".repeat(100_000);
    let sent = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}", long.len());
    let server = Server::new(move |_| Some(sent.clone().into_bytes()));
    let edge = with_kit(server.at, data.path(), "");
    let at = door(&edge, false);
    assert_eq!(body(&ask(at, &post("/api/a", KEY, "one"))), long);
    let again = ask(at, &post("/api/a", KEY, "one"));
    assert_eq!(
        (status(&again), body(&again), field(&again, "idempotency-replayed")),
        (200, "", Some("true"))
    );
    // A body beyond `max_body` is refused: it could not be compared.
    let large = ask(at, &post("/api/a", &KEY.replace('8', "9"), &"y".repeat(300_000)));
    assert_eq!((status(&large), server.asked()), (413, 1));
}

#[test]
fn disk_that_fails_refuses_keyed_writes_only() {
    let data = TempDir::new().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let server = counting("200 OK");
    let edge = with_kit(server.at, &file.join("data"), "");
    let at = door(&edge, false);
    let refused = ask(at, &post("/api/a", KEY, "one"));
    assert_eq!((status(&refused), field(&refused, "retry-after")), (503, Some("5")), "{refused}");
    assert_eq!(server.asked(), 0);
    assert_eq!(status(&ask(at, "POST /api/a HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n")), 200);
}

#[test]
fn many_writes_at_the_same_time_take_effect_once() {
    const WRITES: usize = 64;
    let data = TempDir::new().unwrap();
    let server = counting("200 OK");
    let edge = with_kit(server.at, data.path(), "");
    let at = door(&edge, false);
    std::thread::scope(|scope| {
        for number in 0..WRITES {
            scope.spawn(move || {
                for _ in 0..2 {
                    let key = format!("{number:032}");
                    wait("it has an answer", || status(&ask(at, &post("/api/a", &key, &key))) == 200);
                }
            });
        }
    });
    assert_eq!(server.asked(), WRITES);
}

#[test]
fn files_of_the_kit_are_served_small_and_validated() {
    let data = TempDir::new().unwrap();
    let server = counting("200 OK");
    let edge = with_kit(server.at, data.path(), "pages = [\"/\"]");
    let at = door(&edge, false);
    let get = |path: &str, more: &str| ask(at, &format!("GET {path} HTTP/1.1\r\nhost: a.test\r\n{more}\r\n"));
    let worker = get("/.mainstay/offline-worker.js", "");
    assert_eq!(status(&worker), 200);
    assert_eq!(field(&worker, "service-worker-allowed"), Some("/"));
    assert_eq!(field(&worker, "cache-control"), Some("no-cache"));
    assert!(body(&worker).starts_with("const CONFIG = {") && body(&worker).contains("\"off\":false"));
    let etag = field(&worker, "etag").unwrap().to_owned();
    let close = format!("if-none-match: {etag}\r\nconnection: close\r\n");
    assert_eq!(status(&get("/.mainstay/offline-worker.js", &close)), 304);
    for (accepted, coding) in [
        ("accept-encoding: gzip, br\r\n", Some("gzip")),
        ("accept-encoding: br\r\naccept-encoding: gzip\r\n", Some("gzip")),
        ("accept-encoding: *\r\n", Some("gzip")),
        ("accept-encoding: gzip;q=0, *\r\n", None),
        ("accept-encoding: not-gzip\r\n", None),
        ("", None),
    ] {
        let script = get("/.mainstay/offline.js", accepted);
        assert_eq!((status(&script), field(&script, "content-encoding")), (200, coding), "{accepted:?}");
        // A visit does not wait for it.
        assert_eq!(field(&script, "cache-control"), Some("max-age=600, stale-while-revalidate=86400"));
    }
    assert_eq!(field(&get("/.mainstay/offline.html", ""), "content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(server.asked(), 0);
    // Other paths below are the site's own.
    assert_eq!(status(&get("/.mainstay/other", "")), 200);
    assert_eq!(server.asked(), 1);
    // Switched off, the worker removes itself.
    let off = with_kit(server.at, data.path(), "enabled = false");
    let worker = ask(door(&off, false), "GET /.mainstay/offline-worker.js HTTP/1.1\r\nhost: a.test\r\n\r\n");
    assert!(body(&worker).contains("\"off\":true"));
}

#[test]
fn script_is_added_to_pages_that_may_be_changed() {
    let data = TempDir::new().unwrap();
    let server = Server::new(|request| {
        let text = String::from_utf8_lossy(request);
        let head = if text.starts_with("GET /chunked") {
            return Some(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n4\r\n<p>a\r\n0\r\n\r\n"
                    .to_vec(),
            );
        } else if text.starts_with("GET /gzip") {
            "content-type: text/html\r\ncontent-encoding: gzip\r\n"
        } else if text.starts_with("GET /as-it-is") {
            "content-type: text/html\r\ncache-control: no-cache\r\ncache-control: no-transform\r\n"
        } else if text.starts_with("GET /json") {
            "content-type: application/json\r\n"
        } else if text.contains("accept-encoding") {
            "content-type: text/html\r\ncontent-encoding: br\r\n"
        } else {
            "content-type: text/html; charset=utf-8\r\naccept-ranges: bytes\r\n"
        };
        Some(format!("HTTP/1.1 200 OK\r\n{head}content-length: 4\r\n\r\n<p>a").into_bytes())
    });
    let kit = "pages = [\"/\", \"/chunked\", \"/gzip\", \"/as-it-is\", \"/json\"]\ninject = true";
    let edge = with_kit(server.at, data.path(), kit);
    let at = door(&edge, false);
    let get = |path: &str| {
        let head = "host: a.test\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
        crate::fixture::all(at, format!("GET {path} HTTP/1.1\r\n{head}").as_bytes())
    };
    let tag = "<script src=\"/.mainstay/offline.js\" defer></script>";
    for (path, is_added) in [
        ("/", true),
        ("/chunked", true),
        ("/gzip", false),
        ("/as-it-is", false),
        ("/json", false),
        ("/else", false),
    ] {
        let page = get(path);
        assert_eq!((status(&page), page.contains(tag)), (200, is_added), "{path}: {page}");
    }
    let page = get("/");
    assert_eq!(field(&page, "content-length"), Some((4 + tag.len() + 1).to_string().as_str()));
    assert_eq!(field(&page, "accept-ranges"), None);
    let mut socket = connect(at);
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .unwrap();
    assert!(answer(&mut socket).contains(tag), "the connection goes on after a longer body");
}

#[test]
fn page_is_stored_without_the_tag_and_gets_it_once() {
    let data = TempDir::new().unwrap();
    // In two parts: streamed, as longer pages are.
    let server = Server::new(|head| {
        let head = String::from_utf8_lossy(head);
        let kind = "content-type: text/html\r\ncache-control: max-age=60\r\n";
        Some(if head.contains("/chunked") {
            format!(
                "HTTP/1.1 200 OK\r\n{kind}transfer-encoding: chunked\r\n\r\n3\r\n<p>\r\n1\r\na\r\n0\r\n\r\n"
            )
            .into_bytes()
        } else {
            format!("HTTP/1.1 200 OK\r\n{kind}content-length: 300000\r\n\r\n{}", "a".repeat(300_000))
                .into_bytes()
        })
    });
    let kit = "pages = [\"/p/*\"]\ninject = true\n[[service.web.traffic.cache]]\npath = \"/p/*\"";
    let edge = with_kit(server.at, data.path(), kit);
    let at = door(&edge, false);
    let tag = "<script src=\"/.mainstay/offline.js\" defer></script>";
    for path in ["/p/long", "/p/chunked"] {
        for round in 0..3 {
            let head = format!("GET {path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n");
            let page = crate::fixture::all(at, head.as_bytes());
            let found = (status(&page), page.matches(tag).count());
            assert_eq!(found, (200, 1), "{path} {round}: {}", &page[page.len().saturating_sub(300)..]);
        }
    }
    assert_eq!(server.asked(), 2, "each is stored with its first response");
}

#[test]
fn kit_is_added_and_removed_by_a_reload() {
    let data = TempDir::new().unwrap();
    let server = counting("404 Not Found");
    let plain = ConfigParts::default();
    let edge = edge(&[server.at], &plain);
    let at = door(&edge, false);
    let worker = || status(&ask(at, "GET /.mainstay/offline-worker.js HTTP/1.1\r\nhost: a.test\r\n\r\n"));
    assert_eq!(worker(), 404);
    let site = format!("data = \"{}\"", data.path().display());
    let more = "[service.web.offline]\nwrites = [\"POST /api/*\"]";
    edge.reload(&terms(&[server.at], &ConfigParts { site: &site, more, ..ConfigParts::default() })).unwrap();
    assert_eq!(worker(), 200);
    assert_eq!(status(&ask(at, &post("/api/a", KEY, "one"))), 404);
    assert_eq!(field(&ask(at, &post("/api/a", KEY, "one")), "idempotency-replayed"), Some("true"));
    edge.reload(&terms(&[server.at], &plain)).unwrap();
    assert_eq!(worker(), 404);
}
