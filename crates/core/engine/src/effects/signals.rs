//! The signals of an incident: the stored series that tell how it goes, the leading one first.

use crate::story::Subject;
use statistics::effect::Measure;
use std::time::Duration;
use types::config::{Probe, ProbeKind};
use types::incident::Diagnosis;
use types::{Config, Kind, Resource, ServiceId};

/// Metric of a probe: duration in seconds; good when there was an answer.
pub const LATENCY: &str = "latency";
/// Metric of a probe: 1 when its result was a failure, else 0.
pub const FAILED: &str = "failed";
/// Metric of a service: median time to first byte at the edge, in seconds.
pub const EDGE_LATENCY: &str = "edge_latency";
/// Metric of a service: share of the requests at the edge that failed or were shed, opens aside, 0 to 1.
pub const EDGE_FAILED: &str = "edge_failed";
/// Interval of the samples of the edge: its roll-ups. Twelve of them make a verdict, fifteen seconds after a fix.
const EDGE_STEP: Duration = Duration::from_secs(1);
/// The longest step at which quick signals are judged, after some minutes. Also the step of services with few requests, which have
/// none in many intervals of [`EDGE_STEP`].
pub(super) const STEP_CALM: Duration = Duration::from_secs(10);
/// Usual requests in a thousand seconds from which a service has some in nearly every interval.
const BUSY_MILLI: u64 = 5_000;

/// Maximum of signals of one incident.
const SIGNALS_MAX: usize = 8;
/// Probes that run less often say nothing within an incident.
const INTERVAL_MAX: Duration = Duration::from_secs(300);
/// Shortest step of a signal: the grid of stored samples.
const STEP_MIN: Duration = Duration::from_millis(100);

/// One stored series of an incident.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signal {
    /// Subject of the series.
    pub(crate) subject: String,
    /// Its metric.
    pub(crate) metric: &'static str,
    /// What its samples are.
    pub(crate) measure: Measure,
    /// Interval of its samples.
    pub(crate) step: Duration,
}

/// The signals of an incident: of what has alerts, the cause first, then of the affected services at the edge.
/// `usual` are the usual requests of a service in a thousand seconds.
pub(crate) fn signals(
    config: &Config,
    diagnosis: &Diagnosis,
    subjects: &[Subject],
    usual: impl Fn(&ServiceId) -> Option<u64>,
) -> Vec<Signal> {
    let mut subjects: Vec<&Subject> = subjects.iter().collect();
    subjects.sort_by_key(|subject| subject.about != diagnosis.cause);
    let mut found: Vec<Signal> = Vec::new();
    let mut add = |signals: Vec<Signal>| {
        for signal in signals {
            let is_new =
                !found.iter().any(|one| (&one.subject, one.metric) == (&signal.subject, signal.metric));
            if is_new && found.len() < SIGNALS_MAX {
                found.push(signal);
            }
        }
    };
    let of_edge = |service: &ServiceId, is_slow: bool| {
        let is_busy = usual(service).is_some_and(|milli| milli >= BUSY_MILLI);
        of_edge(service, is_slow, if is_busy { EDGE_STEP } else { STEP_CALM })
    };
    for Subject { about, is_slow } in subjects {
        let probes = config.probes.values().filter(|probe| probe.about == *about);
        probes.for_each(|probe| add(of_probe(probe, *is_slow)));
        served(config, about).for_each(|service| add(of_edge(service, *is_slow)));
    }
    for service in &diagnosis.affected {
        served(config, service).for_each(|service| add(of_edge(service, false)));
    }
    found
}

/// The services at the edge that a resource is, or whose pool it is.
fn served<'a>(config: &'a Config, about: &'a Resource) -> impl Iterator<Item = &'a ServiceId> {
    config.services.values().filter_map(|service| {
        let traffic = service.traffic.as_ref()?;
        let is_it = match about.kind {
            Kind::Service => service.id.0 == about.name,
            Kind::Pool => traffic.pool.0 == about.name,
            _ => false,
        };
        is_it.then_some(&service.id)
    })
}

fn of_probe(probe: &Probe, is_slow: bool) -> Vec<Signal> {
    if probe.interval > INTERVAL_MAX {
        return Vec::new();
    }
    let signal = |metric, measure| Signal {
        subject: probe.id.0.clone(),
        metric,
        measure,
        step: probe.interval.max(STEP_MIN),
    };
    let has_latency =
        matches!(probe.kind, ProbeKind::Http { .. } | ProbeKind::Tcp { .. } | ProbeKind::Database { .. });
    let ceiling = Some(probe.timeout.as_secs_f64());
    let latency = has_latency.then(|| signal(LATENCY, Measure::Latency { ceiling }));
    in_order(latency, signal(FAILED, Measure::FailureShare), is_slow)
}

fn of_edge(service: &ServiceId, is_slow: bool, step: Duration) -> Vec<Signal> {
    let subject = edge_subject(service);
    let signal = |metric, measure| Signal { subject: subject.clone(), metric, measure, step };
    let latency = signal(EDGE_LATENCY, Measure::Latency { ceiling: None });
    in_order(Some(latency), signal(EDGE_FAILED, Measure::FailureShare), is_slow)
}

/// Subject of the series of a service at the edge.
#[must_use]
pub fn edge_subject(service: &ServiceId) -> String {
    Resource::service(service.0.as_str()).to_string()
}

/// What the alert is about leads.
fn in_order(latency: Option<Signal>, failures: Signal, is_slow: bool) -> Vec<Signal> {
    let failures = Some(failures);
    let pair = if is_slow { [latency, failures] } else { [failures, latency] };
    pair.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::config::read;

    const CONFIG: &str = r#"
[site]
name = "Acme"
[service.shop]
title = "Shop"
traffic = { pool = "shop" }
hosts = ["shop.acme.com"]
[probe.front]
http = "http://192.0.2.7/"
interval = "30s"
service = "shop"
[edge]
listen = ["127.0.0.1:18080"]
[pool.shop]
servers = ["192.0.2.7:80"]
"#;

    #[test]
    fn signals_of_what_has_alerts_come_first() {
        let config = read(CONFIG);
        let front = config.probes.get(&"front".into()).unwrap().about.clone();
        let pool: Resource = "pool.shop".parse().unwrap();
        type Cases<'a> = &'a [(&'a Resource, bool)];
        let cases: [(Cases<'_>, &[&str], &str); 5] = [
            (&[(&front, false)], &[], "front failed, front latency"),
            (&[(&front, true)], &[], "front latency, front failed"),
            (&[(&pool, false)], &["shop"], "service.shop edge_failed, service.shop edge_latency"),
            (
                &[(&front, false)],
                &["shop"],
                "front failed, front latency, service.shop edge_failed, service.shop edge_latency",
            ),
            (&[], &[], ""),
        ];
        for (subjects, affected, expected) in cases {
            let subjects: Vec<Subject> = subjects
                .iter()
                .map(|(about, is_slow)| Subject { about: (*about).clone(), is_slow: *is_slow })
                .collect();
            let diagnosis = testkit::incident::diagnosis(front.clone(), affected);
            let names: Vec<String> = signals(&config, &diagnosis, &subjects, |_| None)
                .iter()
                .map(|signal| format!("{} {}", signal.subject, signal.metric))
                .collect();
            assert_eq!(names.join(", "), expected);
        }
        for (usual, step) in [(None, STEP_CALM), (Some(4_999), STEP_CALM), (Some(5_000), EDGE_STEP)] {
            let diagnosis = testkit::incident::diagnosis(pool.clone(), &["shop"]);
            let found = signals(&config, &diagnosis, &[], |_| usual);
            assert_eq!(found.first().map(|signal| signal.step), Some(step), "{usual:?}");
        }
    }
}
