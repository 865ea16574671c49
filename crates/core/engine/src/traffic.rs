//! The last quarter of an hour of traffic, for the console. Since boot only; bounded.

use crate::views::traffic::{POINT, POINTS_MAX, Point, PoolNow, ServiceNow, Traffic, ValveNow};
use crate::{Engine, headroom};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use types::time::between;
use types::traffic::{CallTraffic, ServiceTraffic};
use types::{Alert, PoolId, Resource, Rollup, ServiceId, Time};

/// Time without a roll-up after which the figures are outdated.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// What the edge told since boot.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    newest: Option<(Time, Rollup)>,
    series: BTreeMap<ServiceId, VecDeque<Point>>,
}

impl Shown {
    /// Takes note of a roll-up that came in at `now`.
    pub(crate) fn note(&mut self, now: Time, rollup: &Rollup) {
        self.series.retain(|id, _| rollup.services.contains_key(id));
        for (id, traffic) in &rollup.services {
            let series = self.series.entry(id.clone()).or_default();
            match series.back_mut() {
                Some(point) if between(point.at, now) < POINT => point.add(rollup.interval, traffic),
                _ => {
                    if series.len() >= POINTS_MAX {
                        series.pop_front();
                    }
                    let mut point = Point { at: now, ..Point::default() };
                    point.add(rollup.interval, traffic);
                    series.push_back(point);
                }
            }
        }
        self.newest = Some((now, rollup.clone()));
    }
}

impl Shown {
    /// Calls of the newest roll-up.
    pub(crate) fn calls(&self) -> &[CallTraffic] {
        self.newest.as_ref().map_or(&[], |(_, rollup)| &rollup.calls)
    }
}

impl Point {
    fn add(&mut self, span: Duration, traffic: &ServiceTraffic) {
        let limited: u64 = traffic.limited.values().sum();
        self.window += span;
        self.requests += traffic.requests;
        self.refused += traffic.denied + traffic.shed + traffic.held + limited;
        self.failed += traffic.failed;
        self.p99 = self.p99.max(traffic.p99);
    }
}

/// The page, where the configuration declares an edge.
pub(crate) fn view(engine: &Engine) -> Option<Traffic> {
    engine.config.edge.as_ref()?;
    let newest = engine.shown.newest.as_ref();
    let reported = newest.map(|(at, _)| *at);
    let guarded =
        || engine.config.services.values().filter_map(|service| Some((service, service.traffic.as_ref()?)));
    let services = guarded().map(|(service, guard)| ServiceNow {
        id: service.id.0.clone(),
        title: service.title.clone(),
        pool: guard.pool.0.clone(),
        now: newest.and_then(|(_, rollup)| rollup.services.get(&service.id)).cloned(),
        window: newest.map_or(Duration::ZERO, |(_, rollup)| rollup.interval),
        usual_milli: engine.detect.usual_milli(&service.id),
        series: engine.shown.series.get(&service.id).into_iter().flatten().copied().collect(),
        alerts: alerts(engine, &Resource::service(&service.id.0)),
        valve: engine.valves.not_open().get(&service.id).map(|valve| ValveNow {
            valve: valve.clone(),
            obstacle: engine.valves.obstacle(&service.id).cloned(),
        }),
        is_cached: !guard.cache.is_empty(),
    });
    let titles = |id: &PoolId| {
        let of = guarded().filter(|(_, guard)| guard.pool == *id);
        of.map(|(service, _)| service.title.clone()).collect()
    };
    let pools = engine.config.pools.values().map(|pool| PoolNow {
        id: pool.id.0.clone(),
        min_healthy: pool.min_healthy,
        services: titles(&pool.id),
        seen: newest.and_then(|(_, rollup)| rollup.pools.get(&pool.id)).cloned(),
        alerts: alerts(engine, &Resource::pool(&pool.id.0)),
        scaling: headroom::scaling(engine, &pool.id),
    });
    let unknown_hosts = newest.into_iter().flat_map(|(_, rollup)| &rollup.unknown_hosts);
    Some(Traffic {
        at: engine.clock,
        reported,
        silent: reported.is_none_or(|at| between(at, engine.clock) > SILENT_AFTER),
        connections: newest.map_or(0, |(_, rollup)| rollup.connections),
        services: services.collect(),
        pools: pools.collect(),
        unknown_hosts: unknown_hosts.map(|(name, count)| (name.clone(), *count)).collect(),
        denials: engine.denials.in_force().values().cloned().collect(),
    })
}

fn alerts(engine: &Engine, about: &Resource) -> Vec<Alert> {
    engine.detect.alerts().values().filter(|alert| alert.about == *about).cloned().collect()
}
