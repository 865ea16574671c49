//! HTTP/2 towards clients and towards servers: streams, trailers, WebSockets by extended CONNECT, floods.

use crate::fixture::{ConfigParts, OK, PATIENCE, Server, connect, door, edge, find, listening, wait};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Runs a test's client.
pub(crate) fn run<T>(visit: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, visit).await.expect("in time") })
}

pub(crate) async fn begin<B>(at: SocketAddr) -> http2::SendRequest<B>
where
    B: http_body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let socket = TcpStream::connect(at).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// An HTTP/2 server that answers each request in this way.
pub(crate) fn server<A, Answered, B>(answer: A) -> SocketAddr
where
    A: Fn(Request<Incoming>) -> Answered + Clone + Send + 'static,
    Answered: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, at) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let answer = answer.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let answered = answer(request);
                        async move { Ok::<_, Infallible>(answered.await) }
                    });
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
    });
    at.recv_timeout(PATIENCE).unwrap()
}

/// One that echoes a body and ends with trailers, as gRPC does.
fn grpc() -> SocketAddr {
    server(|request| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let has_forwarded_for = request.headers().get("x-forwarded-for").is_some();
        let whole = request.into_body().collect().await.unwrap();
        let sent = whole.trailers().and_then(|map| map.get("x-sum")).cloned();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        if let Some(sent) = sent {
            trailers.insert("x-sum", sent);
        }
        let data = if has_forwarded_for { whole.to_bytes() } else { Bytes::from_static(b"untold") };
        let frames = [Ok::<_, Infallible>(Frame::data(data)), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    })
}

#[test]
fn many_streams_of_one_connection_are_served_by_http1_servers() {
    let server = Server::saying(OK);
    let edge =
        edge(&[server.at], &ConfigParts { pool: "initial_concurrency = 100", ..ConfigParts::default() });
    let at = door(&edge, false);
    run(async move {
        let sender = begin::<Full<Bytes>>(at).await;
        let asking = (0..50).map(|n| {
            let mut sender = sender.clone();
            async move {
                let body = if n % 2 == 0 { Bytes::new() } else { Bytes::from(vec![b'x'; 100_000]) };
                let request = Request::post("http://a.test/path?query").body(Full::new(body)).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                assert_eq!(answer.status(), 200);
                assert!(
                    answer.headers().contains_key("x-request-id")
                        && !answer.headers().contains_key("connection")
                );
                assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
            }
        });
        futures_util::future::join_all(asking).await;
    });
    assert_eq!(server.asked(), 50);
}

#[test]
fn grpc_passes_with_trailers_both_ways() {
    let edge = edge(&[grpc()], &ConfigParts { pool: "protocol = \"http2\"", ..ConfigParts::default() });
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin(at).await;
        for _ in 0..3 {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("7"));
            let frames = [
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"message"))),
                Ok(Frame::trailers(trailers)),
            ];
            let body = StreamBody::new(futures_util::stream::iter(frames));
            let request = Request::post("http://a.test/pkg.Service/Method")
                .header("te", "trailers")
                .header("content-type", "application/grpc")
                .body(body)
                .unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let whole = answer.into_body().collect().await.unwrap();
            let trailers = whole.trailers().unwrap().clone();
            assert_eq!(
                (&trailers["grpc-status"], &trailers["x-sum"]),
                (&"0".parse().unwrap(), &"7".parse().unwrap())
            );
            assert_eq!(whole.to_bytes(), "message");
        }
    });
}

#[test]
fn a_websocket_by_http2_is_an_upgrade_to_the_server() {
    let edge = edge(&[websockets(|accept| accept)], &ConfigParts::default());
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin::<Empty<Bytes>>(at).await;
        let answer = sender.send_request(websocket("websocket")).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut socket = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        for _ in 0..3 {
            socket.write_all(b"over http/2").await.unwrap();
            socket.flush().await.unwrap();
            let mut back = [0; 11];
            socket.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, b"over http/2");
        }
    });
}

/// A server of WebSockets that echoes; `accept` makes what it shows of what it should.
fn websockets(accept: impl Fn(String) -> String + Send + Sync + 'static) -> SocketAddr {
    listening(move |mut socket| {
        let mut seen = Vec::new();
        let mut some = [0; 4096];
        while find(&seen, b"\r\n\r\n").is_none() {
            let got = socket.read(&mut some).unwrap();
            seen.extend_from_slice(&some[..got]);
        }
        let head = String::from_utf8_lossy(&seen).into_owned();
        assert!(
            head.starts_with("GET /socket HTTP/1.1\r\n") && head.contains("sec-websocket-key: "),
            "{head}"
        );
        let key = head.split("sec-websocket-key: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let accept = accept(accept_of(key));
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        socket.write_all(answer.as_bytes()).unwrap();
        while let Ok(got) = socket.read(&mut some) {
            if got == 0 || socket.write_all(&some[..got]).is_err() {
                return;
            }
        }
    })
}

/// RFC 6455 section 4.2.2.
fn accept_of(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash)
}

fn websocket(protocol: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "http://a.test/socket".parse().unwrap();
    request.extensions_mut().insert(hyper::ext::Protocol::from_static(protocol));
    request
}

#[test]
fn extended_connect_is_for_websockets_that_the_server_accepts() {
    let edge_of = |at| edge(&[at], &ConfigParts::default());
    let (wrong, server) = (edge_of(websockets(|_| "wrong".to_owned())), Server::saying(OK));
    let other = edge_of(server.at);
    let (wrong_at, other_at) = (door(&wrong, false), door(&other, false));
    run(async move {
        let answer =
            begin::<Empty<Bytes>>(wrong_at).await.send_request(websocket("websocket")).await.unwrap();
        assert_eq!(answer.status(), 502);
        for protocol in ["h2c", "connect-udp"] {
            let answer =
                begin::<Empty<Bytes>>(other_at).await.send_request(websocket(protocol)).await.unwrap();
            assert!(answer.status() == 501 && answer.headers().contains_key("x-request-id"), "{protocol}");
        }
    });
    assert_eq!(server.asked(), 0);
}

#[test]
fn tunnels_count_as_connections_of_their_address() {
    let parts = ConfigParts { edge: "limits = { max_connections_per_ip = 5 }", ..ConfigParts::default() };
    let edge = edge(&[websockets(|accept| accept)], &parts);
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin::<Empty<Bytes>>(at).await;
        let (mut open, mut refused) = (Vec::new(), 0);
        for _ in 0..6 {
            let answer = sender.send_request(websocket("websocket")).await.unwrap();
            match answer.status().as_u16() {
                200 => open.push(answer),
                429 => refused += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!((open.len(), refused), (4, 2), "one place is the connection's own");
        drop(open);
        while sender.send_request(websocket("websocket")).await.unwrap().status() != 200 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn denial_ends_tunnels_inside_http2() {
    let server = websockets(|accept| accept);
    let mut terms = crate::fixture::terms(&[server], &ConfigParts::default());
    let edge = edge::Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
    let at = door(&edge, false);
    run(async {
        let mut sender = begin::<Empty<Bytes>>(at).await;
        let answer = sender.send_request(websocket("websocket")).await.unwrap();
        let mut socket = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        let denial = types::Denial {
            id: types::DenialId(7),
            what: "127.0.0.1".parse().unwrap(),
            service: None,
            from: types::Time::now(),
            until: types::time::later(types::Time::now(), PATIENCE * 6),
            by: "ana".to_owned(),
        };
        terms.policy.denials.insert(denial.id, denial);
        edge.reload(&terms).unwrap();
        assert!(!matches!(socket.read(&mut [0; 1]).await, Ok(1..)), "closed or reset");
    });
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// `GET / a.test` as a block of HPACK.
const BLOCK: &[u8] = b"\x82\x86\x84\x41\x06a.test";

#[test]
fn flood_ends_only_its_own_connection() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts::default());
    let at = door(&edge, false);
    let reset = |stream| [frame(1, 5, stream, BLOCK), frame(3, 0, stream, &8u32.to_be_bytes())].concat();
    let floods: [(&str, Vec<u8>); 9] = [
        ("acknowledged pings", (0..200_000).flat_map(|_| frame(6, 1, 0, b"12345678")).collect()),
        ("windows", (0..200_000).flat_map(|_| frame(8, 0, 0, &0u32.to_be_bytes()[..])).collect()),
        ("priorities", (0..200_000).flat_map(|_| frame(2, 0, 3, b"\0\0\0\0\x10")).collect()),
        ("unknown frames", (0..200_000).flat_map(|_| frame(0x42, 0, 0, b"x")).collect()),
        ("rapid reset", (0..20_000).flat_map(|n| reset(n * 2 + 1)).collect()),
        (
            "continuations",
            [frame(1, 1, 1, BLOCK)]
                .into_iter()
                .chain((0..20_000).map(|_| frame(9, 0, 1, &[0x40, 1, b'x', 1, b'y'].repeat(50))))
                .flatten()
                .collect(),
        ),
        ("settings", (0..200_000).flat_map(|_| frame(4, 0, 0, b"")).collect()),
        ("pings", (0..200_000).flat_map(|_| frame(6, 0, 0, b"12345678")).collect()),
        (
            "empty data",
            [frame(1, 4, 1, BLOCK)]
                .into_iter()
                .chain((0..200_000).map(|_| frame(0, 0, 1, b"")))
                .flatten()
                .collect(),
        ),
    ];
    for (name, flood) in floods {
        let mut socket = connect(at);
        socket.set_write_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, b""));
        bytes.extend(flood);
        // Never reads: what would have to be answered must not pile up either.
        let _ = socket.write_all(&bytes);
        run(async {
            let mut sender = begin::<Empty<Bytes>>(at).await;
            let answer = sender
                .send_request(Request::get("http://a.test/").body(Empty::new()).unwrap())
                .await
                .unwrap();
            assert_eq!(answer.status(), 200, "{name}");
        });
        drop(socket);
    }
    wait("all connections are gone", || edge.roll_up().connections == 0);
}

#[test]
fn a_head_too_large_is_refused() {
    let server = Server::saying(OK);
    let edge =
        edge(&[server.at], &ConfigParts { edge: "limits = { head_bytes = 8192 }", ..ConfigParts::default() });
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin::<Empty<Bytes>>(at).await;
        let request =
            Request::get("http://a.test/").header("x", "y".repeat(10_000)).body(Empty::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert!(answer.status() == 431 && answer.headers().contains_key("x-request-id"));
        let mut request = Request::get("http://a.test/");
        for n in 0..101 {
            request = request.header(format!("x{n}"), "1");
        }
        let answer = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert!(answer.status() == 431 && answer.headers().contains_key("x-request-id"));
    });
    assert_eq!(server.asked(), 0);
}
