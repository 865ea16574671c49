//! Targets with characters that should have been percent-encoded: the same by HTTP/1.1 and HTTP/2.

use crate::early::client;
use crate::fixture::{ConfigParts, OK, Server, all, door, edge, find, status};
use crate::http2::run;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use std::net::SocketAddr;

/// As sent, and as servers see it; `None` where it is refused.
const TARGETS: [(&str, Option<&str>); 22] = [
    ("/plain?a[]=1&b='c'", Some("/plain?a[]=1&b='c'")),
    ("/search?filter={\"a\":\"b\"}", Some("/search?filter=%7B%22a%22:%22b%22%7D")),
    ("/search?q=<b>", Some("/search?q=%3Cb%3E")),
    ("/<b>/{id}", Some("/%3Cb%3E/%7Bid%7D")),
    ("/a`b", Some("/a%60b")),
    ("/a|b?c|d", Some("/a%7Cb?c%7Cd")),
    ("/a\\b?c\\d", Some("/a%5Cb?c%5Cd")),
    ("/a^b?c^d", Some("/a%5Eb?c%5Ed")),
    ("/caf\u{e9}?q=\u{20ac}", Some("/caf%C3%A9?q=%E2%82%AC")),
    ("/%3cb%3E?%zz%", Some("/%3cb%3E?%zz%")),
    ("/%0d%0ax:%20y<", Some("/%0d%0ax:%20y%3C")),
    ("/?", Some("/?")),
    ("/a#b", None),
    ("/a?b#c", None),
    ("/#", None),
    ("/a b", None),
    ("/a?b c", None),
    ("/a\tb", None),
    ("/a\0b", None),
    ("/a\x7fb", None),
    ("/a?\r\nx-forged: 1", None),
    ("/\x1b[31m", None),
];

/// What servers of a protocol saw, by the status that the client did.
async fn by_http2(at: SocketAddr, target: &str) -> (StatusCode, bool) {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(http::uri::Scheme::HTTP);
    uri.authority = Some("a.test".parse().unwrap());
    uri.path_and_query = Some(PathAndQuery::try_from(target).unwrap());
    let request = Request::get(Uri::from_parts(uri).unwrap()).body(()).unwrap();
    let mut sender = client(at).await;
    let response = sender.send_request(request, true).unwrap().0.await.unwrap();
    (response.status(), response.headers().contains_key("x-request-id"))
}

fn first_line(request: &[u8]) -> String {
    String::from_utf8_lossy(&request[..find(request, b"\r\n").unwrap()]).into_owned()
}

#[test]
fn raw_characters_are_encoded_by_both_protocols() {
    for (target, right) in TARGETS {
        let server = Server::saying(OK);
        let edge = edge(&[server.at], &ConfigParts::default());
        let at = door(&edge, false);
        let answered = all(at, format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n\r\n").as_bytes());
        let (code, has_id) = run(by_http2(at, target));
        let expected = if right.is_some() { 200 } else { 400 };
        assert_eq!((status(&answered), code.as_u16()), (expected, expected), "{target:?}: {answered}");
        assert!(answered.contains("\r\nx-request-id: ") && has_id, "{target:?}: {answered}");
        let seen: Vec<String> = server.seen.lock().unwrap().iter().map(|seen| first_line(seen)).collect();
        let right = right.map(|right| format!("GET {right} HTTP/1.1"));
        assert_eq!(seen, right.map_or(vec![], |right| vec![right; 2]), "{target:?}");
    }
}

#[test]
fn raw_characters_are_encoded_for_http2_servers() {
    let at = crate::http2::server(|request: Request<hyper::body::Incoming>| async move {
        let target = request.uri().path_and_query().unwrap().as_str().to_owned();
        http::Response::new(http_body_util::Full::new(Bytes::from(target)))
    });
    let edge = edge(&[at], &ConfigParts { pool: "protocol = \"http2\"", ..ConfigParts::default() });
    let answered = all(
        door(&edge, false),
        b"GET /a`b?q=<\xc3\xa9> HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n",
    );
    assert!(answered.contains("/a%60b?q=%3C%C3%A9%3E"), "{answered}");
}

#[test]
fn target_that_is_too_long_once_encoded_is_refused() {
    let server = Server::saying(OK);
    let edge = edge(
        &[server.at],
        &ConfigParts { edge: "limits = { head_bytes = 60000 }", ..ConfigParts::default() },
    );
    let at = door(&edge, false);
    let target = format!("/?{}", "<".repeat(25_000));
    let answered = all(at, format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n\r\n").as_bytes());
    assert!(status(&answered) == 414 && answered.contains("\r\nx-request-id: "), "{answered}");
    assert_eq!(run(by_http2(at, &target)), (StatusCode::URI_TOO_LONG, true));
    assert_eq!(server.asked(), 0);
}
