//! Samples of what was measured: probes by result, services at the edge by roll-up, calls at the edge every ten seconds.

use engine::causes::{CALLS_STEP, EDGE_REQUESTS, caller_subject, database_figures, server_subject};
use engine::effects::{EDGE_FAILED, EDGE_LATENCY, FAILED, LATENCY, edge_subject};
use engine::headroom::{POOL_AT_LIMIT, POOL_SERVED, PoolWork, pool_subject, works};
use journal::series::{Sample, Series};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::time::between;
use types::traffic::{CallSide, CallTraffic, ServiceTraffic};
use types::{Answer, Config, PoolId, ProbeId, ProbeResult, Rollup, ServiceId, Time};

/// Calls with samples of their own at the same time at most: servers and callers of all services together.
const CALLS_MAX: usize = 512;

/// Stores the duration of a probe; good when there was an answer.
pub(super) fn store_latency(series: &Series, now: Time, result: &ProbeResult) {
    let ok = !matches!(result.answer, Answer::Failed(_));
    let value = result.phases.total.as_secs_f64();
    series.put(&result.probe.0, LATENCY, Sample { at: now, value, ok });
}

/// Stores whether the result of a probe was judged a failure.
pub(super) fn store_judgement(series: &Series, now: Time, probe: &ProbeId, is_healthy: bool) {
    let value = f64::from(u8::from(!is_healthy));
    series.put(&probe.0, FAILED, Sample { at: now, value, ok: true });
}

/// Stores how the requests of each service at the edge went. Services without requests have no sample.
pub(super) fn store_traffic(series: &Series, now: Time, rollup: &Rollup) {
    // Times without fractions need hardly any room.
    let at = Time::from_second(now.as_second()).unwrap_or(now);
    for (service, traffic) in &rollup.services {
        let subject = edge_subject(service);
        if let Some(value) = failed_share(traffic) {
            series.put(&subject, EDGE_FAILED, Sample { at, value, ok: true });
        }
        if traffic.passed > 0 {
            let value = traffic.p50.as_secs_f64();
            series.put(&subject, EDGE_LATENCY, Sample { at, value, ok: true });
        }
    }
}

/// Stores the figures of a database that its probe measured.
pub(super) fn store_database(series: &Series, now: Time, result: &ProbeResult) {
    let Answer::Database(seen) = &result.answer else { return };
    for (metric, value) in database_figures(seen) {
        series.put(&result.probe.0, metric, Sample { at: now, value, ok: true });
    }
}

/// Requests of services and calls since their last sample.
#[derive(Debug, Default)]
pub(super) struct CallSamples {
    since: Option<Time>,
    requests: BTreeMap<ServiceId, u64>,
    calls: BTreeMap<String, Collected>,
    /// Calls with requests in the last sample: they keep their place among [`CALLS_MAX`].
    known: BTreeSet<String>,
    /// Calls of this sample that are not among those.
    new_calls: usize,
    pools: BTreeMap<PoolId, PoolSample>,
}

/// What the servers of one pool did since its last sample.
#[derive(Debug, Default)]
struct PoolSample {
    served: u64,
    /// Servers that worked, summed over the roll-ups in `rollups`.
    working: u64,
    rollups: u64,
    /// Whether the pool was at its limit in each of them.
    at_limit: u64,
}

impl PoolSample {
    fn add(&mut self, work: &PoolWork) {
        self.served += work.served;
        self.working += u64::from(work.working);
        self.rollups += 1;
        self.at_limit += u64::from(work.is_at_limit);
    }

    /// Stores the requests a second that servers got, and those of one server while the pool was at its limit all the time.
    fn store(&self, series: &Series, pool: &PoolId, now: Time, secs: f64) {
        let (subject, served) = (pool_subject(pool), self.served as f64 / secs);
        series.put(&subject, POOL_SERVED, Sample { at: now, value: served, ok: true });
        if self.at_limit == self.rollups && self.working > 0 {
            let value = served * self.rollups as f64 / self.working as f64;
            series.put(&subject, POOL_AT_LIMIT, Sample { at: now, value, ok: true });
        }
    }
}

/// Requests of one call.
#[derive(Debug, Default)]
struct Collected {
    requests: u64,
    failed: u64,
    medians: Vec<Duration>,
}

impl Collected {
    /// Stores the share of failures and the median latency, each where there was any.
    fn store(mut self, series: &Series, subject: &str, now: Time) {
        if self.requests > 0 {
            let value = self.failed as f64 / self.requests as f64;
            series.put(subject, EDGE_FAILED, Sample { at: now, value, ok: true });
        }
        self.medians.sort();
        if let Some(median) = self.medians.get(self.medians.len() / 2) {
            series.put(subject, EDGE_LATENCY, Sample { at: now, value: median.as_secs_f64(), ok: true });
        }
    }
}

impl CallSamples {
    /// Adds a roll-up; stores a sample of each service, pool and call with requests when ten seconds are full.
    pub(super) fn add(&mut self, series: &Series, now: Time, config: &Config, rollup: &Rollup) {
        for (pool, work) in works(config, rollup) {
            self.pools.entry(pool).or_default().add(&work);
        }
        for (service, traffic) in &rollup.services {
            *self.requests.entry(service.clone()).or_default() +=
                traffic.requests.saturating_sub(traffic.held);
        }
        rollup.calls.iter().for_each(|call| self.add_call(call));
        let since = *self.since.get_or_insert(now);
        // A roll-up is of the second before.
        if between(since, now) + Duration::from_secs(1) < CALLS_STEP {
            return;
        }
        self.since = None;
        let secs = (between(since, now) + Duration::from_secs(1)).as_secs_f64();
        for (service, requests) in std::mem::take(&mut self.requests) {
            let value = requests as f64 / secs;
            series.put(&edge_subject(&service), EDGE_REQUESTS, Sample { at: now, value, ok: true });
        }
        for (pool, sample) in std::mem::take(&mut self.pools) {
            sample.store(series, &pool, now, secs);
        }
        let calls = std::mem::take(&mut self.calls);
        self.known = calls.keys().cloned().collect();
        self.new_calls = 0;
        for (subject, collected) in calls {
            collected.store(series, &subject, now);
        }
    }

    fn add_call(&mut self, call: &CallTraffic) {
        let subject = match &call.side {
            CallSide::Server(server) => server_subject(&call.service, server),
            CallSide::Caller(caller) => caller_subject(&call.service, caller),
        };
        if !self.calls.contains_key(&subject) && !self.known.contains(&subject) {
            if self.known.len() + self.new_calls >= CALLS_MAX {
                return;
            }
            self.new_calls += 1;
        }
        let collected = self.calls.entry(subject).or_default();
        collected.requests += call.requests;
        collected.failed += call.failed;
        if !call.p50.is_zero() {
            collected.medians.push(call.p50);
        }
    }
}

/// Share of the requests that failed or were shed. Opens aside, which come back many times a second while they wait for
/// their turn; where there is nothing else, the share of the opens.
fn failed_share(traffic: &ServiceTraffic) -> Option<f64> {
    let asked = traffic.requests.saturating_sub(traffic.held).saturating_sub(traffic.opens);
    let unserved = (traffic.failed + traffic.shed).saturating_sub(traffic.opens_refused);
    let (unserved, asked) =
        if asked > 0 { (unserved, asked) } else { (traffic.opens_refused, traffic.opens) };
    (asked > 0).then(|| (unserved as f64 / asked as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;
    use types::traffic::{ConnectsStatus, PoolStatus, ServerState, ServerStatus};

    fn serving() -> ServerStatus {
        ServerStatus {
            address: "10.0.0.1:80".to_owned(),
            state: ServerState::Serving,
            since: Duration::ZERO,
            why: None,
            inflight: 0,
            connections: 0,
            answered: 0,
            failed: 0,
            latency: Duration::ZERO,
            connects: ConnectsStatus::default(),
        }
    }

    #[test]
    fn roll_up_is_a_sample_of_each_service_with_requests() {
        let folder = tempfile::tempdir().unwrap();
        let series = Series::open(folder.path().join("samples.db"), Time::now).unwrap();
        let start: Time = Time::from_second(Time::now().as_second() - 100).unwrap();
        let (requests, p50) = (20, Duration::from_millis(100));
        let shop = ServiceTraffic { requests, passed: 18, shed: 2, failed: 3, p50, ..Default::default() };
        let chat = ServiceTraffic {
            requests: 1_020,
            shed: 1_002,
            opens: 1_000,
            opens_refused: 1_000,
            ..Default::default()
        };
        let feed = ServiceTraffic { requests: 8, shed: 6, opens: 8, opens_refused: 6, ..Default::default() };
        let valve = ServiceTraffic { requests: 8, held: 8, ..Default::default() };
        let all = [("shop", shop), ("chat", chat), ("feed", feed), ("valve", valve)];
        let services = all.map(|(name, traffic)| (ServiceId::from(name), traffic)).into();
        store_traffic(
            &series,
            later(start, Duration::from_millis(300)),
            &Rollup { services, ..Rollup::default() },
        );
        assert!(series.flush(Duration::from_secs(20)));
        let read = |subject: &str, metric| {
            let points =
                series.points((subject, metric), start..later(start, Duration::from_millis(100)), 100);
            points.unwrap().iter().map(|sample| (sample.value * 100.0).round()).collect::<Vec<_>>()
        };
        assert_eq!(read("service.shop", EDGE_FAILED), [25.0]);
        assert_eq!(read("service.shop", EDGE_LATENCY), [10.0]);
        assert_eq!(read("service.chat", EDGE_FAILED), [10.0], "opens aside");
        assert_eq!(read("service.feed", EDGE_FAILED), [75.0], "nothing but opens");
        assert!(read("service.valve", EDGE_FAILED).is_empty(), "no requests are no data");
    }

    #[test]
    fn calls_are_sampled_every_ten_seconds_as_far_as_there_is_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let series = Series::open(folder.path().join("samples.db"), Time::now).unwrap();
        let start: Time = Time::from_second(Time::now().as_second() - 100).unwrap();
        let mut samples = CallSamples::default();
        let text = "[site]\nname = \"x\"\n[edge]\nlisten = [\"127.0.0.1:0\"]\n[service.shop]\nhosts = [\"x.test\"]\n\
                    traffic = { pool = \"shop\" }\n[pool.shop]\nservers = [\"10.0.0.1:80\", \"10.0.0.2:80\"]";
        let config = ::config::read(text, "test", std::path::Path::new(".")).unwrap().config;
        for second in 0..20_u64 {
            let shed = 3 * (second / 10);
            let traffic = ServiceTraffic { requests: 10, passed: 8, shed, ..ServiceTraffic::default() };
            let services = BTreeMap::from([(ServiceId::from("shop"), traffic)]);
            let call = |side| CallTraffic {
                service: "shop".into(),
                side,
                requests: 5,
                failed: second / 10,
                p50: Duration::from_millis(70),
            };
            let servers = (0..CALLS_MAX + 9).map(|n| call(CallSide::Server(format!("10.0.0.1:{n}"))));
            let calls = [call(CallSide::Caller("web".into()))].into_iter().chain(servers).collect();
            let pool = PoolStatus { servers: vec![serving(); 2], limit: 30, ..PoolStatus::default() };
            let rollup =
                Rollup { services, calls, pools: [("shop".into(), pool)].into(), ..Rollup::default() };
            samples.add(&series, later(start, Duration::from_secs(second)), &config, &rollup);
        }
        assert!(series.flush(Duration::from_secs(20)));
        let read = |subject: &str, metric| {
            let range = start..later(start, Duration::from_secs(60));
            let points = series.points((subject, metric), range, 100).unwrap();
            points.iter().map(|sample| (sample.value * 100.0).round()).collect::<Vec<_>>()
        };
        assert_eq!(read("service.shop", EDGE_REQUESTS), [1_000.0, 1_000.0]);
        assert_eq!(read("pool.shop", POOL_SERVED), [800.0, 800.0]);
        assert_eq!(read("pool.shop", POOL_AT_LIMIT), [400.0], "of each server, while it sheds");
        assert_eq!(read("service.shop caller web", EDGE_FAILED), [0.0, 20.0]);
        assert_eq!(read("service.shop server 10.0.0.1:0", EDGE_LATENCY), [7.0, 7.0]);
        let last = format!("service.shop server 10.0.0.1:{}", CALLS_MAX + 8);
        assert!(read(&last, EDGE_LATENCY).is_empty(), "not more calls than have a place");
    }
}
