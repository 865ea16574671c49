//! Ranks the likely causes of open incidents about slowness: reads their samples, lets the engine decide, and reports the
//! result to the event loop. Idle while no such incident is open.

use crate::app::clock;
use crate::app::effects::points;
use engine::causes::Task;
use engine::effects::Point;
use journal::Series;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use types::{IncidentId, Observation};

/// Time between two rankings of one incident.
const RANK_EVERY: Duration = Duration::from_secs(20);
/// Time between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Ranks until `stop` is true.
pub(crate) async fn run(
    series: Option<Arc<Series>>,
    mut tasks: watch::Receiver<Vec<Task>>,
    results: mpsc::Sender<Observation>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(series) = series else { return };
    let mut ranked: BTreeMap<IncidentId, Instant> = BTreeMap::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            some = tasks.wait_for(|tasks| !tasks.is_empty()) => if some.is_err() { return },
        }
        let all = tasks.borrow().clone();
        ranked.retain(|incident, _| all.iter().any(|task| task.incident() == *incident));
        for task in all {
            if ranked.get(&task.incident()).is_some_and(|at| at.elapsed() < RANK_EVERY) {
                continue;
            }
            ranked.insert(task.incident(), Instant::now());
            let series = series.clone();
            // Reading waits for the disk.
            let result = tokio::task::spawn_blocking(move || rank(&series, &task)).await;
            let Ok(Some(result)) = result else { continue };
            if results.send(result).await.is_err() {
                return;
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn rank(series: &Series, task: &Task) -> Option<Observation> {
    let now = clock::now();
    let begun = Instant::now();
    let samples: Vec<Vec<Point>> = task.reads(now).into_iter().map(|read| points(series, read)).collect();
    let result = task.rank(now, &samples);
    let (incident, took) = (task.incident(), begun.elapsed());
    tracing::debug!(%incident, series = samples.len() / 2, ?took, "ranked likely causes");
    result
}
