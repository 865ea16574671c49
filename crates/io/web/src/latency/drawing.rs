//! A latency as SVG: p50 as a line, p95 and p99 as bands above it, failures shaded, stretches without data low and grey.
//!
//! Only shapes: labels and numbers are HTML around it, where they keep their size on any screen. Whole numbers are exact
//! enough for coordinates, and half as long.

use super::Latency;
use askama::filters::HtmlSafe;
use std::fmt::{self, Write as _};
use types::series::{Bucket, Values};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
/// Height of the mark of a bucket without data, and of one in which some answers failed.
const MARK: f64 = 5.0;
/// A single slow stretch must not press the rest against the axis: values above this multiple of the usual p95 are cut
/// off at the upper edge. The table has them.
const CUT: f64 = 6.0;

/// A latency as SVG.
#[derive(Debug)]
pub(crate) struct Drawing {
    html: String,
    /// Seconds at its upper edge.
    pub(crate) top: f64,
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl HtmlSafe for Drawing {}

impl Drawing {
    /// Draws a latency. `tip` gives the text of each bucket that is shown when it is pointed at.
    pub(crate) fn new(latency: &Latency, tip: Option<&dyn Fn(&Bucket) -> String>) -> Self {
        let top = top(&latency.buckets);
        let place = Place { latency, top };
        let mut html = String::with_capacity(4_096);
        let _ = write!(
            html,
            "<svg class=\"latency-chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <path class=\"grid\" d=\"M0 .5H{WIDTH}M0 {}H{WIDTH}\"/>",
            HEIGHT / 2.0
        );
        let mut path = |class: &str, d: String| {
            if !d.is_empty() {
                let _ = write!(html, "<path class=\"{class}\" d=\"{d}\"/>");
            }
        };
        path("outage", place.columns(0.0, |bucket| bucket.count > 0 && bucket.ok * 2 <= bucket.count));
        path("band-p99", place.band(|values| values.p95, |values| values.p99));
        path("band-p95", place.band(|values| values.p50, |values| values.p95));
        path("p50", place.line(|values| values.p50));
        let mark = HEIGHT - MARK;
        path("blank", place.columns(mark, |bucket| bucket.count == 0));
        path("faults", place.columns(mark, |bucket| bucket.ok < bucket.count));
        let with_tip =
            tip.map(|tip| latency.buckets.iter().filter(|bucket| bucket.count > 0).map(move |it| (it, tip)));
        for (bucket, tip) in with_tip.into_iter().flatten() {
            let (from, to) = place.edges(bucket);
            let text = ::text::escape::html(&tip(bucket));
            let _ = write!(
                html,
                "<rect class=\"tip\" x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{HEIGHT}\"><title>{text}</title></rect>",
                to - from
            );
        }
        html.push_str("</svg>");
        Self { html, top }
    }
}

/// Positions in the drawing.
struct Place<'a> {
    latency: &'a Latency,
    top: f64,
}

impl Place<'_> {
    fn edges(&self, bucket: &Bucket) -> (f64, f64) {
        let first = self.latency.buckets.first().map_or(self.latency.from, |first| first.from);
        let last = self.latency.buckets.last().map_or(self.latency.to, |last| last.to);
        let whole = last.duration_since(first).as_secs_f64().max(1.0);
        let at = |time: types::Time| time.duration_since(first).as_secs_f64() / whole * WIDTH;
        (at(bucket.from), at(bucket.to))
    }

    fn y(&self, seconds: f64) -> f64 {
        HEIGHT - (seconds / self.top).clamp(0.0, 1.0) * (HEIGHT - 2.0)
    }

    /// Buckets that match, from a height down to the axis; neighbours are one column.
    fn columns(&self, from_y: f64, matches: impl Fn(&Bucket) -> bool) -> String {
        let mut path = String::new();
        for run in self.latency.buckets.chunk_by(|a, b| matches(a) == matches(b)) {
            if let (Some(first), Some(last)) = (run.first().filter(|first| matches(first)), run.last()) {
                let (from, to) = (self.edges(first).0, self.edges(last).1);
                let _ = write!(path, "M{from:.0} {from_y:.0}H{to:.0}V{HEIGHT}H{from:.0}z");
            }
        }
        path
    }

    /// Middles of the buckets with values, without gaps between them; one alone has its whole width.
    fn runs(&self) -> Vec<Vec<(f64, Values)>> {
        let runs = self.latency.buckets.chunk_by(|a, b| a.values.is_some() == b.values.is_some());
        let points = |run: &[Bucket]| -> Vec<(f64, Values)> {
            let with_values = run.iter().filter_map(|bucket| Some((self.edges(bucket), bucket.values?)));
            let places: Vec<((f64, f64), Values)> = with_values.collect();
            match places.as_slice() {
                [((from, to), values)] => vec![(*from, *values), (*to, *values)],
                several => {
                    several.iter().map(|((from, to), values)| (f64::midpoint(*from, *to), *values)).collect()
                }
            }
        };
        runs.map(points).filter(|run| !run.is_empty()).collect()
    }

    fn line(&self, value: impl Fn(&Values) -> f64) -> String {
        let mut path = String::new();
        for run in self.runs() {
            for (n, (x, values)) in run.iter().enumerate() {
                let _ = write!(path, "{}{x:.0} {:.0}", if n == 0 { 'M' } else { 'L' }, self.y(value(values)));
            }
        }
        path
    }

    fn band(&self, lower: impl Fn(&Values) -> f64, upper: impl Fn(&Values) -> f64) -> String {
        let mut path = String::new();
        for run in self.runs() {
            for (n, (x, values)) in run.iter().enumerate() {
                let _ = write!(path, "{}{x:.0} {:.0}", if n == 0 { 'M' } else { 'L' }, self.y(upper(values)));
            }
            for (x, values) in run.iter().rev() {
                let _ = write!(path, "L{x:.0} {:.0}", self.y(lower(values)));
            }
            path.push('z');
        }
        path
    }
}

/// A round number of seconds for the upper edge: the highest p95, and at least the usual p99.
fn top(buckets: &[Bucket]) -> f64 {
    let sorted = |value: fn(&Values) -> f64| {
        let mut all: Vec<f64> =
            buckets.iter().filter_map(|bucket| bucket.values.as_ref()).map(value).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let median = |sorted: &[f64]| sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let (p95s, p99s) = (sorted(|values| values.p95), sorted(|values| values.p99));
    let highest = p95s.last().copied().unwrap_or_default();
    round_up(highest.min(median(&p95s) * CUT).max(median(&p99s).min(highest * CUT)) * 1.1)
}

/// The next round number of seconds, at least a tenth of a millisecond.
fn round_up(seconds: f64) -> f64 {
    let power = 10_f64.powf(seconds.max(1e-4).log10().floor());
    let mut steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0].into_iter().map(|step| step * power);
    steps.find(|step| *step >= seconds - power * 1e-9).unwrap_or(seconds)
}

#[cfg(test)]
mod tests {
    use super::super::LatencyRange;
    use super::*;
    use types::Time;
    use types::time::later;

    fn latency(buckets: &[(u64, u64, Option<f64>)]) -> Latency {
        let from: Time = "2026-11-22T00:00:00Z".parse().unwrap();
        let at = |n: usize| later(from, std::time::Duration::from_secs(900 * n as u64));
        let bucket = |(n, (count, ok, p50)): (usize, &(u64, u64, Option<f64>))| Bucket {
            from: at(n),
            to: at(n + 1),
            count: *count,
            ok: *ok,
            values: p50.map(|p50| Values {
                min: p50,
                mean: p50,
                max: p50 * 3.0,
                p50,
                p95: p50 * 2.0,
                p99: p50 * 3.0,
            }),
        };
        let to = at(buckets.len());
        let buckets = buckets.iter().enumerate().map(bucket).collect();
        Latency { range: LatencyRange::Day, from, to, buckets, whole: None }
    }

    #[test]
    fn failures_are_shaded_and_missing_data_interrupts_the_line() {
        let drawn = latency(&[
            (30, 30, Some(0.1)),
            (30, 29, Some(0.1)),
            (30, 0, None),
            (0, 0, None),
            (30, 30, Some(0.2)),
            (30, 30, Some(50.0)),
        ]);
        let drawing = Drawing::new(&drawn, None);
        insta::assert_snapshot!(drawing.to_string().replace("/>", "/>\n"), @r#"
        <svg class="latency-chart" viewBox="0 0 600 120" preserveAspectRatio="none" aria-hidden="true"><path class="grid" d="M0 .5H600M0 60H600"/>
        <path class="outage" d="M200 0H300V120H200z"/>
        <path class="band-p99" d="M50 108L150 108L150 112L50 112zM450 96L550 2L550 2L450 104z"/>
        <path class="band-p95" d="M50 112L150 112L150 116L50 116zM450 104L550 2L550 2L450 112z"/>
        <path class="p50" d="M50 116L150 116M450 112L550 2"/>
        <path class="blank" d="M300 115H400V120H300z"/>
        <path class="faults" d="M100 115H300V120H100z"/>
        </svg>
        "#);
        assert!((drawing.top - 3.0).abs() < 1e-9, "the longest one is cut off: {}", drawing.top);
    }

    #[test]
    fn empty_latency_is_drawn() {
        assert!(Drawing::new(&latency(&[]), None).to_string().contains("<svg"));
        assert!(Drawing::new(&latency(&[(0, 0, None)]), None).to_string().contains("blank"));
    }

    #[test]
    fn upper_edge_is_round() {
        for (seconds, wanted) in [(0.0, 1e-4), (0.000_31, 0.000_4), (0.24, 0.3), (0.3, 0.3), (7.0, 8.0)] {
            assert!((round_up(seconds) - wanted).abs() < 1e-9, "{seconds}: {}", round_up(seconds));
        }
    }
}
