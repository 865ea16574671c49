//! Stored samples as the web server reads them, the priming of detection from them, and the refresh of the status page.

use engine::Engine;
use engine::effects::LATENCY;
use journal::Series;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use types::series::{Bucket, StripDay};
use types::{Time, time};
use web::{Samples, SamplesError, WebState};

/// Interval at which the response times on the status page are read again.
const REFRESH: Duration = Duration::from_secs(300);
/// Samples older than this say little about what is usual now.
const USUAL_FOR: Duration = Duration::from_secs(86_400);
/// Samples of a probe that are read: those of more than the 96 points that are compared, at every interval.
const SAMPLES_MAX: usize = 1_200;
/// Longest time for reading them at the start. The series that are left are learned from the next answers.
const PRIMING_MAX: Duration = Duration::from_secs(2);

/// The stored samples of a running process.
#[derive(Debug)]
pub(crate) struct StoredSamples(pub(crate) Arc<Series>);

impl Samples for StoredSamples {
    fn chart(
        &self,
        probes: &[&str],
        range: Range<Time>,
        buckets: usize,
    ) -> Result<Vec<Bucket>, SamplesError> {
        let series: Vec<(&str, &str)> = probes.iter().map(|probe| (*probe, LATENCY)).collect();
        self.0.chart_of_all(&series, range, buckets).map_err(|error| SamplesError(error.to_string()))
    }

    fn strip(&self, probe: &str, until: Time, days: u16) -> Result<Vec<StripDay>, SamplesError> {
        let strips = self.0.strips(&[(probe, LATENCY)], until, days);
        let mut strips = strips.map_err(|error| SamplesError(error.to_string()))?;
        Ok(strips.pop().unwrap_or_default())
    }
}

/// Lets detection learn from stored samples what is usual for each probe, so that a restart makes it blind to slowness for
/// no time. An open alert about slowness continues without them.
pub(crate) fn prime(engine: &mut Engine, series: &Series, now: Time) {
    let begun = Instant::now();
    let config = Arc::clone(engine.config());
    let (mut primed, mut failed) = (0_usize, None);
    for probe in config.probes.keys() {
        if begun.elapsed() >= PRIMING_MAX {
            break;
        }
        let range = time::earlier(now, USUAL_FOR)..now;
        match series.points((&probe.0, LATENCY), range, SAMPLES_MAX) {
            Ok(samples) => {
                let good = samples.iter().filter(|sample| sample.ok);
                let latency = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
                engine.learn_latencies(probe, good.map(|sample| (sample.at, latency(sample.value))));
                primed += 1;
            }
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        tracing::warn!(%error, "what is usual is learned from the next answers");
    }
    let (of, took) = (config.probes.len(), begun.elapsed());
    tracing::debug!(primed, of, ?took, "read what is usual for the latency of probes");
}

/// Keeps the response times on the status page up to date, from the first views on.
pub(crate) async fn refresh(site: Arc<WebState>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => return,
        () = site.first_published() => {}
    }
    loop {
        let reading = Arc::clone(&site);
        let _ = tokio::task::spawn_blocking(move || reading.refresh_latencies()).await;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}
