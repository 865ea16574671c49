//! What every server has to take: each type of frame as honest clients send it.

use super::wire::*;
use super::{Case, Data, Ended, HELD, Pong, Send, Status, case, get, last, post, with};

const MARK: [u8; 8] = *b"mainstay";

pub(super) fn cases() -> Vec<Case> {
    [bodies(), heads(), control(), exchanges()].into_iter().flatten().collect()
}

fn answered(name: &'static str, parts: &[Vec<u8>]) -> Case {
    case(name, vec![Send(parts.concat())], &[Status(1, 200)])
}

fn bodies() -> Vec<Case> {
    let open = headers(1, END_HEADERS, &post("/"));
    vec![
        answered("6.1: one DATA frame", &[open.clone(), data(1, END_STREAM, b"test")]),
        answered(
            "6.1: several DATA frames",
            &[open.clone(), data(1, 0, b"test"), data(1, END_STREAM, b"test")],
        ),
        answered("6.1: DATA with padding", &[open.clone(), data(1, END_STREAM | PADDED, b"\x02test\0\0")]),
        answered(
            "6.1: DATA of padding only",
            &[open.clone(), data(1, PADDED, &[3, 0, 0, 0]), data(1, END_STREAM, b"test")],
        ),
        answered(
            "6.1: DATA without content ends a stream",
            &[open, data(1, 0, b"test"), data(1, END_STREAM, b"")],
        ),
        answered(
            "8.1.1: content-length of the DATA",
            &[
                headers(1, END_HEADERS, &with(post("/"), &[("content-length", "4")])),
                data(1, 0, b"te"),
                data(1, END_STREAM, b"st"),
            ],
        ),
    ]
}

fn heads() -> Vec<Case> {
    let fields = block(&get("/"));
    let padded = [&[2][..], &fields, &[0, 0]].concat();
    let both = [&[2][..], &priority_of(0, 255), &fields, &[0, 0]].concat();
    let (first, second) = fields.split_at(11);
    vec![
        answered("6.2: HEADERS", &[headers(1, WHOLE, &get("/"))]),
        answered("6.2: HEADERS with padding", &[frame(HEADERS, WHOLE | PADDED, 1, &padded)]),
        answered(
            "6.2: HEADERS with priority",
            &[frame(HEADERS, WHOLE | PRIORITIZED, 1, &[priority_of(0, 255), fields.clone()].concat())],
        ),
        answered(
            "6.2: HEADERS with padding and priority",
            &[frame(HEADERS, WHOLE | PADDED | PRIORITIZED, 1, &both)],
        ),
        answered(
            "6.10: CONTINUATION",
            &[frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, second)],
        ),
        answered(
            "6.10: CONTINUATION without content",
            &[
                frame(HEADERS, END_STREAM, 1, &fields),
                frame(CONTINUATION, 0, 1, &[]),
                frame(CONTINUATION, END_HEADERS, 1, &[]),
            ],
        ),
    ]
}

fn control() -> Vec<Case> {
    let shut = settings(&[(INITIAL_WINDOW_SIZE, 0)]);
    let asked = headers(1, WHOLE, &get("/"));
    vec![
        answered("6.3: PRIORITY of weight 1", &[priority(1, 0, 0), headers(1, WHOLE, &get("/"))]),
        answered("6.3: PRIORITY of weight 256", &[priority(1, 0, 255), headers(1, WHOLE, &get("/"))]),
        answered("6.3: PRIORITY with a parent", &[priority(1, 3, 9), headers(1, WHOLE, &get("/"))]),
        answered(
            "6.3: PRIORITY that is exclusive",
            &[priority(1, 1 << 31 | 3, 9), headers(1, WHOLE, &get("/"))],
        ),
        answered(
            "6.3: PRIORITY of an idle stream, then a smaller identifier",
            &[priority(5, 0, 9), headers(1, WHOLE, &get("/"))],
        ),
        case(
            "6.4: RST_STREAM",
            vec![Send([headers(1, WHOLE, &get(HELD)), reset(1, CANCEL), ping(MARK)].concat())],
            &[Pong(MARK)],
        ),
        case(
            "6.5: SETTINGS",
            vec![Send(settings(&[(3, 100), (INITIAL_WINDOW_SIZE, 65_535)]))],
            &[super::Acked],
        ),
        case("6.7: PING", vec![Send(ping(MARK))], &[Pong(MARK)]),
        last(case(
            "6.8: GOAWAY",
            vec![Send([headers(1, WHOLE, &get("/")), frame(GOAWAY, 0, 0, &[0; 8])].concat())],
            &[Status(1, 200)],
        )),
        answered(
            "6.9: WINDOW_UPDATE of the connection",
            &[window_update(0, 1), headers(1, WHOLE, &get("/"))],
        ),
        case(
            "6.9: WINDOW_UPDATE of a stream",
            vec![Send([shut.clone(), asked.clone(), window_update(1, 1)].concat())],
            &[Data(1, 1)],
        ),
        case(
            "6.9: WINDOW_UPDATE and PRIORITY of a stream",
            vec![Send([shut, asked, priority(1, 0, 9), window_update(1, 2)].concat())],
            &[Data(1, 2)],
        ),
    ]
}

fn exchanges() -> Vec<Case> {
    let named = |method| [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "a.test")];
    let trailed = [
        headers(1, END_HEADERS, &with(post("/"), &[("trailer", "x-test")])),
        data(1, 0, b"test"),
        headers(1, WHOLE, &[("x-test", "ok")]),
    ];
    vec![
        answered("8.1: GET", &[headers(1, WHOLE, &named("GET"))]),
        answered("8.1: HEAD", &[headers(1, WHOLE, &named("HEAD"))]),
        answered("8.1: POST", &[headers(1, END_HEADERS, &named("POST")), data(1, END_STREAM, b"test")]),
        answered("8.1: POST with trailers", &trailed),
        answered(
            "8.3.1: OPTIONS of everything",
            &[headers(
                1,
                WHOLE,
                &[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "a.test")],
            )],
        ),
        answered(
            "8.3.1: Host in place of :authority",
            &[headers(
                1,
                WHOLE,
                &[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a.test")],
            )],
        ),
        answered(
            "8.2.3: a cookie in crumbs",
            &[headers(1, WHOLE, &with(get("/"), &[("cookie", "a=1"), ("cookie", "b=2")]))],
        ),
        case(
            "5.1.1: streams one after the other",
            vec![Send(headers(1, WHOLE, &get("/"))), Ended(1), Send(headers(7, WHOLE, &get("/")))],
            &[Status(7, 200)],
        ),
    ]
}
