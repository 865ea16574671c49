//! A quarter of an hour of requests as a small picture: what passed, what was refused, what failed, one on the other.
//!
//! Only the shapes are drawn: words and figures stand around it in the page, where they keep their size on any screen.

use askama::filters::HtmlSafe;
use engine::views::traffic::{POINT, POINTS_MAX, Point};
use std::fmt::{self, Write as _};
use std::time::Duration;
use types::Time;
use types::time::between;

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;

/// The picture.
pub(crate) struct Series {
    html: String,
    /// Requests a second at its upper edge.
    pub(crate) top: f64,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl HtmlSafe for Series {}

impl Series {
    /// Draws the points that are not older than a quarter of an hour at `now`, and the usual rate as a line. The number
    /// makes its names its own among those of a page.
    pub(crate) fn new(points: &[Point], usual: Option<f64>, now: Time, number: usize) -> Self {
        let highest = points.iter().map(|point| rate(point.requests, point.span)).fold(0.0, f64::max);
        let top = nice(highest.max(usual.unwrap_or_default()));
        let layer = |upper: fn(&Point) -> u64| path(points, now, top, |point| rate(upper(point), point.span));
        let mut html = String::with_capacity(4_096);
        // Refused and failed also differ in their pattern: not everybody tells their colours apart.
        let _ = write!(
            html,
            "<svg class=\"series\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <defs><pattern id=\"hatch-{number}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <path class=\"refused-back\" d=\"M0 0H6V6H0z\"/><path class=\"refused-line\" d=\"M0 0V6\"/></pattern></defs>\
             <path class=\"passed\" d=\"{}\"/><path fill=\"url(#hatch-{number})\" d=\"{}\"/><path class=\"failed\" d=\"{}\"/>",
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

/// So many in such a time, a second.
pub(crate) fn rate(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { count as f64 / span.as_secs_f64() }
}

/// Steps from the base line up and back to it, in one piece as long as no point is missing.
fn path(points: &[Point], now: Time, top: f64, value: impl Fn(&Point) -> f64) -> String {
    let window = POINT * u32::try_from(POINTS_MAX).unwrap_or(u32::MAX);
    let mut path = String::new();
    let mut end: Option<f64> = None;
    for point in points.iter().filter(|point| between(point.at, now) <= window) {
        let share = between(point.at, now).as_secs_f64() / window.as_secs_f64();
        let from = WIDTH * (1.0 - share);
        let to = (from + WIDTH / POINTS_MAX as f64).min(WIDTH);
        // Half a step of patience: points do not begin to the millisecond.
        let goes_on = end.is_some_and(|end| from - end < WIDTH / POINTS_MAX as f64 / 2.0);
        let y = height(value(point), top);
        if goes_on {
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

/// The next round number: a scale that people read at a glance.
fn nice(value: f64) -> f64 {
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
        Point { at: at.parse().unwrap(), span: POINT, requests, ..Point::default() }
    }

    #[test]
    fn scales_are_round() {
        for (value, wanted) in
            [(0.0, 1.0), (0.3, 1.0), (1.4, 1.5), (42.0, 50.0), (500.0, 500.0), (5_400.0, 6_000.0)]
        {
            assert!((nice(value) - wanted).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn what_was_not_counted_is_a_gap_and_what_is_old_is_not_drawn() {
        let points = [
            point("2026-11-22T04:00:00Z", 50),
            point("2026-11-22T04:15:00Z", 50),
            point("2026-11-22T04:15:05Z", 100),
            point("2026-11-22T04:16:00Z", 50),
        ];
        let now = later(points[3].at, POINT);
        let steps = path(&points, now, 20.0, |point| rate(point.requests, point.span));
        assert_eq!(steps, "M556.7 100V51.0H560.0V2.0H563.3V100zM596.7 100V51.0H600.0V100z");
        assert_eq!(path(&[], now, 1.0, |_| 0.0), "");
    }
}
