//! The plain balancer.

use std::time::Duration;
use testbed::balancer::Balancer;
use testbed::web::{self, Server};
use tokio::net::TcpListener;

#[tokio::test]
async fn connections_go_to_the_servers_in_turn() {
    let bind = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let mut servers = Vec::new();
    let mut addresses = Vec::new();
    for name in ["one", "two"] {
        let socket = bind().await;
        addresses.push(socket.local_addr().unwrap());
        let handler =
            web::handler(move |_, _| async move { web::answer(hyper::StatusCode::OK, "text/plain", name) });
        servers.push(Server::start(socket, None, handler));
    }
    let balancer = Balancer::start(bind().await, addresses).unwrap();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let request = hyper::Request::get("/").header("host", "a.test").body(web::empty()).unwrap();
        let (_, body) = web::send(balancer.address(), None, request, Duration::from_secs(10)).await.unwrap();
        answers.push(body);
    }
    assert_eq!(answers, ["one", "two", "one", "two"]);
}
