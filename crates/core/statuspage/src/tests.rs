//! Whole incidents, as the engine runs them, and the invariants of the crate.

mod databases;
mod publishing;
mod valve;

use crate::fixture::{Fixture, at, diagnosis};
use std::time::Duration;
use types::event::{ServiceState, UpdateStatus};
use types::fault::{DnsFault, DomainFault, Fault, TlsFault};
use types::incident::Stage;
use types::{EventKind, IncidentId, Resource, ServiceId, Severity};

fn state(fixture: &Fixture, service: &str) -> ServiceState {
    fixture.publisher.state(&service.into()).0
}

#[test]
fn expired_domain_publishes_updates_until_resolved() {
    let mut fixture = Fixture::new("2026-11-22T15:28:00Z");
    fixture.react();
    fixture.succeed_everywhere();
    fixture.react();
    fixture.advance(60);
    let name = || Resource::domain("acme.app");
    let parked = Some(["ns1.parking.example".to_owned()].into());
    let expired = || Fault::Domain { domain: DomainFault::Expired { at: None, parked_on: parked.clone() } };
    fixture.fire(7, name(), expired(), Severity::Critical);
    fixture.open(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Investigating));
    fixture.react();
    fixture.advance(10);
    fixture.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Failing));
    fixture.react();
    fixture.advance(5);
    fixture.fire(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    fixture.fire(
        2,
        Resource::tls("demo.acme.app"),
        Fault::Tls { tls: TlsFault::SelfSigned },
        Severity::Critical,
    );
    fixture.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop", "inner"], true, Stage::Failing));
    fixture.react();
    fixture.advance(120);
    fixture.acknowledge(1);
    fixture.react();
    fixture.advance(2_880);
    fixture.write(1, UpdateStatus::Identified, "We have renewed the name and wait for it to spread.");
    fixture.react();
    fixture.advance(300);
    fixture.clear(1);
    fixture.clear(7);
    fixture.diagnose(1, diagnosis(name(), &["auth"], &["api", "shop"], true, Stage::Recovering));
    fixture.react();
    fixture.advance(600);
    fixture.clear(2);
    fixture.resolve(1);
    fixture.succeed_everywhere();
    fixture.react();
    fixture.advance(86_400);
    insta::assert_snapshot!(fixture.transcript(), @r"
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
    let all = fixture.transcript();
    assert!(!all.contains("secret-host") && !all.contains("Inner queue"), "public text names no machines");
}

#[test]
fn missing_data_is_never_operational() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::Unknown, "no result yet");
    assert_eq!(fixture.worst(), (ServiceState::Unknown, vec!["API".into(), "Shop".into(), "Sign-in".into()]));
    fixture.probe("auth.acme.com", true);
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::Unknown, "one of two hosts");
    fixture.probe("demo.acme.app", false);
    fixture.react();
    assert_eq!(
        state(&fixture, "auth"),
        ServiceState::Unknown,
        "a first bad result is neither an alert nor operational"
    );
    fixture.probe("demo.acme.app", true);
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::Operational);
    assert_eq!(fixture.worst(), (ServiceState::Unknown, vec!["API".into(), "Shop".into()]));
    fixture.succeed_everywhere();
    fixture.react();
    assert_eq!(fixture.worst().0, ServiceState::Operational);
    fixture.isolated = true;
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::Unknown, "isolated");
    fixture.isolated = false;
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::Operational);
}

#[test]
fn certificate_of_a_declared_probe_is_a_part_of_its_service() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    let certificate = Resource::tls("gate.acme.com:8443");
    let mail = fixture.config.services[&ServiceId::from("api")].clone();
    let mail =
        types::config::Service { id: "mail".into(), title: "Mail".to_owned(), hosts: Vec::new(), ..mail };
    fixture.config.services.insert(mail.id.clone(), mail);
    fixture.config.graph.add_dependency(Resource::service("mail"), certificate.clone());
    fixture
        .last_results
        .insert(certificate.clone(), types::LastResult { at: at("2026-11-22T12:00:00Z"), healthy: true });
    fixture.react();
    assert_eq!(state(&fixture, "mail"), ServiceState::Operational, "its certificate is probed");
    let expiring = TlsFault::Expiring { at: at("2026-11-23T12:00:00Z"), left_percent: 1 };
    fixture.fire(1, certificate.clone(), Fault::Tls { tls: expiring }, Severity::Critical);
    fixture.react();
    assert_eq!(state(&fixture, "mail"), ServiceState::Operational, "still valid");
    fixture.fire(2, certificate, Fault::Tls { tls: TlsFault::SelfSigned }, Severity::Critical);
    fixture.react();
    assert_eq!(state(&fixture, "mail"), ServiceState::MajorOutage, "no client accepts it");
}

#[test]
fn state_follows_the_impact_on_clients() {
    use ServiceState::{Degraded, MajorOutage, Operational};
    use Severity::{Critical, Info, Warning};
    let slow = || Fault::Slow { limit: Duration::from_secs(2) };
    let (usual, level) = (Duration::from_millis(110), Duration::from_millis(240));
    let slower = || Fault::SlowerThanUsual { since: at("2026-11-22T11:50:00Z"), usual, level };
    let expiring =
        || Fault::Tls { tls: TlsFault::Expiring { at: at("2027-01-01T00:00:00Z"), left_percent: 9 } };
    let runs_out = || Fault::Domain { domain: DomainFault::AutoRenew };
    let host = || Resource::host("api.acme.com");
    for (about, fault, severity, expected, why) in [
        (host(), Fault::Refused, Critical, MajorOutage, "its only host"),
        (
            Resource::tls("api.acme.com"),
            Fault::Tls { tls: TlsFault::SelfSigned },
            Critical,
            MajorOutage,
            "browsers refuse",
        ),
        (host(), slow(), Warning, Degraded, "slow"),
        (host(), slow(), Info, Operational, "info"),
        (host(), slower(), Info, Operational, "slower than usual"),
        (host(), slower(), Warning, Operational, "as a warning"),
        (Resource::tls("api.acme.com"), expiring(), Warning, Operational, "expires in weeks"),
        (host(), expiring(), Warning, Operational, "the same, seen on the host"),
        (Resource::domain("acme.com"), runs_out(), Warning, Operational, "may expire"),
        (Resource::host("auth.acme.com"), Fault::Refused, Critical, Operational, "host of another service"),
        (
            Resource::service("api"),
            Fault::BodyLacks,
            Critical,
            Operational,
            "no declared probe of the service",
        ),
    ] {
        let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
        fixture.succeed_everywhere();
        fixture.react();
        fixture.fire(1, about, fault, severity);
        fixture.react();
        assert_eq!(state(&fixture, "api"), expected, "{why}");
        fixture.clear(1);
        fixture.react();
        assert_eq!(state(&fixture, "api"), ServiceState::Operational, "{why}: over");
    }
}

#[test]
fn outage_is_partial_until_every_host_fails() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.succeed_everywhere();
    fixture.fire(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::PartialOutage, "one of two hosts");
    fixture.fire(2, Resource::host("demo.acme.app"), Fault::Refused, Severity::Critical);
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::MajorOutage, "both");
    assert_eq!(fixture.worst(), (ServiceState::MajorOutage, vec!["Sign-in".into()]));
}

#[test]
fn alert_without_impact_changes_no_state_and_publishes_nothing() {
    let soon = || Fault::Tls { tls: TlsFault::Expiring { at: at("2026-11-23T00:00:00Z"), left_percent: 1 } };
    let few_and = |serving, refuses| Fault::PoolBelowMinimum {
        healthy: serving,
        declared: 2,
        min_healthy: 2,
        out: Vec::new(),
        serving: Vec::new(),
        backups: 0,
        balancer: None,
        refuses,
    };
    let few = |serving| few_and(serving, false);
    let expired = |parked: bool| {
        let parked_on = parked.then(|| ["ns1.parking.example".to_owned()].into());
        Fault::Domain { domain: DomainFault::Expired { at: None, parked_on } }
    };
    let expires =
        || Fault::Domain { domain: DomainFault::Expires { at: at("2026-11-22T20:00:00Z"), days: 0 } };
    let host = || Resource::host("api.acme.com");
    for (about, fault, affected, updates, why) in [
        (host(), Fault::Refused, "api", 1, "fails"),
        (host(), Fault::Refused, "inner", 0, "not public"),
        (host(), Fault::Refused, "nobody", 0, "not in the configuration"),
        (Resource::tls("api.acme.com"), soon(), "api", 0, "certificate still valid"),
        (Resource::pool("api"), few(1), "api", 0, "redundancy is lost, nothing fails"),
        (Resource::pool("api"), few_and(1, true), "api", 1, "clients are refused"),
        (Resource::pool("api"), few(0), "api", 1, "nothing serves"),
        (Resource::domain("acme.com"), expires(), "api", 0, "registration still valid"),
        (Resource::domain("acme.com"), expired(false), "api", 0, "expired, delegated as before"),
        (Resource::domain("acme.com"), expired(true), "api", 1, "expired, parked"),
    ] {
        let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
        fixture.succeed_everywhere();
        fixture.react();
        let about_host = about == host();
        fixture.fire(1, about.clone(), fault, Severity::Critical);
        fixture.open(1, diagnosis(about, &[affected], &[], true, Stage::Failing));
        fixture.react();
        fixture.advance(300);
        assert_eq!(fixture.status_page().open.len(), updates, "{why}");
        let out = updates == 1 || about_host;
        assert_eq!(state(&fixture, "api") >= ServiceState::PartialOutage, out, "{why}");
        fixture.clear(1);
        fixture.succeed_everywhere();
        fixture.resolve(1);
        fixture.react();
        fixture.advance(60);
        let status_page = fixture.status_page();
        assert!(status_page.open.is_empty(), "{why}");
        assert_eq!(status_page.past[0].incidents.len(), updates, "{why}");
    }
}

#[test]
fn warning_degrades_the_state_and_publishes_nothing() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.succeed_everywhere();
    fixture.fire(
        1,
        Resource::host("api.acme.com"),
        Fault::Slow { limit: Duration::from_secs(2) },
        Severity::Warning,
    );
    fixture.open(1, diagnosis(Resource::host("api.acme.com"), &["api"], &[], false, Stage::Failing));
    fixture.react();
    fixture.advance(600);
    assert_eq!(fixture.worst(), (ServiceState::Degraded, vec!["API".into()]));
    assert_eq!(fixture.status_page().open, []);
}

#[test]
fn restart_keeps_the_last_state_until_every_part_has_a_result() {
    let mut fixture = Fixture::new("2026-11-22T10:00:00Z");
    fixture.succeed_everywhere();
    fixture.react();
    let before = fixture.now;
    fixture.restart();
    fixture.now = at("2026-11-22T11:00:00Z");
    fixture.commit(vec![EventKind::Booted { unmonitored_since: Some(at("2026-11-22T10:30:00Z")) }]);
    fixture.react();
    assert_eq!(fixture.publisher.state(&"auth".into()), (ServiceState::Operational, Some(before)));
    fixture.fire(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    fixture.react();
    assert_eq!(state(&fixture, "auth"), ServiceState::PartialOutage, "an alert counts immediately");
    fixture.now = at("2026-11-22T12:00:00Z");
    let status_page = fixture.status_page();
    let auth = &status_page.groups.iter().find(|group| group.name.is_empty()).unwrap().components[0];
    assert_eq!(auth.uptime_percent, None, "monitored for less than a day");
    let (uptime, monitored) = fixture.ask(|publisher, context| {
        let mut all = publisher.uptimes(context.config, context.now);
        all.find(|(id, _)| id.0 == "auth").map(|(_, uptime)| uptime).unwrap_or_default()
    });
    let uptime = uptime.unwrap();
    assert_eq!(monitored, Duration::from_secs(5_400));
    assert!((uptime - 80.0).abs() < 1e-9, "one hour at 30 % in 90 monitored minutes: {uptime}");
    assert_eq!(auth.days[89].out, Duration::from_secs(3_600));
    assert_eq!(auth.days[88].worst, None);
}

#[test]
fn merged_incident_refers_to_the_other() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.succeed_everywhere();
    fixture.fire(1, Resource::host("api.acme.com"), Fault::Refused, Severity::Critical);
    fixture.open(1, diagnosis(Resource::host("api.acme.com"), &["api"], &[], true, Stage::Investigating));
    fixture.react();
    fixture.advance(90);
    fixture.fire(2, Resource::dns("acme.com"), Fault::Dns { dns: DnsFault::NoServer }, Severity::Critical);
    fixture
        .open(2, diagnosis(Resource::domain("acme.com"), &["api", "auth"], &["shop"], true, Stage::Failing));
    fixture.commit(vec![EventKind::IncidentMerged { incident: IncidentId(1), into: IncidentId(2) }]);
    fixture.react();
    fixture.advance(60);
    let status_page = fixture.status_page();
    assert_eq!(status_page.open.len(), 1);
    assert_eq!(status_page.open[0].title, "API and Sign-in are failing");
    let old = &status_page.past[0].incidents[0];
    assert_eq!(old.status, UpdateStatus::Resolved);
    assert_eq!(
        old.updates[0].body,
        "This is part of a larger problem. Please follow the updates under “API and Sign-in are failing”."
    );
}

#[test]
fn promised_update_is_published_once_and_keeps_the_status_of_a_person() {
    let mut fixture = Fixture::new("2026-11-22T11:59:10Z");
    fixture.succeed_everywhere();
    fixture.fire(1, Resource::host("api.acme.com"), Fault::Refused, Severity::Critical);
    fixture.open(1, diagnosis(Resource::host("api.acme.com"), &["api"], &[], true, Stage::Failing));
    fixture.react();
    fixture.advance(60);
    let promised = fixture.status_page().open[0].next_update_by;
    assert_eq!(promised, Some(at("2026-11-22T12:30:00Z")), "whole minutes");
    fixture.advance(3_600);
    let times: Vec<String> = fixture.status_page().open[0]
        .updates
        .iter()
        .map(|update| update.at.strftime("%H:%M:%S").to_string())
        .collect();
    assert_eq!(times, ["13:00:00", "12:30:00", "12:00:10"]);
    fixture.write(1, UpdateStatus::Monitoring, "We have put the old version back.");
    fixture.react();
    fixture.advance(1_900);
    let last = &fixture.status_page().open[0].updates[0];
    assert_eq!(last.status, UpdateStatus::Monitoring, "no news keeps the status of the person");
    assert!(last.body.contains("There is nothing new to report"), "{}", last.body);
    assert!(!last.body.contains("working on it"), "not acknowledged: {}", last.body);
    fixture.acknowledge(1);
    fixture.advance(1_790);
    let last = &fixture.status_page().open[0].updates[0];
    assert!(last.body.starts_with("We are still working on it."), "{}", last.body);
}

#[test]
fn automatic_updates_are_a_minute_apart() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.succeed_everywhere();
    fixture.fire(1, Resource::host("api.acme.com"), Fault::Refused, Severity::Critical);
    fixture.fire(2, Resource::host("shop.acme.net"), Fault::Refused, Severity::Critical);
    fixture.react();
    for second in 0..600u64 {
        let stage = if second % 2 == 0 { Stage::Investigating } else { Stage::Failing };
        let affected: &[&str] = if second % 3 == 0 { &["api"] } else { &["api", "shop"] };
        let diagnosis = diagnosis(Resource::host("api.acme.com"), affected, &[], true, stage);
        if second == 0 {
            fixture.open(1, diagnosis)
        } else {
            fixture.diagnose(1, diagnosis)
        }
        fixture.react();
        fixture.advance(1);
    }
    fixture.clear(1);
    fixture.clear(2);
    fixture.succeed_everywhere();
    fixture.resolve(1);
    fixture.react();
    fixture.advance(120);
    let mut times: Vec<_> =
        fixture.status_page().past[0].incidents[0].updates.iter().map(|update| update.at).collect();
    times.reverse();
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_secs() >= 60), "{times:?}");
    assert!(times.len() >= 9, "{times:?}");
    assert_eq!(fixture.status_page().past[0].incidents[0].status, UpdateStatus::Resolved);
}

#[test]
fn status_page_contains_groups_incidents_and_history() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.succeed_everywhere();
    fixture.react();
    fixture.advance(3_600);
    fixture.fire(1, Resource::host("shop.acme.net"), Fault::Refused, Severity::Critical);
    fixture.open(
        1,
        diagnosis(Resource::host("shop.acme.net"), &["shop"], &["api", "auth"], true, Stage::Failing),
    );
    fixture.react();
    fixture.advance(3_600);
    let status_page = fixture.status_page();
    let groups: Vec<(&str, Vec<&str>)> = status_page
        .groups
        .iter()
        .map(|group| {
            (group.name.as_str(), group.components.iter().map(|component| component.title.as_str()).collect())
        })
        .collect();
    assert_eq!(groups, [("Rest", vec!["API", "Shop"]), ("", vec!["Sign-in"])]);
    assert_eq!(fixture.worst(), (ServiceState::MajorOutage, vec!["Shop".into()]));
    assert_eq!((status_page.timezone_name.as_str(), status_page.past.len()), ("Europe/Tallinn", 1));
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
fn unchanged_probe_result_produces_no_event() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.succeed_everywhere();
    fixture.react();
    let before = fixture.journal.events.len();
    for _ in 0..100 {
        fixture.advance(1);
        fixture.succeed_everywhere();
        fixture.react();
    }
    assert_eq!(fixture.journal.events.len(), before);
    fixture.restart();
}
