//! RFC 9113 sections 3 to 5: the connection's begin, frames, states of streams, errors.

use super::wire::*;
use super::{
    Answer, Case, Close, Ended, Goaway, Greeting, HELD, Pong, Reset, Send, Status, case, get, kept, post,
};

const PROTOCOL: Answer = Goaway(PROTOCOL_ERROR);
const MARK: [u8; 8] = *b"mainstay";

pub(super) fn cases() -> Vec<Case> {
    [begin(), framing(), idle(), half_closed(), closed(), identifiers(), errors()]
        .into_iter()
        .flatten()
        .collect()
}

fn raw(name: &'static str, bytes: Vec<u8>, allowed: &[Answer]) -> Case {
    Case { raw: true, ..case(name, vec![Send(bytes)], allowed) }
}

fn begin() -> Vec<Case> {
    let first = [PREFACE, &frame(PING, 0, 0, &MARK)].concat();
    vec![
        raw(
            "3.4: a preface and settings are answered by settings",
            [PREFACE, &settings(&[])].concat(),
            &[Greeting],
        ),
        raw(
            "3.4: settings need not be awaited",
            [PREFACE, &settings(&[]), &ping(MARK)].concat(),
            &[Pong(MARK)],
        ),
        raw(
            "3.4: an invalid preface ends the connection",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
            &[Close, PROTOCOL],
        ),
        raw(
            "3.4: a preface of another version ends the connection",
            b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n".to_vec(),
            &[Close, PROTOCOL],
        ),
        raw("3.4: a frame other than SETTINGS comes first", first, &[PROTOCOL, Close]),
    ]
}

fn framing() -> Vec<Case> {
    let long = "x".repeat(16_400);
    let head = headers(1, END_HEADERS, &post("/"));
    vec![
        case(
            "4.1: a frame of unknown type is ignored",
            vec![Send([frame(22, 0, 0, &[0; 8]), ping(MARK)].concat())],
            &[Pong(MARK)],
        ),
        case("4.1: undefined flags are ignored", vec![Send(frame(PING, 22, 0, &MARK))], &[Pong(MARK)]),
        case("4.1: the reserved bit is ignored", vec![Send(frame(PING, 0, 1 << 31, &MARK))], &[Pong(MARK)]),
        case(
            "4.2: a DATA frame of the largest size is taken",
            vec![Send([head.clone(), data(1, END_STREAM, &[0; 16_384])].concat())],
            &[Status(1, 200)],
        ),
        kept(
            "4.2: a DATA frame beyond SETTINGS_MAX_FRAME_SIZE is an error",
            vec![Send([head, data(1, END_STREAM, &[0; 16_385])].concat())],
            &[Reset(1, FRAME_SIZE_ERROR), Goaway(FRAME_SIZE_ERROR)],
        ),
        kept(
            "4.2: a HEADERS frame beyond it is a connection error",
            vec![Send(headers(1, WHOLE, &super::with(get("/"), &[("x-long", &long)])))],
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
        case(
            "4.2: a SETTINGS frame beyond it is a connection error",
            vec![Send(frame(SETTINGS, 0, 0, &[0; 16_386]))],
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
        kept(
            "4.3: an invalid field block",
            vec![Send(frame(HEADERS, WHOLE, 1, &[0x40]))],
            &[Goaway(COMPRESSION_ERROR)],
        ),
        kept(
            "4.3: PRIORITY within a field block",
            vec![Send(
                [
                    headers(1, END_STREAM, &get("/")),
                    priority(1, 0, 255),
                    frame(CONTINUATION, END_HEADERS, 1, &block(&[("x", "y")])),
                ]
                .concat(),
            )],
            &[PROTOCOL],
        ),
        kept(
            "4.3: HEADERS of another stream within a field block",
            vec![Send(
                [
                    headers(1, END_STREAM, &get("/")),
                    headers(3, WHOLE, &get("/")),
                    frame(CONTINUATION, END_HEADERS, 1, &block(&[("x", "y")])),
                ]
                .concat(),
            )],
            &[PROTOCOL],
        ),
    ]
}

fn idle() -> Vec<Case> {
    vec![
        case("5.1: idle: DATA", vec![Send(data(1, END_STREAM, b"test"))], &[PROTOCOL]),
        case("5.1: idle: RST_STREAM", vec![Send(reset(1, CANCEL))], &[PROTOCOL]),
        case("5.1: idle: WINDOW_UPDATE", vec![Send(window_update(1, 100))], &[PROTOCOL]),
        kept(
            "5.1: idle: CONTINUATION",
            vec![Send(frame(CONTINUATION, END_HEADERS, 1, &block(&get("/"))))],
            &[PROTOCOL],
        ),
        case(
            "5.1: idle: PRIORITY is taken",
            vec![Send([priority(1, 0, 255), ping(MARK)].concat())],
            &[Pong(MARK)],
        ),
    ]
}

fn half_closed() -> Vec<Case> {
    let held = headers(1, WHOLE, &get(HELD));
    let then = |more: Vec<u8>| vec![Send([held.clone(), more].concat())];
    vec![
        case(
            "5.1: half closed (remote): DATA",
            then(data(1, END_STREAM, b"test")),
            &[Reset(1, STREAM_CLOSED), Goaway(STREAM_CLOSED)],
        ),
        case(
            "5.1: half closed (remote): HEADERS",
            then(held.clone()),
            &[Reset(1, STREAM_CLOSED), Goaway(STREAM_CLOSED)],
        ),
        case(
            "5.1: half closed (remote): CONTINUATION",
            then(frame(CONTINUATION, END_HEADERS, 1, &block(&get("/")))),
            &[Reset(1, STREAM_CLOSED), Goaway(STREAM_CLOSED), PROTOCOL],
        ),
        case(
            "5.1: half closed (remote): PRIORITY is taken",
            then([priority(1, 0, 1), ping(MARK)].concat()),
            &[Pong(MARK)],
        ),
        case(
            "5.1: half closed (remote): WINDOW_UPDATE is taken",
            then([window_update(1, 1), ping(MARK)].concat()),
            &[Pong(MARK)],
        ),
        case(
            "5.1: half closed (remote): RST_STREAM is taken",
            then([reset(1, CANCEL), ping(MARK)].concat()),
            &[Pong(MARK)],
        ),
    ]
}

fn closed() -> Vec<Case> {
    let open = headers(1, END_HEADERS, &post("/"));
    let cancelled = |more: Vec<u8>| vec![Send([open.clone(), reset(1, CANCEL), more].concat())];
    let ended = |more: Vec<u8>| vec![Send(headers(1, WHOLE, &get("/"))), Ended(1), Send(more)];
    let continued = frame(CONTINUATION, END_HEADERS, 1, &block(&[("x", "y")]));
    let either = [Reset(1, STREAM_CLOSED), Goaway(STREAM_CLOSED)];
    let any = [Reset(1, STREAM_CLOSED), Goaway(STREAM_CLOSED), PROTOCOL];
    vec![
        kept("5.1: closed by RST_STREAM: DATA", cancelled(data(1, END_STREAM, b"test")), &either),
        kept("5.1: closed by RST_STREAM: HEADERS", cancelled(headers(1, WHOLE, &get("/"))), &either),
        kept("5.1: closed by RST_STREAM: CONTINUATION", cancelled(continued.clone()), &any),
        // RFC 9113 knows both kinds of errors here.
        case("5.1: closed: DATA", ended(data(1, END_STREAM, b"test")), &either),
        case("5.1: closed: HEADERS", ended(headers(1, WHOLE, &get("/"))), &any),
        case("5.1: closed: CONTINUATION", ended(continued), &[Goaway(STREAM_CLOSED), PROTOCOL]),
        case(
            "5.1: closed: PRIORITY is taken",
            ended([priority(1, 0, 9), ping(MARK)].concat()),
            &[Pong(MARK)],
        ),
        case(
            "5.1: closed: WINDOW_UPDATE is taken",
            ended([window_update(1, 9), ping(MARK)].concat()),
            &[Pong(MARK)],
        ),
        case(
            "5.1: closed: RST_STREAM is taken",
            ended([reset(1, CANCEL), ping(MARK)].concat()),
            &[Pong(MARK)],
        ),
    ]
}

fn identifiers() -> Vec<Case> {
    let smaller = [headers(5, WHOLE, &get(HELD)), headers(3, WHOLE, &get("/"))].concat();
    let twice = [headers(5, WHOLE, &get(HELD)), headers(5, WHOLE, &get("/"))].concat();
    let many: Vec<u8> = (0..129).flat_map(|n| headers(2 * n + 1, WHOLE, &get(HELD))).collect();
    let beyond = 2 * 128 + 1;
    vec![
        kept("5.1.1: an even stream identifier", vec![Send(headers(2, WHOLE, &get("/")))], &[PROTOCOL]),
        case(
            "5.1.1: an identifier smaller than the one before",
            vec![Send(smaller)],
            &[PROTOCOL, Goaway(STREAM_CLOSED)],
        ),
        case(
            "5.1.1: the identifier of a half closed stream",
            vec![Send(twice)],
            &[Reset(5, STREAM_CLOSED), Goaway(STREAM_CLOSED)],
        ),
        case(
            "5.1.1: the largest identifier is taken",
            vec![Send(headers(0x7fff_ffff, WHOLE, &get("/")))],
            &[Status(0x7fff_ffff, 200)],
        ),
        case(
            "5.1.2: streams beyond SETTINGS_MAX_CONCURRENT_STREAMS",
            vec![Send(many)],
            &[Reset(beyond, REFUSED_STREAM), Reset(beyond, PROTOCOL_ERROR), PROTOCOL],
        ),
        // Deprecated by RFC 9113: obeying, ignoring and refusing are all right.
        case(
            "5.3.1: HEADERS of a stream that depends on itself",
            vec![Send(frame(
                HEADERS,
                WHOLE | PRIORITIZED,
                1,
                &[priority_of(1, 255), block(&get("/"))].concat(),
            ))],
            &[Reset(1, PROTOCOL_ERROR), PROTOCOL, Status(1, 200)],
        ),
        case(
            "5.3.1: PRIORITY of a stream that depends on itself",
            vec![Send([priority(2, 2, 255), ping(MARK)].concat())],
            &[Reset(2, PROTOCOL_ERROR), PROTOCOL, Pong(MARK)],
        ),
    ]
}

fn errors() -> Vec<Case> {
    let invalid = frame(PING, 0, 0, &[0; 6]);
    vec![
        case(
            "5.4.1: a connection error closes the connection",
            vec![Send(invalid.clone())],
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
        case(
            "5.4.1: GOAWAY comes before the end",
            vec![Send([headers(1, WHOLE, &get(HELD)), invalid].concat())],
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
        case(
            "5.4.2: a stream error leaves the connection",
            vec![Send(headers(1, WHOLE, &super::with(get("/"), &[("connection", "close")])))],
            &[Reset(1, PROTOCOL_ERROR)],
        ),
        case(
            "5.5: an unknown frame is ignored",
            vec![Send([frame(255, 255, 0, &[0; 8]), ping(MARK)].concat())],
            &[Pong(MARK)],
        ),
        case(
            "5.5: an unknown frame of a stream is ignored",
            vec![Send(
                [headers(1, END_HEADERS, &post("/")), frame(99, 1, 1, b"xy"), data(1, END_STREAM, b"z")]
                    .concat(),
            )],
            &[Status(1, 200)],
        ),
        kept(
            "5.5: an unknown frame within a field block",
            vec![Send([headers(1, END_STREAM, &get("/")), frame(22, 0, 0, &[0; 8])].concat())],
            &[PROTOCOL],
        ),
    ]
}
