//! The front end `auth-web`: `GET /login`, or `/`, shows the page, `POST /login` signs in by asking the API for a
//! session.

use super::budget::{Bounds, Budget};
use super::{CALLER, CLIENT};
use crate::pace::Pace;
use crate::tasks::lock;
use crate::web::{self, Answer, Server};
use hyper::header::{HOST, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::sleep_until;

/// How long a call of the API may take.
const CALL_MAX: Duration = Duration::from_secs(2);
/// Longest wait; longer ones are rejected.
const LINE_MAX: Duration = Duration::from_secs(5);

/// How the front end is set up.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// Pages rendered concurrently.
    pub places: usize,
    /// Duration of each.
    pub each: Duration,
    /// Where the API is reached: the API itself, or an edge in front of it.
    pub api: SocketAddr,
    /// By which name.
    pub api_host: String,
    /// The address from which it calls.
    pub from: Ipv4Addr,
    /// The token by which it tells an edge who it is.
    pub token: Option<String>,
    /// How its API client limits itself.
    pub budget: Bounds,
    /// How often a call is made until it is not refused, the first time included.
    pub attempts: u32,
}

impl FrontSettings {
    /// 400 pages a second; at most 100 calls a second, 10 when it was refused, each made three times at most.
    #[must_use]
    pub fn new(api: SocketAddr, api_host: &str, from: Ipv4Addr) -> Self {
        Self {
            places: 16,
            each: Duration::from_millis(40),
            api,
            api_host: api_host.to_owned(),
            from,
            token: None,
            budget: Bounds { most: 100.0, least: 10.0, creep: 2.0 },
            attempts: 3,
        }
    }
}

/// The service `auth-web`. Stops when dropped.
#[derive(Debug)]
pub struct FrontEnd {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: Server,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontCounts {
    /// Requests that came in.
    pub asked: u64,
    /// Pages shown.
    pub pages: u64,
    /// People signed in.
    pub signed_in: u64,
    /// Sign-ins that its own API client did not even try.
    pub held_back: u64,
    /// Sign-ins that the API refused to the end, or did not answer.
    pub refused: u64,
    /// Calls that the API answered with 429, repetitions included.
    pub limited: u64,
    /// Requests turned away since the line was too long.
    pub turned_away: u64,
}

#[derive(Debug)]
struct Shared {
    settings: FrontSettings,
    pace: Mutex<Pace>,
    budget: Mutex<Budget>,
    passes_client: AtomicBool,
    counts: Mutex<FrontCounts>,
    sessions: AtomicU64,
}

impl FrontEnd {
    /// Starts the server.
    ///
    /// # Errors
    /// When the listener is closed.
    pub fn start(listener: TcpListener, settings: FrontSettings) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let now = Instant::now();
        let shared = Arc::new(Shared {
            pace: Mutex::new(Pace::new(settings.places, settings.each, LINE_MAX, now)),
            budget: Mutex::new(Budget::new(settings.budget, now)),
            settings,
            passes_client: AtomicBool::new(false),
            counts: Mutex::default(),
            sessions: AtomicU64::new(0),
        });
        let of = Arc::clone(&shared);
        let handler = web::handler(move |parts, _| {
            let shared = Arc::clone(&of);
            // The work continues after the client has disconnected, as in most servers.
            async move {
                let work = tokio::spawn(async move { shared.answer(&parts).await });
                work.await.unwrap_or_else(|_| page(StatusCode::INTERNAL_SERVER_ERROR, "Something broke"))
            }
        });
        Ok(Self { address, shared, _server: Server::start(listener, None, handler) })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fix of five lines: whether it copies the header [`CLIENT`] of the request into its own call.
    pub fn forward_client(&self, pass: bool) {
        self.shared.passes_client.store(pass, Ordering::Relaxed);
    }

    /// Counters since the start.
    #[must_use]
    pub fn counts(&self) -> FrontCounts {
        *lock(&self.shared.counts)
    }

    /// Calls a second that its API client allows itself just now.
    #[must_use]
    pub fn allows_itself(&self) -> f64 {
        lock(&self.shared.budget).rate()
    }
}

impl Shared {
    async fn answer(&self, parts: &Parts) -> Answer {
        if parts.uri.path() == "/health" {
            return web::answer(StatusCode::OK, "text/plain", "ok\n");
        }
        self.count(|counts| counts.asked += 1);
        let Some(done) = lock(&self.pace).book(Instant::now()) else {
            self.count(|counts| counts.turned_away += 1);
            return page(StatusCode::SERVICE_UNAVAILABLE, "Too many people");
        };
        sleep_until(done.into()).await;
        match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/" | "/login") => {
                self.count(|counts| counts.pages += 1);
                page(StatusCode::OK, "<form method=post><input name=user><input name=password></form>")
            }
            (&Method::POST, "/login") => self.sign_in(parts).await,
            _ => page(StatusCode::NOT_FOUND, "No such page"),
        }
    }

    async fn sign_in(&self, parts: &Parts) -> Answer {
        if !lock(&self.budget).take(Instant::now()) {
            self.count(|counts| counts.held_back += 1);
            return self.rejection("Sign-in is busy");
        }
        // The client's own limit is asked once a call; repetitions are free. That is the flaw.
        for _ in 0..self.settings.attempts {
            match self.call(parts).await {
                Ok(StatusCode::OK) => {
                    self.count(|counts| counts.signed_in += 1);
                    let session = self.sessions.fetch_add(1, Ordering::Relaxed);
                    let mut welcome = page(StatusCode::OK, "Welcome");
                    let cookie = HeaderValue::try_from(format!("session=s{session}; Path=/; HttpOnly"));
                    if let Ok(cookie) = cookie {
                        welcome.headers_mut().insert(SET_COOKIE, cookie);
                    }
                    return welcome;
                }
                Ok(StatusCode::TOO_MANY_REQUESTS) => {
                    self.count(|counts| counts.limited += 1);
                    lock(&self.budget).refused(Instant::now());
                }
                Ok(status) => {
                    tracing::debug!(%status, "the API");
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, "the API");
                    break;
                }
            }
        }
        self.count(|counts| counts.refused += 1);
        self.rejection("Sign-in is not possible just now")
    }

    /// Tells by which limit it went, as well-made services do: what its API client allows itself just now.
    fn rejection(&self, words: &str) -> Answer {
        let mut rejection = page(StatusCode::SERVICE_UNAVAILABLE, words);
        let policy = format!("\"api-client\";q={:.0};w=1", lock(&self.budget).rate());
        if let Ok(policy) = HeaderValue::try_from(policy) {
            rejection.headers_mut().insert("ratelimit-policy", policy);
        }
        rejection
    }

    async fn call(&self, parts: &Parts) -> io::Result<StatusCode> {
        let settings = &self.settings;
        let mut request = Request::post("/session").header(HOST, &settings.api_host);
        if let Some(token) = &settings.token {
            request = request.header(CALLER, token);
        }
        let passes = self.passes_client.load(Ordering::Relaxed);
        for name in ["traceparent", CLIENT] {
            if let (Some(value), true) = (parts.headers.get(name), passes || name != CLIENT) {
                request = request.header(name, value);
            }
        }
        let request = request.body(web::empty()).map_err(io::Error::other)?;
        let (status, _) = web::send(settings.api, Some(settings.from), request, CALL_MAX).await?;
        Ok(status)
    }

    fn count(&self, change: impl FnOnce(&mut FrontCounts)) {
        change(&mut lock(&self.counts));
    }
}

fn page(status: StatusCode, words: &str) -> Answer {
    web::answer(status, "text/html", format!("<!doctype html><title>Sign in</title><p>{words}\n"))
}
