//! Who hears of what when it was not urgent, when nobody could be reached, and when it is over: told as effects.

use crate::world::{World, accepted, at, config, diagnosis, failing, refused, secs};
use jiff::civil::time;
use types::event::UpdateStatus;
use types::incident::Diagnosis;
use types::time::later;
use types::{EventKind, IncidentId, Notification, Urgency};

/// 12:00 in UTC, 14:00 in Tallinn, where all of them live. Ana's week.
fn monday() -> types::Time {
    at("2026-11-16T12:00:00Z")
}

/// Keys of what went out, without attempts that follow from it.
fn keys(notifications: &[Notification]) -> Vec<&str> {
    notifications.iter().map(|notification| notification.key.0.as_str()).collect()
}

fn sleeps_now(world: &mut World, name: &str) {
    let person = world.config.people.get_mut(&name.into()).unwrap();
    person.waking_hours = Some((time(18, 0, 0, 0), time(3, 0, 0, 0)));
}

#[test]
fn a_notice_waits_for_the_morning_of_its_reader_and_a_page_does_not() {
    let mut world = World::new(config(), monday());
    sleeps_now(&mut world, "ana");
    world.open(1, false, &["auth"]);
    assert!(world.settle().is_empty(), "she sleeps");
    let morning = at("2026-11-16T16:00:00Z");
    assert_eq!(world.wake.next(&world.config, world.now), Some(morning));
    world.open(2, true, &["auth"]);
    assert_eq!(keys(&world.settle()), ["page-1/r0/0/ana/0/0"], "an outage wakes her");
    world.acknowledge(2);
    world.resolve(2);
    let over = world.settle();
    assert_eq!(keys(&over), ["incident-2/resolved/ana/0/0"], "whoever was woken hears the end at once");
    world.flying.clear();
    world.answer(&over[0], accepted(&over[0]));
    world.now = morning;
    assert_eq!(keys(&world.settle()), ["incident-1/opened/ana/0/0"]);
}

#[test]
fn what_ended_before_the_morning_is_no_news() {
    let mut world = World::new(config(), monday());
    sleeps_now(&mut world, "ana");
    world.open(1, false, &["auth"]);
    world.settle();
    world.resolve(1);
    world.run_until(later(monday(), secs(86_400)), accepted);
    assert_eq!(world.sent, []);
}

#[test]
fn the_fallback_hears_that_it_is_over_if_it_was_called() {
    for (called_for, expected) in [(100, false), (1_500, true)] {
        let mut config = config();
        let escalation = config.escalations.get_mut(&"default".into()).unwrap();
        escalation.repeat = 0;
        escalation
            .fallback
            .push(types::notification::Reach { channel: "hook".into(), address: "lodge".to_owned() });
        let mut world = World::new(config, monday());
        world.open(1, true, &["auth"]);
        world.run_until(later(monday(), secs(called_for)), accepted);
        world.resolve(1);
        let notices = world.settle();
        let mut last: Vec<&str> = keys(&notices);
        last.retain(|key| key.contains("/*/"));
        let all = ["incident-1/resolved/*/0/0", "incident-1/resolved/*/1/0"];
        assert_eq!(last, all.into_iter().filter(|_| expected).collect::<Vec<_>>(), "{}", world.story());
        let sent = world.sent.len();
        world.run_until(later(world.now, secs(86_400)), accepted);
        assert_eq!(world.sent.len(), sent, "each address once");
        let live = world.wake.known_text();
        world.crash();
        assert_eq!(world.wake.known_text(), live);
    }
}

#[test]
fn an_outage_of_which_nobody_heard_is_told_when_a_provider_works_again() {
    let mut config = config();
    config.escalations.get_mut(&"default".into()).unwrap().fallback.clear();
    let mut world = World::new(config, monday());
    world.open(1, true, &["auth"]);
    world.open(2, true, &["api"]);
    world.run_until(later(monday(), secs(200)), refused);
    assert_eq!(world.wake.unreached().count(), 2);
    world.resolve(1);
    world.run_until(later(world.now, secs(5)), refused);
    world.resolve(2);
    let from = world.sent.len();
    world.run_until(later(world.now, secs(3_600)), refused);
    assert_eq!(world.wake.unreached().count(), 0, "over is over");
    world.run_until(later(world.now, secs(3_600)), accepted);
    let told: Vec<&Notification> = world.sent[from..].iter().map(|(_, notification)| notification).collect();
    let all = told.len();
    let last = told[all - 1];
    assert!(last.title.starts_with("Missed, over now: "), "{}", last.title);
    assert!(last.body.contains("Nobody could be reached while it lasted"), "{}", last.body);
    assert!(last.body.contains("And 1 more:"), "one word about both: {}", last.body);
    assert!(told.iter().all(|notification| notification.urgency == Urgency::Notice
        && notification.key.0.contains("incident-1/missed")));
    world.run_until(later(world.now, secs(86_400)), accepted);
    assert_eq!(world.sent.len(), from + all, "once");
}

#[test]
fn what_was_missed_is_told_as_soon_as_anything_gets_through() {
    let mut world = World::new(config(), monday());
    world.config.escalations.get_mut(&"default".into()).unwrap().fallback.clear();
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(200)), refused);
    world.resolve(1);
    world.run_until(later(world.now, secs(20_000)), refused);
    let waits = world.wake.next(&world.config, world.now).unwrap();
    assert!(waits > later(world.now, secs(60)), "seldom by now");
    world.open(2, true, &["api"]);
    let page = world.settle().remove(0);
    world.flying.clear();
    world.answer(&page, accepted(&page));
    assert!(keys(&world.settle()).iter().any(|key| key.starts_with("incident-1/missed/")));
}

#[test]
fn whoever_is_reached_late_is_told_so_and_nobody_is_told_twice() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(400)), failing);
    assert_eq!(world.wake.unreached().count(), 1);
    let from = world.sent.len();
    world.run_until(later(world.now, secs(120)), accepted);
    let late = &world.sent[from].1;
    assert!(late.body.contains("Nobody could be reached about it since 12:00 UTC."), "{}", late.body);
    assert_eq!(world.wake.unreached().count(), 0);
    world.resolve(1);
    world.run_until(later(world.now, secs(86_400)), accepted);
    assert!(!world.sent.iter().any(|(_, notification)| notification.key.0.contains("/missed/")));
}

/// What still lies ahead: (hours that somebody is awake by their own clock, two ahead of UTC; now; the date; first call).
#[test]
fn what_is_still_ahead_waits_for_the_morning_when_that_is_early_enough() {
    let night = (7, 22);
    for (awake, now, date, rings) in [
        (night, "2026-11-16T01:00:00Z", "2026-11-17T01:00:00Z", "2026-11-16T05:00:00Z"),
        (night, "2026-11-16T05:00:00Z", "2026-11-17T01:00:00Z", "2026-11-16T05:00:00Z"),
        (night, "2026-11-16T12:00:00Z", "2026-11-16T18:00:00Z", "2026-11-16T12:00:00Z"),
        // Exactly eight hours after the morning, and a second less.
        (night, "2026-11-16T01:00:00Z", "2026-11-16T13:00:00Z", "2026-11-16T05:00:00Z"),
        (night, "2026-11-16T01:00:00Z", "2026-11-16T12:59:59Z", "2026-11-16T01:00:00Z"),
        // Late in the evening, until the next morning.
        (night, "2026-11-16T21:00:00Z", "2026-11-17T20:00:00Z", "2026-11-17T05:00:00Z"),
        // Somebody who works at night is awake.
        ((20, 6), "2026-11-16T01:00:00Z", "2026-11-17T01:00:00Z", "2026-11-16T01:00:00Z"),
    ] {
        let mut config = config();
        config.escalations.get_mut(&"default".into()).unwrap().steps.remove(0);
        let bo = config.people.get_mut(&"bo".into()).unwrap();
        bo.waking_hours = Some((time(awake.0, 0, 0, 0), time(awake.1, 0, 0, 0)));
        let mut world = World::new(config, at(now));
        let diagnosis = Diagnosis { ahead: Some(at(date)), ..diagnosis(true, &["auth"]) };
        let incident = IncidentId(1);
        world.commit(vec![EventKind::IncidentOpened { incident, since: at(now), diagnosis }]);
        world.run_until(later(at(now), secs(86_000)), accepted);
        let (first, notification) = &world.sent[0];
        assert_eq!(first.to_string(), rings, "now {now}, runs out {date}");
        assert_eq!(notification.urgency, Urgency::Page);
    }
}

#[test]
fn a_page_about_a_date_rests_at_night_and_what_breaks_meanwhile_does_not() {
    let mut config = config();
    config.escalations.get_mut(&"default".into()).unwrap().steps.remove(0);
    config.people.get_mut(&"bo".into()).unwrap().waking_hours = Some((time(7, 0, 0, 0), time(22, 0, 0, 0)));
    let (evening, night) = (at("2026-11-16T19:30:00Z"), at("2026-11-16T20:00:00Z"));
    let mut world = World::new(config, evening);
    let ahead = Diagnosis { ahead: Some(at("2026-11-17T19:00:00Z")), ..diagnosis(true, &["auth"]) };
    let incident = IncidentId(1);
    world.commit(vec![EventKind::IncidentOpened { incident, since: evening, diagnosis: ahead }]);
    world.run_until(night, accepted);
    let before = world.sent.len();
    assert!(before > 0);
    world.run_until(at("2026-11-17T01:00:00Z"), accepted);
    assert_eq!(world.sent.len(), before, "{}", world.story());
    world.commit(vec![EventKind::IncidentDiagnosed { incident, diagnosis: diagnosis(true, &["auth"]) }]);
    assert!(!world.settle().is_empty(), "it has come");
}

#[test]
fn nobody_is_called_when_all_is_well_and_only_watched_a_little_longer() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(30)), accepted);
    let before = world.sent.len();
    let calm = Diagnosis { calm: true, ..diagnosis(true, &["auth"]) };
    let incident = IncidentId(1);
    world.commit(vec![EventKind::IncidentDiagnosed { incident, diagnosis: calm }]);
    world.run_until(later(monday(), secs(400)), accepted);
    assert_eq!(world.sent.len(), before, "{}", world.story());
    world.commit(vec![EventKind::IncidentDiagnosed { incident, diagnosis: diagnosis(true, &["auth"]) }]);
    assert!(!world.settle().is_empty(), "it failed once more");
}

#[test]
fn a_draft_is_told_once_and_not_after_it_was_published() {
    for published in [false, true] {
        let mut world = World::new(config(), monday());
        sleeps_now(&mut world, "ana");
        world.open(1, true, &["auth"]);
        world.settle();
        let (incident, status) = (IncidentId(1), UpdateStatus::Identified);
        let (title, body) = ("Sign-in is failing".to_owned(), "It is.".to_owned());
        let affected = std::collections::BTreeMap::new();
        for _ in 0..2 {
            let (title, body, affected) = (title.clone(), body.clone(), affected.clone());
            world.commit(vec![EventKind::UpdateDrafted { incident, status, title, body, affected }]);
            world.settle();
        }
        if published {
            let (update, by) = (types::UpdateId(1), Some("bo".to_owned()));
            world.commit(vec![EventKind::UpdatePublished {
                update,
                incident,
                status,
                title,
                body,
                affected,
                by,
            }]);
        }
        world.run_until(at("2026-11-16T18:00:00Z"), accepted);
        let told: Vec<&Notification> = world
            .sent
            .iter()
            .map(|(_, notification)| notification)
            .filter(|it| it.key.0.contains("/drafted/"))
            .collect();
        assert_eq!(told.len(), usize::from(!published));
        assert!(told.iter().all(|it| it.title == "Waits to be published: Sign-in is failing"));
    }
}
