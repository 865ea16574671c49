//! One application server: pages, entries, a connection to the database, and what it leaks after a hard stop of that.

use super::database::{Connection, Target};
use crate::tasks::lock;
use crate::time_tracker::{Entry, HTML, JSON, PAGE, SCRIPT};
use crate::web::{Answer, Server, answer, handler};
use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Time of a request without a leak.
const WORK: Duration = Duration::from_millis(20);
/// Time of an entry in addition: long enough for the edge to be killed while entries are delivered.
const ENTRY: Duration = Duration::from_millis(100);
/// Time from the start of a leak to the crash. In the outage it was seven hours: one second here is four minutes there.
pub(super) const CRASHES_AFTER: Duration = Duration::from_secs(100);
/// Time by which a request takes longer just before the crash.
pub(super) const SLOWEST: Duration = Duration::from_secs(1);
const TEXT: &str = "text/plain";

/// A server, over all its processes.
pub(super) struct AppServer {
    pub(super) address: SocketAddr,
    connection: Connection,
    /// The process; `None` while it is down.
    process: Mutex<Option<Server>>,
    leaks_since: Mutex<Option<Instant>>,
}

impl AppServer {
    /// A server that does not run yet.
    pub(super) fn new(address: SocketAddr, number: usize, target: Arc<Target>) -> Arc<Self> {
        let connection = Connection::new(format!("time {number}"), address.ip(), target);
        Arc::new(Self { address, connection, process: Mutex::default(), leaks_since: Mutex::default() })
    }

    /// Listens on its address.
    ///
    /// # Errors
    /// When the address is in use.
    pub(super) async fn listen(self: &Arc<Self>) -> std::io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        let own = Arc::downgrade(self);
        let process = Server::start(
            listener,
            None,
            handler(move |parts, body| {
                let own = own.upgrade();
                async move {
                    match own {
                        Some(server) => server.respond(&parts, &body).await,
                        None => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "ending\n"),
                    }
                }
            }),
        );
        *lock(&self.process) = Some(process);
        Ok(())
    }

    /// Listens no more; all connections end. What the process has leaked stays.
    pub(super) fn vanish(&self) {
        drop(lock(&self.process).take());
    }

    /// Forgets what it leaked: the process was started again.
    pub(super) fn forget_leak(&self) {
        *lock(&self.leaks_since) = None;
    }

    /// From now on each request leaves something behind.
    pub(super) fn leak(&self) {
        lock(&self.leaks_since).get_or_insert_with(Instant::now);
    }

    /// Ends the process if it has leaked for too long; says whether it did.
    pub(super) fn crash_if_due(&self) -> Option<Timestamp> {
        let leaked = lock(&self.leaks_since).map(|since| since.elapsed())?;
        let is_due = leaked >= CRASHES_AFTER && lock(&self.process).is_some();
        is_due.then(|| {
            self.vanish();
            self.forget_leak();
            Timestamp::now()
        })
    }

    fn work(&self) -> Duration {
        let leaked = lock(&self.leaks_since).map_or(Duration::ZERO, |since| since.elapsed());
        WORK + SLOWEST.mul_f64((leaked.as_secs_f64() / CRASHES_AFTER.as_secs_f64()).min(1.0))
    }

    async fn respond(&self, parts: &Parts, body: &Bytes) -> Answer {
        match (&parts.method, parts.uri.path()) {
            // The check keeps the connection to the database open, and does not depend on it.
            (&Method::GET, "/health") => {
                self.connection.check().await;
                answer(StatusCode::OK, TEXT, "ok\n")
            }
            (&Method::GET, "/static/app.js") => answer(StatusCode::OK, "text/javascript", SCRIPT),
            (&Method::GET, "/" | "/timer") => {
                sleep(self.work()).await;
                match self.connection.count_visit().await {
                    Ok(()) => answer(StatusCode::OK, HTML, PAGE),
                    Err(why) => unavailable(&why),
                }
            }
            (&Method::GET, "/api/entries") => match self.connection.entries().await {
                Ok(entries) => answer(StatusCode::OK, JSON, json!({ "entries": entries }).to_string()),
                Err(why) => unavailable(&why),
            },
            (&Method::POST, "/api/entries") => self.record(parts, body).await,
            _ => answer(StatusCode::NOT_FOUND, TEXT, "no such page\n"),
        }
    }

    async fn record(&self, parts: &Parts, body: &Bytes) -> Answer {
        let Ok(entry) = serde_json::from_slice::<Entry>(body) else {
            return answer(StatusCode::BAD_REQUEST, TEXT, "this is no entry\n");
        };
        let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        sleep(self.work() + ENTRY).await;
        match self.connection.record(&entry, key).await {
            Ok(()) => answer(StatusCode::CREATED, JSON, json!({ "number": entry.number }).to_string()),
            Err(why) => unavailable(&why),
        }
    }
}

fn unavailable(why: &str) -> Answer {
    answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("the database: {why}\n"))
}
