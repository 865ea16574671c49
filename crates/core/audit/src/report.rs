//! The report of one audit.

use crate::definition::Definition;
use crate::found::{Failed, Found};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use types::audit::{Criterion, Exception, Level};
use types::{Config, PersonId, Resource, ServiceId, Time};

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Time of the audit.
    pub at: Time,
    /// Whether it had the configuration only, without observed facts.
    pub configuration_only: bool,
    /// Criteria that are not met, the worst first.
    pub findings: Vec<Finding>,
    /// Findings that somebody accepted for some time.
    pub accepted: Vec<Accepted>,
    /// Criteria that could not be checked, and why.
    pub not_checked: Vec<NotChecked>,
    /// Criteria that are met wherever they apply.
    pub met: Vec<Criterion>,
}

/// A criterion that a resource does not meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The criterion.
    pub criterion: Criterion,
    /// Whether it fails the audit.
    pub level: Level,
    /// The resource.
    pub resource: Resource,
    /// Which one, where a resource has several of the kind: `ana over hook:ana`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was seen: one sentence.
    pub evidence: String,
    /// The remedy.
    pub remedy: String,
    /// An exception that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception_ended: Option<Time>,
}

/// A finding that somebody accepted for some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The person who answers for it.
    pub owner: PersonId,
    /// End of the exception.
    pub until: Time,
    /// The reason.
    pub why: String,
}

/// A criterion that could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// The criterion.
    pub criterion: Criterion,
    /// The resource.
    pub resource: Resource,
    /// What is missing.
    pub why: String,
}

impl Report {
    pub(crate) fn new(at: Time, configuration_only: bool) -> Self {
        Self {
            at,
            configuration_only,
            findings: Vec::new(),
            accepted: Vec::new(),
            not_checked: Vec::new(),
            met: Vec::new(),
        }
    }

    /// Adds what the check of a criterion found.
    pub(crate) fn add(
        &mut self,
        definition: &Definition,
        level: Level,
        found: Found,
        exceptions: &[Exception],
    ) {
        let criterion = definition.criterion;
        if found.failed.is_empty() && found.unknown.is_empty() {
            self.met.push(criterion);
        }
        let unknown = found.unknown.into_iter();
        self.not_checked.extend(unknown.map(|(resource, why)| NotChecked { criterion, resource, why }));
        for Failed { resource, subject, evidence, remedy } in found.failed {
            let about = exceptions.iter().filter(|exception| exception.is_about(criterion, &resource));
            let granted = about.max_by_key(|exception| exception.until);
            let mut finding =
                Finding { criterion, level, resource, subject, evidence, remedy, exception_ended: None };
            match granted {
                Some(Exception { owner, until, why, .. }) if *until > self.at => self
                    .accepted
                    .push(Accepted { finding, owner: owner.clone(), until: *until, why: why.clone() }),
                ended => {
                    finding.exception_ended = ended.map(|exception| exception.until);
                    self.findings.push(finding);
                }
            }
        }
    }

    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|one, other| {
            (other.level, one.criterion, &one.resource).cmp(&(one.level, other.criterion, &other.resource))
        });
    }

    /// Whether a criterion is not met that must be.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Must)
    }

    /// Keeps what fails the audit.
    #[must_use]
    pub fn musts(mut self) -> Self {
        self.findings.retain(|finding| finding.level == Level::Must);
        self
    }

    /// Keeps what concerns a service: itself, what it depends on, its escalation.
    #[must_use]
    pub fn of_service(mut self, config: &Config, service: &ServiceId) -> Self {
        let concerned = concerned(config, service);
        self.findings.retain(|finding| concerned.contains(&finding.resource));
        self.accepted.retain(|accepted| concerned.contains(&accepted.finding.resource));
        self.not_checked.retain(|unknown| concerned.contains(&unknown.resource));
        self
    }
}

impl Finding {
    /// What the finding is about: the resource, and which one of several.
    #[must_use]
    pub fn about(&self) -> String {
        match &self.subject {
            None => self.resource.to_string(),
            Some(subject) => format!("{} {subject}", self.resource),
        }
    }
}

/// What concerns a service: itself, what it depends on, and what is common to all.
#[must_use]
pub fn concerned(config: &Config, service: &ServiceId) -> BTreeSet<Resource> {
    let service = Resource::service(&service.0);
    let mut concerned: BTreeSet<Resource> = config.graph.beneath(&service);
    concerned.insert(service);
    concerned.insert(Resource::here());
    concerned
}
