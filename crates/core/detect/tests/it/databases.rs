//! Rounds of a database, from the counters to the alerts.

use crate::fixture::{Fixture, at, secs};
use types::database::{Connections, DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen, Reading, Sessions};
use types::probe_result::Answer;

const PROBE: &str = "http.a.acme.com";

/// A round with this many of 100 connections in use.
fn used(used: u32) -> Answer {
    let facts = NodeFacts {
        connections: Reading::Known(Connections { used, max: 103, reserved: 3, refused: None }),
        sessions: Reading::Known(Sessions::default()),
        ..NodeFacts::default()
    };
    let node = NodeSeen { node: "db1:5432".into(), answer: NodeAnswer::Facts(Box::new(facts)) };
    Answer::Database(Box::new(DatabaseSeen {
        at: at("2026-11-22T12:00:00Z"),
        nodes: vec![node],
        backups: Reading::Absent,
    }))
}

#[test]
fn full_server_is_an_alert_in_the_second_round_and_figures_do_not_change_it() {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    assert_eq!(w.see(PROBE, used(60)), "");
    assert_eq!(w.pass(secs(5)).see(PROBE, used(100)), "");
    let said = w.pass(secs(5)).see(PROBE, used(100));
    assert!(said.contains("has 100 of 100 connections in use at db1:5432, so it refuses new ones"), "{said}");
    assert!(said.contains("Critical"), "{said}");
    assert_eq!(w.pass(secs(5)).see(PROBE, used(101)), "", "another figure");
    w.pass(secs(5)).see(PROBE, used(60));
    let said = w.pass(secs(5)).see(PROBE, used(60));
    assert_eq!(said.lines().filter(|line| line.contains(" - ")).count(), 1, "{said}");
}
