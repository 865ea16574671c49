//! What events make of an incident.

use crate::fixture::*;
use types::fault::Fault;
use types::{EventKind, IncidentId};

const ONE: IncidentId = IncidentId(1);

fn failing() -> Fixture {
    let mut w = Fixture::new();
    w.look_at_all();
    w.breaks("host.shop.acme.io", Fault::Refused);
    w.debounce();
    w
}

#[test]
fn acknowledgements_last_are_prolonged_by_notes_and_expire() {
    let mut w = failing();
    let until = at("2026-11-22T15:40:00Z");
    w.record(EventKind::IncidentAcknowledged { incident: ONE, by: ana(), until });
    assert!(w.diagnose.incidents()[&ONE].is_acknowledged(w.now));
    w.pass(300);
    w.record(EventKind::IncidentNoted { incident: ONE, by: ana(), text: "calling the registrar".into() });
    let incident = &w.diagnose.incidents()[&ONE];
    assert_eq!(incident.notes.len(), 1);
    assert_eq!(incident.acknowledged.as_ref().unwrap().until, w.now + jiff::SignedDuration::from_mins(30));
    w.record(EventKind::AcknowledgementExpired { incident: ONE });
    assert_eq!(w.diagnose.incidents()[&ONE].acknowledged, None);
    w.restart();
}

#[test]
fn events_about_unknown_resources_change_nothing() {
    let mut w = failing();
    let ghost = IncidentId(99);
    for kind in [
        EventKind::IncidentMerged { incident: ghost, into: ONE },
        EventKind::IncidentMerged { incident: ONE, into: ghost },
        EventKind::IncidentMerged { incident: ONE, into: ONE },
        EventKind::IncidentResolved { incident: ghost, summary: "?".into(), by: None },
        EventKind::IncidentNoted { incident: ghost, by: ana(), text: "y".into() },
        EventKind::AcknowledgementExpired { incident: ghost },
        EventKind::AlertClosed { alert: types::AlertId(77) },
    ] {
        w.record(kind);
    }
    assert!(w.diagnose.incidents()[&ONE].is_open());
    assert_eq!(w.diagnose.incidents().len(), 1);
}

#[test]
fn the_last_two_hundred_that_ended_are_kept() {
    let mut w = Fixture::new();
    w.look_at_all();
    for _ in 0..230 {
        let alert = w.breaks("host.shop.acme.io", Fault::Refused);
        w.debounce();
        w.pass(5).close(alert);
        w.debounce();
        // Sooner it would come and go.
        w.pass(600);
    }
    assert_eq!(w.diagnose.incidents().len(), 200);
    assert_eq!(w.diagnose.incidents().keys().next_back(), Some(&IncidentId(230)));
    w.restart();
}

fn ana() -> types::Actor {
    types::Actor::person("ana", types::Via::Link)
}
