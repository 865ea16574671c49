//! Tests: what a run of a shrinking pool is scored by.

use super::*;
use std::collections::BTreeMap;
use std::time::Duration;
use types::effect::Verdict;
use types::fault::DatabaseFault;
use types::notification::{Contact, Delivered, Delivery};
use types::time::later;
use types::{
    AlertId, ChannelId, EscalationId, EventKind, Fault, IncidentId, NotificationKey, PageId, Resource,
};

fn script() -> Script {
    Script::parse(include_str!("../../../../../../drills/shrinking-pool.drill")).unwrap()
}

fn at(ms: u64) -> Time {
    later("2026-11-22T12:00:00Z".parse().unwrap(), Duration::from_millis(ms))
}

fn alert(id: u64, about: Resource, fault: Fault) -> EventKind {
    EventKind::AlertOpened { alert: testkit::incident::alert(id, about, fault, at(0)) }
}

fn diagnosed(opens: bool, cause: Resource, summary: &str, alerts: &[u64]) -> EventKind {
    let mut diagnosis = testkit::incident::diagnosis(cause, &["api"]);
    diagnosis.summary = summary.to_owned();
    diagnosis.alerts = alerts.iter().copied().map(AlertId).collect();
    let incident = IncidentId(1);
    match opens {
        true => EventKind::IncidentOpened { incident, since: at(0), diagnosis },
        false => EventKind::IncidentDiagnosed { incident, diagnosis },
    }
}

/// The database is full, the page is delivered, the pool falls and joins the incident.
fn run() -> Vec<Event> {
    let full = DatabaseFault::Saturated {
        node: "db:5432".to_owned(),
        used: Some(61),
        usable: Some(61),
        crowd: Some("`update totals set seconds = recount(workspace)`".to_owned()),
    };
    let pool: Fault = serde_json::from_value(serde_json::json!({
        "fault": "pool_below_minimum", "healthy": 2, "declared": 20, "min_healthy": 10,
        "out": ["10.0.0.3:80 is down since 12:00 (response timeout)"],
    }))
    .unwrap();
    let database = || Resource::database("main");
    let delivered = EventKind::AttemptEnded {
        page: Some(PageId(1)),
        contact: Contact { channel: ChannelId::from("phone"), address: "ana".to_owned() },
        person: None,
        delivery: Delivery {
            key: NotificationKey("page-1/0/0/ana".to_owned()),
            result: Ok(Delivered { receipt: None }),
        },
    };
    let escalation = EscalationId::from("default");
    let list = vec![
        (2_000, alert(1, database(), Fault::Database { database: full })),
        (2_000, diagnosed(true, database(), "main is full: `update totals set seconds = recount(?)`", &[1])),
        (2_000, EventKind::PageOpened { page: PageId(1), incident: IncidentId(1), escalation }),
        (2_400, delivered),
        (6_000, alert(2, Resource::pool("api"), pool)),
        (6_500, diagnosed(false, database(), "main is full", &[1, 2])),
    ];
    let event =
        |(index, (ms, kind)): (usize, (u64, EventKind))| Event { seq: index as u64 + 1, at: at(ms), kind };
    list.into_iter().enumerate().map(event).collect()
}

fn served(served: [f64; 2]) -> Around {
    Around { served, p50_ms: None }
}

fn seen() -> PoolObservations {
    PoolObservations {
        fault_at: Some(at(0)),
        fell_at: Some(at(4_000)),
        replicas_added: Some(at(75_000)),
        fixes: vec![
            (at(25_000), "fix the slow query".to_owned(), served([0.1, 0.12])),
            (at(125_000), "start the stopped API servers".to_owned(), served([0.1, 0.9])),
        ],
        opens: Opens { limit: 40, highest: 41, per_sec: 20 },
        sockets: crate::score::Served { asked: Some(2_000), served: Some(2_000) },
        well_at: Some(at(140_000)),
    }
}

#[test]
fn pool_is_named_when_it_joins_an_incident_that_was_paged() {
    let score = score(&script(), at(0), &run(), &seen(), &BTreeMap::new());
    assert_eq!((score.statement_secs, score.pool_secs, score.idle_secs), (Some(2.0), Some(2.5), None));
    assert!(score.pool_text.unwrap().contains("2 of 20 servers"));
    assert_eq!(score.well_secs, Some(140.0));
    // Without a delivered page no one knows.
    let mut unpaged = run();
    unpaged.retain(|event| !matches!(event.kind, EventKind::AttemptEnded { .. }));
    let score = super::score(&script(), at(0), &unpaged, &seen(), &BTreeMap::new());
    assert_eq!(score.pool_secs, None);
}

#[test]
fn missed_limits_and_wrong_verdicts_are_named() {
    let helped =
        Effect { verdict: Verdict::Helped, signal: None, figure: None, points: 12, together_with: 0 };
    let notes = ["fix the slow query", "start the stopped API servers"];
    let judged = notes.map(|note| (note.to_owned(), helped.clone())).into();
    let score = score(&script(), at(0), &run(), &seen(), &judged);
    let all = Limits {
        statement: Some(Duration::from_secs(1)),
        pool: Some(Duration::from_secs(10)),
        idle: Some(Duration::from_secs(30)),
        well: Some(Duration::from_secs(200)),
        opens: true,
        effects: true,
        ..Limits::default()
    };
    insta::assert_snapshot!(judge(&score, &all).join("\n"), @r#"
    naming the slow statement took 2.0 s; the limit is 1 s
    naming the idle replicas never happened; the limit is 30 s
    a server had 41 concurrent opens; its limit is 40
    "fix the slow query": measured: no effect; mainstay says: helped
    "#);
    assert_eq!(judge(&score, &Limits::default()), [] as [String; 0]);
}
