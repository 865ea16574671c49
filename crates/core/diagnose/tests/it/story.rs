//! The expired name, as people read it.

use crate::fixture::*;
use insta::assert_snapshot;
use types::AlertId;
use types::fault::{DnsFault, DomainFault, Fault, TlsFault};

/// The domain expires and moves to parking servers; returns the alerts of both.
fn expires(w: &mut Fixture) -> (AlertId, AlertId) {
    let own = set(&["ns1.host.example", "ns2.host.example"]);
    let park = set(&["ns1.parking.example", "ns2.parking.example"]);
    let moved = Fault::Dns { dns: DnsFault::DelegationMoved { from: own, to: park.clone() } };
    let dns = w.pass(2).breaks("dns.acme.app", moved);
    let expired = DomainFault::Expired { at: Some(at("2026-11-22T15:28:00Z")), parked_on: Some(park) };
    (w.breaks("domain.acme.app", Fault::Domain { domain: expired }), dns)
}

/// Every name fails, one after the other; returns the alerts.
fn caches_run_out(w: &mut Fixture, words: &mut String) -> Vec<AlertId> {
    let mut hosts = vec![];
    for name in NAMES {
        let fault = || Fault::Tls { tls: TlsFault::WrongName { presented: vec!["parking.example".into()] } };
        hosts.push(w.pass(4).breaks(&format!("tls.{name}"), fault()));
        hosts.push(w.breaks(&format!("host.{name}"), fault()));
        *words += &w.debounce();
    }
    hosts
}

#[test]
fn the_expired_name() {
    let mut w = Fixture::new();
    w.look_at_all();
    let mut words = "-- the registry says so, before any cache has run out\n".to_owned();
    let (domain, dns) = expires(&mut w);
    words += &w.react();
    words += "-- caches run out, one name after the other\n";
    let hosts = caches_run_out(&mut w, &mut words);
    words += &w.pass(5).react();
    words += "-- renewed at 16:02\n";
    w.now = at("2026-11-22T16:02:10Z");
    w.close(domain);
    w.close(dns);
    words += &w.react();
    words += "-- caches run out again\n";
    for (place, host) in hosts.into_iter().enumerate() {
        w.pass(30).close(host);
        if place % 4 == 3 {
            words += &w.react();
        }
    }
    words += "-- everything is looked at once more\n";
    words += &w.debounce();
    words += &w.pass(60).debounce();
    assert_snapshot!(words, @r"
    -- the registry says so, before any cache has run out
    15:28:02 + incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:28 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 6 names and 2 services will fail as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    -- caches run out, one name after the other
    15:28:07 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:28 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 1 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:28:12 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:28 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 2 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:28:17 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:28 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 3 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:28:22 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:28 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 4 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:28:27 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:28 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 5 of 6 names and 2 services fail because of it, the others will as caches expire; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    15:28:32 ~ incident-1 domain.acme.app Failing wakes
        acme.app expired at 15:28 UTC; its name servers are now ns1.parking.example, ns2.parking.example; 6 names and 2 services fail because of it; api.acme.io and shop.acme.io are not affected
        affected: api auth; not: shop
    -- renewed at 16:02
    16:02:10 ~ incident-1 domain.acme.app Recovering wakes
        acme.app recovered at 16:02 UTC; 6 names still fail
        affected: api auth; not: shop
    -- caches run out again
    16:04:10 ~ incident-1 domain.acme.app Recovering wakes
        acme.app recovered at 16:02 UTC; 4 of 6 names still fail
        affected: auth; not: shop
    16:06:10 ~ incident-1 domain.acme.app Recovering wakes
        acme.app recovered at 16:02 UTC; 2 of 6 names still fail
        affected: auth; not: shop
    16:08:10 ~ incident-1 domain.acme.app Recovering wakes
        acme.app recovered at 16:02 UTC; dependent resources are being checked
        affected: -; not: shop
    -- everything is looked at once more
    16:08:11 - incident-1 acme.app had expired at 15:28 UTC; 6 names and 2 services failed for 40 min
    ");
    w.restart();
}
