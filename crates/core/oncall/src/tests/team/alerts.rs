//! Alerts that are part of no incident.

use super::super::fixture::{Fixture, accepted, at, diagnosis, failing, monday, secs};
use super::{notices, team};
use jiff::civil::time;
use types::incident::Diagnosis;
use types::time::later;
use types::{AlertId, EventKind, IncidentId, Severity, Urgency};

fn fixture() -> Fixture {
    let mut fixture = Fixture::new(team(), monday());
    fixture.boot();
    fixture
}

#[test]
fn alerts_of_a_minute_are_one_notice_that_wakes_no_one() {
    let mut fixture = fixture();
    fixture.alert(1, "auth.acme.com", Severity::Info);
    fixture.pass(later(monday(), secs(30)), accepted);
    fixture.alert(2, "shop.acme.com", Severity::Info);
    fixture.alert(3, "gone.acme.com", Severity::Info);
    fixture.alert_ends(3);
    fixture.pass(later(monday(), secs(59)), accepted);
    assert_eq!(fixture.sent, [], "it may end or become part of an incident");
    fixture.pass(later(monday(), secs(900)), accepted);
    let [(first, one), (second, other)] = fixture.sent.as_slice() else { panic!("{:?}", fixture.sent) };
    assert_eq!((*first, one.key.0.as_str()), (later(monday(), secs(60)), "team/alerts-1/0/0"));
    assert_eq!((one.urgency, &one.person, one.incident), (Urgency::Quiet, &None, None));
    assert!(one.title.starts_with("auth.acme.com "), "{}", one.title);
    assert!(one.body.contains("since 14:00 EET") && one.body.contains("Nobody is paged"), "{}", one.body);
    assert_eq!((*second, other.key.0.as_str()), (later(monday(), secs(660)), "team/alerts-2/0/0"), "bundled");
}

/// Rows: severity; whether it is a symptom of an incident; number of notices.
#[test]
fn only_low_alerts_without_incident_are_sent() {
    for (severity, symptom, expected) in [
        (Severity::Info, false, 1),
        (Severity::Info, true, 0),
        (Severity::Warning, false, 0),
        (Severity::Critical, false, 0),
    ] {
        let mut fixture = fixture();
        fixture.alert(1, "auth.acme.com", severity);
        if symptom {
            let diagnosis = Diagnosis { symptoms: [AlertId(1)].into(), ..diagnosis(true, &["auth"]) };
            let since = fixture.now;
            fixture.commit(vec![EventKind::IncidentOpened { incident: IncidentId(1), since, diagnosis }]);
        }
        fixture.pass(later(monday(), secs(900)), accepted);
        let news = fixture.news();
        let sent = news.iter().filter(|key| key.starts_with("team/alerts-")).count();
        assert_eq!(sent, expected, "{severity:?} {symptom}: {news:?}");
    }
}

#[test]
fn alert_that_comes_and_goes_is_sent_every_four_hours() {
    let mut fixture = fixture();
    for round in 0..30 {
        fixture.alert(round + 1, "auth.acme.com", Severity::Info);
        fixture.pass(later(fixture.now, secs(600)), accepted);
        fixture.alert_ends(round + 1);
        fixture.pass(later(fixture.now, secs(600)), accepted);
    }
    let times: Vec<u64> =
        fixture.sent.iter().map(|(at, _)| types::time::between(monday(), *at).as_secs() / 60).collect();
    assert_eq!(times, [1, 241, 481], "{:?}", fixture.sent);
}

#[test]
fn quiet_hours_hold_what_is_still_true_after_them() {
    let mut fixture = fixture();
    notices(&mut fixture).quiet_hours = Some((time(13, 0, 0, 0), time(15, 0, 0, 0)));
    fixture.alert(1, "auth.acme.com", Severity::Info);
    fixture.alert(2, "shop.acme.com", Severity::Info);
    fixture.pass(later(monday(), secs(1_800)), accepted);
    fixture.alert_ends(2);
    assert_eq!(fixture.sent, []);
    fixture.pass(later(monday(), secs(7_200)), accepted);
    let [(at_three, notice)] = fixture.sent.as_slice() else { panic!("{:?}", fixture.sent) };
    assert_eq!(*at_three, at("2026-11-16T13:00:00Z"));
    assert!(notice.title.starts_with("auth.acme.com "), "{}", notice.title);
}

#[test]
fn broken_chat_is_retried_with_the_same_key_while_the_alert_is_open() {
    let mut fixture = fixture();
    fixture.alert(1, "auth.acme.com", Severity::Info);
    fixture.pass(later(monday(), secs(1_000)), failing);
    let tries = fixture.news();
    assert!(tries.len() > 3 && tries.iter().all(|key| key == "team/alerts-1/0/0"), "{tries:?}");
    fixture.crash();
    fixture.alert_ends(1);
    fixture.pass(later(monday(), secs(20_000)), accepted);
    assert_eq!(fixture.news(), [] as [String; 0], "it ended: the digest has it");
}

#[test]
fn without_notices_nothing_is_queued() {
    let mut fixture = fixture();
    fixture.config.notices = None;
    fixture.alert(1, "auth.acme.com", Severity::Info);
    fixture.pass(later(monday(), secs(200_000)), accepted);
    assert_eq!(fixture.sent, []);
    assert_eq!(fixture.journal.events.len(), 2);
}
