//! Demand and work of each pool by the roll-ups of the edge.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use types::time::between;
use types::traffic::{PoolStatus, Rollup};
use types::{Config, PoolId, Time};

/// Length of the window: a half minute is steady enough for a decision, and short enough for a surge.
const WINDOW: Duration = Duration::from_secs(30);
/// Shortest part of it from which a mean is known.
const WINDOW_MIN: Duration = Duration::from_secs(10);

/// What one roll-up says about a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolWork {
    /// Requests that its servers got.
    pub served: u64,
    /// Requests that clients asked for and that would have reached a server with enough of them: served, shed, or held
    /// out by a valve. Refused by a rule or a limit of clients is no demand; a response from the cache is no work.
    pub asked: u64,
    /// Whether requests are refused or held out for want of capacity: less arrives than clients want.
    pub is_restricted: bool,
    /// Whether the edge limits the pool to fewer requests than the configuration allows, and sheds: its servers do all that
    /// they can.
    pub is_at_limit: bool,
    /// Servers that get requests.
    pub working: u32,
    /// All servers that the edge knows.
    pub all: u32,
}

/// What a roll-up says about each pool that the edge serves.
#[must_use]
pub fn works(config: &Config, rollup: &Rollup) -> BTreeMap<PoolId, PoolWork> {
    let mut works: BTreeMap<PoolId, PoolWork> = BTreeMap::new();
    for (id, traffic) in &rollup.services {
        let Some(declared) = config.traffic_of(id) else { continue };
        let Some(pool) = config.pools.get(&declared.pool) else { continue };
        let Some(seen) = rollup.pools.get(&declared.pool) else { continue };
        let work = works.entry(declared.pool.clone()).or_insert_with(|| of_pool(pool.max_concurrency, seen));
        work.served += traffic.passed;
        work.asked += traffic.passed + traffic.shed + traffic.held;
        work.is_restricted |= traffic.shed > 0 || traffic.held > 0;
        work.is_at_limit |= traffic.shed > 0 && is_limited(pool.max_concurrency, work.working, seen.limit);
    }
    works
}

fn of_pool(max_concurrency: u32, seen: &PoolStatus) -> PoolWork {
    let servers = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let working = servers(seen.servers.iter().filter(|server| server.state.serves()).count());
    let is_limited = is_limited(max_concurrency, working, seen.limit);
    let is_held_back = seen.throttled || seen.panic_mode || is_limited;
    PoolWork {
        // Where no server works, nobody stays to ask.
        is_restricted: is_held_back || working == 0,
        working,
        all: servers(seen.servers.len()),
        ..PoolWork::default()
    }
}

/// Whether the limit is a measured one: less than the configuration allows.
fn is_limited(max_concurrency: u32, working: u32, limit: u32) -> bool {
    limit > 0 && limit < max_concurrency.saturating_mul(working)
}

/// Means of the last half minute, in requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    pub(super) asked: f64,
    pub(super) served: f64,
}

/// Requests of one roll-up.
#[derive(Clone, Copy, Debug)]
struct Sum {
    at: Time,
    interval: Duration,
    asked: u64,
    served: u64,
}

/// The roll-ups of the last half minute.
#[derive(Debug, Default)]
pub(super) struct Window {
    rollups: VecDeque<Sum>,
    newest: PoolWork,
}

impl Window {
    pub(super) fn add(&mut self, now: Time, interval: Duration, work: &PoolWork) {
        self.rollups.push_back(Sum { at: now, interval, asked: work.asked, served: work.served });
        while self.rollups.front().is_some_and(|sum| between(sum.at, now) >= WINDOW) {
            self.rollups.pop_front();
        }
        self.newest = *work;
    }

    /// What the newest roll-up said.
    pub(super) fn newest(&self) -> &PoolWork {
        &self.newest
    }

    /// `None` while too little was seen.
    pub(super) fn mean(&self) -> Option<Mean> {
        let covered: Duration = self.rollups.iter().map(|sum| sum.interval).sum();
        if covered < WINDOW_MIN {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "requests of half a minute")]
        let mean = |count: u64| count as f64 / covered.as_secs_f64();
        let asked = self.rollups.iter().map(|sum| sum.asked).sum();
        let served = self.rollups.iter().map(|sum| sum.served).sum();
        Some(Mean { asked: mean(asked), served: mean(served) })
    }
}
