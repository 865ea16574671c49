//! The audit of the configuration in force, with what was observed since boot.

use crate::criteria_history::History;
use crate::load_tests::{LoadTests, RecordedLoadTest};
use audit::{Audited, Evidence, Gap, Report};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use types::actor::{ActorKind, Via};
use types::audit::{Criterion, CriterionChange};
use types::event::{Event, EventKind, Events};
use types::input::Refused;
use types::load_test::STEPS_MAX;
use types::time::later;
use types::{
    Actor, Config, Headroom, LoadTest, PageTest, PersonId, ProbeResult, Resource, Restore, ServiceId, Time,
};

/// Period that is checked for hours without anyone on call.
const AHEAD: Duration = Duration::from_secs(365 * 86_400);

/// Answers to test pages that are kept.
const TESTS_MAX: usize = 200;
/// Changes that one audit reports; the rest follows with the next.
const CHANGES_MAX: usize = 500;

/// What an audit needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Acceptance {
    config: Arc<Config>,
    evidence: Arc<Evidence>,
    /// Headroom of pools and databases; empty where nothing measures it.
    headroom: Arc<[Headroom]>,
    load_tests: LoadTests,
    history: Arc<History>,
    tests: Arc<VecDeque<AnsweredTest>>,
    /// Criteria that fail the audit of this configuration.
    musts: Arc<BTreeSet<Criterion>>,
}

/// A test page that its reader has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnsweredTest {
    /// The test.
    #[serde(flatten)]
    pub test: PageTest,
    /// When it was answered.
    pub at: Time,
}

impl Acceptance {
    /// A configuration of which nothing was observed.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            musts: Arc::new(audit::musts(&config.audit)),
            config,
            evidence: Arc::default(),
            headroom: Arc::default(),
            load_tests: LoadTests::default(),
            history: Arc::default(),
            tests: Arc::default(),
        }
    }

    /// The resources that concern a service; `None` when there is no such service.
    #[must_use]
    pub fn concerned(&self, service: &ServiceId) -> Option<BTreeSet<Resource>> {
        self.config.services.get(service)?;
        Some(audit::report::concerned(&self.config, service))
    }

    /// The last restores, by database.
    pub fn restores(&self) -> impl Iterator<Item = &Restore> {
        self.evidence.restores.values()
    }

    /// Answers to test pages, oldest first.
    pub fn answered_tests(&self) -> impl Iterator<Item = &AnsweredTest> {
        self.tests.iter()
    }

    /// When each criterion was lost and met again.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Criteria that are lost, or met again, since they were recorded last. What is not checked yet is neither.
    #[must_use]
    pub fn changes(&self, now: Time) -> Vec<CriterionChange> {
        let mut changes = self.history.changes(&self.config, &self.report(now));
        changes.truncate(CHANGES_MAX);
        changes
    }

    /// Events of changes that an audit found, without those that are recorded already.
    pub(crate) fn changed(&self, changes: &[CriterionChange]) -> Events {
        let fresh = changes.iter().filter(|change| self.history.is_news(change)).take(CHANGES_MAX);
        let event = |change: &CriterionChange| EventKind::CriterionChanged {
            criterion: change.criterion,
            resource: change.resource.clone(),
            is_met: change.is_met,
            evidence: change.evidence.clone(),
        };
        fresh.map(event).collect()
    }

    /// Whether a test page was answered already.
    pub(crate) fn is_answered(&self, test: &PageTest) -> bool {
        self.tests.iter().any(|answered| answered.test == *test)
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

    /// Takes over what the journal says: load tests, restores, answers, criteria that changed.
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Booted { .. } if !self.evidence.has_journal => {
                Arc::make_mut(&mut self.evidence).has_journal = true;
            }
            EventKind::LoadTested { test, by } => {
                self.load_tests.add(test, by);
                let last = &mut Arc::make_mut(&mut self.evidence).load_tests;
                if last.get(&test.target).is_none_or(|last| last.at <= test.at) {
                    last.insert(test.target.clone(), test.clone());
                }
            }
            EventKind::BackupRestored { restore, .. } => {
                let restores = &mut Arc::make_mut(&mut self.evidence).restores;
                // A report may be late; the newest restore counts.
                if restores.get(&restore.database).is_none_or(|known| known.at <= restore.at) {
                    restores.insert(restore.database.clone(), restore.clone());
                }
            }
            EventKind::IncidentAcknowledged { by, .. }
                if by.kind == ActorKind::Person && matches!(by.via, Via::Link | Via::Phone) =>
            {
                self.answered(&PersonId(by.id.clone()), by.contact.as_deref(), event.at);
            }
            EventKind::TestPageAnswered { test } => {
                self.answered(&test.person, Some(&test.contact), event.at);
                let tests = Arc::make_mut(&mut self.tests);
                tests.push_back(AnsweredTest { test: test.clone(), at: event.at });
                if tests.len() > TESTS_MAX {
                    tests.pop_front();
                }
            }
            EventKind::CriterionChanged { criterion, resource, is_met, evidence } => {
                let change = CriterionChange {
                    criterion: *criterion,
                    resource: resource.clone(),
                    is_met: *is_met,
                    evidence: evidence.clone(),
                };
                Arc::make_mut(&mut self.history).record(change, event.at);
            }
            _ => {}
        }
    }

    /// A person answered by the link of a notification. A link of an earlier version does not say over which contact: it
    /// proves that of a person who has only one.
    fn answered(&mut self, person: &PersonId, contact: Option<&str>, at: Time) {
        let contacts = self.config.people.get(person).map_or(&[] as &[_], |known| &known.contacts);
        let proven = match (contact, contacts) {
            (Some(written), _) => contacts.iter().find(|contact| contact.to_string() == written),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(proven) = proven.map(|contact| (person.clone(), contact.to_string())) else { return };
        Arc::make_mut(&mut self.evidence).answers.insert(proven, at);
    }

    /// Criteria that fail the audit.
    pub(crate) fn musts(&self) -> &BTreeSet<Criterion> {
        &self.musts
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
        self.musts = Arc::new(audit::musts(&config.audit));
        Arc::make_mut(&mut self.evidence).follow(config);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::time::at;
    use types::audit::Criterion;
    use types::{IncidentId, Via};

    const COMPANY: &str = "[site]\nname = \"Acme\"\nurl = \"https://acme.net\"\n[service.shop]\n\
        [channel.hook]\nwebhook = \"https://hooks.example/\"\n[channel.ntfy]\nntfy = \"https://ntfy.sh\"\n\
        [person.ana]\ntimezone = \"UTC\"\ncontacts = [\"hook:ana\", \"ntfy:ana\"]\n\
        [person.ben]\ntimezone = \"UTC\"\ncontacts = [\"hook:ben\"]\n";

    /// Contacts of which an audit says that they were never answered, after these acknowledgements.
    fn never_answered(acknowledgements: &[Actor]) -> Vec<String> {
        let mut acceptance = Acceptance::new(Arc::new(testkit::config::read(COMPANY)));
        Arc::make_mut(&mut acceptance.evidence).has_journal = true;
        let now = at("2026-12-01T12:00:00Z");
        for (seq, by) in (1..).zip(acknowledgements) {
            let kind =
                EventKind::IncidentAcknowledged { incident: IncidentId(1), by: by.clone(), until: now };
            acceptance.apply(&Event { seq, at: now, kind });
        }
        let report = acceptance.report(now);
        let unproven = report.findings.iter().filter(|finding| finding.criterion == Criterion::ChannelProven);
        unproven.filter_map(|finding| finding.subject.clone()).collect()
    }

    #[test]
    fn link_proves_the_contact_that_it_was_sent_to() {
        let all = ["ana over hook:ana", "ana over ntfy:ana", "ben over hook:ben"];
        let by_link = |person: &str, contact: &str| Actor::by_link(person, Some(contact.to_owned()));
        assert_eq!(never_answered(&[]), all);
        assert_eq!(never_answered(&[by_link("ana", "ntfy:ana")]), [all[0], all[2]]);
        assert_eq!(never_answered(&[by_link("ana", "ntfy:ana"), by_link("ana", "hook:ana")]), [all[2]]);
        // Of another person, or of nobody.
        assert_eq!(never_answered(&[by_link("ana", "hook:ben"), by_link("fallback", "hook:ben")]), all);
    }

    #[test]
    fn link_without_a_contact_proves_the_only_one_and_the_console_none() {
        let all = ["ana over hook:ana", "ana over ntfy:ana", "ben over hook:ben"];
        assert_eq!(never_answered(&[Actor::by_link("ana", None)]), all);
        assert_eq!(never_answered(&[Actor::by_link("ben", None)]), [all[0], all[1]]);
        assert_eq!(never_answered(&[Actor::person("ben", Via::Console)]), all);
    }
}
