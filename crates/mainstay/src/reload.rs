//! A changed plan is taken over while everything runs; one that is not sound is not, and says so.

use courier::Courier;
use model::Plan;
use seal::Key;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How often the file's date is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Follows the plan's file by its date and by SIGHUP.
pub(crate) async fn follow(
    path: Option<PathBuf>,
    mut current: Arc<Plan>,
    key: Key,
    plans: mpsc::Sender<Arc<Plan>>,
    couriers: watch::Sender<Arc<Courier>>,
    trouble: watch::Sender<Option<String>>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(path) = path else { return };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut seen = changed(&path);
    loop {
        let asked = tokio::select! {
            _ = stop.changed() => return,
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        let date = changed(&path);
        if !asked && date == seen {
            continue;
        }
        seen = date;
        match sound(&path, &current, &key) {
            Ok(None) => {
                trouble.send_replace(None);
            }
            Ok(Some((plan, courier))) => {
                tracing::info!(digest = %plan.digest, "a new plan is in force");
                current = plan.clone();
                couriers.send_replace(Arc::new(courier));
                trouble.send_replace(None);
                if plans.send(plan).await.is_err() {
                    return;
                }
            }
            Err(why) => {
                tracing::error!("the plan on disk is not sound, the old one stays in force:\n{why}");
                let first = why.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                let sentence = format!("the plan on disk is not sound, the old one stays in force: {first}");
                trouble.send_replace(Some(sentence));
            }
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// The new plan with its courier; nothing when it is the plan in force. What only a restart can change stays as it is.
fn sound(path: &Path, current: &Plan, key: &Key) -> Result<Option<(Arc<Plan>, Courier)>, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let folder = crate::cli::plan_folder(path);
    let read =
        config::read(&text, &path.display().to_string(), &folder).map_err(|problems| problems.to_string())?;
    for warning in &read.warnings {
        tracing::warn!("{warning}");
    }
    let plan = read.plan;
    if plan.digest == current.digest {
        return Ok(None);
    }
    for (what, same) in [
        ("site.listen", plan.site.listen == current.site.listen),
        ("site.data", plan.site.data == current.site.data),
        ("site.url", plan.site.url == current.site.url),
    ] {
        if !same {
            return Err(format!("{what} changed: that needs a restart"));
        }
    }
    // Everything that a new plan needs to work is tried before the old one is given up.
    prober::Prober::new(&plan).map_err(|why| why.to_string())?;
    let courier = Courier::new(&plan, key.clone()).map_err(|why| why.to_string())?;
    Ok(Some((Arc::new(plan), courier)))
}
