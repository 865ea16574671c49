//! Attempts by HTTP/1.1: heads, hosts and bodies.

use super::Attempt;

/// What must never be read as a request.
pub(super) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a.test\r\nx: y\r\n\r\n";

pub(super) fn attempts() -> Vec<Attempt> {
    [honest(), lines(), hosts(), bodies()].into_iter().flatten().collect()
}

/// A POST with these lines behind its host, each with its own end.
pub(super) fn post(fields: &[u8], body: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nhost: a.test\r\n", fields, b"\r\n", body].concat()
}

pub(super) fn chunk(content: &str) -> String {
    format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len())
}

fn honest() -> Vec<Attempt> {
    let length = format!("content-length: {}\r\n", SMUGGLED.len());
    vec![
        Attempt::http1("honest: GET", "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").honest(),
        Attempt::http1("honest: length", post(length.as_bytes(), SMUGGLED.as_bytes())).honest(),
        Attempt::http1(
            "honest: chunked",
            post(b"transfer-encoding: chunked\r\n", chunk(SMUGGLED).as_bytes()),
        )
        .honest(),
        Attempt::http1(
            "honest: two requests in one write",
            [post(length.as_bytes(), SMUGGLED.as_bytes()), post(b"content-length: 1\r\n", b"x")].concat(),
        )
        .honest()
        .requests(2),
        Attempt::http1("honest: coding in capitals", post(b"Transfer-Encoding: Chunked\r\n", b"0\r\n\r\n"))
            .honest(),
    ]
}

fn lines() -> Vec<Attempt> {
    let heads: [(&str, &[u8]); 33] = [
        ("bare LF", b"GET / HTTP/1.1\nhost: a.test\n\n"),
        ("LF behind the request line", b"GET / HTTP/1.1\nhost: a.test\r\n\r\n"),
        ("CR only", b"GET / HTTP/1.1\rhost: a.test\r\r"),
        ("LF CR", b"GET / HTTP/1.1\n\rhost: a.test\n\r\n\r"),
        ("two CR", b"GET / HTTP/1.1\r\r\nhost: a.test\r\r\n\r\r\n"),
        ("first field indented", b"GET / HTTP/1.1\r\n x: y\r\nhost: a.test\r\n\r\n"),
        ("host indented", b"GET / HTTP/1.1\r\n host: a.test\r\n\r\n"),
        ("folded host", b"GET / HTTP/1.1\r\nhost:\r\n a.test\r\n\r\n"),
        ("NUL in a name", b"GET / HTTP/1.1\r\nhost: a.test\r\nx\0y: z\r\n\r\n"),
        ("NUL in a value", b"GET / HTTP/1.1\r\nhost: a.test\r\nx: y\0z\r\n\r\n"),
        ("CR in a value", b"GET / HTTP/1.1\r\nhost: a.test\r\nx: y\rz: a\r\n\r\n"),
        ("DEL in a value", b"GET / HTTP/1.1\r\nhost: a.test\r\nx: y\x7f\r\n\r\n"),
        ("a name beyond ASCII", b"GET / HTTP/1.1\r\nhost: a.test\r\nx\xe9: y\r\n\r\n"),
        ("a name with a slash", b"GET / HTTP/1.1\r\nhost: a.test\r\nx/y: z\r\n\r\n"),
        ("a name with parentheses", b"GET / HTTP/1.1\r\nhost: a.test\r\n(x): z\r\n\r\n"),
        ("a name in quotes", b"GET / HTTP/1.1\r\nhost: a.test\r\n\"x\": z\r\n\r\n"),
        ("no name", b"GET / HTTP/1.1\r\nhost: a.test\r\n: z\r\n\r\n"),
        ("no colon", b"GET / HTTP/1.1\r\nhost: a.test\r\nxyz\r\n\r\n"),
        ("a request line as a field", b"GET / HTTP/1.1\r\nhost: a.test\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
        (
            "a request line as a name",
            b"GET / HTTP/1.1\r\nhost: a.test\r\nGET http://a.test/smuggled HTTP/1.1\r\n\r\n",
        ),
        ("two blanks", b"GET  / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("tabs", b"GET\t/\tHTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("vertical tab in the line", b"GET\x0b/ HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("a blank in the path", b"GET /a /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("a path with an encoded end", b"GET /a%20HTTP/1.1%0d%0ahost:%20b HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("a path with CR", b"GET /a\rb HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("a path with NUL", b"GET /a\0b HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("a method in small letters", b"get / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("a blank behind the version", b"GET / HTTP/1.1 \r\nhost: a.test\r\n\r\n"),
        ("version 1.2", b"GET / HTTP/1.2\r\nhost: a.test\r\n\r\n"),
        ("version 0.9", b"GET /\r\n\r\n"),
        (
            "the preface of HTTP/2 in between",
            b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ),
        ("a head that ends within a line", b"GET / HTTP/1.1\r\nhost: a.test\r\nx: y"),
    ];
    heads.into_iter().map(|(name, head)| Attempt::http1(format!("lines: {name}"), head)).collect()
}

fn hosts() -> Vec<Attempt> {
    let heads = [
        ("two", "GET / HTTP/1.1\r\nhost: a.test\r\nhost: b.test\r\n\r\n"),
        ("two, one indented", "GET / HTTP/1.1\r\nhost: a.test\r\n host: b.test\r\n\r\n"),
        ("two, a blank before the colon", "GET / HTTP/1.1\r\nhost : b.test\r\nhost: a.test\r\n\r\n"),
        ("two by LF", "GET / HTTP/1.1\r\nhost: a.test\nhost: b.test\r\n\r\n"),
        ("none", "GET / HTTP/1.1\r\n\r\n"),
        ("absolute form of another", "GET http://b.test/ HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("absolute form with a user", "GET http://a.test@b.test/ HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("absolute form of another scheme", "GET ftp://a.test/ HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("absolute form without a path", "GET http://a.test HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("authority form", "GET a.test:80 HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("path of two slashes", "GET //b.test/ HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("path of an at sign", "GET @b.test/ HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("with a comma", "GET / HTTP/1.1\r\nhost: a.test, b.test\r\n\r\n"),
        ("underscore twin", "GET / HTTP/1.1\r\nhost: a.test\r\nx_forwarded_host: b.test\r\n\r\n"),
        ("named by Connection", "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: host\r\n\r\n"),
    ];
    heads.into_iter().map(|(name, head)| Attempt::http1(format!("hosts: {name}"), head)).collect()
}

fn bodies() -> Vec<Attempt> {
    let n = SMUGGLED.len();
    let mut attempts = Vec::new();
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "CONNECT", "FOO"] {
        for (name, fields, body) in [
            ("CL.0", format!("content-length: {n}\r\n"), SMUGGLED.to_owned()),
            ("TE.0", "transfer-encoding: chunked\r\n".to_owned(), chunk(SMUGGLED)),
            ("Expect", format!("expect: 100-continue\r\ncontent-length: {n}\r\n"), SMUGGLED.to_owned()),
            (
                "upgrade to h2c",
                format!(
                    "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\ncontent-length: {n}\r\n"
                ),
                SMUGGLED.to_owned(),
            ),
            (
                "upgrade to a WebSocket",
                format!(
                    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\ncontent-length: {n}\r\n"
                ),
                SMUGGLED.to_owned(),
            ),
            (
                "Connection names the length",
                format!("connection: content-length\r\ncontent-length: {n}\r\n"),
                SMUGGLED.to_owned(),
            ),
            (
                "Connection names the coding",
                "connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n".to_owned(),
                chunk(SMUGGLED),
            ),
        ] {
            let bytes = format!("{method} / HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n{body}");
            attempts.push(Attempt::http1(format!("{name} of {method}"), bytes));
        }
    }
    for (name, fields) in [
        ("refused for its host", "x: y\r\nhost: b.test\r\n"),
        ("refused for its expectation", "expect: 200-ok\r\n"),
        ("expectation with a blank", "expect: 100-continue \r\n"),
        ("two expectations", "expect: 100-continue\r\nexpect: x\r\n"),
        ("obfuscated expectation", "expect: y 100-continue\r\n"),
        ("refused for its coding", "transfer-encoding: gzip\r\n"),
    ] {
        let fields = format!("{fields}content-length: {n}\r\n");
        attempts.push(Attempt::http1(
            format!("early body: {name}"),
            post(fields.as_bytes(), SMUGGLED.as_bytes()),
        ));
    }
    for (name, target) in [("unknown host", "/"), ("target of another host", "http://b.test/")] {
        let refused =
            format!("POST {target} HTTP/1.1\r\nhost: b.test\r\ncontent-length: {n}\r\n\r\n{SMUGGLED}");
        let pipelined = format!("{refused}GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
        attempts.push(Attempt::http1(format!("early body: {name}"), refused));
        attempts.push(Attempt::http1(format!("pipelined behind: {name}"), pipelined));
    }
    // The length is that of less than was sent: what follows is no request but half of one.
    let short = post(b"content-length: 4\r\n", b"abcdGET /smuggled HTTP/1.1\r\nx: ");
    attempts.push(Attempt::http1("half a request behind a body", short));
    attempts
        .push(Attempt::http1("less than its length", post(b"content-length: 400\r\n", SMUGGLED.as_bytes())));
    attempts
}
