//! Slowness through the engine: an alert for the record, and nobody is woken.

use crate::Bench;
use std::time::Duration;
use testkit::probe::{http, result};
use types::event::ServiceState;
use types::{EventKind, Time};

fn minutes(bench: &mut Bench, millis: impl IntoIterator<Item = u64>) {
    for millis in millis {
        bench.later(60);
        bench.input(result("front", millis, http(200))).unwrap();
    }
}

fn usual(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|n| 100 + n % 7)
}

#[test]
fn slowness_alone_opens_no_incident_notifies_no_person_and_is_not_public() {
    let mut bench = Bench::new();
    minutes(&mut bench, usual(100).chain([300; 60]));
    let alerts = bench.engine.views().now.alerts;
    assert_eq!(alerts.iter().map(|alert| alert.fault.as_str()).collect::<Vec<_>>(), ["slower-than-usual"]);
    assert_eq!(bench.engine.due(bench.now), []);
    let page = bench.engine.views().status_page;
    assert_eq!((page.state, page.open.len()), (ServiceState::Operational, 0));
    minutes(&mut bench, usual(30));
    let views = bench.engine.views();
    assert!(views.now.alerts.is_empty() && views.now.past.is_empty());
    let [ended] = &views.now.ended_alerts[..] else { panic!("{:?}", views.now.ended_alerts) };
    assert_eq!(
        (ended.alert.fault.as_str(), ended.alert.about.to_string()),
        ("slower-than-usual", alerts[0].about.to_string())
    );
    let quiet = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Booted { .. }
                | EventKind::ConfigAdopted { .. }
                | EventKind::AlertOpened { .. }
                | EventKind::AlertChanged { .. }
                | EventKind::AlertClosed { .. }
                | EventKind::ServiceStateChanged { .. }
                | EventKind::BaselineLearned { .. }
        )
    };
    let loud: Vec<&EventKind> =
        bench.events.iter().map(|event| &event.kind).filter(|kind| !quiet(kind)).collect();
    assert!(loud.is_empty(), "{loud:?}");
}

#[test]
fn slowness_before_an_outage_is_a_symptom_of_its_incident() {
    let mut bench = Bench::new();
    minutes(&mut bench, usual(100).chain([300; 20]));
    bench.break_it();
    let views = bench.engine.views();
    let [open] = &views.now.open[..] else { panic!("{:?}", views.now.open) };
    let slow = views.now.alerts.iter().find(|alert| alert.fault.as_str() == "slower-than-usual").unwrap();
    assert!(open.incident.diagnosis.symptoms.contains(&slow.id));
    assert!(open.timeline.iter().any(|entry| format!("{entry:?}").contains("SlowerThanUsual")));
}

#[test]
fn learned_latencies_find_slowness_right_after_a_restart() {
    let mut bench = Bench::new();
    let from = bench.now;
    bench.later(6_100);
    let at = |n: u64| types::time::later(from, Duration::from_secs(60 * n));
    let stored: Vec<(Time, Duration)> =
        (0..).zip(usual(100)).map(|(n, ms)| (at(n), Duration::from_millis(ms))).collect();
    bench.engine.learn_latencies(&"front".into(), stored);
    // Two answers are a point at this interval.
    minutes(&mut bench, [300; 20]);
    assert_eq!(bench.engine.views().now.alerts.len(), 1);
}
