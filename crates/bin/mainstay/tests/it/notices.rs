//! Notices to the team, delivered to a chat on this machine: an incident that pages nobody, and the digest once a day,
//! across a kill.

use crate::instance::{Instance, PATIENCE, SITE, Web, until};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A chat that refuses its first requests.
struct Chat {
    address: SocketAddr,
    /// Requests as they came: the header `Idempotency-Key`, and the message.
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Chat {
    fn start(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (kept, left) = (Arc::clone(&requests), AtomicUsize::new(refusals));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let Some(request) = take(&mut stream) else { continue };
                let refuses =
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
                let status = if refuses { "503 Service Unavailable" } else { "200 OK" };
                kept.lock().unwrap().push(request);
                let _ =
                    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            }
        });
        Self { address, requests }
    }

    /// Messages whose key contains this text.
    fn with(&self, text: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        let all = requests.iter().map(|(header, message)| {
            assert_eq!(message["key"], header.as_str());
            message.clone()
        });
        all.filter(|message| message["key"].as_str().unwrap().contains(text)).collect()
    }
}

/// Reads a request whose body is JSON.
fn take(stream: &mut TcpStream) -> Option<(String, Value)> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut bytes = Vec::new();
    let mut piece = [0; 8_192];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            let key = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("idempotency-key").then(|| value.to_owned())
            });
            return Some((key.unwrap_or_default(), body));
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            length => bytes.extend_from_slice(piece.get(..length)?),
        }
    }
}

/// A minute from now on, in UTC, that has not begun.
fn next_minute() -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(65)).strftime("\"%H:%M\"").to_string()
}

fn config(web: &Web, chat: &Chat, phone: &Chat, digest: &str) -> String {
    format!(
        r#"{SITE}
[service.shop]
title = "Shop"

[probe.front]
http = "http://{web}/"
interval = "1s"
timeout = "5s"
failure_threshold = 2
expect = {{ max_latency = "300ms" }}
service = "shop"

[person.ana]
contacts = ["phone:ana"]

[channel.phone]
webhook = "http://{phone}/"

[channel.chat]
webhook = "http://{chat}/"

[notices]
to = ["chat:ops"]
digest = {digest}
"#,
        web = web.address,
        chat = chat.address,
        phone = phone.address,
    )
}

#[test]
fn slow_service_and_digest_reach_the_chat_once_and_page_nobody() {
    let web = Web::start();
    let (chat, phone) = (Chat::start(1), Chat::start(0));
    let mut instance = Instance::with(&config(&web, &chat, &phone, "false"));
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    web.takes(600);
    let opened = until("the notice, again after a refusal", || {
        let messages = chat.with("incident-1/opened/");
        (messages.len() >= 2).then_some(messages)
    });
    assert_eq!(opened[0]["key"], "incident-1/opened/@team/0/0");
    assert_eq!(opened[0]["key"], opened[1]["key"], "a retry is the same attempt");
    let about = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_owned();
    assert_eq!((about(&opened[1], "urgency"), about(&opened[1], "to")), ("quiet".into(), "ops".into()));
    assert_eq!((&opened[1]["person"], &opened[1]["acknowledge_url"]), (&Value::Null, &Value::Null));

    // The incident is older than the digest that is about it.
    instance.write_config(&config(&web, &chat, &phone, &next_minute()));
    let digest = until("the digest", || chat.with("digest").into_iter().next());
    assert!(about(&digest, "title").starts_with("Test digest, "), "{digest:#}");
    assert!(about(&digest, "body").contains("Incidents (1):\n- incident-1, "), "{digest:#}");
    assert!(about(&digest, "body").contains("It paged nobody."), "{digest:#}");
    assert_eq!(digest["incident"], Value::Null);
    let key = about(&digest, "key").replace("/0/0", "/0/");
    until("the delivery in the journal", || {
        instance
            .journal()
            .lines()
            .any(|line| line.contains(&key) && line.contains("attempt_ended"))
            .then_some(())
    });
    for _ in 0..2 {
        instance.kill();
        instance.start();
        // The engine has reacted after its start.
        web.answers_again(3);
        until("a status", || instance.open_incident());
    }
    assert_eq!(chat.with("digest").len(), 1, "once a day");
    assert_eq!(phone.with("").len(), 0, "nobody is woken");
    let queued = instance.journal().lines().filter(|line| line.contains("team_notice_queued")).count();
    assert_eq!(queued, 1);
    assert_eq!(instance.terminate(), Some(0));
}
