//! Calls, and the person who answers them.

use super::{small, until};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testbed::web::{self, Server};
use testbed::{Behavior, ExpiredName, Phone, Provider};
use tokio::net::TcpListener;

fn call(key: &str, person: &str, urgency: &str, acknowledge: Option<&str>) -> Value {
    json!({
        "key": key, "page": "page-1", "incident": "incident-1", "person": person, "urgency": urgency,
        "title": "acme.app expired", "body": "…", "url": "http://127.0.0.1/", "acknowledge_url": acknowledge,
    })
}

/// POSTs a call by hand; the status, unless nothing comes in time.
async fn post_call(phone: &Phone, message: Value) -> Option<u16> {
    let url = phone.url();
    tokio::task::spawn_blocking(move || {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(if message["key"] == "hang" { 1 } else { 30 }))).unwrap();
        let body = message.to_string();
        let length = body.len();
        write!(stream, "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let mut reply = [0; 64];
        let size = stream.read(&mut reply).ok()?;
        String::from_utf8_lossy(&reply[..size]).split(' ').nth(1)?.parse().ok()
    })
    .await
    .unwrap()
}

/// A server that counts what it is asked, and fails at first.
async fn listener(failures: usize) -> (String, Arc<AtomicUsize>, Server) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ack/token", socket.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let handler = web::handler(move |parts, _| {
        let before = count.fetch_add(1, Ordering::SeqCst);
        let right = parts.method == hyper::Method::POST && parts.uri.path() == "/ack/token";
        let status = match (right, before < failures) {
            (false, _) => StatusCode::NOT_FOUND,
            (true, true) => StatusCode::SERVICE_UNAVAILABLE,
            (true, false) => StatusCode::OK,
        };
        async move { web::answer(status, "text/plain", "") }
    });
    let server = Server::start(socket, None, handler);
    (url, asked, server)
}

async fn fixture() -> (ExpiredName, tempfile::TempDir) {
    small(|settings| settings.answers_after = Duration::from_millis(50)).await
}

#[tokio::test]
async fn person_acknowledges_a_page_and_not_a_notice() {
    let (fixture, _folder) = fixture().await;
    let (url, asked, _server) = listener(1).await;
    let phone = fixture.phone();
    assert_eq!(post_call(phone, call("notice", "ana", "notice", Some(&url))).await, Some(200));
    assert_eq!(post_call(phone, call("page", "ana", "page", Some(&url))).await, Some(200));
    assert_eq!(post_call(phone, call("other", "bo", "page", Some(&url))).await, Some(200));
    let answer = until("an answer", async || phone.answers().first().cloned()).await;
    assert_eq!((answer.key.as_str(), answer.person.as_deref(), answer.ok()), ("page", Some("ana"), true));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "tapped again after the first failure");
    let calls = phone.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls.iter().filter(|call| call.woke()).count(), 2);
    assert_eq!(calls[1].page.as_deref(), Some("page-1"));
}

#[tokio::test]
async fn provider_fails_hangs_and_works_again() {
    let (fixture, _folder) = fixture().await;
    let phone = fixture.phone();
    phone.person("ana", Behavior::Silent);
    phone.provider(Provider::Fails);
    assert_eq!(post_call(phone, call("fail", "ana", "page", None)).await, Some(500));
    phone.provider(Provider::Hangs);
    assert_eq!(post_call(phone, call("hang", "ana", "page", None)).await, None);
    until("the hanging call", async || (phone.calls().len() == 2).then_some(())).await;
    phone.provider(Provider::Works);
    assert_eq!(post_call(phone, call("work", "ana", "page", None)).await, Some(200));
    let rang: Vec<(String, bool)> = phone.calls().into_iter().map(|call| (call.key, call.rang)).collect();
    assert_eq!(rang, [("fail".into(), false), ("hang".into(), false), ("work".into(), true)]);
    assert_eq!(post_call(phone, json!([1])).await, Some(400));
    assert!(phone.answers().is_empty());
}
