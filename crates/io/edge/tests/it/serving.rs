//! Clients served: kept connections, bodies both ways, limits, pages.

use crate::fixture::{
    ConfigParts, GET, OK, PATIENCE, Server, all, answer, ask, connect, door, edge, listening, status, wait,
};
use std::io::{Read, Write};
use std::time::Instant;

#[test]
fn connections_are_kept_on_both_sides_and_parked_between() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    // Long enough to be parked, and to be so again.
    for pause in [400, 1_300, 0] {
        for _ in 0..5 {
            socket.write_all(GET.as_bytes()).unwrap();
            assert!(answer(&mut socket).ends_with("\r\n\r\nok"));
        }
        let from = Instant::now();
        while from.elapsed().as_millis() < pause {
            std::thread::yield_now();
        }
    }
    // Two requests in one piece.
    socket.write_all(GET.repeat(2).as_bytes()).unwrap();
    assert!(answer(&mut socket).contains("200 OK"));
    assert!(server.asked() >= 16);
}

#[test]
fn a_crowd_that_rests_loses_nothing_between_two_requests() {
    let server = Server::saying(OK);
    let edge = edge(
        &[server.at],
        &ConfigParts { pool: "max_concurrency = 1000\ninitial_concurrency = 1000", ..ConfigParts::default() },
    );
    let at = door(&edge, false);
    // More than may rest concurrently.
    let mut crowd: Vec<_> = (0..300).map(|_| connect(at)).collect();
    for client in &mut crowd {
        client.write_all(GET.as_bytes()).unwrap();
        assert_eq!(status(&answer(client)), 200);
    }
    // A client that was parked immediately asks twice in one write, and begins a third time.
    let (head, tail) = "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n".split_at(20);
    for client in &mut crowd {
        client.write_all(format!("{GET}{GET}{head}").as_bytes()).unwrap();
    }
    for client in &mut crowd {
        client.write_all(tail.as_bytes()).unwrap();
        let mut answered = String::new();
        client.read_to_string(&mut answered).unwrap();
        assert_eq!(answered.matches("HTTP/1.1 200 OK").count(), 3, "{answered}");
    }
    assert_eq!(server.asked(), 1200);
}

#[test]
fn answers_of_every_framing_arrive_whole() {
    let long = "x".repeat(100_000);
    let cases = [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}", long.len()),
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
            long.len()
        ),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
        format!(
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}",
            long.len()
        ),
    ];
    for case in cases {
        let bytes = case.clone().into_bytes();
        let at = listening(move |mut socket| {
            let mut some = [0; 4096];
            let _ = socket.read(&mut some);
            let _ = socket.write_all(&bytes);
        });
        let edge = edge(&[at], &ConfigParts::default());
        let whole =
            all(door(&edge, false), GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes());
        let body = whole.split("\r\n\r\n").skip_while(|part| !part.starts_with("HTTP/1.1 200")).skip(1);
        let xs = body.flat_map(str::bytes).filter(|b| *b == b'x').count();
        assert_eq!((status(&whole), xs), (200, long.len()), "{}", &case[..60]);
    }
}

#[test]
fn head_and_304_have_no_body() {
    let server = Server::new(|request| {
        Some(if request.starts_with(b"HEAD") {
            b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n".to_vec()
        })
    });
    let edge = edge(&[server.at], &ConfigParts::default());
    let whole = all(
        door(&edge, false),
        GET.replace("GET", "HEAD").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    assert!(whole.contains("content-length: 5000\r\n") && whole.ends_with("\r\n\r\n"), "{whole}");
    let whole = all(door(&edge, false), GET.as_bytes());
    assert!(status(&whole) == 304 && whole.ends_with("\r\n\r\n"), "{whole}");
}

#[test]
fn a_body_streams_while_the_answer_already_comes() {
    let at = listening(|mut socket| {
        let mut seen = Vec::new();
        let mut some = [0; 4096];
        while crate::fixture::find(&seen, b"\r\n\r\n").is_none() {
            let got = socket.read(&mut some).unwrap();
            seen.extend_from_slice(&some[..got]);
        }
        // Answers before the body has come, and echoes it.
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").unwrap();
        while crate::fixture::find(&seen, b"last").is_none() {
            let got = socket.read(&mut some).unwrap();
            seen.extend_from_slice(&some[..got]);
        }
        socket.write_all(b"4\r\nlast\r\n0\r\n\r\n").unwrap();
    });
    let edge = edge(&[at], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    socket
        .write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n4\r\nopen\r\n")
        .unwrap();
    let mut answered = Vec::new();
    let mut some = [0; 4096];
    while crate::fixture::find(&answered, b"first").is_none() {
        let got = socket.read(&mut some).unwrap();
        assert!(got > 0);
        answered.extend_from_slice(&some[..got]);
    }
    socket.write_all(b"4\r\nlast\r\n0\r\n\r\n").unwrap();
    while crate::fixture::find(&answered, b"last\r\n0\r\n\r\n").is_none() {
        let got = socket.read(&mut some).unwrap();
        assert!(got > 0, "{}", String::from_utf8_lossy(&answered));
        answered.extend_from_slice(&some[..got]);
    }
}

#[test]
fn a_continue_is_the_servers_to_give() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    socket
        .write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .unwrap();
    let mut some = [0; 4096];
    let got = socket.read(&mut some).unwrap();
    assert!(some[..got].starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&some[..got]));
    socket.write_all(b"abc").unwrap();
    assert_eq!(status(&answer(&mut socket)), 200);
}

#[test]
fn too_large_or_slow_request_is_refused() {
    let server = Server::saying(OK);
    let parts = "limits = { head_bytes = 8192, headers = 20, body_bytes = 1000, header_timeout = \"1s\", body_timeout = \"1s\", max_connections_per_ip = 3 }";
    let edge = edge(&[server.at], &ConfigParts { edge: parts, ..ConfigParts::default() });
    let at = door(&edge, false);
    let long = format!("GET / HTTP/1.1\r\nhost: a.test\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    assert_eq!(status(&all(at, long.as_bytes())), 431);
    let many: String = (0..30).map(|n| format!("x{n}: 1\r\n")).collect();
    assert_eq!(status(&all(at, format!("GET / HTTP/1.1\r\nhost: a.test\r\n{many}\r\n").as_bytes())), 431);
    let answered = ask(at, "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1001\r\n\r\n");
    assert!(status(&answered) == 413 && answered.contains("connection: close"), "{answered}");
    let chunks = format!(
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n",
        "z".repeat(2000)
    );
    assert_eq!(status(&ask(at, &chunks)), 413);
    assert_eq!(server.asked(), 0);
    // Nothing at all.
    let from = Instant::now();
    assert_eq!(connect(at).read(&mut [0; 16]).unwrap(), 0);
    assert!(from.elapsed() < PATIENCE && from.elapsed().as_millis() > 700, "{:?}", from.elapsed());
    // A head that never ends.
    let from = Instant::now();
    let mut slow = connect(at);
    slow.write_all(b"GET / HTTP/1.1\r\nhost: a.t").unwrap();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(from.elapsed() < PATIENCE && from.elapsed().as_millis() > 700, "{:?}", from.elapsed());
    // A body that never comes.
    let from = Instant::now();
    let mut slow = connect(at);
    slow.write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 100\r\n\r\nabc").unwrap();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(from.elapsed() < PATIENCE, "{:?}", from.elapsed());
    assert_eq!(status(&String::from_utf8_lossy(&rest)), 408);
    // More connections than one address may have.
    let open: Vec<_> = (0..3).map(|_| connect(at)).collect();
    wait("the fourth is closed", || {
        let mut fourth = connect(at);
        matches!(fourth.read(&mut [0; 16]), Ok(0) | Err(_))
    });
    drop(open);
    wait("there is room again", || status(&ask(at, GET)) == 200);
}

#[test]
fn pages_are_for_people_and_problems_for_programs() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts::default());
    let page = ask(door(&edge, false), "GET / HTTP/1.1\r\nhost: no.test\r\naccept: text/html\r\n\r\n");
    assert!(status(&page) == 421 && page.contains("text/html") && page.contains("<h1>"), "{page}");
    let problem = ask(door(&edge, false), "GET / HTTP/1.1\r\nhost: no.test\r\n\r\n");
    assert!(problem.contains("application/problem+json") && problem.contains("\"status\":421"), "{problem}");
    let id = problem.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
    assert!(problem.contains(&format!("urn:request:{id}")));
}

#[test]
fn unreadable_request_gets_an_error_page_with_an_id() {
    let server = Server::saying(OK);
    let edge =
        edge(&[server.at], &ConfigParts { edge: "limits = { head_bytes = 8192 }", ..ConfigParts::default() });
    let at = door(&edge, false);
    let cookies = format!("GET / HTTP/1.1\r\nhost: a.test\r\ncookie: {}\r\n\r\n", "y".repeat(20_000));
    let target = format!("GET /{} HTTP/1.1\r\nhost: a.test\r\n\r\n", "y".repeat(70_000));
    for (bytes, code) in [
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\0\u{4}hello TLS", 400),
        (&cookies, 431),
        (&target, 431),
    ] {
        // First on its connection, and after a response.
        for before in ["", GET] {
            let mut client = connect(at);
            if !before.is_empty() {
                client.write_all(before.as_bytes()).unwrap();
                assert_eq!(status(&answer(&mut client)), 200);
            }
            let _ = client.write_all(bytes.as_bytes());
            let answered = answer(&mut client);
            assert_eq!(status(&answered), code, "{answered}");
            assert!(
                answered.contains("\r\ndate: ") && answered.contains("\r\nconnection: close\r\n"),
                "{answered}"
            );
            let id = answered.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
            assert!(
                answered.ends_with("</html>\n") && answered.contains(&format!("<code>{id}</code>")),
                "{answered}"
            );
            assert!(edge::telemetry::TraceId::read(id.as_bytes()).is_some(), "{id}");
        }
    }
    assert_eq!(server.asked(), 4);
}

#[test]
fn plain_http_is_sent_to_https() {
    let server = Server::saying(OK);
    let edge = edge(
        &[server.at],
        &ConfigParts {
            edge: "redirect_to_https = true\nlisten_tls = [\"127.0.0.1:0\"]\n[[edge.certificate]]\nchain = \"/none.pem\"\nkey = \"/none.key\"",
            ..ConfigParts::default()
        },
    );
    // Where the client names no port or another one than ours, ports are mapped in between.
    let plain = door(&edge, false);
    for (host, to) in [("A.test:80", "a.test"), ("a.test", "a.test"), ("a.test:8080", "a.test")] {
        let answered = ask(plain, &format!("GET /x?y HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert!(
            status(&answered) == 308 && answered.contains(&format!("location: https://{to}/x?y\r\n")),
            "{host}: {answered}"
        );
    }
    let answered = ask(plain, "GET /a`b?<x> HTTP/1.1\r\nhost: a.test\r\n\r\n");
    assert!(answered.contains("location: https://a.test/a%60b?%3Cx%3E\r\n"), "{answered}");
    assert_eq!(server.asked(), 0);
}
