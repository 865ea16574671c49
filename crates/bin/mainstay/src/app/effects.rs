//! Measures the effects of notes and changes: reads their samples, lets the engine judge, and reports the result to the
//! event loop. Idle while no incident has a note or a change that is not judged.

use crate::app::clock;
use engine::effects::{Judged, Point, Read, Task};
use journal::Series;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use types::Observation;
use types::effect::ChangePoint;

/// Shortest and longest time between two measurements of the same change.
const MEASURE_EVERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// Most samples of one read: 264 steps of five minutes at most, with a sample each second.
const SAMPLES_MAX: usize = 80_000;

/// Measures until `stop` is true.
pub(crate) async fn run(
    series: Option<Arc<Series>>,
    mut tasks: watch::Receiver<Vec<Task>>,
    results: mpsc::Sender<Observation>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(series) = series else { return };
    let mut measured: BTreeMap<Vec<ChangePoint>, Instant> = BTreeMap::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            some = tasks.wait_for(|tasks| !tasks.is_empty()) => if some.is_err() { return },
        }
        let all = tasks.borrow().clone();
        measured.retain(|of, _| all.iter().any(|task| task.of() == of.as_slice()));
        let due: Vec<Task> = all.into_iter().filter(|task| is_due(task, &measured)).collect();
        for task in due {
            measured.insert(task.of().to_vec(), Instant::now());
            let series = series.clone();
            // Reading waits for the disk.
            let judged = tokio::task::spawn_blocking(move || measure(&series, &task)).await;
            let Ok(Judged { of, effect, is_final }) = judged else { continue };
            for of in of {
                let result = Observation::Effect { of, effect: effect.clone(), is_final };
                if results.send(result).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(MEASURE_EVERY.0) => {}
        }
    }
}

fn is_due(task: &Task, measured: &BTreeMap<Vec<ChangePoint>, Instant>) -> bool {
    let interval = task.step().clamp(MEASURE_EVERY.0, MEASURE_EVERY.1);
    measured.get(task.of()).is_none_or(|at| at.elapsed() >= interval)
}

fn measure(series: &Series, task: &Task) -> Judged {
    let now = clock::now();
    let samples: Vec<Vec<Point>> = task.reads(now).into_iter().map(|read| points(series, read)).collect();
    task.judge(now, &samples)
}

/// The samples of a read; none when they cannot be read, which is no data and never an improvement.
pub(super) fn points(series: &Series, Read { subject, metric, range }: Read) -> Vec<Point> {
    let found = series.points((&subject, metric), range, SAMPLES_MAX).unwrap_or_else(|why| {
        tracing::warn!(%subject, metric, %why, "stored samples cannot be read; nothing is said about them");
        Vec::new()
    });
    found.into_iter().map(|sample| Point { at: sample.at, value: sample.value, ok: sample.ok }).collect()
}
