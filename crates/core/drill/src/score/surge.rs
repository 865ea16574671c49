//! Tests: milestones, score and story of a surge, with constructed events.

use super::*;
use crate::script::Limits;
use crate::{differences, story};
use types::event::ServiceState;
use types::fault::Fault;
use types::incident::{Diagnosis, Stage};
use types::time::later;
use types::{Alert, AlertId, IncidentId, PageId, ProbeId, Resource, ServiceId, Severity};

fn script() -> Script {
    Script::parse(include_str!("../../../../../drills/surge.drill")).unwrap()
}

fn flood_at() -> Time {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn surge(networks: &[&str]) -> Fault {
    let networks = networks.iter().map(|net| (*net).to_owned()).collect();
    Fault::Surge { times: Some(200), per_sec: 2_000, share_percent: 92, networks }
}

fn conflict(trace: Option<&str>) -> Fault {
    let trace = trace.map(str::to_owned);
    Fault::LimitConflict { caller: "auth-web".to_owned(), percent: 93, trace, limits: vec![] }
}

fn opened(id: u64, about: &str, fault: Fault) -> EventKind {
    let about = Resource::service(about);
    let (probe, since) = (ProbeId("edge".to_owned()), flood_at());
    let alert = Alert {
        id: AlertId(id),
        about,
        fault,
        severity: Severity::Critical,
        probe,
        since,
        evidence: String::new(),
        seen_at: types::SeenAt::default(),
    };
    EventKind::AlertOpened { alert }
}

fn changed(id: u64, fault: Fault) -> EventKind {
    EventKind::AlertChanged {
        alert: AlertId(id),
        fault,
        severity: Severity::Critical,
        evidence: String::new(),
    }
}

fn diagnosis(cause: &str, alerts: &[u64], stage: Stage) -> Diagnosis {
    Diagnosis {
        cause: Resource::service(cause),
        summary: cause.to_owned(),
        alerts: alerts.iter().copied().map(AlertId).collect(),
        affected: [Resource::service("auth"), Resource::service("api")].into(),
        unaffected: [Resource::service("shop")].into(),
        wakes: true,
        stage,
        ahead: None,
        calm: false,
        symptoms: BTreeSet::new(),
    }
}

fn diagnosed(cause: &str, alerts: &[u64], stage: Stage) -> EventKind {
    EventKind::IncidentDiagnosed { incident: IncidentId(1), diagnosis: diagnosis(cause, alerts, stage) }
}

fn run() -> Vec<Event> {
    let learned =
        |service: &str| EventKind::TrafficLearned { service: ServiceId::from(service), usual_milli: 10_000 };
    let incident = IncidentId(1);
    let list = [
        (-20, learned("auth")),
        (-18, learned("api")),
        (2, opened(1, "auth", surge(&[]))),
        (
            2,
            EventKind::IncidentOpened {
                incident,
                since: flood_at(),
                diagnosis: diagnosis("auth", &[1], Stage::Failing),
            },
        ),
        (2, EventKind::PageOpened { page: PageId(1), incident, escalation: "default".into() }),
        (4, changed(1, surge(&["127.1.1.0/24"]))),
        (4, diagnosed("auth", &[1], Stage::Failing)),
        // Limits conflict during the flood already, but are not its cause.
        (20, opened(2, "api", conflict(Some("4bf9")))),
        (20, diagnosed("auth", &[1, 2], Stage::Failing)),
        (31, EventKind::AlertClosed { alert: AlertId(1) }),
        (31, diagnosed("api", &[1, 2], Stage::Failing)),
        (90, diagnosed("api", &[1, 2], Stage::Recovering)),
    ];
    let base = flood_at().as_second();
    let event = |(seq, (secs, kind)): (u64, (i64, EventKind))| Event {
        seq,
        at: Time::from_second(base + secs).unwrap(),
        kind,
    };
    (1..).zip(list).map(event).collect()
}

#[test]
fn surge_counts_from_start_of_flood_and_conflict_from_its_end() {
    let (script, events) = (script(), run());
    let learned = reached(&script, Milestone::Learned, None, &events).unwrap();
    assert_eq!(learned.as_second() - flood_at().as_second(), -18);
    assert_eq!(reached(&script, Milestone::Learned, None, &events[..1]), None, "both services must be known");
    let ended = |secs| Observations {
        flood_ended: Some(later(flood_at(), Duration::from_secs(secs))),
        ..Observations::default()
    };
    let result = score(&script, flood_at(), &events, &ended(25));
    assert_eq!(
        (result.surge_secs, result.conflict_secs, result.cause_secs),
        (Some(4.0), Some(6.0), Some(2.0))
    );
    assert_eq!(result.false_alerts, 0);
    assert_eq!(
        score(&script, flood_at(), &events, &ended(40)).conflict_secs,
        Some(0.0),
        "named before the end"
    );
    let late = Observations { conflict_began: Some(later(flood_at(), Duration::from_secs(29))), ..ended(25) };
    assert_eq!(score(&script, flood_at(), &events, &late).conflict_secs, Some(2.0), "named after it begins");
    let missed = judge(&score(&script, flood_at(), &events[..9], &ended(2)), &script.limits);
    assert!(missed.iter().any(|missed| missed.contains("conflicting limits never happened")), "{missed:?}");
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!(json["surge_secs"], 4.0);
    assert_eq!(json.get("without_mainstay"), None, "only a drill that compares has it");
}

#[test]
fn surge_without_sources_and_conflict_without_trace_are_not_named() {
    let script = script();
    let mut events = run();
    for event in &mut events {
        match &mut event.kind {
            EventKind::AlertChanged { fault, .. } => *fault = surge(&[]),
            EventKind::AlertOpened { alert } if alert.id == AlertId(2) => alert.fault = conflict(None),
            _ => {}
        }
    }
    for milestone in [Milestone::SurgeNamed, Milestone::ConflictNamed] {
        assert_eq!(reached(&script, milestone, Some(flood_at()), &events), None, "{milestone}");
    }
}

#[test]
fn story_contains_both_causes_of_the_incident() {
    let text = story(&run());
    for line in [
        "incident 1 is attributed to a surge on service.auth",
        "incident 1 is attributed to service.api rejecting its own caller auth-web",
        "incident 1 has the cause: service.api",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let golden = include_str!("../../../../../drills/surge.story");
    let wrong: Vec<String> =
        differences(golden, &text).into_iter().filter(|it| !it.starts_with("never")).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// Sign-in may be well between the flood and the conflict: then the update counts from the second outage.
#[test]
fn update_counts_from_the_outage_that_it_is_about() {
    let state =
        |service: &str, state| EventKind::ServiceStateChanged { service: ServiceId::from(service), state };
    let published = EventKind::UpdatePublished {
        update: types::UpdateId(1),
        incident: IncidentId(1),
        status: types::event::UpdateStatus::Identified,
        title: "Sign-in is failing".to_owned(),
        body: String::new(),
        affected: std::collections::BTreeMap::new(),
        by: None,
    };
    let outage = |again: i64| {
        let list = [
            (2, state("auth", ServiceState::PartialOutage)),
            (again - 1, state("auth", ServiceState::Operational)),
            (again, state("api", ServiceState::PartialOutage)),
            (again + 1, state("auth", ServiceState::PartialOutage)),
            (again + 60, published.clone()),
        ];
        let base = flood_at().as_second();
        let event = |(seq, (secs, kind)): (u64, (i64, EventKind))| Event {
            seq,
            at: Time::from_second(base + secs).unwrap(),
            kind,
        };
        (1..).zip(list).map(event).collect::<Vec<Event>>()
    };
    let limits = Limits { update: Some(Duration::from_secs(75)), ..Limits::default() };
    let missed =
        |events: &[Event]| judge(&score(&script(), flood_at(), events, &Observations::default()), &limits);
    assert_eq!(missed(&outage(58)), Vec::<String>::new());
    // Without a pause it counts from the fault.
    let without: Vec<Event> = outage(58)
        .into_iter()
        .filter(|event| event.at != later(flood_at(), Duration::from_secs(57)))
        .collect();
    assert_eq!(missed(&without), ["the public update took 118.0 s; the limit is 75 s"]);
}
