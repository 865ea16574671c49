//! The knee of a pool: by the newest load test of a service that it serves, otherwise by what its servers answered under
//! overload.

use std::collections::BTreeMap;
use types::config::Pool;
use types::headroom::{Capacity, Unknown};
use types::{LoadTest, ServiceId};

/// Fewest samples under overload of which the median is an estimate: half a minute.
const AT_LIMIT_MIN: usize = 3;

/// The knee of one server of a pool. Where several of its services have a load test, the lowest: requests of one service cost
/// more than those of another, and the mix is not known.
pub(super) fn of<'a>(
    services: impl IntoIterator<Item = &'a ServiceId>,
    tests: &BTreeMap<String, LoadTest>,
    at_limit: Vec<f64>,
) -> Capacity {
    let newest = services.into_iter().filter_map(|service| {
        let of = tests.values().filter(|test| test.service.as_ref() == Some(service));
        // A test that was stopped early says nothing, and does not replace one that found a knee.
        of.max_by_key(|test| (test.knee.is_some(), test.at))
    });
    let mut without_knee = None;
    let mut lowest: Option<Capacity> = None;
    for test in newest {
        match by(test) {
            Some(found) if lowest.as_ref().is_none_or(|known| known.per_server() > found.per_server()) => {
                lowest = Some(found);
            }
            Some(_) => {}
            None => without_knee = Some(test.target.clone()),
        }
    }
    let unknown = || Capacity::Unknown {
        why: without_knee.map_or(Unknown::NoLoadTest, |target| Unknown::NoKnee { target }),
    };
    lowest.or_else(|| estimate(at_limit)).unwrap_or_else(unknown)
}

fn by(test: &LoadTest) -> Option<Capacity> {
    let knee = test.knee.filter(|knee| knee.rate_milli > 0)?;
    Some(Capacity::LoadTest {
        target: test.target.clone(),
        at: test.at,
        per_server: thousandths(knee.rate_milli) / f64::from(test.servers.max(1)),
        is_lower_bound: !knee.is_found(),
        p50_seconds: thousandths(knee.p50_us) / 1_000.0,
    })
}

#[expect(clippy::cast_precision_loss, reason = "rates and latencies are far below 2^52")]
fn thousandths(milli: u64) -> f64 {
    milli as f64 / 1_000.0
}

/// The median of what one server answered while the edge limited its pool.
fn estimate(mut sorted: Vec<f64>) -> Option<Capacity> {
    sorted.retain(|rate| *rate > 0.0);
    sorted.sort_by(f64::total_cmp);
    let per_server = sorted.get(sorted.len() / 2).copied().filter(|_| sorted.len() >= AT_LIMIT_MIN)?;
    Some(Capacity::Estimate { per_server, samples: u32::try_from(sorted.len()).unwrap_or(u32::MAX) })
}

/// Concurrent requests at the knee, by Little's law: rate times latency. Never more than the servers may have, and `None`
/// without a load test.
pub(super) fn concurrency_at_knee(capacity: &Capacity, pool: &Pool) -> Option<u32> {
    let Capacity::LoadTest { per_server, p50_seconds, .. } = capacity else { return None };
    let servers =
        u32::try_from(pool.servers.iter().filter(|server| !server.drain).count()).unwrap_or(u32::MAX);
    let most = pool.max_concurrency.saturating_mul(servers);
    let requests = per_server * f64::from(servers) * p50_seconds;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the maximum")]
    let requests = requests.ceil().clamp(0.0, f64::from(most)) as u32;
    Some(requests)
}
