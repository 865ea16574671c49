//! Publication of what the engine derives: views, probe targets, the edge's policy.

use super::EventLoop;
use crate::app::clock::by_the_wall;
use crate::app::inputs::{Inputs, Outputs};
use engine::views::SelfProblem;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use types::Policy;

/// Age at which views are published again without a decision: durations in them grow, and first results arrive.
const REFRESH: Duration = Duration::from_secs(5);

/// Publishes what is to be measured, when it has changed.
fn publish_tasks<T: PartialEq>(tasks: &watch::Sender<Vec<T>>, now: Vec<T>) {
    tasks.send_if_modified(|known| {
        let is_new = *known != now;
        *known = now;
        is_new
    });
}

impl EventLoop {
    pub(super) fn views_expired(&self) -> bool {
        self.views_published.is_none_or(|at| at.elapsed() >= REFRESH)
    }

    pub(super) fn publish_views(&mut self, inputs: &Inputs, outputs: &Outputs) {
        self.views_published = Some(Instant::now());
        let mut views = self.view_throttle.run(|| self.engine.views());
        views.now.self_problems.extend(self.self_problems(inputs));
        views.now.probe_lag_p99 = self.lag_monitor.p99();
        outputs.views.send_replace(Some(Arc::new(views)));
        publish_tasks(&outputs.to_measure.effects, self.engine.effect_tasks());
        publish_tasks(&outputs.to_measure.causes, self.engine.ranking_tasks());
        publish_tasks(&outputs.to_measure.headroom, self.engine.headroom_tasks());
        publish_tasks(&outputs.to_measure.levels, self.engine.level_tasks());
    }

    /// Problems of mainstay itself that the engine does not know.
    fn self_problems(&self, inputs: &Inputs) -> Vec<SelfProblem> {
        let journal = self.pending_writes.refusal().map(str::to_owned);
        let journal = journal.map(|error| SelfProblem::JournalRefuses { error });
        let config = inputs.config_problem.borrow().clone();
        let config = config.map(|error| SelfProblem::ConfigNotInForce { error });
        let edge = inputs.edge_problem.borrow().clone().map(|error| SelfProblem::EdgeDiffers { error });
        let lines = inputs.unused_lines.borrow().clone().into_iter();
        let lines = lines.map(|error| SelfProblem::ResolverLineUnused { error });
        let late = self.lag_monitor.late().map(|p99| SelfProblem::ProbesLate { p99 });
        [journal, config, edge].into_iter().flatten().chain(lines).chain(late).collect()
    }

    /// Policy of the edge as of the last input. The edge uses the wall clock, so denials end at its instants: after as
    /// much time as was asked for.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        let mut policy = self.engine.policy();
        policy.denials.values_mut().for_each(|denial| denial.until = by_the_wall(denial.until));
        policy.valves.values_mut().for_each(|valve| valve.changed = by_the_wall(valve.changed));
        Arc::new(policy)
    }

    pub(super) fn publish_policy(&mut self, outputs: &Outputs) {
        let version = self.engine.policy_version();
        if version != self.policy_version {
            self.policy_version = version;
            outputs.policy.send_replace(self.policy());
        }
    }

    pub(super) fn publish_targets(&mut self, outputs: &Outputs) {
        self.target_throttle.request();
        let same_config = Arc::ptr_eq(self.engine.config(), &outputs.targets.borrow().config);
        if same_config && !self.target_throttle.is_due() {
            return;
        }
        self.target_throttle.run(|| {
            let targets = self.engine.probe_targets();
            if !same_config || targets.sooner != self.sooner {
                self.sooner.clone_from(&targets.sooner);
                outputs.targets.send_replace(targets);
            }
        });
    }
}
