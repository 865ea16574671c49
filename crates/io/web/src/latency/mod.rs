//! Latencies over a range, for the status page, the console and the API.
//!
//! | module | contents |
//! |---|---|
//! | `range` | the ranges that can be chosen, and their buckets |
//! | `drawing` | a latency as SVG |
//! | `figure` | the drawing with its texts |
//! | [`public`] | the latencies of the status page |

mod drawing;
pub(crate) mod figure;
pub mod public;
pub(crate) mod range;

pub(crate) use figure::Figure;
pub(crate) use range::LatencyRange;

use crate::samples::{Samples, SamplesError};
use types::Time;
use types::series::{Bucket, Values};

/// A latency over a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Latency {
    pub(crate) range: LatencyRange,
    pub(crate) from: Time,
    pub(crate) to: Time,
    /// Buckets of equal length; none when there was never a sample.
    pub(crate) buckets: Vec<Bucket>,
    /// The whole range.
    pub(crate) whole: Option<Bucket>,
}

impl Latency {
    /// Reads the range that ends now, in at most this many buckets. Takes milliseconds and may wait for the disk.
    pub(crate) fn read(
        samples: &dyn Samples,
        probes: &[&str],
        range: LatencyRange,
        buckets: usize,
        now: Time,
    ) -> Result<Self, SamplesError> {
        let span = range.until(now);
        let buckets = samples.chart(probes, span.clone(), buckets)?;
        let whole = samples.chart(probes, span.clone(), 1)?.pop();
        Ok(Self { range, from: span.start, to: span.end, buckets, whole })
    }

    /// Answers and good answers.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.whole.map_or((0, 0), |whole| (whole.count, whole.ok))
    }

    /// Percentiles of the good answers of the whole range.
    pub(crate) fn values(&self) -> Option<Values> {
        self.whole.and_then(|whole| whole.values)
    }
}
