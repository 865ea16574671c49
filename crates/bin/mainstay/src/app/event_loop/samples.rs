//! Samples of what was measured: probes by result, services at the edge by roll-up.

use engine::effects::{EDGE_FAILED, EDGE_LATENCY, FAILED, LATENCY};
use journal::series::{Sample, Series};
use types::traffic::ServiceTraffic;
use types::{Answer, ProbeId, ProbeResult, Resource, Rollup, Time};

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
        let subject = Resource::service(service.0.as_str()).to_string();
        if let Some(value) = failed_share(traffic) {
            series.put(&subject, EDGE_FAILED, Sample { at, value, ok: true });
        }
        if traffic.passed > 0 {
            let value = traffic.p50.as_secs_f64();
            series.put(&subject, EDGE_LATENCY, Sample { at, value, ok: true });
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
    use std::time::Duration;
    use types::ServiceId;
    use types::time::later;

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
}
