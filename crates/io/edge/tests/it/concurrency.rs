//! Places of a pool: not held by clients that send slowly, nor by answers that stream; and the budget of bodies.

use crate::fixture::{
    ConfigParts, GET, OK, PATIENCE, Server, answer, ask, connect, door, edge, find, listening, status, wait,
};
use crate::http2::{self, begin, run};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// More than is read of a body before a server is chosen.
const BEFORE: usize = 66_000;

fn upload(at: SocketAddr, framing: &str) -> TcpStream {
    let mut socket = connect(at);
    let chunked = framing.starts_with("transfer-encoding");
    let begin = if chunked { format!("{BEFORE:x}\r\n") } else { String::new() };
    socket
        .write_all(format!("POST /up HTTP/1.1\r\nhost: a.test\r\n{framing}\r\n\r\n{begin}").as_bytes())
        .unwrap();
    socket.write_all(&vec![b'a'; BEFORE]).unwrap();
    if chunked {
        socket.write_all(b"\r\n").unwrap();
    }
    socket
}

/// A server that takes `/up` and answers everything else; how many uploads it has.
fn taking() -> (SocketAddr, Arc<AtomicUsize>) {
    let uploads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&uploads);
    let at = listening(move |mut socket| {
        let mut bytes = Vec::new();
        let mut some = [0; 65536];
        loop {
            match socket.read(&mut some) {
                Ok(0) | Err(_) => return,
                Ok(got) => bytes.extend_from_slice(&some[..got]),
            }
            if bytes.starts_with(b"POST /up") {
                count.fetch_add(1, Ordering::SeqCst);
                // As long as the edge keeps it open, and what comes.
                while socket.read(&mut some).is_ok_and(|got| got > 0) {}
                count.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            if find(&bytes, b"\r\n\r\n").is_some() {
                bytes.clear();
                if socket.write_all(OK).is_err() {
                    return;
                }
            }
        }
    });
    (at, uploads)
}

#[test]
fn uploads_that_wait_for_their_clients_hold_no_place() {
    for framing in ["content-length: 10000000", "transfer-encoding: chunked"] {
        let (server, uploads) = taking();
        let edge = edge(
            &[server],
            &ConfigParts {
                pool: "max_concurrency = 4",
                traffic: "response_timeout = \"5s\"",
                ..ConfigParts::default()
            },
        );
        let at = door(&edge, false);
        let slow: Vec<TcpStream> = (0..4).map(|_| upload(at, framing)).collect();
        wait("the server has them", || uploads.load(Ordering::SeqCst) == 4);
        let from = Instant::now();
        assert_eq!(status(&ask(at, GET)), 200, "{framing}");
        assert!(from.elapsed().as_secs() < 3, "{:?}", from.elapsed());
        assert_eq!(uploads.load(Ordering::SeqCst), 4, "none of them was ended for it");
        drop(slow);
    }
}

#[test]
fn uploads_beside_their_places_are_limited_and_the_slowest_ends() {
    let (server, uploads) = taking();
    let edge = edge(
        &[server],
        &ConfigParts {
            pool: "max_concurrency = 4",
            traffic: "response_timeout = \"9s\"",
            ..ConfigParts::default()
        },
    );
    let at = door(&edge, false);
    let slow: Vec<TcpStream> = (0..24).map(|_| upload(at, "content-length: 10000000")).collect();
    let mut ended = slow.iter().filter(|socket| {
        let mut socket = *socket;
        socket.set_nonblocking(true).unwrap();
        let mut some = [0; 64];
        let from = Instant::now();
        while from.elapsed() < PATIENCE / 10 {
            if socket.read(&mut some).is_ok_and(|got| some[..got].starts_with(b"HTTP/1.1 408")) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    });
    assert!(ended.next().is_some(), "one is ended");
    wait("as many as may be", || uploads.load(Ordering::SeqCst) <= 18);
    assert_eq!(status(&ask(at, GET)), 200);
}

#[test]
fn uploads_by_http2_to_both_kinds_of_servers_hold_no_place() {
    let (server, uploads) = taking();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let other = http2::server(move |request: Request<hyper::body::Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            if request.uri().path() == "/up" {
                seen.fetch_add(1, Ordering::SeqCst);
                let _ = request.into_body().collect().await;
            }
            Response::new(Empty::<Bytes>::new())
        }
    });
    for (server, protocol, begun) in [(server, "http1", uploads), (other, "http2", count)] {
        let pool = format!("max_concurrency = 4\nprotocol = \"{protocol}\"");
        let edge = edge(
            &[server],
            &ConfigParts { pool: &pool, traffic: "response_timeout = \"5s\"", ..ConfigParts::default() },
        );
        let at = door(&edge, false);
        run(async move {
            let mut sender = begin(at).await;
            let mut hands = Vec::new();
            for _ in 0..4 {
                let (hand, parts) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
                let frames = futures_util::stream::unfold(parts, |mut parts| async move {
                    parts.recv().await.map(|part| (Ok::<_, Infallible>(part), parts))
                });
                hand.send(Frame::data(Bytes::from(vec![b'a'; BEFORE]))).unwrap();
                let body = StreamBody::new(Box::pin(frames)).boxed_unsync();
                let asked = sender.send_request(Request::post("http://a.test/up").body(body).unwrap());
                hands.push((hand, tokio::spawn(asked)));
            }
            let from = Instant::now();
            while begun.load(Ordering::SeqCst) < 4 {
                assert!(from.elapsed() < PATIENCE);
                tokio::task::yield_now().await;
            }
            let empty = Empty::<Bytes>::new().boxed_unsync();
            let from = Instant::now();
            let answer =
                sender.send_request(Request::get("http://a.test/").body(empty).unwrap()).await.unwrap();
            assert_eq!((answer.status().as_u16(), protocol), (200, protocol));
            assert!(from.elapsed().as_secs() < 3);
            drop(hands);
        });
    }
}

#[test]
fn an_upload_that_gave_its_place_back_is_answered_at_its_end() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts { pool: "max_concurrency = 1", ..ConfigParts::default() });
    let at = door(&edge, false);
    let mut slow = upload(at, &format!("content-length: {}", BEFORE + 5));
    // Its place is given to another, which comes after it.
    assert_eq!(status(&ask(at, GET)), 200);
    slow.write_all(b"12345").unwrap();
    assert_eq!(status(&answer(&mut slow)), 200);
    assert!(edge.roll_up().pools.values().all(|pool| pool.inflight == 0));
}

#[test]
fn an_answer_to_a_long_upload_has_its_time_from_the_uploads_end() {
    let server = Server::new(|_| {
        let from = Instant::now();
        wait("the server has thought", || from.elapsed().as_millis() > 400);
        Some(OK.to_vec())
    });
    let edge =
        edge(&[server.at], &ConfigParts { traffic: "response_timeout = \"1s\"", ..ConfigParts::default() });
    let mut slow = upload(door(&edge, false), &format!("content-length: {}", BEFORE + 20));
    for _ in 0..20 {
        let from = Instant::now();
        wait("a part of two seconds", || from.elapsed().as_millis() >= 100);
        slow.write_all(b"a").unwrap();
    }
    assert_eq!(status(&answer(&mut slow)), 200);
    // And its client's time is not taken for the server's.
    let pools = edge.roll_up().pools;
    let servers = pools.values().flat_map(|pool| &pool.servers);
    assert!(servers.clone().all(|server| server.answered == 1 && server.latency.as_millis() < 1_500));
}

/// A server whose answers to `/stream` begin and do not end.
fn streaming(head: &'static str) -> SocketAddr {
    listening(move |mut socket| {
        let mut bytes = Vec::new();
        let mut some = [0; 4096];
        while let Ok(got) = socket.read(&mut some)
            && got > 0
        {
            bytes.extend_from_slice(&some[..got]);
            if find(&bytes, b"\r\n\r\n").is_some() {
                let streams = bytes.starts_with(b"GET /stream");
                bytes.clear();
                if socket.write_all(if streams { head.as_bytes() } else { OK }).is_err() {
                    return;
                }
            }
        }
    })
}

#[test]
fn answers_that_stream_free_their_places_with_their_heads() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\nbegin",
    ] {
        let edge =
            edge(&[streaming(head)], &ConfigParts { pool: "max_concurrency = 2", ..ConfigParts::default() });
        let at = door(&edge, false);
        let from = Instant::now();
        let open: Vec<TcpStream> = (0..40)
            .map(|_| {
                let mut socket = connect(at);
                socket.write_all(b"GET /stream HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
                let mut some = [0; 512];
                let got = socket.read(&mut some).unwrap();
                assert!(some[..got].starts_with(b"HTTP/1.1 200"), "{}", some[..got].escape_ascii());
                socket
            })
            .collect();
        assert_eq!(status(&ask(at, GET)), 200);
        // A second for each two, if they held their places.
        assert!(from.elapsed() < PATIENCE / 2, "{head}: {:?}", from.elapsed());
        drop(open);
    }
}

#[test]
fn streams_of_http2_servers_free_their_places_with_their_heads() {
    let server = http2::server(|request: Request<hyper::body::Incoming>| async move {
        let kind = request.headers().get("x-kind").cloned();
        let body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let mut response = Response::new(body);
        response.headers_mut().extend(kind.map(|kind| (http::header::CONTENT_TYPE, kind)));
        response
    });
    for kind in ["application/grpc", "text/event-stream"] {
        let parts =
            ConfigParts { pool: "max_concurrency = 2\nprotocol = \"http2\"", ..ConfigParts::default() };
        let edge = edge(&[server], &parts);
        let at = door(&edge, false);
        run(async move {
            let mut sender = begin(at).await;
            let (from, mut open) = (Instant::now(), Vec::new());
            for _ in 0..40 {
                let request = Request::get("http://a.test/").header("x-kind", kind);
                let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
                assert_eq!(answer.status(), 200);
                open.push(answer);
            }
            assert!(from.elapsed() < PATIENCE / 2, "{kind}: {:?}", from.elapsed());
            let _: &HeaderMap = open[0].headers();
        });
    }
}

#[test]
fn bodies_beyond_the_budget_stream_without_refusals() {
    // More than 64 MiB, each less than is read of one.
    const BODIES: usize = 1_200;
    if ::edge::descriptors::raise().is_some_and(|limit| limit < 3 * BODIES as u64 + 500) {
        return;
    }
    let (server, uploads) = taking();
    let edge = edge(&[server], &ConfigParts::default());
    let at = door(&edge, false);
    let body = vec![b'a'; 60_000];
    let held: Vec<TcpStream> = (0..BODIES)
        .map(|_| {
            let mut socket = connect(at);
            socket.write_all(b"POST /up HTTP/1.1\r\nhost: a.test\r\ncontent-length: 100000\r\n\r\n").unwrap();
            socket.write_all(&body).unwrap();
            socket
        })
        .collect();
    wait("those beyond ask for a place with what they have", || uploads.load(Ordering::SeqCst) > 0);
    assert_eq!(status(&ask(at, GET)), 200);
    let mut small = connect(at);
    small.write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 2\r\n\r\n").unwrap();
    small.write_all(b"ok").unwrap();
    assert_eq!(status(&answer(&mut small)), 200);
    drop(held);
    // And all is given back: bodies are read before again.
    wait("the uploads have ended", || uploads.load(Ordering::SeqCst) == 0);
}
