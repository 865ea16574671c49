//! What a person declared over while it still failed.
//!
//! A person may be right before the probes are: so nobody is called in the same breath. But what is seen to fail once more
//! opens an incident of its own, and whoever was told that it is over is called again.

use super::{Diagnose, Seen};
use crate::cause::hurts;
use std::time::Duration;
use types::time::later;
use types::{Alert, Incident, LastResult, Resource, Severity, Time};

/// An alert that nothing was heard of since it was declared over still stands after this long.
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// So many failing things are named.
const NAMED_MAX: usize = 3;

/// Whether an alert that was declared over at `at` is to be an incident again.
pub(super) fn is_back(alert: &Alert, at: Time, now: Time, looked: Option<LastResult>) -> bool {
    let seen_again = looked.is_some_and(|looked| looked.at > at && !looked.well);
    hurts(alert) && (seen_again || now >= later(at, HEARD_WITHIN))
}

impl Diagnose {
    /// What of an incident still fails, in words; `None` when a person may declare it over.
    #[must_use]
    pub fn still_failing(&self, incident: &Incident) -> Option<String> {
        let cases = self.cases(&incident.diagnosis.alerts);
        let failing = cases.iter().filter(|case| case.closed.is_none());
        let failing: Vec<String> = failing
            .map(|case| &case.alert)
            .filter(|alert| alert.severity == Severity::Critical)
            .map(|alert| format!("{} {}", alert.about.name, alert.fault))
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
            let alert = seen.alerts.get(id)?;
            (hurts(alert) && alert.severity == was.severity).then(|| later(was.at, HEARD_WITHIN))
        });
        back.min()
    }

    /// Things that were declared over and not heard of since: they are asked at once.
    pub(super) fn to_hear_of<'a>(&self, seen: &Seen<'a>) -> Vec<(&'a Resource, Time)> {
        let unheard = self.known.dismissed.iter().filter_map(|(id, was)| {
            let about = &seen.alerts.get(id).filter(|alert| hurts(alert))?.about;
            let heard = (seen.looked)(about).is_some_and(|looked| looked.at > was.at);
            (!heard).then_some((about, was.at))
        });
        unheard.collect()
    }
}
