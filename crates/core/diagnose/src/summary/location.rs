//! Clauses for an address or a load balancer where several services fail alike.

use super::{Facts, Tense, clock, counted, in_tense};
use crate::colocation::is_place;
use std::collections::BTreeMap;
use text::list;
use types::{Fault, Resource};

/// Maximum of different faults that are listed.
const FAULTS_MAX: usize = 3;
/// Maximum of services that are named.
const NAMED_MAX: usize = 3;

impl Facts<'_> {
    /// Whether the cause is a place, known only by the failures there.
    pub(super) fn is_place(&self) -> bool {
        self.own().is_empty() && is_place(self.cause, self.cases.iter().map(|case| &case.alert))
    }

    /// `127.0.0.9 refuses connections`: the faults there, open ones or else closed ones.
    pub(super) fn at_place(&self, tense: Tense) -> String {
        let any_open = self.cases.iter().any(|case| case.closed.is_none());
        let cases = || self.cases.iter().filter(|case| case.closed.is_none() || !any_open);
        // A name with other addresses shows only part of the fault.
        let in_part = |fault: &Fault| matches!(fault, Fault::SomeAddresses { .. });
        let any_whole = cases().any(|case| !in_part(&case.alert.fault));
        let cases = cases().filter(|case| !any_whole || !in_part(&case.alert.fault));
        let faults: BTreeMap<String, &Fault> =
            cases.map(|case| (case.alert.fault.to_string(), &case.alert.fault)).collect();
        let statuses = faults.values().map(|fault| match fault {
            Fault::Status { got } => Some(got.to_string()),
            _ => None,
        });
        let how = match statuses.collect::<Option<Vec<String>>>() {
            Some(statuses) if statuses.len() <= FAULTS_MAX && !statuses.is_empty() => {
                in_tense(&format!("answers with status {}", list::or(&statuses)), tense)
            }
            _ => match faults.len() {
                0 => in_tense("is failing", tense),
                few if few <= FAULTS_MAX => list::or(faults.keys().map(|fault| in_tense(fault, tense))),
                _ => in_tense("fails with several faults", tense),
            },
        };
        format!("{} {how}", self.cause.name)
    }

    /// `: 40 services affected since 15:28: A, B, C and 37 more`.
    pub(super) fn affected_there(&self) -> String {
        let open = || self.cases.iter().filter(|case| case.closed.is_none());
        let Some(since) = open().map(|case| case.alert.since).min() else { return String::new() };
        let (what, who): (&str, Vec<String>) = if self.scope.affected.is_empty() {
            ("name", self.scope.failing.iter().cloned().collect())
        } else {
            (
                "service",
                self.scope.affected.iter().map(|resource: &Resource| self.display_name(resource)).collect(),
            )
        };
        let Some(number) = counted(who.len(), what) else { return String::new() };
        let named = list::and_more(&who, NAMED_MAX + 1);
        format!(": {number} affected since {}: {named}", clock(since, &self.zoned(self.now)))
    }
}
