//! Score of servers that restart again and again while what they call is down, and of a configuration that is served stale.

use super::{Served, secs_between};
use crate::script::{Limits, Script};
use serde::Serialize;
use std::collections::BTreeSet;
use types::{AlertId, Event, EventKind, Fault, Time};

/// Records of the fixture about the management proxies, independent of mainstay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManagementObservations {
    /// Number of proxies.
    pub proxies: u32,
    /// Restarts of all of them.
    pub restarts: u32,
    /// Time of the third restart of one of them.
    pub looping_since: Option<Time>,
    /// Fetches of the sign-in configuration while its source was down, and those answered with the right content.
    pub configuration: Served,
}

/// Score of the management proxies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ManagementScore {
    /// Seconds from the third restart of a proxy until the incident with the right cause names the crash loop; 0 when it did
    /// so before.
    pub crash_loop_secs: Option<f64>,
    /// Number of proxies.
    pub proxies: u32,
    /// Restarts of all of them.
    pub restarts: u32,
    /// Fetches of the sign-in configuration while its source was down, and those answered with the right content.
    pub configuration: Served,
}

pub(super) fn score(script: &Script, events: &[Event], seen: &ManagementObservations) -> ManagementScore {
    let named = crash_loop_named(script, events).zip(seen.looping_since);
    ManagementScore {
        crash_loop_secs: named.map(|(named, since)| secs_between(since, named).max(0.0)),
        proxies: seen.proxies,
        restarts: seen.restarts,
        configuration: seen.configuration,
    }
}

/// Time at which an incident with the right cause first named a crash loop in its summary.
fn crash_loop_named(script: &Script, events: &[Event]) -> Option<Time> {
    let mut loops: BTreeSet<AlertId> = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::AlertOpened { alert } if matches!(alert.fault, Fault::CrashLoop { .. }) => {
                loops.insert(alert.id);
            }
            EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. }
                if diagnosis.cause == script.cause
                    && !loops.is_disjoint(&diagnosis.alerts)
                    && diagnosis.summary.contains("again and again") =>
            {
                return Some(event.at);
            }
            _ => {}
        }
    }
    None
}

/// The limits that were missed.
pub(super) fn judge(score: &ManagementScore, limits: &Limits) -> Vec<String> {
    let named = limits
        .crash_loop
        .and_then(|limit| super::late("naming the crash loop", score.crash_loop_secs, limit));
    let Served { asked, served } = score.configuration;
    let (asked, served) = (asked.unwrap_or(0), served.unwrap_or(0));
    let stale = limits.configuration.and_then(|percent| {
        let is_met = asked > 0 && served.saturating_mul(100) >= asked.saturating_mul(percent.into());
        (!is_met).then(|| {
            format!(
                "the sign-in configuration was right in {served} of {asked} fetches while its source was down; the limit is \
                 {percent} %"
            )
        })
    });
    named.into_iter().chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use types::fault::CrashLoop;
    use types::time::later;
    use types::{IncidentId, Resource};

    fn at(secs: u64) -> Time {
        later("2026-11-22T12:00:00Z".parse().unwrap(), Duration::from_secs(secs))
    }

    fn events(summary: &str) -> Vec<Event> {
        let crash_loop = CrashLoop {
            servers: vec!["127.1.1.61:8080".to_owned()],
            looping: 1,
            of: 3,
            times: 3,
            within: Duration::from_secs(6),
            up: Duration::from_secs(1),
            last: "connection refused".to_owned(),
        };
        let fault = Fault::CrashLoop { crash_loop };
        let alert = testkit::incident::alert(7, Resource::pool("management"), fault, at(28));
        let mut diagnosis = testkit::incident::diagnosis(Resource::domain("acme.app"), &["auth"]);
        diagnosis.summary = summary.to_owned();
        diagnosis.alerts = [AlertId(7)].into();
        let kinds = [
            EventKind::AlertOpened { alert },
            EventKind::IncidentDiagnosed { incident: IncidentId(1), diagnosis },
        ];
        kinds.into_iter().zip(1..).map(|(kind, seq)| Event { seq, at: at(28), kind }).collect()
    }

    #[test]
    fn crash_loop_counts_from_the_third_restart_and_in_the_incident_of_the_cause() {
        let script = Script::parse(include_str!("../../../../../drills/expired-name.drill")).unwrap();
        let served = |asked, served| Served { asked: Some(asked), served: Some(served) };
        let seen = |configuration| ManagementObservations {
            proxies: 3,
            restarts: 12,
            looping_since: Some(at(26)),
            configuration,
        };
        let named = events("acme.app expired; every server of pool management restarts again and again");
        let good = score(&script, &named, &seen(served(120, 119)));
        assert_eq!((good.crash_loop_secs, judge(&good, &script.limits)), (Some(2.0), Vec::new()));
        let unnamed = score(&script, &events("acme.app expired"), &seen(served(120, 118)));
        let missed = judge(&unnamed, &script.limits);
        assert_eq!(missed.len(), 2, "{missed:?}");
        assert!(missed[0].contains("never happened") && missed[1].contains("118 of 120"), "{missed:?}");
        let unasked = score(&script, &named, &seen(Served::default()));
        assert_eq!(judge(&unasked, &script.limits).len(), 1, "nothing fetched is nothing shown");
    }
}
