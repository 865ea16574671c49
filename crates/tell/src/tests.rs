//! The crate as the engine sees it: whole stories, and what must hold in every one of them.

use crate::world::{World, at, diagnosis};
use model::event::{PostStatus, ServiceState};
use model::fault::{DomainFault, Fault, TlsFault};
use model::incident::Stage;
use model::{Happened, IncidentId, ServiceId, Thing, Weight};
use std::time::Duration;

fn state(world: &World, service: &str) -> ServiceState {
    world.tell.state(&service.into()).0
}

#[test]
fn an_expired_name_as_visitors_read_it() {
    let mut world = World::new("2026-11-22T15:28:00Z");
    world.settle();
    world.look_everywhere();
    world.settle();
    world.pass(60);
    let name = || Thing::domain("acme.app");
    world.open(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Looking));
    world.settle();
    world.pass(10);
    world.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Failing));
    world.settle();
    world.pass(5);
    world.find(1, Thing::host("auth.acme.com"), Fault::Refused, Weight::Breaks);
    world.find(2, Thing::tls("demo.acme.app"), Fault::Tls { tls: TlsFault::SelfSigned }, Weight::Breaks);
    world.settle();
    world.pass(3_000);
    world.say(1, PostStatus::Identified, "We have renewed the name and wait for it to spread.");
    world.settle();
    world.pass(300);
    world.close(1);
    world.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop"], true, Stage::Mending));
    world.settle();
    world.pass(600);
    world.close(2);
    world.resolve(1);
    world.look_everywhere();
    world.settle();
    world.pass(86_400);
    insta::assert_snapshot!(world.story(), @r"
    15:28:00 api: Operational
    15:28:00 auth: Operational
    15:28:00 shop: Operational
    15:29:00 auth: Partial outage
    15:29:00 incident-1 Investigating by mainstay [auth Partial outage]
        Sign-in is failing
        Sign-in is failing, or may fail, for some of you. We are looking for the cause. API and Shop are not affected. Next update by 15:59 UTC.
    15:29:15 auth: Major outage
    15:30:00 incident-1 Identified by mainstay [auth Major outage]
        Sign-in is failing
        Sign-in is failing. The cause is a problem with the registration of a domain name, and we are working on it. API and Shop are not affected. Next update by 16:00 UTC.
    16:00:00 incident-1 Identified by mainstay [auth Major outage]
        Sign-in is failing
        We are still working on it. Sign-in is failing. There is nothing new to report since the last update. API and Shop are not affected. Next update by 16:30 UTC.
    16:19:15 incident-1 Identified by Ana [auth Major outage]
        Sign-in is failing
        We have renewed the name and wait for it to spread.
    16:24:15 auth: Partial outage
    16:24:15 incident-1 Monitoring by mainstay [auth Partial outage]
        Sign-in is failing
        The cause is fixed and Sign-in is recovering. It can take a while until it works for everybody again. We keep watching. API and Shop are not affected. Next update by 16:54 UTC.
    16:34:15 auth: Operational
    16:34:15 incident-1 Resolved by mainstay [auth Operational]
        Sign-in is failing
        Sign-in works again. It was affected from 15:29 UTC until 16:34 UTC (1 h 5 min).
    ");
    let all = world.story();
    assert!(!all.contains("secret-host") && !all.contains("Inner queue"), "visitors read no inner names");
}

#[test]
fn no_data_is_never_green() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Unknown, "never looked at");
    assert_eq!(world.board().headline, "No data: we cannot see whether anything works");
    world.look("auth.acme.com", true);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Unknown, "one of two hosts");
    world.look("demo.acme.app", false);
    world.settle();
    assert_eq!(
        state(&world, "auth"),
        ServiceState::Unknown,
        "a bad answer is not yet a finding, and not green either"
    );
    world.look("demo.acme.app", true);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Operational);
    assert_eq!(world.board().headline, "No data: API and Shop");
    world.look_everywhere();
    world.settle();
    assert_eq!(world.board().headline, "All systems operational");
    world.blind = true;
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Unknown, "we cannot see out");
    world.blind = false;
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Operational);
}

#[test]
fn states_follow_what_visitors_notice() {
    let slow = || Fault::Slow { limit: Duration::from_secs(2) };
    let expiring =
        || Fault::Tls { tls: TlsFault::Expiring { at: at("2027-01-01T00:00:00Z"), left_percent: 9 } };
    let runs_out = || Fault::Domain { domain: DomainFault::AutoRenew };
    for (about, fault, weight, expected, why) in [
        (
            Thing::host("api.acme.com"),
            Fault::Refused,
            Weight::Breaks,
            ServiceState::MajorOutage,
            "its only host",
        ),
        (
            Thing::tls("api.acme.com"),
            Fault::Tls { tls: TlsFault::SelfSigned },
            Weight::Breaks,
            ServiceState::MajorOutage,
            "browsers refuse",
        ),
        (Thing::host("api.acme.com"), slow(), Weight::Warns, ServiceState::Degraded, "slow"),
        (Thing::host("api.acme.com"), slow(), Weight::Notes, ServiceState::Operational, "worth a note"),
        (
            Thing::tls("api.acme.com"),
            expiring(),
            Weight::Warns,
            ServiceState::Operational,
            "runs out in weeks",
        ),
        (
            Thing::host("api.acme.com"),
            expiring(),
            Weight::Warns,
            ServiceState::Operational,
            "the same, seen on the host",
        ),
        (Thing::domain("acme.com"), runs_out(), Weight::Warns, ServiceState::Operational, "may run out"),
        (
            Thing::host("auth.acme.com"),
            Fault::Refused,
            Weight::Breaks,
            ServiceState::Operational,
            "somebody else's host",
        ),
        (
            Thing::service("api"),
            Fault::BodyLacks,
            Weight::Breaks,
            ServiceState::Operational,
            "no probe speaks for the service itself",
        ),
    ] {
        let mut world = World::new("2026-11-22T12:00:00Z");
        world.look_everywhere();
        world.settle();
        world.find(1, about, fault, weight);
        world.settle();
        assert_eq!(state(&world, "api"), expected, "{why}");
        world.close(1);
        world.settle();
        assert_eq!(state(&world, "api"), ServiceState::Operational, "{why}: over");
    }
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.find(1, Thing::host("auth.acme.com"), Fault::Refused, Weight::Breaks);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::PartialOutage, "one of two hosts");
    world.find(2, Thing::host("demo.acme.app"), Fault::Refused, Weight::Breaks);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::MajorOutage, "both");
    assert_eq!(world.board().headline, "Major outage: Sign-in");
}

#[test]
fn incidents_that_no_visitor_notices_are_not_posted() {
    for (affected, wakes, posts, why) in [
        (&["inner"][..], true, 0, "not public"),
        (&[][..], true, 0, "nothing affected"),
        (&["api"][..], false, 0, "a warning of what may come"),
        (&["api"][..], true, 1, "it will break"),
        (&["nobody"][..], true, 0, "a service that the plan does not know"),
    ] {
        let mut world = World::new("2026-11-22T12:00:00Z");
        world.look_everywhere();
        world.open(1, diagnosis(Thing::domain("acme.com"), affected, &[], wakes, Stage::Failing));
        world.settle();
        world.pass(60);
        assert_eq!(world.board().open.len(), posts, "{why}");
        world.resolve(1);
        world.settle();
        world.pass(60);
        let board = world.board();
        assert!(board.open.is_empty(), "{why}");
        assert_eq!(board.past[0].incidents.len(), posts, "{why}");
    }
}

#[test]
fn a_slow_service_is_not_called_failing() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.find(1, Thing::host("api.acme.com"), Fault::Slow { limit: Duration::from_secs(2) }, Weight::Warns);
    world.open(1, diagnosis(Thing::host("api.acme.com"), &["api"], &[], false, Stage::Failing));
    world.settle();
    assert_eq!(world.board().open[0].title, "API is not working well");
    assert_eq!(world.board().headline, "Degraded: API");
}

#[test]
fn a_restart_keeps_the_last_state_until_everything_was_looked_at() {
    let mut world = World::new("2026-11-22T10:00:00Z");
    world.look_everywhere();
    world.settle();
    let before = world.now;
    world.crash();
    world.now = at("2026-11-22T11:00:00Z");
    world.commit(vec![Happened::Booted { blind_since: Some(at("2026-11-22T10:30:00Z")) }]);
    world.settle();
    assert_eq!(world.tell.state(&"auth".into()), (ServiceState::Operational, Some(before)));
    world.find(1, Thing::host("auth.acme.com"), Fault::Refused, Weight::Breaks);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::PartialOutage, "what is found counts at once");
    world.now = at("2026-11-22T12:00:00Z");
    let board = world.board();
    let auth = &board.groups.iter().find(|group| group.name.is_empty()).unwrap().components[0];
    let uptime = auth.uptime_percent.unwrap();
    assert!((uptime - 80.0).abs() < 1e-9, "an hour of three tenths in an hour and a half watched: {uptime}");
    assert_eq!(auth.days[89].out, Duration::from_secs(3_600));
    assert_eq!(auth.days[88].worst, None);
}

#[test]
fn a_swallowed_incident_points_to_the_other() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.open(1, diagnosis(Thing::host("api.acme.com"), &["api"], &[], true, Stage::Looking));
    world.settle();
    world.pass(90);
    world.open(2, diagnosis(Thing::domain("acme.com"), &["api", "auth"], &["shop"], true, Stage::Failing));
    world.commit(vec![Happened::IncidentMerged { incident: IncidentId(1), into: IncidentId(2) }]);
    world.settle();
    world.pass(60);
    let board = world.board();
    assert_eq!(board.open.len(), 1);
    assert_eq!(board.open[0].title, "API and Sign-in are failing");
    let old = &board.past[0].incidents[0];
    assert_eq!(old.status, PostStatus::Resolved);
    assert_eq!(
        old.posts[0].body,
        "This is part of a larger problem. Please follow the updates under “API and Sign-in are failing”."
    );
}

#[test]
fn promises_are_kept_once_each_and_people_are_not_talked_over() {
    let mut world = World::new("2026-11-22T12:00:10Z");
    world.look_everywhere();
    world.open(1, diagnosis(Thing::host("api.acme.com"), &["api"], &[], true, Stage::Failing));
    world.settle();
    let promised = world.board().open[0].next_post_by;
    assert_eq!(promised, Some(at("2026-11-22T12:30:00Z")), "as it is written, to the minute");
    world.pass(3_600);
    let told: Vec<String> =
        world.board().open[0].posts.iter().map(|post| post.at.strftime("%H:%M:%S").to_string()).collect();
    assert_eq!(told, ["13:00:00", "12:30:00", "12:00:10"]);
    world.say(1, PostStatus::Monitoring, "We have put the old version back.");
    world.settle();
    world.pass(1_900);
    let last = &world.board().open[0].posts[0];
    assert_eq!(last.status, PostStatus::Monitoring, "mainstay has nothing new and does not contradict");
    assert!(last.body.starts_with("We are still working on it."), "{}", last.body);
}

#[test]
fn mainstay_writes_at_most_once_a_minute() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.settle();
    for second in 0..600u64 {
        let stage = if second % 2 == 0 { Stage::Looking } else { Stage::Failing };
        let affected: &[&str] = if second % 3 == 0 { &["api"] } else { &["api", "shop"] };
        let diagnosis = diagnosis(Thing::host("api.acme.com"), affected, &[], true, stage);
        if second == 0 {
            world.open(1, diagnosis)
        } else {
            world.diagnose(1, diagnosis)
        }
        world.settle();
        world.pass(1);
    }
    world.resolve(1);
    world.settle();
    world.pass(120);
    let mut times: Vec<_> = world.board().past[0].incidents[0].posts.iter().map(|post| post.at).collect();
    times.reverse();
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_secs() >= 60), "{times:?}");
    assert!(times.len() >= 9, "{times:?}");
    assert_eq!(world.board().past[0].incidents[0].status, PostStatus::Resolved);
}

#[test]
fn the_board_says_what_it_knows() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.settle();
    world.pass(3_600);
    world.find(1, Thing::host("shop.acme.net"), Fault::Refused, Weight::Breaks);
    world.open(1, diagnosis(Thing::host("shop.acme.net"), &["shop"], &["api", "auth"], true, Stage::Failing));
    world.settle();
    world.pass(3_600);
    let board = world.board();
    let groups: Vec<(&str, Vec<&str>)> = board
        .groups
        .iter()
        .map(|group| {
            (group.name.as_str(), group.components.iter().map(|component| component.title.as_str()).collect())
        })
        .collect();
    assert_eq!(groups, [("Rest", vec!["API", "Shop"]), ("", vec!["Sign-in"])]);
    assert_eq!((board.state, board.headline.as_str()), (ServiceState::MajorOutage, "Major outage: Shop"));
    assert_eq!((board.zone.as_str(), board.past.len()), ("Europe/Tallinn", 7));
    let shop = &board.groups[0].components[1];
    assert_eq!((shop.uptime_percent, shop.days.len()), (Some(50.0), 90));
    assert_eq!(shop.since, Some(at("2026-11-22T13:00:00Z")));
    assert_eq!(
        board.open[0].affected,
        [(ServiceId::from("shop"), "Shop".to_owned(), ServiceState::MajorOutage)]
    );
    assert_eq!(board.open[0].impact, ServiceState::MajorOutage);
    serde_json::to_string(&board).unwrap();
}

#[test]
fn a_sample_that_changes_nothing_says_nothing() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.settle();
    let told = world.journal.len();
    for _ in 0..100 {
        world.pass(1);
        world.look_everywhere();
        world.settle();
    }
    assert_eq!(world.journal.len(), told);
    world.crash();
}
