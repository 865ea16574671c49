//! The API: sessions, at a fixed rate of service, with a limit of its own for each client address.

use super::window::SlidingWindow;
use crate::pace::Pace;
use crate::tasks::lock;
use crate::web::{self, Answer, Peer, Server};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use jiff::Timestamp;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::sleep_until;
use types::time::between;

/// Source of the client address in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The first address in X-Forwarded-For, or the peer.
    ForwardedFirst,
    /// The last one, or the peer.
    ForwardedLast,
    /// The peer of the connection.
    Peer,
}

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Sessions processed concurrently.
    pub places: usize,
    /// Duration of each.
    pub each: Duration,
    /// Calls of one address within the window.
    pub most: u32,
    /// How long that window is.
    pub window: Duration,
    /// Source of the client address.
    pub client: Client,
}

impl Default for ApiSettings {
    /// 1,000 sessions a second; 25 calls a second of one address, over ten seconds.
    fn default() -> Self {
        Self {
            places: 20,
            each: Duration::from_millis(20),
            most: 250,
            window: Duration::from_secs(10),
            client: Client::ForwardedFirst,
        }
    }
}

/// The service `api`. Stops when dropped.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: Server,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApiCounts {
    /// Calls that came in.
    pub asked: u64,
    /// Sessions made or shown.
    pub served: u64,
    /// Calls refused with 429.
    pub limited: u64,
    /// Calls refused with 503 since the line was too long.
    pub turned_away: u64,
}

/// Longest gap within a run of rejections.
const RUN_GAP: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Shared {
    settings: ApiSettings,
    pace: Mutex<Pace>,
    window: Mutex<SlidingWindow>,
    lifted: AtomicBool,
    asked: AtomicU64,
    served: AtomicU64,
    limited: AtomicU64,
    turned_away: AtomicU64,
    /// Start and end of the latest run of 429 responses.
    run: Mutex<Option<(Timestamp, Timestamp)>>,
}

impl Api {
    /// Starts the server.
    ///
    /// # Errors
    /// When the listener is closed.
    pub fn start(listener: TcpListener, settings: ApiSettings) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let now = Instant::now();
        let shared = Arc::new(Shared {
            pace: Mutex::new(Pace::new(settings.places, settings.each, Duration::from_secs(5), now)),
            window: Mutex::new(SlidingWindow::new(settings.most, settings.window, now)),
            settings,
            lifted: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            served: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            run: Mutex::default(),
        });
        let of = Arc::clone(&shared);
        let handler = web::handler(move |parts, _| {
            let shared = Arc::clone(&of);
            async move { shared.answer(&parts).await }
        });
        Ok(Self { address, shared, _server: Server::start(listener, None, handler) })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Removes its limit.
    pub fn lift_limit(&self) {
        self.shared.lifted.store(true, Ordering::Relaxed);
    }

    /// Start of the latest run of 429 responses, at most five seconds apart.
    #[must_use]
    pub fn rejecting_since(&self) -> Option<Timestamp> {
        lock(&self.shared.run).map(|(began, _)| began)
    }

    /// Counters since the start.
    #[must_use]
    pub fn counts(&self) -> ApiCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ApiCounts {
            asked: read(&self.shared.asked),
            served: read(&self.shared.served),
            limited: read(&self.shared.limited),
            turned_away: read(&self.shared.turned_away),
        }
    }
}

impl Shared {
    async fn answer(&self, parts: &Parts) -> Answer {
        if parts.uri.path() == "/health" {
            return web::answer(StatusCode::OK, "text/plain", "ok\n");
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let peer =
            parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let client = client_of(self.settings.client, &parts.headers, peer);
        let now = Instant::now();
        let within = lock(&self.window).count(client, now);
        if !within && !self.lifted.load(Ordering::Relaxed) {
            self.limited.fetch_add(1, Ordering::Relaxed);
            let now = Timestamp::now();
            let mut run = lock(&self.run);
            let began = run.filter(|(_, last)| between(*last, now) < RUN_GAP).map_or(now, |(began, _)| began);
            *run = Some((began, now));
            drop(run);
            return self.limit();
        }
        let Some(done) = lock(&self.pace).book(now) else {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return web::answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "the line is too long\n");
        };
        sleep_until(done.into()).await;
        self.served.fetch_add(1, Ordering::Relaxed);
        web::answer(StatusCode::OK, "application/json", "{\"session\":\"new\"}")
    }

    fn limit(&self) -> Answer {
        let secs = self.settings.window.as_secs();
        let mut rejection =
            web::answer(StatusCode::TOO_MANY_REQUESTS, "text/plain", "too many calls of this address\n");
        let headers = rejection.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        // draft-ietf-httpapi-ratelimit-headers: quota and window of the policy, what remains.
        let policy = format!("\"per-address\";q={};w={secs}", self.settings.most);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", "\"per-address\";r=0".to_owned())] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        rejection
    }
}

/// Like most services in a private network, the API trusts X-Forwarded-For.
fn client_of(who: Client, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let forwarded = || headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let address = |text: &str| text.trim().parse().ok();
    let said = match who {
        Client::Peer => None,
        Client::ForwardedFirst => forwarded().next().and_then(|all| all.split(',').next()).and_then(address),
        Client::ForwardedLast => {
            forwarded().next_back().and_then(|all| all.split(',').next_back()).and_then(address)
        }
    };
    said.unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_address_follows_the_setting() {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut headers = HeaderMap::new();
        let check = |who, headers: &HeaderMap| client_of(who, headers, peer).to_string();
        assert_eq!(check(Client::ForwardedFirst, &headers), "127.0.0.1");
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.1, 10.0.0.2"));
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.3"));
        assert_eq!(check(Client::ForwardedFirst, &headers), "10.0.0.1");
        assert_eq!(check(Client::ForwardedLast, &headers), "10.0.0.3");
        assert_eq!(check(Client::Peer, &headers), "127.0.0.1");
        headers.insert("x-forwarded-for", HeaderValue::from_static("unknown"));
        assert_eq!(check(Client::ForwardedFirst, &headers), "127.0.0.1");
    }
}
