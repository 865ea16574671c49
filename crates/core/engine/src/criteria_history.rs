//! When each criterion of the audit was lost and met again, by resource: folded from the journal.

use audit::Report;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use types::audit::{Criterion, CriterionChange, Level};
use types::{Config, Resource, Time};

/// Changes that are kept of one criterion of one resource.
const CHANGES_MAX: usize = 20;
/// Pairs of criterion and resource that are kept: more than a configuration of the largest size has.
const PAIRS_MAX: usize = 50_000;

/// The history of criteria.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    changes: BTreeMap<(Criterion, Resource), VecDeque<Changed>>,
}

/// One change of a criterion of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Time of the audit that found it.
    pub at: Time,
    /// Whether it was met from then on.
    pub is_met: bool,
    /// What was seen when it was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl History {
    /// All changes, by criterion and resource, oldest first.
    pub fn all(&self) -> impl Iterator<Item = (Criterion, &Resource, &VecDeque<Changed>)> {
        self.changes.iter().map(|((criterion, resource), changes)| (*criterion, resource, changes))
    }

    /// Whether a criterion is recorded as lost.
    fn is_lost(&self, pair: &(Criterion, Resource)) -> bool {
        self.changes.get(pair).and_then(VecDeque::back).is_some_and(|last| !last.is_met)
    }

    /// Whether a change differs from what is recorded. What was never lost is met, so that a first audit records findings only.
    pub(crate) fn is_news(&self, change: &CriterionChange) -> bool {
        self.is_lost(&(change.criterion, change.resource.clone())) == change.is_met
    }

    /// What a report says that is not recorded yet, in the order of its findings.
    pub(crate) fn changes(&self, config: &Config, report: &Report) -> Vec<CriterionChange> {
        let findings = report.findings.iter().chain(report.accepted.iter().map(|accepted| &accepted.finding));
        let mut failed = BTreeSet::new();
        let mut changes = Vec::new();
        for finding in findings {
            let pair = (finding.criterion, finding.resource.clone());
            if failed.insert(pair.clone()) && !self.is_lost(&pair) {
                changes.push(CriterionChange {
                    criterion: finding.criterion,
                    resource: finding.resource.clone(),
                    is_met: false,
                    evidence: Some(finding.evidence.clone()),
                });
            }
        }
        let unknown: BTreeSet<(Criterion, &Resource)> =
            report.not_checked.iter().map(|unknown| (unknown.criterion, &unknown.resource)).collect();
        let known = config.resources();
        for (pair, _) in self.changes.iter().filter(|(pair, _)| self.is_lost(pair)) {
            let (criterion, resource) = pair;
            let is_off = config.audit.levels.get(criterion) == Some(&Level::Off);
            if failed.contains(pair) || unknown.contains(&(*criterion, resource)) || is_off {
                continue;
            }
            // What was removed from the configuration meets nothing.
            if known.contains(resource) {
                changes.push(CriterionChange {
                    criterion: *criterion,
                    resource: resource.clone(),
                    is_met: true,
                    evidence: None,
                });
            }
        }
        changes
    }

    /// Takes over a change of the journal.
    pub(crate) fn record(&mut self, change: CriterionChange, at: Time) {
        let CriterionChange { criterion, resource, is_met, evidence } = change;
        let pair = (criterion, resource);
        if self.changes.len() >= PAIRS_MAX && !self.changes.contains_key(&pair) {
            self.forget_oldest();
        }
        let changes = self.changes.entry(pair).or_default();
        changes.push_back(Changed { at, is_met, evidence });
        if changes.len() > CHANGES_MAX {
            changes.pop_front();
        }
    }

    fn forget_oldest(&mut self) {
        let last = |changes: &VecDeque<Changed>| changes.back().map(|changed| changed.at);
        let oldest =
            self.changes.iter().min_by_key(|(_, changes)| last(changes)).map(|(pair, _)| pair.clone());
        if let Some(pair) = oldest {
            self.changes.remove(&pair);
        }
    }
}
