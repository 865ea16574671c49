//! The response cache with a real edge and real servers: hits, validation, one fetch for many, stale responses, purges.

mod coalescing;
mod failure;

use crate::fixture::{ConfigParts, Server, answer, ask, connect, door, edge, find, status, terms, wait};
use crate::http2::begin;
use crate::http2::run;
use bytes::Bytes;
use edge::Edge;
use http::Request;
use http_body_util::{BodyExt, Empty};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use types::ServiceId;

/// An edge that caches all below `/c/`, with this in the rule.
pub(crate) fn caching(servers: &[SocketAddr], rule: &str) -> Edge {
    edge(servers, &ConfigParts { traffic: &rules(rule), ..ConfigParts::default() })
}

fn rules(rule: &str) -> String {
    format!("[[service.web.traffic.cache]]\npath = \"/c/*\"\n{rule}")
}

/// A GET of a path with more headers, each with its line end.
pub(crate) fn get(at: SocketAddr, path: &str, headers: &str) -> String {
    ask(at, &format!("GET {path} HTTP/1.1\r\nhost: a.test\r\n{headers}\r\n"))
}

/// A response with these headers, each with its line end.
pub(crate) fn response(headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A server whose responses are numbered.
pub(crate) fn numbered(headers: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::new(move |_| Some(response(headers, &format!("n{}", count.fetch_add(1, Ordering::Relaxed)))))
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split("\r\n\r\n").nth(1).unwrap_or_default()
}

pub(crate) fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
}

fn cache_status(answer: &str) -> &str {
    field(answer, "cache-status").unwrap_or_default()
}

#[test]
fn fresh_response_is_served_without_a_server() {
    let server = numbered("cache-control: max-age=60\r\netag: \"a\"\r\nx-request-id: of-the-server\r\n");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    let first = get(at, "/c/1", "");
    assert!(cache_status(&first).starts_with("mainstay; fwd=uri-miss; stored"), "{first}");
    let second = get(at, "/c/1", "");
    assert_eq!((status(&second), body(&second), field(&second, "age")), (200, "n0", Some("0")), "{second}");
    assert!(cache_status(&second).starts_with("mainstay; hit; ttl="), "{second}");
    let ids = [&first, &second].map(|answer| field(answer, "x-request-id").unwrap().to_owned());
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() == 32), "{ids:?}");
    // Another query, another path and another host are other responses.
    assert_eq!(body(&get(at, "/c/1?x", "")), "n1");
    assert_eq!(body(&get(at, "/c/2", "")), "n2");
    // Outside of the paths nothing is cached.
    let outside = [get(at, "/d", ""), get(at, "/d", "")];
    assert!(outside.iter().all(|answer| field(answer, "cache-status").is_none()) && server.asked() == 5);
    // HEAD is answered by the response to a GET.
    let head = ask(at, "HEAD /c/1 HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n");
    assert!(
        field(&head, "content-length") == Some("2") && body(&head).is_empty() && server.asked() == 5,
        "{head}"
    );
}

#[test]
fn counters_tell_what_the_cache_did() {
    let server = numbered("cache-control: max-age=60\r\n");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    (0..3).for_each(|_| drop(get(at, "/c/1", "")));
    let sum = std::cell::Cell::new((0, 0, 0, 0));
    wait("three are counted", || {
        let traffic = edge.roll_up().services.remove(&ServiceId::from("web")).unwrap();
        let (all, hit, miss, served) = sum.get();
        let cache = traffic.cache;
        sum.set((all + traffic.requests, hit + cache.hit, miss + cache.miss, served + traffic.first.served));
        sum.get().0 == 3
    });
    assert_eq!(sum.get(), (3, 2, 1, 3));
}

#[test]
fn client_that_has_it_gets_304_from_the_cache() {
    let server = numbered("cache-control: max-age=60\r\netag: \"a\"\r\ncontent-type: text/css\r\n");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    // Its condition does not reach the server: the whole response must come.
    let first = get(at, "/c/1", "if-none-match: \"other\"\r\n");
    assert_eq!((status(&first), body(&first)), (200, "n0"));
    let seen = String::from_utf8(server.seen.lock().unwrap()[0].clone()).unwrap();
    assert!(!seen.contains("if-none-match"), "{seen}");
    let second =
        ask(at, "GET /c/1 HTTP/1.1\r\nhost: a.test\r\nif-none-match: W/\"a\"\r\nconnection: close\r\n\r\n");
    assert_eq!(
        (status(&second), body(&second), field(&second, "etag")),
        (304, "", Some("\"a\"")),
        "{second}"
    );
    assert!(field(&second, "content-type").is_none() && server.asked() == 1);
}

#[test]
fn stale_response_is_validated_and_refreshed() {
    let server = Server::new(|request| {
        let has = find(request, b"if-none-match: \"a\"\r\n").is_some();
        Some(if has {
            b"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncache-control: no-cache\r\nx-new: 1\r\n\r\n"
                .to_vec()
        } else {
            response("cache-control: no-cache\r\netag: \"a\"\r\nx-old: 1\r\n", "body")
        })
    });
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    assert_eq!(body(&get(at, "/c/1", "")), "body");
    let second = get(at, "/c/1", "");
    assert_eq!((status(&second), body(&second)), (200, "body"), "{second}");
    assert!(cache_status(&second).contains("fwd=stale; fwd-status=304"), "{second}");
    assert!(field(&second, "x-new").is_some() && field(&second, "x-old").is_some());
    let third =
        ask(at, "GET /c/1 HTTP/1.1\r\nhost: a.test\r\nif-none-match: \"a\"\r\nconnection: close\r\n\r\n");
    assert_eq!((status(&third), server.asked()), (304, 3));
}

#[test]
fn personal_responses_are_not_stored() {
    for (headers, asked) in [
        ("cache-control: private, max-age=60\r\n", ""),
        ("cache-control: No-Store\r\n", ""),
        ("cache-control: public, max-age=60\r\nset-cookie: a=1\r\n", ""),
        ("cache-control: public, max-age=60\r\n", "authorization: Bearer x\r\n"),
        ("cache-control: max-age=60\r\nvary: *\r\n", ""),
        ("cache-control: max-age=60\r\nvary: cookie\r\n", "cookie: a=1\r\n"),
        ("", "cookie: session=1\r\n"),
        ("cache-control: max-age=60\r\n", "range: bytes=0-1\r\n"),
    ] {
        let server = numbered(headers);
        let edge = caching(&[server.at], "max_age = \"60s\"");
        let at = door(&edge, false);
        let bodies = [get(at, "/c/1", asked), get(at, "/c/1", asked), get(at, "/c/1", asked)];
        assert_eq!(bodies.each_ref().map(|answer| body(answer)), ["n0", "n1", "n2"], "{headers} {asked}");
    }
}

#[test]
fn cookie_of_a_recognized_client_is_each_ones_own() {
    let server = numbered("cache-control: max-age=60\r\n");
    let traffic = format!("recognize = {{ path = \"/c/1\", status = [200], for = \"1d\" }}\n{}", rules(""));
    let edge = edge(&[server.at], &ConfigParts { traffic: &traffic, ..ConfigParts::default() });
    let at = door(&edge, false);
    let cookies: Vec<String> =
        (0..3).map(|_| field(&get(at, "/c/1", ""), "set-cookie").unwrap().to_owned()).collect();
    assert!(cookies[0] != cookies[1] || cookies[1] != cookies[2], "{cookies:?}");
    assert_eq!(server.asked(), 1);
}

#[test]
fn responses_vary_by_the_headers_that_they_name() {
    let server = Server::new(|request| {
        let word = if find(request, b"accept-language: et").is_some() { "tere" } else { "hello" };
        Some(response("cache-control: max-age=60\r\nvary: accept-language\r\n", word))
    });
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    for _ in 0..2 {
        assert_eq!(body(&get(at, "/c/1", "accept-language: et\r\n")), "tere");
        assert_eq!(body(&get(at, "/c/1", "")), "hello");
    }
    assert_eq!(server.asked(), 2);
}

#[test]
fn undeclared_lifetime_is_that_of_the_rule_and_errors_are_not_kept() {
    let server = numbered("");
    let edge = caching(&[server.at], "max_age = \"60s\"");
    let at = door(&edge, false);
    assert_eq!([body(&get(at, "/c/1", "")), body(&get(at, "/c/1", "cookie: a=1\r\n"))], ["n0", "n0"]);
    let missing = Server::saying(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let edge = caching(&[missing.at], "max_age = \"60s\"");
    (0..2).for_each(|_| assert_eq!(status(&get(door(&edge, false), "/c/1", "")), 404));
    assert_eq!(missing.asked(), 2);
}

#[test]
fn unsafe_method_and_purge_drop_what_is_stored() {
    let server = numbered("cache-control: max-age=60\r\n");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    assert_eq!(body(&get(at, "/c/1", "")), "n0");
    let posted = ask(at, "POST /c/1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1\r\n\r\nx");
    assert!(cache_status(&posted).contains("fwd=method"), "{posted}");
    assert_eq!([body(&get(at, "/c/1", "")), body(&get(at, "/c/1", ""))], ["n2", "n2"]);
    assert_eq!(body(&get(at, "/c/2", "")), "n3");
    let web = ServiceId::from("web");
    assert_eq!((edge.purge(&web, Some("/c/1")), edge.purge(&web, None)), (Some(1), Some(1)));
    assert_eq!(edge.purge(&ServiceId::from("other"), None), None);
    assert_eq!(body(&get(at, "/c/1", "")), "n4");
}

#[test]
fn denied_and_limited_clients_get_no_hit() {
    let server = numbered("cache-control: max-age=60\r\n");
    let traffic = format!("limit.client = {{ rate = \"1/m\", burst = 2 }}\n{}", rules(""));
    let edge = edge(&[server.at], &ConfigParts { traffic: &traffic, ..ConfigParts::default() });
    let at = door(&edge, false);
    let all: Vec<u16> = (0..3).map(|_| status(&get(at, "/c/1", ""))).collect();
    assert_eq!(all, [200, 200, 429]);
}

#[test]
fn reload_keeps_what_is_stored_and_applies_new_rules() {
    let server = numbered("");
    let edge = caching(&[server.at], "max_age = \"60s\"");
    let at = door(&edge, false);
    assert_eq!(body(&get(at, "/c/1", "")), "n0");
    let again = |rule: &str| {
        let traffic = rules(rule);
        edge.reload(&terms(&[server.at], &ConfigParts { traffic: &traffic, ..ConfigParts::default() }))
            .unwrap();
    };
    again("max_age = \"120s\"");
    assert_eq!(body(&get(at, "/c/1", "")), "n0");
    again("max_age = \"120s\"\nvary = [\"accept\"]");
    assert_eq!(body(&get(at, "/c/1", "")), "n1", "kept apart by a header that was no part of it");
    again("");
    assert_eq!(body(&get(at, "/c/1", "")), "n2", "without a lifetime it is validated");
}

#[test]
fn truncated_too_large_and_cancelled_bodies_are_not_stored() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n";
    for (sent, whole) in [
        (format!("{HEAD}content-length: 10\r\n\r\nabc"), false),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"), false),
        (format!("{HEAD}\r\nabc"), false),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"), false),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), true),
        (format!("{HEAD}content-length: 200000\r\n\r\n{}", "x".repeat(200_000)), false),
    ] {
        let asked = std::sync::Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let bytes = sent.clone();
        let at = crate::fixture::listening(move |mut socket| {
            let mut rest = Vec::new();
            if crate::fixture::request(&mut socket, &mut rest).is_some() {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = socket.write_all(bytes.as_bytes());
            }
        });
        let edge = caching(&[at], "max_size = \"100KB\"\nstale_if_error = \"0s\"");
        for _ in 0..2 {
            let mut socket = connect(door(&edge, false));
            socket.write_all(b"GET /c/1 HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n").unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        }
        let first = asked.load(Ordering::Relaxed);
        assert_eq!(first < 2, whole, "{}", &sent[..sent.len().min(120)]);
    }
}

#[test]
fn large_chunked_body_is_stored_whole() {
    let text: String = (0..40_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let expected = text.clone();
    let server = Server::new(move |_| {
        let mut out =
            b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for part in text.as_bytes().chunks(7_001) {
            out.extend(format!("{:x}\r\n", part.len()).as_bytes());
            out.extend(part);
            out.extend(b"\r\n");
        }
        out.extend(b"0\r\n\r\n");
        Some(out)
    });
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin::<Empty<Bytes>>(at).await;
        for _ in 0..3 {
            let request = Request::get("http://a.test/c/1").body(Empty::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected.as_bytes());
        }
    });
    assert_eq!(server.asked(), 1);
    let mut socket = connect(at);
    socket.write_all(b"GET /c/1 HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
    assert_eq!(body(&answer(&mut socket)).len(), 40_000);
}
