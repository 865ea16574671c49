//! `mainstay run --only guard`: the edge and nothing else. No mind, no board, no journal; the same plan and the same keys.

use crate::gate::{Gate, tokens};
use crate::keys::Keys;
use crate::last_denials;
use crate::reload::{self, Changes};
use model::{Plan, Policy};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long requests under way may take at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// A running edge with nothing behind it.
pub(crate) struct OnlyGuard {
    gate: Arc<Gate>,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
}

impl OnlyGuard {
    /// Serves by the plan, and follows its file.
    ///
    /// # Errors
    /// When the plan has no edge, an address is taken, or a secret is missing.
    pub(crate) fn start(plan: Plan, plan_path: PathBuf) -> Result<Self, String> {
        if plan.edge.is_none() {
            return Err("the plan has no [edge], so there is nothing to serve".to_owned());
        }
        let keys = Keys::open(&plan.site.data).map_err(|why| why.to_string())?;
        let plan = Arc::new(plan);
        // The journal is not opened here; what was denied when it was last written is still refused, until its time.
        let denials = last_denials::read(&plan.site.data).unwrap_or_else(|why| {
            tracing::error!(
                "what the team denied is not known, so only what the plan denies is refused: {why}; \
                 the file is written anew when the whole of mainstay runs"
            );
            BTreeMap::new()
        });
        let policy = move |plan: &Arc<Plan>| Policy { plan: plan.clone(), denials: denials.clone() };
        let gate = Arc::new(Gate::open(&policy(&plan), keys.key, None)?);
        let (stop, stopped) = watch::channel(false);
        let mut changes = Changes::of(plan_path, stopped.clone()).map_err(|why| why.to_string())?;
        let (policies_in, policies) = watch::channel(Arc::new(policy(&plan)));
        // Nobody judges the roll-ups; the sums on the way to them are still to be made.
        let (rollups, _) = mpsc::channel(1);
        let keeping = tokio::spawn(gate.clone().keep(policies, rollups, stopped));
        let looking = gate.clone();
        let following = tokio::spawn(async move {
            let mut current = plan;
            while let Some((path, asked)) = changes.next().await {
                let read = reload::another(path, &current);
                let read = read.and_then(|plan| plan.map(|plan| tokens(&plan).map(|_| plan)).transpose());
                match read {
                    Ok(None) if asked => {
                        let gate = looking.clone();
                        let _ = tokio::task::spawn_blocking(move || gate.look_again()).await;
                    }
                    Ok(None) => {}
                    Ok(Some(plan)) => {
                        tracing::info!(digest = %plan.digest, "a new plan is in force");
                        current = Arc::new(plan);
                        policies_in.send_replace(Arc::new(policy(&current)));
                    }
                    Err(why) => _ = reload::unsound(&why),
                }
            }
        });
        Ok(Self { gate, stop, tasks: [keeping, following] })
    }

    /// Where it listens; whether for TLS.
    pub(crate) fn listening(&self) -> Vec<(SocketAddr, bool)> {
        self.gate.listening()
    }

    /// Finishes what was begun and ends.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let gate = self.gate;
        let _ = tokio::task::spawn_blocking(move || gate.close(DRAIN)).await;
        for task in self.tasks {
            let _ = task.await;
        }
    }
}
