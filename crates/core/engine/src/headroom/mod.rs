//! How much of its knee does each pool and database use, at the daily peak and now, and how many servers are wanted?
//!
//! | module | has |
//! |---|---|
//! | `capacity` | the knee of each pool: by a load test, or by what servers answered under overload |
//! | `demand` | demand and work of each pool by the roll-ups of the last half minute |
//! | `peaks` | the highest half minute of each hour, from stored samples |
//! | `signal` | the scaling signal: how many servers are wanted, without flapping |
//! | `figures` | headroom as a view |
//!
//! Pure, as [`crate::effects`] is: a [`Task`] says which samples it needs, the binary reads them, and the peaks come back as
//! an observation. Everything here is since boot, except load tests, which are in the journal. What is not known is said
//! to be unknown, and never 0: an autoscaler would remove servers. `docs/concepts/headroom.md` has the method.

mod capacity;
mod demand;
mod figures;
mod peaks;
mod signal;
#[cfg(test)]
mod tests;

pub use demand::{PoolWork, works};
pub use peaks::Task;

use crate::Engine;
use crate::views::scaling::Scaling;
use demand::Window;
use peaks::Hours;
use signal::Wanted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use types::headroom::{Capacity, Unknown};
use types::time::between;
use types::traffic::Rollup;
use types::{Config, Headroom, Kind, LoadTest, PoolId, Resource, ServiceId, Time};

/// Metric of a pool: requests a second that its servers got.
pub const POOL_SERVED: &str = "served_requests";
/// Metric of a pool: requests a second of one server while the edge limited the pool; only then.
pub const POOL_AT_LIMIT: &str = "served_per_server_at_limit";

/// Time without a roll-up after which nothing is known about now.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// Subject of the series of a pool.
#[must_use]
pub fn pool_subject(pool: &PoolId) -> String {
    Resource::pool(&pool.0).to_string()
}

/// What is known of each pool that the edge serves, and of each database.
#[derive(Debug, Default)]
pub(crate) struct Headrooms {
    /// Services by their pool; pools that no service leads to are not there.
    served: BTreeMap<PoolId, BTreeSet<ServiceId>>,
    pools: BTreeMap<PoolId, PoolState>,
    hours: BTreeMap<Resource, Hours>,
    /// Time of the last roll-up.
    reported: Option<Time>,
    /// Load tests or the configuration changed.
    is_outdated: bool,
}

/// What is known of one pool.
#[derive(Debug)]
struct PoolState {
    capacity: Capacity,
    window: Window,
    wanted: Wanted,
}

impl Default for PoolState {
    fn default() -> Self {
        let capacity = Capacity::Unknown { why: Unknown::NoLoadTest };
        Self { capacity, window: Window::default(), wanted: Wanted::default() }
    }
}

impl Headrooms {
    pub(crate) fn new(config: &Config) -> Self {
        let mut fresh = Self::default();
        fresh.follow(config);
        fresh
    }

    /// Another configuration is in force.
    pub(crate) fn follow(&mut self, config: &Config) {
        self.served = served(config);
        self.pools.retain(|pool, _| self.served.contains_key(pool));
        for pool in self.served.keys() {
            self.pools.entry(pool.clone()).or_default();
        }
        let is_there = |resource: &Resource| match resource.kind {
            Kind::Pool => self.served.contains_key(&PoolId(resource.name.clone())),
            _ => config.databases.contains_key(&resource.name),
        };
        self.hours.retain(|resource, _| is_there(resource));
        self.is_outdated = true;
    }

    /// Load tests changed.
    pub(crate) fn tested(&mut self) {
        self.is_outdated = true;
    }

    /// Takes note of a roll-up.
    pub(crate) fn note(
        &mut self,
        now: Time,
        config: &Config,
        tests: &BTreeMap<String, LoadTest>,
        rollup: &Rollup,
    ) {
        self.refresh(tests);
        self.reported = Some(now);
        for (pool, work) in works(config, rollup) {
            let Some(state) = self.pools.get_mut(&pool) else { continue };
            state.window.add(now, rollup.interval, &work);
            let min_healthy = config.pools.get(&pool).and_then(|pool| pool.min_healthy);
            if let (Some(mean), Some(each)) = (state.window.mean(), state.capacity.per_server()) {
                state.wanted.judge(now, &signal::Seen { mean, each, work: &work, min_healthy });
            }
        }
    }

    /// Peaks were read from stored samples.
    pub(crate) fn read(
        &mut self,
        now: Time,
        resource: &Resource,
        hours: &[(Time, f64)],
        at_limit: &[(Time, f64)],
    ) {
        self.hours.entry(resource.clone()).or_default().add(now, hours, at_limit);
        self.is_outdated |= !at_limit.is_empty();
    }

    /// Computes the knee of each pool again, if something that it follows from has changed.
    fn refresh(&mut self, tests: &BTreeMap<String, LoadTest>) {
        if !std::mem::take(&mut self.is_outdated) {
            return;
        }
        for (pool, state) in &mut self.pools {
            let services = self.served.get(pool).into_iter().flatten();
            let at_limit = self.hours.get(&Resource::pool(&pool.0)).map(Hours::at_limit).unwrap_or_default();
            state.capacity = capacity::of(services, tests, at_limit);
        }
    }

    fn is_silent(&self, now: Time) -> bool {
        self.reported.is_none_or(|at| between(at, now) > SILENT_AFTER)
    }
}

/// Services that the edge serves, by their pool.
fn served(config: &Config) -> BTreeMap<PoolId, BTreeSet<ServiceId>> {
    let mut served: BTreeMap<PoolId, BTreeSet<ServiceId>> = BTreeMap::new();
    for id in config.services.keys() {
        if let Some(traffic) = config.traffic_of(id).filter(|it| config.pools.contains_key(&it.pool)) {
            served.entry(traffic.pool.clone()).or_default().insert(id.clone());
        }
    }
    served
}

/// Headroom of everything that has a knee: pools that the edge serves, then databases.
pub(crate) fn figures(engine: &Engine) -> Vec<Headroom> {
    figures::all(&engine.headroom, &engine.config, engine.clock)
}

/// The scaling signal of a pool; `None` when the edge does not serve it.
pub(crate) fn scaling(engine: &Engine, pool: &PoolId) -> Option<Scaling> {
    let known = &engine.headroom;
    Some(signal::scaling(known.pools.get(pool)?, known.is_silent(engine.clock)))
}

/// What is to be read from stored samples.
pub(crate) fn tasks(engine: &Engine) -> Vec<Task> {
    peaks::tasks(&engine.headroom.hours, &engine.headroom.served, &engine.config, engine.clock)
}

/// Concurrent requests at the knee of each pool whose load test is known and whose `initial_concurrency` is not declared.
pub(crate) fn initial_concurrency(
    config: &Arc<Config>,
    tests: &BTreeMap<String, LoadTest>,
) -> BTreeMap<PoolId, u32> {
    let of = |(pool, services): (PoolId, BTreeSet<ServiceId>)| {
        let declared = config.pools.get(&pool).filter(|pool| !pool.is_initial_declared)?;
        let initial = capacity::concurrency_at_knee(&capacity::of(&services, tests, Vec::new()), declared)?;
        (initial > declared.initial_concurrency).then_some((pool, initial))
    };
    served(config).into_iter().filter_map(of).collect()
}
