//! A changed plan is taken over while everything runs; one that is not sound is not, and says so.

use crate::certificates;
use crate::files::Files;
use crate::gate::{self, Gate};
use notify::Notifier;
use types::Plan;
use types::plan::SecretRef;
use tokens::Key;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The plan's file and those that it names, as they change; also because SIGHUP asks to look.
pub(crate) struct Changes {
    path: PathBuf,
    hangup: Signal,
    plan: Files,
    named: Files,
    stop: watch::Receiver<bool>,
}

/// What changed.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The plan's file.
    pub path: PathBuf,
    /// Whether what the plan names is to be read again though the plan may be the same: a secret, a root of trust.
    pub named: bool,
}

impl Changes {
    /// Changes from now on, until `stop` is true.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub(crate) fn of(path: PathBuf, plan: &Plan, stop: watch::Receiver<bool>) -> std::io::Result<Self> {
        let mut changes = Self {
            hangup: signal(SignalKind::hangup())?,
            plan: Files::default(),
            named: Files::default(),
            path,
            stop,
        };
        changes.plan.follow([changes.path.clone()]);
        changes.follow(plan);
        Ok(changes)
    }

    /// Follows the files that this plan names.
    pub(crate) fn follow(&mut self, plan: &Plan) {
        self.named.follow(named(plan));
    }

    /// Waits for the next change; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Change> {
        loop {
            let asked = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return None,
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let (plan, named) = (self.plan.changed(), self.named.changed());
            if asked || plan || named {
                return Some(Change { path: self.path.clone(), named: asked || named });
            }
        }
    }
}

/// The files that a plan names and that are read once: secrets, roots of trust, the list of registries. Certificates of
/// the edge and its lists of networks are followed by the edge itself.
fn named(plan: &Plan) -> impl Iterator<Item = PathBuf> {
    let channels = plan.channels.values().filter_map(|channel| channel.secret.as_ref());
    let callers = plan.callers.values().filter_map(|caller| caller.token.as_ref());
    let secrets = channels.chain(callers).filter_map(|secret| match secret {
        SecretRef::File(path) => Some(path),
        SecretRef::Env(_) => None,
    });
    secrets.chain(&plan.site.trust).chain(&plan.registry.bootstrap).cloned()
}

/// Who wants to know of a new plan.
pub(crate) struct Takers {
    /// The mind.
    pub plans: mpsc::Sender<Arc<Plan>>,
    /// Whoever carries messages.
    pub couriers: watch::Sender<Arc<Notifier>>,
    /// A sentence when the plan on disk is not in force.
    pub trouble: watch::Sender<Option<String>>,
    /// The edge gets plans from the mind; from here, only the word that secrets may have been exchanged.
    pub gate: Arc<Gate>,
}

/// Follows the plan's file, and hands each sound plan on to everybody.
pub(crate) async fn follow(mut changes: Changes, mut current: Arc<Plan>, key: Key, to: Takers) {
    while let Some(Change { path, named }) = changes.next().await {
        let read = sound(&path, &current, &key);
        let (taken, trouble) = match read {
            Ok(Some((plan, courier))) => {
                tracing::info!(digest = %plan.digest, "a new plan is in force");
                changes.follow(&plan);
                (Some((plan, courier)), None)
            }
            Ok(None) => (None, None),
            Err(why) => (None, Some(unsound(&why))),
        };
        // What the plan in force names may have been exchanged though the plan itself was not.
        let again = if taken.is_none() && named { Some(read_again(&current, &key)) } else { None };
        let (taken, trouble) = match again {
            Some(Ok(again)) => (Some(again), trouble),
            Some(Err(why)) => (None, Some(why)),
            None => (taken, trouble),
        };
        to.trouble.send_replace(trouble);
        if let Some((plan, courier)) = taken {
            current = plan.clone();
            to.couriers.send_replace(Arc::new(courier));
            if to.plans.send(plan).await.is_err() {
                return;
            }
        }
        if named {
            let gate = to.gate.clone();
            let _ = tokio::task::spawn_blocking(move || gate.look_again()).await;
        }
    }
}

/// The plan in force once more, with its secrets and roots of trust as they are now.
fn read_again(current: &Plan, key: &Key) -> Result<(Arc<Plan>, Notifier), String> {
    let unusable = |why: String| {
        tracing::error!("what the plan names is not usable, the old stays in force:\n{why}");
        format!("what the plan names is not usable, the old stays in force: {why}")
    };
    prober::Prober::new(current).map_err(|why| unusable(why.to_string()))?;
    let courier = Notifier::new(current, key.clone()).map_err(|why| unusable(why.to_string()))?;
    tracing::info!("secrets and roots of trust were read again");
    // Another one by its address, so that everybody who follows plans takes it over.
    Ok((Arc::new(current.clone()), courier))
}

/// Says that the plan on disk is not sound, whole into the log; returns the sentence for people.
pub(crate) fn unsound(why: &str) -> String {
    tracing::error!("the plan on disk is not sound, the old one stays in force:\n{why}");
    let first = why.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("the plan on disk is not sound, the old one stays in force: {first}")
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
fn sound(path: &Path, current: &Plan, key: &Key) -> Result<Option<(Arc<Plan>, Notifier)>, String> {
    let Some(plan) = another(path, current)? else { return Ok(None) };
    // Everything that a new plan needs to work is tried before the old one is given up.
    prober::Prober::new(&plan).map_err(|why| why.to_string())?;
    gate::tokens(&plan)?;
    let courier =
        Notifier::new(&plan, key.clone()).map_err(|why| why.to_string())?.with_clock(crate::clock::now);
    Ok(Some((Arc::new(plan), courier)))
}
