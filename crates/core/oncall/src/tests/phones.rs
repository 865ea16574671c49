//! Phones: a second call soon, not more calls than providers allow, and no call for a notice.

use super::fixture::{Fixture, accepted, config, monday, person, refused, secs};
use testkit::config::channel;
use types::config::{ChannelKind, Medium};
use types::time::later;
use types::{Actor, EventKind, NotificationKey, PageId, PhoneOutcome, Via};

/// Ana has the contacts; the channels `call` and `sms` are those of a phone.
fn fixture(contacts: &[&str]) -> Fixture {
    let mut config = config();
    for (name, medium) in [("call", Medium::Call), ("sms", Medium::Sms)] {
        let kind = ChannelKind::Twilio {
            url: "http://127.0.0.1:1".to_owned(),
            account: "AC".to_owned(),
            from: "+3725550000".to_owned(),
            medium,
            has_callbacks: true,
        };
        config.channels.insert(name.into(), channel(name, kind));
    }
    config.people.insert("ana".into(), person("ana", contacts));
    Fixture::new(config, monday())
}

/// The attempts for Ana on the first step.
fn attempts(fixture: &Fixture) -> String {
    let is_own = |line: &&str| line.contains("r0/0/ana");
    fixture.story().lines().filter(is_own).map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn call_is_repeated_within_two_minutes_and_other_contacts_go_on_between_calls() {
    let mut fixture = fixture(&["ntfy:ana", "sms:+3725550100", "call:+3725550100"]);
    fixture.open(7, true, &["auth"]);
    fixture.run_until(later(monday(), secs(520)), accepted);
    insta::assert_snapshot!(attempts(&fixture), @r"
    0 page-1/r0/0/ana/0/0 ok via ntfy:ana
    60 page-1/r0/0/ana/1/0 ok via sms:+3725550100
    120 page-1/r0/0/ana/2/0 ok via call:+3725550100
    180 page-1/r0/0/ana/0/1 ok via ntfy:ana
    195 page-1/r0/0/ana/2/1 ok via call:+3725550100
    255 page-1/r0/0/ana/0/2 ok via ntfy:ana
    315 page-1/r0/0/ana/1/1 ok via sms:+3725550100
    375 page-1/r0/0/ana/0/3 ok via ntfy:ana
    435 page-1/r0/0/ana/0/4 ok via ntfy:ana
    495 page-1/r0/0/ana/1/2 ok via sms:+3725550100
    ");
}

#[test]
fn only_contact_is_called_in_pairs() {
    let mut fixture = fixture(&["call:+3725550100"]);
    fixture.open(7, true, &["auth"]);
    fixture.run_until(later(monday(), secs(500)), accepted);
    insta::assert_snapshot!(attempts(&fixture), @r"
    0 page-1/r0/0/ana/0/0 ok via call:+3725550100
    75 page-1/r0/0/ana/0/1 ok via call:+3725550100
    375 page-1/r0/0/ana/0/2 ok via call:+3725550100
    450 page-1/r0/0/ana/0/3 ok via call:+3725550100
    ");
}

#[test]
fn refused_call_leads_to_the_next_contact_immediately() {
    let mut fixture = fixture(&["call:+3725550100", "ntfy:ana"]);
    fixture.open(7, true, &["auth"]);
    fixture.run_until(later(monday(), secs(9)), |notification| {
        match notification.contact.channel.0.as_str() {
            "call" => refused(notification),
            _ => accepted(notification),
        }
    });
    let attempts = attempts(&fixture);
    assert!(attempts.lines().any(|line| line.starts_with("0 ") && line.contains("ntfy:ana")), "{attempts}");
}

#[test]
fn report_that_nobody_was_reached_brings_the_next_contact_forward() {
    let mut fixture = fixture(&["call:+3725550100", "ntfy:ana"]);
    fixture.open(7, true, &["auth"]);
    fixture.run_until(later(monday(), secs(20)), accepted);
    let report = EventKind::PhoneUnreached {
        page: PageId(1),
        contact: "call:+3725550100".to_owned(),
        person: Some("ana".into()),
        key: NotificationKey("page-1/r0/0/ana/0/0".to_owned()),
        outcome: PhoneOutcome::NoAnswer,
    };
    fixture.commit(vec![report.clone()]);
    fixture.run_until(later(monday(), secs(50)), accepted);
    let before = attempts(&fixture);
    assert!(before.lines().any(|line| line.starts_with("20 ") && line.contains("ntfy:ana")), "{before}");
    fixture.commit(vec![report]);
    fixture.run_until(later(monday(), secs(55)), accepted);
    assert_eq!(attempts(&fixture), before, "a late report changes nothing");
}

#[test]
fn escalated_page_reaches_the_next_step_now() {
    let mut fixture = fixture(&["call:+3725550100"]);
    fixture.open(7, true, &["auth"]);
    fixture.run_until(later(monday(), secs(20)), accepted);
    let by = Actor::person("ana", Via::Phone);
    fixture.commit(vec![EventKind::PageEscalated { page: PageId(1), by }]);
    fixture.run_until(later(monday(), secs(21)), accepted);
    let story = fixture.story();
    assert!(story.lines().any(|line| line.trim().starts_with("20 page-1 r0/1 [bo]")), "{story}");
}

#[test]
fn notice_rings_no_phone() {
    let mut fixture = fixture(&["call:+3725550100", "sms:+3725550100"]);
    fixture.open(7, false, &["auth"]);
    fixture.run_until(later(monday(), secs(3_600)), accepted);
    let story = fixture.story();
    assert!(story.contains("via sms:+3725550100") && !story.contains("via call:"), "{story}");
}
