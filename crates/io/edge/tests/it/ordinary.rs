//! An ordinary day: what one browser asks for concurrently, streams that come back together, uploads by HTTP/2. No client is
//! refused.

use crate::early::client;
use crate::fixture::{ConfigParts, GET, OK, connect, door, edge, find, listening, status, wait};
use crate::http2::run;
use bytes::Bytes;
use http::Request;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// What a server takes for each request.
const WORK: Duration = Duration::from_millis(20);

/// A server that takes its time for each request.
fn working() -> SocketAddr {
    listening(|mut socket| {
        let mut some = [0; 4096];
        while socket.read(&mut some).is_ok_and(|got| got > 0) {
            std::thread::park_timeout(WORK);
            if socket.write_all(OK).is_err() {
                return;
            }
        }
    })
}

#[test]
fn page_of_sixty_resources_by_http2_is_served_whole() {
    let edge = edge(&[working()], &ConfigParts::default());
    let at = door(&edge, false);
    run(async move {
        let sender = client(at).await;
        for load in 0..3 {
            let asked = (0..60).map(|_| {
                let mut sender = sender.clone();
                let request = Request::get("http://a.test/").body(()).unwrap();
                sender.send_request(request, true).unwrap().0
            });
            let asked: Vec<_> = asked.collect();
            for response in asked {
                assert_eq!(response.await.unwrap().status(), 200, "load {load}");
            }
        }
    });
}

#[test]
fn event_sources_that_return_together_are_all_served() {
    let at = listening(|mut socket| {
        let mut some = [0; 4096];
        while let Ok(got) = socket.read(&mut some) {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
            if got == 0 || socket.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    });
    let edge = edge(&[at], &ConfigParts::default());
    let mut all: Vec<_> = (0..100).map(|_| connect(door(&edge, false))).collect();
    all.iter_mut().for_each(|source| source.write_all(GET.as_bytes()).unwrap());
    for source in &mut all {
        let (mut seen, mut some) = (Vec::new(), [0; 4096]);
        while find(&seen, b"\r\n\r\n").is_none() {
            let got = source.read(&mut some).unwrap();
            assert!(got > 0, "closed");
            seen.extend_from_slice(&some[..got]);
        }
        assert_eq!(status(&String::from_utf8_lossy(&seen)), 200);
    }
    wait("all are open", || edge.roll_up().connections >= 100);
}

#[test]
fn upload_by_http2_gets_a_window_of_its_length_before_it_is_read() {
    const LENGTH: usize = 900_000;
    // The server reads nothing: what the client may send is the edge's word alone.
    let at = listening(|socket| {
        let _ = socket.peek(&mut [0; 1]);
        let _socket = socket;
        std::thread::park_timeout(crate::fixture::PATIENCE);
    });
    let edge = edge(&[at], &ConfigParts::default());
    let at = door(&edge, false);
    run(async move {
        let mut sender = client(at).await;
        let request = Request::post("http://a.test/").header("content-length", LENGTH).body(()).unwrap();
        let (_response, mut stream) = sender.send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"x"), false).unwrap();
        stream.reserve_capacity(LENGTH - 1);
        // As much as the client itself keeps ready to send: several times the window that HTTP/2 begins with.
        while stream.capacity() < LENGTH / 3 {
            poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        }
    });
}
