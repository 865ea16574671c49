//! Roll-ups of the edge: what is counted per service and per pool, and what follows.
//!
//! | module | holds |
//! |---|---|
//! | `flow` | the last seconds of a service's traffic |
//! | `latency` | the latency of a service |
//! | `usual` | the usual traffic of a service |
//! | `surge` | far more traffic than usual, and whether clients are affected |
//! | `limit_conflict` | a service that rate-limits one of its own callers |
//! | `pool` | too few healthy servers, wrong certificates |
//! | `retries` | the usual clients repeat requests that fail |
//! | `crash_loop` | servers that end and are started again, and again |
//! | `storm` | clients that reconnect faster than servers take them |
//! | `unknown_host` | hosts that clients request and that are not configured |

pub(crate) mod crash_loop;
pub(crate) mod flow;
pub(crate) mod latency;
pub(crate) mod limit_conflict;
pub(crate) mod pool;
pub(crate) mod retries;
pub(crate) mod storm;
pub(crate) mod surge;
pub(crate) mod unknown_host;
pub(crate) mod usual;

use std::collections::BTreeMap;
use std::time::Duration;
use types::{Alert, AlertId, CallerId, Config, Fault, Kind, PoolId, ProbeId, Resource, ServiceId, Time};

/// Clients are refused when this many requests within this time, and this share of them in per cent, were shed or failed.
const REFUSES_MIN: u64 = 5;
const REFUSES_PERCENT: u64 = 5;
const REFUSES_IN: Duration = Duration::from_secs(10);

/// Counters of the edge's roll-ups since boot.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Time since which roll-ups are expected.
    pub(crate) expected_since: Option<Time>,
    pub(crate) last_rollup: Option<Time>,
    pub(crate) services: BTreeMap<ServiceId, Service>,
    pub(crate) pools: BTreeMap<PoolId, pool::Pool>,
    pub(crate) unknown_hosts: unknown_host::UnknownHosts,
    /// Time of the last update of each open alert.
    pub(crate) changed_at: BTreeMap<AlertId, Time>,
}

/// Counters of one service.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) flow: flow::Flow,
    pub(crate) latency: latency::Latency,
    pub(crate) usual: usual::Usual,
    pub(crate) surge: surge::Surge,
    pub(crate) conflict: limit_conflict::LimitConflict,
    pub(crate) retries: retries::Retries,
}

impl Traffic {
    /// Follows a changed configuration.
    pub(crate) fn follow(&mut self, config: &Config, now: Time) {
        self.expected_since = config.edge.as_ref().map(|_| self.expected_since.unwrap_or(now));
        self.services.retain(|id, _| config.traffic_of(id).is_some());
        self.pools.retain(|id, _| config.pools.contains_key(id));
    }

    /// Whether clients of a pool's services are refused, or their requests fail: a share of the last ten seconds, opens
    /// excepted, since those wait for their turn.
    pub(crate) fn refuses(&self, config: &Config, pool: &PoolId) -> bool {
        let uses = |id: &ServiceId| config.traffic_of(id).is_some_and(|traffic| traffic.pool == *pool);
        let sums =
            self.services.iter().filter(|(id, _)| uses(id)).map(|(_, known)| known.flow.sum(REFUSES_IN));
        let (asked, unserved) =
            sums.fold((0, 0), |(asked, unserved), sum| (asked + sum.requests, unserved + sum.unserved()));
        unserved >= REFUSES_MIN && unserved.saturating_mul(100) >= asked.saturating_mul(REFUSES_PERCENT)
    }

    /// Whether the probe id of an alert of the edge is that of a service with roll-ups.
    pub(crate) fn serves(&self, id: &ProbeId) -> bool {
        id.0.strip_prefix("edge.").is_some_and(|name| self.services.contains_key(&ServiceId::from(name)))
    }

    /// Time of the last roll-up, or of the configuration of the edge when that is later.
    pub(crate) fn silent_since(&self) -> Option<Time> {
        self.last_rollup.max(self.expected_since)
    }
}

/// The edge itself as a resource.
pub(crate) fn edge_resource() -> Resource {
    Resource::new(Kind::Mainstay, "edge")
}

/// Whether the subject of an alert of the edge is still configured.
pub(crate) fn is_still_configured(config: &Config, alert: &Alert) -> bool {
    let name = &alert.about.name;
    let is_served = || config.traffic_of(&ServiceId(name.clone())).is_some();
    let is_configured = match &alert.fault {
        Fault::Surge { .. }
        | Fault::RetryStorm { .. }
        | Fault::SlowerThanUsual { .. }
        | Fault::Creeping { .. } => is_served(),
        Fault::LimitConflict { caller, .. } => {
            let caller = CallerId(caller.clone());
            is_served() && config.callers.contains_key(&caller)
        }
        Fault::PoolBelowMinimum { .. } | Fault::ReconnectStorm { .. } | Fault::CrashLoop { .. } => {
            config.pools.contains_key(&PoolId(name.clone()))
        }
        Fault::PoolShrunken { .. } => {
            config.pools.get(&PoolId(name.clone())).is_some_and(|pool| pool.min_healthy.is_none())
        }
        Fault::ServerCertificate { expected, .. } => config
            .pools
            .get(&PoolId(name.clone()))
            .is_some_and(|pool| pool.tls.as_ref().is_none_or(|tls| tls == expected)),
        Fault::Unmonitored => !config.graph.contains(&alert.about),
        _ => true,
    };
    config.edge.is_some() && is_configured
}

/// A count for display: negative numbers are 0, too large ones saturate.
fn bounded_u32(number: f64) -> u32 {
    number.max(0.0) as u32
}

/// Whether an open alert should be updated with a new fault.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    match now {
        Fault::Surge { .. } => surge::is_news(was, now),
        Fault::LimitConflict { .. } => limit_conflict::is_news(was, now),
        Fault::ReconnectStorm { .. } => storm::is_news(was, now),
        Fault::RetryStorm { .. } => retries::is_news(was, now),
        Fault::CrashLoop { .. } => crash_loop::is_news(was, now),
        _ => pool::is_news(was, now),
    }
}
