//! Samples of what was measured: probes by result, services at the edge every two seconds.

use engine::effects::{EDGE_FAILED, EDGE_LATENCY, EDGE_STEP, FAILED, LATENCY};
use journal::series::{Sample, Series};
use std::collections::BTreeMap;
use std::time::Duration;
use types::time::between;
use types::traffic::ServiceTraffic;
use types::{Answer, ProbeId, ProbeResult, Resource, Rollup, ServiceId, Time};

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

/// Roll-ups of the edge since the last sample.
#[derive(Debug, Default)]
pub(super) struct EdgeSamples {
    since: Option<Time>,
    services: BTreeMap<ServiceId, Collected>,
}

/// Requests of one service.
#[derive(Debug, Default)]
struct Collected {
    /// Opens aside: those wait for their turn, and come back many times a second while they are refused.
    asked: u64,
    unserved: u64,
    opens: u64,
    opens_refused: u64,
    medians: Vec<Duration>,
}

impl Collected {
    fn add(&mut self, traffic: &ServiceTraffic) {
        self.asked += traffic.requests.saturating_sub(traffic.held + traffic.opens);
        self.unserved += (traffic.failed + traffic.shed).saturating_sub(traffic.opens_refused);
        self.opens += traffic.opens;
        self.opens_refused += traffic.opens_refused;
        if traffic.passed > 0 {
            self.medians.push(traffic.p50);
        }
    }

    /// Share of the requests that failed or were shed; of the opens where there is nothing else.
    fn failed(&self) -> Option<f64> {
        let (unserved, asked) = if self.asked > 0 {
            (self.unserved, self.asked)
        } else {
            (self.opens_refused, self.opens)
        };
        (asked > 0).then(|| (unserved as f64 / asked as f64).min(1.0))
    }

    fn latency(&mut self) -> Option<f64> {
        self.medians.sort();
        self.medians.get(self.medians.len() / 2).map(Duration::as_secs_f64)
    }
}

impl EdgeSamples {
    /// Adds a roll-up; stores a sample of each service with requests when [`EDGE_STEP`] is full.
    pub(super) fn add(&mut self, series: &Series, now: Time, rollup: &Rollup) {
        for (service, traffic) in &rollup.services {
            self.services.entry(service.clone()).or_default().add(traffic);
        }
        let since = *self.since.get_or_insert(now);
        // A roll-up is of the second before, and comes some milliseconds sooner or later.
        if between(since, now) + Duration::from_millis(1_500) < EDGE_STEP {
            return;
        }
        self.since = None;
        // Times without fractions need hardly any room.
        let at = Time::from_second(now.as_second()).unwrap_or(now);
        for (service, mut collected) in std::mem::take(&mut self.services) {
            let subject = Resource::service(service.0).to_string();
            let mut put = |metric, value: Option<f64>| {
                if let Some(value) = value {
                    series.put(&subject, metric, Sample { at, value, ok: true });
                }
            };
            put(EDGE_FAILED, collected.failed());
            put(EDGE_LATENCY, collected.latency());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;

    #[test]
    fn two_roll_ups_are_one_sample_of_each_service() {
        let folder = tempfile::tempdir().unwrap();
        let series = Series::open(folder.path().join("samples.db"), Time::now).unwrap();
        let start: Time = Time::from_second(Time::now().as_second() - 100).unwrap();
        let mut samples = EdgeSamples::default();
        for second in 0..4_u64 {
            let shop = ServiceTraffic {
                requests: 10,
                passed: 9,
                shed: 1,
                failed: u64::from(second >= 2) * 4,
                p50: Duration::from_millis(100 + 50 * (second / 2)),
                ..ServiceTraffic::default()
            };
            // A thousand opens come back and are refused: of the 20 other requests, two are shed.
            let (opens, opens_refused) = (1_000, 1_000);
            let chat = ServiceTraffic { requests: 1_020, shed: 1_002, opens, opens_refused, ..Default::default() };
            let feed = ServiceTraffic { requests: 8, shed: 6, opens: 8, opens_refused: 6, ..Default::default() };
            let services = BTreeMap::from([
                (ServiceId::from("shop"), shop),
                ("chat".into(), chat),
                ("feed".into(), feed),
                ("idle".into(), ServiceTraffic::default()),
            ]);
            let rollup = Rollup { services, ..Rollup::default() };
            let jitter = Duration::from_millis(if second == 1 { 0 } else { 30 });
            samples.add(&series, later(start, Duration::from_secs(second) + jitter), &rollup);
        }
        assert!(series.flush(Duration::from_secs(20)));
        let read = |subject: &str, metric| {
            let range = start..later(start, Duration::from_secs(60));
            let points = series.points((subject, metric), range, 100).unwrap();
            points.iter().map(|sample| (sample.value * 100.0).round()).collect::<Vec<_>>()
        };
        assert_eq!(read("service.shop", EDGE_FAILED), [10.0, 50.0]);
        assert_eq!(read("service.shop", EDGE_LATENCY), [10.0, 15.0]);
        assert_eq!(read("service.chat", EDGE_FAILED), [10.0, 10.0], "opens aside");
        assert_eq!(read("service.feed", EDGE_FAILED), [75.0, 75.0], "nothing but opens");
        assert!(read("service.idle", EDGE_FAILED).is_empty(), "no requests are no data");
    }
}
