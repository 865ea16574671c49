//! What happened during an incident.

use engine::views::TimelineFact;
use jiff::tz::TimeZone;
use types::time::clock;
use types::{Effect, Resource};

pub(super) const WITHDRAWN: &str =
    "the last acknowledgement could not be written to the journal and does not count";

/// The text of a fact, with times in `timezone`.
pub(crate) fn text(fact: &TimelineFact, timezone: &TimeZone) -> String {
    match about(fact) {
        Some(resource) => format!("{resource} {}", predicate(fact, timezone)),
        None => predicate(fact, timezone),
    }
}

/// The resource that a fact is about: the subject of its [`predicate`].
pub(crate) fn about(fact: &TimelineFact) -> Option<&Resource> {
    match fact {
        TimelineFact::AlertOpened { about, .. }
        | TimelineFact::AlertChanged { about, .. }
        | TimelineFact::AlertClosed { about, .. } => Some(about),
        _ => None,
    }
}

/// The text of a fact without the resource that it is about.
pub(crate) fn predicate(fact: &TimelineFact, timezone: &TimeZone) -> String {
    match fact {
        TimelineFact::AlertOpened { fault, .. } => fault.to_string(),
        TimelineFact::AlertChanged { fault, .. } => format!("now {fault}"),
        TimelineFact::AlertClosed { .. } => "recovered".to_owned(),
        TimelineFact::Diagnosed { summary } => format!("Diagnosis: {summary}"),
        TimelineFact::Merged { into } => format!("merged into {into}"),
        TimelineFact::Resolved { summary } => format!("Resolved: {summary}"),
        TimelineFact::Acknowledged { by, until } => {
            format!("{by} acknowledged ({}) until {}", by.via, clock(*until, timezone))
        }
        TimelineFact::AcknowledgementExpired => "acknowledgement expired: paging again".to_owned(),
        TimelineFact::PageHeld { silence, until } => {
            format!("{silence} holds the page until {}", clock(*until, timezone))
        }
        TimelineFact::PageResumed => "the silence is over: paging again".to_owned(),
        TimelineFact::AcknowledgementWithdrawn => WITHDRAWN.to_owned(),
        TimelineFact::Noted { by, note, effect, .. } => format!("{by}: {note}{}", judged(effect.as_ref())),
        TimelineFact::Changed { change, effect } => {
            let end = if change.done.is_some() { " (complete)" } else { "" };
            format!("Change: {}{end}{}", change.name(), judged(effect.as_ref()))
        }
        TimelineFact::CausesRanked { likely } if likely.is_empty() => {
            "The measurements no longer point at one cause".to_owned()
        }
        TimelineFact::CausesRanked { likely } => {
            let causes: Vec<String> = likely
                .iter()
                .map(|cause| format!("{cause} since {}", clock(cause.moved.since, timezone)))
                .collect();
            format!("The measurements point at {} (a hint, not a proven cause)", causes.join("; "))
        }
        TimelineFact::UpdatePublished { by, status, body } => {
            let who = by.as_ref().map_or("mainstay", |by| by.id.as_str());
            format!("{who} published an update ({}): {body}", status.title())
        }
        TimelineFact::UpdateDrafted { status, body } => {
            format!("an update waits for approval ({}): {body}", status.title())
        }
        TimelineFact::Denied { denial } => {
            let (what, at) = (&denial.what, at_service(denial.service.as_ref()));
            format!("{} denied {what}{at} until {}", denial.by, clock(denial.until, timezone))
        }
        TimelineFact::DenialEnded { denial, what, service, by } => {
            let what = what.as_ref().map_or_else(|| denial.to_string(), ToString::to_string);
            let at = at_service(service.as_ref());
            match by {
                Some(by) => format!("{by} lifted the denial of {what}{at}"),
                None => format!("the denial of {what}{at} expired"),
            }
        }
        TimelineFact::ValveSet { valve, by } if valve.is_open() => {
            format!("{by} opened the valve of {}", valve.service)
        }
        TimelineFact::ValveSet { valve, by } => {
            let ramp = if valve.ramps() { "; it opens by itself" } else { "" };
            format!("{by} set {}: {valve}{ramp}", valve.service)
        }
        TimelineFact::ValveMoved { service, percent: 100, why } => {
            format!("the valve of {service} is open: {why}")
        }
        TimelineFact::ValveMoved { service, percent, why } => {
            format!("the valve of {service} moved to {percent} %: {why}")
        }
    }
}

/// An effect behind what it is an effect of; empty without one.
pub(crate) fn judged(effect: Option<&Effect>) -> String {
    effect.map_or_else(String::new, |effect| format!(" [{effect}]"))
}

fn at_service(service: Option<&types::ServiceId>) -> String {
    service.map_or_else(String::new, |service| format!(" at {service}"))
}
