//! The drawing of a latency with its texts: percentiles, axis, and a text in place of the picture.

use super::Latency;
use super::drawing::Drawing;
use crate::design::Clock;
use types::Time;
use types::series::{Bucket, Values};
use types::trace::duration_text;

/// Labels below the axis.
const TICKS: i32 = 5;

/// A latency ready for a template.
pub(crate) struct Figure {
    /// What it is: the title of a service, or a range.
    pub(crate) title: String,
    /// `p50 112 ms · p95 240 ms · p99 410 ms`; empty without a good answer.
    pub(crate) percentiles: String,
    pub(crate) drawing: Drawing,
    /// Latency at the upper edge.
    pub(crate) top: String,
    /// Times from the left to the right edge.
    pub(crate) ticks: Vec<String>,
    /// The text in place of the picture.
    pub(crate) description: String,
    /// Whether there is any sample in the range.
    pub(crate) has_samples: bool,
}

impl Figure {
    /// `tips`: whether each bucket shows its values when it is pointed at.
    pub(crate) fn new(title: impl Into<String>, latency: &Latency, clock: Clock<'_>, tips: bool) -> Self {
        let tip = |bucket: &Bucket| tip(bucket, latency, clock);
        let drawing = Drawing::new(latency, tips.then_some(&tip));
        Self {
            title: title.into(),
            percentiles: latency.values().map(|values| percentiles(&values)).unwrap_or_default(),
            top: seconds_text(drawing.top),
            drawing,
            ticks: ticks(latency, clock),
            description: description(latency, clock),
            has_samples: latency.counts().0 > 0,
        }
    }
}

/// A latency of the store, for display.
pub(crate) fn seconds_text(seconds: f64) -> String {
    duration_text((seconds.max(0.0) * 1e6).round() as u64)
}

/// The time of a bucket.
pub(crate) fn bucket_time(bucket: &Bucket, latency: &Latency, clock: Clock<'_>) -> String {
    formatted(bucket.from, latency.range.pattern(), clock)
}

fn formatted(at: Time, pattern: &str, clock: Clock<'_>) -> String {
    at.to_zoned_datetime(clock.timezone().clone()).strftime(pattern).to_string()
}

fn percentiles(values: &Values) -> String {
    let [p50, p95, p99] = [values.p50, values.p95, values.p99].map(seconds_text);
    format!("p50 {p50} · p95 {p95} · p99 {p99}")
}

fn tip(bucket: &Bucket, latency: &Latency, clock: Clock<'_>) -> String {
    let at = bucket_time(bucket, latency, clock);
    let failed = bucket.count - bucket.ok;
    let values = bucket.values.map_or_else(|| "no good answer".to_owned(), |values| percentiles(&values));
    match failed {
        0 => format!("{at}: {values}"),
        some => format!("{at}: {values}; {some} of {} answers failed", bucket.count),
    }
}

fn ticks(latency: &Latency, clock: Clock<'_>) -> Vec<String> {
    let first = latency.buckets.first().map_or(latency.from, |first| first.from);
    let last = latency.buckets.last().map_or(latency.to, |last| last.to);
    let step = last.duration_since(first) / (TICKS - 1);
    let at = |n: i32| first.checked_add(step * n).unwrap_or(last);
    (0..TICKS).map(|n| formatted(at(n), latency.range.tick_pattern(), clock)).collect()
}

fn description(latency: &Latency, clock: Clock<'_>) -> String {
    let over = latency.range.title();
    let (count, ok) = latency.counts();
    let Some(values) = latency.values() else {
        return match count {
            0 => format!("No samples in the last {over}."),
            some => format!("All {some} answers of the last {over} failed."),
        };
    };
    let highest = latency.buckets.iter().filter_map(|bucket| Some((bucket, bucket.values?.p95)));
    let highest = highest.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(bucket, p95)| {
        format!("; highest p95 {} at {}", seconds_text(p95), bucket_time(bucket, latency, clock))
    });
    let failed = match count - ok {
        0 => "no answer failed".to_owned(),
        some => format!("{some} of {count} answers failed"),
    };
    let (all, highest) = (percentiles(&values).replace(" · ", ", "), highest.unwrap_or_default());
    format!("Last {over}: {all}{highest}; {failed}.")
}
