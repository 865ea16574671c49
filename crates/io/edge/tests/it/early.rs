//! What comes before a request has ended: early answers, interim responses, `Expect`, clients that closed their
//! sending side.

use crate::fixture::{
    ConfigParts, GET, OK, Server, all, answer, connect, door, edge, find, listening, status,
};
use crate::http2::run;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

const SIZE: usize = 4_000_000;

/// A client by the crate h2.
pub(crate) async fn client(at: SocketAddr) -> SendRequest<Bytes> {
    let socket = tokio::net::TcpStream::connect(at).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

/// Reads a head.
fn head(socket: &mut TcpStream) -> Vec<u8> {
    let (mut seen, mut some) = (Vec::new(), [0; 4096]);
    while find(&seen, b"\r\n\r\n").is_none() {
        let got = socket.read(&mut some).unwrap_or(0);
        if got == 0 {
            break;
        }
        seen.extend_from_slice(&some[..got]);
    }
    seen
}

/// Refuses by the head alone, and reads what still comes.
fn refusing() -> SocketAddr {
    listening(|mut socket| {
        head(&mut socket);
        let _ =
            socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
        let _ = socket.shutdown(Shutdown::Write);
        let mut some = [0; 65_536];
        while socket.read(&mut some).is_ok_and(|got| got > 0) {}
    })
}

/// An edge that refuses by itself what is long, before a server that refuses everything.
fn edges() -> [(edge::Edge, u16); 2] {
    let small = ConfigParts { edge: "limits = { body_bytes = 1000 }", ..ConfigParts::default() };
    let large = ConfigParts { edge: "limits = { body_bytes = 100000000 }", ..ConfigParts::default() };
    let server = refusing();
    [(edge(&[server], &small), 413), (edge(&[server], &large), 403)]
}

#[test]
fn early_answer_reaches_client_that_writes_before_it_reads() {
    for (edge, code) in edges() {
        let mut socket = connect(door(&edge, false));
        let head = format!("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: {SIZE}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&vec![b'x'; SIZE]).unwrap();
        assert_eq!(status(&answer(&mut socket)), code);
    }
}

#[test]
fn early_answer_ends_an_http2_stream_without_an_error() {
    for (edge, code) in edges() {
        let at = door(&edge, false);
        run(async move {
            let sender = client(at).await;
            for _ in 0..3 {
                let mut sender = sender.clone().ready().await.unwrap();
                let request =
                    Request::post("http://a.test/").header("content-length", SIZE).body(()).unwrap();
                let (response, mut stream) = sender.send_request(request, false).unwrap();
                let mut left = SIZE;
                while left > 0 {
                    stream.reserve_capacity(left.min(16_384));
                    let Some(room) = poll_fn(|cx| stream.poll_capacity(cx)).await else { break };
                    let part = room.unwrap().min(left);
                    left -= part;
                    stream.send_data(Bytes::from(vec![b'x'; part]), left == 0).unwrap();
                }
                assert_eq!(left, 0, "the whole body is taken");
                let response = response.await.unwrap();
                assert_eq!(response.status(), code);
                let mut body = response.into_body();
                while let Some(data) = body.data().await {
                    data.unwrap();
                }
            }
        });
    }
}

#[test]
fn endless_upload_after_an_early_answer_is_ended() {
    let [(edge, code), _] = edges();
    let at = door(&edge, false);
    run(async move {
        let mut sender = client(at).await;
        let (response, mut stream) = sender
            .send_request(
                Request::post("http://a.test/").header("content-length", "1000000").body(()).unwrap(),
                false,
            )
            .unwrap();
        assert_eq!(response.await.unwrap().status(), code);
        let ended = poll_fn(|cx| stream.poll_reset(cx)).await;
        assert_eq!(ended.unwrap(), h2::Reason::NO_ERROR);
    });
}

const EXPECTS: &str = "POST / HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";

#[test]
fn expectation_that_the_server_refuses_asks_for_no_body() {
    let edge = edge(&[refusing()], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    socket.write_all(EXPECTS.as_bytes()).unwrap();
    let answered = answer(&mut socket);
    assert!(answered.starts_with("HTTP/1.1 403 "), "{answered}");
}

/// Continues, hints twice, and answers when the body has come.
fn continuing() -> SocketAddr {
    listening(|mut socket| {
        let seen = head(&mut socket);
        assert!(find(&seen, b"expect: 100-continue").is_some());
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let mut body = [0; 3];
        socket.read_exact(&mut body).unwrap();
        socket.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n").unwrap();
        socket.write_all(OK).unwrap();
    })
}

#[test]
fn continue_and_hints_reach_clients_of_both_protocols() {
    let edge = edge(&[continuing()], &ConfigParts::default());
    let at = door(&edge, false);
    let mut socket = connect(at);
    socket.write_all(EXPECTS.as_bytes()).unwrap();
    let seen = head(&mut socket);
    assert_eq!(seen, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"abc").unwrap();
    let answered = answer(&mut socket);
    assert!(
        answered.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK"),
        "{answered}"
    );
    run(async move {
        let mut sender = client(at).await;
        let request = Request::post("http://a.test/")
            .header("expect", "100-continue")
            .header("content-length", "3")
            .body(())
            .unwrap();
        let (mut response, mut stream) = sender.send_request(request, false).unwrap();
        let first = poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
        assert_eq!(first.status(), StatusCode::CONTINUE);
        stream.send_data(Bytes::from_static(b"abc"), true).unwrap();
        let second = poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
        assert_eq!(
            (second.status().as_u16(), &second.headers()["link"]),
            (103, &"</a.css>".parse().unwrap())
        );
        assert_eq!(response.await.unwrap().status(), 200);
    });
}

#[test]
fn interim_responses_precede_their_own_final_one() {
    let server = Server::new(|_| {
        Some([&b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 30000\r\n\r\n"[..], &[b'y'; 30_000]].concat())
    });
    let edge = edge(&[server.at], &ConfigParts::default());
    let at = door(&edge, false);
    // Many in one piece: none comes into the middle of another's answer.
    let last = "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
    let mut whole = all(at, format!("{}{last}", GET.repeat(9)).as_bytes());
    for n in 0..10 {
        if let Some(rest) = whole.strip_prefix("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n") {
            whole = rest.to_owned();
        }
        let (head, rest) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{n}: {head}");
        assert!(rest.len() >= 30_000 && rest[..30_000].bytes().all(|b| b == b'y'), "{n}");
        whole = rest[30_000..].to_owned();
    }
    assert_eq!(whole, "");
    let answered = all(at, b"GET / HTTP/1.0\r\nhost: a.test\r\n\r\n");
    assert!(
        answered.contains(" 200 OK\r\n") && !answered.contains("103"),
        "HTTP/1.0 knows none: {}",
        &answered[..60]
    );
}

#[test]
fn client_that_closed_its_sending_side_is_answered() {
    let (go, going) = std::sync::mpsc::channel::<()>();
    let going = std::sync::Mutex::new(going);
    let at = listening(move |mut socket| {
        head(&mut socket);
        let _ = going.lock().unwrap().recv();
        let _ = socket.write_all(OK);
    });
    let edge = edge(&[at], &ConfigParts::default());
    for fields in ["", "connection: close\r\n"] {
        let mut socket = connect(door(&edge, false));
        socket.write_all(format!("GET / HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n").as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        // The end has arrived before the response begins: another request went the whole way meanwhile.
        let other = crate::fixture::ask(door(&edge, false), "GET / HTTP/1.1\r\nhost: no.test\r\n\r\n");
        assert_eq!(status(&other), 421);
        go.send(()).unwrap();
        let answered = answer(&mut socket);
        assert!(status(&answered) == 200 && answered.ends_with("ok"), "{answered}");
    }
}

#[test]
fn grpc_calls_are_refused_as_grpc_knows_it() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let parts = ConfigParts {
        pool: "protocol = \"http2\"",
        edge: "limits = { body_bytes = 1000 }",
        ..ConfigParts::default()
    };
    let edge = edge(&[dead], &parts);
    let at = door(&edge, false);
    run(async move {
        let mut sender = client(at).await;
        for (host, length, code) in [("a.test", 5, "14"), ("a.test", 2000, "8"), ("no.test", 5, "12")] {
            let request = Request::post(format!("http://{host}/p.Echo/Unary"))
                .header("content-type", "application/grpc+proto")
                .header("te", "trailers")
                .header("content-length", length)
                .body(())
                .unwrap();
            let (response, mut stream) = sender.send_request(request, false).unwrap();
            stream.send_data(Bytes::from(vec![0; length]), true).unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(response.body().is_end_stream(), "trailers only");
            let fields = response.headers();
            assert_eq!(fields["grpc-status"], code);
            assert_eq!(fields["content-type"], "application/grpc+proto");
            assert!(fields.contains_key("grpc-message") && fields.contains_key("x-request-id"));
        }
    });
}

#[test]
fn cookie_crumbs_and_trailers_arrive_as_http1_has_them() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts::default());
    let at = door(&edge, false);
    run(async move {
        let mut sender = client(at).await;
        let request =
            Request::post("http://a.test/").header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
        let (response, mut stream) = sender.send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"abc"), false).unwrap();
        let mut trailers = HeaderMap::new();
        for name in ["x-sum", "x-forwarded-for", "mainstay-client", "authorization"] {
            trailers.insert(name, HeaderValue::from_static("7"));
        }
        stream.send_trailers(trailers).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    });
    let seen = String::from_utf8(server.seen.lock().unwrap()[0].clone()).unwrap();
    assert!(seen.contains("\r\ncookie: a=1; b=2\r\n") && seen.matches("cookie:").count() == 1, "{seen}");
    let trailers = seen.rsplit_once("0\r\n").unwrap().1;
    assert_eq!(trailers, "x-sum: 7\r\n\r\n");
}

#[test]
fn idle_http2_connection_gets_goaway() {
    let server = Server::saying(OK);
    let edge = edge(
        &[server.at],
        &ConfigParts { edge: "limits = { keepalive_timeout = \"1s\" }", ..ConfigParts::default() },
    );
    let at = door(&edge, false);
    run(async move {
        let socket = tokio::net::TcpStream::connect(at).await.unwrap();
        let (sender, connection) = h2::client::handshake::<_>(socket).await.unwrap();
        let ended = tokio::spawn(connection);
        let mut sender = sender.ready().await.unwrap();
        let request = Request::get("http://a.test/").body(()).unwrap();
        assert_eq!(sender.send_request(request, true).unwrap().0.await.unwrap().status(), 200);
        ended.await.unwrap().unwrap();
        drop(sender);
        // One that never asked.
        let socket = tokio::net::TcpStream::connect(at).await.unwrap();
        let (_sender, connection) = h2::client::handshake::<_>(socket).await.unwrap();
        connection.await.unwrap();
    });
}

#[test]
fn control_frame_flood_gets_enhance_your_calm() {
    let server = Server::saying(OK);
    let edge = edge(&[server.at], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    let ping = b"\0\0\x08\x06\x01\0\0\0\0AAAAAAAA";
    let begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // One fewer than too many.
    socket.write_all(&[&begin[..], &ping.repeat(4_000)].concat()).unwrap();
    let mut seen = vec![0; 9];
    socket.read_exact(&mut seen).unwrap();
    socket.write_all(&ping.repeat(4_000)).unwrap();
    let _ = socket.read_to_end(&mut seen);
    let goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
    assert!(find(&seen, goaway).is_some(), "{}", seen.escape_ascii());
}

#[test]
fn slow_download_by_http2_goes_on_as_long_as_it_moves() {
    let server = Server::new(|_| {
        Some([&b"HTTP/1.1 200 OK\r\ncontent-length: 600000\r\n\r\n"[..], &vec![b'y'; 600_000]].concat())
    });
    let edge = edge(
        &[server.at],
        &ConfigParts { edge: "limits = { body_timeout = \"1s\" }", ..ConfigParts::default() },
    );
    let at = door(&edge, false);
    run(async move {
        let mut sender = client(at).await;
        let ask = || Request::get("http://a.test/").body(()).unwrap();
        let response = sender.send_request(ask(), true).unwrap().0.await.unwrap();
        let (from, mut body, mut read) = (std::time::Instant::now(), response.into_body(), 0);
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            read += data.len();
            // Twice as long as it may stall.
            while from.elapsed().as_secs_f64() < 2.2 * read as f64 / 600_000.0 {
                tokio::task::yield_now().await;
            }
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        assert_eq!(read, 600_000);
        // One that takes nothing at all is ended.
        let mut body = sender.send_request(ask(), true).unwrap().0.await.unwrap().into_body();
        let ended = loop {
            match body.data().await {
                Some(Ok(_)) => {}
                Some(Err(why)) => break why,
                None => panic!("it was read to the end"),
            }
        };
        assert_eq!(ended.reason(), Some(h2::Reason::CANCEL));
    });
}
