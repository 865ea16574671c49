//! A small steady load of visitors, known and new.
//!
//! A known visitor comes with a resolver that has the names in its cache; a first-time visitor with one that remembers
//! nothing. Both are served only by a page with a certificate that a browser accepts.

use crate::names::Resolver;
use crate::tasks::Tasks;
use crate::web;
use drill::score::{Served, Visitors};
use hickory_proto::rr::Name;
use hyper::StatusCode;
use rustls::ClientConfig;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How long a visitor waits before going away.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the service says; a parking page says something else.
pub(crate) const OK: &str = "ok\n";

/// One name that visitors come to.
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
    known: [AtomicU64; 2],
    first: [AtomicU64; 2],
}

impl Load {
    /// Begins: each `every`, one known and one first-time visitor come to the next destination.
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

    /// Counts from now on: the fault has come.
    pub fn count(&self) {
        self.counts.counting.store(true, Ordering::Relaxed);
    }

    /// How they fared since [`Load::count`].
    #[must_use]
    pub fn counts(&self) -> Visitors {
        let read = |[asked, served]: &[AtomicU64; 2]| Served {
            asked: Some(asked.load(Ordering::Relaxed)),
            served: Some(served.load(Ordering::Relaxed)),
        };
        Visitors { known: read(&self.counts.known), first: read(&self.counts.first) }
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
    // A machine too busy for its visitors gets fewer of them, not all of them at once afterwards.
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for destination in destinations.iter().cycle() {
        turn.tick().await;
        for known in [true, false] {
            let counting = counts.counting.load(Ordering::Relaxed);
            let served = visit(&resolver, destination, known, port, &tls).await;
            if counting {
                let count = if known { &counts.known } else { &counts.first };
                count[0].fetch_add(1, Ordering::Relaxed);
                count[1].fetch_add(u64::from(served), Ordering::Relaxed);
            }
        }
    }
}

/// One visit: look the name up, connect, check the certificate, read the page.
async fn visit(
    resolver: &Resolver,
    to: &Destination,
    known: bool,
    port: u16,
    tls: &Arc<ClientConfig>,
) -> bool {
    let found =
        if known { resolver.look_up(&to.name).await } else { resolver.look_up_afresh(&to.name).await };
    let Some(address) = found else { return false };
    let got = web::get(SocketAddrV4::new(address, port), &to.host, tls, PATIENCE).await;
    matches!(got, Ok((StatusCode::OK, body)) if body == OK)
}
