//! A small web application in which people record their time: pages, entries that each have a key, and what arrived of them.
//!
//! Its page keeps nothing by itself. It counts how often each key was delivered, so that a test can tell an entry that
//! arrived twice from one that was recorded twice.

use crate::tasks::lock;
use crate::web::{Answer, Handler, Server, answer, handler};
use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const PAGE: &str = include_str!("time_tracker/page.html");
pub(crate) const SCRIPT: &str = include_str!("time_tracker/app.js");
/// Paths whose reads are counted.
const PATHS: [&str; 4] = ["/", "/timer", "/static/app.js", "/api/entries"];
/// The page without the script of the kit, and with more parts: for measuring what the kit costs.
pub const PLAIN: &str = "/plain";
const TAG: &str = "<script src=\"/.mainstay/offline.js\" defer></script>";
/// Stylesheets and images of that page.
const PARTS: [u32; 2] = [3, 6];
const IMAGE: &str =
    r#"<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="20" height="20"/></svg>"#;
/// An entry with this text is refused with 409, as if it overlapped with another one.
pub const OVERLAP: &str = "overlap";

/// What a page sends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// The browser that it was entered in.
    pub client: String,
    /// Its number there: 0, 1, 2.
    pub number: u64,
    /// What was done.
    pub text: String,
}

/// Entries as they were recorded, and deliveries of each key.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// In the order in which they came.
    pub entries: Vec<Entry>,
    /// How often each idempotency key came, recorded or not.
    pub deliveries: BTreeMap<String, u32>,
    /// Requests without a key.
    pub without_key: u32,
    /// How often each page and file was read.
    pub reads: BTreeMap<String, u32>,
}

impl Recorded {
    /// Numbers of a client's entries, in the order in which they were recorded.
    #[must_use]
    pub fn numbers(&self, client: &str) -> Vec<u64> {
        self.entries.iter().filter(|entry| entry.client == client).map(|entry| entry.number).collect()
    }

    /// Deliveries beyond the first of each key: the application had to tell by the key that it has the entry.
    #[must_use]
    pub fn repeated(&self) -> u32 {
        self.deliveries.values().map(|count| count - 1).sum()
    }
}

/// The application on a port of loopback. Stops when dropped.
#[derive(Debug)]
pub struct TimeTracker {
    /// Its address.
    pub address: SocketAddr,
    recorded: Arc<Mutex<Recorded>>,
    _server: Server,
}

impl TimeTracker {
    /// Starts it.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let recorded: Arc<Mutex<Recorded>> = Arc::default();
        let server = Server::start(listener, None, app(&recorded));
        Ok(Self { address, recorded, _server: server })
    }

    /// What has arrived until now.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        lock(&self.recorded).clone()
    }
}

fn app(recorded: &Arc<Mutex<Recorded>>) -> Handler {
    let recorded = Arc::clone(recorded);
    handler(move |parts, body| {
        let answered = respond(&parts, &body, &recorded);
        async move { answered }
    })
}

fn respond(parts: &Parts, body: &Bytes, recorded: &Mutex<Recorded>) -> Answer {
    let path = parts.uri.path();
    if parts.method == Method::GET && PATHS.contains(&path) {
        *lock(recorded).reads.entry(path.to_owned()).or_default() += 1;
    }
    match (&parts.method, path) {
        (&Method::GET, "/" | "/timer") => answer(StatusCode::OK, HTML, PAGE),
        (&Method::GET, PLAIN) => answer(StatusCode::OK, HTML, plain()),
        (&Method::GET, part) if part.starts_with("/static/style") => {
            answer(StatusCode::OK, "text/css", "h1{color:#111}")
        }
        (&Method::GET, part) if part.starts_with("/static/image") => {
            answer(StatusCode::OK, "image/svg+xml", IMAGE)
        }
        (&Method::GET, "/static/app.js") => answer(StatusCode::OK, "text/javascript", SCRIPT),
        (&Method::GET, "/api/entries") => {
            let count = lock(recorded).entries.len();
            answer(StatusCode::OK, JSON, json!({ "entries": count }).to_string())
        }
        (&Method::POST, "/api/entries") => record(parts, body, &mut lock(recorded)),
        _ => answer(StatusCode::NOT_FOUND, "text/plain", "no such page\n"),
    }
}

fn plain() -> String {
    let [styles, images] = PARTS;
    let styles = (0..styles).map(|at| format!("<link rel=\"stylesheet\" href=\"/static/style{at}.css\">"));
    let images = (0..images)
        .map(|at| format!("<img src=\"/static/image{at}.svg\" width=\"20\" height=\"20\" alt=\"\">"));
    let parts: String = styles.chain(images).collect();
    PAGE.replace(TAG, "").replace("<h1>", &(parts + "<h1>"))
}

/// Records an entry once for each key.
fn record(parts: &Parts, body: &Bytes, recorded: &mut Recorded) -> Answer {
    let Ok(entry) = serde_json::from_slice::<Entry>(body) else {
        return answer(StatusCode::BAD_REQUEST, "text/plain", "this is no entry\n");
    };
    let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let deliveries = match key {
        Some(key) => recorded.deliveries.entry(key.to_owned()).or_default(),
        None => &mut recorded.without_key,
    };
    *deliveries += 1;
    let is_new = key.is_none() || *deliveries == 1;
    if entry.text == OVERLAP {
        return answer(StatusCode::CONFLICT, JSON, r#"{"error":"overlaps with another entry"}"#);
    }
    if is_new {
        recorded.entries.push(entry.clone());
    }
    answer(StatusCode::CREATED, JSON, json!({ "number": entry.number }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn post(recorded: &Mutex<Recorded>, key: Option<&str>, body: &str) -> StatusCode {
        let mut request = Request::post("/api/entries");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        respond(&parts, &Bytes::copy_from_slice(body.as_bytes()), recorded).status()
    }

    #[test]
    fn entry_is_recorded_once_for_each_key() {
        let recorded = Mutex::default();
        let entry = |number: u64| format!(r#"{{"client":"a","number":{number},"text":"x"}}"#);
        for (key, number) in [(Some("k0"), 0), (Some("k0"), 0), (Some("k1"), 1), (None, 2), (None, 2)] {
            assert_eq!(post(&recorded, key, &entry(number)), StatusCode::CREATED);
        }
        let overlap = format!(r#"{{"client":"a","number":9,"text":"{OVERLAP}"}}"#);
        assert_eq!(post(&recorded, Some("k9"), &overlap), StatusCode::CONFLICT);
        assert_eq!(post(&recorded, Some("k10"), "{}"), StatusCode::BAD_REQUEST);
        let recorded = recorded.into_inner().unwrap();
        assert_eq!(
            (recorded.numbers("a"), recorded.repeated(), recorded.without_key),
            (vec![0, 1, 2, 2], 1, 2)
        );
    }
}
