//! What a person declared over while it still failed.
//!
//! A person may be right before the probes are: so nobody is called in the same breath. But what is seen to fail once more
//! opens an incident of its own, and whoever was told that it is over is called again.

use super::{Diagnose, Seen};
use crate::cause::hurts;
use types::time::later;
use types::{Finding, Incident, Looked, Thing, Time, Weight};
use std::time::Duration;

/// A finding that nothing was heard of since it was declared over still stands after this long.
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// So many failing things are named.
const NAMED_MAX: usize = 3;

/// Whether a finding that was declared over at `at` is to be an incident again.
pub(super) fn is_back(finding: &Finding, at: Time, now: Time, looked: Option<Looked>) -> bool {
    let seen_again = looked.is_some_and(|looked| looked.at > at && !looked.well);
    hurts(finding) && (seen_again || now >= later(at, HEARD_WITHIN))
}

impl Diagnose {
    /// What of an incident still fails, in words; `None` when a person may declare it over.
    #[must_use]
    pub fn still_failing(&self, incident: &Incident) -> Option<String> {
        let cases = self.cases(&incident.diagnosis.findings);
        let failing = cases.iter().filter(|case| case.closed.is_none());
        let failing: Vec<String> = failing
            .map(|case| &case.finding)
            .filter(|finding| finding.weight == Weight::Breaks)
            .map(|finding| format!("{} {}", finding.about.name, finding.fault))
            .collect();
        let named = failing.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        match failing.len() {
            0 => None,
            few if few <= NAMED_MAX => Some(named),
            many => Some(format!("{named}, and {} more fail", many - NAMED_MAX)),
        }
    }

    /// When what was declared over is to be thought of again, whatever is heard of it until then.
    pub(super) fn reopens(&self, seen: &Seen<'_>) -> Option<Time> {
        let back = self.known.dismissed.iter().filter_map(|(id, was)| {
            let finding = seen.findings.get(id)?;
            (hurts(finding) && finding.weight == was.weight).then(|| later(was.at, HEARD_WITHIN))
        });
        back.min()
    }

    /// Things that were declared over and not heard of since: they are asked at once.
    pub(super) fn to_hear_of<'a>(&self, seen: &Seen<'a>) -> Vec<(&'a Thing, Time)> {
        let unheard = self.known.dismissed.iter().filter_map(|(id, was)| {
            let about = &seen.findings.get(id).filter(|finding| hurts(finding))?.about;
            let heard = (seen.looked)(about).is_some_and(|looked| looked.at > was.at);
            (!heard).then_some((about, was.at))
        });
        unheard.collect()
    }
}
