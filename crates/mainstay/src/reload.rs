//! A changed plan is taken over while everything runs; one that is not sound is not, and says so.

use crate::certificates;
use crate::gate::{self, Gate};
use courier::Courier;
use model::Plan;
use seal::Key;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How often the file's date is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The plan's file as it changes: by its date, or because SIGHUP asks to look.
pub(crate) struct Changes {
    path: PathBuf,
    hangup: Signal,
    seen: Option<SystemTime>,
    stop: watch::Receiver<bool>,
}

impl Changes {
    /// Changes from now on, until `stop` is true.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub(crate) fn of(path: PathBuf, stop: watch::Receiver<bool>) -> std::io::Result<Self> {
        Ok(Self { seen: changed(&path), hangup: signal(SignalKind::hangup())?, path, stop })
    }

    /// Waits for the next change; `None` at the end. Also says whether somebody asked by SIGHUP.
    pub(crate) async fn next(&mut self) -> Option<(&Path, bool)> {
        loop {
            let asked = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return None,
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let date = changed(&self.path);
            if asked || date != self.seen {
                self.seen = date;
                return Some((&self.path, asked));
            }
        }
    }
}

/// Who wants to know of a new plan.
pub(crate) struct Takers {
    /// The mind.
    pub plans: mpsc::Sender<Arc<Plan>>,
    /// Whoever carries messages.
    pub couriers: watch::Sender<Arc<Courier>>,
    /// A sentence when the plan on disk is not in force.
    pub trouble: watch::Sender<Option<String>>,
    /// The edge gets plans from the mind; from here, only the word that secrets may have been exchanged.
    pub gate: Arc<Gate>,
}

/// Follows the plan's file, and hands each sound plan on to everybody.
pub(crate) async fn follow(mut changes: Changes, mut current: Arc<Plan>, key: Key, to: Takers) {
    while let Some((path, asked)) = changes.next().await {
        match sound(path, &current, &key) {
            Ok(None) => {
                to.trouble.send_replace(None);
                if asked {
                    let gate = to.gate.clone();
                    let _ = tokio::task::spawn_blocking(move || gate.look_again()).await;
                }
            }
            Ok(Some((plan, courier))) => {
                tracing::info!(digest = %plan.digest, "a new plan is in force");
                current = plan.clone();
                to.couriers.send_replace(Arc::new(courier));
                to.trouble.send_replace(None);
                if to.plans.send(plan).await.is_err() {
                    return;
                }
            }
            Err(why) => {
                to.trouble.send_replace(Some(unsound(&why)));
            }
        }
    }
}

/// Says that the plan on disk is not sound, whole into the log; returns the sentence for people.
pub(crate) fn unsound(why: &str) -> String {
    tracing::error!("the plan on disk is not sound, the old one stays in force:\n{why}");
    let first = why.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("the plan on disk is not sound, the old one stays in force: {first}")
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// The plan on disk when it is another one than that in force, and asks for nothing that only a restart can change.
pub(crate) fn another(path: &Path, current: &Plan) -> Result<Option<Plan>, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let folder = crate::cli::plan_folder(path);
    let read =
        config::read(&text, &path.display().to_string(), &folder).map_err(|problems| problems.to_string())?;
    for warning in &read.warnings {
        tracing::warn!("{warning}");
    }
    if read.plan.digest == current.digest {
        return Ok(None);
    }
    // One that was in force already goes on as it is, whatever became of its files: it must not hold up another change.
    let known = current.edge.as_ref().map(|edge| edge.certificates.as_slice()).unwrap_or_default();
    let unusable = certificates::unusable(&read, |files| !known.contains(files));
    if !unusable.is_empty() {
        return Err(unusable.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    let plan = read.plan;
    for (what, same) in [
        ("site.listen", plan.site.listen == current.site.listen),
        ("site.data", plan.site.data == current.site.data),
        ("site.url", plan.site.url == current.site.url),
        (
            "edge.threads",
            plan.edge.as_ref().zip(current.edge.as_ref()).is_none_or(|(new, old)| new.threads == old.threads),
        ),
    ] {
        if !same {
            return Err(format!("{what} changed: that needs a restart"));
        }
    }
    Ok(Some(plan))
}

/// The new plan with its courier; nothing when it is the plan in force.
fn sound(path: &Path, current: &Plan, key: &Key) -> Result<Option<(Arc<Plan>, Courier)>, String> {
    let Some(plan) = another(path, current)? else { return Ok(None) };
    // Everything that a new plan needs to work is tried before the old one is given up.
    prober::Prober::new(&plan).map_err(|why| why.to_string())?;
    gate::tokens(&plan)?;
    let courier =
        Courier::new(&plan, key.clone()).map_err(|why| why.to_string())?.with_clock(crate::clock::now);
    Ok(Some((Arc::new(plan), courier)))
}
