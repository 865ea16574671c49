//! Samples of what was measured: probes by result, services at the edge every ten seconds.

use engine::effects::{EDGE_FAILED, EDGE_LATENCY, EDGE_STEP, FAILED, LATENCY};
use journal::series::{Sample, Series};
use std::collections::BTreeMap;
use std::time::Duration;
use types::time::between;
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
    requests: u64,
    failed: u64,
    medians: Vec<Duration>,
}

impl EdgeSamples {
    /// Adds a roll-up; stores a sample of each service with requests when ten seconds are full.
    pub(super) fn add(&mut self, series: &Series, now: Time, rollup: &Rollup) {
        for (service, traffic) in &rollup.services {
            let collected = self.services.entry(service.clone()).or_default();
            collected.requests += traffic.requests;
            collected.failed += traffic.failed + traffic.shed;
            if traffic.passed > 0 {
                collected.medians.push(traffic.p50);
            }
        }
        let since = *self.since.get_or_insert(now);
        // A roll-up is of the second before.
        if between(since, now) + Duration::from_secs(1) < EDGE_STEP {
            return;
        }
        self.since = None;
        for (service, mut collected) in std::mem::take(&mut self.services) {
            let subject = Resource::service(service.0).to_string();
            if collected.requests > 0 {
                let value = collected.failed as f64 / collected.requests as f64;
                series.put(&subject, EDGE_FAILED, Sample { at: now, value, ok: true });
            }
            collected.medians.sort();
            if let Some(median) = collected.medians.get(collected.medians.len() / 2) {
                series.put(&subject, EDGE_LATENCY, Sample { at: now, value: median.as_secs_f64(), ok: true });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;
    use types::traffic::ServiceTraffic;

    #[test]
    fn ten_roll_ups_are_one_sample_of_each_service() {
        let folder = tempfile::tempdir().unwrap();
        let series = Series::open(folder.path().join("samples.db"), Time::now).unwrap();
        let start: Time = Time::from_second(Time::now().as_second() - 100).unwrap();
        let mut samples = EdgeSamples::default();
        for second in 0..20_u64 {
            let traffic = ServiceTraffic {
                requests: 10,
                passed: 9,
                shed: 1,
                failed: u64::from(second >= 10) * 4,
                p50: Duration::from_millis(100 + 50 * (second / 10)),
                ..ServiceTraffic::default()
            };
            let services = BTreeMap::from([
                (ServiceId::from("shop"), traffic),
                ("idle".into(), ServiceTraffic::default()),
            ]);
            let rollup = Rollup { services, ..Rollup::default() };
            samples.add(&series, later(start, Duration::from_secs(second)), &rollup);
        }
        assert!(series.flush(Duration::from_secs(20)));
        let read = |subject: &str, metric| {
            let range = start..later(start, Duration::from_secs(60));
            let points = series.points((subject, metric), range, 100).unwrap();
            points.iter().map(|sample| (sample.value * 100.0).round()).collect::<Vec<_>>()
        };
        assert_eq!(read("service.shop", EDGE_FAILED), [10.0, 50.0]);
        assert_eq!(read("service.shop", EDGE_LATENCY), [10.0, 15.0]);
        assert!(read("service.idle", EDGE_FAILED).is_empty(), "no requests are no data");
    }
}
