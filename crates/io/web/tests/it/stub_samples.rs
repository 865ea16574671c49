//! Stored samples as a function of time: about 110 ms with a daily cycle, a slow stretch, an outage and a gap.

use std::f64::consts::TAU;
use std::ops::Range;
use std::time::Duration;
use types::Time;
use types::series::{Bucket, StripDay, Values};
use types::time::later;
use web::{Samples, SamplesError};

/// The stub. Probes whose name begins with `new` have no samples.
#[derive(Debug)]
pub(crate) struct StubSamples;

impl StubSamples {
    /// `end` is the end of the range, from which the outage and the gap are counted back.
    fn bucket(probes: usize, from: Time, to: Time, end: Time) -> Bucket {
        let middle = f64::midpoint(from.as_second() as f64, to.as_second() as f64);
        let hours_ago = (end.as_second() as f64 - middle) / 3_600.0;
        let length = (to.as_second() - from.as_second()) as u64;
        let count = if (14.0..15.5).contains(&hours_ago) { 0 } else { length / 30 * probes as u64 };
        let ok = match hours_ago {
            0.0..0.3 => 0,
            5.0..5.5 => count * 9 / 10,
            _ => count,
        };
        let wave = 1.0 + 0.2 * (TAU * hours_ago / 24.0).sin() + 0.05 * (hours_ago * 7.3).sin();
        let slow = if (2.0..3.5).contains(&hours_ago) { 2.2 } else { 1.0 };
        let p50 = 0.110 * wave * slow;
        let jitter = 1.0 + 0.3 * (hours_ago * 3.7).sin().abs();
        let values = Values {
            min: p50 * 0.7,
            mean: p50 * 1.1,
            max: p50 * 6.0,
            p50,
            p95: p50 * 1.6 * jitter,
            p99: p50 * 2.2 * jitter,
        };
        Bucket { from, to, count, ok, values: (ok > 0).then_some(values) }
    }
}

impl Samples for StubSamples {
    fn chart(
        &self,
        probes: &[&str],
        range: Range<Time>,
        buckets: usize,
    ) -> Result<Vec<Bucket>, SamplesError> {
        let known = probes.iter().filter(|probe| !probe.starts_with("new")).count();
        if probes.contains(&"broken") {
            return Err(SamplesError("the samples in samples.db cannot be used: disk I/O error".to_owned()));
        }
        let length = (range.end.as_second() - range.start.as_second()) as u64 / buckets as u64;
        let at = |n: usize| later(range.start, Duration::from_secs(length * n as u64));
        let count = if known == 0 { 0 } else { buckets };
        Ok((0..count).map(|n| Self::bucket(known, at(n), at(n + 1), range.end)).collect())
    }

    fn strip(&self, _: &str, until: Time, days: u16) -> Result<Vec<StripDay>, SamplesError> {
        let midnight = until.as_second().div_euclid(86_400) * 86_400;
        let day = |ago: u16| StripDay {
            from: Time::from_second(midnight - 86_400 * i64::from(ago)).unwrap(),
            count: 2_880,
            ok: 2_870,
        };
        Ok((0..days).rev().map(day).collect())
    }
}
