//! The crate as the engine sees it: whole stories, and what must hold in every one of them.

use crate::world::{World, at, diagnosis};
use std::time::Duration;
use types::event::{PostStatus, ServiceState};
use types::fault::{DnsFault, DomainFault, Fault, TlsFault};
use types::incident::Stage;
use types::{EventKind, IncidentId, Resource, ServiceId, Severity};

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
    let name = || Resource::domain("acme.app");
    let parked = Some(["ns1.parking.example".to_owned()].into());
    let expired = || Fault::Domain { domain: DomainFault::Expired { at: None, parked_on: parked.clone() } };
    world.find(7, name(), expired(), Severity::Critical);
    world.open(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Investigating));
    world.settle();
    world.pass(10);
    world.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Failing));
    world.settle();
    world.pass(5);
    world.find(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    world.find(
        2,
        Resource::tls("demo.acme.app"),
        Fault::Tls { tls: TlsFault::SelfSigned },
        Severity::Critical,
    );
    world.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Failing));
    world.settle();
    world.pass(120);
    world.acknowledge(1);
    world.settle();
    world.pass(2_880);
    world.say(1, PostStatus::Identified, "We have renewed the name and wait for it to spread.");
    world.settle();
    world.pass(300);
    world.close(1);
    world.close(7);
    world.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop"], true, Stage::Recovering));
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
    15:28:00 inner: Operational
    15:28:00 shop: Operational
    15:29:00 auth: Partial outage
    15:29:15 auth: Major outage
    15:30:00 incident-1 Identified by mainstay [auth Major outage]
        Sign-in is failing
        Sign-in is failing. The cause is a problem with the registration of a domain name. This was detected automatically, and our team is being notified. API and Shop are not affected. Next update by 18:00 EET.
    16:00:00 incident-1 Identified by mainstay [auth Major outage]
        Sign-in is failing
        We are still working on it. Sign-in is failing. There is nothing new to report since the last update. API and Shop are not affected. Next update by 18:30 EET.
    16:19:15 incident-1 Identified by Ana [auth Major outage]
        Sign-in is failing
        We have renewed the name and wait for it to spread.
    16:24:15 auth: Partial outage
    16:26:15 incident-1 Monitoring by mainstay [auth Partial outage]
        Sign-in is failing
        The cause is fixed and Sign-in is recovering. It can take a while until it works for everybody again. We keep watching. API and Shop are not affected. Next update by 18:56 EET.
    16:34:15 auth: Operational
    16:34:15 incident-1 Resolved by mainstay [auth Operational]
        Sign-in is failing
        Sign-in works again. It was affected from 17:29 EET until 18:34 EET (1 h 5 min).
    ");
    let all = world.story();
    assert!(!all.contains("secret-host") && !all.contains("Inner queue"), "visitors read no inner names");
}

#[test]
fn no_data_is_never_green() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Unknown, "never looked at");
    assert_eq!(world.status_page().headline, "No data: we cannot see whether anything works");
    world.look("auth.acme.com", true);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Unknown, "one of two hosts");
    world.look("demo.acme.app", false);
    world.settle();
    assert_eq!(
        state(&world, "auth"),
        ServiceState::Unknown,
        "a bad answer is not yet an alert, and not green either"
    );
    world.look("demo.acme.app", true);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Operational);
    assert_eq!(world.status_page().headline, "No data: API and Shop");
    world.look_everywhere();
    world.settle();
    assert_eq!(world.status_page().headline, "All systems operational");
    world.blind = true;
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Unknown, "we cannot see out");
    world.blind = false;
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::Operational);
}

#[test]
fn a_service_is_known_by_a_certificate_that_only_a_probe_by_hand_asks_for() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    let gate = Resource::tls("gate.acme.com:8443");
    let mail = world.config.services[&ServiceId::from("api")].clone();
    let mail =
        types::config::Service { id: "mail".into(), title: "Mail".to_owned(), hosts: Vec::new(), ..mail };
    world.config.services.insert(mail.id.clone(), mail);
    world.config.graph.add_need(Resource::service("mail"), gate.clone());
    world.looked.insert(gate.clone(), types::LastResult { at: at("2026-11-22T12:00:00Z"), healthy: true });
    world.settle();
    assert_eq!(state(&world, "mail"), ServiceState::Operational, "it is asked for");
    let expiring = TlsFault::Expiring { at: at("2026-11-23T12:00:00Z"), left_percent: 1 };
    world.find(1, gate.clone(), Fault::Tls { tls: expiring }, Severity::Critical);
    world.settle();
    assert_eq!(state(&world, "mail"), ServiceState::Operational, "it still holds");
    world.find(2, gate, Fault::Tls { tls: TlsFault::SelfSigned }, Severity::Critical);
    world.settle();
    assert_eq!(state(&world, "mail"), ServiceState::MajorOutage, "no client accepts it");
}

#[test]
fn states_follow_what_visitors_notice() {
    let slow = || Fault::Slow { limit: Duration::from_secs(2) };
    let expiring =
        || Fault::Tls { tls: TlsFault::Expiring { at: at("2027-01-01T00:00:00Z"), left_percent: 9 } };
    let runs_out = || Fault::Domain { domain: DomainFault::AutoRenew };
    for (about, fault, severity, expected, why) in [
        (
            Resource::host("api.acme.com"),
            Fault::Refused,
            Severity::Critical,
            ServiceState::MajorOutage,
            "its only host",
        ),
        (
            Resource::tls("api.acme.com"),
            Fault::Tls { tls: TlsFault::SelfSigned },
            Severity::Critical,
            ServiceState::MajorOutage,
            "browsers refuse",
        ),
        (Resource::host("api.acme.com"), slow(), Severity::Warning, ServiceState::Degraded, "slow"),
        (Resource::host("api.acme.com"), slow(), Severity::Info, ServiceState::Operational, "worth a note"),
        (
            Resource::tls("api.acme.com"),
            expiring(),
            Severity::Warning,
            ServiceState::Operational,
            "runs out in weeks",
        ),
        (
            Resource::host("api.acme.com"),
            expiring(),
            Severity::Warning,
            ServiceState::Operational,
            "the same, seen on the host",
        ),
        (
            Resource::domain("acme.com"),
            runs_out(),
            Severity::Warning,
            ServiceState::Operational,
            "may run out",
        ),
        (
            Resource::host("auth.acme.com"),
            Fault::Refused,
            Severity::Critical,
            ServiceState::Operational,
            "somebody else's host",
        ),
        (
            Resource::service("api"),
            Fault::BodyLacks,
            Severity::Critical,
            ServiceState::Operational,
            "no probe speaks for the service itself",
        ),
    ] {
        let mut world = World::new("2026-11-22T12:00:00Z");
        world.look_everywhere();
        world.settle();
        world.find(1, about, fault, severity);
        world.settle();
        assert_eq!(state(&world, "api"), expected, "{why}");
        world.close(1);
        world.settle();
        assert_eq!(state(&world, "api"), ServiceState::Operational, "{why}: over");
    }
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.find(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::PartialOutage, "one of two hosts");
    world.find(2, Resource::host("demo.acme.app"), Fault::Refused, Severity::Critical);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::MajorOutage, "both");
    assert_eq!(world.status_page().headline, "Major outage: Sign-in");
}

#[test]
fn what_no_client_experiences_is_neither_a_state_nor_an_incident_for_visitors() {
    let soon = || Fault::Tls { tls: TlsFault::Expiring { at: at("2026-11-23T00:00:00Z"), left_percent: 1 } };
    let few =
        |serving| Fault::PoolBelowMinimum { healthy: serving, declared: 2, min_healthy: 2, out: Vec::new() };
    let expired = |parked: bool| {
        let parked_on = parked.then(|| ["ns1.parking.example".to_owned()].into());
        Fault::Domain { domain: DomainFault::Expired { at: None, parked_on } }
    };
    let expires =
        || Fault::Domain { domain: DomainFault::Expires { at: at("2026-11-22T20:00:00Z"), days: 0 } };
    let host = || Resource::host("api.acme.com");
    for (about, fault, affected, posts, why) in [
        (host(), Fault::Refused, "api", 1, "fails"),
        (host(), Fault::Refused, "inner", 0, "not public"),
        (host(), Fault::Refused, "nobody", 0, "a service that the configuration does not know"),
        (Resource::tls("api.acme.com"), soon(), "api", 0, "a certificate that still holds"),
        (Resource::pool("api"), few(1), "api", 0, "redundancy is lost, nothing fails"),
        (Resource::pool("api"), few(0), "api", 1, "nothing serves"),
        (Resource::domain("acme.com"), expires(), "api", 0, "a registration that still holds"),
        (Resource::domain("acme.com"), expired(false), "api", 0, "expired, delegated as before"),
        (Resource::domain("acme.com"), expired(true), "api", 1, "expired, parked"),
    ] {
        let mut world = World::new("2026-11-22T12:00:00Z");
        world.look_everywhere();
        world.settle();
        let about_host = about == host();
        world.find(1, about.clone(), fault, Severity::Critical);
        world.open(1, diagnosis(about, &[affected], &[], true, Stage::Failing));
        world.settle();
        world.pass(300);
        assert_eq!(world.status_page().open.len(), posts, "{why}");
        let out = posts == 1 || about_host;
        assert_eq!(state(&world, "api") >= ServiceState::PartialOutage, out, "{why}");
        world.close(1);
        world.look_everywhere();
        world.resolve(1);
        world.settle();
        world.pass(60);
        let status_page = world.status_page();
        assert!(status_page.open.is_empty(), "{why}");
        assert_eq!(status_page.past[0].incidents.len(), posts, "{why}");
    }
}

#[test]
fn a_warning_is_a_state_and_no_incident_for_visitors() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.find(
        1,
        Resource::host("api.acme.com"),
        Fault::Slow { limit: Duration::from_secs(2) },
        Severity::Warning,
    );
    world.open(1, diagnosis(Resource::host("api.acme.com"), &["api"], &[], false, Stage::Failing));
    world.settle();
    world.pass(600);
    assert_eq!(world.status_page().headline, "Degraded: API");
    assert_eq!(world.status_page().open, []);
}

#[test]
fn a_restart_keeps_the_last_state_until_everything_was_looked_at() {
    let mut world = World::new("2026-11-22T10:00:00Z");
    world.look_everywhere();
    world.settle();
    let before = world.now;
    world.crash();
    world.now = at("2026-11-22T11:00:00Z");
    world.commit(vec![EventKind::Booted { unmonitored_since: Some(at("2026-11-22T10:30:00Z")) }]);
    world.settle();
    assert_eq!(world.tell.state(&"auth".into()), (ServiceState::Operational, Some(before)));
    world.find(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    world.settle();
    assert_eq!(state(&world, "auth"), ServiceState::PartialOutage, "what is found counts at once");
    world.now = at("2026-11-22T12:00:00Z");
    let status_page = world.status_page();
    let auth = &status_page.groups.iter().find(|group| group.name.is_empty()).unwrap().components[0];
    assert_eq!(auth.uptime_percent, None, "not yet watched for a day");
    let (uptime, watched) = world.ask(|tell, config, now, _| {
        let mut all = tell.uptimes(config, now);
        all.find(|(id, _)| id.0 == "auth").map(|(_, uptime)| uptime).unwrap_or_default()
    });
    let uptime = uptime.unwrap();
    assert_eq!(watched, Duration::from_secs(5_400));
    assert!((uptime - 80.0).abs() < 1e-9, "an hour of three tenths in an hour and a half watched: {uptime}");
    assert_eq!(auth.days[89].out, Duration::from_secs(3_600));
    assert_eq!(auth.days[88].worst, None);
}

#[test]
fn a_swallowed_incident_points_to_the_other() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.find(1, Resource::host("api.acme.com"), Fault::Refused, Severity::Critical);
    world.open(1, diagnosis(Resource::host("api.acme.com"), &["api"], &[], true, Stage::Investigating));
    world.settle();
    world.pass(90);
    world.find(2, Resource::dns("acme.com"), Fault::Dns { dns: DnsFault::NoServer }, Severity::Critical);
    world.open(2, diagnosis(Resource::domain("acme.com"), &["api", "auth"], &["shop"], true, Stage::Failing));
    world.commit(vec![EventKind::IncidentMerged { incident: IncidentId(1), into: IncidentId(2) }]);
    world.settle();
    world.pass(60);
    let status_page = world.status_page();
    assert_eq!(status_page.open.len(), 1);
    assert_eq!(status_page.open[0].title, "API and Sign-in are failing");
    let old = &status_page.past[0].incidents[0];
    assert_eq!(old.status, PostStatus::Resolved);
    assert_eq!(
        old.posts[0].body,
        "This is part of a larger problem. Please follow the updates under “API and Sign-in are failing”."
    );
}

#[test]
fn promises_are_kept_once_each_and_people_are_not_talked_over() {
    let mut world = World::new("2026-11-22T11:59:10Z");
    world.look_everywhere();
    world.find(1, Resource::host("api.acme.com"), Fault::Refused, Severity::Critical);
    world.open(1, diagnosis(Resource::host("api.acme.com"), &["api"], &[], true, Stage::Failing));
    world.settle();
    world.pass(60);
    let promised = world.status_page().open[0].next_post_by;
    assert_eq!(promised, Some(at("2026-11-22T12:30:00Z")), "as it is written, to the minute");
    world.pass(3_600);
    let told: Vec<String> = world.status_page().open[0]
        .posts
        .iter()
        .map(|post| post.at.strftime("%H:%M:%S").to_string())
        .collect();
    assert_eq!(told, ["13:00:00", "12:30:00", "12:00:10"]);
    world.say(1, PostStatus::Monitoring, "We have put the old version back.");
    world.settle();
    world.pass(1_900);
    let last = &world.status_page().open[0].posts[0];
    assert_eq!(last.status, PostStatus::Monitoring, "mainstay has nothing new and does not contradict");
    assert!(last.body.contains("There is nothing new to report"), "{}", last.body);
    assert!(!last.body.contains("working on it"), "nobody said so: {}", last.body);
    world.acknowledge(1);
    world.pass(1_790);
    let last = &world.status_page().open[0].posts[0];
    assert!(last.body.starts_with("We are still working on it."), "{}", last.body);
}

#[test]
fn mainstay_writes_at_most_once_a_minute() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.find(1, Resource::host("api.acme.com"), Fault::Refused, Severity::Critical);
    world.find(2, Resource::host("shop.acme.net"), Fault::Refused, Severity::Critical);
    world.settle();
    for second in 0..600u64 {
        let stage = if second % 2 == 0 { Stage::Investigating } else { Stage::Failing };
        let affected: &[&str] = if second % 3 == 0 { &["api"] } else { &["api", "shop"] };
        let diagnosis = diagnosis(Resource::host("api.acme.com"), affected, &[], true, stage);
        if second == 0 {
            world.open(1, diagnosis)
        } else {
            world.diagnose(1, diagnosis)
        }
        world.settle();
        world.pass(1);
    }
    world.close(1);
    world.close(2);
    world.look_everywhere();
    world.resolve(1);
    world.settle();
    world.pass(120);
    let mut times: Vec<_> =
        world.status_page().past[0].incidents[0].posts.iter().map(|post| post.at).collect();
    times.reverse();
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_secs() >= 60), "{times:?}");
    assert!(times.len() >= 9, "{times:?}");
    assert_eq!(world.status_page().past[0].incidents[0].status, PostStatus::Resolved);
}

#[test]
fn the_status_page_says_what_it_knows() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.settle();
    world.pass(3_600);
    world.find(1, Resource::host("shop.acme.net"), Fault::Refused, Severity::Critical);
    world.open(
        1,
        diagnosis(Resource::host("shop.acme.net"), &["shop"], &["api", "auth"], true, Stage::Failing),
    );
    world.settle();
    world.pass(3_600);
    let status_page = world.status_page();
    let groups: Vec<(&str, Vec<&str>)> = status_page
        .groups
        .iter()
        .map(|group| {
            (group.name.as_str(), group.components.iter().map(|component| component.title.as_str()).collect())
        })
        .collect();
    assert_eq!(groups, [("Rest", vec!["API", "Shop"]), ("", vec!["Sign-in"])]);
    assert_eq!(
        (status_page.state, status_page.headline.as_str()),
        (ServiceState::MajorOutage, "Major outage: Shop")
    );
    assert_eq!((status_page.zone.as_str(), status_page.past.len()), ("Europe/Tallinn", 1));
    let shop = &status_page.groups[0].components[1];
    assert_eq!((shop.uptime_percent, shop.days.len()), (None, 90));
    assert_eq!(shop.since, Some(at("2026-11-22T13:00:00Z")));
    assert_eq!(
        status_page.open[0].affected,
        [(ServiceId::from("shop"), "Shop".to_owned(), ServiceState::MajorOutage)]
    );
    assert_eq!(status_page.open[0].impact, ServiceState::MajorOutage);
    serde_json::to_string(&status_page).unwrap();
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
