//! Pages: repeated until acknowledged, paused, merged, resolved.

use super::fixture::{Fixture, accepted, config, failing, keys, monday, secs, service};
use types::IncidentId;
use types::PageId;
use types::Urgency;
use types::notification::Contact;
use types::time::later;

#[test]
fn unacknowledged_page_repeats_and_escalates() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(7, true, &["auth"]);
    fixture.run_until(later(monday(), secs(650)), accepted);
    insta::assert_snapshot!(fixture.story(), @r"
      0 page-1 opened for incident-7 by default
      0 page-1 r0/0 [ana] until 300
      0 page-1/r0/0/ana/0/0 ok via ntfy:ana
     60 page-1/r0/0/ana/1/0 ok via hook:ana
    120 page-1/r0/0/ana/0/1 ok via ntfy:ana
    180 page-1/r0/0/ana/1/1 ok via hook:ana
    240 page-1/r0/0/ana/0/2 ok via ntfy:ana
    300 page-1 r0/1 [bo] until 600
    300 page-1/r0/0/ana/1/2 ok via hook:ana
    300 page-1/r0/1/bo/0/0 ok via ntfy:bo
    360 page-1/r0/0/ana/0/3 ok via ntfy:ana
    360 page-1/r0/1/bo/0/1 ok via ntfy:bo
    420 page-1/r0/0/ana/1/3 ok via hook:ana
    420 page-1/r0/1/bo/0/2 ok via ntfy:bo
    480 page-1/r0/0/ana/0/4 ok via ntfy:ana
    480 page-1/r0/1/bo/0/3 ok via ntfy:bo
    540 page-1/r0/0/ana/1/4 ok via hook:ana
    540 page-1/r0/1/bo/0/4 ok via ntfy:bo
    600 page-1 r0/2 [cy] until 1200
    600 page-1/r0/0/ana/0/5 ok via ntfy:ana
    600 page-1/r0/1/bo/0/5 ok via ntfy:bo
    600 page-1/r0/2/cy/0/0 ok via hook:cy
    ");
    fixture.run_until(later(monday(), secs(7_200)), accepted);
    let steps: String = fixture
        .story()
        .lines()
        .filter(|line| line.contains("until"))
        .map(|line| format!("{line}\n"))
        .collect();
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
    let last: Vec<i64> = fixture
        .sent
        .iter()
        .filter(|(_, notification)| notification.person.is_none())
        .map(|(when, _)| when.duration_since(monday()).as_secs())
        .collect();
    assert_eq!(last[..4], [2_400, 2_700, 3_000, 3_300], "the fallback every 5 min");
    assert!(last.windows(2).all(|pair| pair[1] - pair[0] <= 300), "{last:?}");
}

#[test]
fn new_incident_pages_in_same_batch() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(7, true, &["auth"]);
    let notifications = fixture.run_batch();
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
    Acknowledge to stop the pages. Otherwise this page escalates at 12:05 UTC.
    ");
}

#[test]
fn acknowledgement_stops_only_its_incident_and_expires() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.open(2, true, &["api"]);
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r0/0/ana/0/0", "page-2/r0/0/ana/0/0"]);
    fixture.advance(secs(5));
    fixture.acknowledge(1);
    fixture.run_until(later(monday(), secs(1_804)), accepted);
    assert!(
        fixture.sent.iter().skip(2).all(|(_, notification)| notification.page == Some(PageId(2))),
        "page 1 is paused"
    );
    assert!(fixture.sent.len() > 20, "page 2 is not");
    let before = fixture.sent.len();
    fixture.run_until(later(monday(), secs(1_805)), accepted);
    let new: Vec<&str> =
        fixture.sent[before..].iter().map(|(_, notification)| notification.key.0.as_str()).collect();
    assert!(new.contains(&"page-1/r1/0/ana/0/0"), "a new run with new keys: {new:?}");
    assert!(fixture.story().contains("1805 incident-1 acknowledgement expired"));
    assert_eq!(fixture.story().matches("acknowledgement expired").count(), 1);
    assert!(fixture.story().contains("page-1 r1/0 [ana] until 2105"), "{}", fixture.story());
}

#[test]
fn each_paged_person_gets_resolved_notice() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(301)), accepted);
    fixture.resolve(1);
    let notices = fixture.run_batch();
    assert_eq!(keys(&notices), ["incident-1/resolved/ana/0/0", "incident-1/resolved/bo/0/0"]);
    assert_eq!(notices[0].title, "Resolved: acme.app expired at 15:28");
    assert_eq!(notices[0].body, "acme.app had expired and was renewed\nDuration: 5 min 1 s.");
    assert_eq!((notices[0].urgency, notices[0].page), (Urgency::Notice, None));
    let all = fixture.sent.len();
    fixture.run_until(later(monday(), secs(86_400)), accepted);
    assert_eq!(fixture.sent.len(), all, "each notice once");
    assert!(!fixture.oncall.pages()[&PageId(1)].is_open());
    assert_eq!(fixture.oncall.next_deadline(&types::Context::new(&fixture.config, fixture.now)), None);
}

#[test]
fn incident_that_pages_no_one_sends_one_notice() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, false, &["auth"]);
    let notifications = fixture.run_batch();
    assert_eq!(keys(&notifications), ["incident-1/opened/ana/0/0"]);
    assert_eq!(notifications[0].urgency, Urgency::Notice);
    fixture.in_flight.clear();
    fixture.answer(&notifications[0], failing(&notifications[0]));
    let other = fixture.run_batch();
    assert_eq!(keys(&other), ["incident-1/opened/ana/1/0"], "the next contact");
    fixture.run_until(later(monday(), secs(3_600)), accepted);
    assert_eq!(fixture.sent.len(), 2);
    fixture.diagnose(1, true);
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r0/0/ana/0/0"], "it wakes now");
}

#[test]
fn page_pauses_while_incident_does_not_wake() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(30)), accepted);
    fixture.diagnose(1, false);
    let all = fixture.sent.len();
    fixture.run_until(later(monday(), secs(3_600)), accepted);
    assert_eq!(fixture.sent.len(), all);
    fixture.diagnose(1, true);
    assert_eq!(keys(&fixture.run_batch()), ["page-1/r1/0/ana/0/0"], "the same page, a new run");
    assert_eq!(fixture.oncall.pages().len(), 1);
}

#[test]
fn merged_incidents_share_one_page() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_until(later(monday(), secs(30)), accepted);
    fixture.open(2, true, &["api"]);
    fixture.merge(1, 2);
    fixture.run_batch();
    assert_eq!(fixture.oncall.pages().len(), 1, "the page continues for the other incident");
    fixture.run_until(later(monday(), secs(61)), accepted);
    let (_, last) = fixture.sent.last().unwrap();
    assert_eq!((last.key.0.as_str(), last.incident), ("page-1/r0/0/ana/1/0", Some(IncidentId(2))));
    fixture.open(3, true, &["api"]);
    fixture.run_batch();
    assert_eq!(fixture.oncall.pages().len(), 2);
    fixture.merge(2, 3);
    fixture.run_batch();
    assert!(!fixture.oncall.pages()[&PageId(1)].is_open(), "the other incident has its own page");
    fixture.in_flight.clear();
    fixture.resolve(3);
    let notices: Vec<String> =
        fixture.run_batch().iter().map(|notification| notification.key.0.clone()).collect();
    assert_eq!(
        notices,
        ["incident-3/resolved/ana/0/0"],
        "paged for a merged incident: notified when the survivor is resolved"
    );
}

#[test]
fn acknowledgement_of_merged_incident_holds_for_survivor() {
    let mut fixture = Fixture::new(config(), monday());
    fixture.open(1, true, &["auth"]);
    fixture.run_batch();
    fixture.acknowledge(1);
    fixture.open(2, true, &["api"]);
    fixture.merge(1, 2);
    let all = fixture.sent.len();
    fixture.run_until(later(monday(), secs(1_799)), accepted);
    assert_eq!(fixture.sent.len(), all, "nobody is woken twice for one cause");
    fixture.run_until(later(monday(), secs(1_801)), accepted);
    assert!(fixture.sent.len() > all, "until the acknowledgement expires");
    assert_eq!(fixture.oncall.pages().len(), 1);
}

#[test]
fn longest_page_fits_push_message() {
    let mut fixture = Fixture::new(config(), monday());
    for number in 0..200 {
        let name = format!("s{number}");
        fixture
            .config
            .services
            .insert(name.as_str().into(), service(&name, &"ü".repeat(200), None, "default"));
    }
    let names: Vec<String> = (0..200).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fixture.open(1, true, &names);
    fixture.journal.incidents.get_mut(&IncidentId(1)).unwrap().diagnosis.summary = "€".repeat(5_000);
    let notifications = fixture.run_batch();
    assert!(notifications[0].title.len() + notifications[0].body.len() < 4_096);
    let channel = Contact { channel: "ntfy".into(), address: "ana".to_owned() };
    assert_eq!(notifications[0].contact, channel);
}
