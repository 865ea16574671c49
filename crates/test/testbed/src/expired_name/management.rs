//! The management proxies: they call a host under the domain that expires, and an error that nothing catches ends them.
//!
//! Three processes behind the edge, each with a supervisor that starts it again. A process that ends closes its listener and all
//! its connections, and its address refuses connections until the next start. The auth service fetches its sign-in configuration
//! from them, and the console of the team asks for tenants.

use super::{API, MANAGEMENT};
use crate::TestbedError;
use crate::address_block::address_of;
use crate::clients::OK;
use crate::names::{Resolver, name};
use crate::tasks::{Tasks, lock};
use crate::web::{self, Answer, Server};
use drill::score::Served;
use drill::score::management::ManagementObservations;
use hickory_proto::rr::Name;
use hyper::Request;
use hyper::StatusCode;
use hyper::header::HOST;
use hyper::http::request::Parts;
use jiff::Timestamp;
use rustls::ClientConfig;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Path of the sign-in configuration.
pub(super) const CONFIGURATION: &str = "/sign-in-configuration";
const TENANTS: &str = "/tenants";
/// The right configuration.
const CONTENT: &str = "{\"methods\":[\"password\",\"passkey\"]}\n";
/// Time until a supervisor starts a process again.
const RESTART: Duration = Duration::from_millis(1_500);
/// Timeout of a call of a proxy, and of a request to the edge.
const CALL: Duration = Duration::from_secs(3);
const FETCH: Duration = Duration::from_secs(8);
/// Interval of the fetches of the auth service, and of the requests of the console.
const EVERY: Duration = Duration::from_millis(500);
/// Restarts of a proxy from which on it restarts again and again.
const LOOP: u32 = 3;

/// Where the edge listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct EdgeAddresses {
    pub(super) http: SocketAddrV4,
    pub(super) https: SocketAddrV4,
}

impl EdgeAddresses {
    pub(super) fn new(address: Ipv4Addr, http: u16, https: u16) -> Self {
        Self { http: SocketAddrV4::new(address, http), https: SocketAddrV4::new(address, https) }
    }
}

/// The proxies and those that ask them. Stops when dropped.
pub(super) struct Management {
    pub(super) edge: EdgeAddresses,
    pub(super) proxies: Vec<SocketAddrV4>,
    record: Arc<Mutex<Record>>,
    _tasks: Tasks,
}

#[derive(Clone, Debug, Default)]
struct Record {
    /// Restarts of each proxy.
    restarts: Vec<u32>,
    /// The first time that one had restarted [`LOOP`] times.
    looping_since: Option<Timestamp>,
    /// Whether the last call of a proxy failed.
    is_source_down: bool,
    configuration: Served,
}

/// What a proxy calls.
#[derive(Clone)]
struct Upstream {
    name: Name,
    port: u16,
    resolver: Arc<Resolver>,
    tls: Arc<ClientConfig>,
}

impl Upstream {
    /// Whether the host answers as it should, with its own certificate.
    async fn answers(&self) -> bool {
        let Some(address) = self.resolver.look_up(&self.name).await else { return false };
        let got = web::get(SocketAddrV4::new(address, self.port), API, &self.tls, CALL).await;
        matches!(got, Ok((StatusCode::OK, body)) if body == OK)
    }
}

impl Management {
    /// Starts the proxies on their listeners.
    pub(super) fn start(
        listeners: [TcpListener; 3],
        edge: EdgeAddresses,
        resolver: Arc<Resolver>,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, TestbedError> {
        let upstream = Upstream { name: name(API)?, port: edge.https.port(), resolver, tls };
        let record = Arc::new(Mutex::new(Record { restarts: vec![0; listeners.len()], ..Record::default() }));
        let (mut proxies, mut tasks) = (Vec::new(), Tasks::default());
        for (number, listener) in listeners.into_iter().enumerate() {
            let address =
                address_of(&listener).map_err(|last| TestbedError::NoAddressBlock { tries: 1, last })?;
            proxies.push(address);
            tasks.spawn(supervise(number, address, listener, upstream.clone(), Arc::clone(&record)));
        }
        tasks.spawn(fetch_configuration(edge.http.into(), Arc::clone(&record)));
        tasks.spawn(ask_for_tenants(edge.http.into()));
        Ok(Self { edge, proxies, record, _tasks: tasks })
    }

    pub(super) fn observations(&self) -> ManagementObservations {
        let record = lock(&self.record).clone();
        ManagementObservations {
            proxies: u32::try_from(record.restarts.len()).unwrap_or(u32::MAX),
            restarts: record.restarts.iter().sum(),
            looping_since: record.looping_since,
            configuration: record.configuration,
        }
    }
}

/// Starts the process of a proxy again whenever it ends.
async fn supervise(
    number: usize,
    address: SocketAddrV4,
    first: TcpListener,
    upstream: Upstream,
    record: Arc<Mutex<Record>>,
) {
    let mut listener = Some(first);
    loop {
        let bound = match listener.take() {
            Some(listener) => Ok(listener),
            None => TcpListener::bind(address).await,
        };
        match bound {
            Ok(listener) => run(listener, &upstream, &record).await,
            Err(error) => tracing::warn!(%address, %error, "a management proxy cannot listen"),
        }
        sleep(RESTART).await;
        let mut record = lock(&record);
        if let Some(restarts) = record.restarts.get_mut(number) {
            *restarts += 1;
            if *restarts == LOOP && record.looping_since.is_none() {
                record.looping_since = Some(Timestamp::now());
            }
        }
    }
}

/// One process: it ends with the first call that fails.
async fn run(listener: TcpListener, upstream: &Upstream, record: &Arc<Mutex<Record>>) {
    let end = Arc::new(Notify::new());
    let (upstream, record, ending) = (upstream.clone(), Arc::clone(record), Arc::clone(&end));
    let handler = web::handler(move |parts: Parts, _| {
        let (upstream, record, ending) = (upstream.clone(), Arc::clone(&record), Arc::clone(&ending));
        async move { respond(&parts, &upstream, &record, &ending).await }
    });
    let process = Server::start(listener, None, handler);
    end.notified().await;
    drop(process);
}

async fn respond(parts: &Parts, upstream: &Upstream, record: &Mutex<Record>, end: &Notify) -> Answer {
    let text = |body: &'static str| web::answer(StatusCode::OK, "text/plain", body);
    let path = parts.uri.path();
    if path == "/health" {
        return text(OK);
    }
    let answers = upstream.answers().await;
    lock(record).is_source_down = !answers;
    if !answers {
        // Nothing catches the error. The process ends before it can answer.
        end.notify_one();
        std::future::pending::<()>().await;
    }
    match path {
        CONFIGURATION => web::answer(StatusCode::OK, "application/json", CONTENT),
        TENANTS => text(OK),
        _ => web::answer(StatusCode::NOT_FOUND, "text/plain", "no such page\n"),
    }
}

/// The auth service: it fetches its sign-in configuration over and over.
async fn fetch_configuration(edge: SocketAddr, record: Arc<Mutex<Record>>) {
    let mut turns = interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let counts = lock(&record).is_source_down;
        let got = ask(edge, CONFIGURATION).await;
        let is_right = matches!(&got, Some((StatusCode::OK, body)) if body == CONTENT);
        if counts {
            let one = Served { asked: Some(1), served: Some(is_right.into()) };
            let mut record = lock(&record);
            record.configuration = record.configuration + one;
        }
    }
}

/// The console of the team.
async fn ask_for_tenants(edge: SocketAddr) {
    let mut turns = interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        ask(edge, TENANTS).await;
    }
}

async fn ask(edge: SocketAddr, path: &str) -> Option<(StatusCode, bytes::Bytes)> {
    let request = Request::get(path).header(HOST, MANAGEMENT).body(web::empty()).ok()?;
    web::send(edge, None, request, FETCH).await.ok()
}
