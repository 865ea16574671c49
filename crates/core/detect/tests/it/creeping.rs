//! Creeping growth through detection: the alert, its news, its end, restarts, removed probes.

use crate::fixture::*;
use std::time::Duration;
use types::fault::Level;
use types::series::{LevelSeries, Medians};
use types::time::{earlier, later};
use types::{Context, Events, Fault, ProbeId, Time};

const PROBE: &str = "http.a.acme.com";
const STEP: Duration = Duration::from_secs(600);

/// The series of the probe's latency, with its limit of 800 ms.
fn series(w: &Fixture) -> LevelSeries {
    let all = w.detect.level_series(&w.config);
    all.into_iter().map(|(of, _)| of).find(|of| of.probe.0 == PROBE).unwrap()
}

/// Reads medians that end now; what followed, in words.
fn read(w: &mut Fixture, steps: Vec<(Time, f64)>) -> String {
    let (of, until) = (series(w), w.now);
    let mut kinds = Events::new();
    let medians = Medians { steps, past: Vec::new() };
    w.detect.judge_medians(&Context::new(&w.config, w.now), (&of, &medians, until), &mut kinds);
    w.follow(kinds)
}

/// Ten days of 100 ms with a little noise.
fn usual(w: &mut Fixture) -> String {
    let first = earlier(w.now, STEP * 1_440);
    let steps = (0..1_440).map(|at| (later(first, STEP * at), 0.1 + f64::from(at % 7) * 0.001)).collect();
    read(w, steps)
}

/// Further steps, one by one.
fn steps(w: &mut Fixture, values: impl IntoIterator<Item = f64>) -> String {
    let each = |value: f64| {
        let at = w.now;
        w.pass(STEP);
        read(w, vec![(at, value)])
    };
    values.into_iter().map(each).collect()
}

#[test]
fn rising_latency_is_claimed_with_the_time_at_which_it_meets_the_limit() {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    assert_eq!(
        series(&w),
        LevelSeries {
            about: types::Resource::host("a.acme.com"),
            probe: ProbeId::from(PROBE),
            level: Level::Latency,
            limit: 800_000,
            step: STEP,
        }
    );
    assert_eq!(usual(&mut w), "");
    // 700 ms in six hours.
    let rising = |at: u32| 0.1 + 0.7 * f64::from(at) / 36.0;
    let said = steps(&mut w, (1..=24).map(rising));
    insta::assert_snapshot!(said, @r"
    13:30:00 + host.a.acme.com gets slower: 116 ms more each hour since 11:40 UTC (102 ms -> 275 ms); at this rate it reaches its limit of 800 ms at 18:00 UTC [Info since 11:40:00] trend of medians of http.a.acme.com, above the same hours of the days before
    14:00:00 ~ alert-1 gets slower: 116 ms more each hour since 11:40 UTC (102 ms -> 333 ms); at this rate it reaches its limit of 800 ms at 18:00 UTC [Info] trend of medians of http.a.acme.com, above the same hours of the days before
    15:00:00 ~ alert-1 gets slower: 116 ms more each hour since 11:40 UTC (102 ms -> 450 ms); at this rate it reaches its limit of 800 ms at 18:00 UTC [Info] trend of medians of http.a.acme.com, above the same hours of the days before
    16:00:00 ~ alert-1 gets slower: 116 ms more each hour since 11:40 UTC (102 ms -> 556 ms); at this rate it reaches its limit of 800 ms at 18:05 UTC [Info] trend of medians of http.a.acme.com, above the same hours of the days before
    ");
    // It stays where it is.
    let said = steps(&mut w, [rising(24); 54]);
    assert!(said.ends_with("- alert-1\n"), "{said}");
    assert!(w.detect.alerts().is_empty());
}

#[test]
fn level_back_to_usual_ends_the_alert_at_the_second_step() {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    usual(&mut w);
    steps(&mut w, (1..=20).map(|at| 0.1 + 0.7 * f64::from(at) / 36.0));
    assert_eq!(w.detect.alerts().len(), 1);
    let said = steps(&mut w, [0.1, 0.1]);
    assert!(said.contains("- alert-1"), "{said}");
}

#[test]
fn open_alert_survives_a_restart_and_closes_with_its_probe() {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    usual(&mut w);
    steps(&mut w, (1..=20).map(|at| 0.1 + 0.7 * f64::from(at) / 36.0));
    w.restart();
    assert_eq!(steps(&mut w, [0.1 + 0.7 * 21.0 / 36.0]), "", "no history was read");
    let is_open =
        |w: &Fixture| w.detect.alerts().values().any(|alert| matches!(alert.fault, Fault::Creeping { .. }));
    assert!(is_open(&w));
    steps(&mut w, [0.1; 20]);
    assert!(!is_open(&w), "it ends by the level alone");
    steps(&mut w, (1..=20).map(|at| 0.1 + 0.7 * f64::from(at) / 36.0));
    w.config.probes.remove(&ProbeId::from(PROBE));
    w.config.digest.push_str(" without");
    w.tick();
    assert!(!is_open(&w));
}

#[test]
fn steps_are_as_long_as_the_interval_demands() {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    for (millis, step) in [(60_000, 600_000), (5_000, 600_000), (1_000, 20_000), (50, 2_000)] {
        w.config.probes.get_mut(&ProbeId::from(PROBE)).unwrap().interval = Duration::from_millis(millis);
        assert_eq!(series(&w).step, Duration::from_millis(step), "{millis} ms");
    }
}
