//! Notices about single incidents that go to the team.

use super::super::fixture::{Fixture, accepted, monday, refused, secs};
use super::{notices, team};
use testkit::config::contact;
use types::Urgency;
use types::notification::{Delivered, Undelivered};
use types::time::later;

fn fixture() -> Fixture {
    let mut fixture = Fixture::new(team(), monday());
    fixture.boot();
    fixture
}

fn chat_refuses(notification: &types::Notification) -> Result<Delivered, Undelivered> {
    if notification.person.is_none() { refused(notification) } else { accepted(notification) }
}

#[test]
fn incident_that_pages_nobody_goes_to_the_team() {
    let mut fixture = fixture();
    fixture.open(1, false, &["auth"]);
    fixture.pass(later(monday(), secs(7_200)), accepted);
    assert_eq!(fixture.sent.len(), 1, "{}", fixture.story());
    let (_, notice) = &fixture.sent[0];
    assert_eq!(notice.key.0, "incident-1/opened/@team/0/0");
    assert_eq!((notice.urgency, &notice.person), (Urgency::Quiet, &None));
    assert_eq!(notice.incident, Some(types::IncidentId(1)));
}

#[test]
fn people_get_it_where_the_team_cannot_be_reached() {
    let mut fixture = fixture();
    fixture.open(1, false, &["auth"]);
    fixture.pass(later(monday(), secs(7_200)), chat_refuses);
    assert_eq!(fixture.news(), ["incident-1/opened/@team/0/0", "incident-1/opened/ana/0/0"]);
    // One of two channels suffices.
    let mut fixture = self::fixture();
    notices(&mut fixture).to.push(contact("spare:ops"));
    fixture.open(1, false, &["auth"]);
    let first_refuses = |it: &types::Notification| match it.contact.channel.0.as_str() {
        "chat" => refused(it),
        _ => accepted(it),
    };
    fixture.pass(later(monday(), secs(7_200)), first_refuses);
    assert_eq!(fixture.news(), ["incident-1/opened/@team/0/0", "incident-1/opened/@team/1/0"]);
    // The section is removed while the notice is queued.
    let mut fixture = self::fixture();
    fixture.open(1, false, &["auth"]);
    fixture.run_batch();
    fixture.crash();
    fixture.config.notices = None;
    fixture.sent.clear();
    fixture.pass(later(monday(), secs(7_200)), accepted);
    assert_eq!(fixture.news(), ["incident-1/opened/ana/0/0"]);
}

/// Rows: `hourly`; recipients of the line of the first hour.
#[test]
fn hourly_line_goes_to_the_team_instead_of_people() {
    for (hourly, expected) in [(true, "@team"), (false, "ana")] {
        let mut fixture = fixture();
        notices(&mut fixture).hourly = hourly;
        fixture.open(1, true, &["auth"]);
        fixture.pass(later(monday(), secs(120)), accepted);
        fixture.acknowledge(1);
        fixture.pass(later(monday(), secs(1_700)), accepted);
        fixture.acknowledge(1);
        fixture.pass(later(monday(), secs(3_000)), accepted);
        fixture.acknowledge(1);
        fixture.pass(later(monday(), secs(3_700)), accepted);
        let lines: Vec<String> = fixture.news().into_iter().filter(|key| key.contains("/hour-")).collect();
        assert_eq!(lines, [format!("incident-1/hour-1/{expected}/0/0")], "{}", fixture.story());

        fixture.resolve(1);
        fixture.pass(later(monday(), secs(3_800)), accepted);
        let mut ends = fixture.news();
        ends.sort();
        let all = ["incident-1/resolved/@team/0/0", "incident-1/resolved/ana/0/0"];
        assert_eq!(ends, all[usize::from(!hourly)..], "who had a line gets to know the end");
    }
}

#[test]
fn page_is_the_same_with_and_without_a_team() {
    let story = |with_team: bool| {
        let mut fixture = fixture();
        if !with_team {
            fixture.config.notices = None;
        }
        fixture.open(1, true, &["auth"]);
        fixture.pass(later(monday(), secs(3_000)), accepted);
        let pages = fixture.sent.iter().filter(|(_, sent)| sent.urgency == Urgency::Page);
        pages.map(|(at, sent)| format!("{at} {}", sent.key)).collect::<Vec<_>>()
    };
    let pages = story(true);
    assert!(pages.len() > 10);
    assert_eq!(pages, story(false));
}
