//! Responses of the edge's own by both protocols: the same status codes, ids that a trace is found by, codes of gRPC.

use crate::early::client;
use crate::fixture::{ConfigParts, OK, PATIENCE, Server, all, ask, connect, door, edge, listening, status};
use crate::http2::run;
use bytes::Bytes;
use edge::Edge;
use edge::telemetry::TraceId;
use http::{Request, Response};
use std::io::{Read, Write};
use std::net::SocketAddr;

fn is_known(edge: &Edge, id: &str) -> bool {
    TraceId::read(id.as_bytes()).is_some_and(|id| edge.telemetry().trace(id).is_some())
}

async fn by_http2(at: SocketAddr, request: Request<()>, body: usize) -> Response<h2::RecvStream> {
    let mut sender = client(at).await;
    let (response, mut stream) = sender.send_request(request, body == 0).unwrap();
    if body > 0 {
        let _ = stream.send_data(Bytes::from(vec![b'x'; body]), true);
    }
    response.await.unwrap()
}

#[test]
fn refusals_have_ids_that_a_trace_is_found_by() {
    let server = Server::saying(OK);
    let parts =
        ConfigParts { edge: "limits = { body_bytes = 1000, head_bytes = 8192 }", ..ConfigParts::default() };
    let edge = edge(&[server.at], &parts);
    let at = door(&edge, false);
    let cookies = "y".repeat(20_000);
    let cases: [(&str, &str, &str, &str, usize, u16); 5] = [
        ("GET", "no.test", "/", "x", 0, 421),
        ("TRACE", "a.test", "/", "x", 0, 405),
        ("OPTIONS", "a.test", "/#x", "x", 0, 400),
        ("GET", "a.test", "/", &cookies, 0, 431),
        ("POST", "a.test", "/", "x", 2000, 413),
    ];
    for (method, host, target, cookie, body, code) in cases {
        let length = if body == 0 { String::new() } else { format!("content-length: {body}\r\n") };
        let head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n{length}\r\n");
        let answered = all(at, format!("{head}{}", "x".repeat(body)).as_bytes());
        assert_eq!(status(&answered), code, "{answered}");
        let id = answered.split("\r\nx-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert!(is_known(&edge, id), "{method} {host}: {id}");
        let target = http::uri::PathAndQuery::try_from(target).unwrap();
        let uri = http::Uri::builder().scheme("http").authority(host).path_and_query(target).build().unwrap();
        let mut request = Request::builder().method(method).uri(uri).header("cookie", cookie);
        if body > 0 {
            request = request.header("content-length", body);
        }
        let response = run(by_http2(at, request.body(()).unwrap(), body));
        assert_eq!(response.status(), code, "{method} {host}");
        assert!(is_known(&edge, response.headers()["x-request-id"].to_str().unwrap()), "{method} {host}");
    }
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_hundred_fields_are_taken_by_both_protocols_and_no_more() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts::default());
    let at = door(&edge, false);
    for (fields, code) in [(100, 200), (101, 431)] {
        // By HTTP/1.1 the host is one of them.
        let lines: String = (1..fields).map(|n| format!("x{n}: 1\r\n")).collect();
        let answered = all(at, format!("GET / HTTP/1.1\r\nhost: a.test\r\n{lines}\r\n").as_bytes());
        assert_eq!(status(&answered), code, "{answered}");
        let mut request = Request::get("http://a.test/");
        for n in 0..fields {
            request = request.header(format!("x{n}"), "1");
        }
        assert_eq!(run(by_http2(at, request.body(()).unwrap(), 0)).status(), code, "{fields} by HTTP/2");
    }
}

/// The code of gRPC that a call ends with, which must be in a head without a body.
fn grpc_code(at: SocketAddr, timeout: Option<&str>) -> String {
    let mut request = Request::post("http://a.test/p.Echo/Unary")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let response = run(by_http2(at, request.body(()).unwrap(), 5));
    assert_eq!(response.status(), 200);
    assert!(response.body().is_end_stream(), "trailers only");
    response.headers().get("grpc-status").unwrap().to_str().unwrap().to_owned()
}

#[test]
fn grpc_calls_that_are_denied_limited_or_late_end_with_their_codes() {
    let silent = listening(|mut socket| {
        let mut some = [0; 4096];
        while socket.read(&mut some).is_ok_and(|got| got > 0) {}
    });
    let http2 = |traffic| ConfigParts { traffic, pool: "protocol = \"http2\"", ..ConfigParts::default() };
    let denied = edge(&[silent], &http2("deny = { cidrs = [\"127.0.0.1\"] }"));
    assert_eq!(grpc_code(door(&denied, false), None), "7");
    let limited = edge(
        &[silent],
        &http2("limit = { client = { rate = \"1/h\", burst = 1 } }\nresponse_timeout = \"200ms\""),
    );
    // The first is let through: its server is silent.
    assert_eq!(grpc_code(door(&limited, false), Some("100m")), "4");
    assert_eq!(grpc_code(door(&limited, false), Some("100m")), "8");
}

#[test]
fn redirect_names_the_port_of_https_that_the_config_names() {
    let server = Server::saying(OK);
    let tls = "redirect_to_https = true\nhttps_port = 8443\nlisten_tls = [\"127.0.0.1:0\"]\n\
        [[edge.certificate]]\nchain = \"/none.pem\"\nkey = \"/none.key\"";
    let edge = edge(&[server.at], &ConfigParts { edge: tls, ..ConfigParts::default() });
    for host in ["a.test", "a.test:80", "a.test:8080"] {
        let answered = ask(door(&edge, false), &format!("GET /x HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert!(answered.contains("\r\nlocation: https://a.test:8443/x\r\n"), "{host}: {answered}");
    }
}

#[test]
fn cookie_of_one_service_is_worth_nothing_at_another() {
    let server = Server::saying(OK);
    let parts = ConfigParts {
        traffic: "recognize = { path = \"/welcome\", status = [200] }",
        more: "[service.other]\nhosts = [\"b.test\"]\n[service.other.traffic]\npool = \"web\"\n\
            recognize = { path = \"/login\", status = [200] }\nlimit = { client = \"100/s\", subnet = { rate = \"1/h\", burst = 2 } }",
        ..ConfigParts::default()
    };
    let edge = edge(&[server.at], &parts);
    let at = door(&edge, false);
    let get = |host: &str, path: &str, cookie: &str| {
        ask(at, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n"))
    };
    let cookie = |answered: &str| {
        let pair = answered.split("\r\nset-cookie: ").nth(1)?.split(';').next()?;
        Some(pair.to_owned())
    };
    let cheap = cookie(&get("a.test", "/welcome", "x=y")).unwrap();
    let own = cookie(&get("b.test", "/login", "x=y")).unwrap();
    assert_eq!(status(&get("b.test", "/", "x=y")), 200);
    assert_eq!(status(&get("b.test", "/", "x=y")), 429, "beyond the limit of its network");
    assert_eq!(status(&get("b.test", "/", &cheap)), 429);
    assert_eq!(status(&get("b.test", "/", &own)), 200);
}

#[test]
fn wrong_accept_of_a_websocket_is_a_502() {
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
    for accept in ["sec-websocket-accept: AAAALMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""] {
        let server = Server::new(move |_| Some([&switched[..], accept.as_bytes(), b"\r\n"].concat()));
        let edge = edge(&[server.at], &ConfigParts::default());
        let mut socket = connect(door(&edge, false));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = "GET /ws HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(head.as_bytes()).unwrap();
        let answered = crate::fixture::answer(&mut socket);
        assert!(status(&answered) == 502 && answered.contains("\r\nx-request-id: "), "{answered}");
    }
}
