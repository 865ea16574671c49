//! False verdicts and power on generated series; the limits of a verdict.

use crate::effect_figures::{Shares, measure, measure_shares};
use crate::generated::latency;
use proptest::prelude::*;
use statistics::effect::{Judgement, Measure, Signal, Verdict, judge};

const LATENCY: Measure = Measure::Latency { ceiling: None };

fn rare(found: &Shares, what: &str) {
    println!("{what}, no change: helped {:.3}, worse {:.3}", found.helped, found.worse);
    assert!(found.helped <= 0.04 && found.worse <= 0.04, "{what}: {:.3} {:.3}", found.helped, found.worse);
}

fn found(shares: &Shares, least: f64, what: &str) {
    println!("{what}: helped {:.3}, worse {:.3}", shares.helped, shares.worse);
    assert!(shares.helped >= least && shares.worse <= 0.01, "{what}: {:.3}", shares.helped);
}

#[test]
fn false_effects_are_rare_and_real_ones_are_found() {
    for points in [12, 24] {
        rare(&measure(60, points, 1.0, 1_000), &format!("{points} points"));
        for (factor, least) in [(0.8, 0.45), (0.67, 0.8), (0.5, 0.93)] {
            let what = format!("{points} points, {:+.0} %", (factor - 1.0) * 100.0);
            found(&measure(60, points, factor, 300), least, &what);
        }
        assert!(measure(60, points, 2.0, 300).worse >= 0.93, "{points}");
    }
}

#[test]
fn points_every_two_seconds_are_judged_as_safely() {
    for points in [6, 12, 24] {
        rare(&measure(2, points, 1.0, 1_000), &format!("2 s, {points} points"));
    }
    for (factor, least) in [(0.8, 0.3), (0.67, 0.7), (0.5, 0.9)] {
        found(&measure(2, 12, factor, 300), least, &format!("2 s, x {factor}"));
    }
}

#[test]
fn failure_shares_that_wander_within_an_incident_are_no_effect() {
    for incident in [8, 24, 200] {
        for points in [6, 12, 24] {
            let what = format!("shares, {incident} points before, {points} after");
            rare(&measure_shares(incident, points, 1.0, 500), &what);
        }
        found(
            &measure_shares(incident, 12, 0.3, 300),
            0.65,
            &format!("shares x 0.3, {incident} points before"),
        );
        found(&measure_shares(incident, 12, 0.0, 300), 0.9, &format!("shares x 0, {incident} points before"));
    }
}

fn points(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
    values.into_iter().map(Some).collect()
}

fn judged(
    measure: Measure,
    usual: &[Option<f64>],
    before: &[Option<f64>],
    after: &[Option<f64>],
) -> Judgement {
    judge(&Signal { measure, usual, before, gap: 0, after })
}

/// A quiet history, 20 slow points, and what follows.
fn latency_after(after: &[Option<f64>], measure: Measure) -> Judgement {
    let usual = points(latency(3, 60, 240));
    let level = 20.0 * usual[0].unwrap();
    let wave = |at: usize| level * (1.0 + 0.05 * f64::from(u8::try_from(at % 5).unwrap()));
    let after: Vec<_> = after.iter().map(|value| value.map(|factor| factor * level)).collect();
    judged(measure, &usual, &points((0..20).map(wave)), &after)
}

#[test]
fn verdicts_and_their_limits() {
    let quick = vec![Some(0.2); 12];
    let gone = [vec![None; 9], vec![Some(0.2); 3]].concat();
    let half = [vec![None; 5], vec![Some(0.2); 7]].concat();
    assert_eq!(latency_after(&quick, LATENCY).verdict, Verdict::Helped);
    assert_eq!(latency_after(&quick[..5], LATENCY).verdict, Verdict::TooEarly);
    assert_eq!(latency_after(&[Some(1.0); 12], LATENCY).verdict, Verdict::NoEffect);
    assert_eq!(latency_after(&[Some(9.0); 12], LATENCY).verdict, Verdict::MadeItWorse);
    assert_eq!(latency_after(&gone, LATENCY).verdict, Verdict::NoData, "no answers are no improvement");
    assert_eq!(
        latency_after(&half, LATENCY).verdict,
        Verdict::NoData,
        "what is still answered is a selection"
    );
    assert_eq!(judged(LATENCY, &[], &[], &quick).verdict, Verdict::NoData);
}

/// The latency of an incident that falls from 1.9 s to 0.9 s before the change.
fn judged_after_a_recovery(recovered: usize, after: f64) -> Judgement {
    let usual = points(latency(5, 60, 240));
    let usual_level = usual[0].unwrap();
    let wave = |at: usize, level: f64| level * usual_level * (1.0 + 0.01 * (at % 5) as f64);
    let before = points((0..20).map(|at| wave(at, if at < 20 - recovered { 19.0 } else { 9.0 })));
    judged(LATENCY, &usual, &before, &points((0..12).map(|at| wave(at, after))))
}

#[test]
fn recovery_that_was_over_before_the_change_is_no_effect_of_it() {
    for recovered in [6, 8, 12] {
        let judged = |after: f64| judged_after_a_recovery(recovered, after);
        let figure = judged(9.0).figure().unwrap();
        assert!((figure.after / figure.before - 1.0).abs() < 0.1, "{recovered} points before: {figure}");
        let verdicts = [9.0, 1.0, 40.0].map(|after| judged(after).verdict);
        let expected = [Verdict::NoEffect, Verdict::Helped, Verdict::MadeItWorse];
        assert_eq!(verdicts, expected, "{recovered} points before");
    }
}

#[test]
fn values_at_the_timeout_are_no_data() {
    let usual = points(latency(4, 60, 240));
    let timeout = Measure::Latency { ceiling: Some(30.0) };
    let stuck = points([29.9; 20]);
    assert_eq!(judged(timeout, &usual, &stuck, &points([29.9; 12])).verdict, Verdict::NoData);
    assert_eq!(judged(timeout, &usual, &stuck, &points([0.4; 12])).verdict, Verdict::Helped);
}

#[test]
fn failure_shares_have_verdicts_too() {
    let usual = points((0..240).map(|at| if at % 9 == 0 { 0.004 } else { 0.0 }));
    let broken = points((0..20).map(|at| 0.30 + 0.01 * f64::from(at % 4)));
    let judge = |share: f64| judged(Measure::FailureShare, &usual, &broken, &points([share; 12]));
    assert_eq!(judge(0.002).verdict, Verdict::Helped);
    assert_eq!(judge(0.002).to_string(), "31.5 % -> 0.2 %, -99 %");
    assert_eq!(judge(0.31).verdict, Verdict::NoEffect);
    assert_eq!(judge(0.80).verdict, Verdict::MadeItWorse);
    let quiet = judged(Measure::FailureShare, &usual, &points([0.008; 20]), &points([0.0; 12]));
    assert_eq!(quiet.verdict, Verdict::NoEffect, "less than one request in a hundred");
}

#[test]
fn figures_have_units() {
    let figure = |before: f64, after: f64| {
        let (before, after) = (Some(before), Some(after));
        Judgement { verdict: Verdict::Helped, measure: LATENCY, usual: None, before, after, chance: 0.01 }
            .to_string()
    };
    assert_eq!(figure(1.9, 0.4), "1.9 s -> 400 ms, -79 %");
    assert_eq!(figure(0.0042, 0.012), "4.2 ms -> 12 ms, +186 %");
    assert_eq!(figure(31.0, 0.0), "31 s -> 0.0 ms, -100 %");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_points_have_a_verdict(
        usual in prop::collection::vec(prop::option::of(any::<f64>()), 0..80),
        before in prop::collection::vec(prop::option::of(-1.0..1e9_f64), 0..40),
        after in prop::collection::vec(prop::option::of(any::<f64>()), 0..40),
        share in any::<bool>(),
    ) {
        let measure = if share { Measure::FailureShare } else { Measure::Latency { ceiling: Some(1e3) } };
        let found = judged(measure, &usual, &before, &after);
        prop_assert!((0.0..=1.0).contains(&found.chance));
        prop_assert_eq!(found.verdict == Verdict::TooEarly, after.len() < 6);
        prop_assert!(!found.to_string().is_empty());
    }
}

#[test]
fn failures_in_bursts_after_a_quiet_time_made_it_worse() {
    let usual = points((0..80).map(|at| if at == 40 { 0.02 } else { 0.0 }));
    let quiet = points([0.0; 20]);
    // A server after the other restarts: one second of three or four loses requests.
    let bursts = |share: f64| points((0..24).map(|at| if at % 7 < 2 { share } else { 0.0 }));
    let judge =
        |before: &[Option<f64>], after: &[Option<f64>]| judged(Measure::FailureShare, &usual, before, after);
    let worse = judge(&quiet, &bursts(0.4));
    assert_eq!((worse.verdict, worse.to_string()), (Verdict::MadeItWorse, "0.0 % -> 13.3 %".to_owned()));
    assert_eq!(judge(&quiet, &bursts(0.1)).verdict, Verdict::NoEffect, "one request in thirty");
    let one = points((0..24).map(|at| if at < 2 { 1.0 } else { 0.0 }));
    assert_eq!(judge(&quiet, &one).verdict, Verdict::NoEffect, "one burst");
    let restless = [points([0.0; 14]), bursts(0.4), bursts(0.4), points([0.0; 6])].concat();
    assert_eq!(judge(&restless, &bursts(0.4)).verdict, Verdict::NoEffect, "as before");
}
