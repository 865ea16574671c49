//! The digest: when it is sent, and what it says.

use super::super::fixture::{Fixture, accepted, at, diagnosis, failing, secs};
use super::{notices, team};
use std::collections::BTreeMap;
use testkit::config::{contact, person};
use types::audit::{Criterion, Exception};
use types::change::ChangeKind;
use types::effect::{Effect, Figure, Metric, Verdict};
use types::time::later;
use types::{
    Actor, Change, ChangeId, EventKind, IncidentId, Notification, RecordedChange, Resource, Severity, Via,
};

/// The evening before a digest in Tallinn, which is due at 06:30 in UTC.
const EVENING: &str = "2026-11-16T18:00:00Z";
const KEY: &str = "team/digest-2026-11-17/0/0";

fn fixture() -> Fixture {
    let mut fixture = Fixture::new(team(), at(EVENING));
    fixture.boot();
    fixture
}

/// A fixture with news of the evening: an incident that pages nobody.
fn with_news() -> Fixture {
    let mut fixture = fixture();
    fixture.open(1, false, &["auth"]);
    fixture.pass(later(at(EVENING), secs(600)), accepted);
    fixture.sent.clear();
    fixture
}

fn digests(fixture: &Fixture) -> Vec<&Notification> {
    fixture.sent.iter().map(|(_, sent)| sent).filter(|sent| sent.key.0.contains("digest")).collect()
}

/// Rows: when the process ends; when it starts again; number of digests after that.
#[test]
fn restart_around_the_minute_sends_one_digest() {
    for (ends, starts, expected) in [
        ("2026-11-17T06:29:59Z", "2026-11-17T06:29:59Z", 1),
        ("2026-11-17T06:29:59Z", "2026-11-17T06:30:00Z", 1),
        ("2026-11-17T06:29:59Z", "2026-11-17T06:30:01Z", 1),
        ("2026-11-17T06:30:00Z", "2026-11-17T06:30:01Z", 0),
        ("2026-11-17T06:30:01Z", "2026-11-17T06:30:59Z", 0),
        ("2026-11-17T06:00:00Z", "2026-11-17T10:29:59Z", 1),
        ("2026-11-17T06:00:00Z", "2026-11-17T10:30:00Z", 0),
        ("2026-11-16T20:00:00Z", "2026-11-17T08:00:00Z", 1),
    ] {
        let mut fixture = with_news();
        fixture.pass(at(ends), accepted);
        let before = digests(&fixture).len();
        assert_eq!(before, usize::from(ends >= "2026-11-17T06:30:00Z"), "{ends}");
        fixture.sent.clear();
        fixture.crash();
        fixture.now = at(starts);
        fixture.pass(later(at("2026-11-17T10:31:00Z"), secs(1)), accepted);
        let sent = digests(&fixture);
        assert_eq!(sent.len(), expected, "{ends} {starts}");
        assert!(sent.iter().all(|sent| sent.key.0 == KEY));
    }
}

#[test]
fn crash_before_the_delivery_was_recorded_repeats_the_same_key() {
    let mut fixture = with_news();
    fixture.now = at("2026-11-17T06:30:00Z");
    assert_eq!(fixture.run_batch().len(), 1);
    fixture.crash();
    fixture.pass(at("2026-11-17T06:31:00Z"), accepted);
    let keys: Vec<&str> = digests(&fixture).iter().map(|sent| sent.key.0.as_str()).collect();
    assert_eq!(keys, [KEY, KEY]);
}

#[test]
fn broken_chat_is_tried_for_four_hours_and_not_at_night() {
    let mut fixture = with_news();
    fixture.pass(at("2026-11-18T06:29:00Z"), failing);
    let last = fixture.sent.iter().rfind(|(_, sent)| sent.key.0 == KEY).unwrap().0;
    assert!(digests(&fixture).len() > 4 && last < at("2026-11-17T10:30:00Z"), "{last}");
}

/// Rows: `digest`; `digest_without_news`; whether there are news; digests in two days.
#[test]
fn day_without_news_has_a_digest_only_where_it_is_wanted() {
    for (wanted, always, has_news, expected) in [
        (true, false, false, 0),
        (true, true, false, 2),
        (true, false, true, 1),
        (true, true, true, 2),
        (false, false, true, 0),
    ] {
        let mut fixture = fixture();
        notices(&mut fixture).digest_without_news = always;
        if !wanted {
            notices(&mut fixture).digest = None;
        }
        if has_news {
            fixture.open(1, false, &["auth"]);
            fixture.pass(later(at(EVENING), secs(600)), accepted);
            fixture.resolve(1);
        }
        fixture.pass(at("2026-11-18T12:00:00Z"), accepted);
        assert_eq!(digests(&fixture).len(), expected, "{wanted} {always} {has_news}");
    }
}

#[test]
fn first_day_of_an_installation_has_no_digest_about_the_time_before() {
    let mut fixture = Fixture::new(team(), at("2026-11-17T07:00:00Z"));
    notices(&mut fixture).digest_without_news = true;
    fixture.boot();
    fixture.pass(at("2026-11-18T12:00:00Z"), accepted);
    let keys: Vec<&str> = digests(&fixture).iter().map(|sent| sent.key.0.as_str()).collect();
    assert_eq!(keys, ["team/digest-2026-11-18/0/0"]);
}

/// The time of the digest is changed on the day: it is one digest all the same.
#[test]
fn other_time_of_the_digest_sends_no_second_one() {
    let mut fixture = with_news();
    fixture.pass(at("2026-11-17T07:00:00Z"), accepted);
    notices(&mut fixture).digest = Some(jiff::civil::time(10, 0, 0, 0));
    fixture.pass(at("2026-11-17T12:00:00Z"), accepted);
    assert_eq!(digests(&fixture).len(), 1);
}

fn change(id: u64, title: &str, at_time: &str, effect: Option<Verdict>) -> RecordedChange {
    let figure = Figure { metric: Metric::Latency, before: 1.9, after: 0.4 };
    let effect = effect.map(|verdict| Effect {
        verdict,
        signal: Some("front".to_owned()),
        figure: Some(figure),
        points: 9,
        together_with: 0,
    });
    RecordedChange {
        change: Change {
            id: ChangeId(id),
            at: at(at_time),
            done: None,
            title: title.to_owned(),
            kind: ChangeKind::of_title(title),
            services: Default::default(),
            resource: None,
            source: None,
            link: None,
            key: None,
        },
        by: Actor::person("bo", Via::Api),
        effects: effect.map(|effect| (IncidentId(1), effect)).into_iter().collect::<BTreeMap<_, _>>(),
    }
}

/// An evening with something of everything.
fn eventful() -> Fixture {
    let mut fixture = fixture();
    fixture.config.people.insert("ana".into(), person("Ana", jiff::tz::TimeZone::UTC, &["ntfy:ana"]));
    fixture.facts.musts = [Criterion::SingleServer, Criterion::BackupAge].into();
    fixture.config.audit.exceptions.push(Exception {
        criterion: Criterion::SingleServer,
        resource: Some(Resource::pool("old")),
        owner: "ana".into(),
        until: at("2027-01-01T00:00:00Z"),
        why: "ordered".to_owned(),
    });
    for (criterion, resource) in [
        (Criterion::SingleServer, Resource::pool("auth")),
        (Criterion::SingleServer, Resource::pool("old")),
        (Criterion::Runbook, Resource::service("auth")),
        (Criterion::BackupAge, Resource::database("main")),
    ] {
        let evidence = Some("seen".to_owned());
        fixture.commit(vec![EventKind::CriterionChanged { criterion, resource, is_met: false, evidence }]);
    }
    let (criterion, resource) = (Criterion::BackupAge, Resource::database("main"));
    fixture.commit(vec![EventKind::CriterionChanged { criterion, resource, is_met: true, evidence: None }]);
    fixture.open(1, true, &["auth"]);
    fixture.pass(later(at(EVENING), secs(200)), accepted);
    fixture.acknowledge(1);
    fixture.pass(later(at(EVENING), secs(1_700)), accepted);
    fixture.resolve(1);
    fixture.open(2, false, &["api"]);
    for id in 1..4 {
        fixture.alert(id, "auth.acme.com", Severity::Info);
        fixture.pass(later(fixture.now, secs(400)), accepted);
        fixture.alert_ends(id);
    }
    let since = fixture.now;
    fixture.now = later(since, secs(7_200));
    fixture.commit(vec![EventKind::Booted { unmonitored_since: Some(since) }]);
    for change in [
        change(1, "deploy auth 4f2c", "2026-11-16T18:05:00Z", Some(Verdict::Helped)),
        change(2, "new firewall", "2026-11-16T05:00:00Z", None),
        change(3, "config of the pool", "2026-11-17T06:29:59Z", None),
        change(4, "deploy of tomorrow", "2026-11-17T06:30:00Z", None),
    ] {
        fixture.facts.changes.insert(change.change.id, change);
    }
    fixture
}

#[test]
fn digest_says_what_happened_and_who_is_on_call() {
    let mut fixture = eventful();
    fixture.pass(at("2026-11-17T06:31:00Z"), accepted);
    let sent = digests(&fixture);
    let [digest] = sent.as_slice() else { panic!("{}", fixture.story()) };
    insta::assert_snapshot!(format!("{}\n\n{}", digest.title, digest.body), @r"
    Acme digest, Tue 17 Nov: 2 incidents (1 open), 1 lost criterion, 3 alerts and 2 changes

    From Mon 08:30 EET to Tue 08:30 EET.
    On call today: platform: Ana.
    Incidents (2):
    - incident-1, Mon 20:00 EET, 28 min: acme.app had expired and was renewed. Answered by ana.
    - incident-2, Mon 20:28 EET, open for 12 h 1 min: acme.app expired at 15:28. It paged nobody.
    Criteria of the audit that are lost (1):
    - single-server of pool.auth: seen
    Not monitored (1):
    - Mon 20:48 EET to Mon 22:48 EET (2 h)
    Slow (1):
    - auth.acme.com answers too slowly (over 2000 ms) (3 times from Mon 20:28 EET, 20 min in all)
    Changes (2):
    - Mon 20:05 EET deploy auth 4f2c - incident-1: helped: latency of front 1.9 s -> 400 ms, -79 %
    - Tue 08:29 EET config of the pool
    ");
}

#[test]
fn digest_of_a_terrible_day_is_bounded() {
    let mut fixture = fixture();
    fixture.facts.musts = Criterion::ALL.iter().copied().collect();
    let long = "ä".repeat(400);
    for n in 1..150 {
        let summary = format!("{long} {n}; and more");
        let diagnosis = types::incident::Diagnosis { summary, ..diagnosis(false, &["auth"]) };
        let (incident, since) = (IncidentId(n), fixture.now);
        fixture.commit(vec![EventKind::IncidentOpened { incident, since, diagnosis }]);
        fixture.alert(n, &format!("{long}{n}"), Severity::Info);
        let recorded = change(n, &long, EVENING, Some(Verdict::Helped));
        fixture.facts.changes.insert(ChangeId(n), recorded);
        let resource = Resource::pool(format!("{long}{n}"));
        let (criterion, evidence) = (Criterion::SingleServer, Some(long.clone()));
        fixture.commit(vec![EventKind::CriterionChanged { criterion, resource, is_met: false, evidence }]);
    }
    for n in 0..40 {
        let id = format!("{long}{n}");
        let people = ["ana", "bo"];
        let schedule = super::super::fixture::schedule(&id, &people, "2026-11-16T09:00", None);
        fixture.config.schedules.insert(schedule.id.clone(), schedule);
    }
    notices(&mut fixture).to = vec![contact("chat:ops"), contact("spare:ops")];
    fixture.pass(at("2026-11-17T06:31:00Z"), accepted);
    let sent = digests(&fixture);
    assert_eq!(sent.len(), 2, "each contact");
    for digest in sent {
        assert!(digest.title.len() <= 120 && digest.body.len() <= 3_000, "{} {}", digest.title, digest.body);
        assert!(digest.body.contains("Incidents (149):"), "{}", digest.body);
        assert!(digest.body.contains("- and 145 more"), "{}", digest.body);
    }
}
