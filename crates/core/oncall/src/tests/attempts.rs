//! Attempts in flight and their results.

use super::fixture::{Fixture, accepted, config, keys, monday, secs};
use types::EventKind;

#[test]
fn attempt_without_result_is_repeated_then_failed() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r0/0/ana/0/0"]);
    fixture.advance(secs(29));
    assert!(fixture.run_batch().is_empty());
    fixture.advance(secs(1));
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r0/0/ana/0/0"], "the same key");
    fixture.advance(secs(30));
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r0/0/ana/1/0"], "the next contact");
    let late = fixture.sent[0].1.clone();
    let lines = fixture.journal.events.len();
    fixture.answer(&late, accepted(&late));
    assert_eq!(fixture.journal.events.len(), lines + 1, "late, but delivered: nothing to retry");
    fixture.answer(&late, accepted(&late));
    assert_eq!(fixture.journal.events.len(), lines + 1, "reported twice, counted once");
    fixture.in_flight.clear();
    fixture.advance(secs(3));
    assert!(fixture.run_batch().is_empty());
}

#[test]
fn crash_repeats_attempts_in_flight_with_same_key() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    let first = fixture.run_batch();
    fixture.crash();
    let again = fixture.run_batch();
    assert_eq!(keys(&first), keys(&again));
    fixture.answer(&again[0], accepted(&again[0]));
    fixture.crash();
    assert!(fixture.run_batch().is_empty(), "delivered: not repeated");
}

#[test]
fn results_of_other_keys_and_closed_pages_are_handled() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    let notification = fixture.run_batch().remove(0);
    for key in ["", "test/ana/0/0", "page-9/r0/0/ana/0/0", "page-1/r9/0/ana/0/0", "incident-1/opened/ana/0/0"]
    {
        let mut other = notification.clone();
        other.key.0 = key.to_owned();
        let lines = fixture.journal.events.len();
        fixture.answer(&other, accepted(&other));
        assert_eq!(fixture.journal.events.len(), lines, "{key:?}");
    }
    fixture.resolve(1);
    assert_eq!(
        keys(&fixture.run_batch()),
        ["incident-1/resolved/ana/0/0"],
        "her attempt is in flight: she is notified too"
    );
    fixture.answer(&notification, accepted(&notification));
    assert!(
        matches!(fixture.journal.events.last().unwrap().kind, EventKind::AttemptEnded { .. }),
        "the result is recorded"
    );
}
