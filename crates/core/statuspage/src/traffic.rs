//! The words for visitors when the edge sees the cause: too many visitors, or something of ours that turns them away.

use crate::Facts;
use crate::words::{DETECTED, are};
use types::{Alert, Config, Fault, Incident, Kind, ServiceId, Severity};

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
pub(crate) fn trouble(config: &Config, incident: &Incident, facts: &Facts<'_>) -> Option<Trouble> {
    let diagnosis = &incident.diagnosis;
    let own = diagnosis.alerts.iter().filter_map(|id| facts.alerts.get(id));
    let own = own.filter(|alert| alert.about == diagnosis.cause && alert.severity == Severity::Critical);
    let mut troubles: Vec<(u8, Trouble)> = own.filter_map(|alert| of(config, alert)).collect();
    troubles.sort_by_key(|(rank, _)| *rank);
    troubles.first().map(|(_, trouble)| *trouble)
}

fn of(config: &Config, alert: &Alert) -> Option<(u8, Trouble)> {
    match &alert.fault {
        Fault::Surge { .. } if alert.about.kind == Kind::Service => {
            let service = config.services.get(&ServiceId(alert.about.name.clone()))?;
            let knows = service.traffic.as_ref().is_some_and(|guard| guard.recognize.is_some());
            Some((0, Trouble::Surge { knows }))
        }
        Fault::LimitConflict { .. } => Some((1, Trouble::Conflict)),
        Fault::PoolBelowMinimum { .. } | Fault::ServerCertificate { .. } => Some((2, Trouble::Servers)),
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
pub(crate) fn summaries(trouble: Trouble, titles: &[String], acknowledged: bool) -> Option<Vec<String>> {
    if titles.is_empty() {
        return None;
    }
    let are = are(titles);
    let summaries = match trouble {
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
            if acknowledged { "We know which, and are working on it." } else { DETECTED }.to_owned(),
        ],
        Trouble::Servers => [
            format!("{are} failing, or may fail, for some of you."),
            "Some of the servers behind it are out of service.".to_owned(),
            if acknowledged { "We are working on it." } else { DETECTED }.to_owned(),
        ],
    };
    Some(summaries.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;
    use types::incident::{Diagnosis, Stage};
    use types::{AlertId, Resource};

    fn surge() -> Fault {
        let networks = vec!["203.0.113.0/24".to_owned()];
        Fault::Surge { times: Some(5_400), per_sec: 9_000, share_percent: 92, networks }
    }

    fn conflict() -> Fault {
        let limits = vec!["per-address of api".to_owned()];
        Fault::LimitConflict {
            caller: "auth-web".to_owned(),
            percent: 93,
            trace: Some("4bf92f35".to_owned()),
            limits,
        }
    }

    fn diagnosis(cause: &Resource, alerts: &[u64], stage: Stage) -> Diagnosis {
        Diagnosis {
            cause: cause.clone(),
            summary: "10.0.0.1 and 4bf92f35 are nobody's business".to_owned(),
            alerts: alerts.iter().copied().map(AlertId).collect(),
            affected: [Resource::service("auth")].into(),
            unaffected: [Resource::service("shop")].into(),
            wakes: true,
            stage,
            ahead: None,
            calm: false,
        }
    }

    #[test]
    fn visitors_read_what_they_can_expect_and_nothing_of_machines() {
        let mut w = World::new("2026-11-22T12:00:00Z");
        w.look_everywhere();
        w.settle();
        let (auth, inner) = (Resource::service("auth"), Resource::service("inner"));
        w.find(1, auth.clone(), surge(), Severity::Critical);
        w.open(1, diagnosis(&auth, &[1], Stage::Failing));
        w.settle();
        w.pass(90);
        // The surge ends; what is left is something inside that visitors do not know.
        w.find(2, inner.clone(), conflict(), Severity::Critical);
        w.close(1);
        w.diagnose(1, diagnosis(&inner, &[1, 2], Stage::Failing));
        w.settle();
        w.pass(90);
        w.close(2);
        w.diagnose(1, diagnosis(&inner, &[1, 2], Stage::Recovering));
        w.settle();
        w.resolve(1);
        w.settle();
        let story = w.story();
        insta::assert_snapshot!(story, @r"
    12:00:00 api: Operational
    12:00:00 auth: Operational
    12:00:00 inner: Operational
    12:00:00 shop: Operational
    12:00:00 auth: Partial outage
    12:01:00 incident-1 Identified by mainstay [auth Partial outage]
        Sign-in is very busy
        Sign-in is receiving far more requests than usual. You may have to wait or to try again. We are holding back the excess. Shop is not affected. Next update by 14:31 EET.
    12:02:00 incident-1 Identified by mainstay [auth Partial outage]
        Sign-in is failing
        Sign-in is failing, or may fail, for some of you. One part of our system turns away requests of another. This was detected automatically, and our team is being notified. Shop is not affected. Next update by 14:32 EET.
    12:03:00 auth: Operational
    12:03:00 incident-1 Resolved by mainstay [auth Operational]
        Sign-in is failing
        Sign-in works again. It was affected from 14:00 EET until 14:03 EET (3 min).
    ");
        for inside in ["10.0.0.1", "4bf9", "203.0", "auth-web", "queue", "Inner", "5,400"] {
            assert!(!story.contains(inside), "{inside}");
        }
        w.crash();
    }

    #[test]
    fn who_is_known_goes_first_only_where_the_edge_knows_anybody() {
        let titles = vec!["Sign-in".to_owned()];
        let said = |knows| summaries(Trouble::Surge { knows }, &titles, false).unwrap_or_default().join(" ");
        assert!(said(true).contains("used it before go first"));
        assert!(!said(false).contains("before"));
        assert_eq!(summaries(Trouble::Servers, &[], false), None, "what no visitor knows is not spoken of");
    }
}
