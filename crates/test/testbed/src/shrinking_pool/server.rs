//! One process of an API server: requests, WebSockets, background jobs, health check.
//!
//! It has few workers, so its rate of service is fixed; requests and opens of WebSockets wait in one line for them. Each costs one
//! statement of the much-used code, on a bounded number of database connections.

use super::connections::Connections;
use super::database::{HEALTH, QUICK, SLOW};
use crate::pace::Pace;
use crate::tasks::{Tasks, has_room, lock, serve_each};
use crate::web;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, SET_COOKIE, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

/// Concurrent opens of WebSockets that a server endures.
pub(super) const OPENS_MAX: u32 = 40;
/// Workers of a server, and the time of one request: 20 requests a second.
const WORKERS: usize = 2;
const WORK: Duration = Duration::from_millis(100);
/// Longest time in the line; what would wait longer is refused.
const LINE_MAX: Duration = Duration::from_secs(4);
/// Database connections of a server.
const CONNECTIONS: usize = 6;
/// Timeout of a statement of a request.
const STATEMENT: Duration = Duration::from_secs(4);
/// Timeout of the statement of a health check, and of the start.
const CHECK: Duration = Duration::from_secs(1);
/// Interval of background jobs, which run the much-used code too.
const JOBS: Duration = Duration::from_millis(500);
/// Most concurrent background jobs.
const JOBS_MAX: usize = 8;
/// Failed checks after which the server ends itself, about ten seconds; two good ones make up for a failed one.
const GIVES_UP: u32 = 16;
/// Most open connections.
const OPEN_MAX: usize = 4_000;

/// Settings of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `/health` asks the database; the server ends itself when that fails for long, and when it has too many concurrent opens.
    Checking,
    /// An older installation: it opens its connections at the start, keeps them, and `/health` does not ask the database.
    Steady,
}

/// A server, over all its processes.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) kind: Kind,
    /// Whether the release in use has the inefficient code.
    pub(super) slow: Arc<AtomicBool>,
    /// Whether it works, by its own check.
    pub(super) works: AtomicBool,
    opens: AtomicU32,
    opens_highest: AtomicU32,
    /// Second since the start, opens completed in it, and the highest number of a second.
    second: Mutex<(u64, u32, u32)>,
    began: Instant,
}

impl Server {
    pub(super) fn new(address: SocketAddr, kind: Kind, slow: Arc<AtomicBool>) -> Self {
        Self {
            address,
            kind,
            slow,
            works: AtomicBool::new(false),
            opens: AtomicU32::new(0),
            opens_highest: AtomicU32::new(0),
            second: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// Highest number of concurrent opens, and of completed ones in a second.
    pub(super) fn opens(&self) -> (u32, u32) {
        (self.opens_highest.load(Ordering::Relaxed), lock(&self.second).2)
    }

    /// Forgets the highest numbers.
    pub(super) fn forget_opens(&self) {
        self.opens_highest.store(0, Ordering::Relaxed);
        lock(&self.second).2 = 0;
    }

    fn opened(&self) {
        let now = self.began.elapsed().as_secs();
        let mut second = lock(&self.second);
        if second.0 != now {
            (second.0, second.1) = (now, 0);
        }
        second.1 += 1;
        second.2 = second.2.max(second.1);
    }

    /// The much-used code.
    fn code(&self) -> &'static str {
        if self.slow.load(Ordering::Relaxed) { SLOW } else { QUICK }
    }
}

/// A running process. Dropped, it is killed: its connections to clients and database break.
pub(super) struct Process {
    running: Arc<Running>,
    _tasks: Tasks,
}

struct Running {
    server: Arc<Server>,
    connections: Arc<Connections>,
    pace: Mutex<Pace>,
    sockets: Mutex<Tasks>,
    unhealthy: Notify,
    overloaded: Notify,
}

/// Why a process ends itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its health check failed for long.
    Unhealthy,
    /// It has more concurrent opens than it endures.
    Overloaded,
}

impl Process {
    /// Starts the server: it needs an answer from the database before it listens.
    pub(super) async fn start(server: &Arc<Server>, database: SocketAddr) -> io::Result<Self> {
        let steady = server.kind == Kind::Steady;
        let name = format!("api {}", server.address.ip());
        let connections = Connections::new(database, &name, CONNECTIONS, steady);
        let first = if steady { CONNECTIONS } else { 1 };
        let mut opening = JoinSet::new();
        for _ in 0..first {
            let (connections, code) = (Arc::clone(&connections), server.code());
            opening.spawn(async move { connections.execute(code, CHECK).await });
        }
        while let Some(opened) = opening.join_next().await {
            if let Err(error) = opened.map_err(io::Error::other)? {
                connections.close();
                return Err(io::Error::other(error));
            }
        }
        let listener = TcpListener::bind(server.address).await?;
        let running = Arc::new(Running {
            server: Arc::clone(server),
            connections,
            pace: Mutex::new(Pace::new(WORKERS, WORK, LINE_MAX, Instant::now())),
            sockets: Mutex::default(),
            unhealthy: Notify::new(),
            overloaded: Notify::new(),
        });
        let mut tasks = Tasks::default();
        tasks.spawn(accept(listener, Arc::clone(&running)));
        tasks.spawn(jobs(Arc::clone(&running)));
        tasks.spawn(check(Arc::clone(&running)));
        Ok(Self { running, _tasks: tasks })
    }

    /// Waits until the process ends itself.
    pub(super) async fn ends(&self) -> End {
        tokio::select! {
            () = self.running.unhealthy.notified() => End::Unhealthy,
            () = self.running.overloaded.notified() => End::Overloaded,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.running.server.works.store(false, Ordering::Relaxed);
        self.running.connections.close();
        *lock(&self.running.sockets) = Tasks::default();
    }
}

/// Background jobs: they run the much-used code whether or not clients come.
async fn jobs(running: Arc<Running>) {
    let mut turn = interval(JOBS);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    loop {
        turn.tick().await;
        running.connections.close_idle();
        if has_room(&mut under_way, JOBS_MAX) {
            let (connections, code) = (Arc::clone(&running.connections), running.server.code());
            under_way.spawn(async move { drop(connections.execute(code, STATEMENT).await) });
        }
    }
}

/// The server's check of itself. A steady one works as long as it runs.
async fn check(running: Arc<Running>) {
    let server = &running.server;
    let mut turn = interval(JOBS);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut failed, mut failing) = (0_u32, 0_u32);
    loop {
        turn.tick().await;
        let good = server.kind == Kind::Steady || running.connections.execute(HEALTH, CHECK).await.is_ok();
        if good {
            (failed, failing) = (0, failing.saturating_sub(1));
        } else {
            (failed, failing) = (failed + 1, failing + 2);
        }
        server.works.store(failed < 2, Ordering::Relaxed);
        if failing >= GIVES_UP {
            running.unhealthy.notify_one();
        }
    }
}

async fn accept(listener: TcpListener, running: Arc<Running>) {
    serve_each(listener, OPEN_MAX, |stream, _| {
        let running = Arc::clone(&running);
        async move {
            if let Err(error) = serve(stream, running).await {
                tracing::debug!(%error, "connection");
            }
        }
    })
    .await;
}

async fn serve(
    stream: TcpStream,
    running: Arc<Running>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let service = service_fn(move |request| {
        let running = Arc::clone(&running);
        async move { Ok::<_, Infallible>(answer(request, &running).await) }
    });
    web::serve_proxy(stream, service).await?;
    Ok(())
}

async fn answer(request: Request<Incoming>, running: &Arc<Running>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/health" {
        let steady = running.server.kind == Kind::Steady;
        return if steady || running.connections.execute(HEALTH, CHECK).await.is_ok() {
            text(StatusCode::OK, "ok\n")
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        };
    }
    if request.headers().contains_key(UPGRADE) {
        return open(request, running).await;
    }
    let signs_in = path == "/login";
    if !work(running).await {
        return text(StatusCode::SERVICE_UNAVAILABLE, "no worker or no database connection is free\n");
    }
    let mut response = text(StatusCode::OK, "done\n");
    if signs_in {
        response.headers_mut().insert(SET_COOKIE, HeaderValue::from_static("sid=s1; Path=/; HttpOnly"));
    }
    response
}

/// The work of one request; says whether it was done.
async fn work(running: &Running) -> bool {
    let booked = lock(&running.pace).book(Instant::now());
    let Some(done) = booked else { return false };
    sleep_until(done.into()).await;
    running.connections.execute(running.server.code(), STATEMENT).await.is_ok()
}

/// An open that is counted while it lasts.
struct Opening<'a>(&'a Server);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opens.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn open(request: Request<Incoming>, running: &Arc<Running>) -> Response<Full<Bytes>> {
    let server = &running.server;
    let now = server.opens.fetch_add(1, Ordering::Relaxed) + 1;
    let _opening = Opening(server);
    server.opens_highest.fetch_max(now, Ordering::Relaxed);
    if now > OPENS_MAX {
        if server.kind == Kind::Checking {
            running.overloaded.notify_one();
        }
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many opens\n");
    }
    if !work(running).await {
        return text(StatusCode::SERVICE_UNAVAILABLE, "no worker or no database connection is free\n");
    }
    server.opened();
    lock(&running.sockets).spawn(async move {
        if let Some((stream, _)) = web::upgraded(request).await {
            web::until_closed(stream).await;
        }
    });
    let mut response = text(StatusCode::OK, "");
    web::accept_websocket(&mut response);
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}
