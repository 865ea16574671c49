//! Tests: scores of constructed power cuts.

use super::*;
use std::time::Duration;
use types::event::{ServiceState, UpdateStatus};
use types::fault::{Creeping as CreepingFault, DatabaseFault, Level};
use types::time::later;
use types::{EscalationId, Fault, MaintenanceId, PageId, Resource};

fn script() -> Script {
    Script::parse(include_str!("../../../../../../drills/power-cut.drill")).unwrap()
}

fn at(secs: u64) -> Time {
    later("2026-08-13T08:29:00Z".parse().unwrap(), Duration::from_secs(secs))
}

fn database(database: DatabaseFault) -> EventKind {
    let fault = Fault::Database { database };
    EventKind::AlertOpened { alert: testkit::incident::alert(1, Resource::database("main"), fault, at(7)) }
}

fn incident(id: u64) -> EventKind {
    let mut diagnosis = testkit::incident::diagnosis(Resource::database("main"), &["time"]);
    diagnosis.alerts = [types::AlertId(1)].into();
    EventKind::IncidentOpened { incident: IncidentId(id), since: at(0), diagnosis }
}

fn page(id: u64, incident: u64) -> EventKind {
    EventKind::PageOpened {
        page: PageId(id),
        incident: IncidentId(incident),
        escalation: EscalationId::from("default"),
    }
}

fn update(id: u64, service: &str) -> EventKind {
    EventKind::UpdatePublished {
        update: UpdateId(id),
        incident: IncidentId(1),
        status: UpdateStatus::Identified,
        title: "Time tracker".to_owned(),
        body: "A problem with a database.".to_owned(),
        affected: [(ServiceId::from(service), ServiceState::MajorOutage)].into(),
        by: None,
    }
}

fn creeping() -> EventKind {
    let creeping = CreepingFault {
        level: Level::Latency,
        since: at(90),
        from: 20_000,
        to: 300_000,
        per_hour: 36_000_000,
        limit: 1_000_000,
        meets: at(190),
        clocks: ("08:30".to_owned(), "08:32".to_owned()),
    };
    let fault = Fault::Creeping { creeping: Box::new(creeping) };
    EventKind::AlertOpened { alert: testkit::incident::alert(2, Resource::service("time"), fault, at(120)) }
}

/// The events of a run that meets every limit.
fn run() -> Vec<Event> {
    let no_primary = DatabaseFault::NoPrimary { how: "127.0.0.1:1 refuses connections".to_owned() };
    let two = DatabaseFault::TwoPrimaries {
        nodes: vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()],
        system_identifier: "7".to_owned(),
        replaced: vec!["127.0.0.1:1".to_owned()],
        clients: vec!["to 127.0.0.1:1: time 1 at 127.0.0.1 (1 connection)".to_owned()],
    };
    let promotion = types::fault::Promotion {
        from: "127.0.0.1:1".to_owned(),
        how: "refuses connections".to_owned(),
        since: "08:29:00".to_owned(),
        to: "127.0.0.1:2".to_owned(),
        at: "08:29:31".to_owned(),
        timeline: 2,
    };
    let kinds = vec![
        (7, database(no_primary)),
        (8, incident(1)),
        (8, page(1, 1)),
        (33, database(DatabaseFault::Promoted { promotion: Box::new(promotion) })),
        (45, database(two)),
        (46, incident(2)),
        (46, page(2, 2)),
        (70, update(1, "time")),
        (122, creeping()),
        (200, EventKind::MaintenanceStarted { maintenance: MaintenanceId(1) }),
        (205, incident(3)),
        (260, EventKind::MaintenanceEnded { maintenance: MaintenanceId(1), by: None }),
    ];
    kinds.into_iter().zip(1..).map(|((secs, kind), seq)| Event { seq, at: at(secs), kind }).collect()
}

fn seen() -> PowerObservations {
    let received = |component: Option<&str>, updates: &[&str]| Received {
        subscriber: component.unwrap_or("all").to_owned(),
        component: component.map(Into::into),
        updates: updates.iter().map(|&key| key.to_owned()).collect(),
    };
    let first = UpdateId(1).to_string();
    PowerObservations {
        audited: vec![("single-database".to_owned(), true), ("backup-age".to_owned(), true)],
        back_at: Some(at(5)),
        promoted_at: Some(at(30)),
        wrong_since: Some(at(42)),
        leaks_since: Some(at(90)),
        crashed_at: Some(at(190)),
        entries: Entries { made: 40, offline: 35, recorded: 40, twice: 0, repeated: 2, in_order: true },
        edge_kills: 3,
        received: vec![
            received(None, &[&first]),
            received(Some("time"), &[&first]),
            received(Some("site"), &[]),
        ],
    }
}

fn scored(events: &[Event], seen: &PowerObservations) -> (PowerScore, Vec<String>) {
    let score = score(&script(), at(0), events, seen, Some(at(9)));
    let missed = judge(&score, &script().limits);
    (score, missed)
}

#[test]
fn good_run_meets_every_limit() {
    let (score, missed) = scored(&run(), &seen());
    assert_eq!(missed, Vec::<String>::new());
    assert_eq!((score.loss_secs, score.first_page_secs), (Some(3.0), Some(4.0)));
    assert_eq!((score.promotion_secs, score.connection_secs), (Some(3.0), Some(3.0)));
    assert_eq!(score.creeping.percent, Some(32.0));
    assert_eq!(score.maintenance, Maintenance { incidents: 1, pages: 0 });
    assert_eq!((score.updates.expected, score.updates.received), (2, 2));
}

#[test]
fn each_missed_limit_is_named() {
    let without = |is_out: fn(&EventKind) -> bool| -> Vec<Event> {
        run().into_iter().filter(|event| !is_out(&event.kind)).collect()
    };
    let with = |change: fn(&mut PowerObservations)| {
        let mut seen = seen();
        change(&mut seen);
        seen
    };
    let second_page = |mut events: Vec<Event>| {
        events.push(Event { seq: 99, at: at(300), kind: page(3, 1) });
        events
    };
    for (events, seen, expected) in [
        (run(), with(|seen| seen.audited[0].1 = false), "the audit did not name single-database"),
        (run(), with(|seen| seen.back_at = Some(at(1))), "naming the loss of the primary took 7.0 s"),
        (run(), with(|seen| seen.crashed_at = Some(at(150))), "after 53.3 % of the time"),
        (run(), with(|seen| seen.entries.recorded = 39), "39 of 40 entries"),
        (run(), with(|seen| seen.entries.twice = 1), "1 more than once"),
        (run(), with(|seen| seen.entries.in_order = false), "not in their order"),
        (run(), with(|seen| seen.received[1].updates.clear()), "1 of 2 updates"),
        (
            run(),
            with(|seen| seen.received[2].updates.push("update-1".to_owned())),
            "and 1 of other components",
        ),
        (second_page(run()), seen(), "an incident had 2 pages"),
        (
            without(|kind| matches!(kind, EventKind::MaintenanceStarted { .. })),
            seen(),
            "no incident was held",
        ),
    ] {
        let (_, missed) = scored(&events, &seen);
        assert!(missed.iter().any(|missed| missed.contains(expected)), "{expected}: {missed:?}");
    }
}
