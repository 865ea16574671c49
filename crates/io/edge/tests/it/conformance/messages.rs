//! RFC 9113 section 8: requests as HTTP/2 carries them.

use super::wire::*;
use super::{Answer, Case, Goaway, Reset, Send, Status, case, get, kept, post, with};

const MALFORMED: [Answer; 3] = [Reset(1, PROTOCOL_ERROR), Goaway(PROTOCOL_ERROR), Status(1, 400)];

pub(super) fn cases() -> Vec<Case> {
    [fields(), pseudo(), of_the_connection(), lengths(), exchanges()].into_iter().flatten().collect()
}

/// A request without a body that no server may receive.
fn bad(name: &'static str, fields: &[(&str, &str)]) -> Case {
    kept(name, vec![Send(headers(1, WHOLE, fields))], &MALFORMED)
}

fn bad_field(name: &'static str, field: &[u8], value: &[u8]) -> Case {
    let bytes = [block(&get("/")), raw_block(&[(field, value)])].concat();
    kept(name, vec![Send(frame(HEADERS, WHOLE, 1, &bytes))], &MALFORMED)
}

fn fields() -> Vec<Case> {
    vec![
        bad_field("8.2: a name in capitals", b"X-TEST", b"ok"),
        bad_field("8.2.1: a name with a blank", b"x test", b"ok"),
        bad_field("8.2.1: a name with a colon", b"x:test", b"ok"),
        bad_field("8.2.1: a name beyond ASCII", b"x-t\xe9st", b"ok"),
        bad_field("8.2.1: an empty name", b"", b"ok"),
        bad_field("8.2.1: NUL in a value", b"x-test", b"a\0b"),
        bad_field("8.2.1: LF in a value", b"x-test", b"a\nb: c"),
        bad_field("8.2.1: CR in a value", b"x-test", b"a\rb"),
        bad_field("8.2.1: CRLF in a name", b"x\r\ntest", b"ok"),
    ]
}

fn pseudo() -> Vec<Case> {
    let [method, scheme, path, authority] = get("/");
    let trailed =
        [headers(1, END_HEADERS, &post("/")), data(1, 0, b"test"), headers(1, WHOLE, &[(":method", "GET")])];
    vec![
        bad("8.3: an unknown pseudo field", &[method, scheme, path, authority, (":test", "ok")]),
        bad("8.3: a pseudo field of responses", &[method, scheme, path, authority, (":status", "200")]),
        bad("8.3: a pseudo field behind others", &[method, scheme, path, ("x-test", "ok"), authority]),
        // The crate h2 drops them: nothing of them is passed on.
        case(
            "8.3: a pseudo field in trailers",
            vec![Send(trailed.concat())],
            &[MALFORMED[0], MALFORMED[1], Status(1, 200)],
        ),
        bad("8.3.1: an empty :path", &[method, scheme, (":path", ""), authority]),
        bad("8.3.1: a :path that does not begin with a slash", &[method, scheme, (":path", "x"), authority]),
        bad("8.3.1: a :path with a blank", &[method, scheme, (":path", "/a b"), authority]),
        bad("8.3.1: a :path with CRLF", &[method, scheme, (":path", "/ HTTP/1.1\r\nx: y"), authority]),
        bad("8.3.1: no :method", &[scheme, path, authority]),
        bad("8.3.1: no :scheme", &[method, path, authority]),
        bad("8.3.1: no :path", &[method, scheme, authority]),
        bad("8.3.1: two :method", &[method, method, scheme, path, authority]),
        bad("8.3.1: two :scheme", &[method, scheme, scheme, path, authority]),
        bad("8.3.1: two :path", &[method, scheme, path, path, authority]),
        bad("8.3.1: two :authority", &[method, scheme, path, authority, authority]),
        bad("8.3.1: :authority other than Host", &[method, scheme, path, authority, ("host", "b.test")]),
        bad("8.3.1: :authority with a user", &[method, scheme, path, (":authority", "user@a.test")]),
        bad("8.3.1: an empty :method", &[(":method", ""), scheme, path, authority]),
        bad("8.3.1: a :method with a blank", &[(":method", "GET /x"), scheme, path, authority]),
    ]
}

fn of_the_connection() -> Vec<Case> {
    vec![
        bad("8.2.2: connection", &with(get("/"), &[("connection", "keep-alive")])),
        bad("8.2.2: keep-alive", &with(get("/"), &[("keep-alive", "5")])),
        bad("8.2.2: proxy-connection", &with(get("/"), &[("proxy-connection", "keep-alive")])),
        bad("8.2.2: transfer-encoding", &with(get("/"), &[("transfer-encoding", "chunked")])),
        bad("8.2.2: upgrade", &with(get("/"), &[("upgrade", "h2c")])),
        bad("8.2.2: te other than trailers", &with(get("/"), &[("te", "trailers, deflate")])),
        case(
            "8.2.2: te of trailers",
            vec![Send(headers(1, WHOLE, &with(get("/"), &[("te", "trailers")])))],
            &[Status(1, 200)],
        ),
    ]
}

fn lengths() -> Vec<Case> {
    let open = |length: &str| headers(1, END_HEADERS, &with(post("/"), &[("content-length", length)]));
    let two = open("3").into_iter().chain(data(1, 0, b"te")).chain(data(1, END_STREAM, b"st")).collect();
    vec![
        kept(
            "8.1.1: content-length below the DATA",
            vec![Send([open("1"), data(1, END_STREAM, b"test")].concat())],
            &MALFORMED,
        ),
        kept(
            "8.1.1: content-length beyond the DATA",
            vec![Send([open("9"), data(1, END_STREAM, b"test")].concat())],
            &MALFORMED,
        ),
        kept("8.1.1: content-length below several DATA", vec![Send(two)], &MALFORMED),
        bad("8.1.1: content-length without DATA", &with(post("/"), &[("content-length", "4")])),
        kept(
            "8.1.1: content-length that is no number",
            vec![Send([open("4x"), data(1, END_STREAM, b"test")].concat())],
            &MALFORMED,
        ),
        kept(
            "8.1.1: content-length with a sign",
            vec![Send([open("+4"), data(1, END_STREAM, b"test")].concat())],
            &MALFORMED,
        ),
        kept(
            "8.1.1: two different content-lengths",
            vec![Send(
                [
                    headers(
                        1,
                        END_HEADERS,
                        &with(post("/"), &[("content-length", "4"), ("content-length", "5")]),
                    ),
                    data(1, END_STREAM, b"test"),
                ]
                .concat(),
            )],
            &MALFORMED,
        ),
    ]
}

fn exchanges() -> Vec<Case> {
    let open = headers(1, END_HEADERS, &post("/"));
    let promise = [3_u32.to_be_bytes().to_vec(), block(&get("/"))].concat();
    vec![
        kept(
            "8.1: a second head without END_STREAM",
            vec![Send(
                [open.clone(), data(1, 0, b"test"), headers(1, END_HEADERS, &[("x-test", "ok")])].concat(),
            )],
            &MALFORMED,
        ),
        kept(
            "8.1: a second head, and DATA behind it",
            vec![Send([open, headers(1, END_HEADERS, &post("/")), data(1, END_STREAM, b"test")].concat())],
            &MALFORMED,
        ),
        kept(
            "8.4: a client sends PUSH_PROMISE",
            vec![Send(frame(PUSH_PROMISE, END_HEADERS, 1, &promise))],
            &[Goaway(PROTOCOL_ERROR)],
        ),
        case(
            "8.4: a client sends PUSH_PROMISE on its stream",
            vec![Send(
                [headers(1, END_HEADERS, &post("/")), frame(PUSH_PROMISE, END_HEADERS, 1, &promise)].concat(),
            )],
            &[Goaway(PROTOCOL_ERROR)],
        ),
        kept(
            "8.5: CONNECT with a path",
            vec![Send(headers(
                1,
                WHOLE,
                &[(":method", "CONNECT"), (":path", "/"), (":authority", "a.test")],
            ))],
            &[MALFORMED[0], MALFORMED[1], MALFORMED[2], Status(1, 405)],
        ),
        kept(
            "8.5: CONNECT is not served",
            vec![Send(headers(1, WHOLE, &[(":method", "CONNECT"), (":authority", "a.test:443")]))],
            &[Status(1, 405)],
        ),
    ]
}
