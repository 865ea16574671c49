//! The health of a service as a ramp sees it: its pool, failures, overload, latency against the usual one.

use std::collections::VecDeque;
use std::time::Duration;
use types::ValveReason;
use types::traffic::{PoolStatus, ServerState, ServiceTraffic};
use types::valve::UsualHealth;

/// Health is judged over the newest roll-ups: at least this long, and up to the other until there are enough requests.
const WINDOW_MIN: Duration = Duration::from_secs(10);
const WINDOW_MAX: Duration = Duration::from_secs(30);
const REQUESTS_ENOUGH: u64 = 20;
/// Fewer failures than this are chance.
const COUNT_MIN: u64 = 3;
/// Shares in per cent from which health is poor, and bad.
const FAILED: (f64, f64) = (2.0, 10.0);
const SHED: (f64, f64) = (2.0, 10.0);
const QUEUED: (f64, f64) = (25.0, 50.0);
/// Multiples of the usual share of failures.
const FAILED_TIMES: (f64, f64) = (2.0, 3.0);
/// Multiples of the usual latency, and microseconds in addition: below them no client notices.
const SLOW_TIMES: (f64, f64) = (2.0, 4.0);
const SLOW_US: (f64, f64) = (10_000.0, 50_000.0);

/// Time over which the usual figures are averaged, and after which they are known.
const USUAL_SECS: f64 = 3_600.0;
const USUAL_SECS_MIN: f64 = 60.0;
/// A slow phase raises the usual latency by at most this factor at a time, and failures beyond this share are not usual.
const USUAL_LATENCY_TIMES: f64 = 1.5;
const USUAL_FAILED_MAX: f64 = 0.05;

/// The health of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    /// Not good enough for more clients.
    Poor(ValveReason),
    /// Too many clients already.
    Bad(ValveReason),
}

/// The newest roll-ups of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    rollups: VecDeque<Sum>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    interval: Duration,
    passed: u64,
    failed: u64,
    /// Shed by the pool, or answered 429 by its servers.
    shed: u64,
    /// Sum of the latencies in microseconds, each interval's median counted for all of its requests.
    latency_us: f64,
}

impl Flow {
    pub(crate) fn clear(&mut self) {
        self.rollups.clear();
    }

    pub(crate) fn note(&mut self, interval: Duration, traffic: &ServiceTraffic) {
        self.rollups.push_front(Sum {
            interval,
            passed: traffic.passed,
            failed: traffic.failed,
            shed: traffic.shed + traffic.server_429,
            latency_us: micros(traffic.p50) * traffic.passed as f64,
        });
        let mut covered = Duration::ZERO;
        let is_old = |one: &Sum| {
            covered += one.interval;
            covered >= WINDOW_MAX
        };
        if let Some(last) = self.rollups.iter().position(is_old) {
            self.rollups.truncate(last + 1);
        }
    }

    fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        for one in &self.rollups {
            if sum.interval >= WINDOW_MIN && sum.passed >= REQUESTS_ENOUGH {
                break;
            }
            sum.interval += one.interval;
            sum.passed += one.passed;
            sum.failed += one.failed;
            sum.shed += one.shed;
            sum.latency_us += one.latency_us;
        }
        sum
    }
}

/// Judges a service by the newest roll-ups.
pub(crate) fn judge(
    flow: &Flow,
    pool: Option<&PoolStatus>,
    min_healthy: Option<u32>,
    usual: Option<UsualHealth>,
) -> Health {
    let (servers, short) = servers(pool, min_healthy);
    let sum = flow.sum();
    let measures = [failures(&sum, usual), overload(&sum, pool), slowness(&sum, usual)];
    let found = |wanted: Level| {
        measures.iter().flatten().find(|(level, _)| *level == wanted).map(|(_, why)| why.clone())
    };
    let bad = servers.or_else(|| found(Level::Bad)).map(Health::Bad);
    bad.or_else(|| short.or_else(|| found(Level::Poor)).map(Health::Poor)).unwrap_or(Health::Good)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Poor,
    Bad,
}

fn level(value: f64, bounds: (f64, f64)) -> Option<Level> {
    if value >= bounds.1 { Some(Level::Bad) } else { (value >= bounds.0).then_some(Level::Poor) }
}

/// Returns what is bad about the servers, and what is only poor. Without `min_healthy` half of the servers are needed.
fn servers(
    pool: Option<&PoolStatus>,
    min_healthy: Option<u32>,
) -> (Option<ValveReason>, Option<ValveReason>) {
    let Some(pool) = pool else { return (Some(ValveReason::PoolDown), None) };
    let count = |is: fn(ServerState) -> bool| {
        let count = pool.servers.iter().filter(|server| is(server.state)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let declared = count(|state| state != ServerState::Draining);
    let serving = count(|state| state == ServerState::Serving);
    if pool.panic_mode || count(ServerState::serves) == 0 {
        return (Some(ValveReason::PoolDown), None);
    }
    let needed = min_healthy.unwrap_or(declared.div_ceil(2)).max(1);
    (None, (serving < needed).then_some(ValveReason::TooFewServers { serving, declared, needed }))
}

fn failures(sum: &Sum, usual: Option<UsualHealth>) -> Option<(Level, ValveReason)> {
    if sum.failed < COUNT_MIN && sum.failed < sum.passed.max(1) {
        return None;
    }
    let share = percent(sum.failed, sum.passed);
    let usual = usual.map_or(0.0, |usual| f64::from(usual.failed_permille) / 10.0);
    let bounds = (FAILED.0.max(usual * FAILED_TIMES.0), FAILED.1.max(usual * FAILED_TIMES.1));
    Some((level(share, bounds)?, ValveReason::Failures { percent: whole(share) }))
}

fn overload(sum: &Sum, pool: Option<&PoolStatus>) -> Option<(Level, ValveReason)> {
    let shed = if sum.shed >= COUNT_MIN { percent(sum.shed, sum.passed + sum.shed) } else { 0.0 };
    let queued = pool
        .filter(|pool| u64::from(pool.waiting) >= COUNT_MIN)
        .map_or(0.0, |pool| percent(pool.waiting.into(), u64::from(pool.waiting) + u64::from(pool.inflight)));
    let (of_shed, of_queued) = (level(shed, SHED), level(queued, QUEUED));
    let (level, share) = match (of_shed, of_queued) {
        (Some(Level::Bad), _) | (Some(_), None) => (of_shed?, shed),
        _ => (of_queued?, queued),
    };
    Some((level, ValveReason::Overload { percent: whole(share) }))
}

fn slowness(sum: &Sum, usual: Option<UsualHealth>) -> Option<(Level, ValveReason)> {
    let usual_us = usual?.latency_us;
    if sum.passed < COUNT_MIN {
        return None;
    }
    let latency = sum.latency_us / sum.passed as f64;
    let usual = usual_us as f64;
    let bounds = (usual * SLOW_TIMES.0 + SLOW_US.0, usual * SLOW_TIMES.1 + SLOW_US.1);
    Some((level(latency, bounds)?, ValveReason::Slow { latency_us: latency as u64, usual_us }))
}

/// What is usual at a service, learned while its valve is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    latency_us: f64,
    failed: f64,
    secs: f64,
}

impl Learned {
    /// Takes one more interval. Intervals with overload do not count.
    pub(crate) fn learn(&mut self, interval: Duration, traffic: &ServiceTraffic, pool: Option<&PoolStatus>) {
        let overloaded = pool.is_none_or(|pool| pool.panic_mode || pool.waiting > 0) || traffic.shed > 0;
        if traffic.passed == 0 || overloaded {
            return;
        }
        let secs = interval.as_secs_f64().min(10.0);
        let most = if self.secs < USUAL_SECS_MIN {
            f64::MAX
        } else {
            self.latency_us * USUAL_LATENCY_TIMES + 1_000.0
        };
        let weight = secs / (self.secs.min(USUAL_SECS) + secs).max(f64::MIN_POSITIVE);
        let failed = (traffic.failed as f64 / traffic.passed as f64).min(USUAL_FAILED_MAX);
        self.latency_us += (micros(traffic.p50).min(most) - self.latency_us) * weight;
        self.failed += (failed - self.failed) * weight;
        self.secs += secs;
    }

    /// The usual figures, once they are known.
    pub(crate) fn usual(&self) -> Option<UsualHealth> {
        (self.secs >= USUAL_SECS_MIN).then_some(UsualHealth {
            latency_us: self.latency_us as u64,
            failed_permille: (self.failed * 1_000.0) as u32,
        })
    }
}

fn percent(part: u64, of: u64) -> f64 {
    if part == 0 { 0.0 } else { part as f64 * 100.0 / of.max(part) as f64 }
}

fn whole(percent: f64) -> u8 {
    percent.clamp(0.0, 100.0) as u8
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::traffic::ServerStatus;

    fn pool(serving: usize, down: usize) -> PoolStatus {
        let server = |state| ServerStatus {
            address: "192.0.2.1:80".to_owned(),
            state,
            since: Duration::ZERO,
            why: None,
            inflight: 0,
            answered: 0,
            failed: 0,
            connects: Default::default(),
            latency: Duration::ZERO,
            connections: 0,
        };
        let mut servers = vec![server(ServerState::Serving); serving];
        servers.extend(vec![server(ServerState::Down); down]);
        PoolStatus { servers, inflight: 10, ..PoolStatus::default() }
    }

    fn traffic(passed: u64, failed: u64, shed: u64, p50_ms: u64) -> ServiceTraffic {
        ServiceTraffic {
            passed,
            failed,
            shed,
            p50: Duration::from_millis(p50_ms),
            ..ServiceTraffic::default()
        }
    }

    #[test]
    fn health_follows_servers_failures_overload_and_latency() {
        let usual = Some(UsualHealth { latency_us: 20_000, failed_permille: 1 });
        let crowded = |waiting| PoolStatus { waiting, ..pool(4, 0) };
        for (name, pool, min_healthy, each_second, expected) in [
            ("well", pool(4, 0), None, traffic(50, 0, 0, 25), "good"),
            ("no requests", pool(4, 0), None, traffic(0, 0, 0, 0), "good"),
            ("half of the servers", pool(2, 2), None, traffic(50, 0, 0, 25), "good"),
            (
                "fewer than half",
                pool(2, 18),
                None,
                traffic(50, 0, 0, 25),
                "poor: 2 of 20 servers serve, 10 are needed",
            ),
            ("as many as declared to be enough", pool(2, 18), Some(2), traffic(50, 0, 0, 25), "good"),
            (
                "no server",
                pool(0, 4),
                None,
                traffic(0, 0, 0, 0),
                "bad: no server of the pool is healthy, or it is in panic mode",
            ),
            ("some failures", pool(4, 0), None, traffic(50, 2, 0, 25), "poor: 4 % of the requests fail"),
            ("many failures", pool(4, 0), None, traffic(50, 20, 0, 25), "bad: 40 % of the requests fail"),
            (
                "shed",
                pool(4, 0),
                None,
                traffic(50, 0, 50, 25),
                "bad: the pool sheds or queues 50 % of the requests",
            ),
            (
                "queued",
                crowded(5),
                None,
                traffic(50, 0, 0, 25),
                "poor: the pool sheds or queues 33 % of the requests",
            ),
            (
                "slower",
                pool(4, 0),
                None,
                traffic(50, 0, 0, 60),
                "poor: p50 of the latency is 60 ms, usually 20 ms",
            ),
            (
                "very slow",
                pool(4, 0),
                None,
                traffic(50, 0, 0, 900),
                "bad: p50 of the latency is 900 ms, usually 20 ms",
            ),
        ] {
            let mut flow = Flow::default();
            (0..12).for_each(|_| flow.note(Duration::from_secs(1), &each_second));
            let text = match judge(&flow, Some(&pool), min_healthy, usual) {
                Health::Good => "good".to_owned(),
                Health::Poor(why) => format!("poor: {why}"),
                Health::Bad(why) => format!("bad: {why}"),
            };
            assert_eq!(text, expected, "{name}");
        }
        assert_eq!(judge(&Flow::default(), None, None, usual), Health::Bad(ValveReason::PoolDown));
    }

    #[test]
    fn one_failure_of_few_requests_is_chance() {
        let mut flow = Flow::default();
        flow.note(Duration::from_secs(1), &traffic(2, 1, 0, 20));
        assert_eq!(judge(&flow, Some(&pool(2, 0)), None, None), Health::Good);
        flow.note(Duration::from_secs(1), &traffic(1, 1, 0, 20));
        flow.note(Duration::from_secs(1), &traffic(1, 1, 0, 20));
        assert!(matches!(judge(&flow, Some(&pool(2, 0)), None, None), Health::Bad(_)));
    }

    #[test]
    fn outage_is_not_learned_as_usual() {
        let mut learned = Learned::default();
        let second = Duration::from_secs(1);
        assert_eq!(learned.usual(), None);
        (0..600).for_each(|_| learned.learn(second, &traffic(50, 0, 0, 20), Some(&pool(2, 0))));
        let before = learned.usual().unwrap();
        assert_eq!(before.latency_us, 20_000);
        (0..600).for_each(|_| learned.learn(second, &traffic(50, 40, 0, 4_000), Some(&pool(2, 0))));
        let after = learned.usual().unwrap();
        assert!(after.latency_us < 45_000 && after.failed_permille <= 50, "{after:?}");
        (0..600).for_each(|_| learned.learn(second, &traffic(50, 0, 9, 9_000), Some(&pool(2, 0))));
        assert_eq!(learned.usual().unwrap(), after, "overload is never usual");
    }
}
