//! The crate as the engine sees it: what happens when, told as journal lines.

use crate::gaps;
use crate::world::{World, accepted, at, config, failing, person, refused, schedule, secs, service, step};
use types::config::Config;
use types::notification::{Delivered, Reach, Undelivered};
use types::time::later;
use types::{EscalationId, EventKind, IncidentId, Notification, PageId, Urgency};

/// Ana's week.
fn monday() -> types::Time {
    at("2026-11-16T12:00:00Z")
}

fn escalation(config: &mut Config) -> &mut types::config::Escalation {
    config.escalations.get_mut(&EscalationId::from("default")).unwrap()
}

fn keys(notifications: &[Notification]) -> Vec<&str> {
    notifications.iter().map(|notification| notification.key.0.as_str()).collect()
}

#[test]
fn nobody_answers() {
    let mut world = World::new(config(), monday());
    world.open(7, true, &["auth"]);
    world.run_until(later(monday(), secs(650)), accepted);
    insta::assert_snapshot!(world.story(), @r"
      0 page-1 opened for incident-7 by default
      0 page-1 r0/0 [ana] until 300
      0 page-1/r0/0/ana/0/0 ok over ntfy:ana
     60 page-1/r0/0/ana/1/0 ok over hook:ana
    120 page-1/r0/0/ana/0/1 ok over ntfy:ana
    180 page-1/r0/0/ana/1/1 ok over hook:ana
    240 page-1/r0/0/ana/0/2 ok over ntfy:ana
    300 page-1 r0/1 [bo] until 600
    300 page-1/r0/0/ana/1/2 ok over hook:ana
    300 page-1/r0/1/bo/0/0 ok over ntfy:bo
    360 page-1/r0/0/ana/0/3 ok over ntfy:ana
    360 page-1/r0/1/bo/0/1 ok over ntfy:bo
    420 page-1/r0/0/ana/1/3 ok over hook:ana
    420 page-1/r0/1/bo/0/2 ok over ntfy:bo
    480 page-1/r0/0/ana/0/4 ok over ntfy:ana
    480 page-1/r0/1/bo/0/3 ok over ntfy:bo
    540 page-1/r0/0/ana/1/4 ok over hook:ana
    540 page-1/r0/1/bo/0/4 ok over ntfy:bo
    600 page-1 r0/2 [cy] until 1200
    600 page-1/r0/0/ana/0/5 ok over ntfy:ana
    600 page-1/r0/1/bo/0/5 ok over ntfy:bo
    600 page-1/r0/2/cy/0/0 ok over hook:cy
    ");
    world.run_until(later(monday(), secs(7_200)), accepted);
    let steps: String =
        world.story().lines().filter(|line| line.contains("until")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(steps, @r"
       0 page-1 r0/0 [ana] until 300
     300 page-1 r0/1 [bo] until 600
     600 page-1 r0/2 [cy] until 1200
    1200 page-1 r1/0 [ana] until 1500
    1500 page-1 r1/1 [bo] until 1800
    1800 page-1 r1/2 [cy] until 2400
    2400 page-1 r1/3 [] until 4200
    4200 page-1 r2/0 [ana] until 4500
    4500 page-1 r2/1 [bo] until 4800
    4800 page-1 r2/2 [cy] until 5400
    5400 page-1 r2/3 [] until 7200
    7200 page-1 r3/0 [ana] until 7500
    ");
    let last: Vec<i64> = world
        .sent
        .iter()
        .filter(|(_, notification)| notification.person.is_none())
        .map(|(when, _)| when.duration_since(monday()).as_secs())
        .collect();
    assert_eq!(last[..4], [2_400, 2_700, 3_000, 3_300], "the last resort every five minutes");
    assert!(last.windows(2).all(|pair| pair[1] - pair[0] <= 300), "{last:?}");
}

#[test]
fn the_first_attempt_goes_out_in_the_same_batch() {
    let mut world = World::new(config(), monday());
    world.open(7, true, &["auth"]);
    let notifications = world.settle();
    assert_eq!(keys(&notifications), ["page-1/r0/0/ana/0/0"]);
    let page = &notifications[0];
    assert_eq!(
        (page.page, page.incident, page.urgency),
        (Some(PageId(1)), Some(IncidentId(7)), Urgency::Page)
    );
    assert_eq!(page.title, "acme.app expired at 15:28");
    insta::assert_snapshot!(page.body, @r"
    acme.app expired at 15:28; 2 services fail because of it
    Affected: Sign-in.
    Not affected: API.
    Since 12:00 UTC.
    Acknowledge to stop the calls; whoever is next is called at 12:05 UTC.
    ");
}

#[test]
fn an_acknowledgement_stops_only_its_incident_and_runs_out() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.open(2, true, &["api"]);
    assert_eq!(keys(&world.settle()), ["page-1/r0/0/ana/0/0", "page-2/r0/0/ana/0/0"]);
    world.pass(secs(5));
    world.acknowledge(1);
    world.run_until(later(monday(), secs(1_804)), accepted);
    assert!(
        world.sent.iter().skip(2).all(|(_, notification)| notification.page == Some(PageId(2))),
        "page 1 is quiet"
    );
    assert!(world.sent.len() > 20, "page 2 is not");
    let before = world.sent.len();
    world.run_until(later(monday(), secs(1_805)), accepted);
    let anew: Vec<&str> =
        world.sent[before..].iter().map(|(_, notification)| notification.key.0.as_str()).collect();
    assert!(anew.contains(&"page-1/r1/0/ana/0/0"), "a fresh climb, with keys of its own: {anew:?}");
    assert!(world.story().contains("1805 incident-1 acknowledgement expired"));
    assert_eq!(world.story().matches("acknowledgement expired").count(), 1);
    assert!(world.story().contains("page-1 r1/0 [ana] until 2105"), "{}", world.story());
}

#[test]
fn everybody_who_was_woken_hears_that_it_is_over() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(301)), accepted);
    world.resolve(1);
    let notices = world.settle();
    assert_eq!(keys(&notices), ["incident-1/resolved/ana/0/0", "incident-1/resolved/bo/0/0"]);
    assert_eq!(notices[0].title, "Resolved: acme.app expired at 15:28");
    assert_eq!(notices[0].body, "acme.app had expired and was renewed\nIt lasted 5 min 1 s.");
    assert_eq!((notices[0].urgency, notices[0].page), (Urgency::Notice, None));
    let all = world.sent.len();
    world.run_until(later(monday(), secs(86_400)), accepted);
    assert_eq!(world.sent.len(), all, "once, and then silence");
    assert!(!world.wake.pages()[&PageId(1)].is_open());
    assert_eq!(world.wake.next(&world.config, world.now), None);
}

#[test]
fn what_wakes_nobody_is_told_once() {
    let mut world = World::new(config(), monday());
    world.open(1, false, &["auth"]);
    let notifications = world.settle();
    assert_eq!(keys(&notifications), ["incident-1/opened/ana/0/0"]);
    assert_eq!(notifications[0].urgency, Urgency::Notice);
    world.flying.clear();
    world.answer(&notifications[0], failing(&notifications[0]));
    let other = world.settle();
    assert_eq!(keys(&other), ["incident-1/opened/ana/1/0"], "another way");
    world.run_until(later(monday(), secs(3_600)), accepted);
    assert_eq!(world.sent.len(), 2);
    world.diagnose(1, true);
    assert_eq!(keys(&world.settle()), ["page-1/r0/0/ana/0/0"], "it began to wake");
}

#[test]
fn a_page_pauses_while_its_incident_wakes_nobody() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(30)), accepted);
    world.diagnose(1, false);
    let all = world.sent.len();
    world.run_until(later(monday(), secs(3_600)), accepted);
    assert_eq!(world.sent.len(), all);
    world.diagnose(1, true);
    assert_eq!(keys(&world.settle()), ["page-1/r1/0/ana/0/0"], "the same page, a fresh climb");
    assert_eq!(world.wake.pages().len(), 1);
}

#[test]
fn one_cause_one_page() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(30)), accepted);
    world.open(2, true, &["api"]);
    world.merge(1, 2);
    world.settle();
    assert_eq!(world.wake.pages().len(), 1, "the page goes on for the other");
    world.run_until(later(monday(), secs(61)), accepted);
    let (_, last) = world.sent.last().unwrap();
    assert_eq!((last.key.0.as_str(), last.incident), ("page-1/r0/0/ana/1/0", Some(IncidentId(2))));
    world.open(3, true, &["api"]);
    world.settle();
    assert_eq!(world.wake.pages().len(), 2);
    world.merge(2, 3);
    world.settle();
    assert!(!world.wake.pages()[&PageId(1)].is_open(), "the other has one of its own");
    world.flying.clear();
    world.resolve(3);
    let told: Vec<String> = world.settle().iter().map(|notification| notification.key.0.clone()).collect();
    assert_eq!(told, ["incident-3/resolved/ana/0/0"], "who was woken for a part hears of the end of all");
}

#[test]
fn an_answer_to_a_part_is_an_answer_to_the_whole() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.settle();
    world.acknowledge(1);
    world.open(2, true, &["api"]);
    world.merge(1, 2);
    let all = world.sent.len();
    world.run_until(later(monday(), secs(1_799)), accepted);
    assert_eq!(world.sent.len(), all, "nobody is woken twice for one cause");
    world.run_until(later(monday(), secs(1_801)), accepted);
    assert!(world.sent.len() > all, "until it runs out");
    assert_eq!(world.wake.pages().len(), 1);
}

#[test]
fn overdue_steps_are_step_at_once_and_none_waits_again() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(10)), accepted);
    world.crash();
    world.now = later(monday(), secs(700));
    let notifications = world.settle();
    assert_eq!(keys(&notifications), ["page-1/r0/0/ana/1/0", "page-1/r0/1/bo/0/0", "page-1/r0/2/cy/0/0"]);
    let page = &world.wake.pages()[&PageId(1)];
    assert_eq!(
        page.current().unwrap().until,
        later(monday(), secs(1_200)),
        "300 + 300 + 600, from the beginning"
    );
}

#[test]
fn a_year_of_absence_is_not_told_step_by_step() {
    let mut forever = config();
    escalation(&mut forever).fallback.clear();
    for config in [config(), forever] {
        let mut world = World::new(config, monday());
        world.open(1, true, &["auth"]);
        world.settle();
        world.crash();
        world.pass(secs(86_400 * 365));
        world.settle();
        assert!(world.journal.len() < 120, "{}", world.journal.len());
        let page = &world.wake.pages()[&PageId(1)];
        assert!(page.current().unwrap().until > world.now && !world.flying.is_empty());
    }
}

#[test]
fn empty_steps_are_passed_at_once() {
    let mut sparse = config();
    sparse.schedules.insert(
        "platform".into(),
        schedule("platform", &["ana"], "2026-11-16T09:00", Some("2026-11-16T10:00")),
    );
    escalation(&mut sparse).steps =
        vec![step(&["platform"], &["nobody", "dumb"], 300), step(&[], &["cy"], 300)];
    let mut world = World::new(sparse, monday());
    world.open(1, true, &["auth"]);
    assert_eq!(keys(&world.settle()), ["page-1/r0/1/cy/0/0"], "unknown, or known without a channel");

    let mut desert = config();
    desert.people.clear();
    let mut world = World::new(desert.clone(), monday());
    world.open(1, true, &["auth"]);
    assert_eq!(keys(&world.settle()), ["page-1/r0/3/*/0/0"], "straight to the last resort");
    assert_eq!(world.sent[0].1.reach.to_string(), "ntfy:last");

    escalation(&mut desert).fallback.clear();
    let mut world = World::new(desert, monday());
    world.open(1, true, &["auth"]);
    assert!(world.settle().is_empty());
    world.pass(secs(30));
    world.config = config();
    escalation(&mut world.config).fallback.clear();
    world.run_until(later(monday(), secs(61)), accepted);
    assert_eq!(
        world.sent[0].1.key.0, "page-1/r1/0/ana/0/0",
        "somebody appeared: tried again within a minute"
    );

    let mut later_shift = config();
    later_shift.schedules.insert("platform".into(), schedule("platform", &["ana"], "2026-11-16T12:04", None));
    escalation(&mut later_shift).steps.truncate(1);
    let mut world = World::new(later_shift, monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(301)), accepted);
    let keys: Vec<&str> = world.sent.iter().map(|(_, notification)| notification.key.0.as_str()).collect();
    assert_eq!(
        keys,
        ["page-1/r0/1/*/0/0", "page-1/r1/0/ana/0/0", "page-1/r0/1/*/0/1"],
        "her shift began while only the last resort was left"
    );
}

#[test]
fn a_step_whose_every_token_is_refused_is_passed_at_once() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    let only = |name: &'static str| {
        move |notification: &Notification| -> Result<Delivered, Undelivered> {
            if notification.reach.channel.0 == name { refused(notification) } else { accepted(notification) }
        }
    };
    world.run_until(later(monday(), secs(1)), refused);
    let (last, notification) = world.sent.last().unwrap();
    assert_eq!(
        (*last, notification.key.0.as_str()),
        (monday(), "page-1/r0/3/*/0/0"),
        "down to the last resort, in no time"
    );
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(1)), only("ntfy"));
    let keys: Vec<&str> = world.sent.iter().map(|(_, notification)| notification.key.0.as_str()).collect();
    assert_eq!(keys, ["page-1/r0/0/ana/0/0", "page-1/r0/0/ana/1/0"], "another way to the same person first");

    let mut world = World::new(config(), monday());
    escalation(&mut world.config).fallback.clear();
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(3_600)), refused);
    assert!(
        world.sent.len() > 4 && world.sent.len() < 60,
        "goes on, but not in a frenzy: {}",
        world.sent.len()
    );
}

#[test]
fn the_awake_come_first() {
    let mut two = config();
    two.people.get_mut(&"ana".into()).unwrap().waking_hours =
        Some(("07:30".parse().unwrap(), "23:00".parse().unwrap()));
    two.people.get_mut(&"bo".into()).unwrap().waking_hours =
        Some(("22:00".parse().unwrap(), "06:00".parse().unwrap()));
    escalation(&mut two).steps = vec![step(&[], &["ana", "bo"], 300)];
    escalation(&mut two).steps[0].prefer_awake = true;
    for (when, people, why) in [
        ("2026-11-16T12:00:00Z", "ana", "14:00 in Tallinn"),
        ("2026-11-16T20:30:00Z", "ana bo", "22:30: both"),
        ("2026-11-16T21:00:00Z", "bo", "23:00: half open"),
        ("2026-11-16T03:59:59Z", "bo", "05:59:59"),
        ("2026-11-16T04:00:00Z", "ana bo", "06:00: both sleep, so both are called"),
    ] {
        let mut world = World::new(two.clone(), at(when));
        world.open(1, true, &["auth"]);
        let called: Vec<String> =
            world.settle().iter().map(|notification| notification.person.clone().unwrap().0).collect();
        assert_eq!(called.join(" "), people, "{why}");
    }
}

#[test]
fn a_service_may_have_a_schedule_and_a_escalation_of_its_own() {
    let mut own = config();
    own.schedules.insert("auth".into(), schedule("auth", &["cy"], "2026-01-05T09:00", None));
    own.services.insert("auth".into(), service("auth", "Sign-in", Some("auth"), "default"));
    let quick = types::config::Escalation {
        id: "quick".into(),
        steps: vec![step(&[], &["bo"], 60)],
        repeat: 0,
        fallback: Vec::new(),
    };
    own.escalations.insert("quick".into(), quick);
    own.services.insert("pay".into(), service("pay", "Payments", None, "quick"));
    for (affected, first, why) in [
        (&["auth"][..], "page-1/r0/0/cy/0/0", "its own schedule on the first step"),
        (&["api", "auth"][..], "page-1/r0/0/ana/0/0", "the first affected service decides"),
        (&["pay"][..], "page-1/r0/0/bo/0/0", "its own escalation"),
        (&[][..], "page-1/r0/0/ana/0/0", "no service: the default"),
        (&["forgotten"][..], "page-1/r0/0/ana/0/0", "not in the configuration: the default"),
    ] {
        let mut world = World::new(own.clone(), monday());
        world.open(1, true, affected);
        assert_eq!(keys(&world.settle()), [first], "{why}");
    }
    let mut world = World::new(own, monday());
    world.open(1, true, &["pay"]);
    world.run_until(later(monday(), secs(121)), accepted);
    assert!(
        world.sent.iter().any(|(_, notification)| notification.key.0 == "page-1/r2/0/bo/0/0"),
        "no last resort: begins anew"
    );
    world.config.escalations.remove(&EscalationId::from("quick"));
    world.run_until(later(monday(), secs(200)), accepted);
    assert!(
        world.story().contains("r2/1 [bo]"),
        "a reloaded configuration forgot the escalation: the default takes over"
    );
}

#[test]
fn an_attempt_without_outcome_is_sent_again_and_then_counts_as_failed() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    assert_eq!(keys(&world.settle()), ["page-1/r0/0/ana/0/0"]);
    world.pass(secs(29));
    assert!(world.settle().is_empty());
    world.pass(secs(1));
    assert_eq!(keys(&world.settle()), ["page-1/r0/0/ana/0/0"], "the same key");
    world.pass(secs(30));
    assert_eq!(keys(&world.settle()), ["page-1/r0/0/ana/1/0"], "another way");
    let late = world.sent[0].1.clone();
    let lines = world.journal.len();
    world.answer(&late, accepted(&late));
    assert_eq!(world.journal.len(), lines + 1, "late, but it rang: there is nothing to retry");
    world.answer(&late, accepted(&late));
    assert_eq!(world.journal.len(), lines + 1, "told twice, counted once");
    world.flying.clear();
    world.pass(secs(3));
    assert!(world.settle().is_empty());
}

#[test]
fn a_crash_repeats_what_was_in_flight_with_the_same_key() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    let first = world.settle();
    world.crash();
    let again = world.settle();
    assert_eq!(keys(&first), keys(&again));
    world.answer(&again[0], accepted(&again[0]));
    world.crash();
    assert!(world.settle().is_empty(), "it was delivered: not again");
}

#[test]
fn outcomes_of_others_and_of_ended_pages() {
    let mut world = World::new(config(), monday());
    world.open(1, true, &["auth"]);
    let notification = world.settle().remove(0);
    for key in ["", "test/ana/0/0", "page-9/r0/0/ana/0/0", "page-1/r9/0/ana/0/0", "incident-1/opened/ana/0/0"]
    {
        let mut other = notification.clone();
        other.key.0 = key.to_owned();
        let lines = world.journal.len();
        world.answer(&other, accepted(&other));
        assert_eq!(world.journal.len(), lines, "{key:?}");
    }
    world.resolve(1);
    assert_eq!(
        keys(&world.settle()),
        ["incident-1/resolved/ana/0/0"],
        "her phone is ringing: she hears of the end too"
    );
    world.answer(&notification, accepted(&notification));
    assert!(
        matches!(world.journal.last().unwrap().kind, EventKind::AttemptEnded { .. }),
        "worth writing down"
    );
}

#[test]
fn hours_in_which_nobody_can_be_reached_are_named() {
    let from = at("2026-11-16T00:00:00Z");
    let to = at("2027-11-16T00:00:00Z");
    assert_eq!(gaps(&config(), from, to), [], "Bo and Cy are always there");
    let mut sparse = config();
    escalation(&mut sparse).steps = vec![step(&["platform"], &["dumb"], 300)];
    sparse.schedules.insert(
        "platform".into(),
        schedule("platform", &["ana", "dumb"], "2026-11-16T09:00", Some("2026-12-10T09:00")),
    );
    sparse.schedules.insert("auth".into(), schedule("auth", &["cy"], "2026-01-05T09:00", None));
    sparse.services.insert("auth".into(), service("auth", "Sign-in", Some("auth"), "default"));
    let told: Vec<String> = gaps(&sparse, from, to)
        .iter()
        .map(|gap| {
            let service = gap.service.as_ref().map_or("any", |service| &service.0);
            format!("{} {service} {} {} {}", gap.escalation, gap.from, gap.to, gap.why)
        })
        .collect();
    let why = "nobody who can be reached is on call in platform, and no channel leads to dumb";
    assert_eq!(
        told,
        [
            format!("default any 2026-11-16T00:00:00Z 2026-11-16T09:00:00Z {why}"),
            format!("default any 2026-11-23T09:00:00Z 2026-11-30T09:00:00Z {why}"),
            format!("default any 2026-12-07T09:00:00Z 2027-11-16T00:00:00Z {why}"),
        ],
        "Dumb's weeks count as empty; Sign-in has a schedule of its own"
    );
    sparse.people.clear();
    assert_eq!(gaps(&sparse, from, to).len(), 2, "everybody, always");
    assert!(gaps(&sparse, to, from).is_empty(), "no time, no gap");
}

#[test]
fn a_person_on_two_steps_is_called_by_the_newer_one_only() {
    let mut same = config();
    escalation(&mut same).steps = vec![step(&["platform"], &[], 90), step(&["platform"], &["bo"], 300)];
    same.people.insert("ana".into(), person("ana", &["ntfy:ana", "hook:ana"]));
    let mut world = World::new(same, monday());
    world.open(1, true, &["auth"]);
    world.run_until(later(monday(), secs(200)), accepted);
    let to_ana: Vec<&str> = world
        .sent
        .iter()
        .filter(|(_, notification)| notification.person == Some("ana".into()))
        .map(|(_, notification)| notification.key.0.as_str())
        .collect();
    assert_eq!(
        to_ana,
        ["page-1/r0/0/ana/0/0", "page-1/r0/0/ana/1/0", "page-1/r0/1/ana/0/0", "page-1/r0/1/ana/1/0"]
    );
}

#[test]
fn texts_fit_into_a_push_message() {
    let mut world = World::new(config(), monday());
    for number in 0..200 {
        let name = format!("s{number}");
        world.config.services.insert(name.as_str().into(), service(&name, &"ü".repeat(200), None, "default"));
    }
    let names: Vec<String> = (0..200).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.open(1, true, &names);
    world.incidents.get_mut(&IncidentId(1)).unwrap().diagnosis.summary = "€".repeat(5_000);
    let notifications = world.settle();
    assert!(notifications[0].title.len() + notifications[0].body.len() < 4_096);
    let channel = Reach { channel: "ntfy".into(), address: "ana".to_owned() };
    assert_eq!(notifications[0].reach, channel);
}
