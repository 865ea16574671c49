//! Bodies towards HTTP/2 servers: in both directions, held back while the other side does not read, cut off where they are too long.

use crate::fixture::{ConfigParts, door, edge, wait};
use crate::http2::{self, begin, run};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers immediately without a body, and reads the request's.
    Reads,
    /// Neither answers nor reads.
    Holds,
}

/// An HTTP/2 server, and the bytes and trailers that it read.
fn server(manner: Manner) -> (SocketAddr, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    (http2::server(move |request| answer(request, manner, Arc::clone(&count))), read)
}

async fn answer(
    request: Request<Incoming>,
    manner: Manner,
    count: Arc<AtomicUsize>,
) -> Response<Empty<Bytes>> {
    let mut body = request.into_body();
    match manner {
        Manner::Holds => {
            std::future::pending::<()>().await;
            drop(body);
        }
        Manner::Reads => {
            tokio::spawn(async move {
                while let Some(frame) = body.frame().await {
                    let Ok(frame) = frame else { return };
                    count.fetch_add(frame.data_ref().map_or(0, Bytes::len), Ordering::SeqCst);
                    count.fetch_add(frame.trailers_ref().map_or(0, HeaderMap::len), Ordering::SeqCst);
                }
                count.fetch_add(END, Ordering::SeqCst);
            });
        }
    }
    Response::new(Empty::new())
}

/// Counted at the end of a body, if it is not broken off.
const END: usize = 1_000_000;

type Part = Frame<Bytes>;

/// A body whose frames are handed in one by one.
fn handed() -> (UnboundedSender<Part>, impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static) {
    let (hand, parts) = unbounded_channel::<Part>();
    let frames = futures_util::stream::unfold(parts, |mut parts| async move {
        parts.recv().await.map(|part| (Ok::<_, Infallible>(part), parts))
    });
    (hand, StreamBody::new(Box::pin(frames)))
}

#[test]
fn a_request_goes_on_after_the_whole_answer() {
    let (at, read) = server(Manner::Reads);
    let edge = edge(&[at], &ConfigParts { pool: "protocol = \"http2\"", ..ConfigParts::default() });
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin(at).await;
        let (hand, body) = handed();
        hand.send(Frame::data(Bytes::from_static(b"first"))).unwrap();
        let answer = sender.send_request(Request::post("http://a.test/").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
        hand.send(Frame::data(Bytes::from(vec![b'x'; 300_000]))).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        hand.send(Frame::trailers(trailers)).unwrap();
        wait("the server has read all of it", || read.load(Ordering::SeqCst) == 5 + 300_000 + 1 + END);
    });
}

#[test]
fn the_end_of_a_body_may_come_alone() {
    let (at, read) = server(Manner::Reads);
    let edge = edge(&[at], &ConfigParts { pool: "protocol = \"http2\"", ..ConfigParts::default() });
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin(at).await;
        let (hand, body) = handed();
        let answer = sender.send_request(Request::post("http://a.test/").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        for part in 1..4 {
            hand.send(Frame::data(Bytes::from_static(b"12345"))).unwrap();
            wait("the server has read a part", || read.load(Ordering::SeqCst) == part * 5);
        }
        drop(hand);
        wait("the server has seen the end", || read.load(Ordering::SeqCst) == 15 + END);
    });
}

#[test]
fn server_that_reads_nothing_blocks_the_client() {
    const PIECE: usize = 64 * 1024;
    let (at, _) = server(Manner::Holds);
    let parts = ConfigParts {
        pool: "protocol = \"http2\"",
        traffic: "response_timeout = \"1s\"",
        edge: BIG,
        ..ConfigParts::default()
    };
    let edge = edge(&[at], &parts);
    let at = door(&edge, false);
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    run(async move {
        let mut sender = begin(at).await;
        let pieces = (0..1024).map(move |_| {
            count.fetch_add(PIECE, Ordering::SeqCst);
            Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; PIECE])))
        });
        let body = StreamBody::new(futures_util::stream::iter(pieces));
        let answer = sender.send_request(Request::post("http://a.test/").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 504);
    });
    // What the windows of both connections and the buffers of both clients hold.
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken < 8 * 1024 * 1024, "{taken} bytes were taken for nobody");
}

/// Room for whatever a test sends.
const BIG: &str = "limits = { body_bytes = 100000000 }";

#[test]
fn body_of_unknown_length_is_cut_at_the_limit() {
    let (at, _) = server(Manner::Holds);
    let parts = ConfigParts {
        pool: "protocol = \"http2\"",
        edge: "limits = { body_bytes = 1000 }",
        ..ConfigParts::default()
    };
    let edge = edge(&[at], &parts);
    let at = door(&edge, false);
    run(async move {
        let mut sender = begin(at).await;
        let (hand, body) = handed();
        hand.send(Frame::data(Bytes::from(vec![b'x'; 1001]))).unwrap();
        let answer = sender.send_request(Request::post("http://a.test/").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 413);
    });
}
