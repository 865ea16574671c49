//! A small steady load of clients, recognized and first-time.
//!
//! A recognized client uses a resolver with the names in its cache; a first-time client one with an empty cache. A
//! request counts as served only with the right page and a certificate that a browser accepts.

use crate::names::Resolver;
use crate::tasks::Tasks;
use crate::web;
use drill::score::{Clients, Served};
use hickory_proto::rr::Name;
use hyper::StatusCode;
use rustls::ClientConfig;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Body of the page of the service, which differs from the parking page.
pub(crate) const OK: &str = "ok\n";

/// A host that clients send requests to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// As a browser shows it.
    pub host: String,
    /// The same for DNS.
    pub name: Name,
}

/// The load. Stops when dropped.
#[derive(Debug)]
pub struct Load {
    counts: Arc<Counts>,
    _tasks: Tasks,
}

#[derive(Debug, Default)]
struct Counts {
    counting: AtomicBool,
    recognized: [AtomicU64; 2],
    first: [AtomicU64; 2],
}

impl Load {
    /// Starts: at each interval, one recognized and one first-time client send a request to the next destination.
    #[must_use]
    pub fn start(
        every: Duration,
        destinations: Vec<Destination>,
        port: u16,
        resolver: Arc<Resolver>,
        tls: Arc<ClientConfig>,
    ) -> Self {
        let counts = Arc::new(Counts::default());
        let mut tasks = Tasks::default();
        tasks.spawn(visit_on(every, destinations, port, resolver, tls, Arc::clone(&counts)));
        Self { counts, _tasks: tasks }
    }

    /// Starts counting; called at the fault.
    pub fn count(&self) {
        self.counts.counting.store(true, Ordering::Relaxed);
    }

    /// Counts since [`Load::count`].
    #[must_use]
    pub fn counts(&self) -> Clients {
        let read = |[asked, served]: &[AtomicU64; 2]| Served {
            asked: Some(asked.load(Ordering::Relaxed)),
            served: Some(served.load(Ordering::Relaxed)),
        };
        Clients { recognized: read(&self.counts.recognized), first: read(&self.counts.first) }
    }
}

async fn visit_on(
    every: Duration,
    destinations: Vec<Destination>,
    port: u16,
    resolver: Arc<Resolver>,
    tls: Arc<ClientConfig>,
    counts: Arc<Counts>,
) {
    let mut turn = tokio::time::interval(every.max(Duration::from_millis(10)));
    // A busy machine gets fewer clients, and no burst afterwards.
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for destination in destinations.iter().cycle() {
        turn.tick().await;
        for recognized in [true, false] {
            let counting = counts.counting.load(Ordering::Relaxed);
            let served = visit(&resolver, destination, recognized, port, &tls).await;
            if counting {
                let count = if recognized { &counts.recognized } else { &counts.first };
                count[0].fetch_add(1, Ordering::Relaxed);
                count[1].fetch_add(u64::from(served), Ordering::Relaxed);
            }
        }
    }
}

/// One request: resolves the name, connects, checks the certificate, compares the page.
async fn visit(
    resolver: &Resolver,
    to: &Destination,
    recognized: bool,
    port: u16,
    tls: &Arc<ClientConfig>,
) -> bool {
    let found =
        if recognized { resolver.look_up(&to.name).await } else { resolver.look_up_uncached(&to.name).await };
    let Some(address) = found else { return false };
    let got = web::get(SocketAddrV4::new(address, port), &to.host, tls, TIMEOUT).await;
    matches!(got, Ok((StatusCode::OK, body)) if body == OK)
}
