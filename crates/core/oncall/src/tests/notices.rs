//! Notices: opened, drafted, resolved and missed incidents.

use super::fixture::{Fixture, accepted, at, config, diagnosis, failing, keys, monday, refused, secs};
use jiff::civil::time;
use types::event::UpdateStatus;
use types::incident::Diagnosis;
use types::time::later;
use types::{EventKind, IncidentId, Notification, Urgency};

fn sleeps_now(fixture: &mut Fixture, name: &str) {
    let person = fixture.config.people.get_mut(&name.into()).unwrap();
    person.waking_hours = Some((time(18, 0, 0, 0), time(3, 0, 0, 0)));
}

#[test]
fn notice_waits_for_waking_hours_and_page_does_not() {
    let mut fixture = Fixture::new(config(), monday());
    sleeps_now(&mut fixture, "ana");
    fixture.open(1, false, &["auth"]);
    assert!(fixture.run_batch().is_empty(), "she sleeps: the notice waits");
    let morning = at("2026-11-16T16:00:00Z");
    assert_eq!(
        fixture.oncall.next_deadline(&types::Context::new(&fixture.config, fixture.now)),
        Some(morning)
    );
    fixture.open(2, true, &["auth"]);
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r0/0/ana/0/0"], "a page wakes her");
    fixture.acknowledge(2);
    fixture.resolve(2);
    let over = fixture.run_batch();
    assert_eq!(keys(&over), ["incident-2/resolved/ana/0/0"], "everybody who was paged gets this immediately");
    fixture.in_flight.clear();
    fixture.answer(&over[0], accepted(&over[0]));
    fixture.now = morning;
    assert_eq!(keys(&fixture.run_batch()), ["incident-1/opened/ana/0/0"]);
}

#[test]
fn notice_about_ended_incident_is_dropped() {
    let mut fixture = Fixture::new(config(), monday());
    sleeps_now(&mut fixture, "ana");
    fixture.open(1, false, &["auth"]);
    fixture.run_batch();
    fixture.resolve(1);
    fixture.run_until(later(monday(), secs(86_400)), accepted);
    assert_eq!(fixture.sent, []);
}

#[test]
fn fallback_that_was_paged_gets_resolved_notice() {
    for (called_for, expected) in [(100, false), (1_500, true)] {
        let mut config = config();
        let escalation = config.escalations.get_mut(&"default".into()).unwrap();
        escalation.repeat = 0;
        escalation
            .fallback
            .push(types::notification::Contact { channel: "hook".into(), address: "lodge".to_owned() });
        let mut fixture = Fixture::new(config, monday());
        fixture.open(1, true, &["auth"]);
        fixture.run_until(later(monday(), secs(called_for)), accepted);
        fixture.resolve(1);
        let notices = fixture.run_batch();
        let mut last: Vec<&str> = keys(&notices);
        last.retain(|key| key.contains("/*/"));
        let all = ["incident-1/resolved/*/0/0", "incident-1/resolved/*/1/0"];
        assert_eq!(last, all.into_iter().filter(|_| expected).collect::<Vec<_>>(), "{}", fixture.story());
        let sent = fixture.sent.len();
        fixture.run_until(later(fixture.now, secs(86_400)), accepted);
        assert_eq!(fixture.sent.len(), sent, "each fallback contact once");
        let live = fixture.oncall.state_text();
        fixture.crash();
        assert_eq!(fixture.oncall.state_text(), live);
    }
}

#[test]
fn missed_incident_is_reported_when_provider_recovers() {
    let mut config = config();
    config.escalations.get_mut(&"default".into()).unwrap().fallback.clear();
    let mut fixture = Fixture::new(config, monday());
    fixture.open(1, true, &["auth"]);
    fixture.open(2, true, &["api"]);
    fixture.run_until(later(monday(), secs(200)), refused);
    assert_eq!(fixture.oncall.unreached().count(), 2);
    fixture.resolve(1);
    fixture.run_until(later(fixture.now, secs(5)), refused);
    fixture.resolve(2);
    let from = fixture.sent.len();
    fixture.run_until(later(fixture.now, secs(3_600)), refused);
    assert_eq!(fixture.oncall.unreached().count(), 0, "resolved: not unreached any more");
    fixture.run_until(later(fixture.now, secs(3_600)), accepted);
    let notices: Vec<&Notification> =
        fixture.sent[from..].iter().map(|(_, notification)| notification).collect();
    let all = notices.len();
    let last = notices[all - 1];
    assert!(last.title.starts_with("Missed, already resolved: "), "{}", last.title);
    assert!(last.body.contains("No page about this incident could be delivered"), "{}", last.body);
    assert!(
        last.body.contains("Other resolved incidents without a delivered page (1):"),
        "one notice for both: {}",
        last.body
    );
    assert!(notices.iter().all(|notification| notification.urgency == Urgency::Notice
        && notification.key.0.contains("incident-1/missed")));
    fixture.run_until(later(fixture.now, secs(86_400)), accepted);
    assert_eq!(fixture.sent.len(), from + all, "once");
}

#[test]
fn missed_notice_is_sent_after_first_delivery() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.config.escalations.get_mut(&"default".into()).unwrap().fallback.clear();
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(200)), refused);
    fixture.resolve(1);
    fixture.run_until(later(fixture.now, secs(20_000)), refused);
    let waits = fixture.oncall.next_deadline(&types::Context::new(&fixture.config, fixture.now)).unwrap();
    assert!(waits > later(fixture.now, secs(60)), "long delay by now");
    fixture.open(2, true, &["api"]);
    let page = fixture.run_batch().remove(0);
    fixture.in_flight.clear();
    fixture.answer(&page, accepted(&page));
    assert!(keys(&fixture.run_batch()).iter().any(|key| key.starts_with("incident-1/missed/")));
}

#[test]
fn late_page_mentions_undelivered_pages() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(400)), failing);
    assert_eq!(fixture.oncall.unreached().count(), 1);
    let from = fixture.sent.len();
    fixture.run_until(later(fixture.now, secs(120)), accepted);
    let late = &fixture.sent[from].1;
    assert!(late.body.contains("Earlier pages (since 12:00 UTC) were not delivered."), "{}", late.body);
    assert_eq!(fixture.oncall.unreached().count(), 0);
    fixture.resolve(1);
    fixture.run_until(later(fixture.now, secs(86_400)), accepted);
    assert!(!fixture.sent.iter().any(|(_, notification)| notification.key.0.contains("/missed/")));
}

/// Rows: waking hours of Bo in UTC+2; now; the date of the incident; time of the first page.
#[test]
fn page_about_future_date_waits_for_morning_if_time_is_left() {
    let night = (7, 22);
    for (awake, now, date, rings) in [
        (night, "2026-11-16T01:00:00Z", "2026-11-17T01:00:00Z", "2026-11-16T05:00:00Z"),
        (night, "2026-11-16T05:00:00Z", "2026-11-17T01:00:00Z", "2026-11-16T05:00:00Z"),
        (night, "2026-11-16T12:00:00Z", "2026-11-16T18:00:00Z", "2026-11-16T12:00:00Z"),
        // Exactly eight hours after the morning, and a second less.
        (night, "2026-11-16T01:00:00Z", "2026-11-16T13:00:00Z", "2026-11-16T05:00:00Z"),
        (night, "2026-11-16T01:00:00Z", "2026-11-16T12:59:59Z", "2026-11-16T01:00:00Z"),
        // Late in the evening: next morning.
        (night, "2026-11-16T21:00:00Z", "2026-11-17T20:00:00Z", "2026-11-17T05:00:00Z"),
        // Awake at night: immediately.
        ((20, 6), "2026-11-16T01:00:00Z", "2026-11-17T01:00:00Z", "2026-11-16T01:00:00Z"),
    ] {
        let mut config = config();
        config.escalations.get_mut(&"default".into()).unwrap().steps.remove(0);
        let bo = config.people.get_mut(&"bo".into()).unwrap();
        bo.waking_hours = Some((time(awake.0, 0, 0, 0), time(awake.1, 0, 0, 0)));
        let mut fixture = Fixture::new(config, at(now));
        let diagnosis = Diagnosis { ahead: Some(at(date)), ..diagnosis(true, &["auth"]) };
        let incident = IncidentId(1);
        fixture.commit(vec![EventKind::IncidentOpened { incident, since: at(now), diagnosis }]);
        fixture.run_until(later(at(now), secs(86_000)), accepted);
        let (first, notification) = &fixture.sent[0];
        assert_eq!(first.to_string(), rings, "now {now}, runs out {date}");
        assert_eq!(notification.urgency, Urgency::Page);
    }
}

#[test]
fn page_about_future_date_pauses_at_night_until_failure() {
    let mut config = config();
    config.escalations.get_mut(&"default".into()).unwrap().steps.remove(0);
    config.people.get_mut(&"bo".into()).unwrap().waking_hours = Some((time(7, 0, 0, 0), time(22, 0, 0, 0)));
    let (evening, night) = (at("2026-11-16T19:30:00Z"), at("2026-11-16T20:00:00Z"));
    let mut fixture = Fixture::new(config, evening);
    let ahead = Diagnosis { ahead: Some(at("2026-11-17T19:00:00Z")), ..diagnosis(true, &["auth"]) };
    let incident = IncidentId(1);
    fixture.commit(vec![EventKind::IncidentOpened { incident, since: evening, diagnosis: ahead }]);
    fixture.run_until(night, accepted);
    let before = fixture.sent.len();
    assert!(before > 0);
    fixture.run_until(at("2026-11-17T01:00:00Z"), accepted);
    assert_eq!(fixture.sent.len(), before, "{}", fixture.story());
    fixture.commit(vec![EventKind::IncidentDiagnosed { incident, diagnosis: diagnosis(true, &["auth"]) }]);
    assert!(!fixture.run_batch().is_empty(), "it fails now");
}

#[test]
fn recovering_incident_pages_no_one() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(30)), accepted);
    let before = fixture.sent.len();
    let calm = Diagnosis { calm: true, ..diagnosis(true, &["auth"]) };
    let incident = IncidentId(1);
    fixture.commit(vec![EventKind::IncidentDiagnosed { incident, diagnosis: calm }]);
    fixture.run_until(later(monday(), secs(400)), accepted);
    assert_eq!(fixture.sent.len(), before, "{}", fixture.story());
    fixture.commit(vec![EventKind::IncidentDiagnosed { incident, diagnosis: diagnosis(true, &["auth"]) }]);
    assert!(!fixture.run_batch().is_empty(), "it fails again");
}

#[test]
fn draft_notice_is_sent_once_and_not_after_publication() {
    for published in [false, true] {
        let mut fixture = Fixture::new(config(), monday());
        sleeps_now(&mut fixture, "ana");
        fixture.open(1, true, &["auth"]);
        fixture.run_batch();
        let (incident, status) = (IncidentId(1), UpdateStatus::Identified);
        let (title, body) = ("Sign-in is failing".to_owned(), "It is.".to_owned());
        let affected = std::collections::BTreeMap::new();
        for _ in 0..2 {
            let (title, body, affected) = (title.clone(), body.clone(), affected.clone());
            fixture.commit(vec![EventKind::UpdateDrafted { incident, status, title, body, affected }]);
            fixture.run_batch();
        }
        if published {
            let (post, by) = (types::UpdateId(1), Some(types::Actor::person("bo", types::Via::Console)));
            fixture.commit(vec![EventKind::UpdatePublished {
                update: post,
                incident,
                status,
                title,
                body,
                affected,
                by,
            }]);
        }
        fixture.run_until(at("2026-11-16T18:00:00Z"), accepted);
        let notices: Vec<&Notification> = fixture
            .sent
            .iter()
            .map(|(_, notification)| notification)
            .filter(|it| it.key.0.contains("/drafted/"))
            .collect();
        assert_eq!(notices.len(), usize::from(!published));
        assert!(notices.iter().all(|it| it.title == "Draft update to review: Sign-in is failing"));
    }
}

#[test]
fn team_gets_a_line_each_hour_with_what_was_done() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(120)), accepted);
    fixture.acknowledge(1);
    let note = EventKind::IncidentNoted {
        incident: IncidentId(1),
        by: types::Actor::person("bo", types::Via::CommandLine),
        text: "rolled back".to_owned(),
    };
    fixture.advance(secs(60));
    fixture.commit(vec![note]);
    let before = fixture.sent.len();
    fixture.run_until(later(monday(), secs(1_800)), accepted);
    assert_eq!(fixture.sent.len(), before, "nothing within the hour");
    fixture.now = later(monday(), secs(3_300));
    // Someone who knows of it takes it again, so that only the hour is new.
    fixture.acknowledge(1);
    fixture.run_until(later(monday(), secs(3_610)), accepted);
    let lines: Vec<_> = fixture.sent.iter().filter(|(_, sent)| sent.key.0.contains("/hour-1/")).collect();
    let [(_, line)] = lines.as_slice() else { panic!("{}", fixture.story()) };
    assert_eq!((line.key.0.as_str(), line.urgency), ("incident-1/hour-1/ana/0/0", Urgency::Notice));
    assert_eq!(line.title, "Open for 1 h: acme.app expired at 15:28");
    assert!(line.body.contains("bo: rolled back - not judged yet\n"), "{}", line.body);
    assert!(line.body.contains("It pages nobody."), "{}", line.body);
    fixture.resolve(1);
    fixture.run_until(later(monday(), secs(9_000)), accepted);
    assert!(!fixture.sent.iter().any(|(_, sent)| sent.key.0.contains("/hour-2/")), "{}", fixture.story());
}

#[test]
fn incident_that_pages_no_one_gives_no_line() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, false, &["auth"]);
    fixture.run_until(later(monday(), secs(9_000)), accepted);
    assert!(!fixture.sent.iter().any(|(_, sent)| sent.key.0.contains("/hour-")), "{}", fixture.story());
}

#[test]
fn team_is_reminded_of_a_promised_update_once_for_each_promise() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.acknowledge(1);
    let publish = |fixture: &mut Fixture, status| {
        fixture.commit(vec![EventKind::UpdatePublished {
            update: types::UpdateId(1),
            incident: IncidentId(1),
            status,
            title: "Sign-in is down".to_owned(),
            body: "We work on it.".to_owned(),
            affected: std::collections::BTreeMap::new(),
            by: None,
        }]);
    };
    let due = |by: &str| format!("incident-1/update-due-{}/ana/0/0", at(by).as_second());
    let sent = |fixture: &mut Fixture, minutes: u64| -> Vec<String> {
        fixture.now = later(monday(), secs(minutes * 60));
        let batch = fixture.run_batch();
        fixture.in_flight.clear();
        for notification in &batch {
            fixture.answer(notification, accepted(notification));
        }
        keys(&batch).into_iter().filter(|key| key.contains("update-due")).map(str::to_owned).collect()
    };
    publish(&mut fixture, UpdateStatus::Identified);
    assert_eq!(sent(&mut fixture, 24), [] as [&str; 0]);
    assert_eq!(sent(&mut fixture, 25), [due("2026-11-16T12:30:00Z")], "five minutes before");
    let body = &fixture.sent.last().unwrap().1.body;
    assert!(body.contains("next update by 12:30 UTC"), "{body}");
    assert_eq!(sent(&mut fixture, 27), [] as [&str; 0], "once");
    publish(&mut fixture, UpdateStatus::Identified);
    assert_eq!(sent(&mut fixture, 51), [] as [&str; 0]);
    assert_eq!(sent(&mut fixture, 53), [due("2026-11-16T12:57:00Z")], "the next promise");
    publish(&mut fixture, UpdateStatus::Resolved);
    assert_eq!(sent(&mut fixture, 90), [] as [&str; 0], "nothing is promised after the end");
}
