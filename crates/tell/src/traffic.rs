//! The words for visitors when the edge sees the cause: too many visitors, or something of ours that turns them away.

use crate::Facts;
use crate::words::are;
use model::{Fault, Finding, Incident, Kind, Plan, ServiceId, Weight};

/// What the edge sees behind an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Far more visitors than usual; whether the edge lets those through first whom it knows.
    Surge {
        /// See there.
        knows: bool,
    },
    /// Something of ours turns away something else of ours.
    Conflict,
    /// Too few servers serve, or they cannot be trusted.
    Servers,
}

/// What the edge sees behind an incident now; nothing once it is over, or when it is something else.
pub(crate) fn trouble(plan: &Plan, incident: &Incident, facts: &Facts<'_>) -> Option<Trouble> {
    let diagnosis = &incident.diagnosis;
    let own = diagnosis.findings.iter().filter_map(|id| facts.findings.get(id));
    let own = own.filter(|finding| finding.about == diagnosis.cause && finding.weight == Weight::Breaks);
    let mut troubles: Vec<(u8, Trouble)> = own.filter_map(|finding| of(plan, finding)).collect();
    troubles.sort_by_key(|(rank, _)| *rank);
    troubles.first().map(|(_, trouble)| *trouble)
}

fn of(plan: &Plan, finding: &Finding) -> Option<(u8, Trouble)> {
    match &finding.fault {
        Fault::Surge { .. } if finding.about.kind == Kind::Service => {
            let service = plan.services.get(&ServiceId(finding.about.name.clone()))?;
            let knows = service.guard.as_ref().is_some_and(|guard| guard.known.is_some());
            Some((0, Trouble::Surge { knows }))
        }
        Fault::LimitConflict { .. } => Some((1, Trouble::Conflict)),
        Fault::PoolBelowFloor { .. } | Fault::ServerCertificate { .. } => Some((2, Trouble::Servers)),
        _ => None,
    }
}

/// The title, where the usual one would say too much or too little.
pub(crate) fn title(trouble: Option<Trouble>, titles: &[String]) -> Option<String> {
    match trouble {
        Some(Trouble::Surge { .. }) if !titles.is_empty() => Some(format!("{} very busy", are(titles))),
        _ => None,
    }
}

/// What happens and what visitors can expect, in sentences.
pub(crate) fn sentences(trouble: Trouble, titles: &[String]) -> Option<Vec<String>> {
    if titles.is_empty() {
        return None;
    }
    let are = are(titles);
    let sentences = match trouble {
        Trouble::Surge { knows: true } => [
            format!("{are} receiving far more requests than usual."),
            "Those who have used it before go first; if you come for the first time, you may have to wait or to try \
             again."
                .to_owned(),
            "We are holding back the excess.".to_owned(),
        ],
        Trouble::Surge { knows: false } => [
            format!("{are} receiving far more requests than usual."),
            "You may have to wait or to try again.".to_owned(),
            "We are holding back the excess.".to_owned(),
        ],
        Trouble::Conflict => [
            format!("{are} failing, or may fail, for some of you."),
            "One part of our system turns away requests of another.".to_owned(),
            "We know which, and are working on it.".to_owned(),
        ],
        Trouble::Servers => [
            format!("{are} failing, or may fail, for some of you."),
            "Some of the servers behind it are out of service.".to_owned(),
            "We are working on it.".to_owned(),
        ],
    };
    Some(sentences.to_vec())
}
