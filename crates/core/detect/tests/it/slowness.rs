//! Slowness through detection: recall, false alerts, restarts, gaps, early answers, the edge.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; figures are printed"
)]

use crate::edge::{traffic, world};
use crate::fixture::*;
use crate::generated::{WEEK, latency};
use std::time::Duration;
use testkit::probe::result;
use types::config::ProbeKind;
use types::traffic::ServiceTraffic;
use types::{Fault, ProbeId, ProbeResult};

const PROBE: &str = "http.a.acme.com";

/// A name, and what happens.
type Case = (&'static str, fn(&mut Fixture));

/// A host whose probe has this interval and no limit of its own.
fn host(interval: u64) -> Fixture {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    let probe = w.config.probes.get_mut(&ProbeId::from(PROBE)).unwrap();
    probe.interval = secs(interval);
    if let ProbeKind::Http { expect, .. } = &mut probe.kind {
        expect.max_latency = None;
    }
    w
}

fn took(latency: Duration) -> ProbeResult {
    let mut result = result(PROBE, 0, http(200));
    result.phases.total = latency;
    result
}

/// Answers at the interval; what followed, in words.
fn answers(w: &mut Fixture, interval: u64, millis: impl IntoIterator<Item = u64>) -> String {
    let see = |millis: u64| w.pass(secs(interval)).result(took(Duration::from_millis(millis)));
    millis.into_iter().map(see).collect()
}

/// Around 100 ms.
fn usual(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|n| 100 + n % 7)
}

fn slow_alerts(w: &Fixture) -> Vec<(String, Fault)> {
    let slow = |alert: &&types::Alert| alert.fault.as_str() == "slower-than-usual";
    w.detect
        .alerts()
        .values()
        .filter(slow)
        .map(|alert| (alert.probe.0.clone(), alert.fault.clone()))
        .collect()
}

#[test]
fn slowness_fires_with_times_and_levels_and_resolves() {
    let mut w = host(60);
    assert_eq!(answers(&mut w, 60, usual(100)), "");
    let said = answers(&mut w, 60, [240; 9]);
    insta::assert_snapshot!(said, @"13:49:00 + host.a.acme.com is slower than usual: 103 ms -> 240 ms [Info since 13:41:00] median of the last points of http.a.acme.com, compared with the 96 before");
    assert_eq!(answers(&mut w, 60, [240; 100]), "", "once");
    // The level follows, at most every ten minutes.
    let said = answers(&mut w, 60, [700; 20]);
    insta::assert_snapshot!(said, @r"
    15:35:00 ~ alert-1 is slower than usual: 103 ms -> 409 ms [Info] median of the last points of http.a.acme.com, compared with the 96 before
    15:45:00 ~ alert-1 is slower than usual: 103 ms -> 700 ms [Info] median of the last points of http.a.acme.com, compared with the 96 before
    ");
    let said = answers(&mut w, 60, usual(12));
    insta::assert_snapshot!(said, @r"
    15:55:00 ~ alert-1 is slower than usual: 103 ms -> 271 ms [Info] median of the last points of http.a.acme.com, compared with the 96 before
    15:56:00 - alert-1
    ");
    assert_eq!(slow_alerts(&w), []);
}

#[test]
fn open_alert_survives_a_restart_until_it_is_over() {
    let mut w = host(60);
    answers(&mut w, 60, usual(100).chain([240; 20]));
    w.pass(secs(30)).restart();
    assert_eq!(answers(&mut w, 60, [250; 30]), "");
    let said = answers(&mut w, 60, usual(12));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(slow_alerts(&w), []);
    assert_eq!(answers(&mut w, 60, usual(10).chain([240; 30])), "", "the usual level is learned again");
}

#[test]
fn stored_latencies_make_a_restart_unnoticed() {
    let mut w = host(60);
    w.restart();
    let begun = w.now;
    let stored: Vec<(types::Time, Duration)> = (0..)
        .zip(usual(60))
        .map(|(n, ms)| (types::time::later(begun, secs(60 * n)), Duration::from_millis(ms)))
        .collect();
    w.pass(secs(3_700));
    w.detect.learn_latencies(&w.config, &PROBE.into(), stored);
    answers(&mut w, 60, [240; 9]);
    assert_eq!(slow_alerts(&w).len(), 1);
}

#[test]
fn gaps_early_answers_and_failures_prove_nothing() {
    let cases: [Case; 4] = [
        ("a rise on both sides of a pause", |w| {
            answers(w, 60, [240; 8]);
            w.pass(secs(8 * 3_600));
            answers(w, 60, [240; 8]);
        }),
        ("a slow minute, in which it is asked every second", |w| {
            answers(w, 1, [240; 60]);
        }),
        ("errors are quick, and the usual level afterwards is not slow", |w| {
            for _ in 0..200 {
                w.pass(secs(60)).result(ProbeResult { answer: http(503), ..took(Duration::from_millis(4)) });
            }
            answers(w, 60, usual(60));
        }),
        ("timeouts", |w| {
            let fault = Fault::TimedOut { phase: types::fault::Phase::FirstByte };
            for _ in 0..60 {
                w.pass(secs(60));
                w.result(ProbeResult { answer: failed(fault.clone()), ..took(Duration::from_secs(5)) });
            }
        }),
    ];
    for (name, happens) in cases {
        let mut w = host(60);
        answers(&mut w, 60, usual(100));
        happens(&mut w);
        assert_eq!(slow_alerts(&w), [], "{name}");
    }
}

#[test]
fn longer_intervals_are_not_judged_and_close_an_open_alert() {
    let mut w = host(60);
    answers(&mut w, 60, usual(100).chain([240; 20]));
    assert_eq!(slow_alerts(&w).len(), 1);
    w.config.probes.get_mut(&ProbeId::from(PROBE)).unwrap().interval = secs(600);
    w.config.digest = "other".into();
    w.tick();
    assert_eq!(slow_alerts(&w), []);
    answers(&mut w, 600, [240; 100].into_iter().chain([2_400; 100]));
    assert_eq!(slow_alerts(&w), []);
}

#[test]
fn second_series_of_a_resource_opens_no_second_alert_and_takes_over() {
    let mut w = host(60);
    let mut twin = w.config.probes[&ProbeId::from(PROBE)].clone();
    twin.id = "twin".into();
    w.config.probes.insert(twin.id.clone(), twin);
    let both = |w: &mut Fixture, one: u64, other: u64| {
        w.pass(secs(60)).result(took(Duration::from_millis(one)));
        w.result(ProbeResult { probe: "twin".into(), ..took(Duration::from_millis(other)) });
    };
    usual(100).for_each(|ms| both(&mut w, ms, ms));
    (0..20).for_each(|_| both(&mut w, 240, 480));
    assert_eq!(slow_alerts(&w).iter().map(|(probe, _)| probe.as_str()).collect::<Vec<_>>(), [PROBE]);
    (0..13).for_each(|_| both(&mut w, 103, 480));
    assert_eq!(slow_alerts(&w).iter().map(|(probe, _)| probe.as_str()).collect::<Vec<_>>(), ["twin"]);
}

#[test]
fn service_behind_the_edge_is_slower_than_usual() {
    let mut w = world();
    let second = |millis: u64| {
        let auth = ServiceTraffic { p50: Duration::from_millis(millis), ..traffic(50, 0) };
        crate::edge::second(auth)
    };
    for n in 0..3_600 {
        w.roll(&second(40 + n % 3));
    }
    assert_eq!(slow_alerts(&w), []);
    for _ in 0..900 {
        w.roll(&second(90));
    }
    let slow = slow_alerts(&w);
    let [(probe, Fault::SlowerThanUsual { usual, level, .. })] = &slow[..] else { panic!("{slow:?}") };
    assert_eq!((probe.as_str(), usual.as_millis(), level.as_millis()), ("edge.auth", 41, 90));
    w.restart();
    for _ in 0..900 {
        w.roll(&second(41));
    }
    assert_eq!(slow_alerts(&w), []);
}

/// Alerts about slowness while a series is judged from a moment on.
fn opened(w: &mut Fixture, interval: u64, values: &[f64]) -> usize {
    let mut opened = 0;
    for value in values {
        let before = slow_alerts(w).len();
        w.pass(secs(interval)).result(took(Duration::from_secs_f64(*value)));
        opened += usize::from(slow_alerts(w).len() > before);
    }
    opened
}

#[test]
fn doubled_latency_is_found_at_one_false_alert_a_week() {
    const INTERVAL: u64 = 60;
    const SERIES: u64 = 12;
    let false_alerts: usize = (0..SERIES)
        .map(|seed| {
            opened(&mut host(INTERVAL), INTERVAL, &latency(seed, INTERVAL, (WEEK / INTERVAL) as usize))
        })
        .sum();
    assert!(false_alerts as f64 / SERIES as f64 <= 1.0, "{false_alerts} in {SERIES} weeks");
    let (mut asked, mut found) = (0, 0);
    for seed in 100..160 {
        let values = latency(seed, INTERVAL, 630);
        let (before, after) = values.split_at(600);
        let mut w = host(INTERVAL);
        opened(&mut w, INTERVAL, before);
        if !slow_alerts(&w).is_empty() {
            continue;
        }
        let after: Vec<f64> = after.iter().map(|value| value * 2.0).collect();
        asked += 1;
        found += opened(&mut w, INTERVAL, &after);
    }
    println!(
        "{false_alerts} false alerts in {SERIES} weeks; {found} of {asked} doubled series found in 30 min"
    );
    assert!(found as f64 >= 0.85 * f64::from(asked), "{found} of {asked}");
}
