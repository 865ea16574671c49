//! The first line of everything that people read, for every kind of cause.

use crate::fixture::*;
use insta::assert_snapshot;
use std::collections::BTreeSet;
use std::fmt::Write;
use types::fault::{DnsFault, DomainFault, Fault, Phase, TlsFault};
use types::{IncidentId, Severity};

fn domain(domain: DomainFault) -> Fault {
    Fault::Domain { domain }
}

fn dns(dns: DnsFault) -> Fault {
    Fault::Dns { dns }
}

fn tls(tls: TlsFault) -> Fault {
    Fault::Tls { tls }
}

fn parking() -> BTreeSet<String> {
    set(&["ns1.parking.example", "ns2.parking.example"])
}

fn hosting() -> BTreeSet<String> {
    set(&["ns1.host.example", "ns2.host.example"])
}

/// The summaries of an incident with this fault as its cause: while it is open, and after its end.
fn summaries(causes: &[(&str, Fault, Severity)]) -> String {
    let mut table = String::new();
    for (about, fault, severity) in causes {
        let mut w = Fixture::new();
        w.look_at_all();
        let alert = w.open(about, fault.clone(), *severity);
        w.debounce();
        let wakes = w.diagnose.incidents()[&IncidentId(1)].diagnosis.wakes;
        writeln!(table, "{}{}", w.summary(1), if wakes { "" } else { " (wakes nobody)" }).unwrap();
        w.pass(2520).close(alert);
        w.react();
        w.debounce();
        assert!(!w.diagnose.incidents()[&IncidentId(1)].is_open(), "{}", w.summary(1));
        writeln!(table, "    {}", w.summary(1)).unwrap();
    }
    table
}

#[test]
fn expiry_of_a_domain_has_plain_summaries() {
    let table = summaries(&[
        (
            "domain.acme.app",
            domain(DomainFault::Expired { at: Some(at("2026-11-22T15:20:00Z")), parked_on: Some(parking()) }),
            Severity::Critical,
        ),
        (
            "domain.acme.app",
            domain(DomainFault::Expired { at: Some(at("2026-11-20T03:00:00Z")), parked_on: None }),
            Severity::Critical,
        ),
        (
            "domain.acme.app",
            domain(DomainFault::Expired { at: None, parked_on: Some(parking()) }),
            Severity::Critical,
        ),
        (
            "domain.acme.app",
            domain(DomainFault::Expires { at: at("2026-12-04T00:00:00Z"), days: 14 }),
            Severity::Warning,
        ),
        (
            "domain.acme.app",
            domain(DomainFault::Expires { at: at("2026-11-23T09:00:00Z"), days: 1 }),
            Severity::Critical,
        ),
    ]);
    assert_snapshot!(table, @r"
    acme.app expired at 15:20 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app had expired at 15:20 UTC; it lasted 42 min, no name failed
    acme.app expired on 2026-11-20 at 03:00 UTC; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app had expired on 2026-11-20 at 03:00 UTC; it lasted 42 min, no name failed
    acme.app expired; its name servers are now ns1.parking.example, ns2.parking.example; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app had expired; it lasted 42 min, no name failed
    acme.app expires on 2026-12-04, in less than 14 days; 6 names depend on it (wakes nobody)
        acme.app was due to expire on 2026-12-04; resolved after 42 min
    acme.app expires on 2026-11-23 at 09:00 UTC, in less than a day; 6 names depend on it
        acme.app was due to expire on 2026-11-23; resolved after 42 min
    ");
}

#[test]
fn status_of_a_domain_has_plain_summaries() {
    let table = summaries(&[
        ("domain.acme.app", domain(DomainFault::AutoRenew), Severity::Warning),
        (
            "domain.acme.app",
            domain(DomainFault::Held { by: "registrar".into(), status: "client hold".into() }),
            Severity::Critical,
        ),
        ("domain.acme.app", domain(DomainFault::Redemption), Severity::Critical),
        ("domain.acme.app", domain(DomainFault::PendingDelete), Severity::Critical),
        ("domain.acme.app", domain(DomainFault::PendingTransfer), Severity::Warning),
        ("domain.acme.app", domain(DomainFault::NotRegistered), Severity::Critical),
        (
            "domain.acme.app",
            domain(DomainFault::Stale { since: at("2026-11-19T12:00:00Z") }),
            Severity::Warning,
        ),
    ]);
    assert_snapshot!(table, @r"
    acme.app is in its auto renew period: the registry moved the date, but it may not have been paid for; 6 names depend on it (wakes nobody)
        acme.app was in its auto renew period: the registry moved the date, but it may not have been paid for; it lasted 42 min
    acme.app is removed from DNS by its registrar (client hold) since 15:28 UTC; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app was removed from DNS by its registrar (client hold); it lasted 42 min, no name failed
    acme.app was deleted and can be restored for at most 30 days (redemption period); 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app had been deleted (redemption period); it lasted 42 min, no name failed
    acme.app is about to be released for registration (pending delete); 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app was about to be released for registration (pending delete); it lasted 42 min, no name failed
    acme.app is being transferred to another registrar since 15:28 UTC; 6 names depend on it (wakes nobody)
        acme.app was being transferred to another registrar; it lasted 42 min
    acme.app is not registered since 15:28 UTC; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app was not registered; it lasted 42 min, no name failed
    acme.app has an expiry date that could not be confirmed since 2026-11-19 12:00 UTC; 6 names depend on it (wakes nobody)
        acme.app had an expiry date that could not be confirmed since 2026-11-19 12:00 UTC; it lasted 42 min
    ");
}

#[test]
fn dns_fault_has_plain_summaries() {
    let table = summaries(&[
        (
            "dns.acme.app",
            dns(DnsFault::DelegationMoved { from: hosting(), to: parking() }),
            Severity::Critical,
        ),
        ("dns.acme.app", dns(DnsFault::NotDelegated), Severity::Critical),
        ("dns.acme.app", dns(DnsFault::NoServer), Severity::Critical),
        (
            "dns.acme.app",
            dns(DnsFault::LameServers { servers: set(&["ns2.host.example"]) }),
            Severity::Warning,
        ),
        ("dns.acme.app", dns(DnsFault::Disagree { servers: set(&["ns2.host.example"]) }), Severity::Warning),
    ]);
    assert_snapshot!(table, @r"
    acme.app is delegated to ns1.parking.example, ns2.parking.example instead of ns1.host.example, ns2.host.example since 15:28 UTC; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app was delegated to ns1.parking.example, ns2.parking.example instead of ns1.host.example, ns2.host.example; it lasted 42 min, no name failed
    acme.app is not delegated by its parent zone since 15:28 UTC; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app was not delegated by its parent zone; it lasted 42 min, no name failed
    acme.app has no name server that answers for it since 15:28 UTC; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        acme.app had no name server that answers for it; it lasted 42 min, no name failed
    acme.app has name servers that do not serve it: ns2.host.example since 15:28 UTC; 6 names depend on it (wakes nobody)
        acme.app had name servers that do not serve it: ns2.host.example; it lasted 42 min
    acme.app has name servers that disagree (ns2.host.example) since 15:28 UTC; 6 names depend on it (wakes nobody)
        acme.app had name servers that disagree (ns2.host.example); it lasted 42 min
    ");
}

#[test]
fn certificate_fault_has_plain_summaries() {
    let table = summaries(&[
        (
            "tls.a.acme.app",
            tls(TlsFault::WrongName { presented: vec!["parking.example".into()] }),
            Severity::Critical,
        ),
        ("tls.a.acme.app", tls(TlsFault::Expired { since: at("2026-11-22T15:20:00Z") }), Severity::Critical),
        (
            "tls.a.acme.app",
            tls(TlsFault::Expiring { at: at("2026-12-20T08:00:00Z"), left_percent: 33 }),
            Severity::Warning,
        ),
        (
            "tls.a.acme.app",
            tls(TlsFault::Expiring { at: at("2026-11-22T20:00:00Z"), left_percent: 3 }),
            Severity::Critical,
        ),
        (
            "tls.a.acme.app",
            tls(TlsFault::IncompleteChain { missing: "CN=Middle".into() }),
            Severity::Critical,
        ),
    ]);
    assert_snapshot!(table, @r"
    a.acme.app serves a certificate for parking.example (ERR_TLS_CERT_ALTNAME_INVALID) since 15:28 UTC; API and Sign-in are affected; 7 other names are not affected
        a.acme.app served a certificate for parking.example (ERR_TLS_CERT_ALTNAME_INVALID); 2 services affected for 42 min
    a.acme.app serves a certificate that expired at 15:20 UTC; API and Sign-in are affected; 7 other names are not affected
        a.acme.app served a certificate that expired at 15:20 UTC; 2 services affected for 42 min
    a.acme.app serves a certificate that expires on 2026-12-20, with less than a third of its lifetime left; 1 name depends on it (wakes nobody)
        a.acme.app served a certificate that was due to expire on 2026-12-20; resolved after 42 min
    a.acme.app serves a certificate that expires at 20:00 UTC, with less than a thirtieth of its lifetime left; 1 name depends on it
        a.acme.app served a certificate that was due to expire on 2026-11-22; resolved after 42 min
    a.acme.app serves an incomplete certificate chain: `CN=Middle` is missing since 15:28 UTC; API and Sign-in are affected; 7 other names are not affected
        a.acme.app served an incomplete certificate chain: `CN=Middle` is missing; 2 services affected for 42 min
    ");
}

#[test]
fn host_fault_has_plain_summaries() {
    let table = summaries(&[
        ("host.shop.acme.io", Fault::Refused, Severity::Critical),
        ("host.shop.acme.io", Fault::NameNotFound, Severity::Critical),
        ("host.shop.acme.io", Fault::Unreachable { why: "no route to host".into() }, Severity::Critical),
        ("host.shop.acme.io", Fault::TimedOut { phase: Phase::Connect }, Severity::Critical),
        ("host.shop.acme.io", Fault::Status { got: 502 }, Severity::Critical),
        ("host.shop.acme.io", Fault::BodyLacks, Severity::Critical),
        ("host.shop.acme.io", Fault::RedirectLoop, Severity::Critical),
        (
            "host.shop.acme.io",
            Fault::Slow { limit: std::time::Duration::from_millis(800) },
            Severity::Warning,
        ),
    ]);
    assert_snapshot!(table, @r"
    shop.acme.io refuses connections since 15:28 UTC; Shop is affected; 7 other names are not affected
        shop.acme.io refused connections; 1 service affected for 42 min
    shop.acme.io does not resolve: no such name or no address since 15:28 UTC; Shop is affected; 7 other names are not affected
        shop.acme.io did not resolve: no such name or no address; 1 service affected for 42 min
    shop.acme.io cannot be reached: no route to host since 15:28 UTC; Shop is affected; 7 other names are not affected
        shop.acme.io could not be reached: no route to host; 1 service affected for 42 min
    shop.acme.io times out (connect) since 15:28 UTC; Shop is affected; 7 other names are not affected
        shop.acme.io timed out (connect); 1 service affected for 42 min
    shop.acme.io answers with status 502 since 15:28 UTC; Shop is affected; 7 other names are not affected
        shop.acme.io answered with status 502; 1 service affected for 42 min
    shop.acme.io answers without the expected text since 15:28 UTC; Shop is affected; 7 other names are not affected
        shop.acme.io answered without the expected text; 1 service affected for 42 min
    shop.acme.io redirects in a loop since 15:28 UTC; Shop is affected; 7 other names are not affected
        shop.acme.io redirected in a loop; 1 service affected for 42 min
    shop.acme.io answers too slowly (over 800 ms) since 15:28 UTC; Shop is affected (wakes nobody)
        shop.acme.io answered too slowly (over 800 ms); 1 service affected for 42 min
    ");
}

#[test]
fn isolation_has_plain_summaries() {
    let table = summaries(&[(
        "mainstay.here",
        Fault::Isolated { why: "6 of 6 names asked can be neither looked up nor reached".into() },
        Severity::Warning,
    )]);
    assert_snapshot!(table, @r"
    mainstay is isolated since 15:28 UTC: 6 of 6 names asked can be neither looked up nor reached; failures are not reported meanwhile (wakes nobody)
        mainstay was isolated: 6 of 6 names asked can be neither looked up nor reached; it lasted 42 min
    ");
}

#[test]
fn several_names_of_one_service_are_one_trouble() {
    let mut w = Fixture::new();
    w.look_at_all();
    for name in &NAMES[1..4] {
        w.breaks(&format!("host.{name}"), Fault::Status { got: 502 });
    }
    let mut words = w.debounce();
    w.pass(10).breaks(&format!("host.{}", NAMES[4]), Fault::Refused);
    words += &w.debounce();
    let all: Vec<_> = w.journal.alerts.keys().copied().collect();
    for alert in all {
        w.pass(60).close(alert);
    }
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:28:01 + incident-1 service.auth Investigating wakes
        3 of 6 names of Sign-in answer with status 502, since 15:28 UTC; no common cause found yet; api.acme.io and shop.acme.io are not affected
        affected: auth; not: shop
    15:28:12 ~ incident-1 service.auth Investigating wakes
        4 of 6 names of Sign-in fail: e.acme.app refuses connections, b.acme.app, c.acme.app, d.acme.app answer with status 502, since 15:28 UTC; no common cause found yet; api.acme.io and shop.acme.io are not affected
        affected: auth; not: shop
    15:32:13 - incident-1 4 of 6 names of Sign-in failed: e.acme.app refused connections, b.acme.app, c.acme.app, d.acme.app answered with status 502; 4 names and 1 service failed for 4 min 12 s
    ");
}

#[test]
fn a_warning_about_one_name_is_no_failure_beside_the_failures_of_others() {
    let limit = || Fault::TlsUnsupported { what: "its key exchange is in the group X448".into() };
    let slow = || Fault::Slow { limit: secs(1) };
    let mut w = Fixture::new();
    w.look_at_all();
    w.open(&format!("host.{}", NAMES[1]), limit(), Severity::Warning);
    w.open(&format!("host.{}", NAMES[2]), slow(), Severity::Warning);
    let mut words = w.debounce();
    w.pass(10);
    let failing =
        [(3, 503), (4, 504)].map(|(n, got)| w.breaks(&format!("host.{}", NAMES[n]), Fault::Status { got }));
    words += &w.debounce();
    for alert in failing {
        w.pass(60).close(alert);
    }
    words += &w.debounce();
    assert_snapshot!(words, @r"
    15:28:01 + incident-1 service.auth Investigating
        2 of 6 names of Sign-in have warnings: c.acme.app answers too slowly (over 1000 ms), b.acme.app cannot negotiate TLS with mainstay: its key exchange is in the group X448, since 15:28 UTC; no common cause found yet
        affected: auth; not: shop
    15:28:12 ~ incident-1 service.auth Investigating wakes
        2 of 6 names of Sign-in fail: d.acme.app answers with status 503, e.acme.app answers with status 504, since 15:28 UTC; no common cause found yet; api.acme.io and shop.acme.io are not affected
        affected: auth; not: shop
    15:30:13 ~ incident-1 service.auth Investigating wakes
        2 of 6 names of Sign-in have warnings: c.acme.app answers too slowly (over 1000 ms), b.acme.app cannot negotiate TLS with mainstay: its key exchange is in the group X448, since 15:28 UTC; no common cause found yet
        affected: auth; not: shop
    ");
}
