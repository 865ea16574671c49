//! `/api/v1/probes/NAME/latency`: chart, percentiles and days of a probe's latency.

use super::json_response;
use crate::auth::may_read;
use crate::clock::now;
use crate::latency::{Latency, LatencyRange};
use crate::params::{known_probe, latency_range};
use crate::problem::JsonResult;
use crate::samples::{Samples, SamplesError};
use crate::state::WebState;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::Time;
use types::series::{Bucket, StripDay, Values};

/// Days of the strip.
const DAYS: u16 = 90;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/probes/{probe}/latency", get(latency))
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    range: String,
}

#[derive(Serialize)]
struct LatencyBody {
    probe: String,
    range: &'static str,
    from: Time,
    to: Time,
    count: u64,
    ok: u64,
    percentiles: Option<ValuesBody>,
    chart: Vec<BucketBody>,
    strip: Vec<DayBody>,
}

#[derive(Serialize)]
struct BucketBody {
    from: Time,
    to: Time,
    count: u64,
    ok: u64,
    percentiles: Option<ValuesBody>,
}

#[derive(Serialize)]
struct ValuesBody {
    min_seconds: f64,
    mean_seconds: f64,
    max_seconds: f64,
    p50_seconds: f64,
    p95_seconds: f64,
    p99_seconds: f64,
}

#[derive(Serialize)]
struct DayBody {
    day: String,
    count: u64,
    ok: u64,
}

async fn latency(
    State(state): State<Arc<WebState>>,
    Path(probe): Path<String>,
    Query(Parameters { range }): Query<Parameters>,
    headers: HeaderMap,
) -> JsonResult {
    may_read(&state, &headers)?;
    let range = latency_range(&range)?;
    known_probe(&*state.views_or_problem()?, &probe)?;
    let (name, at) = (probe.clone(), now());
    let read = move |samples: &dyn Samples| -> Result<(Latency, Vec<StripDay>), SamplesError> {
        let latency = Latency::read(samples, &[&name], range, range.buckets(), at)?;
        Ok((latency, samples.strip(&name, at, DAYS)?))
    };
    let (latency, strip) = state.samples().read(read).await?;
    json_response(&body(probe, &latency, &strip))
}

fn body(probe: String, latency: &Latency, strip: &[StripDay]) -> LatencyBody {
    let (count, ok) = latency.counts();
    LatencyBody {
        probe,
        range: LatencyRange::key(latency.range),
        from: latency.from,
        to: latency.to,
        count,
        ok,
        percentiles: latency.values().map(values),
        chart: latency.buckets.iter().map(bucket).collect(),
        strip: strip.iter().map(day).collect(),
    }
}

fn bucket(bucket: &Bucket) -> BucketBody {
    let Bucket { from, to, count, ok, .. } = *bucket;
    BucketBody { from, to, count, ok, percentiles: bucket.values.map(values) }
}

fn values(values: Values) -> ValuesBody {
    // Nine significant bits are stored: more digits than a microsecond are noise.
    let [min, mean, max, p50, p95, p99] =
        [values.min, values.mean, values.max, values.p50, values.p95, values.p99]
            .map(|seconds| (seconds * 1e6).round() / 1e6);
    ValuesBody {
        min_seconds: min,
        mean_seconds: mean,
        max_seconds: max,
        p50_seconds: p50,
        p95_seconds: p95,
        p99_seconds: p99,
    }
}

fn day(day: &StripDay) -> DayBody {
    DayBody { day: day.from.strftime("%Y-%m-%d").to_string(), count: day.count, ok: day.ok }
}
