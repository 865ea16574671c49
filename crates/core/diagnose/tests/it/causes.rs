//! Which thing is to blame, and what happens when we learn better.

use crate::fixture::*;
use insta::assert_snapshot;
use types::fault::{DnsFault, DomainFault, Fault, TlsFault};
use types::{EventKind, IncidentId, LastResult, Resource, Severity};

fn expired() -> Fault {
    Fault::Domain { domain: DomainFault::Expired { at: Some(at("2026-11-22T15:20:00Z")), parked_on: None } }
}

#[test]
fn a_fresh_alert_has_everything_beneath_and_beside_it_looked_at() {
    let mut w = Fixture::new();
    w.breaks("host.api.acme.io", Fault::Refused);
    assert_eq!(w.react(), "", "nothing is known about what lies beneath");
    let wanted = w.sooner();
    for probe in ["tls.api.acme.io", "dns.acme.io", "domain.acme.io", "host.a.acme.app", "host.shop.acme.io"]
    {
        assert!(wanted.iter().any(|wanted| wanted == probe), "{probe} in {wanted:?}");
    }
    w.pass(1).look_at_all();
    assert_snapshot!(w.react(), @r"
    15:28:01 + incident-1 host.api.acme.io Failing wakes
        api.acme.io refuses connections since 15:28 UTC; API is affected; 7 other names are not affected
        affected: api; not: auth shop
    ");
}

#[test]
fn it_waits_three_seconds_and_six_when_something_looks_suspicious() {
    for (suspicious, waits) in [(false, 3), (true, 6)] {
        let mut w = Fixture::new();
        w.breaks("host.shop.acme.io", Fault::Refused);
        w.last_results.insert(Resource::tls("shop.acme.io"), LastResult { at: w.now, healthy: !suspicious });
        for _ in 0..waits {
            assert_eq!(w.react(), "");
            let last_result = |_: &Resource| None;
            let colocated = |_: &types::SeenAt, _| std::collections::BTreeSet::new();
            let seen = diagnose::Observations {
                alerts: &w.journal.alerts,
                last_result: &last_result,
                colocated: &colocated,
            };
            assert!(w.diagnose.next_deadline(&w.config, w.now).is_some_and(|next| next > w.now), "{seen:?}");
            w.pass(1);
        }
        assert!(w.react().contains("+ incident-1 host.shop.acme.io"));
    }
}

#[test]
fn the_deeper_cause_takes_the_incident_over() {
    let mut w = Fixture::new();
    w.look_at_all();
    w.breaks("host.a.acme.app", Fault::NameNotFound);
    let mut words = w.debounce();
    w.pass(1).breaks("dns.acme.app", Fault::Dns { dns: DnsFault::NoServer });
    words += &w.debounce();
    w.pass(1).breaks("domain.acme.app", expired());
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:28:01 + incident-1 host.a.acme.app Failing wakes
        a.acme.app does not resolve: no such name or no address since 15:28 UTC; API and Sign-in are affected; 7 other names are not affected
        affected: api auth; not: shop
    15:28:03 ~ incident-1 dns.acme.app Failing wakes
        acme.app has no name server that answers for it since 15:28 UTC; 1 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:28:05 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:20 UTC; 1 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    ");
}

#[test]
fn two_incidents_that_turn_out_to_be_one_merge_into_the_older() {
    let mut w = Fixture::new();
    w.look_at_all();
    w.breaks("host.shop.acme.io", Fault::NameNotFound);
    let mut words = w.debounce();
    w.pass(20).breaks("host.api.acme.io", Fault::NameNotFound);
    words += &w.debounce();
    w.pass(20).breaks("dns.acme.io", Fault::Dns { dns: DnsFault::NotDelegated });
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:28:01 + incident-1 host.shop.acme.io Failing wakes
        shop.acme.io does not resolve: no such name or no address since 15:28 UTC; Shop is affected; 7 other names are not affected
        affected: shop; not: api auth
    15:28:22 ~ incident-1 host.shop.acme.io Failing wakes
        shop.acme.io does not resolve: no such name or no address since 15:28 UTC; Shop is affected; 6 other names are not affected
        affected: shop; not: auth
    15:28:22 + incident-2 host.api.acme.io Failing wakes
        api.acme.io does not resolve: no such name or no address since 15:28 UTC; API is affected; 6 other names are not affected
        affected: api; not: auth
    15:28:43 incident-2 > incident-1
    15:28:43 ~ incident-1 dns.acme.io Failing wakes
        acme.io is not delegated by its parent zone since 15:28 UTC; 2 names and 2 services fail because of it; 6 other names are not affected
        affected: api shop; not: auth
    ");
    w.restart();
}

#[test]
fn what_a_service_needs_explains_it() {
    let mut w = Fixture::new();
    w.look_at_all();
    w.breaks("host.api.acme.io", Fault::Status { got: 502 });
    w.breaks("tls.b.acme.app", Fault::Tls { tls: TlsFault::SelfSigned });
    w.breaks("host.b.acme.app", Fault::Tls { tls: TlsFault::SelfSigned });
    assert_snapshot!(w.debounce(), @r"
    15:28:01 + incident-1 tls.b.acme.app Failing wakes
        b.acme.app serves a self-signed certificate since 15:28 UTC; API and Sign-in are affected; 6 other names are not affected
        affected: api auth; not: shop
    ");
}

#[test]
fn a_date_ahead_explains_nothing() {
    let mut w = Fixture::new();
    w.look_at_all();
    let soon = DomainFault::Expires { at: at("2026-11-23T00:00:00Z"), days: 1 };
    w.breaks("domain.acme.io", Fault::Domain { domain: soon });
    w.open(
        "tls.shop.acme.io",
        Fault::Tls { tls: TlsFault::Expiring { at: at("2026-12-01T00:00:00Z"), left_percent: 10 } },
        Severity::Warning,
    );
    w.debounce();
    w.pass(5).breaks("host.shop.acme.io", Fault::Refused);
    w.open(
        "dns.acme.app",
        Fault::Dns { dns: DnsFault::DelegationMoved { from: set(&["a"]), to: set(&["b"]) } },
        Severity::Info,
    );
    w.debounce();
    let causes: Vec<String> =
        w.diagnose.incidents().values().map(|i| i.diagnosis.cause.to_string()).collect();
    assert_eq!(causes, ["tls.shop.acme.io", "domain.acme.io", "host.shop.acme.io"]);
}

#[test]
fn a_cause_that_ended_still_explains_what_caches_hand_out() {
    let mut w = Fixture::new();
    w.look_at_all();
    let domain = w.breaks("domain.acme.app", expired());
    let mut words = w.react();
    let wrong = || Fault::Tls { tls: TlsFault::WrongName { presented: vec!["parking.example".into()] } };
    let first = w.pass(20).breaks("tls.a.acme.app", wrong());
    words += &w.debounce();
    w.pass(600).close(domain);
    words += &w.debounce();
    let second = w.pass(10).breaks("tls.b.acme.app", wrong());
    words += &w.debounce();
    assert_eq!(w.diagnose.incidents().len(), 1);
    w.pass(100).close(first);
    w.pass(100).close(second);
    words += &w.react();
    words += "-- and now every name once more\n";
    assert!(w.sooner().contains(&"host.f.acme.app".to_owned()));
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:28:00 + incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:20 UTC; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:28:21 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:20 UTC; 1 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:38:22 ~ incident-1 domain.acme.app Recovering wakes
        acme.app recovered at 15:38 UTC; 1 of 6 names still fails
        affected: api auth; not: shop
    15:38:33 ~ incident-1 domain.acme.app Recovering wakes
        acme.app recovered at 15:38 UTC; 2 of 6 names still fail
        affected: api auth; not: shop
    15:41:53 ~ incident-1 domain.acme.app Recovering wakes
        acme.app recovered at 15:38 UTC; dependent resources are being checked
        affected: -; not: shop
    -- and now every name once more
    15:41:54 - incident-1 acme.app had expired at 15:20 UTC; 2 names and 2 services failed for 13 min
    ");
}

#[test]
fn a_warning_that_a_person_set_aside_opens_again_only_when_it_changes() {
    let mut w = Fixture::new();
    w.look_at_all();
    let alert = w.open("host.shop.acme.io", Fault::Slow { limit: secs(1) }, Severity::Warning);
    w.debounce();
    assert_eq!(w.diagnose.still_failing(&w.diagnose.incidents()[&IncidentId(1)]), None);
    w.record(EventKind::IncidentResolved { incident: IncidentId(1), summary: "Ana says it is over".into() });
    assert_eq!(w.pass(60).debounce(), "");
    w.restart();
    assert_eq!(w.pass(60).debounce(), "");
    let (fault, evidence) = (Fault::Slow { limit: secs(1) }, "worse".to_owned());
    w.record(EventKind::AlertChanged { alert, fault, severity: Severity::Critical, evidence });
    assert!(w.debounce().contains("+ incident-2 host.shop.acme.io"));
}

#[test]
fn what_fails_still_is_an_incident_again_with_the_next_bad_answer() {
    for heard in [true, false] {
        let mut w = Fixture::new();
        w.look_at_all();
        w.breaks("host.shop.acme.io", Fault::Refused);
        w.debounce();
        let failing = w.diagnose.still_failing(&w.diagnose.incidents()[&IncidentId(1)]);
        assert_eq!(failing.as_deref(), Some("shop.acme.io refuses connections"));
        w.record(EventKind::IncidentResolved { incident: IncidentId(1), summary: "Ana says so".into() });
        assert_eq!(w.react(), "", "not in the same breath");
        assert!(w.sooner().contains(&"host.shop.acme.io".to_owned()), "it is asked at once");
        assert!(w.diagnose.next_deadline(&w.config, w.now).is_some());
        w.restart();
        if heard {
            w.pass(1).look_at_all();
        } else {
            w.pass(9);
            assert_eq!(w.react(), "", "nothing was heard");
            w.pass(1);
        }
        assert!(w.react().contains("+ incident-2 host.shop.acme.io"), "heard {heard}");
        w.restart();
        w.pass(5);
        w.last_results.insert(Resource::host("shop.acme.io"), LastResult { at: w.now, healthy: true });
        assert_eq!(w.react(), "", "one good answer ends no alert");
        assert!(w.diagnose.incidents()[&IncidentId(2)].is_open());
    }
}

#[test]
fn what_recovers_after_it_was_declared_over_stays_over() {
    let mut w = Fixture::new();
    w.look_at_all();
    let alert = w.breaks("host.shop.acme.io", Fault::Refused);
    w.debounce();
    w.record(EventKind::IncidentResolved { incident: IncidentId(1), summary: "Ana says so".into() });
    w.pass(1);
    w.last_results.insert(Resource::host("shop.acme.io"), LastResult { at: w.now, healthy: true });
    assert_eq!(w.react(), "");
    w.pass(1).close(alert);
    assert_eq!(w.pass(60).debounce(), "");
}
