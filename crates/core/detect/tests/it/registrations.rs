//! Every state of a registration that mainstay must tell apart. Dates count from 2026-11-22T12:00:00Z.

use crate::fixture::*;
use insta::assert_snapshot;
use std::fmt::Write;
use types::fault::{DomainFault, Fault};
use types::probe_result::DomainSeen;
use types::{Answer, Resource};

const PROBE: &str = "domain.acme.com";
const OWN: [&str; 2] = ["ns1.dnshost.example", "ns2.dnshost.example"];
const PARK: [&str; 2] = ["ns1.expired-parking.example", "ns2.expired-parking.example"];
const CT: &str = "client transfer prohibited";

fn world() -> Fixture {
    Fixture::new(&[("a.acme.com", "acme.com")])
}

fn seen(registry: Option<i64>, registrar: Option<i64>, statuses: &[&str], servers: &[&str]) -> DomainSeen {
    domain("acme.com", at("2026-11-22T12:00:00Z"), registry, registrar, statuses, servers)
}

fn lookup(why: &str, secs_after: Option<u64>) -> Answer {
    failed(Fault::Lookup { why: why.into(), retry_after: secs_after.map(secs) })
}

#[test]
fn every_state_has_its_alert() {
    let mut table = String::new();
    for (state, registration) in [
        ("active", seen(Some(200), Some(200), &[CT], &OWN)),
        ("soon", seen(Some(12), None, &[CT], &OWN)),
        ("expired-autorenew", seen(Some(362), Some(-3), &[CT, "auto renew period"], &OWN)),
        ("autorenew, registry only", seen(Some(362), None, &[CT, "auto renew period"], &OWN)),
        ("autorenew, paid", seen(Some(362), Some(362), &[CT, "auto renew period"], &OWN)),
        ("expired-parked", seen(Some(355), Some(-10), &[CT, "auto renew period"], &PARK)),
        ("parked, registry only", seen(Some(355), None, &[CT, "auto renew period"], &PARK)),
        ("expired-hold", seen(Some(345), None, &["client hold", CT, "auto renew period"], &OWN)),
        ("expired-plain", seen(Some(-2), None, &["active"], &OWN)),
        ("redemption", seen(Some(-46), None, &["redemption period", "pending delete", "server hold"], &[])),
        (
            "pendingrestore",
            seen(Some(-60), None, &["pending restore", "redemption period", "server hold"], &[]),
        ),
        ("pendingdelete", seen(Some(-77), None, &["pending delete", "server hold"], &[])),
        ("serverhold", seen(Some(120), None, &["server hold", CT], &OWN)),
        ("transfer", seen(Some(90), None, &["pending transfer"], &OWN)),
        ("inactive", seen(Some(90), None, &["inactive"], &[])),
        ("noexpiry", seen(None, None, &["active"], &OWN)),
        ("stale-db", seen(Some(200), None, &[CT], &OWN)),
        ("prepaid", seen(Some(2), Some(367), &[CT], &OWN)),
        ("moved, active", seen(Some(200), Some(200), &[CT], &PARK)),
    ] {
        let mut w = world();
        w.see(PROBE, Answer::Domain(seen(Some(250), None, &[CT], &OWN)));
        let said = w.pass(secs(2)).see(PROBE, Answer::Domain(registration));
        let alerts: Vec<&str> =
            said.lines().filter(|line| !line.contains("learned")).map(|line| &line[9..]).collect();
        writeln!(
            table,
            "{state}: {}",
            if alerts.is_empty() { "-".to_owned() } else { alerts.join("\n    ") }
        )
        .unwrap();
    }
    assert_snapshot!(table, @r"
    active: -
    soon: + domain.acme.com expires in 14 days, at 2026-12-04T12:00:00Z [Warning since 12:00:02] https://registry.example/ says: expires 2026-12-04T12:00:00Z by the registry; status client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
    expired-autorenew: + domain.acme.com expired at 2026-11-19T12:00:00Z [Critical since 12:00:02] https://registry.example/ says: expires 2027-11-19T12:00:00Z by the registry, 2026-11-19T12:00:00Z by the registrar; status auto renew period, client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
    autorenew, registry only: + domain.acme.com is in its auto renew period: the registry moved the date, but it may not have been paid for [Warning since 12:00:02] https://registry.example/ says: expires 2027-11-19T12:00:00Z by the registry; status auto renew period, client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
    autorenew, paid: -
    expired-parked: + domain.acme.com expired at 2026-11-12T12:00:00Z [Critical since 12:00:02] https://registry.example/ says: expires 2027-11-12T12:00:00Z by the registry, 2026-11-12T12:00:00Z by the registrar; status auto renew period, client transfer prohibited; name servers ns1.expired-parking.example, ns2.expired-parking.example
    parked, registry only: + domain.acme.com expired [Critical since 12:00:02] https://registry.example/ says: expires 2027-11-12T12:00:00Z by the registry; status auto renew period, client transfer prohibited; name servers ns1.expired-parking.example, ns2.expired-parking.example
    expired-hold: + domain.acme.com is in its auto renew period: the registry moved the date, but it may not have been paid for [Warning since 12:00:02] https://registry.example/ says: expires 2027-11-02T12:00:00Z by the registry; status auto renew period, client hold, client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
        + domain.acme.com is removed from DNS by its registrar (client hold) [Critical since 12:00:02] https://registry.example/ says: expires 2027-11-02T12:00:00Z by the registry; status auto renew period, client hold, client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
    expired-plain: + domain.acme.com expired at 2026-11-20T12:00:00Z [Critical since 12:00:02] https://registry.example/ says: expires 2026-11-20T12:00:00Z by the registry; status active; name servers ns1.dnshost.example, ns2.dnshost.example
    redemption: + domain.acme.com was deleted and can be restored for at most 30 days (redemption period) [Critical since 12:00:02] https://registry.example/ says: expires 2026-10-07T12:00:00Z by the registry; status pending delete, redemption period, server hold
    pendingrestore: + domain.acme.com was deleted and can be restored for at most 30 days (redemption period) [Critical since 12:00:02] https://registry.example/ says: expires 2026-09-23T12:00:00Z by the registry; status pending restore, redemption period, server hold
    pendingdelete: + domain.acme.com is about to be released for registration (pending delete) [Critical since 12:00:02] https://registry.example/ says: expires 2026-09-06T12:00:00Z by the registry; status pending delete, server hold
    serverhold: + domain.acme.com is removed from DNS by its registry (server hold) [Critical since 12:00:02] https://registry.example/ says: expires 2027-03-22T12:00:00Z by the registry; status client transfer prohibited, server hold; name servers ns1.dnshost.example, ns2.dnshost.example
    transfer: + domain.acme.com is being transferred to another registrar [Warning since 12:00:02] https://registry.example/ says: expires 2027-02-20T12:00:00Z by the registry; status pending transfer; name servers ns1.dnshost.example, ns2.dnshost.example
    inactive: + domain.acme.com is removed from DNS by its registry (inactive) [Critical since 12:00:02] https://registry.example/ says: expires 2027-02-20T12:00:00Z by the registry; status inactive
    noexpiry: -
    stale-db: -
    prepaid: + domain.acme.com expires in 7 days, at 2026-11-24T12:00:00Z [Warning since 12:00:02] https://registry.example/ says: expires 2026-11-24T12:00:00Z by the registry, 2027-11-24T12:00:00Z by the registrar; the registry's date counts until it moves; status client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
    moved, active: -
    ");
}

#[test]
fn expiry_date_is_alerted_at_sixty_thirty_fourteen_seven_and_one_day() {
    let mut w = world();
    let registration = seen(Some(62), None, &[CT], &OWN);
    let mut words = w.see(PROBE, Answer::Domain(registration.clone()));
    for _ in 0..64 {
        words += &w.let_pass(secs(86_400));
        words += &w.see(PROBE, Answer::Domain(registration.clone()));
    }
    let short: String =
        words.lines().map(|line| line.split(" https://").next().unwrap().to_owned() + "\n").collect();
    assert_snapshot!(short, @r"
    12:00:00 learned acme.com
    12:00:00 + domain.acme.com expires in 60 days, at 2027-01-23T12:00:00Z [Warning since 12:00:00]
    12:00:00 ~ alert-1 expires in 30 days, at 2027-01-23T12:00:00Z [Warning]
    12:00:00 ~ alert-1 expires in 14 days, at 2027-01-23T12:00:00Z [Warning]
    12:00:00 ~ alert-1 expires in 7 days, at 2027-01-23T12:00:00Z [Warning]
    12:00:00 ~ alert-1 expires in 1 days, at 2027-01-23T12:00:00Z [Critical]
    12:00:00 - alert-1
    12:00:00 + domain.acme.com expired at 2027-01-23T12:00:00Z [Critical since 12:00:00]
    ");
}

#[test]
fn a_date_comes_closer_without_an_answer_too_but_is_asked_for_first() {
    let mut w = world();
    let mut words = w.see(PROBE, Answer::Domain(seen(Some(31), None, &[CT], &OWN)));
    w.let_pass(secs(86_390));
    assert_eq!(w.early(PROBE), None);
    w.let_pass(secs(10));
    assert_eq!(w.early(PROBE), Some(0), "at the step the registry is asked");
    words += &w.let_pass(secs(120));
    assert_snapshot!(words, @r"
    12:00:00 learned acme.com
    12:00:00 + domain.acme.com expires in 60 days, at 2026-12-23T12:00:00Z [Warning since 12:00:00] https://registry.example/ says: expires 2026-12-23T12:00:00Z by the registry; status client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
    12:01:00 ~ alert-1 expires in 30 days, at 2026-12-23T12:00:00Z [Warning] https://registry.example/ says: expires 2026-12-23T12:00:00Z by the registry; status client transfer prohibited; name servers ns1.dnshost.example, ns2.dnshost.example
    ");
}

#[test]
fn the_configs_date_serves_where_the_registry_hides_it() {
    let mut w = world();
    w.declare("acme.com", "2026-12-01T00:00:00Z");
    let words = w.see(PROBE, Answer::Domain(seen(None, None, &["active"], &OWN)));
    assert_snapshot!(words, @r"
    12:00:00 learned acme.com
    12:00:00 + domain.acme.com expires in 14 days, at 2026-12-01T00:00:00Z [Warning since 12:00:00] https://registry.example/ says: expires 2026-12-01T00:00:00Z by the configuration; the registry hides the date; status active; name servers ns1.dnshost.example, ns2.dnshost.example
    ");
}

#[test]
fn a_failed_lookup_is_never_an_expiry_and_grows_stale_after_three_days() {
    let mut w = world();
    let mut words = w.see(PROBE, Answer::Domain(seen(Some(200), None, &[CT], &OWN)));
    words += &w.pass(secs(60)).see(PROBE, lookup("status 429", Some(7200)));
    assert_eq!(w.early(PROBE), Some(7200), "what the registry asks for is honoured");
    assert!(w.detect.last_result(&Resource::domain("acme.com")).unwrap().healthy);
    for _ in 0..4 {
        words += &w.let_pass(secs(86_400));
        words += &w.see(PROBE, lookup("timed out", None));
    }
    words += &w.pass(secs(60)).see(PROBE, Answer::Domain(seen(Some(200), None, &[CT], &OWN)));
    assert_snapshot!(words, @r"
    12:00:00 learned acme.com
    12:01:00 + domain.acme.com could not be looked up at its registry: timed out [Info since 12:01:00] 2 bad answers in 24 h, last: could not be looked up at its registry: timed out
    12:00:00 - alert-1
    12:00:00 + domain.acme.com has an expiry date that could not be confirmed since 2026-11-22T12:00:00Z [Warning since 12:01:00] not confirmed since 2026-11-22T12:00:00Z; last known date: 2027-06-10T12:00:00Z
    12:02:00 - alert-2
    ");
}

#[test]
fn restarts_do_not_keep_an_old_date_young() {
    let days = |w: &mut Fixture, mute: &dyn Fn(u64) -> bool| {
        let mut words = String::new();
        for day in 0..6 {
            w.restart();
            for _ in 0..3 {
                let answer = match mute(day) {
                    true => lookup("timed out", None),
                    false => Answer::Domain(seen(Some(200), None, &[CT], &OWN)),
                };
                words += &w.pass(secs(2400)).see(PROBE, answer);
            }
            words += &w.let_pass(secs(79_200));
        }
        words
    };
    let mut mute = world();
    let mut words = mute.see(PROBE, Answer::Domain(seen(Some(200), None, &[CT], &OWN)));
    words += &days(&mut mute, &|_| true);
    words += "-- answers, but for a day\n";
    words += &days(&mut mute, &|day| day == 2);
    assert_snapshot!(words, @r"
    12:00:00 learned acme.com
    14:00:00 + domain.acme.com could not be looked up at its registry: timed out [Info since 12:40:00] 3 bad answers in 1 h 20 min, last: could not be looked up at its registry: timed out
    12:40:00 - alert-1
    12:40:00 + domain.acme.com has an expiry date that could not be confirmed since 2026-11-22T12:40:00Z [Warning since 12:40:00] not confirmed since 2026-11-22T12:40:00Z; last known date: 2027-06-10T12:00:00Z
    -- answers, but for a day
    12:40:00 - alert-2
    14:00:00 + domain.acme.com could not be looked up at its registry: timed out [Info since 12:40:00] 3 bad answers in 1 h 20 min, last: could not be looked up at its registry: timed out
    12:40:00 - alert-3
    ");
}

#[test]
fn a_domain_that_was_never_looked_up_is_stale_too() {
    for (case, restarts) in [("left running", false), ("restarted every day", true)] {
        let mut w = world();
        let mut words = String::new();
        for _ in 0..5 {
            for _ in 0..3 {
                words += &w.pass(secs(2400)).see(PROBE, lookup("no route", None));
            }
            words += &w.let_pass(secs(79_200));
            if restarts {
                w.restart();
            }
        }
        assert!(words.contains("no successful lookup since 2026-11-22T12:"), "{case}: {words}");
        assert_eq!(words.matches(" + ").count(), 2, "a note, and then stale; {case}: {words}");
    }
    let mut w = world();
    let words = w.let_pass(secs(4 * 86_400));
    assert!(
        words.contains("+ domain.acme.com has an expiry date that could not be confirmed"),
        "nobody asked: {words}"
    );
}

#[test]
fn an_unknown_name_is_believed_the_second_time() {
    let mut w = world();
    let gone = || failed(Fault::Domain { domain: DomainFault::NotRegistered });
    let mut words = w.see(PROBE, gone());
    assert_eq!(w.early(PROBE), Some(2));
    words += &w.pass(secs(2)).see(PROBE, gone());
    assert_snapshot!(words, @"12:00:02 + domain.acme.com is not registered [Critical since 12:00:00] is not registered");
}

#[test]
fn the_jump_of_the_registrys_date_clears_nothing_and_payment_does() {
    let mut w = world();
    let mut words = w.see(PROBE, Answer::Domain(seen(Some(-1), None, &["active"], &OWN)));
    words +=
        &w.pass(secs(10)).see(PROBE, Answer::Domain(seen(Some(364), None, &["auto renew period"], &OWN)));
    words += &w
        .pass(secs(10))
        .see(PROBE, Answer::Domain(seen(Some(364), Some(364), &["auto renew period"], &OWN)));
    assert_snapshot!(words, @r"
    12:00:00 learned acme.com
    12:00:00 + domain.acme.com expired at 2026-11-21T12:00:00Z [Critical since 12:00:00] https://registry.example/ says: expires 2026-11-21T12:00:00Z by the registry; status active; name servers ns1.dnshost.example, ns2.dnshost.example
    12:00:10 learned acme.com
    12:00:20 learned acme.com
    12:00:20 - alert-1
    ");
}

#[test]
fn only_news_is_learned() {
    let mut w = world();
    let mut registration = seen(Some(200), None, &[CT], &OWN);
    assert_eq!(w.see(PROBE, Answer::Domain(registration.clone())), "12:00:00 learned acme.com\n");
    registration.database_updated = None;
    assert_eq!(w.see(PROBE, Answer::Domain(registration.clone())), "");
    registration.registrar_expires = registration.registry_expires;
    assert_eq!(w.see(PROBE, Answer::Domain(registration)), "12:00:00 learned acme.com\n");
}
