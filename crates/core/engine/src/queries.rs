//! What I/O crates read of the engine.

use crate::{Engine, Views, causes, effects, headroom, levels, show, traffic, views};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use types::held::HeldBy;
use types::{
    Alert, AlertId, Config, Incident, IncidentId, LastResult, MaintenanceId, PageId, Policy, ProbeId,
    ProbeTargets, Resource, ScheduledMaintenance, ServiceId, Time,
};

impl Engine {
    /// Probes to run, and those that are wanted early.
    #[must_use]
    pub fn probe_targets(&self) -> ProbeTargets {
        let context = self.context();
        let mut sooner = self.detect.sooner(&context);
        for (probe, at) in self.diagnose.sooner(&context) {
            sooner.entry(probe).and_modify(|known| *known = at.min(*known)).or_insert(at);
        }
        ProbeTargets { config: self.config.clone(), sooner }
    }

    /// The status page and the console's first page as of the last input.
    #[must_use]
    pub fn views(&self) -> Views {
        show::views(self)
    }

    /// The console's traffic view alone, cheap enough for every roll-up. `None` without a configured edge.
    #[must_use]
    pub fn traffic(&self) -> Option<views::Traffic> {
        traffic::view(self)
    }

    /// Policy of the edge. Built on each call: compare [`Engine::policy_version`] first.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            config: self.config.clone(),
            denials: self.denials.in_force().clone(),
            valves: self.valves.not_open().clone(),
            initial_concurrency: headroom::initial_concurrency(&self.config, self.acceptance.load_tests()),
        }
    }

    /// Version number that changes whenever [`Engine::policy`] may have changed since boot.
    #[must_use]
    pub fn policy_version(&self) -> u64 {
        self.configs + self.denials.changes() + self.valves.changes() + self.load_tests
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Sequence number of the last event.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Everything folded from the journal, as text: equal for two folds of one journal. Counters since boot are
    /// excluded.
    #[must_use]
    pub fn state_text(&self) -> String {
        [
            self.detect.state_text(),
            self.diagnose.state_text(),
            self.oncall.state_text(),
            self.publisher.state_text(),
            self.denials.state_text(),
            self.changes.state_text(),
            self.maintenances.state_text(),
            self.silences.state_text(),
            self.valves.state_text(),
            self.clock_state.state_text(),
            format!("{} {:?}", self.seq, self.digest),
        ]
        .join("\n")
    }

    /// Open and recently ended incidents.
    #[must_use]
    pub fn incidents(&self) -> &BTreeMap<IncidentId, Incident> {
        self.diagnose.incidents()
    }

    /// Maintenances: scheduled, going on, and those that ended recently.
    #[must_use]
    pub fn maintenances(&self) -> &BTreeMap<MaintenanceId, ScheduledMaintenance> {
        self.maintenances.all()
    }

    /// The maintenance or silence that holds the page of an incident, and until when.
    #[must_use]
    pub fn held_by(&self, incident: &Incident) -> Option<(HeldBy<'_>, Time)> {
        self.context().held_by(incident)
    }

    /// Notes and changes that are to be judged by the samples of their incidents.
    #[must_use]
    pub fn effect_tasks(&self) -> Vec<effects::Task> {
        effects::tasks(self)
    }

    /// Incidents whose resources are to be ranked by their samples.
    #[must_use]
    pub fn ranking_tasks(&self) -> Vec<causes::Task> {
        causes::tasks(self)
    }

    /// Peaks of pools and databases that are to be read from stored samples.
    #[must_use]
    pub fn headroom_tasks(&self) -> Vec<headroom::Task> {
        headroom::tasks(self)
    }

    /// Medians of levels that are to be read from stored samples.
    #[must_use]
    pub fn level_tasks(&self) -> Vec<levels::Task> {
        levels::tasks(self)
    }

    /// Whether the last result of a probe was no failure; true before the first.
    #[must_use]
    pub fn is_healthy(&self, probe: &ProbeId) -> bool {
        self.detect.is_healthy(probe)
    }

    /// Open alerts.
    #[must_use]
    pub fn alerts(&self) -> &BTreeMap<AlertId, Alert> {
        self.detect.alerts()
    }

    /// Time for which a service was monitored within the last days, including today.
    #[must_use]
    pub fn watched(&self, service: &ServiceId, days: u16) -> Duration {
        self.publisher.monitored(&self.config, service, days, self.clock)
    }

    /// Last result of a resource since boot.
    #[must_use]
    pub fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        self.detect.last_result(resource)
    }

    /// Open and recently closed pages.
    #[must_use]
    pub fn pages(&self) -> &BTreeMap<PageId, oncall::Page> {
        self.oncall.pages()
    }
}
