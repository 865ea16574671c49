//! Chart of the requests of 15 minutes: forwarded, refused and failed, stacked.
//!
//! Only shapes: labels and numbers are HTML around it, where they keep their size on any screen.

use askama::filters::HtmlSafe;
use engine::views::traffic::{POINT, POINTS_MAX, Point};
use std::fmt::{self, Write as _};
use std::time::Duration;
use types::Time;
use types::time::between;

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;

/// Chart as SVG.
pub(crate) struct Chart {
    html: String,
    /// Requests per second at its upper edge.
    pub(crate) top: f64,
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl HtmlSafe for Chart {}

impl Chart {
    /// Draws the points of the 15 minutes before `now`, and the usual rate as a line. `number` makes the SVG ids
    /// unique in the page.
    pub(crate) fn new(points: &[Point], usual: Option<f64>, now: Time, number: usize) -> Self {
        let highest = points.iter().map(|point| rate(point.requests, point.window)).fold(0.0, f64::max);
        let top = round_up(highest.max(usual.unwrap_or_default()));
        let layer =
            |upper: fn(&Point) -> u64| path(points, now, top, |point| rate(upper(point), point.window));
        let mut html = String::with_capacity(4_096);
        // Refused and failed also differ by pattern, for readers who do not distinguish the colours.
        let _ = write!(
            html,
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <defs><pattern id=\"hatch-{number}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <path class=\"refused-back\" d=\"M0 0H6V6H0z\"/><path class=\"refused-line\" d=\"M0 0V6\"/></pattern></defs>\
             <path class=\"forwarded\" d=\"{}\"/><path fill=\"url(#hatch-{number})\" d=\"{}\"/><path class=\"failed\" d=\"{}\"/>",
            layer(|point| point.requests),
            layer(|point| point.refused + point.failed),
            layer(|point| point.failed),
        );
        if let Some(usual) = usual.filter(|usual| *usual > 0.0) {
            let _ = write!(html, "<path class=\"usual\" d=\"M0 {:.1}H{WIDTH}\"/>", height(usual, top));
        }
        html.push_str("</svg>");
        Self { html, top }
    }
}

/// Returns the rate per second.
pub(crate) fn rate(count: u64, window: Duration) -> f64 {
    if window.is_zero() { 0.0 } else { count as f64 / window.as_secs_f64() }
}

/// Returns a stepped area; a missing point starts a new one.
fn path(points: &[Point], now: Time, top: f64, value: impl Fn(&Point) -> f64) -> String {
    let range = POINT * u32::try_from(POINTS_MAX).unwrap_or(u32::MAX);
    let mut path = String::new();
    let mut end: Option<f64> = None;
    for point in points.iter().filter(|point| between(point.at, now) <= range) {
        let share = between(point.at, now).as_secs_f64() / range.as_secs_f64();
        let from = WIDTH * (1.0 - share);
        let to = (from + WIDTH / POINTS_MAX as f64).min(WIDTH);
        // Tolerance of half a step: points do not start to the millisecond.
        let continues = end.is_some_and(|end| from - end < WIDTH / POINTS_MAX as f64 / 2.0);
        let y = height(value(point), top);
        if continues {
            let _ = write!(path, "V{y:.1}H{to:.1}");
        } else {
            let close = if end.is_some() { format!("V{HEIGHT}z") } else { String::new() };
            let _ = write!(path, "{close}M{from:.1} {HEIGHT}V{y:.1}H{to:.1}");
        }
        end = Some(to);
    }
    if end.is_some() {
        let _ = write!(path, "V{HEIGHT}z");
    }
    path
}

fn height(value: f64, top: f64) -> f64 {
    HEIGHT - (value / top).clamp(0.0, 1.0) * (HEIGHT - 2.0)
}

/// Returns the next round number, for the scale.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1.0).log10().floor());
    [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= value)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;

    fn point(at: &str, requests: u64) -> Point {
        Point { at: at.parse().unwrap(), window: POINT, requests, ..Point::default() }
    }

    #[test]
    fn scale_is_a_round_number() {
        for (value, wanted) in
            [(0.0, 1.0), (0.3, 1.0), (1.4, 1.5), (42.0, 50.0), (500.0, 500.0), (5_400.0, 6_000.0)]
        {
            assert!((round_up(value) - wanted).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn missing_point_is_a_gap_and_old_point_is_not_drawn() {
        let points = [
            point("2026-11-22T04:00:00Z", 50),
            point("2026-11-22T04:15:00Z", 50),
            point("2026-11-22T04:15:05Z", 100),
            point("2026-11-22T04:16:00Z", 50),
        ];
        let now = later(points[3].at, POINT);
        let steps = path(&points, now, 20.0, |point| rate(point.requests, point.window));
        assert_eq!(steps, "M556.7 100V51.0H560.0V2.0H563.3V100zM596.7 100V51.0H600.0V100z");
        assert_eq!(path(&[], now, 1.0, |_| 0.0), "");
    }
}
