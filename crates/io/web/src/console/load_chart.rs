//! Chart of a load test: achieved beside asked rate, and p50 and p99, both over the asked rate.
//!
//! Only shapes: labels and numbers are HTML around it. Steps are drawn by their rates, not in the order in which they ran.

use askama::filters::HtmlSafe;
use std::fmt::{self, Write as _};
use types::LoadTest;
use types::load_test::LoadStep;

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
/// Latencies above this multiple of the highest latency of a rate that was kept up with are cut off; the table has them.
const CUT: f64 = 3.0;

/// Both charts as SVG.
#[derive(Debug)]
pub(crate) struct LoadChart {
    rates: Svg,
    latencies: Svg,
    /// Highest asked rate, in thousandths.
    pub(crate) top_milli: u64,
    /// Latency at the upper edge, in microseconds.
    pub(crate) top_us: u64,
}

/// A chart.
#[derive(Debug)]
pub(crate) struct Svg(String);

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Svg {}

impl LoadChart {
    /// Draws a test; `None` when it has less than two rates.
    pub(crate) fn new(test: &LoadTest) -> Option<Self> {
        let mut steps: Vec<&LoadStep> = test.steps.iter().collect();
        steps.sort_by_key(|step| step.asked_milli);
        steps.dedup_by_key(|step| step.asked_milli);
        let top_milli = steps.last().filter(|_| steps.len() > 1)?.asked_milli.max(1);
        let kept = steps.iter().filter(|step| step.kept_up).map(|step| step.p99_us).max();
        let highest = steps.iter().map(|step| step.p99_us).max().unwrap_or(1);
        let cut = kept.map_or(highest, |kept| (kept as f64 * CUT) as u64);
        let top_us = highest.min(cut).max(1);
        let x = |step: &LoadStep| step.asked_milli as f64 / top_milli as f64 * WIDTH;
        let line = |y: &dyn Fn(&LoadStep) -> f64| line(steps.iter().map(|step| (x(step), y(step))));
        let by_rate = |milli: u64| height(milli as f64 / top_milli as f64);
        let by_latency = |us: u64| height(us as f64 / top_us as f64);
        let knee = test.knee.map(|knee| knee.rate_milli as f64 / top_milli as f64 * WIDTH);
        let rates = [
            ("load-asked", format!("M0 {HEIGHT}L{WIDTH} {:.1}", by_rate(top_milli))),
            ("load-achieved", line(&|step| by_rate(step.achieved_milli))),
        ];
        let latencies = [
            ("load-p99", line(&|step| by_latency(step.p99_us))),
            ("load-p50", line(&|step| by_latency(step.p50_us))),
        ];
        Some(Self { rates: svg(&rates, knee), latencies: svg(&latencies, knee), top_milli, top_us })
    }

    pub(crate) fn rates(&self) -> &Svg {
        &self.rates
    }

    pub(crate) fn latencies(&self) -> &Svg {
        &self.latencies
    }
}

fn svg(paths: &[(&str, String)], knee: Option<f64>) -> Svg {
    let mut html = format!(
        "<svg class=\"load-chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    );
    if let Some(knee) = knee {
        let _ = write!(html, "<path class=\"load-knee\" d=\"M{knee:.1} 0V{HEIGHT}\"/>");
    }
    for (class, path) in paths {
        let _ = write!(html, "<path class=\"{class}\" d=\"{path}\"/>");
    }
    html.push_str("</svg>");
    Svg(html)
}

fn line(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (n, (x, y)) in points.enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
    }
    path
}

fn height(share: f64) -> f64 {
    HEIGHT - share.clamp(0.0, 1.0) * (HEIGHT - 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::load_test::{Knee, LoadEnd};

    fn step(asked_milli: u64, achieved_milli: u64, p99_us: u64, kept_up: bool) -> LoadStep {
        let (p50_us, p90_us, max_us) = (p99_us / 2, p99_us, p99_us);
        LoadStep {
            asked_milli,
            achieved_milli,
            millis: 5_000,
            due: 1,
            good: 1,
            failed: 0,
            p50_us,
            p90_us,
            p99_us,
            max_us,
            kept_up,
        }
    }

    #[test]
    fn steps_are_drawn_by_their_rates() {
        let mut test = LoadTest {
            target: "staging".to_owned(),
            service: None,
            at: types::Time::UNIX_EPOCH,
            secs: 60,
            servers: 1,
            steps: vec![
                step(100_000, 100_000, 20_000, true),
                step(400_000, 250_000, 900_000, false),
                step(200_000, 200_000, 40_000, true),
            ],
            ended: LoadEnd::Complete,
            knee: Some(Knee {
                rate_milli: 200_000,
                beyond_milli: Some(400_000),
                p99_doubles_milli: None,
                p50_us: 20_000,
            }),
        };
        let chart = LoadChart::new(&test).unwrap();
        assert_eq!((chart.top_milli, chart.top_us), (400_000, 120_000));
        assert!(
            chart.rates.0.contains("load-achieved\" d=\"M150.0 90.5L300.0 61.0L600.0 46.2\""),
            "{:?}",
            chart.rates
        );
        assert!(chart.rates.0.contains("load-knee\" d=\"M300.0 0V120\""));
        assert!(
            chart.latencies.0.contains("load-p99\" d=\"M150.0 100.3L300.0 80.7L600.0 2.0\""),
            "{:?}",
            chart.latencies
        );
        test.steps.truncate(1);
        assert!(LoadChart::new(&test).is_none());
    }
}
