//! The words for an address, or a balancer, where several services fail alike.

use super::{Facts, Tense, clock, counted, said};
use crate::event::is_place;
use std::collections::BTreeMap;
use text::list;
use types::{Fault, Resource};

/// So many ways to fail are told.
const FAULTS_TOLD: usize = 3;
/// So many services are named.
const NAMED_MAX: usize = 3;

impl Facts<'_> {
    /// Whether the cause is a place of which nothing is known but what fails there.
    pub(super) fn is_place(&self) -> bool {
        self.own().is_empty() && is_place(self.cause, self.cases.iter().map(|case| &case.alert))
    }

    /// `127.0.0.9 refuses connections`: what fails there now, or failed there.
    pub(super) fn at_place(&self, tense: Tense) -> String {
        let any_open = self.cases.iter().any(|case| case.closed.is_none());
        let told = || self.cases.iter().filter(|case| case.closed.is_none() || !any_open);
        // Who has other addresses sees only a part of it.
        let in_part = |fault: &Fault| matches!(fault, Fault::SomeAddresses { .. });
        let any_whole = told().any(|case| !in_part(&case.alert.fault));
        let told = told().filter(|case| !any_whole || !in_part(&case.alert.fault));
        let faults: BTreeMap<String, &Fault> =
            told.map(|case| (case.alert.fault.to_string(), &case.alert.fault)).collect();
        let statuses = faults.values().map(|fault| match fault {
            Fault::Status { got } => Some(got.to_string()),
            _ => None,
        });
        let how = match statuses.collect::<Option<Vec<String>>>() {
            Some(statuses) if statuses.len() <= FAULTS_TOLD && !statuses.is_empty() => {
                said(&format!("answers with status {}", list::or(&statuses)), tense)
            }
            _ => match faults.len() {
                0 => said("is not well", tense),
                few if few <= FAULTS_TOLD => list::or(faults.keys().map(|fault| said(fault, tense))),
                _ => said("fails in several ways", tense),
            },
        };
        format!("{} {how}", self.cause.name)
    }

    /// `: 40 services affected since 15:28: A, B, C and 37 more`.
    pub(super) fn who_is_there(&self) -> String {
        let open = || self.cases.iter().filter(|case| case.closed.is_none());
        let Some(since) = open().map(|case| case.alert.since).min() else { return String::new() };
        let (what, who): (&str, Vec<String>) = if self.scope.affected.is_empty() {
            ("name", self.scope.failing.iter().cloned().collect())
        } else {
            ("service", self.scope.affected.iter().map(|resource: &Resource| self.called(resource)).collect())
        };
        let Some(number) = counted(who.len(), what) else { return String::new() };
        let named = list::and_more(&who, NAMED_MAX + 1);
        format!(": {number} affected since {}: {named}", clock(since, &self.zoned(self.now)))
    }
}
