//! What events make of an incident.

use crate::world::*;
use types::fault::Fault;
use types::{Happened, IncidentId};

const ONE: IncidentId = IncidentId(1);

fn failing() -> World {
    let mut w = World::new();
    w.look_at_all();
    w.breaks("host.shop.acme.io", Fault::Refused);
    w.settle();
    w
}

#[test]
fn acknowledgements_last_are_prolonged_by_notes_and_expire() {
    let mut w = failing();
    let until = at("2026-11-22T15:40:00Z");
    w.record(Happened::IncidentAcknowledged { incident: ONE, by: "ana".into(), via: "link".into(), until });
    assert!(w.diagnose.incidents()[&ONE].is_in_hand(w.now));
    w.pass(300);
    w.record(Happened::IncidentNoted {
        incident: ONE,
        by: "ana".into(),
        text: "calling the registrar".into(),
    });
    let incident = &w.diagnose.incidents()[&ONE];
    assert_eq!(incident.notes.len(), 1);
    assert_eq!(incident.acknowledged.as_ref().unwrap().until, w.now + jiff::SignedDuration::from_mins(30));
    w.record(Happened::AcknowledgementExpired { incident: ONE });
    assert_eq!(w.diagnose.incidents()[&ONE].acknowledged, None);
    w.restart();
}

#[test]
fn events_about_unknown_things_change_nothing() {
    let mut w = failing();
    let ghost = IncidentId(99);
    for happened in [
        Happened::IncidentMerged { incident: ghost, into: ONE },
        Happened::IncidentMerged { incident: ONE, into: ghost },
        Happened::IncidentMerged { incident: ONE, into: ONE },
        Happened::IncidentResolved { incident: ghost, sentence: "?".into() },
        Happened::IncidentNoted { incident: ghost, by: "x".into(), text: "y".into() },
        Happened::AcknowledgementExpired { incident: ghost },
        Happened::FindingClosed { finding: types::FindingId(77) },
    ] {
        w.record(happened);
    }
    assert!(w.diagnose.incidents()[&ONE].is_open());
    assert_eq!(w.diagnose.incidents().len(), 1);
}

#[test]
fn the_last_two_hundred_that_ended_are_kept() {
    let mut w = World::new();
    w.look_at_all();
    for _ in 0..230 {
        let finding = w.breaks("host.shop.acme.io", Fault::Refused);
        w.settle();
        w.pass(5).close(finding);
        w.settle();
        // Sooner it would come and go.
        w.pass(600);
    }
    assert_eq!(w.diagnose.incidents().len(), 200);
    assert_eq!(w.diagnose.incidents().keys().next_back(), Some(&IncidentId(230)));
    w.restart();
}
