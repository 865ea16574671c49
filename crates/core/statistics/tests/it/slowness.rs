//! Recall and false alerts of the slowness detector, and the ordinary days it must not report.

use crate::generated::latency;
use crate::slowness_figures::measure;
use statistics::slowness::{Change, Settings, SlownessDetector};
use std::time::Duration;

#[test]
fn doubled_latency_is_found_at_one_false_alert_a_week() {
    for interval in [10, 30, 60] {
        let figures = measure(Settings::for_interval(Duration::from_secs(interval)), interval, 40);
        println!(
            "every {interval} s: {:.3} false alerts a week and series, {:.3?}",
            figures.false_alerts, figures.found
        );
        assert!(figures.false_alerts <= 1.0, "{interval} s: {}", figures.false_alerts);
        let doubled = figures.found.iter().find(|(factor, ..)| *factor >= 2.0).unwrap();
        assert!(doubled.1 >= 0.85, "{interval} s: {doubled:?}");
    }
}

/// Alerts in a month of a series, in which `factor` of the second of the day multiplies the latency.
fn month(interval: u64, seed: u64, factor: impl Fn(u64, u64) -> f64) -> usize {
    let count = 30 * 86_400 / interval;
    let values = latency(seed, interval, count as usize);
    let mut detector = SlownessDetector::new(Settings::for_interval(Duration::from_secs(interval)));
    let judge = |(at, value): (u64, f64)| {
        let second = at * interval;
        let value = value * factor(second / 86_400, second % 86_400);
        matches!(detector.observe(at, Duration::from_secs_f64(value)), Some(Change::Slow(_)))
    };
    (0..).zip(values).map(judge).filter(|slow| *slow).count()
}

#[test]
fn ordinary_month_adds_no_alerts() {
    for interval in [10, 60] {
        let alerts = |factor: &dyn Fn(u64, u64) -> f64| {
            (0..10).map(|seed| month(interval, seed, factor)).sum::<usize>()
        };
        let quiet = alerts(&|_, _| 1.0);
        let backup = alerts(&|_, second| if (7_200..8_400).contains(&second) { 1.3 } else { 1.0 });
        let deploys = alerts(&|day, _| 1.1_f64.powi(i32::try_from(day / 7).unwrap()));
        let report =
            alerts(&|day, second| if day == 29 && (3_600..10_800).contains(&second) { 2.0 } else { 1.0 });
        println!(
            "every {interval} s, 10 series, 30 days: quiet {quiet}, backup {backup}, deploys {deploys}, report {report}"
        );
        assert!(quiet <= 40, "one a week and series");
        assert!(backup <= quiet + 60, "a nightly 20 minutes of 1.3 times: less than one in five nights");
        assert!(deploys <= quiet + 5, "a deploy a week, each 10 % slower");
        assert!((quiet + 8..=quiet + 15).contains(&report), "two hours of twice the latency is slowness");
    }
}
