//! Tasks of the engine that need stored samples: reads them, lets the engine decide, and reports the results to the event loop.
//! Idle while there is no task.

use crate::app::clock;
use engine::effects::{Point, Read};
use journal::Series;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use types::{Observation, Time};

/// Most samples of one read: 264 steps of five minutes at most, with a sample each second.
const SAMPLES_MAX: usize = 80_000;

/// A task that is measured again and again while the engine has it.
pub(crate) trait SampledTask: Clone + Send + Sync + 'static {
    /// Names a task from one look to the next.
    type Key: Clone + Ord + Send;
    /// Time between two looks at what is due.
    const LOOK_EVERY: Duration;

    /// The task's name.
    fn key(&self) -> Self::Key;
    /// Time between two measurements.
    fn interval(&self) -> Duration;
    /// The samples that it needs.
    fn reads(&self, now: Time) -> Vec<Read>;
    /// Decides by them, in the same order.
    fn results(&self, now: Time, samples: &[Vec<Point>]) -> Vec<Observation>;
}

/// Measures until `stop` is true.
pub(crate) async fn run<T: SampledTask>(
    series: Option<Arc<Series>>,
    mut tasks: watch::Receiver<Vec<T>>,
    results: mpsc::Sender<Observation>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(series) = series else { return };
    let mut measured: BTreeMap<T::Key, Instant> = BTreeMap::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            some = tasks.wait_for(|tasks| !tasks.is_empty()) => if some.is_err() { return },
        }
        let all = tasks.borrow().clone();
        measured.retain(|key, _| all.iter().any(|task| task.key() == *key));
        for task in all {
            let (key, interval) = (task.key(), task.interval());
            if measured.get(&key).is_some_and(|at| at.elapsed() < interval) {
                continue;
            }
            measured.insert(key, Instant::now());
            let series = series.clone();
            // Reading waits for the disk.
            let found = tokio::task::spawn_blocking(move || measure(&series, &task)).await;
            for result in found.unwrap_or_default() {
                if results.send(result).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(T::LOOK_EVERY) => {}
        }
    }
}

fn measure<T: SampledTask>(series: &Series, task: &T) -> Vec<Observation> {
    let now = clock::now();
    let samples: Vec<Vec<Point>> = task.reads(now).into_iter().map(|read| points(series, read)).collect();
    task.results(now, &samples)
}

/// The samples of a read; none when they cannot be read, which is no data and never an improvement.
fn points(series: &Series, Read { subject, metric, range }: Read) -> Vec<Point> {
    let found = series.points((&subject, metric), range, SAMPLES_MAX).unwrap_or_else(|why| {
        tracing::warn!(%subject, metric, %why, "stored samples cannot be read; nothing is said about them");
        Vec::new()
    });
    found.into_iter().map(|sample| Point { at: sample.at, value: sample.value, ok: sample.ok }).collect()
}
