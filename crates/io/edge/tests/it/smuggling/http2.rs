//! Attempts by HTTP/2, which becomes HTTP/1.1 on the way to a server.

use super::Attempt;
use crate::conformance::wire::{DATA, END_HEADERS, END_STREAM, HEADERS, WHOLE, data, frame, raw_block};

const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n";

type Field<'a> = (&'a [u8], &'a [u8]);

const GET: [Field<'static>; 4] =
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a.test")];
const POST: [Field<'static>; 4] =
    [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a.test")];

pub(super) fn attempts() -> Vec<Attempt> {
    [honest(), injected(), framings(), pseudo(), lengths(), trailers()].into_iter().flatten().collect()
}

fn head(fields: &[Field<'_>], flags: u8) -> Vec<u8> {
    frame(HEADERS, flags, 1, &raw_block(fields))
}

fn with_body(fields: &[Field<'_>], body: &[u8]) -> Vec<u8> {
    [head(fields, END_HEADERS), data(1, END_STREAM, body)].concat()
}

fn named(family: &str, name: &[u8], value: &[u8]) -> String {
    format!("HTTP/2 {family} {:?}: {:?}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
}

fn honest() -> Vec<Attempt> {
    vec![
        Attempt::http2("HTTP/2 honest: GET", head(&GET, WHOLE)).honest(),
        Attempt::http2("HTTP/2 honest: POST", with_body(&POST, SMUGGLED)).honest(),
        Attempt::http2(
            "HTTP/2 honest: POST without content",
            [head(&POST, END_HEADERS), frame(DATA, END_STREAM, 1, b"")].concat(),
        )
        .honest(),
    ]
}

/// Ends of lines where HTTP/1.1 would see more fields, or another request.
fn injected() -> Vec<Attempt> {
    let ends: [&[u8]; 6] = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b"\n\n"];
    let more: [&[u8]; 3] = [
        b"transfer-encoding: chunked",
        b"content-length: 0",
        b"x: y\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a.test",
    ];
    let mut attempts = Vec::new();
    for end in ends {
        for more in more {
            let tail = [end, more].concat();
            let value = [b"y", &tail[..]].concat();
            let name = [b"x", &tail[..]].concat();
            let path = [b"/ HTTP/1.1", &tail[..]].concat();
            let method = [b"GET / HTTP/1.1", &tail[..]].concat();
            let host = [b"a.test", &tail[..]].concat();
            let scheme = [b"http://a.test/ HTTP/1.1", &tail[..]].concat();
            let all: [(&str, Vec<Field<'_>>); 7] = [
                ("in a value", [&POST[..], &[(b"x", &value)]].concat()),
                ("in a name", [&POST[..], &[(&name, b"y")]].concat()),
                ("in :path", vec![POST[0], POST[1], (b":path", &path), POST[3]]),
                ("in :method", vec![(b":method", &method), POST[1], POST[2], POST[3]]),
                ("in :authority", vec![POST[0], POST[1], POST[2], (b":authority", &host)]),
                ("in :scheme", vec![POST[0], (b":scheme", &scheme), POST[2], POST[3]]),
                ("in host", vec![POST[0], POST[1], POST[2], (b"host", &host)]),
            ];
            for (place, fields) in all {
                attempts.push(Attempt::http2(named(place, end, more), with_body(&fields, SMUGGLED)));
            }
        }
    }
    attempts
}

/// Fields that frame a message in HTTP/1.1.
fn framings() -> Vec<Attempt> {
    let fields: [Field<'_>; 24] = [
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"identity"),
        (b"transfer-encoding", b" chunked"),
        (b"transfer-encoding", b"xchunked"),
        (b"transfer-encoding", b""),
        (b"transfer_encoding", b"chunked"),
        (b"transfer-encoding ", b"chunked"),
        (b" transfer-encoding", b"chunked"),
        (b"Transfer-Encoding", b"chunked"),
        (b"transfer-encoding:", b"chunked"),
        (b"transfer-encoding: chunked\r\nx", b"y"),
        (b"connection", b"content-length"),
        (b"connection", b"transfer-encoding"),
        (b"connection", b"upgrade"),
        (b"upgrade", b"h2c"),
        (b"http2-settings", b"AAMAAABkAAQAAP__"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"te", b"chunked"),
        (b"expect", b"100-continue"),
        (b"content_length", b"0"),
        (b"content-length ", b"0"),
        (b"trailer", b"content-length"),
        (b"x-http-method-override", b"GET"),
    ];
    let chunked = [b"0\r\n\r\n", SMUGGLED].concat();
    let mut attempts = Vec::new();
    for (name, value) in fields {
        for fields in [[&POST[..], &[(name, value)]].concat(), [&GET[..], &[(name, value)]].concat()] {
            attempts.push(Attempt::http2(named("framing", name, value), with_body(&fields, &chunked)));
        }
    }
    attempts
}

fn pseudo() -> Vec<Attempt> {
    let [method, scheme, path, authority] = GET;
    let heads: [(&str, Vec<Field<'_>>); 15] = [
        ("host differs", vec![method, scheme, path, authority, (b"host", b"b.test")]),
        ("host twice", vec![method, scheme, path, (b"host", b"a.test"), (b"host", b"b.test")]),
        ("no host", vec![method, scheme, path]),
        (":authority twice", vec![method, scheme, path, authority, (b":authority", b"b.test")]),
        (":path twice", vec![method, scheme, path, (b":path", b"/smuggled"), authority]),
        (":method twice", vec![method, (b":method", b"POST"), scheme, path, authority]),
        (":path absolute", vec![method, scheme, (b":path", b"http://b.test/"), authority]),
        (":path without a slash", vec![method, scheme, (b":path", b"smuggled"), authority]),
        (":path with a blank", vec![method, scheme, (b":path", b"/ /smuggled "), authority]),
        (":path with a tab", vec![method, scheme, (b":path", b"/\t/smuggled "), authority]),
        (":method with a blank", vec![(b":method", b"GET /smuggled HTTP/1.1"), scheme, path, authority]),
        (":authority with a user", vec![method, scheme, path, (b":authority", b"a.test@b.test")]),
        (":authority with a path", vec![method, scheme, path, (b":authority", b"a.test/smuggled ")]),
        (":scheme of another kind", vec![method, (b":scheme", b"http://b.test/smuggled "), path, authority]),
        (":path behind a field", vec![method, scheme, authority, (b"x", b"y"), path]),
    ];
    heads
        .into_iter()
        .map(|(name, fields)| Attempt::http2(format!("HTTP/2 {name}"), head(&fields, WHOLE)))
        .collect()
}

fn lengths() -> Vec<Attempt> {
    let right = SMUGGLED.len().to_string();
    let values: [&[u8]; 18] = [
        b"0",
        b"1",
        b"9999",
        b"+1",
        b"-1",
        b"0x10",
        b"",
        b" ",
        b"1,1",
        b"1, 1",
        b"1 1",
        b"abc",
        b"99999999999999999999",
        b"18446744073709551616",
        b"0\r\nx: y",
        b"\x0b0",
        b"1_0",
        b"\xd9\xa1",
    ];
    let mut attempts = Vec::new();
    for value in values {
        let odd: Field<'_> = (b"content-length", value);
        let honest: Field<'_> = (b"content-length", right.as_bytes());
        for (family, fields) in [
            ("length", vec![odd]),
            ("right length, then", vec![honest, odd]),
            ("right length after", vec![odd, honest]),
        ] {
            for begin in [GET, POST] {
                let fields = [&begin[..], &fields].concat();
                attempts.push(Attempt::http2(
                    named(family, b"content-length", value),
                    with_body(&fields, SMUGGLED),
                ));
            }
        }
        attempts.push(Attempt::http2(
            named("no content", b"content-length", value),
            head(&[&POST[..], &[odd]].concat(), WHOLE),
        ));
    }
    attempts
}

fn trailers() -> Vec<Attempt> {
    let fields: [Field<'_>; 8] = [
        (b"content-length", b"0"),
        (b"transfer-encoding", b"chunked"),
        (b"host", b"b.test"),
        (b"x", b"y\r\n\r\nGET /smuggled HTTP/1.1"),
        (b"x\r\ny", b"z"),
        (b":path", b"/smuggled"),
        (b"connection", b"close"),
        (b"content_length", b"0"),
    ];
    fields
        .into_iter()
        .map(|(name, value)| {
            let frames = [head(&POST, END_HEADERS), data(1, 0, SMUGGLED), head(&[(name, value)], WHOLE)];
            Attempt::http2(named("trailer", name, value), frames.concat())
        })
        .collect()
}
