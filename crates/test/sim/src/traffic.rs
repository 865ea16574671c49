//! What the edge of the box counts: quiet seconds, floods, limits that fight, servers that are away.

use crate::world::{Outage, World};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use types::traffic::{CallerRefused, PoolStatus, Rollup, ServerState, ServerStatus, ServiceTraffic};
use types::{CallerId, PoolId, ServiceId, Time, time};

/// The services that the edge serves; each from a pool of its own name.
const SERVED: [&str; 2] = ["auth", "shop"];
/// Requests a second in quiet times, about.
const USUAL: u64 = 12;

impl World {
    /// What the edge counted in the `span` before `at`; `None` while the edge is away.
    #[must_use]
    pub fn rollup(&self, at: Time, span: Duration) -> Option<Rollup> {
        if self.now(at).any(|outage| *outage == Outage::Silent) {
            return None;
        }
        // The same second gives the same roll-up, also when asked again after a crash.
        let mut chance = Rng::with_seed(at.as_millisecond().unsigned_abs());
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let mut some = |a_second: u64| a_second * millis / 1_000 * chance.u64(80..=120) / 100;
        let mut services = BTreeMap::new();
        let mut pools = BTreeMap::new();
        for name in SERVED {
            let mut traffic = ServiceTraffic { requests: some(USUAL), ..ServiceTraffic::default() };
            let mut away = 0;
            for outage in self.now(at) {
                match outage {
                    Outage::Flood(flooded) if *flooded == name => {
                        let flood = some(USUAL * 300);
                        traffic.requests += flood;
                        traffic.shed += flood * 9 / 10;
                        traffic.subnets = vec![("203.0.113.0/24".to_owned(), 70), ("AS64500".to_owned(), 22)];
                    }
                    Outage::Fight if name == "auth" => {
                        let refused = CallerRefused {
                            count: some(USUAL).max(1),
                            trace: Some("4bf92f3577b34da6".to_owned()),
                            limits: vec!["per-address of auth".to_owned()],
                        };
                        traffic.server_429 += refused.count;
                        traffic.callers_refused.insert(CallerId("shop-web".to_owned()), refused);
                    }
                    Outage::Shrunk(pool) if *pool == name => away = 2,
                    Outage::Spare(pool) if *pool == name => away = 1,
                    _ => {}
                }
            }
            traffic.passed = traffic.requests - traffic.shed;
            services.insert(ServiceId(name.to_owned()), traffic);
            pools.insert(PoolId(name.to_owned()), pool(away));
        }
        let unknown_hosts = BTreeMap::from([("old.acme.app".to_owned(), 1), ("x.scan.test".to_owned(), 3)]);
        Some(Rollup { interval: span, services, pools, unknown_hosts, connections: 40, calls: Vec::new() })
    }
}

fn pool(away: usize) -> PoolStatus {
    let server = |number: usize| {
        let state = if number < away { ServerState::Down } else { ServerState::Serving };
        ServerStatus {
            address: format!("10.0.0.{}:80", number + 1),
            state,
            since: Duration::from_secs(30),
            why: (!state.serves()).then(|| "connection refused".to_owned()),
            inflight: 1,
            connections: 0,
            answered: 4,
            failed: 0,
            connects: Default::default(),
            latency: Duration::from_millis(12),
        }
    };
    PoolStatus { servers: (0..3).map(server).collect(), limit: 16, ..PoolStatus::default() }
}

/// How long a roll-up that ends at `now` spans, when one is due: the edge tells once a second, and what it could not
/// report while no process listened is lost.
#[must_use]
pub fn due(last: Option<Time>, now: Time) -> Option<Duration> {
    let second = Duration::from_secs(1);
    let span = last.map_or(second, |last| time::between(last, now));
    (span >= second).then(|| span.min(Duration::from_secs(3)))
}
