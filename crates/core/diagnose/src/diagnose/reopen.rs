//! Incidents that a person resolved while something still failed.
//!
//! The person may know of the recovery before the probes, so no page follows immediately. The next bad answer opens a
//! new incident.

use super::Diagnose;
use crate::impact::hurts;
use std::time::Duration;
use types::time::later;
use types::{Alert, Context, Incident, LastResult, Resource, Severity, Time};

/// A dismissed alert without a new result counts again after this long.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);
/// Maximum of failing resources that are named.
const NAMED_MAX: usize = 3;

/// Whether an alert that was dismissed at `at` counts again.
pub(super) fn is_back(alert: &Alert, at: Time, now: Time, last: Option<LastResult>) -> bool {
    let seen_again = last.is_some_and(|last| last.at > at && !last.healthy);
    hurts(alert) && (seen_again || now >= later(at, CONFIRMED_WITHIN))
}

impl Diagnose {
    /// Failing resources of an incident as text; `None` when a person may resolve it.
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

    /// Time at which dismissed alerts count again without a new result.
    pub(super) fn reopens(&self, context: &Context<'_>) -> Option<Time> {
        let back = self.state.dismissed.iter().filter_map(|(id, was)| {
            let alert = context.alerts.get(id)?;
            (hurts(alert) && alert.severity == was.severity).then(|| later(was.at, CONFIRMED_WITHIN))
        });
        back.min()
    }

    /// Resources with a dismissed alert and no result since: they are probed immediately.
    pub(super) fn unconfirmed<'a>(&self, context: &Context<'a>) -> Vec<(&'a Resource, Time)> {
        let unconfirmed = self.state.dismissed.iter().filter_map(|(id, was)| {
            let about = &context.alerts.get(id).filter(|alert| hurts(alert))?.about;
            let confirmed = context.last_result(about).is_some_and(|last| last.at > was.at);
            (!confirmed).then_some((about, was.at))
        });
        unconfirmed.collect()
    }
}
