//! The audit: which acceptance criteria the company's services, databases, names and on-call meet, from the configuration
//! and from observed facts.
//!
//! Pure: configuration, evidence and time in, a report out. A finding is not an alert: it says what would make an outage worse
//! or longer, before there is one.
//!
//! | module | contents |
//! |---|---|
//! | [`criteria`] | the criteria with their checks, one file per subject |
//! | [`definition`] | a criterion: name, level, reason, how it is checked, remedy |
//! | [`found`] | what the check of one criterion found |
//! | [`evidence`] | observed facts: registrations, name servers, certificates, backups, members of pools, headroom |
//! | [`report`] | findings, exceptions, what could not be checked |

pub mod criteria;
pub mod definition;
pub mod evidence;
pub mod found;
pub mod report;

pub use evidence::Evidence;
pub use report::{Finding, Report};

use definition::Definition;
use found::Found;
use std::collections::BTreeSet;
use types::audit::{AuditSettings, Criterion, Level};
use types::{Config, Time};

/// What the criteria are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Audited<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Observed facts; empty when mainstay does not run.
    pub evidence: &'a Evidence,
    /// Hours of the next twelve months in which a page would reach nobody.
    pub gaps: &'a [Gap],
    /// Time of the audit.
    pub now: Time,
}

/// Hours in which a page would reach nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The service whose alerts reach nobody; `None` for all alerts of an escalation.
    pub service: Option<types::ServiceId>,
    /// The escalation.
    pub escalation: types::EscalationId,
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
}

/// The criteria that fail the audit.
#[must_use]
pub fn musts(settings: &AuditSettings) -> BTreeSet<Criterion> {
    let level = |definition: &Definition| {
        settings.levels.get(&definition.criterion).copied().unwrap_or(definition.level)
    };
    let musts = criteria::all().filter(|definition| level(definition) == Level::Must);
    musts.map(|definition| definition.criterion).collect()
}

/// Checks every criterion.
#[must_use]
pub fn audit(audited: &Audited<'_>) -> Report {
    let settings = &audited.config.audit;
    let mut report = Report::new(audited.now, audited.evidence.is_empty());
    for definition in criteria::all() {
        let Definition { criterion, level, check, .. } = definition;
        let level = settings.levels.get(criterion).copied().unwrap_or(*level);
        if level == Level::Off {
            continue;
        }
        let mut found = Found::default();
        check(audited, &mut found);
        report.add(definition, level, found, &settings.exceptions);
    }
    report.sort();
    report
}
