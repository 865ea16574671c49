//! Requests that two parsers might read differently: refused, or passed on in one way only. Compared with what the
//! server receives, byte by byte, but for the fields that the edge itself adds.

use crate::fixture::{ConfigParts, OK, Server, all, door, edge, status};

/// What becomes of the bytes.
enum Then {
    /// This status, and no server hears of it.
    Refused(u16),
    /// The server receives this and nothing else.
    Passed(&'static str),
}
use Then::{Passed, Refused};

const PLAIN: &str = "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";

type Case = (&'static str, Vec<u8>, Then);

fn t(name: &'static str, bytes: &str, then: Then) -> Case {
    (name, bytes.as_bytes().to_vec(), then)
}

fn table() -> Vec<Case> {
    let parts = [
        hosts(),
        lengths(),
        codings(),
        hop_fields(),
        chunks(),
        odd_lengths(),
        lines(),
        targets(),
        fields_of_the_edge(),
    ];
    [t("plain", PLAIN, Passed(PLAIN))].into_iter().chain(parts.into_iter().flatten()).collect()
}

/// Hosts.
fn hosts() -> Vec<Case> {
    vec![
        t("two hosts", "GET / HTTP/1.1\r\nhost: a.test\r\nhost: b.test\r\n\r\n", Refused(400)),
        t("two equal hosts", "GET / HTTP/1.1\r\nhost: a.test\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("no host", "GET / HTTP/1.1\r\n\r\n", Refused(400)),
        t("no host in 1.0", "GET / HTTP/1.0\r\n\r\n", Refused(400)),
        t("empty host", "GET / HTTP/1.1\r\nhost: \r\n\r\n", Refused(400)),
        t("host with a path", "GET / HTTP/1.1\r\nhost: a.test/x\r\n\r\n", Refused(400)),
        t("host with a user", "GET / HTTP/1.1\r\nhost: b.test@a.test\r\n\r\n", Refused(400)),
        t("host with a comma", "GET / HTTP/1.1\r\nhost: a.test,b.test\r\n\r\n", Refused(400)),
        t("host with a blank", "GET / HTTP/1.1\r\nhost: a.test b.test\r\n\r\n", Refused(400)),
        t("host with two ports", "GET / HTTP/1.1\r\nhost: a.test:80:81\r\n\r\n", Refused(400)),
        t("host of another kind", "GET / HTTP/1.1\r\nhost: a.test#b\r\n\r\n", Refused(400)),
        t(
            "host in capitals",
            "GET / HTTP/1.1\r\nHost: A.TEST\r\n\r\n",
            Passed("GET / HTTP/1.1\r\nhost: A.TEST\r\n\r\n"),
        ),
        t(
            "absolute form",
            "GET http://a.test/x?y HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Passed("GET /x?y HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ),
        t(
            "absolute form of another host",
            "GET http://b.test/ HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Refused(400),
        ),
        t("authority form", "GET a.test HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("connect", "CONNECT a.test:443 HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(405)),
        t("trace", "TRACE / HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(405)),
        t(
            "star",
            "OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Passed("OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ),
        t("star for a get", "GET * HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("unknown host", "GET / HTTP/1.1\r\nhost: b.test\r\n\r\n", Refused(421)),
    ]
}

/// The length of a body.
fn lengths() -> Vec<Case> {
    vec![
        t(
            "length",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc"),
        ),
        t(
            "length of nothing",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n"),
        ),
        t(
            "chunked",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Passed(
                "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            ),
        ),
        t(
            "length, then chunked",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        t(
            "chunked, then length",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\ncontent-length: 30\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        t(
            "two lengths",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
            Refused(400),
        ),
        t(
            "two equal lengths",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc"),
        ),
        t(
            "lengths in one line",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3, 3\r\n\r\nabc",
            Refused(400),
        ),
        t(
            "length with a sign",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: +3\r\n\r\nabc",
            Refused(400),
        ),
        t(
            "negative length",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: -3\r\n\r\nabc",
            Refused(400),
        ),
        t("length in hex", "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0x3\r\n\r\nabc", Refused(400)),
        t(
            "length beyond counting",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 99999999999999999999\r\n\r\nabc",
            Refused(400),
        ),
    ]
}

/// Transfer codings.
fn codings() -> Vec<Case> {
    vec![
        t(
            "coding other than chunked",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: gzip\r\n\r\nabc",
            Refused(400),
        ),
        t(
            "chunked not last",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked, gzip\r\n\r\nabc",
            Refused(400),
        ),
        t(
            "chunked behind another",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "chunked twice",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "identity and chunked",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "quoted chunked",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "vertical tab before chunked",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "chunked in 1.0",
            "POST / HTTP/1.0\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "blank before the colon",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "blank before the colon of length",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length : 3\r\n\r\nabc",
            Refused(400),
        ),
        t(
            "folded coding",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        t("folded field", "GET / HTTP/1.1\r\nhost: a.test\r\nx: a\r\n b\r\n\r\n", Refused(400)),
        t("first field indented", "GET / HTTP/1.1\r\n host: a.test\r\n\r\n", Refused(400)),
    ]
}

/// Fields that look like framing, and fields of one connection only.
fn hop_fields() -> Vec<Case> {
    vec![
        t(
            "length with an underscore",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\ncontent_length: 9\r\n\r\nabc",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc"),
        ),
        t(
            "coding with an underscore",
            "GET / HTTP/1.1\r\nhost: a.test\r\ntransfer_encoding: chunked\r\n\r\n",
            Passed(PLAIN),
        ),
        t(
            "connection strips the length",
            "POST / HTTP/1.1\r\nhost: a.test\r\nconnection: content-length\r\ncontent-length: 3\r\n\r\nabc",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc"),
        ),
        t(
            "connection strips the host",
            "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: host\r\n\r\n",
            Passed(PLAIN),
        ),
        t(
            "connection strips what it names",
            "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close, x-mine\r\nx-mine: 1\r\nx-other: 2\r\n\r\n",
            Passed("GET / HTTP/1.1\r\nhost: a.test\r\nx-other: 2\r\n\r\n"),
        ),
        t(
            "hop by hop",
            "GET / HTTP/1.1\r\nhost: a.test\r\nkeep-alive: 5\r\nproxy-connection: x\r\nte: trailers\r\nproxy-authorization: x\r\nupgrade: h2c\r\nhttp2-settings: x\r\n\r\n",
            Passed(PLAIN),
        ),
        t(
            "http/2 by upgrade",
            "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n\r\n",
            Passed(PLAIN),
        ),
    ]
}

/// Chunks.
fn chunks() -> Vec<Case> {
    vec![
        t(
            "chunk size in capitals",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
            Passed(
                "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
            ),
        ),
        t(
            "chunk extension",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
            Passed(
                "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            ),
        ),
        t(
            "chunk extension with a line feed",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "chunk size with a sign",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "chunk size beyond counting",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "chunk without its end",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
            Refused(400),
        ),
        t(
            "trailer",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\ncontent-length: 5\r\n\r\n",
            Passed(
                "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n",
            ),
        ),
        t(
            "trailers that servers believe",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nhost: b.test\r\nX-Forwarded-For: 6.6.6.6\r\nx_real_ip: 6.6.6.6\r\nauthorization: x\r\ncookie: a=b\r\nconnection: x-sum\r\ntransfer-encoding: gzip\r\nx-sum: 1\r\n\r\n",
            Passed(
                "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n",
            ),
        ),
        t(
            "request in a trailer",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
            Refused(400),
        ),
    ]
}

/// Odd lengths.
fn odd_lengths() -> Vec<Case> {
    vec![
        t(
            "length with a blank inside",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1 2\r\n\r\nabc",
            Refused(400),
        ),
        t(
            "length with zeros",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0003\r\n\r\nabc",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc"),
        ),
        t("empty length", "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length:\r\n\r\nabc", Refused(400)),
        t(
            "length with a point",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3.0\r\n\r\nabc",
            Refused(400),
        ),
        t(
            "lengths that differ in one line",
            "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3, 4\r\n\r\nabcd",
            Refused(400),
        ),
    ]
}

/// Lines.
fn lines() -> Vec<Case> {
    vec![
        t(
            "line feeds alone around a length",
            "POST / HTTP/1.1\nhost: a.test\ncontent-length: 3\n\nabc",
            Passed("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc"),
        ),
        t(
            "line feeds mixed",
            "GET / HTTP/1.1\r\nhost: a.test\nx: 1\r\n\n",
            Passed("GET / HTTP/1.1\r\nhost: a.test\r\nx: 1\r\n\r\n"),
        ),
        t(
            "chunk ended by a line feed",
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
            Refused(400),
        ),
        t("carriage return alone", "GET / HTTP/1.1\rhost: a.test\r\r", Refused(400)),
        t(
            "bare line feeds",
            "GET / HTTP/1.1\nhost: a.test\nx: 1\n\n",
            Passed("GET / HTTP/1.1\r\nhost: a.test\r\nx: 1\r\n\r\n"),
        ),
        t("carriage return in a value", "GET / HTTP/1.1\r\nhost: a.test\r\nx: a\rb\r\n\r\n", Refused(400)),
        t("null in a value", "GET / HTTP/1.1\r\nhost: a.test\r\nx: a\0b\r\n\r\n", Refused(400)),
        t("null in a name", "GET / HTTP/1.1\r\nhost: a.test\r\nx\0y: a\r\n\r\n", Refused(400)),
        t("no name", "GET / HTTP/1.1\r\nhost: a.test\r\n: a\r\n\r\n", Refused(400)),
        t("no colon", "GET / HTTP/1.1\r\nhost: a.test\r\nabc\r\n\r\n", Refused(400)),
        t("two blanks in the first line", "GET  / HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("tab in the first line", "GET\t/ HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("blank in the path", "GET /a b HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
    ]
}

/// Targets; what is raw in them is encoded, see `targets.rs`.
fn targets() -> Vec<Case> {
    vec![
        t("fragment", "GET /a#b HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("fragment behind a query", "GET /a?b#c HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("fragment in absolute form", "GET http://a.test#/x HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("tab in the path", "GET /a\tb HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("null in the path", "GET /a\0b HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("delete in the query", "GET /a?\x7f HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("carriage return in the path", "GET /a\rb HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("target that begins raw", "GET <x> HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("query alone", "GET ?x HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t(
            "version within a raw target",
            "GET /x<HTTP/1.1>\\ HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Passed("GET /x%3CHTTP/1.1%3E%5C HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ),
        t(
            "escaped line within a raw target",
            "GET /x%0d%0a\"%20HTTP/1.1 HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Passed("GET /x%0d%0a%22%20HTTP/1.1 HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ),
        t(
            "raw absolute form",
            "GET http://a.test/<x>?\"y HTTP/1.1\r\nhost: a.test\r\n\r\n",
            Passed("GET /%3Cx%3E?%22y HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ),
        t("raw host", "GET http://a.test<x>/ HTTP/1.1\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("version of the future", "GET / HTTP/1.9\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("no version", "GET /\r\nhost: a.test\r\n\r\n", Refused(400)),
        t("empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n", Passed(PLAIN)),
        t(
            "expectation of another kind",
            "POST / HTTP/1.1\r\nhost: a.test\r\nexpect: x\r\ncontent-length: 1\r\n\r\na",
            Refused(417),
        ),
        t(
            "two expectations",
            "POST / HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\nexpect: x\r\ncontent-length: 1\r\n\r\na",
            Refused(417),
        ),
    ]
}

/// What only the edge may say.
fn fields_of_the_edge() -> Vec<Case> {
    vec![t(
        "said by a visitor",
        "GET / HTTP/1.1\r\nhost: a.test\r\nx-forwarded-for: 1.2.3.4\r\nforwarded: for=1.2.3.4\r\nx_forwarded_for: 1.2.3.4\r\nmainstay-client: x\r\nmainstay-caller: x\r\nx-request-id: 1\r\n\r\n",
        Passed(PLAIN),
    )]
}

/// Without the fields that the edge adds.
fn bare(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let own = [
        "x-forwarded-for: ",
        "x-forwarded-proto: ",
        "x-forwarded-host: ",
        "x-forwarded-port: ",
        "x-real-ip: ",
        "traceparent: ",
        "x-request-id: ",
        "mainstay-client: ",
    ];
    let lines: Vec<&str> =
        head.split("\r\n").filter(|line| !own.iter().any(|name| line.starts_with(name))).collect();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

#[test]
fn nothing_is_passed_on_that_two_parsers_read_differently() {
    let mut wrong = Vec::new();
    for (name, bytes, then) in table() {
        let server = Server::saying(OK);
        let edge = edge(&[server.at], &ConfigParts::default());
        let answer = all(door(&edge, false), &bytes);
        let seen = server.seen.lock().unwrap().clone();
        let seen: Vec<String> = seen.iter().map(|request| bare(request)).collect();
        match then {
            Refused(expected) => {
                if status(&answer) != expected || !seen.is_empty() {
                    wrong.push(format!(
                        "{name}: {expected} expected, answered {answer:?}, passed on {seen:?}"
                    ));
                }
            }
            Passed(expected) => {
                if status(&answer) != 200 || seen != [expected] {
                    wrong.push(format!(
                        "{name}: answered {answer:?}, passed on {seen:?} instead of {expected:?}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn server_gets_client_address_and_trace() {
    let server = Server::saying(OK);
    let edge = edge(
        &[server.at],
        &ConfigParts { edge: "trusted_proxies = [\"127.0.0.0/8\"]", ..ConfigParts::default() },
    );
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let asked = format!(
        "GET / HTTP/1.1\r\nhost: a.test\r\nx-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\nconnection: close\r\n\r\n"
    );
    let answer = all(door(&edge, false), asked.as_bytes());
    assert!(answer.contains(&format!("x-request-id: {trace}\r\n")), "{answer}");
    let seen = String::from_utf8(server.seen.lock().unwrap()[0].clone()).unwrap();
    for line in
        ["x-forwarded-for: 192.0.2.7, 127.0.0.1", "x-forwarded-proto: https", "x-forwarded-host: a.test"]
    {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
    }
    assert!(
        seen.contains(&format!("\r\ntraceparent: 00-{trace}-")) && seen.contains("\r\nmainstay-client: "),
        "{seen}"
    );
}

#[test]
fn forwarded_chain_of_proxies_passes_and_of_clients_does_not() {
    let server = Server::saying(OK);
    let edge = edge(
        &[server.at],
        &ConfigParts { edge: "trusted_proxies = [\"127.0.0.0/8\"]", ..ConfigParts::default() },
    );
    let at = door(&edge, false);
    let node = "forwarded: for=6.6.6.6, for=\"[2001:db8::7]:80\";proto=https;host=b.test";
    for more in ["", "x-forwarded-for: 6.6.6.6\r\n"] {
        all(at, format!("GET / HTTP/1.1\r\nhost: a.test\r\n{node}\r\n{more}\r\n").as_bytes());
    }
    for seen in server.seen.lock().unwrap().iter() {
        let seen = String::from_utf8_lossy(seen);
        for line in [
            "x-forwarded-for: 2001:db8::7, 127.0.0.1",
            "x-forwarded-proto: https",
            "x-forwarded-host: b.test",
        ] {
            assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
        }
        assert!(!seen.contains("\r\nforwarded: "), "{seen}");
    }
}
