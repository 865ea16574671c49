//! The scaling signal: how many servers a pool needs so that its utilization is at most the target.
//!
//! More servers are wanted immediately, fewer only after the highest need of five minutes was lower, with a margin: an
//! autoscaler that follows it does not flap. While requests are refused or held out, the number never falls, because then
//! what arrives is no measure of what is wanted.

use super::PoolState;
use super::demand::{Mean, PoolWork};
use crate::views::scaling::{Scaling, Signal};
use std::collections::VecDeque;
use std::time::Duration;
use types::Time;
use types::headroom::{UTILIZATION_TARGET, Unknown};
use types::time::between;

/// Utilization up to which fewer servers must be able to do the work, before fewer are wanted.
const UTILIZATION_LESS: f64 = 0.60;
/// Time over which the highest need counts before fewer are wanted.
const CALM_FOR: Duration = Duration::from_secs(300);
/// Interval at which needs are kept for that.
const KEPT_EVERY: Duration = Duration::from_secs(10);
/// At most this many times the known servers are wanted: when those are there, more is known about the demand. A flood of a
/// thousand times the usual traffic must not order a thousand times the servers.
const GROWTH_MAX: u32 = 2;

/// How many servers are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    servers: Option<u32>,
    /// Needs since there was no restriction, at most of [`CALM_FOR`].
    recent: VecDeque<(Time, u32)>,
    /// Since when needs are kept without an interruption.
    calm_since: Option<Time>,
}

/// What is judged.
pub(super) struct Seen<'a> {
    pub(super) mean: Mean,
    /// The knee of one server.
    pub(super) each: f64,
    pub(super) work: &'a PoolWork,
    pub(super) min_healthy: Option<u32>,
}

impl Seen<'_> {
    /// Servers with which the utilization is `utilization` at most.
    fn servers(&self, utilization: f64) -> u32 {
        let servers = (self.mean.asked / (self.each * utilization).max(f64::MIN_POSITIVE)).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let servers = servers as u32;
        servers.min(self.work.all.max(1).saturating_mul(GROWTH_MAX)).max(self.min_healthy.unwrap_or(1).max(1))
    }
}

impl Wanted {
    pub(super) fn judge(&mut self, now: Time, seen: &Seen<'_>) {
        let (more, less) = (seen.servers(UTILIZATION_TARGET), seen.servers(UTILIZATION_LESS));
        if seen.work.is_restricted {
            self.recent.clear();
            self.calm_since = None;
        } else {
            self.keep(now, less);
        }
        if self.servers.is_none() && seen.work.all == 0 {
            // Their names are not resolved yet: how many there are is not known.
            return;
        }
        // Before anything is known of the demand, the present servers are the best guess.
        let before = self.servers.unwrap_or(seen.work.all);
        let is_calm = self.calm_since.is_some_and(|since| between(since, now) >= CALM_FOR);
        let highest = self.recent.iter().map(|(_, need)| *need).max();
        let fewer = highest.filter(|_| is_calm).map_or(before, |highest| highest.min(before));
        self.servers = Some(more.max(fewer));
    }

    fn keep(&mut self, now: Time, need: u32) {
        self.calm_since.get_or_insert(now);
        match self.recent.back_mut() {
            Some((at, known)) if between(*at, now) < KEPT_EVERY => *known = need.max(*known),
            _ => self.recent.push_back((now, need)),
        }
        while self.recent.front().is_some_and(|(at, _)| between(*at, now) > CALM_FOR) {
            self.recent.pop_front();
        }
    }
}

/// The signal of a pool now.
pub(super) fn scaling(pool: &PoolState, is_silent: bool) -> Scaling {
    let Some(each) = pool.capacity.per_server() else {
        let why = match &pool.capacity {
            types::headroom::Capacity::Unknown { why } => why.clone(),
            _ => Unknown::NoLoadTest,
        };
        return Scaling::Unknown(why);
    };
    let (Some(mean), Some(desired_servers), false) = (pool.window.mean(), pool.wanted.servers, is_silent)
    else {
        return Scaling::Unknown(Unknown::NoReport);
    };
    let work = pool.window.newest();
    let knee = each * f64::from(work.working);
    Scaling::Signal(Signal {
        desired_servers,
        working_servers: work.working,
        utilization_ratio: (knee > 0.0).then(|| mean.asked / knee),
        target_ratio: UTILIZATION_TARGET,
        demand_per_second: mean.asked,
        knee_per_server: each,
        is_estimate: matches!(pool.capacity, types::headroom::Capacity::Estimate { .. }),
        is_restricted: work.is_restricted,
    })
}
