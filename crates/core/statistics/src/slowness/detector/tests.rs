//! Levels, ends and ordinary disturbances of one series.

use super::*;
use proptest::prelude::*;

/// A detector that has learned 100 answers around 100 ms.
fn learned() -> SlownessDetector<u32> {
    let mut detector = SlownessDetector::new(Settings::for_interval(Duration::from_secs(60)));
    for at in 0..100 {
        assert_eq!(detector.observe(at, ms(100.0 + f64::from(at % 7))), None);
    }
    detector
}

fn ms(value: f64) -> Duration {
    Duration::from_secs_f64(value / 1e3)
}

/// Changes from the answers, which begin at 100.
fn changes(detector: &mut SlownessDetector<u32>, answers: impl IntoIterator<Item = f64>) -> Vec<Change<u32>> {
    (100..).zip(answers).filter_map(|(at, value)| detector.observe(at, ms(value))).collect()
}

#[test]
fn doubled_latency_is_slow_since_its_first_answer() {
    let mut detector = learned();
    let found = changes(&mut detector, [200.0; 9]);
    let [Change::Slow(slow)] = found[..] else { panic!("{found:?}") };
    assert_eq!(slow.since, 100);
    assert!(
        (slow.from.as_secs_f64() - 0.103).abs() < 0.002 && (slow.to.as_secs_f64() - 0.2).abs() < 1e-3,
        "{slow:?}"
    );
    assert_eq!(detector.slow().map(|slow| slow.since), Some(100));
}

#[test]
fn recovery_needs_twelve_points_near_the_former_level() {
    let mut detector = learned();
    changes(&mut detector, [200.0; 500]);
    assert!(detector.usual().is_some_and(|usual| usual < ms(110.0)), "the slow level was not learned");
    assert!(changes(&mut detector, [103.0, 104.0, 103.0, 102.0, 103.0, 200.0]).is_empty());
    let found = changes(&mut detector, [103.0; 12]);
    assert!(matches!(found[..], [Change::Recovered { usual, .. }] if usual < ms(110.0)), "{found:?}");
    assert_eq!(detector.slow(), None);
}

#[test]
fn resumed_detector_finds_the_end_and_the_day() {
    let settings = Settings::for_interval(Duration::from_secs(60));
    let slow = Slow { since: 7, from: ms(103.0), to: ms(240.0) };
    let mut detector = SlownessDetector::resume(settings, slow, Duration::from_secs(3_600));
    assert!(detector.is_slow() && detector.slow().is_none());
    assert_eq!(changes(&mut detector, [240.0; 50]), []);
    assert_eq!(detector.slow().map(|slow| (slow.since, slow.to.as_millis())), Some((7, 240)));
    let found = changes(&mut detector, [104.0; 12]);
    assert!(matches!(found[..], [Change::Recovered { usual, .. }] if usual.as_millis() == 103), "{found:?}");

    let mut detector = SlownessDetector::resume(settings, slow, Duration::from_secs(86_000));
    let found = changes(&mut detector, [240.0; 20]);
    assert!(matches!(found[..], [Change::Accepted { .. }]), "{found:?}");
}

#[test]
fn rise_before_a_gap_does_not_count_after_it() {
    let mut detector = learned();
    assert_eq!(changes(&mut detector, [200.0; 8]), []);
    detector.interrupt();
    assert_eq!(changes(&mut detector, [200.0; 8]), []);
    assert!(!detector.is_slow());
}

#[test]
fn new_level_is_accepted_after_a_day() {
    let mut detector = learned();
    let found = changes(&mut detector, [200.0; 3_000]);
    let [Change::Slow(_), Change::Accepted { from, to }] = found[..] else { panic!("{found:?}") };
    assert!(from < ms(110.0) && to > ms(190.0));
    assert!(detector.usual().is_some_and(|usual| usual > ms(190.0)));
}

#[test]
fn ordinary_disturbances_open_nothing() {
    let steady = |count: usize| std::iter::repeat_n(103.0, count);
    let spikes: Vec<f64> = (0..300).map(|at| if at % 10 == 0 { 5_000.0 } else { 103.0 }).collect();
    let backup: Vec<f64> = std::iter::repeat_n(134.0, 20).chain(steady(60)).collect();
    let cases: [(&str, Vec<f64>); 4] = [
        ("every tenth answer takes 5 s", spikes),
        ("backup: 1.3 times for 20 minutes", backup),
        ("deploy: 10 % slower from now on", vec![113.0; 500]),
        ("five slow answers, then none", [400.0; 5].into_iter().chain(steady(50)).collect()),
    ];
    for (name, answers) in cases {
        assert_eq!(changes(&mut learned(), answers), [], "{name}");
    }
}

#[test]
fn memory_is_bounded() {
    assert!(
        std::mem::size_of::<SlownessDetector<u64>>() + RECENT * std::mem::size_of::<(u64, f64)>() < 1_400
    );
}

proptest! {
    /// `Slow` and its end alternate, and a slowness begins before it is reported.
    #[test]
    fn changes_alternate(answers in prop::collection::vec(prop_oneof![0.0..1.0_f64, 0.05..0.15_f64, Just(1e9)], 0..3_000)) {
        let mut detector = SlownessDetector::new(Settings { accepted_after: 200, ..Settings::for_interval(Duration::from_secs(60)) });
        let mut slow = false;
        for (at, value) in answers.into_iter().enumerate() {
            match detector.observe(at, Duration::from_secs_f64(value)) {
                Some(Change::Slow(change)) => {
                    prop_assert!(!slow && change.since <= at && change.to > change.from);
                    slow = true;
                }
                Some(Change::Recovered { since, .. }) => {
                    prop_assert!(slow && since <= at);
                    slow = false;
                }
                Some(Change::Accepted { .. }) => {
                    prop_assert!(slow);
                    slow = false;
                }
                None => {}
            }
            prop_assert_eq!(detector.slow().is_some(), slow);
        }
    }
}
