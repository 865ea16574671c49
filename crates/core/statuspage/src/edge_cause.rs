//! Causes that only the edge sees, and the text about them: a surge of requests, a limit that refuses our own callers,
//! or too few servers.

use crate::titles::{DETECTED, are};
use types::{Alert, Config, Context, Fault, Incident, Kind, ServiceId, Severity};

/// Cause of an incident as the edge sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EdgeCause {
    /// Far more requests than usual.
    Surge {
        /// Whether the edge serves recognized clients first.
        recognizes: bool,
    },
    /// A limit refuses our own callers.
    Conflict,
    /// Too few healthy servers, or servers with a wrong certificate.
    Servers,
}

/// Returns the cause that the edge sees now; `None` once it has ended or when the cause is another one.
pub(crate) fn edge_cause(context: &Context<'_>, incident: &Incident) -> Option<EdgeCause> {
    let diagnosis = &incident.diagnosis;
    let own = diagnosis.alerts.iter().filter_map(|id| context.alerts.get(id));
    let own = own.filter(|alert| alert.about == diagnosis.cause && alert.severity == Severity::Critical);
    let mut causes: Vec<(u8, EdgeCause)> = own.filter_map(|alert| of_alert(context.config, alert)).collect();
    causes.sort_by_key(|(rank, _)| *rank);
    causes.first().map(|(_, cause)| *cause)
}

fn of_alert(config: &Config, alert: &Alert) -> Option<(u8, EdgeCause)> {
    match &alert.fault {
        Fault::Surge { .. } if alert.about.kind == Kind::Service => {
            let service = config.services.get(&ServiceId(alert.about.name.clone()))?;
            let recognizes = service.traffic.as_ref().is_some_and(|traffic| traffic.recognize.is_some());
            Some((0, EdgeCause::Surge { recognizes }))
        }
        Fault::LimitConflict { .. } => Some((1, EdgeCause::Conflict)),
        Fault::PoolBelowMinimum { .. } | Fault::PoolShrunken { .. } | Fault::ServerCertificate { .. } => {
            Some((2, EdgeCause::Servers))
        }
        Fault::CrashLoop { .. } if alert.about.kind == Kind::Pool => Some((2, EdgeCause::Servers)),
        _ => None,
    }
}

/// Returns the title of a surge. Other causes have the usual title.
pub(crate) fn title(cause: Option<EdgeCause>, titles: &[String]) -> Option<String> {
    match cause {
        Some(EdgeCause::Surge { .. }) if !titles.is_empty() => Some(format!("{} very busy", are(titles))),
        _ => None,
    }
}

/// Describes what happens and what clients can expect, one sentence each.
pub(crate) fn sentences(cause: EdgeCause, titles: &[String], acknowledged: bool) -> Option<Vec<String>> {
    if titles.is_empty() {
        return None;
    }
    let are = are(titles);
    let sentences = match cause {
        EdgeCause::Surge { recognizes: true } => [
            format!("{are} receiving far more requests than usual."),
            "Those who have used it before go first; if you come for the first time, you may have to wait or to try \
             again."
                .to_owned(),
            "We are holding back the excess.".to_owned(),
        ],
        EdgeCause::Surge { recognizes: false } => [
            format!("{are} receiving far more requests than usual."),
            "You may have to wait or to try again.".to_owned(),
            "We are holding back the excess.".to_owned(),
        ],
        EdgeCause::Conflict => [
            format!("{are} failing, or may fail, for some of you."),
            "One part of our system turns away requests of another.".to_owned(),
            if acknowledged { "We know which, and are working on it." } else { DETECTED }.to_owned(),
        ],
        EdgeCause::Servers => [
            format!("{are} failing, or may fail, for some of you."),
            "Some of the servers behind it are out of service.".to_owned(),
            if acknowledged { "We are working on it." } else { DETECTED }.to_owned(),
        ],
    };
    Some(sentences.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
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
            summary: "10.0.0.1 and 4bf92f35 are not for the public".to_owned(),
            alerts: alerts.iter().copied().map(AlertId).collect(),
            unaffected: [Resource::service("shop")].into(),
            stage,
            ..testkit::incident::diagnosis(cause.clone(), &["auth"])
        }
    }

    #[test]
    fn surge_update_says_what_to_expect_and_names_no_machines() {
        let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
        fixture.succeed_everywhere();
        fixture.react();
        let (auth, inner) = (Resource::service("auth"), Resource::service("inner"));
        fixture.fire(1, auth.clone(), surge(), Severity::Critical);
        fixture.open(1, diagnosis(&auth, &[1], Stage::Failing));
        fixture.react();
        fixture.advance(90);
        // The surge ends; the remaining cause is in a service that is not public.
        fixture.fire(2, inner.clone(), conflict(), Severity::Critical);
        fixture.clear(1);
        fixture.diagnose(1, diagnosis(&inner, &[1, 2], Stage::Failing));
        fixture.react();
        fixture.advance(90);
        fixture.clear(2);
        fixture.diagnose(1, diagnosis(&inner, &[1, 2], Stage::Recovering));
        fixture.react();
        fixture.resolve(1);
        fixture.react();
        let transcript = fixture.transcript();
        insta::assert_snapshot!(transcript, @r"
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
            assert!(!transcript.contains(inside), "{inside}");
        }
        fixture.restart();
    }

    #[test]
    fn recognized_clients_are_mentioned_only_where_the_edge_recognizes() {
        let titles = vec!["Sign-in".to_owned()];
        let text = |recognizes| {
            sentences(EdgeCause::Surge { recognizes }, &titles, false).unwrap_or_default().join(" ")
        };
        assert!(text(true).contains("used it before go first"));
        assert!(!text(false).contains("before"));
        assert_eq!(sentences(EdgeCause::Servers, &[], false), None, "no public service is affected");
    }
}
