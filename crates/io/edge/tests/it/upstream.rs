//! Servers that refuse, break off, allow few streams, fall silent: what a client sees of it.

use crate::fixture::{
    ConfigParts, GET, OK, PATIENCE, Server, answer, ask, connect, door, edge, find, listening, status, terms,
    wait,
};
use crate::http2::server;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

const HTTP2: ConfigParts<'_> =
    ConfigParts { site: "", edge: "", traffic: "", pool: "protocol = \"http2\"", more: "" };

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;

fn send(socket: &mut TcpStream, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    let _ = socket.write_all(&frame);
}

/// `:status: 200` and nothing else.
fn answer_200(socket: &mut TcpStream, stream: u32) {
    send(socket, HEADERS, 4 | END_STREAM, stream, &[0x88]);
}

/// An HTTP/2 server that does with each frame of a stream what `on` does: connection, socket, kind, flags, stream.
fn frames(
    settings: &'static [u8],
    on: impl Fn(usize, &mut TcpStream, u8, u8, u32) + Send + Sync + 'static,
) -> SocketAddr {
    let connections = AtomicUsize::new(0);
    listening(move |mut socket| {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        let mut preface = [0; 24];
        if socket.read_exact(&mut preface).is_err() {
            return;
        }
        send(&mut socket, SETTINGS, 0, 0, settings);
        let mut head = [0; 9];
        while socket.read_exact(&mut head).is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if socket.read_exact(&mut payload).is_err() {
                return;
            }
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if stream == 0 {
                if head[3] == SETTINGS && head[4] == 0 {
                    send(&mut socket, SETTINGS, 1, 0, b"");
                }
                continue;
            }
            on(number, &mut socket, head[3], head[4], stream);
        }
    })
}

const POST: &str = "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc";

#[test]
fn refused_stream_is_asked_again_with_its_body() {
    for request in [GET, POST] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let at = frames(b"", move |_, socket, kind, flags, stream| {
            if kind == HEADERS && count.fetch_add(1, Ordering::Relaxed) == 0 {
                send(socket, RST_STREAM, 0, stream, &7u32.to_be_bytes());
            } else if flags & END_STREAM != 0 && stream != 1 {
                answer_200(socket, stream);
            }
        });
        let edge = edge(&[at], &HTTP2);
        let answered = ask(door(&edge, false), request);
        assert_eq!((status(&answered), asked.load(Ordering::Relaxed)), (200, 2), "{answered}");
    }
}

#[test]
fn server_that_refuses_every_stream_ends_in_502() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let at = frames(b"", move |_, socket, kind, _, stream| {
        if kind == HEADERS {
            count.fetch_add(1, Ordering::Relaxed);
            send(socket, RST_STREAM, 0, stream, &7u32.to_be_bytes());
        }
    });
    let edge = edge(&[at], &HTTP2);
    assert_eq!(status(&ask(door(&edge, false), GET)), 502);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[test]
fn goaway_below_a_stream_is_asked_again_elsewhere() {
    for request in [GET, POST] {
        let at = frames(b"", |connection, socket, _, flags, stream| {
            if connection == 0 && stream == 3 {
                send(socket, GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
                let _ = socket.shutdown(std::net::Shutdown::Both);
            } else if flags & END_STREAM != 0 {
                answer_200(socket, stream);
            }
        });
        let edge = edge(&[at], &HTTP2);
        for _ in 0..3 {
            let answered = ask(door(&edge, false), request);
            assert_eq!(status(&answered), 200, "{answered}");
        }
    }
}

#[test]
fn stream_that_may_have_been_processed_is_not_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let at = frames(b"", move |_, socket, kind, _, stream| {
        if kind == HEADERS {
            count.fetch_add(1, Ordering::Relaxed);
            send(socket, GOAWAY, 0, 0, &[stream.to_be_bytes(), 0u32.to_be_bytes()].concat());
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    });
    let edge = edge(&[at], &HTTP2);
    assert_eq!(status(&ask(door(&edge, false), POST)), 502);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn used_up_streams_open_further_connections() {
    // Two streams a connection; no client is answered before all have come.
    const ALL: usize = 7;
    let open: Arc<(Mutex<Vec<usize>>, Condvar)> = Arc::default();
    let seen = Arc::clone(&open);
    let at = frames(&[0, 3, 0, 0, 0, 2], move |connection, socket, kind, _, stream| {
        if kind != HEADERS {
            return;
        }
        let (list, changed) = &*seen;
        let mut list = list.lock().unwrap();
        list.push(connection);
        changed.notify_all();
        let warm = list.len() == 1;
        drop(list);
        if warm {
            answer_200(socket, stream);
            return;
        }
        let (mut socket, seen) = (socket.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let all = |list: &mut Vec<usize>| list.len() < ALL + 1;
            let waited = seen.1.wait_timeout_while(seen.0.lock().unwrap(), PATIENCE, all).unwrap();
            if !waited.1.timed_out() {
                answer_200(&mut socket, stream);
            }
        });
    });
    let parts =
        ConfigParts { pool: "protocol = \"http2\"\ninitial_concurrency = 50", ..ConfigParts::default() };
    let edge = edge(&[at], &parts);
    let door = door(&edge, false);
    assert_eq!(status(&ask(door, GET)), 200);
    let clients: Vec<_> = (0..ALL).map(|_| std::thread::spawn(move || status(&ask(door, GET)))).collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
    let list = open.0.lock().unwrap().clone();
    assert_eq!(list.iter().max(), Some(&3), "four connections: {list:?}");
}

#[test]
fn trailers_of_a_client_break_no_connection_and_forge_nothing() {
    let at = server(|request| async move {
        let trailers = request.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
        let names: Vec<String> = trailers.keys().map(ToString::to_string).collect();
        Response::new(Full::new(Bytes::from(names.join(","))))
    });
    let old = Server::saying(OK);
    let forged = ["connection", "transfer-encoding", "te", "x-forwarded-for", "x_forwarded_for", "forwarded"];
    let more = ["x-real-ip", "mainstay-client", "mainstay-caller", "x-request-id", "cookie", "authorization"];
    let lines: String = forged.iter().chain(&more).map(|name| format!("{name}: close\r\n")).collect();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{lines}x-sum: 1\r\n\r\n"
    );
    let two = edge(&[at], &HTTP2);
    let answered = ask(door(&two, false), &request);
    assert!(status(&answered) == 200 && answered.ends_with("\r\n\r\nx-sum"), "{answered}");
    let one = edge(&[old.at], &ConfigParts::default());
    assert_eq!(status(&ask(door(&one, false), &request)), 200);
    let seen = String::from_utf8(old.seen.lock().unwrap()[0].clone()).unwrap();
    assert!(seen.ends_with("1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"), "{seen}");
}

#[test]
fn trusted_fields_come_only_from_edge_or_proxies() {
    let server = Server::saying(OK);
    let fields = "x-real-ip: 6.6.6.6\r\nx-forwarded-port: 6666\r\nx_forwarded_port: 6666\r\nx-forwarded-prefix: /6666\r\n\
                  cf-connecting-ip: 6.6.6.6\r\nremote-user: 6666\r\nproxy: 6.6.6.6\r\nx-original-url: /6666\r\n";
    let request = format!("GET / HTTP/1.1\r\nhost: a.test:8080\r\n{fields}x-mine: 1\r\n\r\n");
    let alone = edge(&[server.at], &ConfigParts::default());
    assert_eq!(status(&ask(door(&alone, false), &request)), 200);
    let behind = edge(
        &[server.at],
        &ConfigParts { edge: "trusted_proxies = [\"127.0.0.0/8\"]", ..ConfigParts::default() },
    );
    assert_eq!(status(&ask(door(&behind, false), &request)), 200);
    let seen = server.seen.lock().unwrap();
    let [alone, behind] = [0, 1].map(|n| String::from_utf8(seen[n].clone()).unwrap());
    assert!(!alone.contains("6666") && !alone.contains("6.6.6.6"), "{alone}");
    for line in ["x-real-ip: 127.0.0.1", "x-forwarded-port: 8080", "x-mine: 1"] {
        assert!(alone.contains(&format!("\r\n{line}\r\n")), "{line} in {alone}");
    }
    for line in ["x-forwarded-port: 6666", "x-forwarded-prefix: /6666", "cf-connecting-ip: 6.6.6.6"] {
        assert!(behind.contains(&format!("\r\n{line}\r\n")), "{line} in {behind}");
    }
    assert!(!behind.contains("x_forwarded_port") && !behind.contains("proxy: "), "{behind}");
}

#[test]
fn answer_that_breaks_off_immediately_is_a_502_with_an_id() {
    for part in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let at = listening(move |mut socket| {
            let mut some = [0; 4096];
            let _ = socket.read(&mut some);
            // One segment: head, part and end arrive together.
            let quiet = socket2::SockRef::from(&socket);
            let _ = quiet.set_tcp_cork(true);
            let _ = socket.write_all(part);
            let _ = socket.shutdown(std::net::Shutdown::Write);
        });
        let edge = edge(&[at], &ConfigParts::default());
        let answered = ask(door(&edge, false), POST);
        assert!(status(&answered) == 502 && answered.contains("\r\nx-request-id: "), "{answered}");
    }
    // Whole is whole, though the server closes.
    let at = listening(|mut socket| {
        let mut some = [0; 4096];
        let _ = socket.read(&mut some);
        let _ = socket.write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\na: b\r\n\r\n",
        );
    });
    let edge = edge(&[at], &ConfigParts::default());
    let answered = ask(door(&edge, false), "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&answered), 200);
}

/// `:status: CODE` and no more, as an interim response.
fn interim(socket: &mut TcpStream, stream: u32, code: &[u8; 3]) {
    send(socket, HEADERS, 4, stream, &[&[0x48, 3], &code[..]].concat());
}

#[test]
fn interim_answers_by_http2_come_before_the_one_that_counts_and_end_some_time() {
    let at = frames(b"", |_, socket, kind, _, stream| {
        if kind == HEADERS {
            (0..3).for_each(|_| interim(socket, stream, b"103"));
            answer_200(socket, stream);
        }
    });
    let some = edge(&[at], &HTTP2);
    assert_eq!(status(&ask(door(&some, false), GET)), 200);
    let at = frames(b"", |_, socket, kind, _, stream| {
        if kind == HEADERS {
            (0..100).for_each(|_| interim(socket, stream, b"103"));
        }
    });
    let endless = edge(&[at], &HTTP2);
    assert_eq!(status(&ask(door(&endless, false), GET)), 502);
}

#[test]
fn http2_server_is_asked_before_a_body_that_waits_for_it() {
    const DATA: u8 = 0;
    let order: Arc<Mutex<Vec<u8>>> = Arc::default();
    let seen = Arc::clone(&order);
    let at = frames(b"", move |_, socket, kind, flags, stream| {
        seen.lock().unwrap().push(kind);
        if kind == HEADERS {
            assert_eq!(flags & END_STREAM, 0);
            seen.lock().unwrap().push(b'!');
            interim(socket, stream, b"100");
        } else if kind == DATA && flags & END_STREAM != 0 {
            answer_200(socket, stream);
        }
    });
    let edge = edge(&[at], &HTTP2);
    let mut client = connect(door(&edge, false));
    let head = "POST / HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 25];
    client.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 100 "), "{}", first.escape_ascii());
    client.write_all(b"abc").unwrap();
    assert_eq!(status(&answer(&mut client)), 200);
    assert_eq!(&order.lock().unwrap()[..3], [HEADERS, b'!', DATA]);
}

#[test]
fn odd_heads_of_servers_are_read() {
    let many: String = (0..1000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\nok");
    for head in [
        "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\n\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length: 2\r\n\r\nok",
        &many,
    ] {
        let bytes = head.as_bytes().to_vec();
        let server = Server::new(move |_| Some(bytes.clone()));
        let edge = edge(&[server.at], &ConfigParts::default());
        let mut client = connect(door(&edge, false));
        for _ in 0..2 {
            client.write_all(GET.as_bytes()).unwrap();
            let answered = answer(&mut client);
            assert!(status(&answered) == 200 && answered.ends_with("\r\n\r\nok"), "{answered}");
            assert_eq!(answered.matches("content-length: 2\r\n").count(), 1);
        }
    }
}

#[test]
fn put_on_a_stale_connection_is_asked_again_with_its_body() {
    let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let kept = Arc::clone(&seen);
    // Answers once on each connection, and closes when the next request is there.
    let at = listening(move |mut socket| {
        for turn in 0..2 {
            let (mut request, mut some) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"\r\n\r\nabc") {
                match socket.read(&mut some) {
                    Ok(0) | Err(_) => return,
                    Ok(got) => request.extend_from_slice(&some[..got]),
                }
            }
            if turn == 0 {
                kept.lock().unwrap().push(request);
                let _ = socket.write_all(OK);
            }
        }
    });
    let edge = edge(&[at], &ConfigParts::default());
    let request = POST.replace("POST", "PUT");
    for _ in 0..4 {
        assert_eq!(status(&ask(door(&edge, false), &request)), 200);
    }
    assert_eq!(seen.lock().unwrap().len(), 4);
}

#[test]
fn request_at_a_server_that_falls_silent_goes_to_another() {
    let stuck = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&stuck);
    let silent = Server::new(move |request| {
        if is_health(request) {
            return (count.load(Ordering::Relaxed) == 0).then(|| OK.to_vec());
        }
        count.fetch_add(1, Ordering::Relaxed);
        loop {
            std::thread::park();
        }
    });
    let fine = Server::saying(OK);
    let parts = ConfigParts {
        traffic: "response_timeout = \"60s\"",
        pool: "health = { path = \"/health\", interval = \"1s\", timeout = \"500ms\", fall = 1, rise = 1 }",
        ..ConfigParts::default()
    };
    let edge = edge(&[silent.at], &parts);
    let mut client = connect(door(&edge, false));
    client.write_all(GET.as_bytes()).unwrap();
    wait("the request is there", || stuck.load(Ordering::Relaxed) == 1);
    edge.reload(&terms(&[silent.at, fine.at], &parts)).unwrap();
    assert_eq!(status(&answer(&mut client)), 200);
    assert_eq!(fine.asked(), 1 + fine.seen.lock().unwrap().iter().filter(|seen| is_health(seen)).count());
}

#[test]
fn request_that_may_not_be_repeated_waits_on_at_a_silent_server() {
    let stuck = Arc::new(AtomicUsize::new(0));
    let (count, go) = (Arc::clone(&stuck), Arc::new(AtomicUsize::new(0)));
    let may = Arc::clone(&go);
    let pausing = Server::new(move |request| {
        if is_health(request) {
            return (count.load(Ordering::Relaxed) == 0).then(|| OK.to_vec());
        }
        count.fetch_add(1, Ordering::Relaxed);
        wait("the pause has ended", || may.load(Ordering::Relaxed) == 1);
        Some(OK.to_vec())
    });
    let fine = Server::saying(OK);
    let parts = ConfigParts {
        traffic: "response_timeout = \"60s\"",
        pool: "health = { path = \"/health\", interval = \"1s\", timeout = \"500ms\", fall = 1, rise = 1 }",
        ..ConfigParts::default()
    };
    let edge = edge(&[pausing.at], &parts);
    let mut post = connect(door(&edge, false));
    post.write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 2\r\n\r\nab").unwrap();
    wait("the request is there", || stuck.load(Ordering::Relaxed) == 1);
    let mut get = connect(door(&edge, false));
    get.write_all(GET.as_bytes()).unwrap();
    wait("the other one too", || stuck.load(Ordering::Relaxed) == 2);
    edge.reload(&terms(&[pausing.at, fine.at], &parts)).unwrap();
    // This one is moved, after as long as the other had been waited for.
    assert_eq!(status(&answer(&mut get)), 200);
    go.store(1, Ordering::Relaxed);
    assert_eq!(status(&answer(&mut post)), 200, "the server answers after its pause");
    assert!(fine.seen.lock().unwrap().iter().all(|seen| !seen.starts_with(b"POST")));
}

fn is_health(request: &[u8]) -> bool {
    request.starts_with(b"GET /health ")
}

#[test]
fn grpc_call_has_its_own_deadline() {
    let held: Arc<Mutex<Vec<(TcpStream, u32)>>> = Arc::default();
    let keep = Arc::clone(&held);
    let at = frames(b"", move |_, socket, kind, _, stream| {
        if kind == HEADERS {
            keep.lock().unwrap().push((socket.try_clone().unwrap(), stream));
        }
    });
    let parts = |deadline| ConfigParts { traffic: deadline, ..HTTP2 };
    let call = |timeout: &str| {
        format!(
            "POST /s/M HTTP/1.1\r\nhost: a.test\r\ncontent-type: application/grpc\r\n{timeout}content-length: 3\r\n\r\nabc"
        )
    };
    // A longer one of its own outlasts the pool's, which ends a plain request that came later, and a call without one.
    let short = edge(&[at], &parts("response_timeout = \"200ms\""));
    let mut late = connect(door(&short, false));
    late.write_all(call("grpc-timeout: 1M\r\n").as_bytes()).unwrap();
    wait("the call is there", || held.lock().unwrap().len() == 1);
    assert_eq!(status(&ask(door(&short, false), GET)), 504);
    let answered = ask(door(&short, false), &call(""));
    assert!(status(&answered) == 504 || answered.contains("grpc-status: 4"), "{answered}");
    let (mut socket, stream) = held.lock().unwrap().remove(0);
    answer_200(&mut socket, stream);
    let mut some = [0; 4096];
    let got = late.read(&mut some).unwrap();
    assert!(find(&some[..got], b" 200 ").is_some(), "{}", some[..got].escape_ascii());
    // A short one of its own ends it before the pool's, and is no failure of the server.
    let long = edge(&[at], &parts("response_timeout = \"60s\""));
    for _ in 0..8 {
        let answered = ask(door(&long, false), &call("grpc-timeout: 100m\r\n"));
        assert!(status(&answered) == 504 || answered.contains("grpc-status: 4"), "{answered}");
    }
    let rollup = long.roll_up();
    let pool = rollup.pools.values().next().unwrap();
    assert!(pool.servers.iter().all(|server| server.state.serves()), "{pool:?}");
}

#[test]
fn grpc_streams_without_a_head_hold_no_place_after_the_deadline() {
    let held: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let keep = Arc::clone(&held);
    let at = frames(b"", move |_, socket, kind, flags, stream| {
        if kind == HEADERS && flags & END_STREAM != 0 {
            answer_200(socket, stream);
        } else if kind == HEADERS {
            keep.lock().unwrap().push(socket.try_clone().unwrap());
        }
    });
    let parts = ConfigParts {
        traffic: "response_timeout = \"200ms\"",
        pool: "protocol = \"http2\"\ninitial_concurrency = 2\nmax_concurrency = 2",
        ..ConfigParts::default()
    };
    let edge = edge(&[at], &parts);
    let call = "POST /s/M HTTP/1.1\r\nhost: a.test\r\ncontent-type: application/grpc\r\ngrpc-timeout: 1M\r\ncontent-length: 3\r\n\r\nabc";
    let mut calls = [connect(door(&edge, false)), connect(door(&edge, false))];
    calls.iter_mut().for_each(|client| client.write_all(call.as_bytes()).unwrap());
    wait("both are there", || held.lock().unwrap().len() == 2);
    wait("others are served", || status(&ask(door(&edge, false), GET)) == 200);
}

#[test]
fn grpc_stream_without_a_deadline_may_have_its_first_message_after_the_services() {
    let at = frames(b"", |_, socket, _, flags, stream| {
        // The response begins when the client has said all that it had to say.
        if flags & END_STREAM != 0 {
            answer_200(socket, stream);
        }
    });
    let edge = edge(&[at], &ConfigParts { traffic: "response_timeout = \"200ms\"", ..HTTP2 });
    let mut call = connect(door(&edge, false));
    let head = "POST /s/M HTTP/1.1\r\nhost: a.test\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n";
    call.write_all(head.as_bytes()).unwrap();
    // A message now and then, for longer than the deadline: the service's would have ended a plain request.
    let from = std::time::Instant::now();
    while from.elapsed() < std::time::Duration::from_millis(600) {
        call.write_all(b"1\r\nx\r\n").unwrap();
        call.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        assert!(call.read(&mut [0; 1]).is_err(), "ended early");
    }
    call.set_read_timeout(Some(PATIENCE)).unwrap();
    call.write_all(b"0\r\n\r\n").unwrap();
    let mut some = [0; 4096];
    let got = call.read(&mut some).unwrap();
    assert!(some[..got].starts_with(b"HTTP/1.1 200"), "{}", some[..got].escape_ascii());
}

#[test]
fn client_that_stops_sending_is_not_the_servers_failure() {
    let one = listening(|mut socket| {
        let mut some = [0; 4096];
        while socket.read(&mut some).is_ok_and(|got| got > 0) {}
    });
    let two = frames(b"", |_, _, _, _, _| {});
    // More than is read before a server is chosen; less than an HTTP/2 server takes unasked.
    for (at, protocol, sent) in [(one, "http1", 70_000), (two, "http2", 1000)] {
        let pool = format!("protocol = \"{protocol}\"");
        let parts =
            ConfigParts { traffic: "response_timeout = \"200ms\"", pool: &pool, ..ConfigParts::default() };
        let edge = edge(&[at], &parts);
        let mut clients: Vec<_> = (0..8).map(|_| connect(door(&edge, false))).collect();
        for client in &mut clients {
            let _ = client.write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 500000\r\n\r\n");
            let _ = client.write_all(&vec![b'a'; sent]);
        }
        for client in &mut clients {
            let answered = answer(client);
            assert!(matches!(status(&answered), 408 | 503), "{answered}");
        }
        let rollup = edge.roll_up();
        let pool = rollup.pools.values().next().unwrap();
        assert!(pool.servers.iter().all(|server| server.state.serves() && server.failed == 0), "{pool:?}");
    }
}
