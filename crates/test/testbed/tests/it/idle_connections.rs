//! Idle connections to the origin of the testbed.

use std::time::{Duration, Instant};
use testbed::idle_connections::{ConnectionCounts, IdleConnections, Kind};
use testbed::origin::Origin;
use testbed::pace::Pace;
use tokio::net::TcpListener;

async fn origin() -> Origin {
    let pace = Pace::new(1, Duration::from_millis(1), Duration::from_secs(1), Instant::now());
    Origin::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), pace).unwrap()
}

#[tokio::test]
async fn websockets_echo_and_idle_connections_stay() {
    let origin = origin().await;
    for kind in [Kind::WebSocket, Kind::Idle] {
        let mut held = IdleConnections::open(kind, 300, origin.address(), "a.test", "/").await.unwrap();
        assert_eq!(held.check().await, ConnectionCounts { alive: 300, lost: 0 });
    }
    assert_eq!(origin.counts().tunnels, 300);
}

#[tokio::test]
async fn connection_closed_by_server_is_counted_as_lost() {
    let origin = origin().await;
    let mut held = IdleConnections::open(Kind::WebSocket, 5, origin.address(), "a.test", "/").await.unwrap();
    let mut idle = IdleConnections::open(Kind::Idle, 5, origin.address(), "a.test", "/").await.unwrap();
    drop(origin);
    super::until("the loss of idle connections", async || (idle.check().await.lost == 5).then_some(())).await;
    // A tunnel is a task of its own in the origin; it outlives the server as in life it outlives a reload.
    assert_eq!(held.check().await.lost, 0);
}

#[tokio::test]
async fn one_port_speaks_http1_and_h2() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let origin = origin().await;
    let stream = tokio::net::TcpStream::connect(origin.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::post(format!("http://{}/a.B/C", origin.address()))
        .header("content-type", "application/grpc")
        .body(http_body_util::Full::new(bytes::Bytes::from_static(&[0; 5])))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), [0; 5].as_slice());
}
