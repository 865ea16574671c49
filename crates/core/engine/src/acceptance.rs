//! The audit of the configuration in force, with what was observed since boot.

use audit::{Audited, Evidence, Gap, Report};
use std::sync::Arc;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::time::later;
use types::{Config, ProbeResult, ServiceId, Time};

/// Period that is checked for hours without anyone on call.
const AHEAD: Duration = Duration::from_secs(365 * 86_400);

/// What an audit needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Acceptance {
    config: Arc<Config>,
    evidence: Arc<Evidence>,
}

impl Acceptance {
    /// A configuration of which nothing was observed.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, evidence: Arc::default() }
    }

    /// Checks every criterion. Evaluates the schedules of a year: milliseconds to seconds.
    #[must_use]
    pub fn report(&self, now: Time) -> Report {
        let gap = |gap: oncall::Gap| Gap {
            service: gap.service,
            escalation: gap.escalation,
            from: gap.from,
            to: gap.to,
        };
        let gaps: Vec<Gap> =
            oncall::gaps(&self.config, now, later(now, AHEAD)).into_iter().map(gap).collect();
        audit::audit(&Audited { config: &self.config, evidence: &self.evidence, gaps: &gaps, now })
    }

    /// As [`Acceptance::report`], as far as it concerns a service; `None` when there is no such service.
    #[must_use]
    pub fn report_on(&self, service: &ServiceId, now: Time) -> Option<Report> {
        self.config.services.get(service)?;
        Some(self.report(now).of_service(&self.config, service))
    }

    /// Takes over what a result says; most say nothing new.
    pub(crate) fn observe(&mut self, result: &ProbeResult) {
        let Some(probe) = self.config.probes.get(&result.probe) else { return };
        if let Some(news) = self.evidence.news(&probe.kind, &result.answer) {
            Arc::make_mut(&mut self.evidence).take(news);
        }
    }

    /// Takes over what the journal says: load tests and restores.
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::LoadTested { test, .. } => {
                Arc::make_mut(&mut self.evidence).load_tests.insert(test.target.clone(), test.clone());
            }
            EventKind::BackupRestored { restore, .. } => {
                Arc::make_mut(&mut self.evidence).restores.insert(restore.database.clone(), restore.clone());
            }
            _ => {}
        }
    }

    /// Another configuration is in force.
    pub(crate) fn follow(&mut self, config: &Arc<Config>) {
        self.config = Arc::clone(config);
        Arc::make_mut(&mut self.evidence).follow(config);
    }
}
