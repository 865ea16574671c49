//! The audit of the configuration in force, with what was observed since boot.

use crate::load_tests::{LoadTests, RecordedLoadTest};
use audit::{Audited, Evidence, Gap, Report};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::input::Refused;
use types::load_test::STEPS_MAX;
use types::time::later;
use types::{Actor, Config, Headroom, LoadTest, ProbeResult, ServiceId, Time};

/// Period that is checked for hours without anyone on call.
const AHEAD: Duration = Duration::from_secs(365 * 86_400);

/// What an audit needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Acceptance {
    config: Arc<Config>,
    evidence: Arc<Evidence>,
    /// Headroom of pools and databases; empty where nothing measures it.
    headroom: Arc<[Headroom]>,
    load_tests: LoadTests,
}

impl Acceptance {
    /// A configuration of which nothing was observed.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, evidence: Arc::default(), headroom: Arc::default(), load_tests: LoadTests::default() }
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
        let headroom = self.headroom.iter().map(|it| (it.resource.clone(), it.clone())).collect();
        let evidence = Evidence { headroom, ..(*self.evidence).clone() };
        audit::audit(&Audited { config: &self.config, evidence: &evidence, gaps: &gaps, now })
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

    /// The last load test of each target.
    pub(crate) fn load_tests(&self) -> &BTreeMap<String, LoadTest> {
        &self.evidence.load_tests
    }

    /// The same with the headroom of pools and databases.
    #[must_use]
    pub(crate) fn with_headroom(&self, headroom: Arc<[Headroom]>) -> Self {
        Self { headroom, ..self.clone() }
    }

    /// Takes over what the journal says: load tests and restores.
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::LoadTested { test, by } => {
                self.load_tests.add(test, by);
                let last = &mut Arc::make_mut(&mut self.evidence).load_tests;
                if last.get(&test.target).is_none_or(|last| last.at <= test.at) {
                    last.insert(test.target.clone(), test.clone());
                }
            }
            EventKind::BackupRestored { restore, .. } => {
                Arc::make_mut(&mut self.evidence).restores.insert(restore.database.clone(), restore.clone());
            }
            _ => {}
        }
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The last load tests, newest first.
    #[must_use]
    pub fn recorded_load_tests(&self) -> &[RecordedLoadTest] {
        self.load_tests.all()
    }

    /// The event of a load test; `None` when it is stored already.
    pub(crate) fn decide_load_test(
        &self,
        now: Time,
        test: &LoadTest,
        by: Actor,
    ) -> Result<Option<EventKind>, Refused> {
        if !self.config.loads.contains_key(&test.target) {
            return Err(Refused::UnknownLoadTarget(test.target.clone()));
        }
        // The clock of the machine that ran it may be ahead.
        let mut test = LoadTest { at: test.at.min(now), ..test.clone() };
        test.steps.truncate(STEPS_MAX);
        let is_known = self.load_tests.has(&test);
        Ok((!is_known).then_some(EventKind::LoadTested { test, by }))
    }

    /// Another configuration is in force.
    pub(crate) fn follow(&mut self, config: &Arc<Config>) {
        self.config = Arc::clone(config);
        Arc::make_mut(&mut self.evidence).follow(config);
    }
}
