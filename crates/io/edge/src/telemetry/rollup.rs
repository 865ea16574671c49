//! The counts of all threads together: once a second for the engine, on demand as OpenMetrics text.

use super::counters::{Counters, RouteCounters, ServerCounters};
use super::distinct::Recent;
use super::names::{Names, RouteKey};
use super::{Telemetry, lock, recorder, trace};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use types::trace::Verdict;
use types::traffic::{
    Asked, CacheTraffic, CallSide, CallTraffic, CallerRefused, OpensStatus, PoolStatus, ServiceTraffic,
};
use types::{PoolId, Rollup, ServiceId};

/// Counts since the process began, and what is usual.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) all: Counters,
    /// The counts of the last second, for their memory.
    spare: Vec<Counters>,
    /// By route: the 99th percentile of the latencies, smoothed over about a minute, in microseconds.
    p99: Vec<f64>,
    pub(super) pools: BTreeMap<PoolId, PoolStatus>,
    /// Opens of each pool since the process began; only counts.
    pub(super) opens: BTreeMap<PoolId, OpensStatus>,
    pub(super) connections: u64,
    /// By service: clients of the last minutes.
    recent: BTreeMap<ServiceId, Recent>,
    complained: Option<Instant>,
}

/// Interval of warnings about dropped access log lines.
const COMPLAINS: Duration = Duration::from_secs(10);
/// Calls in a roll-up: servers and callers of all services together.
const CALLS_MAX: usize = 512;
/// Names of strangers in a roll-up.
const UNKNOWN_HOSTS_MAX: usize = 10;

/// A request is slow when it takes this many times the 99th percentile ...
const SLOW_TIMES: f64 = 3.0;
/// ... but not below this many microseconds, and always beyond that many.
const SLOW_US: (f64, f64) = (5_000.0, 10_000_000.0);
/// The weight of a new 99th percentile in the smoothed one.
const P99_NEW: f64 = 0.05;
/// The least number of latencies in a second for a meaningful 99th percentile.
const P99_COUNT_MIN: u64 = 20;

impl Telemetry {
    /// Returns the counters of the last `interval`; to be called once a second. `services` are those of the policy
    /// in force, `pools` their current status.
    #[must_use]
    pub fn roll_up<'a>(
        &self,
        interval: Duration,
        services: impl IntoIterator<Item = &'a ServiceId>,
        pools: BTreeMap<PoolId, PoolStatus>,
        connections: u64,
    ) -> Rollup {
        let totals = &mut *lock(&self.totals);
        self.complain(totals);
        let mut rollup = Rollup { interval, connections, ..Rollup::default() };
        rollup
            .services
            .extend(services.into_iter().map(|service| (service.clone(), ServiceTraffic::default())));
        let second = self.collect(totals);
        let mut by_service: BTreeMap<ServiceId, RouteCounters> = BTreeMap::new();
        for (service, _, counters) in named(&second, &self.shared.names) {
            let all = by_service.entry(service).or_default();
            all.add(counters);
            all.add_tops(counters);
        }
        for service in by_service.keys() {
            rollup.services.entry(service.clone()).or_default();
        }
        totals.recent.retain(|service, _| rollup.services.contains_key(service));
        for (service, traffic) in &mut rollup.services {
            let counters = by_service.get(service);
            let clients =
                counters.and_then(|counters| counters.top_lists.as_ref()).map(|lists| &lists.distinct);
            let recent = totals.recent.entry(service.clone()).or_default();
            let distinct_clients = recent.add(interval, clients);
            let counted = counters.map(|counters| self.traffic(counters)).unwrap_or_default();
            *traffic = ServiceTraffic { distinct_clients, ..counted };
        }
        rollup.calls = self.calls(&second, &pools);
        let strangers = second.unknown_hosts.first(UNKNOWN_HOSTS_MAX).into_iter();
        rollup.unknown_hosts = strangers
            .map(|(name, count)| (name.to_string(), count))
            .filter(|(_, count)| *count > 0)
            .collect();
        totals.spare.push(second);
        for (pool, status) in &pools {
            let total = totals.opens.entry(pool.clone()).or_default();
            total.admitted += status.opens.admitted;
            total.held += status.opens.held;
            total.refused += status.opens.refused;
        }
        totals.pools.clone_from(&pools);
        totals.connections = connections;
        rollup.pools = pools;
        rollup
    }

    /// Calls of a second as their callers see them. The only server of a pool has the same figures as its service.
    fn calls(&self, second: &Counters, pools: &BTreeMap<PoolId, PoolStatus>) -> Vec<CallTraffic> {
        let names = &self.shared.names;
        let has_several = |pool: &PoolId| pools.get(pool).is_some_and(|pool| pool.servers.len() > 1);
        let servers = second.servers.iter().filter_map(|((route, server), counters)| {
            let (service, _) = names.of_route(*route).filter(|(_, pool)| has_several(pool))?;
            Some(call(service, CallSide::Server(server.to_string()), counters))
        });
        let callers = second.calls.iter().filter_map(|((route, caller), counters)| {
            let (service, _) = names.of_route(*route)?;
            Some(call(service, CallSide::Caller(names.of_caller(*caller)?), counters))
        });
        callers.chain(servers).take(CALLS_MAX).collect()
    }

    /// Warns that access log lines were dropped. The writer itself cannot: it is blocked when the reader is.
    fn complain(&self, totals: &mut Totals) {
        if totals.complained.is_none_or(|at| at.elapsed() >= COMPLAINS) {
            let lines = self.shared.access_lines.news();
            if lines > 0 {
                tracing::warn!(lines, "access log lines were dropped: their reader is too slow or gone");
                totals.complained = Some(Instant::now());
            }
        }
    }

    /// Takes the counters of every thread, adds them up, and sets the latency from which on a request is slow.
    fn collect(&self, totals: &mut Totals) -> Counters {
        let mut second = totals.spare.pop().unwrap_or_default();
        second.clear();
        let slow: Vec<u32> = totals.p99.iter().map(|p99| slow(*p99)).collect();
        for recorder in &self.threads {
            let mut counted = totals.spare.pop().unwrap_or_default();
            counted.clear();
            let slow = slow.clone();
            let old = {
                let mut state = recorder.open();
                std::mem::swap(&mut state.counters, &mut counted);
                std::mem::replace(&mut state.slow, slow)
            };
            drop(old);
            second.add_thread(&counted);
            totals.spare.push(counted);
        }
        totals.all.add(&second);
        totals.p99.resize(totals.p99.len().max(second.routes.len()), 0.0);
        for (p99, route) in totals.p99.iter_mut().zip(&second.routes) {
            if route.latency.count() >= P99_COUNT_MIN {
                let new = route.latency.quantile(0.99).as_micros() as f64;
                *p99 = if *p99 == 0.0 { new } else { *p99 + (new - *p99) * P99_NEW };
            }
        }
        second
    }

    fn traffic(&self, counters: &RouteCounters) -> ServiceTraffic {
        let verdict = |verdict: Verdict| counters.verdicts[verdict as usize];
        let asked = |who: usize| Asked { asked: counters.asked[who].0, served: counters.asked[who].1 };
        let callers = counters.callers.iter().filter_map(|refused| {
            let caller = self.shared.names.of_caller(refused.caller)?;
            // Of the latest traces the one with the most limits; of equal ones, the last.
            let shown = refused
                .examples
                .iter()
                .map(|id| (self.limits(*id), id))
                .max_by_key(|(limits, _)| limits.len());
            let (limits, id) = shown.unzip();
            let limits = limits.unwrap_or_default();
            Some((caller, CallerRefused { count: refused.count, trace: id.map(ToString::to_string), limits }))
        });
        ServiceTraffic {
            requests: counters.requests,
            passed: verdict(Verdict::Passed) + verdict(Verdict::Failed),
            recognized: asked(0),
            first: asked(1),
            callers: asked(2),
            denied: verdict(Verdict::Denied),
            limited: counters.limited.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
            shed: verdict(Verdict::Shed),
            server_429: counters.server_429,
            failed: counters.failed,
            p50: counters.latency.quantile(0.5),
            p99: counters.latency.quantile(0.99),
            subnets: counters.top_lists.as_ref().map(|top_lists| top_lists.subnets()).unwrap_or_default(),
            clients: counters.top_lists.as_ref().map(|top_lists| top_lists.clients()).unwrap_or_default(),
            paths: counters.top_lists.as_ref().map(|top_lists| top_lists.paths()).unwrap_or_default(),
            callers_refused: callers.collect(),
            held: verdict(Verdict::Held),
            cache: cache(counters.cache),
            opens: counters.opens.0,
            opens_refused: counters.opens.1,
            distinct_clients: 0,
        }
    }

    /// The limits that a trace shows, outermost first.
    fn limits(&self, id: super::TraceId) -> Vec<String> {
        let mut all = Vec::new();
        for seen in self.find(id) {
            let service = self.shared.names.of_route(seen.route).map(|(service, _)| service.0);
            if let Some(limit) = seen.limit {
                let words = trace::rule(&seen, &limit, service.as_deref());
                if !all.contains(&words) {
                    all.push(words);
                }
            }
        }
        all
    }
}

fn call(service: ServiceId, side: CallSide, counters: &ServerCounters) -> CallTraffic {
    CallTraffic {
        service,
        side,
        requests: counters.answered + counters.failed,
        failed: counters.failed,
        p50: counters.latency.quantile(0.5),
    }
}

fn cache([hit, miss, stale, revalidated, coalesced]: [u64; 5]) -> CacheTraffic {
    CacheTraffic { hit, miss, stale, revalidated, coalesced }
}

fn slow(p99: f64) -> u32 {
    if p99 == 0.0 { recorder::SLOW_UNKNOWN_US } else { (p99 * SLOW_TIMES).clamp(SLOW_US.0, SLOW_US.1) as u32 }
}

/// Returns the routes with requests.
pub(super) fn named<'a>(
    counters: &'a Counters,
    names: &Names,
) -> impl Iterator<Item = (ServiceId, PoolId, &'a RouteCounters)> {
    counters.routes.iter().enumerate().filter_map(|(at, counters)| {
        let (service, pool) = names.of_route(RouteKey(u16::try_from(at).ok()?))?;
        (counters.requests > 0 || counters.sent > 0).then_some((service, pool, counters))
    })
}
