//! Whether the events of a run have reached a milestone, and when.

use crate::script::{Milestone, Script};
use model::incident::Stage;
use model::{Event, Happened, IncidentId, Time};
use std::collections::BTreeSet;

/// When the milestone was reached, by the events so far; `None` when it was not, or when only the world can tell
/// ([`Milestone::CachesExpired`]).
///
/// `since` is the instant of the fault once it has happened: what was before it reaches nothing but
/// [`Milestone::Learned`].
#[must_use]
pub fn reached(script: &Script, milestone: Milestone, since: Option<Time>, events: &[Event]) -> Option<Time> {
    if milestone == Milestone::Learned {
        return learned(script, events);
    }
    let after = events.iter().filter(|event| since.is_none_or(|since| event.at >= since));
    if milestone == Milestone::Resolved {
        return resolved(after);
    }
    after
        .into_iter()
        .find(|event| match (&event.happened, milestone) {
            (Happened::FindingOpened { finding }, Milestone::FindingOpen) => script.touches(&finding.about),
            (Happened::IncidentOpened { .. }, Milestone::IncidentOpen)
            | (Happened::PostPublished { .. }, Milestone::PostPublished)
            | (Happened::IncidentAcknowledged { .. }, Milestone::HumanAnswered) => true,
            (
                Happened::IncidentOpened { diagnosis, .. } | Happened::IncidentDiagnosed { diagnosis, .. },
                Milestone::CauseFound,
            ) => diagnosis.cause == script.cause,
            (Happened::IncidentDiagnosed { diagnosis, .. }, Milestone::Mending) => {
                diagnosis.stage == Stage::Mending
            }
            (Happened::AttemptEnded { page: Some(_), outcome, .. }, Milestone::HumanAsked) => {
                outcome.result.is_ok()
            }
            _ => false,
        })
        .map(|event| event.at)
}

/// When the last of the domains was known both by its parent and by its registry.
fn learned(script: &Script, events: &[Event]) -> Option<Time> {
    let mut missing: BTreeSet<(&str, bool)> =
        script.learns.iter().flat_map(|name| [(name.as_str(), true), (name.as_str(), false)]).collect();
    for event in events {
        match &event.happened {
            Happened::DelegationLearned { zone, .. } => missing.remove(&(zone.as_str(), true)),
            Happened::RegistrationLearned { seen } => missing.remove(&(seen.domain.as_str(), false)),
            _ => continue,
        };
        if missing.is_empty() {
            return Some(event.at);
        }
    }
    None
}

/// When the last open incident ended; an incident merged into another is over.
fn resolved<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Time> {
    let mut open: BTreeSet<IncidentId> = BTreeSet::new();
    let mut ended = None;
    for event in events {
        match &event.happened {
            Happened::IncidentOpened { incident, .. } => {
                open.insert(*incident);
                ended = None;
            }
            Happened::IncidentResolved { incident, .. } | Happened::IncidentMerged { incident, .. } => {
                open.remove(incident);
                if open.is_empty() {
                    ended = Some(event.at);
                }
            }
            _ => {}
        }
    }
    ended
}
