//! Steps: people, order and deadlines.

use super::fixture::{
    Fixture, accepted, at, config, escalation, keys, monday, person, refused, schedule, secs, service, step,
};
use types::EscalationId;
use types::Notification;
use types::PageId;
use types::notification::Delivered;
use types::notification::Undelivered;
use types::time::later;

#[test]
fn overdue_steps_are_reached_immediately() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(10)), accepted);
    fixture.crash();
    fixture.now = later(monday(), secs(700));
    let notifications = fixture.run_batch();
    assert_eq!(keys(&notifications), ["page-1/r0/0/ana/1/0", "page-1/r0/1/bo/0/0", "page-1/r0/2/cy/0/0"]);
    let page = &fixture.oncall.pages()[&PageId(1)];
    assert_eq!(
        page.current().unwrap().until,
        later(monday(), secs(1_200)),
        "300 + 300 + 600, from the beginning"
    );
}

#[test]
fn one_year_down_writes_few_steps() {
    let mut forever = config();
    escalation(&mut forever).fallback.clear();
    for config in [config(), forever] {
        let mut fixture = Fixture::new(config, monday());
        fixture.open(1, true, &["auth"]);
        fixture.run_batch();
        fixture.crash();
        fixture.advance(secs(86_400 * 365));
        fixture.run_batch();
        assert!(fixture.journal.events.len() < 120, "{}", fixture.journal.events.len());
        let page = &fixture.oncall.pages()[&PageId(1)];
        assert!(page.current().unwrap().until > fixture.now && !fixture.in_flight.is_empty());
    }
}

#[test]
fn empty_steps_are_passed_immediately() {
    let mut sparse = config();
    sparse.schedules.insert(
        "platform".into(),
        schedule("platform", &["ana"], "2026-11-16T09:00", Some("2026-11-16T10:00")),
    );
    escalation(&mut sparse).steps =
        vec![step(&["platform"], &["nobody", "dumb"], 300), step(&[], &["cy"], 300)];
    let mut fixture = Fixture::new(sparse, monday());
    fixture.open(1, true, &["auth"]);
    assert_eq!(
        keys(&fixture.run_batch()),
        ["page-1/r0/1/cy/0/0"],
        "nobody on the first step has a usable contact"
    );

    let mut desert = config();
    desert.people.clear();
    let mut fixture = Fixture::new(desert.clone(), monday());
    fixture.open(1, true, &["auth"]);
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r0/3/*/0/0"], "directly to the fallback");
    assert_eq!(fixture.sent[0].1.contact.to_string(), "ntfy:last");

    escalation(&mut desert).fallback.clear();
    let mut fixture = Fixture::new(desert, monday());
    fixture.open(1, true, &["auth"]);
    assert!(fixture.run_batch().is_empty());
    fixture.advance(secs(30));
    fixture.config = config();
    escalation(&mut fixture.config).fallback.clear();
    fixture.run_until(later(monday(), secs(61)), accepted);
    assert_eq!(fixture.sent[0].1.key.0, "page-1/r1/0/ana/0/0", "people were added: paged within a minute");

    let mut later_shift = config();
    later_shift.schedules.insert("platform".into(), schedule("platform", &["ana"], "2026-11-16T12:04", None));
    escalation(&mut later_shift).steps.truncate(1);
    let mut fixture = Fixture::new(later_shift, monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(301)), accepted);
    let keys: Vec<&str> = fixture.sent.iter().map(|(_, notification)| notification.key.0.as_str()).collect();
    assert_eq!(
        keys,
        ["page-1/r0/1/*/0/0", "page-1/r1/0/ana/0/0", "page-1/r0/1/*/0/1"],
        "her shift began while only the fallback was left"
    );
}

#[test]
fn step_with_rejected_tokens_is_passed_immediately() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    let only = |name: &'static str| {
        move |notification: &Notification| -> Result<Delivered, Undelivered> {
            if notification.contact.channel.0 == name {
                refused(notification)
            } else {
                accepted(notification)
            }
        }
    };
    fixture.run_until(later(monday(), secs(1)), refused);
    let (last, notification) = fixture.sent.last().unwrap();
    assert_eq!(
        (*last, notification.key.0.as_str()),
        (monday(), "page-1/r0/3/*/0/0"),
        "reaches the fallback immediately"
    );
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(1)), only("ntfy"));
    let keys: Vec<&str> = fixture.sent.iter().map(|(_, notification)| notification.key.0.as_str()).collect();
    assert_eq!(keys, ["page-1/r0/0/ana/0/0", "page-1/r0/0/ana/1/0"], "the next contact of the same person");

    let mut fixture = Fixture::new(config(), monday());
    escalation(&mut fixture.config).fallback.clear();
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(3_600)), refused);
    assert!(
        fixture.sent.len() > 4 && fixture.sent.len() < 60,
        "continues at a limited rate: {}",
        fixture.sent.len()
    );
}

#[test]
fn people_who_are_awake_are_preferred() {
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
        let mut fixture = Fixture::new(two.clone(), at(when));
        fixture.open(1, true, &["auth"]);
        let called: Vec<String> =
            fixture.run_batch().iter().map(|notification| notification.person.clone().unwrap().0).collect();
        assert_eq!(called.join(" "), people, "{why}");
    }
}

#[test]
fn service_schedule_and_escalation_are_used() {
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
        let mut fixture = Fixture::new(own.clone(), monday());
        fixture.open(1, true, affected);
        assert_eq!(keys(&fixture.run_batch()), [first], "{why}");
    }
    let mut fixture = Fixture::new(own, monday());
    fixture.open(1, true, &["pay"]);
    fixture.run_until(later(monday(), secs(121)), accepted);
    assert!(
        fixture.sent.iter().any(|(_, notification)| notification.key.0 == "page-1/r2/0/bo/0/0"),
        "no fallback: next round"
    );
    fixture.config.escalations.remove(&EscalationId::from("quick"));
    fixture.run_until(later(monday(), secs(200)), accepted);
    assert!(
        fixture.story().contains("r2/1 [bo]"),
        "the escalation was removed from the configuration: the default is used"
    );
}

#[test]
fn person_on_two_steps_is_paged_by_newer_one() {
    let mut same = config();
    escalation(&mut same).steps = vec![step(&["platform"], &[], 90), step(&["platform"], &["bo"], 300)];
    same.people.insert("ana".into(), person("ana", &["ntfy:ana", "hook:ana"]));
    let mut fixture = Fixture::new(same, monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(200)), accepted);
    let to_ana: Vec<&str> = fixture
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

/// P11: the page that goes out, `on_call` and the forecast agree, with restrictions, overrides and time off.
#[test]
fn page_goes_to_whom_the_forecast_names() {
    let text = r#"
[channel.ntfy]
ntfy = "https://ntfy.sh"
[person]
ana = { contacts = ["ntfy:ana"], away = [{ from = 2026-11-18T00:00:00, to = 2026-11-19T12:00:00 }] }
bo = { contacts = ["ntfy:bo"] }
cy = { contacts = ["ntfy:cy"] }
[schedule.platform]
timezone = "Europe/Tallinn"
[[schedule.platform.layer]]
people = ["ana", ["bo", "cy"], []]
start = 2026-11-16T00:00:00
rotation = "1 day"
restrictions = [{ days = ["mon", "tue", "wed", "thu", "fri"], from = "22:00", to = "17:00" }]
[[schedule.platform.override]]
from = 2026-11-17T10:30:00
to = 2026-11-17T13:00:00
replace = { bo = "ana" }
[[schedule.platform.override]]
from = 2026-11-20T00:00:00
to = 2026-11-22T00:00:00
add = ["cy"]
"#;
    let platform = testkit::config::read(text).schedules[&"platform".into()].clone();
    let mut config = config();
    config.schedules.insert("platform".into(), platform.clone());
    escalation(&mut config).steps = vec![step(&["platform"], &[], 300)];
    let begin = at("2026-11-15T12:00:00Z");
    let forecast = crate::schedule::shifts(&platform, begin, later(begin, secs(20 * 86_400)));
    for quarter in (0..19 * 96).step_by(7) {
        let now = later(begin, secs(quarter * 900));
        let shift = forecast.iter().find(|shift| shift.from <= now && now < shift.to);
        let people = shift.map(|shift| shift.people.clone()).unwrap_or_default();
        let mut fixture = Fixture::new(config.clone(), now);
        fixture.open(1, true, &["auth"]);
        fixture.run_batch();
        let page = &fixture.oncall.pages()[&PageId(1)];
        assert_eq!(page.steps[0].people, people, "{now}");
        assert_eq!(crate::schedule::on_call(&platform, now), people, "{now}");
    }
}
