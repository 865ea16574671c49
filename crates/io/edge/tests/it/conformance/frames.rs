//! RFC 9113 sections 6 and 7: each type of frame, and the codes of errors.

use super::wire::*;
use super::{
    Acked, Answer, Case, Data, Goaway, HELD, Moved, Pong, Reset, Send, Settled, Status, case, get, kept,
    last, post,
};

const PROTOCOL: Answer = Goaway(PROTOCOL_ERROR);
const SIZE: Answer = Goaway(FRAME_SIZE_ERROR);
const FLOW: Answer = Goaway(FLOW_CONTROL_ERROR);
const MARK: [u8; 8] = *b"mainstay";

pub(super) fn cases() -> Vec<Case> {
    [
        data_and_headers(),
        priorities_and_resets(),
        settings_frames(),
        pings(),
        windows(),
        window_sizes(),
        continuations(),
        codes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn data_and_headers() -> Vec<Case> {
    let open = headers(1, END_HEADERS, &post("/"));
    let fields = block(&get("/"));
    let overpadded = [vec![u8::try_from(fields.len()).unwrap() + 1], fields.clone()].concat();
    vec![
        case("6.1: DATA of stream 0", vec![Send(data(0, END_STREAM, b"test"))], &[PROTOCOL]),
        case(
            "6.1: DATA of a stream that is not open",
            vec![Send([headers(1, WHOLE, &get(HELD)), data(1, 0, b"test")].concat())],
            &[Reset(1, STREAM_CLOSED), Goaway(STREAM_CLOSED)],
        ),
        kept(
            "6.1: DATA with more padding than payload",
            vec![Send([open.clone(), data(1, END_STREAM | PADDED, &[6, 0, 0, 0, 0, 0])].concat())],
            &[PROTOCOL],
        ),
        kept(
            "6.1: padded DATA without a length of padding",
            vec![Send([open, data(1, END_STREAM | PADDED, &[])].concat())],
            &[PROTOCOL, SIZE, Reset(1, FRAME_SIZE_ERROR)],
        ),
        kept(
            "6.2: HEADERS without END_HEADERS, then PRIORITY",
            vec![Send([headers(1, 0, &get("/")), priority(1, 0, 255)].concat())],
            &[PROTOCOL],
        ),
        kept(
            "6.2: HEADERS without END_HEADERS, then another stream",
            vec![Send([headers(1, 0, &get("/")), headers(3, WHOLE, &get("/"))].concat())],
            &[PROTOCOL],
        ),
        kept(
            "6.2: HEADERS without END_HEADERS, then DATA",
            vec![Send([headers(1, 0, &post("/")), data(1, END_STREAM, b"test")].concat())],
            &[PROTOCOL],
        ),
        kept("6.2: HEADERS of stream 0", vec![Send(headers(0, WHOLE, &get("/")))], &[PROTOCOL]),
        kept(
            "6.2: HEADERS with more padding than payload",
            vec![Send(frame(HEADERS, WHOLE | PADDED, 1, &overpadded))],
            &[PROTOCOL],
        ),
        kept(
            "6.2: HEADERS too short for its priority",
            vec![Send(frame(HEADERS, WHOLE | PRIORITIZED, 1, &[0; 4]))],
            &[PROTOCOL, SIZE],
        ),
    ]
}

fn priorities_and_resets() -> Vec<Case> {
    vec![
        case("6.3: PRIORITY of stream 0", vec![Send(priority(0, 3, 1))], &[PROTOCOL]),
        case(
            "6.3: PRIORITY of a wrong length",
            vec![Send(frame(PRIORITY, 0, 1, &[0; 4]))],
            &[Reset(1, FRAME_SIZE_ERROR), SIZE],
        ),
        case("6.4: RST_STREAM of stream 0", vec![Send(reset(0, CANCEL))], &[PROTOCOL]),
        case("6.4: RST_STREAM of an idle stream", vec![Send(reset(1, CANCEL))], &[PROTOCOL]),
        case(
            "6.4: RST_STREAM of a wrong length",
            vec![Send([headers(1, END_HEADERS, &post("/")), frame(RST_STREAM, 0, 1, &[0; 3])].concat())],
            &[SIZE],
        ),
    ]
}

fn settings_frames() -> Vec<Case> {
    let one = |id: u16, value: u32| vec![Send(settings(&[(id, value)]))];
    vec![
        case("6.5: SETTINGS with ACK and a payload", vec![Send(frame(SETTINGS, ACK, 0, &[0; 6]))], &[SIZE]),
        case(
            "6.5: SETTINGS of a stream",
            vec![Send(frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 100]))],
            &[PROTOCOL],
        ),
        case("6.5: SETTINGS of a wrong length", vec![Send(frame(SETTINGS, 0, 0, &[0, 3, 0]))], &[SIZE]),
        case("6.5.2: ENABLE_PUSH other than 0 and 1", one(ENABLE_PUSH, 2), &[PROTOCOL]),
        case("6.5.2: INITIAL_WINDOW_SIZE beyond the largest", one(INITIAL_WINDOW_SIZE, 1 << 31), &[FLOW]),
        case("6.5.2: MAX_FRAME_SIZE below the initial", one(MAX_FRAME_SIZE, 16_383), &[PROTOCOL]),
        case("6.5.2: MAX_FRAME_SIZE beyond the largest", one(MAX_FRAME_SIZE, 1 << 24), &[PROTOCOL]),
        case(
            "6.5.2: an unknown setting is ignored",
            vec![Send([settings(&[(0xff, 1)]), ping(MARK)].concat())],
            &[Pong(MARK)],
        ),
        case(
            "6.5.3: values are taken in their order",
            vec![Send(
                [
                    settings(&[(INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)]),
                    headers(1, WHOLE, &get("/")),
                ]
                .concat(),
            )],
            &[Data(1, 1)],
        ),
        case("6.5.3: settings are acknowledged", one(ENABLE_PUSH, 0), &[Acked]),
    ]
}

fn pings() -> Vec<Case> {
    let acked = frame(PING, ACK, 0, b"unasked!");
    vec![
        case("6.7: PING is acknowledged with its payload", vec![Send(ping(MARK))], &[Pong(MARK)]),
        case("6.7: PING with ACK is not answered", vec![Send([acked, ping(MARK)].concat())], &[Pong(MARK)]),
        case("6.7: PING of a stream", vec![Send(frame(PING, 0, 1, &MARK))], &[PROTOCOL]),
        case("6.7: PING of a wrong length", vec![Send(frame(PING, 0, 0, &[0; 6]))], &[SIZE]),
        case("6.8: GOAWAY of a stream", vec![Send(frame(GOAWAY, 0, 1, &[0; 8]))], &[PROTOCOL]),
        case("6.8: GOAWAY of a wrong length", vec![Send(frame(GOAWAY, 0, 0, &[0; 7]))], &[SIZE, PROTOCOL]),
    ]
}

fn windows() -> Vec<Case> {
    let open = headers(1, END_HEADERS, &post("/"));
    vec![
        case("6.9: an increment of 0 for the connection", vec![Send(window_update(0, 0))], &[PROTOCOL]),
        case(
            "6.9: an increment of 0 for a stream",
            vec![Send([open.clone(), window_update(1, 0)].concat())],
            &[Reset(1, PROTOCOL_ERROR), PROTOCOL],
        ),
        case(
            "6.9: WINDOW_UPDATE of a wrong length",
            vec![Send(frame(WINDOW_UPDATE, 0, 0, &[0; 3]))],
            &[SIZE],
        ),
        case(
            "6.9: the reserved bit of an increment is ignored",
            vec![Send([window_update(0, 1 << 31 | 1), ping(MARK)].concat())],
            &[Pong(MARK)],
        ),
        case(
            "6.9.1: no more is sent than the window allows",
            vec![Send(settings(&[(INITIAL_WINDOW_SIZE, 1)])), Settled, Send(headers(1, WHOLE, &get("/")))],
            &[Data(1, 1)],
        ),
        case(
            "6.9.1: the connection's window beyond 2^31-1",
            vec![Send([window_update(0, 0x7fff_ffff), window_update(0, 0x7fff_ffff)].concat())],
            &[FLOW],
        ),
        case(
            "6.9.1: a stream's window beyond 2^31-1",
            vec![Send([open, window_update(1, 0x7fff_ffff), window_update(1, 0x7fff_ffff)].concat())],
            &[Reset(1, FLOW_CONTROL_ERROR), FLOW],
        ),
    ]
}

fn window_sizes() -> Vec<Case> {
    let shut = settings(&[(INITIAL_WINDOW_SIZE, 0)]);
    let asked = headers(1, WHOLE, &get("/"));
    let much = |size: usize| -> Vec<u8> {
        let bodies = std::iter::repeat_n(data(1, 0, &[0; 16_384]), size / 16_384).flatten();
        headers(1, END_HEADERS, &post("/")).into_iter().chain(bodies).collect()
    };
    vec![
        case(
            "6.9.2: a changed initial window counts for open streams",
            vec![Send([shut, asked].concat()), Settled, Send(settings(&[(INITIAL_WINDOW_SIZE, 1)]))],
            &[Data(1, 1)],
        ),
        // 3 less 3 less 1 is one below nothing: 2 more leave room for one byte.
        case(
            "6.9.2: a window may be negative",
            vec![
                Send([settings(&[(INITIAL_WINDOW_SIZE, 3)]), headers(1, WHOLE, &get("/long"))].concat()),
                Moved(1),
                Send([settings(&[(INITIAL_WINDOW_SIZE, 2)]), window_update(1, 2)].concat()),
            ],
            &[Data(1, 1)],
        ),
        case(
            "6.9.2: an initial window beyond the largest",
            vec![Send(settings(&[(INITIAL_WINDOW_SIZE, 0xffff_ffff)]))],
            &[FLOW],
        ),
        case(
            "6.9.2: an initial window that lifts a stream's beyond the largest",
            vec![Send(
                [
                    headers(1, END_HEADERS, &post("/")),
                    window_update(1, 0x7fff_0000),
                    settings(&[(INITIAL_WINDOW_SIZE, 0x7fff_ffff)]),
                ]
                .concat(),
            )],
            &[FLOW],
        ),
        last(kept(
            "6.9.1: more DATA than the window of all streams",
            vec![Send(much(16 << 20))],
            &[FLOW, Reset(1, FLOW_CONTROL_ERROR), super::Close],
        )),
    ]
}

fn continuations() -> Vec<Case> {
    let more = |flags: u8| frame(CONTINUATION, flags, 1, &block(&[("x", "y")]));
    let open = || headers(1, END_STREAM, &get("/"));
    vec![
        case(
            "6.10: several CONTINUATION frames",
            vec![Send([open(), more(0), more(0), more(END_HEADERS)].concat())],
            &[Status(1, 200)],
        ),
        kept(
            "6.10: CONTINUATION, then another frame",
            vec![Send([open(), more(0), data(1, END_STREAM, b"test")].concat())],
            &[PROTOCOL],
        ),
        kept(
            "6.10: CONTINUATION of stream 0",
            vec![Send([open(), frame(CONTINUATION, END_HEADERS, 0, &[])].concat())],
            &[PROTOCOL],
        ),
        kept(
            "6.10: CONTINUATION of another stream",
            vec![Send([open(), frame(CONTINUATION, END_HEADERS, 3, &[])].concat())],
            &[PROTOCOL],
        ),
        case(
            "6.10: CONTINUATION after END_HEADERS",
            vec![Send([headers(1, END_HEADERS, &post("/")), more(END_HEADERS)].concat())],
            &[PROTOCOL],
        ),
        case(
            "6.10: CONTINUATION after CONTINUATION with END_HEADERS",
            vec![Send([headers(1, 0, &post("/")), more(END_HEADERS), more(END_HEADERS)].concat())],
            &[PROTOCOL],
        ),
        case(
            "6.10: CONTINUATION after DATA",
            vec![Send(
                [headers(1, END_HEADERS, &post("/")), data(1, 0, b"test"), more(END_HEADERS)].concat(),
            )],
            &[PROTOCOL],
        ),
    ]
}

fn codes() -> Vec<Case> {
    let unknown = [0, 0, 0, 0, 0, 0, 0, 0xff];
    vec![
        last(case(
            "7: GOAWAY with an unknown code",
            vec![Send([frame(GOAWAY, 0, 0, &unknown), ping(MARK)].concat())],
            &[Pong(MARK), super::Close, Goaway(0)],
        )),
        case(
            "7: RST_STREAM with an unknown code",
            vec![Send([headers(1, END_HEADERS, &post("/")), reset(1, 0xff), ping(MARK)].concat())],
            &[Pong(MARK)],
        ),
    ]
}
